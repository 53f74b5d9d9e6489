//! Mails, before they are written: what one is about, never its text or an address.

use serde_json::{Value, json};

use super::{InviteId, RedirectPath};
use crate::error::Entity;
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
}

impl Message {
    /// The word for it in the queue.
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        match self {
            Self::OrgInvite { .. } => "org_invite",
        }
    }

    /// What the queue keeps of it beside its kind.
    #[must_use]
    pub fn payload(&self) -> Value {
        match self {
            Self::OrgInvite { invite, path } => {
                json!({ "invite": invite.to_string(), "path": path.as_str() })
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
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_read_back_as_written() {
        let message = Message::OrgInvite {
            invite: "0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f6".parse().unwrap(),
            path: "/app/invites".parse().unwrap(),
        };
        assert_eq!(Message::stored(message.kind(), &message.payload()), Some(message.clone()));
        assert_eq!(Message::stored("of_tomorrow", &message.payload()), None);
        assert_eq!(Message::stored(message.kind(), &json!({})), None);
    }
}
