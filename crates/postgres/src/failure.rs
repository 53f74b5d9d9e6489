//! What a database failure means. Nothing else looks inside a `sqlx::Error`.

use auth_domain::error::{Conflict, Entity, Error};
use sqlx::error::DatabaseError;

/// The domain's word for it.
pub(crate) fn failure(error: sqlx::Error) -> Error {
    match &error {
        sqlx::Error::Database(refusal) => match meaning(&**refusal) {
            Meaning::Known(known) => known,
            Meaning::Outage => Error::unavailable(error),
            Meaning::Bug => Error::internal(error),
        },
        sqlx::Error::Io(_)
        | sqlx::Error::Tls(_)
        | sqlx::Error::Protocol(_)
        | sqlx::Error::PoolTimedOut
        | sqlx::Error::PoolClosed
        | sqlx::Error::WorkerCrashed => Error::unavailable(error),
        _ => Error::internal(error),
    }
}

enum Meaning {
    Known(Error),
    Outage,
    Bug,
}

/// By SQLSTATE (PostgreSQL, appendix A).
fn meaning(refusal: &dyn DatabaseError) -> Meaning {
    let code = refusal.code().unwrap_or_default();
    match (&*code, refusal.table()) {
        ("23505", Some("keys")) => known(Error::AlreadyExists(Entity::Key)),
        ("23505", Some("orgs")) => known(Error::AlreadyExists(Entity::Org)),
        ("23505", Some("org_memberships")) => known(Error::AlreadyExists(Entity::Membership)),
        ("23505", Some("keyward_accounts")) => known(Error::AlreadyExists(Entity::Account)),
        ("23505", Some("keyward_mails")) => known(Error::AlreadyExists(Entity::Mail)),
        ("23505", Some("org_invites" | "dormant_org_invites" | "keyward_platform_invites")) => {
            known(Error::AlreadyExists(Entity::Invite))
        }
        ("23505", Some("keyward_sessions")) => known(Error::AlreadyExists(Entity::Session)),
        ("23505", Some("users_roles")) => known(Error::AlreadyExists(Entity::PlatformRole)),
        ("23505", Some("keyward_groups")) => known(Error::AlreadyExists(Entity::Group)),
        ("23505", Some("keyward_group_members")) => {
            known(Error::AlreadyExists(Entity::GroupMember))
        }
        ("23505", Some("keyward_group_roles")) => known(Error::AlreadyExists(Entity::GroupRole)),
        ("23503", Some("org_memberships" | "org_invites")) => known(Error::NotFound(Entity::Org)),
        ("23503", Some("dormant_org_invites")) => known(Error::NotFound(Entity::Invite)),
        // Serialization failure, deadlock.
        ("40001" | "40P01", _) => known(Error::Conflict(Conflict::Contention)),
        // The one thing PostgreSQL's text cannot hold is the character NUL.
        ("22021", _) => known(Error::malformed("text", "must not contain NUL characters")),
        // Statement timeout, lock timeout, read-only server, idle in a transaction.
        ("57014" | "55P03" | "25006" | "25P03", _) => Meaning::Outage,
        // Connection lost, sign-in refused, no such database, out of resources, shutting down or
        // starting up, the disk failed.
        (code, _)
            if ["08", "28", "3D", "53", "57P", "58"]
                .iter()
                .any(|class| code.starts_with(class)) =>
        {
            Meaning::Outage
        }
        _ => Meaning::Bug,
    }
}

const fn known(error: Error) -> Meaning {
    Meaning::Known(error)
}

/// Whether trying later may help.
pub(crate) fn is_outage(error: &sqlx::Error) -> bool {
    match error {
        // A password that is refused today is refused tomorrow, and so is a missing database.
        sqlx::Error::Database(refusal) if is_refusal(&**refusal) => false,
        sqlx::Error::Database(refusal) => matches!(meaning(&**refusal), Meaning::Outage),
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) => true,
        _ => false,
    }
}

fn is_refusal(refusal: &dyn DatabaseError) -> bool {
    let code = refusal.code().unwrap_or_default();
    code.starts_with("28") || code.starts_with("3D")
}

/// Whether the connection this came from, and maybe others made as early, are of no use any more:
/// they are cut, or lead to a server that cannot write.
pub(crate) fn is_disconnection(error: &sqlx::Error) -> bool {
    match error {
        sqlx::Error::Io(_) | sqlx::Error::Protocol(_) | sqlx::Error::WorkerCrashed => true,
        sqlx::Error::Database(refusal) => {
            let code = refusal.code().unwrap_or_default();
            matches!(&*code, "25006" | "25P03") || code.starts_with("08") || code.starts_with("57P")
        }
        _ => false,
    }
}

/// The same of an error that was already translated by [`failure`].
pub(crate) fn was_disconnected(error: &Error) -> bool {
    match error {
        Error::Unavailable(cause) => cause.downcast_ref().is_some_and(is_disconnection),
        _ => false,
    }
}
