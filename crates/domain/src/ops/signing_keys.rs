//! The keys of pairs that sign tokens: what others verify with, and taking one back.
//!
//! Which keys there are is decided by the directory they lie in, and not by an operation.

use crate::Timestamp;
use crate::app::{Access, Cx, Operation};
use crate::change::Change;
use crate::error::Result;
use crate::model::{PublicKey, SigningKeyId};
use crate::ports::Class;

/// Gives what others verify tokens with.
#[derive(Debug)]
pub struct ListPublicKeys;

impl Operation for ListPublicKeys {
    type Output = Vec<PublicKey>;
    const NAME: &'static str = "list_public_keys";
    const HOT: bool = true;
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::Anyone
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Vec<PublicKey>> {
        let mut keys = Vec::new();
        for key in cx.tokens().public_keys() {
            // Its file may still be here.
            if !cx.checks().is_withdrawn(key.id).await? {
                keys.push(key);
            }
        }
        Ok(keys)
    }
}

/// Withdraws a signing key, known here or not: once this is done, no replica accepts what it signed.
#[derive(Debug)]
pub struct WithdrawSigningKey {
    /// Which.
    pub key: SigningKeyId,
}

impl Operation for WithdrawSigningKey {
    type Output = ();
    const NAME: &'static str = "withdraw_signing_key";

    fn access(&self) -> Access {
        Access::Service
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        let Self { key } = self;
        cx.commit(vec![Change::WithdrawSigningKey { key, at: cx.now }]).await
    }
}

/// Says whether a signing key was withdrawn.
#[derive(Debug)]
pub struct IsWithdrawn {
    /// Which.
    pub key: SigningKeyId,
}

impl Operation for IsWithdrawn {
    type Output = bool;
    const NAME: &'static str = "is_withdrawn";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::Service
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<bool> {
        cx.store().is_withdrawn(self.key).await
    }
}

/// Counts the API keys that were made in a span of time and still count: those a signing key may have signed.
#[derive(Debug)]
pub struct CountKeysMade {
    /// The first moment of the span.
    pub from: Timestamp,
    /// The first moment after it.
    pub before: Timestamp,
}

impl Operation for CountKeysMade {
    type Output = u64;
    const NAME: &'static str = "count_keys_made";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::Service
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<u64> {
        cx.store().keys_alive(self.from, self.before, cx.now).await
    }
}
