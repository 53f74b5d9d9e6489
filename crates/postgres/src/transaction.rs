//! A commit: one transaction, repeated when others got in its way.

use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use auth_domain::audit::Told;
use auth_domain::change::{Change, Commit};
use auth_domain::error::{Conflict, Error, Result};
use auth_domain::model::AccountStatus;
use sqlx::{Connection, PgConnection};
use tokio::time::{sleep, timeout};
use tracing::Instrument;

use crate::connections::{Connections, WRITE};
use crate::failure::{failure, was_disconnected};
use crate::{
    accounts, backup, cutoffs, group_members, groups, guards, invites, keys, log, mails, members,
    orgs, platform_invites, roles, sessions, signing_keys, spans, tickets,
};

/// How often a commit is tried that others keep getting in the way of.
const TRIES: u32 = 5;
/// The longest pause before the second try; each later one may be twice as long.
const PAUSE: Duration = Duration::from_millis(10);
/// One round trip. The longer timeout is for this transaction only; and what it writes is in the change log, so no
/// trigger has to see to it that replicas hear of it (`0032_keyward_foreign_writes.sql`).
const BEGIN: &str = "BEGIN; SET LOCAL statement_timeout = '5s'; SET LOCAL keyward.writer = 'yes'";

/// How one try ended.
enum Attempt {
    /// For good: it was committed, refused, or nobody knows.
    Ended(Result<Option<i64>>),
    /// Nothing was written, and another try may do better.
    Undone(Error),
}

/// Applies a commit, as [`auth_domain::ports::Store::commit`] says.
pub(crate) async fn commit(database: &Connections, commit: &Commit) -> Result<Option<i64>> {
    let span = spans::transaction(commit.changes.len());
    let result = match timeout(WRITE, repeat(database, commit)).instrument(span.clone()).await {
        Ok(result) => result,
        Err(_) => Err(Error::unavailable("the commit did not end in time; it may have happened")),
    };
    spans::end(&span, result)
}

async fn repeat(database: &Connections, commit: &Commit) -> Result<Option<i64>> {
    let mut reconnected = false;
    let mut pause = PAUSE;
    for _ in 1..TRIES {
        match attempt(database, commit).await {
            Attempt::Ended(result) => return result,
            Attempt::Undone(Error::Conflict(Conflict::Contention)) => {
                sleep(jittered(pause)).await;
                pause = pause.saturating_mul(2);
            }
            // The connection had been cut since it was last used.
            Attempt::Undone(_) if !reconnected => reconnected = true,
            Attempt::Undone(error) => return Err(error),
        }
    }
    match attempt(database, commit).await {
        Attempt::Ended(result) => result,
        Attempt::Undone(error) => Err(error),
    }
}

async fn attempt(database: &Connections, commit: &Commit) -> Attempt {
    let mut lease = match database.lease().await {
        Ok(lease) => lease,
        Err(error) => return Attempt::Ended(Err(failure(error))),
    };
    let attempt = run(&mut lease, commit).await;
    lease.finish(match &attempt {
        Attempt::Undone(error) | Attempt::Ended(Err(error)) => was_disconnected(error),
        Attempt::Ended(Ok(_)) => false,
    });
    attempt
}

async fn run(db: &mut PgConnection, commit: &Commit) -> Attempt {
    let mut tx = match db.begin_with(BEGIN).await.map_err(failure) {
        Ok(tx) => tx,
        Err(error) => return undone(error),
    };
    match write(&mut tx, commit).await {
        // From here on only the database knows: never repeated.
        Ok(revision) => Attempt::Ended(tx.commit().await.map(|()| revision).map_err(failure)),
        // The transaction is dropped, which rolls it back before the connection is used again.
        Err(error) => undone(error),
    }
}

fn undone(error: Error) -> Attempt {
    match error {
        Error::Conflict(Conflict::Contention) => Attempt::Undone(error),
        _ if was_disconnected(&error) => Attempt::Undone(error),
        _ => Attempt::Ended(Err(error)),
    }
}

/// Guards, changes, log and audit trail: in this order, because advancing those holds up every other commit
/// until this one ends. Only sessions and signing keys are looked at after that, see
/// [`guards::comes_last`].
async fn write(db: &mut PgConnection, commit: &Commit) -> Result<Option<i64>> {
    if commit.changes.iter().any(takes_a_root) {
        roles::lock_roots(db).await?;
    }
    let (last, first): (Vec<_>, Vec<_>) =
        commit.guards.iter().partition(|guard| guards::comes_last(guard, &commit.changes));
    for guard in first {
        guards::check(db, guard, &commit.changes).await?;
    }
    let mut told = Vec::new();
    for change in &commit.changes {
        let role_before = apply(db, change).await?;
        told.extend(Told::of(change, role_before.as_deref()));
    }
    let revision = log::append(db, commit, told).await?;
    for guard in last {
        guards::check(db, guard, &commit.changes).await?;
    }
    Ok(revision)
}

/// Whether it may leave the platform without a root.
const fn takes_a_root(change: &Change) -> bool {
    matches!(
        change,
        Change::PutPlatformRole { .. }
            | Change::RemovePlatformRole { .. }
            | Change::SetAccountStatus { status: AccountStatus::Disabled, .. }
    )
}

/// Applies a change. Gives the role that it replaced or took, if it is about one.
pub(crate) async fn apply(db: &mut PgConnection, change: &Change) -> Result<Option<String>> {
    match change {
        Change::InsertKey(key) => keys::insert(db, key).await?,
        Change::RemoveKey { id, issuer } => keys::remove(db, *id, *issuer).await?,
        Change::EndSessions { user, until } => {
            cutoffs::raise(db, *user, *until).await?;
            sessions::remove_all(db, *user).await?;
        }
        Change::BeginSession { session, proved } => sessions::insert(db, session, proved).await?,
        Change::RotateSession(rotation) => sessions::rotate(db, rotation).await?,
        Change::EndSession { id, user, .. } => sessions::remove(db, *id, *user).await?,
        Change::PurgeSessions { expired_before } => sessions::purge(db, *expired_before).await?,
        Change::WithdrawSigningKey { key, at } => signing_keys::withdraw(db, *key, *at).await?,
        Change::PurgeKeys { expired_before } => keys::purge(db, *expired_before).await?,
        Change::PurgeRecords { older_than } => log::purge(db, *older_than).await?,
        Change::InsertOrg(org) => orgs::insert(db, org).await?,
        Change::UpdateOrg(edit) => orgs::update(db, edit).await?,
        Change::RemoveOrg(id) => orgs::remove(db, *id).await?,
        Change::InsertMembership(membership) => members::insert(db, membership).await?,
        Change::UpdateMembership { org, member, role, at } => {
            return members::update(db, *org, *member, *role, *at).await.map(Some);
        }
        Change::RemoveMembership { org, member } => {
            return members::remove(db, *org, *member).await.map(Some);
        }
        Change::TransferOrg { org, from, to, at } => {
            members::transfer(db, *org, *from, *to, *at).await?;
        }
        Change::PutPlatformRole { user, role } => return roles::put(db, *user, *role).await,
        Change::RemovePlatformRole { user } => return roles::remove(db, *user).await,
        Change::InsertInvite(invite) => invites::insert(db, invite).await?,
        Change::InsertDormantInvite { invite, platform_invite } => {
            invites::insert_dormant(db, invite, *platform_invite).await?;
        }
        Change::ActivateInvite { id, org, invitee, expires_at } => {
            invites::activate(db, *id, *org, *invitee, *expires_at).await?;
        }
        Change::SettleInvite { id, org, to, .. } => invites::settle(db, *id, *org, *to).await?,
        Change::InsertPlatformInvite(invite) => platform_invites::insert(db, invite).await?,
        Change::SettlePlatformInvite { id, to } => platform_invites::settle(db, *id, *to).await?,
        Change::ExpirePlatformInvites => platform_invites::expire(db, None).await?,
        Change::InsertGroup(group) => groups::insert(db, group).await?,
        Change::UpdateGroup(edit) => groups::update(db, edit).await?,
        Change::MoveGroup { id, parent, at } => groups::relocate(db, *id, *parent, *at).await?,
        Change::RemoveGroup { id, subtree } => groups::remove(db, *id, *subtree).await?,
        Change::AssignMembers { group, kind, members, at } => {
            group_members::assign(db, *group, kind, members, *at).await?;
        }
        Change::UnassignMembers { group, members } => {
            group_members::unassign(db, *group, members).await?;
        }
        Change::PutGroupRole(grant) => return group_members::put_role(db, grant).await,
        Change::RemoveGroupRole { group, user } => {
            return group_members::remove_role(db, *group, *user).await.map(Some);
        }
        Change::InsertAccount(account) => accounts::insert(db, account).await?,
        Change::UpdateAccount(edit) => accounts::update(db, edit).await?,
        Change::SetAccountStatus { id, status, at } => {
            accounts::set_status(db, *id, *status, *at).await?;
        }
        Change::SetPassword { id, password, replacing, at } => {
            accounts::set_password(db, *id, password, replacing.as_ref(), *at).await?;
        }
        Change::RenumberAccount { from, to } => accounts::renumber(db, *from, *to).await?,
        Change::VerifyEmail { id, at } => accounts::verify_email(db, *id, *at).await?,
        Change::RenewHash { id, from, to } => accounts::renew_hash(db, *id, from, to).await?,
        Change::PutTicket(ticket) => tickets::put(db, ticket).await?,
        Change::UseTicket(id) => tickets::consume(db, *id).await?,
        Change::CountTry(id) => tickets::count_try(db, *id).await?,
        Change::DropTickets { purpose, target } => tickets::remove(db, *purpose, target).await?,
        Change::PurgeTickets { over_for } => tickets::purge(db, *over_for).await?,
        Change::QueueMail(mail) => mails::insert(db, mail).await?,
        Change::RetryMail(id) => mails::retry(db, *id).await?,
        Change::PurgeMails { died_before } => mails::purge(db, *died_before).await?,
        Change::InsertRows(rows) => backup::bulk::insert(db, rows).await?,
        // All there is of it is its fact.
        Change::NoteRestore(_) | Change::NoteImport(_) | Change::NotePasswordsRead => {}
    }
    Ok(None)
}

/// Somewhere between nothing and `longest`, so that those who met do not meet again.
fn jittered(longest: Duration) -> Duration {
    // The standard library seeds every such state with randomness; that is enough here.
    let random = RandomState::new().hash_one(()) & 0xffff;
    longest.mul_f64(f64::from(u16::try_from(random).unwrap_or(0)) / 65_536.0)
}
