//! Users of another service that are brought in: what is read of them, and what is told of it.
//!
//! The operation is [`crate::ops::user_import::ImportUsers`].

use async_trait::async_trait;
use serde_json::Value;

use crate::error::Result;
use crate::model::UserId;

/// A row of the users of another service, as it stands there: nothing of it is checked.
#[derive(Clone)]
pub struct ForeignUser {
    /// Who, there and here.
    pub id: UserId,
    /// Their address.
    pub email: String,
    /// The hash of their password, if they have one.
    pub password: Option<String>,
    /// What is attached to them; nothing if it cannot be read.
    pub metadata: Option<Value>,
    /// Their status.
    pub status: String,
}

/// What else there is that does not come along.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LeftBehind {
    /// Addresses that wait to be proved: whoever wanted an account asks for it again.
    pub verifications: u64,
    /// Invites to the platform that wait for an answer.
    pub platform_invites: u64,
}

/// Where users come from: all of it as it was at one moment.
#[async_trait]
pub trait ForeignUsers: Send {
    /// The next of them by id; none at the end.
    async fn read(&mut self) -> Result<Vec<ForeignUser>>;

    /// Starts over: what comes is the same again.
    async fn rewind(&mut self) -> Result<()>;

    /// What else there is.
    async fn left_behind(&mut self) -> Result<LeftBehind>;
}

/// Why somebody cannot be brought in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Obstacle {
    /// Several have addresses that are one here, such as those that differ only by case.
    SameAddress,
    /// Somebody else has the address here.
    AddressTaken,
    /// They are here, with another address.
    AddressDiffers,
    /// What stands for an address is none.
    Address,
    /// They are neither enabled nor disabled.
    Status,
    /// What is attached to them is no object, or too large.
    Metadata,
}

impl Obstacle {
    /// The word for it.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SameAddress => "same_address",
            Self::AddressTaken => "address_taken",
            Self::AddressDiffers => "address_differs",
            Self::Address => "address",
            Self::Status => "status",
            Self::Metadata => "metadata",
        }
    }
}

/// Users who cannot be brought in, several if they stand in each other's way. Named by their ids only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refused {
    /// Who.
    pub users: Vec<UserId>,
    /// Why.
    pub why: Obstacle,
}

/// What [`crate::ops::user_import::ImportUsers`] found, and did.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ImportReport {
    /// Whether it is written: not by a dry run, nor while somebody cannot be brought in and is not to be left out.
    pub written: bool,
    /// How many users there are.
    pub read: u64,
    /// How many of them were brought in, or would be.
    pub created: u64,
    /// How many are here already, whatever became of them since.
    pub unchanged: u64,
    /// How many of those that are brought in have no password there.
    pub without_password: u64,
    /// Who is brought in without a password because their hash cannot be checked here: of another kind, damaged, or
    /// asking for too much work.
    pub unusable_hashes: Vec<UserId>,
    /// Who cannot be brought in.
    pub refused: Vec<Refused>,
    /// What does not come along.
    pub left_behind: LeftBehind,
}
