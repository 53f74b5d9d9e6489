//! What signs, seals, hashes and makes secrets.

use async_trait::async_trait;
use secrecy::SecretString;

use crate::Timestamp;
use crate::error::{Result, Unauthenticated};
use crate::model::{
    Claims, Email, NextRefresh, PasswordHash, Proved, PublicKey, RefreshDigests, RefreshToken,
    SigningKeyId, TicketId, TicketSecret, Token,
};

/// Signs and checks tokens.
pub trait Tokens: Send + Sync {
    /// The key of a pair that signs at this moment, unless it is one of these. None is the secret, which signs when
    /// no other key does.
    fn signer(&self, now: Timestamp, withdrawn: &[SigningKeyId]) -> Option<SigningKeyId>;

    /// A token that says this, signed by what [`Tokens::signer`] names.
    fn sign(&self, claims: &Claims, now: Timestamp, withdrawn: &[SigningKeyId]) -> Result<Token>;

    /// What the token says, once its signature is proved and every claim has the right type; and
    /// how far the signing key is trusted. Says nothing about times, nor about keys that were withdrawn.
    fn verify(&self, token: &Token) -> Result<Proved, Unauthenticated>;

    /// What others verify tokens with: every key of a pair that is used, was used, or will be.
    fn public_keys(&self) -> Vec<PublicKey>;
}

/// Marks places in lists, to be handed to clients and back.
pub trait Cursors: Send + Sync {
    /// A text that holds this, and that nobody can make who does not have the key.
    fn seal(&self, place: &[u8]) -> String;

    /// What the text holds, if [`Cursors::seal`] made it.
    fn open(&self, cursor: &str) -> Option<Vec<u8>>;
}

/// Makes the secrets of tickets.
pub trait TicketSecrets: Send + Sync {
    /// The secret of this ticket: the same whenever it is asked for, and nothing that somebody can find who has
    /// only what is stored.
    fn secret(&self, ticket: TicketId) -> TicketSecret;

    /// What is stored of a secret.
    fn digest(&self, secret: &TicketSecret) -> [u8; 32];
}

/// Makes refresh tokens, and says what is stored of them.
pub trait RefreshTokens: Send + Sync {
    /// The first token of a new session: random, 256 bits that nobody guesses beside the family's.
    fn first(&self) -> Result<RefreshToken>;

    /// A token to take the place of this one: of its family, and random.
    fn next(&self, token: &RefreshToken) -> Result<NextRefresh>;

    /// The token that took the place of this one, which is the same each time, by what was stored of it.
    fn next_again(&self, token: &RefreshToken, cover: &[u8; 32]) -> Option<RefreshToken>;

    /// What is stored of a token; nothing for text that is none.
    fn digests(&self, token: &RefreshToken) -> Option<RefreshDigests>;
}

/// Hashes and checks passwords, a few at a time, so that logins cannot starve checks.
#[async_trait]
pub trait Passwords: Send + Sync {
    /// Whether somebody with this address may set this password, by the one rule there is for passwords; without
    /// an address, whether anybody may, as far as that does not depend on who.
    fn acceptable(&self, password: &SecretString, owner: Option<&Email>) -> bool;

    /// Whether passwords can be checked against a hash that comes from elsewhere: of a kind that is known, whole, and
    /// asking for no more work than is done for anybody.
    fn can_check(&self, hash: &PasswordHash) -> bool;

    /// The hash to store. Fails with `Unavailable` when too many wait already.
    async fn hash(&self, password: SecretString) -> Result<PasswordHash>;

    /// Whether the password belongs to the hash. Without a hash it takes as long and says no, so
    /// that unknown accounts answer like known ones. Fails with `Unavailable` when too many wait.
    ///
    /// `mixed` says that hashes of two kinds are stored ([`Accounts::has_bcrypt`](super::Accounts::has_bcrypt)): whatever is wrong then takes as
    /// long as with the slower kind, so that nobody learns who has which.
    async fn verify(
        &self,
        password: SecretString,
        hash: Option<PasswordHash>,
        mixed: bool,
    ) -> Result<Guess>;
}

/// What became of a password that somebody typed.
#[derive(Clone, Debug)]
pub enum Guess {
    /// It is wrong.
    Wrong,
    /// It is right.
    Right,
    /// It is right, and its hash is one that should be replaced by this one.
    Outdated(PasswordHash),
}

impl From<bool> for Guess {
    fn from(right: bool) -> Self {
        if right { Self::Right } else { Self::Wrong }
    }
}

impl Guess {
    /// Whether it is right.
    #[must_use]
    pub const fn is_right(&self) -> bool {
        !matches!(self, Self::Wrong)
    }
}
