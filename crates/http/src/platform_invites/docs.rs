//! What the description says of the routes of invites to the platform.

use std::time::Duration;

use auth_domain::model::PlatformInviteOrder;
use auth_domain::{Conflict, Entity, Error, Invalid, InviteClosed};
use http::StatusCode;
use serde_json::{Value, json};

use super::{InviteBody, InviteView, InvitesView, LONGEST_PART};
use crate::openapi::lists::{self, Asked};
use crate::openapi::{Docs, Group};

const GROUP: Group = Group {
    name: "Platform invites",
    about: "The offer of an account to somebody who has none, for the platform's root and admins to make, with a login \
            token. It is pending until an account is opened by it, somebody revokes it, or its time is over \
            (`MF_INVITE_DURATION`); it ends once, and with it the invite to an org that came with it. It is worth what \
            its inviter may give at the moment it is used.",
};

fn docs(id: &'static str, summary: &'static str, about: &'static str) -> Docs {
    Docs::new(&GROUP, id, summary, about).signed_in().refuses(Error::Forbidden)
}

fn of_invite(id: &'static str, summary: &'static str, about: &'static str) -> Docs {
    docs(id, summary, about)
        .segment("id", "Which invite.", Invalid::MissingInviteId)
        .refuses(Error::NotFound(Entity::Invite))
}

pub(super) fn create() -> Docs {
    docs(
        "createPlatformInvite",
        "Invite somebody to open an account",
        "If the operator has configured a mail server, the invitee gets a mail whose link leads to `redirect_path`, below \
         which the operator allows it (`MF_AUTH_REDIRECT_PATHS`), and a secret, for \
         `POST /register/invite/{id}`; without one the admin passes the invite's id on. With `org_id` and `role`, which is not `owner`, the new user is invited to that \
         org then. One invite to an address is pending at a time; one whose inviter may not invite any more makes room. Each \
         user may try 60 times an hour. To one address so many are made as links are mailed to one: 3 at once, then one every \
         five minutes.",
    )
    .body::<InviteBody>(json!({ "email": "new@example.com", "redirect_path": "/join" }))
    .refuses_all([
        Invalid::MissingEmail,
        Invalid::MissingRedirectPath,
        Invalid::MissingRole,
        Invalid::Role,
    ])
    .refuses_all([
        Error::NotFound(Entity::Org),
        Error::AlreadyExists(Entity::Account),
        Error::AlreadyExists(Entity::PlatformInvite),
        Error::RateLimited(Duration::from_mins(1)),
        Conflict::Contention.into(),
    ])
    .creates("The invite is made.", "/platform-invites/01932f7a-3c20-7a5e-b7f9-1d2e4f6a8b31")
}

pub(super) fn list() -> Docs {
    let mut asked = lists::ordered_part(PlatformInviteOrder::ALL.map(PlatformInviteOrder::as_str));
    asked.push(Asked::email(
        "Only invites to an address that contains this, in whatever case.",
        LONGEST_PART,
    ));
    asked.push(Asked::invite_state(
        "Only invites in this state; none are in one that does not exist.",
    ));
    docs(
        "listPlatformInvites",
        "List the invites to the platform",
        "The newest first, unless told otherwise.",
    )
    .asked(asked)
    .refuses_all([Invalid::Order, Invalid::Direction, Invalid::EmailSize])
    .answers::<InvitesView<'_>>(
        StatusCode::OK,
        "A page of them.",
        json!({
            "total": 1,
            "offset": 0,
            "limit": 10,
            "order": "id",
            "dir": "desc",
            "email": "grace",
            "state": "pending",
            "invites": [example()],
        }),
    )
}

pub(super) fn view() -> Docs {
    of_invite("viewPlatformInvite", "Show an invite to the platform", "As it is now.")
        .answers::<InviteView<'_>>(StatusCode::OK, "The invite.", example())
}

pub(super) fn revoke() -> Docs {
    of_invite(
        "revokePlatformInvite",
        "Take an invite to the platform back",
        "Whoever made it. The invite to an org that came with it is revoked, too.",
    )
    .refuses_all([InviteClosed::Settled, InviteClosed::Expired])
    .refuses(Error::Conflict(Conflict::Contention))
    .answers_empty(StatusCode::NO_CONTENT, "Nobody can open an account by it any more.")
}

fn example() -> Value {
    json!({
        "id": "01932f7a-3c20-7a5e-b7f9-1d2e4f6a8b31",
        "invitee_email": "grace@example.com",
        "created_at": "2026-11-22T16:30:00Z",
        "expires_at": "2026-11-29T16:30:00Z",
        "state": "pending",
    })
}
