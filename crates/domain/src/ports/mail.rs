//! Mails that wait, and who sends them.

use std::time::Duration;

use async_trait::async_trait;
use uuid::Uuid;

use crate::error::{Cause, Result};
use crate::model::{
    ClaimedMail, Invitation, InviteId, Letter, Listing, MailDepth, MailId, MailState, Page,
    QueuedMail, Settled, Verdict,
};

/// Mails that wait to be sent, and who sends which.
///
/// Whoever sends one has to hold it, and only one holder has it at a time: for a while, by the store's
/// clock, which also says what is due. Like that of [`Sinks`](super::Sinks) this is bookkeeping and no
/// [`crate::change::Change`].
#[async_trait]
pub trait Mails: Send + Sync {
    /// How much there is.
    async fn mail_depth(&self) -> Result<MailDepth>;

    /// The mails there are, or those in one state, by id, ascending. `page.order` has nothing to say.
    async fn mails(&self, state: Option<MailState>, page: Page<()>) -> Result<Listing<QueuedMail>>;

    /// The invite, if it can be accepted at this moment, by the store's clock: its org exists, it
    /// names somebody, nobody has answered it or taken it back, and its time is not over.
    async fn invitation(&self, invite: InviteId) -> Result<Option<Invitation>>;

    /// Takes up to `limit` of the mails that are due, those first that have been for longest, and
    /// holds them for this long. Those of kinds that this version does not know are left alone. What
    /// is due much later than any that was put off is left over from a clock that was set back, and
    /// is due at once.
    async fn claim_mails(
        &self,
        holder: Uuid,
        hold: Duration,
        limit: u32,
    ) -> Result<Vec<ClaimedMail>>;

    /// Notes what became of a mail, if the holder still has it, and lets it go.
    async fn settle_mail(&self, id: MailId, holder: Uuid, verdict: Verdict) -> Result<Settled>;
}

/// Sends mail.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Sends one mail to one address. Once it says that it did, it did; when it fails, the mail may
    /// have been sent all the same.
    async fn send(&self, letter: &Letter) -> Result<(), Undelivered>;
}

/// Why a mail was not sent. Neither prints whom it was for.
#[derive(Debug, thiserror::Error)]
pub enum Undelivered {
    /// Another try may do better.
    #[error("not now: {problem}")]
    Later {
        /// Why: a word from a small set.
        problem: &'static str,
        /// Whether the mail server itself could not be used, whatever the mail.
        is_down: bool,
        /// What went wrong, for the log.
        #[source]
        cause: Cause,
    },
    /// This mail to this address will not be taken, however often it is tried.
    #[error("never: {problem}")]
    Never {
        /// Why: a word from a small set.
        problem: &'static str,
        /// What went wrong, for the log.
        #[source]
        cause: Cause,
    },
}
