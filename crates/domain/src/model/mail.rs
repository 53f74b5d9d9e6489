//! Mails, before they are written: what one is about, never its text or an address.

use std::str::FromStr;
use std::time::Duration;

use serde_json::{Value, json};

use super::{
    Email, InviteId, Name, OrgRole, PlatformInviteId, RedirectPath, TicketId, TicketSecret, UserId,
};
use crate::error::{Entity, Error};
use crate::id::Noun;
use crate::{Id, Timestamp};

/// Identifies a [`Mail`].
pub type MailId = Id<Mail>;

/// Something somebody is to be told by mail. Whom, and whether it is still true, is found out when its
/// turn comes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mail {
    /// Which one.
    pub id: MailId,
    /// What it says.
    pub message: Message,
    /// When what it tells of happened.
    pub created_at: Timestamp,
    /// After this moment nobody is told any more.
    pub expires_at: Timestamp,
}

impl Noun for Mail {
    const ENTITY: Entity = Entity::Mail;
}

/// What a mail says.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Message {
    /// To the invitee: you are invited to an org.
    OrgInvite {
        /// Which invite.
        invite: InviteId,
        /// Where on the front end it is answered.
        path: RedirectPath,
    },
    /// To somebody without an account: you are invited to open one.
    PlatformInvite {
        /// Which invite.
        invite: PlatformInviteId,
        /// What the link in it proves.
        ticket: TicketId,
        /// Where on the front end that is done.
        path: RedirectPath,
    },
    /// To whoever has the address somebody signed up with: you can open the account.
    EmailVerification {
        /// What the link in it proves.
        ticket: TicketId,
        /// Where on the front end that is done.
        path: RedirectPath,
    },
    /// To whoever has the address of an account that wants to accept an invite: you can say that it is yours.
    AccountVerification {
        /// What the link in it proves.
        ticket: TicketId,
        /// Where on the front end that is done.
        path: RedirectPath,
    },
    /// To whoever forgot their password: you can set a new one.
    PasswordReset {
        /// What the link in it proves.
        ticket: TicketId,
        /// Where on the front end that is done.
        path: RedirectPath,
    },
}

impl Message {
    /// The word for each kind there is. A queue shared with a newer version may hold others.
    pub const KINDS: [&str; 5] = [
        "org_invite",
        "platform_invite_link",
        "email_verification",
        "account_verification",
        "password_reset",
    ];

    /// The word for it in the queue.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::OrgInvite { .. } => "org_invite",
            // Releases that know the kind `platform_invite` would mail the invite's id as the link.
            Self::PlatformInvite { .. } => "platform_invite_link",
            Self::EmailVerification { .. } => "email_verification",
            Self::AccountVerification { .. } => "account_verification",
            Self::PasswordReset { .. } => "password_reset",
        }
    }

    /// What the queue keeps of it beside its kind.
    #[must_use]
    pub fn payload(&self) -> Value {
        match self {
            Self::OrgInvite { invite, path } => {
                json!({ "invite": invite.to_string(), "path": path.as_str() })
            }
            Self::PlatformInvite { invite, ticket, path } => json!({
                "invite": invite.to_string(),
                "ticket": ticket.to_string(),
                "path": path.as_str(),
            }),
            Self::EmailVerification { ticket, path }
            | Self::AccountVerification { ticket, path }
            | Self::PasswordReset { ticket, path } => {
                json!({ "ticket": ticket.to_string(), "path": path.as_str() })
            }
        }
    }

    /// The message, read back from the queue. Nothing for one that this version does not know.
    #[must_use]
    pub fn stored(kind: &str, payload: &Value) -> Option<Self> {
        let text = |name| payload.get(name)?.as_str();
        match kind {
            "org_invite" => Some(Self::OrgInvite {
                invite: text("invite")?.parse().ok()?,
                path: text("path")?.parse().ok()?,
            }),
            "platform_invite_link" => Some(Self::PlatformInvite {
                invite: text("invite")?.parse().ok()?,
                ticket: text("ticket")?.parse().ok()?,
                path: text("path")?.parse().ok()?,
            }),
            "email_verification" => Some(Self::EmailVerification {
                ticket: text("ticket")?.parse().ok()?,
                path: text("path")?.parse().ok()?,
            }),
            "account_verification" => Some(Self::AccountVerification {
                ticket: text("ticket")?.parse().ok()?,
                path: text("path")?.parse().ok()?,
            }),
            "password_reset" => Some(Self::PasswordReset {
                ticket: text("ticket")?.parse().ok()?,
                path: text("path")?.parse().ok()?,
            }),
            _ => None,
        }
    }
}

/// Where a mail in the queue stands. One that was sent is not there any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MailState {
    /// It will be tried, perhaps again.
    Queued,
    /// It will not be tried any more, unless somebody says so.
    Dead,
}

impl MailState {
    /// Every state.
    pub const ALL: [Self; 2] = [Self::Queued, Self::Dead];

    /// The word on the wire and in the tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Queued => "queued",
            Self::Dead => "dead",
        }
    }
}

impl FromStr for MailState {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self, Error> {
        let known = Self::ALL.into_iter().find(|state| state.as_str() == text);
        known.ok_or(Error::malformed("state", "is neither queued nor dead"))
    }
}

/// A [`Mail`] as the queue holds it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct QueuedMail {
    /// Which one.
    pub id: MailId,
    /// The word for what it says.
    pub kind: String,
    /// What it says; nothing if this version cannot read it.
    pub message: Option<Message>,
    /// When what it tells of happened.
    pub created_at: Timestamp,
    /// After this moment it is not tried any more.
    pub expires_at: Timestamp,
    /// Where it stands.
    pub state: MailState,
    /// How often sending it failed.
    pub attempts: u32,
    /// When it is tried next, by the store's clock; for a dead one, when it died.
    pub due_at: Timestamp,
    /// Why the last try failed: a word from a small set.
    pub problem: Option<String>,
}

/// A mail that its holder is to send now.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClaimedMail {
    /// Which one.
    pub mail: QueuedMail,
    /// Whether its time is over, by the store's clock.
    pub is_late: bool,
}

/// What a holder says became of a mail.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// It was sent, or need not be: it leaves the queue.
    Done,
    /// It is to be tried again, unless its time will be over by then: that makes it dead.
    Later {
        /// After how long.
        after: Duration,
        /// Whether that was a try to send it.
        counts: bool,
        /// Why: a word from a small set.
        problem: &'static str,
    },
    /// It cannot be sent, however often it is tried.
    Dead {
        /// Why: a word from a small set.
        problem: &'static str,
    },
}

/// What a [`Verdict`] led to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Settled {
    /// The mail has left the queue.
    Gone,
    /// The mail is still there, in this state.
    Is(MailState),
    /// Nothing was noted: the hold had ended, and it is somebody else's now.
    Lost,
}

/// How much there is in the queue.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MailDepth {
    /// How many mails are still to be sent, counted up to [`MailDepth::MOST`].
    pub queued: u64,
    /// Whether one of them is due and nobody's.
    pub due: bool,
    /// How many are dead, counted as far.
    pub dead: u64,
    /// When the oldest that is still to be sent was queued.
    pub since: Option<Timestamp>,
}

impl MailDepth {
    /// The queue is counted this far and no further, so that looking at it costs the same however
    /// long it is.
    pub const MOST: i64 = 10_000;
}

/// An invite that can still be accepted, with what the invitee is told of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Invitation {
    /// What the org is called now.
    pub org: Name,
    /// Who invites.
    pub inviter: UserId,
    /// Who is invited.
    pub invitee: UserId,
    /// What they become.
    pub role: OrgRole,
    /// Until when they can accept.
    pub expires_at: Timestamp,
}

/// A mail that can be written: whom it goes to, and what it tells them.
#[derive(Clone, Debug)]
pub struct Draft {
    /// To whom, as the directory knows them now.
    pub to: Email,
    /// What it tells.
    pub content: Content,
}

/// What a mail tells.
#[derive(Clone, Debug)]
pub enum Content {
    /// You are invited to an org.
    OrgInvite {
        /// Which invite.
        invite: InviteId,
        /// Where on the front end it is answered.
        path: RedirectPath,
        /// Who invites, if the directory knows them.
        inviter: Option<String>,
        /// What the org is called.
        org: Name,
        /// What the invitee would be.
        role: OrgRole,
        /// Until when they can accept.
        expires_at: Timestamp,
    },
    /// You are invited to open an account.
    PlatformInvite {
        /// Where on the front end that is done.
        path: RedirectPath,
        /// What proves there that this mail was read.
        secret: TicketSecret,
        /// Who invites.
        inviter: String,
        /// The org that the invitee will be invited to, and as what, if they will.
        org: Option<(Name, OrgRole)>,
        /// Until when.
        expires_at: Timestamp,
    },
    /// You can open the account that somebody asked for.
    EmailVerification {
        /// Where on the front end that is done.
        path: RedirectPath,
        /// What proves there that this mail was read.
        secret: TicketSecret,
        /// When it was asked for, so that they can tell whether it was by them.
        asked_at: Timestamp,
        /// Until when.
        expires_at: Timestamp,
    },
    /// You have the account already that somebody asked for.
    AlreadyRegistered {
        /// When it was asked for.
        asked_at: Timestamp,
    },
    /// You can say that the account with your address is yours.
    AccountVerification {
        /// Where on the front end that is done.
        path: RedirectPath,
        /// What proves there that this mail was read.
        secret: TicketSecret,
        /// When the account wanted to accept an invite, so that they can tell whether that was them.
        asked_at: Timestamp,
        /// Until when.
        expires_at: Timestamp,
    },
    /// You can set a new password.
    PasswordReset {
        /// Where on the front end that is done.
        path: RedirectPath,
        /// What proves there that this mail was read.
        secret: TicketSecret,
        /// Until when.
        expires_at: Timestamp,
    },
}

/// A mail, written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Letter {
    /// Which mail: the same whenever it is sent again, so that whoever receives it can tell.
    pub id: MailId,
    /// The one whom it goes to.
    pub to: Email,
    /// When what it tells of happened.
    pub at: Timestamp,
    /// One line.
    pub subject: String,
    /// For those who read text.
    pub text: String,
    /// For those who see.
    pub html: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_read_back_as_written() {
        let path = || "/app/invites".parse().unwrap();
        let id = "0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f6";
        for message in [
            Message::OrgInvite { invite: id.parse().unwrap(), path: path() },
            Message::PlatformInvite {
                invite: id.parse().unwrap(),
                ticket: id.parse().unwrap(),
                path: path(),
            },
            Message::EmailVerification { ticket: id.parse().unwrap(), path: path() },
            Message::AccountVerification { ticket: id.parse().unwrap(), path: path() },
            Message::PasswordReset { ticket: id.parse().unwrap(), path: path() },
        ] {
            assert_eq!(Message::stored(message.kind(), &message.payload()), Some(message.clone()));
            assert!(Message::KINDS.contains(&message.kind()));
            assert_eq!(Message::stored("of_tomorrow", &message.payload()), None);
            assert_eq!(Message::stored(message.kind(), &json!({})), None);
        }
    }
}
