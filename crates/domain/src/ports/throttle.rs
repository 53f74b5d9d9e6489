//! What is counted, so that nobody does too much of it.

use std::net::IpAddr;
use std::time::Duration;

use async_trait::async_trait;

use crate::error::Result;
use crate::model::{KeyId, OrgId, Purpose, UserId};
use crate::ports::Priority;

/// What kind of work a call is, for limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Class {
    /// Signing in, and opening an account: a password is hashed for it.
    SignIns,
    /// Showing and listing.
    Reads,
    /// Changing something.
    Writes,
    /// Everything there is of something, out or in: backups, restores.
    Backups,
    /// What sibling services ask at every request of theirs.
    Checks,
}

impl Class {
    /// What goes first when not everything can be done.
    #[must_use]
    pub const fn priority(self) -> Priority {
        match self {
            Self::Checks => Priority::Check,
            Self::SignIns => Priority::Password,
            Self::Reads | Self::Writes => Priority::Management,
            Self::Backups => Priority::Bulk,
        }
    }
}

/// Where a request came in.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Source {
    /// From a service of the fleet, whose address stands for everybody it asks about, or from this process.
    #[default]
    Fleet,
    /// Over HTTP, from this address. All whose address is unknown are one.
    Http(Option<IpAddr>),
}

/// A call, by whom it counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Call {
    /// What kind of work it is.
    pub class: Class,
    /// Where it came in. Those who have proved who they are share no count with those who have not: otherwise
    /// whoever shares an address with somebody could keep them out.
    pub source: Source,
    /// The user who asks, if that is proved.
    pub user: Option<UserId>,
    /// The API key they ask with.
    pub key: Option<KeyId>,
    /// The org it is about, once it is known that they may: strangers do not use up what members have.
    pub org: Option<OrgId>,
}

/// Something that is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Attempt<'a> {
    /// Somebody asks for something.
    Call(Call),
    /// Somebody signs in, and is taken for a guesser until the password turns out to be right.
    SignIn {
        /// Where they are.
        source: Source,
        /// The account, by its address.
        account: &'a str,
    },
    /// This user invites somebody, whom they may only guess at.
    Inviting(UserId),
    /// A user gets an invite from another one.
    BeingInvited {
        /// Who invites them. What one does costs others nothing.
        by: UserId,
        /// Who is invited.
        invitee: UserId,
    },
    /// A user gets a mail that tells of an invite.
    InviteMail(UserId),
    /// Somebody asks for a mail with a link, whoever it is for.
    AskingForLink {
        /// Where they are.
        source: Source,
        /// What the link is good for.
        purpose: Purpose,
    },
    /// Whoever has an address would get that mail.
    BeingSentLink {
        /// Where it is asked for. Strangers elsewhere do not use up all that its owner has.
        source: Source,
        /// What the link is good for.
        purpose: Purpose,
        /// The address.
        address: &'a str,
    },
}

/// Slows down guessing, floods, and who would flood others.
#[async_trait]
pub trait Throttle: Send + Sync {
    /// Whether calls of this class are counted at all: asked where even the question may cost too much.
    fn counts(&self, class: Class) -> bool;

    /// Counts an attempt, or fails with `RateLimited` and counts nothing. It is counted before it is known
    /// how it ends, so that many at once are no way around the limit.
    async fn enter(&self, attempt: Attempt<'_>) -> Result<()>;

    /// Takes an attempt back that ended as nothing to be counted.
    async fn take_back(&self, attempt: Attempt<'_>);

    /// For what can only be done after this time: fails with `RateLimited`, or, where nobody is ever refused, returns
    /// when it is over.
    async fn not_before(&self, wait: Duration) -> Result<()>;
}
