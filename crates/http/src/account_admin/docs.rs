//! What the description says of the routes that look after accounts.

use auth_domain::model::AccountOrder;
use auth_domain::{Conflict, Entity, Error, Invalid};
use http::StatusCode;
use serde_json::{Value, json};

use super::{AccountView, AccountsView, LONGEST_PART, OpenBody, UpdateBody};
use crate::accounts::docs::GROUP;
use crate::openapi::Docs;
use crate::openapi::lists::{self, Asked};

pub(super) fn open() -> Docs {
    Docs::new(
        &GROUP,
        "openAccount",
        "Open an account for somebody else",
        "For the platform's root and admins, also where nobody may open an account themselves.",
    )
    .signed_in()
    .body::<OpenBody>(json!({
        "email": "grace@example.com",
        "password": "correct-horse",
        "metadata": { "language": "en" },
        "status": "enabled",
    }))
    .refuses_all([Invalid::Password, Invalid::AccountStatus])
    .refuses_all([Error::Forbidden, Error::AlreadyExists(Entity::Account)])
    .refuses(Error::Conflict(Conflict::Contention))
    .creates("The account is open.", "/users/01932f5a-1f00-7b9a-8c3d-2e5f7a9b1c4d")
}

pub(super) fn view() -> Docs {
    Docs::new(
        &GROUP,
        "viewAccount",
        "Show an account",
        "One's own, or anybody's for the platform's root and admins. To others an account that exists and one \
         that does not look alike.",
    )
    .segment("id", "Whose.", Invalid::MissingUserId)
    .signed_in()
    .refuses_all([Error::Forbidden, Error::NotFound(Entity::Account)])
    .answers::<AccountView<'_>>(StatusCode::OK, "The account.", example())
}

pub(super) fn list() -> Docs {
    Docs::new(&GROUP, "listAccounts", "List accounts", "For the platform's root and admins.")
        .signed_in()
        .asked(asked())
        .refuses_all([
            Invalid::Order,
            Invalid::Direction,
            Invalid::EmailSize,
            Invalid::AccountStatus,
        ])
        .refuses(Error::Forbidden)
        .answers::<AccountsView<'_>>(StatusCode::OK, "A page of accounts.", page())
}

pub(super) fn search() -> Docs {
    Docs::new(
        &GROUP,
        "searchAccounts",
        "Search accounts",
        "The same list, asked for in a body. Without a body it is the first page.",
    )
    .signed_in()
    .optional_body(
        "AccountSearch",
        lists::search("Which accounts are asked for. A `limit` of 0 means the default.", asked()),
        json!({ "email": "ada", "limit": 10 }),
    )
    .refuses_all([Invalid::QueryParameters, Invalid::LimitSize])
    .refuses_all([Invalid::Order, Invalid::Direction, Invalid::EmailSize, Invalid::AccountStatus])
    .refuses(Error::Forbidden)
    .answers::<AccountsView<'_>>(StatusCode::OK, "A page of accounts.", page())
}

pub(super) fn update() -> Docs {
    Docs::new(
        &GROUP,
        "updateOwnMetadata",
        "Change what is attached to oneself",
        "It is replaced as a whole.",
    )
    .signed_in()
    .body::<UpdateBody>(json!({ "metadata": { "language": "de" } }))
    .refuses(Error::Conflict(Conflict::Contention))
    .answers_empty(StatusCode::OK, "It is changed.")
}

pub(super) fn enable() -> Docs {
    Docs::new(
        &GROUP,
        "enableAccount",
        "Enable an account",
        "For the platform's root and admins; that of a root for roots. The user can sign in again and their API \
         keys work again; sessions they had stay ended. An account that is enabled already stays so.",
    )
    .segment("id", "Whose.", Invalid::MissingUserId)
    .signed_in()
    .refuses_all([Error::Forbidden, Error::NotFound(Entity::Account)])
    .refuses(Error::Conflict(Conflict::Contention))
    .answers_empty(StatusCode::NO_CONTENT, "The account is enabled.")
}

pub(super) fn disable() -> Docs {
    Docs::new(
        &GROUP,
        "disableAccount",
        "Disable an account",
        "For the platform's root and admins; that of a root for roots. Nobody can disable themselves, nor the last \
         root who may sign in. When this is answered, no replica honours any token or API key of the user any \
         more. An account that is disabled already stays so.",
    )
    .segment("id", "Whose.", Invalid::MissingUserId)
    .signed_in()
    .refuses_all([Error::Forbidden, Error::NotFound(Entity::Account)])
    .refuses_all([Conflict::OwnAccount, Conflict::LastRoot, Conflict::Contention])
    .refuses(Error::RateLimited(std::time::Duration::from_secs(1)))
    .answers_empty(StatusCode::NO_CONTENT, "The account is disabled.")
}

/// What a list of accounts can be asked for.
fn asked() -> Vec<Asked> {
    let mut asked = lists::ordered_part(AccountOrder::ALL.map(AccountOrder::as_str));
    asked.extend([
        Asked::email(
            "Only accounts whose address contains this, in whatever case; at most 1024 bytes.",
            LONGEST_PART,
        ),
        Asked::metadata(
            "Only accounts whose metadata contains this: every member, at every depth, and for a list every \
             element.",
        ),
        Asked::account_status("Only accounts with this status, or `all`."),
    ]);
    asked
}

fn example() -> Value {
    json!({
        "id": "01932f5a-1f00-7b9a-8c3d-2e5f7a9b1c4d",
        "email": "ada@example.com",
        "metadata": { "language": "en" },
        "status": "enabled",
    })
}

fn page() -> Value {
    json!({
        "total": 1,
        "offset": 0,
        "limit": 10,
        "order": "id",
        "dir": "desc",
        "email": "ada",
        "status": "enabled",
        "users": [example()],
    })
}
