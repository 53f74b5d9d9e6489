use auth_domain::Id;
use auth_domain::change::Change;
use auth_domain::model::{Mail, MailId, Message};
use uuid::Uuid;

use super::{Row, at};
use crate::docs::permissions::scene::NOW;

pub const ROWS: &[Row] = &[
    Row::new("GET /mails", PLATFORM, |_| at("/mails").now()),
    Row::new("POST /mails/{id}/retry", PLATFORM, |scene| {
        Box::pin(async {
            let id = MailId::new(Uuid::from_u128(200));
            let (invite, path) = (Id::new(Uuid::from_u128(300)), "/invites".parse().unwrap());
            let message = Message::OrgInvite { invite, path };
            let mail = Mail { id, message, created_at: NOW, expires_at: NOW };
            scene.commit(vec![Change::QueueMail(mail)]).await;
            at(format!("/mails/{id}/retry"))
        })
    }),
];

const PLATFORM: &str = "a platform role, with a login token";
