//! What the description says of the routes of invites.

use std::time::Duration;

use auth_domain::model::InviteOrder;
use auth_domain::{Conflict, Entity, Error, Invalid, InviteClosed};
use http::StatusCode;
use serde_json::{Value, json};

use super::{InviteBody, InviteView, InvitesView};
use crate::openapi::lists::{self, Asked};
use crate::openapi::{Docs, Group};

const GROUP: Group = Group {
    name: "Invites",
    about: "The offer of a role in an org. It is pending until the invitee accepts or declines it, somebody \
            revokes it, or its time is over (`MF_INVITE_DURATION`); each invite ends once, and of two who \
            end it at the same moment one is told 409. It is worth what its inviter may give at the moment \
            it is accepted.",
};

fn docs(id: &'static str, summary: &'static str, about: &'static str) -> Docs {
    Docs::new(&GROUP, id, summary, about)
}

fn of_org(id: &'static str, summary: &'static str, about: &'static str) -> Docs {
    docs(id, summary, about)
        .segment("id", "Which org.", Invalid::MissingOrgId)
        .signed_in()
        .refuses_all([Error::NotFound(Entity::Org), Error::Forbidden])
}

fn of_invite(id: &'static str, summary: &'static str, about: &'static str) -> Docs {
    docs(id, summary, about)
        .segment("id", "Which invite.", Invalid::MissingInviteId)
        .signed_in()
        .refuses_all([Error::NotFound(Entity::Invite), Error::Forbidden])
}

pub(super) fn create() -> Docs {
    of_org(
        "createInvite",
        "Invite somebody to an org",
        "For its admins and its owner. An address that nobody has is not found. If the operator has \
         configured a mail server, the invitee gets a mail whose link leads to `redirect_path`, below which \
         the operator allows it (`MF_AUTH_REDIRECT_PATHS`), and the invite's id. Each user may try 60 times \
         an hour, and invite the same person 5 times a day. Whoever gets more than 20 mails about invites a \
         day is not sent further ones; the invites are there all the same.",
    )
    .body::<InviteBody>(json!({
        "email": "ada@example.com",
        "role": "editor",
        "redirect_path": "/invites",
    }))
    .refuses_all([Invalid::MissingRedirectPath, Invalid::MissingEmail, Invalid::Role])
    .refuses_all([
        Error::AlreadyExists(Entity::Membership),
        Error::AlreadyExists(Entity::Invite),
        Error::RateLimited(Duration::from_mins(1)),
        Conflict::Contention.into(),
    ])
    .creates("The invite is made.", "/invites/01932f7a-3c20-7a5e-b7f9-1d2e4f6a8b31")
}

pub(super) fn list_by_org() -> Docs {
    of_org(
        "listInvites",
        "List the invites to an org",
        "For its admins and its owner. Those that wait for somebody to open an account are not listed.",
    )
    .asked(asked())
    .refuses_all([Invalid::Order, Invalid::Direction])
    .answers::<InvitesView<'_>>(StatusCode::OK, "A page of them.", page())
}

pub(super) fn view() -> Docs {
    of_invite(
        "viewInvite",
        "Show an invite",
        "For the invitee, the inviter, and the admins and the owner of the org.",
    )
    .answers::<InviteView<'_>>(StatusCode::OK, "The invite.", example())
}

pub(super) fn revoke() -> Docs {
    of_invite(
        "revokeInvite",
        "Take an invite back",
        "For the inviter, and for the admins and the owner of the org.",
    )
    .refuses_all([InviteClosed::Settled, InviteClosed::Expired])
    .refuses_all([Conflict::InviteAnswered, Conflict::Contention])
    .answers_empty(StatusCode::NO_CONTENT, "Nobody can accept it any more.")
}

pub(super) fn accept() -> Docs {
    of_invite(
        "acceptInvite",
        "Accept an invite",
        "For the invitee, and for nobody else. The inviter must still be somebody who may give that role. \
         A member who accepts keeps the role they have and is told 409; the invite is used up. With a mail server and \
         built-in accounts, an account whose address nobody has proved is refused with the code `email_unverified`, and a \
         link is mailed to it, with a `token` for `POST /register/verify`; after that it can accept. Setting a \
         forgotten password by mail proves the address, too.",
    )
    .told([Asked::redirect_path(
        "Where that link leads, on the front end the operator has configured; unless given, to the first of the paths that \
         the operator allows.",
    )])
    .refuses(Error::EmailUnverified)
    .refuses_all([InviteClosed::Settled, InviteClosed::Expired, InviteClosed::Void])
    .refuses(Error::AlreadyExists(Entity::Membership))
    .refuses_all([Conflict::InviteAnswered, Conflict::Contention])
    .answers_empty(StatusCode::CREATED, "The caller is a member.")
}

pub(super) fn decline() -> Docs {
    of_invite("declineInvite", "Decline an invite", "For the invitee, and for nobody else.")
        .refuses_all([InviteClosed::Settled, InviteClosed::Expired])
        .refuses_all([Conflict::InviteAnswered, Conflict::Contention])
        .answers_empty(StatusCode::NO_CONTENT, "Nobody can accept it any more.")
}

pub(super) fn list_received() -> Docs {
    of_user("listReceivedInvites", "List the invites somebody has received")
}

pub(super) fn list_sent() -> Docs {
    of_user("listSentInvites", "List the invites somebody has sent")
}

fn of_user(id: &'static str, summary: &'static str) -> Docs {
    docs(
        id,
        summary,
        "For themselves, and for whoever has a platform role. Those that wait for somebody to open an \
         account are not listed.",
    )
    .segment("id", "Whose.", Invalid::MissingUserId)
    .signed_in()
    .refuses_all([Error::NotFound(Entity::Account), Error::Forbidden])
    .asked(asked())
    .refuses_all([Invalid::Order, Invalid::Direction])
    .answers::<InvitesView<'_>>(StatusCode::OK, "A page of them.", page())
}

/// What a list of invites can be asked for.
fn asked() -> Vec<Asked> {
    let mut asked = lists::ordered_part(InviteOrder::ALL.map(InviteOrder::as_str));
    asked.push(Asked::invite_state(
        "Only invites in this state; none are in one that does not exist.",
    ));
    asked
}

fn example() -> Value {
    json!({
        "id": "01932f7a-3c20-7a5e-b7f9-1d2e4f6a8b31",
        "invitee_id": "01932f5a-1f00-7b9a-8c3d-2e5f7a9b1c4d",
        "invitee_email": "ada@example.com",
        "inviter_id": "01932f5b-2a10-7c8b-9d4e-3f6a8b0c2d5e",
        "inviter_email": "bob@example.com",
        "org_id": "01932f70-2b10-7d4f-a6e8-9c1b3d5f7a20",
        "org_name": "Acme",
        "invitee_role": "editor",
        "created_at": "2026-11-22T16:30:00Z",
        "expires_at": "2026-11-29T16:30:00Z",
        "state": "pending",
    })
}

fn page() -> Value {
    json!({
        "limit": 10,
        "offset": 0,
        "total": 1,
        "order": "id",
        "direction": "desc",
        "dir": "desc",
        "state": "pending",
        "invites": [example()],
    })
}
