//! What the description says of these routes.

use auth_domain::{Conflict, Entity, Error, Invalid};
use http::StatusCode;
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use crate::openapi::lists::Asked;
use crate::openapi::{Docs, Group, types};

const GROUP: Group = Group {
    name: "Backups",
    about: "All accounts, as one document, and the way back. For roots, with a login token. Whoever operates the \
            service has `auth backup` and `auth restore`, which hold everything.",
};

/// An account in a backup.
#[derive(Serialize, ToSchema)]
#[schema(as = UserInBackup)]
struct UserView {
    /// Who.
    #[schema(value_type = types::Id)]
    id: String,
    /// How they sign in.
    #[schema(value_type = types::Email)]
    email: String,
    /// The hash of their password: bcrypt's or Argon2id's. Empty: there is none, or it was not asked for.
    #[schema(required = false)]
    password: String,
    /// What is attached to them.
    #[schema(required = false)]
    metadata: Map<String, Value>,
    /// `enabled` or `disabled`. It has to be given: nobody is enabled, or locked out, because it was forgotten.
    status: String,
}

/// All accounts.
#[derive(Serialize, ToSchema)]
#[schema(as = UsersBackup)]
struct BackupView {
    /// All but one.
    users: Vec<UserView>,
    /// Whoever asked for it.
    admin: UserView,
}

pub(super) fn backup() -> Docs {
    Docs::new(
        &GROUP,
        "backupUsers",
        "Take a backup of the accounts",
        "For roots, with a login token. The answer is written while it is read, from one snapshot; one that breaks off \
         is no whole JSON. Whoever asks is `admin`, all others are `users`.",
    )
    .signed_in()
    .told([Asked::flag(
        "passwords",
        "Whether password hashes are in it. The audit trail has a record of who got them.",
    )])
    .refuses(Error::Forbidden)
    .answers::<BackupView>(StatusCode::OK, "All accounts.", example())
}

pub(super) fn restore() -> Docs {
    Docs::new(
        &GROUP,
        "restoreUsers",
        "Restore a backup of the accounts",
        "For roots, with a login token. All of it or nothing. `users` are opened with their ids and hashes; without a \
         hash they set a password by mail. `admin` becomes a root: opened if nobody has the address; otherwise whoever has it \
         gets the id and the metadata, keeps password and status, and signs in anew if the id is another one. The API keys and the role of \
         the id they had end.",
    )
    .signed_in()
    .body::<BackupView>(example())
    .refuses(Error::Forbidden)
    .refuses_all([
        Invalid::EmptyList,
        Invalid::MissingUserId,
        Invalid::TooManyRows,
        Invalid::Row { list: "users", row: 0, problem: "has no e-mail address" },
    ])
    .refuses(Error::AlreadyExists(Entity::Account))
    .refuses(Conflict::Contention)
    .answers_empty(StatusCode::CREATED, "They are there.")
}

fn example() -> Value {
    let user = |id: &str, email: &str| {
        json!({
            "id": id,
            "email": email,
            "password": "",
            "metadata": { "lang": "en" },
            "status": "enabled",
        })
    };
    json!({
        "users": [user("01932f6f-8a3c-7e21-9b54-1f0c2d3e4a5b", "ada@example.com")],
        "admin": user("01932f6f-91d0-7a63-8c17-2b4d6f8091a3", "admin@example.com"),
    })
}
