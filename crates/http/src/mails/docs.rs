//! What the description says of the routes of mails.

use auth_domain::{Entity, Error, Invalid};
use http::StatusCode;
use serde_json::json;

use super::MailsView;
use crate::openapi::lists::{self, Asked};
use crate::openapi::{Docs, Group};

const GROUP: Group = Group {
    name: "Mails",
    about: "Mails that wait to be sent, and those that were given up. For whoever has a platform role, \
            with a login token. None of it says whom a mail goes to.",
};

pub(super) fn list() -> Docs {
    let mut asked = lists::part();
    asked.push(Asked::mail_state("Only mails in this state."));
    Docs::new(
        &GROUP,
        "listMails",
        "List the mails that are not sent",
        "For admins and roots; the oldest first.",
    )
    .signed_in()
    .asked(asked)
    .refuses(Error::Forbidden)
    .answers::<MailsView<'_>>(
        StatusCode::OK,
        "A page of them.",
        json!({
            "limit": 10,
            "offset": 0,
            "total": 1,
            "mails": [
                {
                    "id": "01932f7c-51e8-7a90-b3c6-4d2e8f1a6b35",
                    "kind": "org_invite",
                    "invite_id": "01932f7c-51e7-7f12-8a4b-9c0d3e5f7a21",
                    "state": "queued",
                    "attempts": 2,
                    "created_at": "2026-11-22T16:30:00Z",
                    "expires_at": "2026-11-29T16:30:00Z",
                    "due_at": "2026-11-22T16:32:41.125Z",
                    "problem": "connect",
                },
            ],
        }),
    )
}

pub(super) fn retry() -> Docs {
    Docs::new(
        &GROUP,
        "retryMail",
        "Try a mail at once",
        "For admins and roots, whether it waits or was given up. One that is being sent at this moment is \
         left alone; one that is no longer true is not sent.",
    )
    .segment("id", "Which mail.", Invalid::MissingMailId)
    .signed_in()
    .refuses_all([Error::Forbidden, Error::NotFound(Entity::Mail)])
    .answers_empty(StatusCode::NO_CONTENT, "It is tried as soon as possible.")
}
