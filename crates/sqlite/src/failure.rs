//! What a database failure means. Nothing else looks inside a `sqlx::Error`.

use auth_domain::error::{Entity, Error};
use sqlx::error::{DatabaseError, ErrorKind};

/// The domain's word for it.
pub(crate) fn failure(error: sqlx::Error) -> Error {
    match error {
        sqlx::Error::Database(refusal) => refused(refusal),
        sqlx::Error::Io(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Error::unavailable(error),
        _ => Error::internal(error),
    }
}

fn refused(refusal: Box<dyn DatabaseError>) -> Error {
    match refusal.kind() {
        ErrorKind::UniqueViolation => match taken(refusal.message()) {
            Some(entity) => Error::AlreadyExists(entity),
            None => Error::internal(refusal),
        },
        // Memberships and invites refer to orgs; what refers to invites is written with them, and what
        // refers to groups is checked before it is written.
        ErrorKind::ForeignKeyViolation => Error::NotFound(Entity::Org),
        _ if is_outage(&*refusal) => Error::unavailable(refusal),
        _ => Error::internal(refusal),
    }
}

/// SQLite says `UNIQUE constraint failed: table.column, ...`.
fn taken(message: &str) -> Option<Entity> {
    let (_, columns) = message.rsplit_once(": ")?;
    match columns.split('.').next()? {
        "keys" => Some(Entity::Key),
        "orgs" => Some(Entity::Org),
        "org_memberships" => Some(Entity::Membership),
        "org_invites" | "dormant_org_invites" | "keyward_platform_invites" => Some(Entity::Invite),
        "keyward_accounts" => Some(Entity::Account),
        "keyward_mails" => Some(Entity::Mail),
        "keyward_sessions" => Some(Entity::Session),
        "users_roles" => Some(Entity::PlatformRole),
        "keyward_groups" => Some(Entity::Group),
        "keyward_group_members" => Some(Entity::GroupMember),
        "keyward_group_roles" => Some(Entity::GroupRole),
        _ => None,
    }
}

/// Whether trying later may help: locked, out of memory or space, read-only, or the disk failed.
fn is_outage(refusal: &dyn DatabaseError) -> bool {
    const BUSY: i32 = 5;
    const LOCKED: i32 = 6;
    const NO_MEMORY: i32 = 7;
    const READ_ONLY: i32 = 8;
    const IO: i32 = 10;
    const FULL: i32 = 13;
    const CANNOT_OPEN: i32 = 14;
    // The low byte is the primary result code; the rest says more.
    let code = refusal.code().and_then(|code| code.parse::<i32>().ok()).map(|code| code & 0xff);
    matches!(code, Some(BUSY | LOCKED | NO_MEMORY | READ_ONLY | IO | FULL | CANNOT_OPEN))
}
