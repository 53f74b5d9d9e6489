//! The embedded store: SQLite, a file or in memory.
//!
//! Read [`SqliteStore`] and its `commit` here first, then one file per noun (`keys`, `orgs`, `members`,
//! `groups`, `group_standing`, `group_members`, `invites`, `roles`, `accounts`), which hold the statements,
//! and `log` for the change log, `audit` for the audit trail, `sinks` for how far the log was passed on, `mails` for the queue, `backup` for
//! all of it. `open` prepares the data directory and the schema; `failure` says what a database failure means.

mod accounts;
mod audit;
mod backup;
mod cutoffs;
mod failure;
mod group_members;
mod group_standing;
mod groups;
mod guards;
mod invites;
mod keys;
mod log;
mod mails;
mod members;
mod open;
mod orgs;
mod platform_invites;
mod replicas;
mod roles;
mod rows;
mod sessions;
mod signing_keys;
mod sinks;
mod tickets;

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use auth_domain::audit::{AuditQuery, AuditRecord, Entry, Head, Notary, Told, Trail};
use auth_domain::backup::{Backups, Restoring, Snapshot};
use auth_domain::change::{Change, Commit};
use auth_domain::error::Result;
use auth_domain::fact::{Backlog, Place, Record};
use auth_domain::model::{
    Account, AccountFilter, AccountId, AccountOrder, AccountQuery, ClaimedMail, Email, EntityId,
    EntityType, Evidence, FoundSession, Group, GroupGrant, GroupId, GroupMember, GroupQuery,
    GroupStanding, GroupsOfQuery, Invitation, InviteId, InviteOrder, InviteQuery, Key, KeyId,
    KeyOrder, Listing, MailDepth, MailId, MailState, Member, MemberOrder, MemberQuery, Membership,
    Org, OrgId, OrgInvite, OrgOrder, OrgQuery, OrgRole, Page, Part, Placed, PlatformInvite,
    PlatformInviteId, PlatformInviteOrder, PlatformInviteQuery, QueuedMail, RoleHolder, Session,
    SessionId, Settled, SigningKeyId, Standing, StoredTicket, TicketId, UserId, Verdict,
    WaitingInvite,
};
use auth_domain::{Timestamp, ports};
use sqlx::{SqliteConnection, SqlitePool};
use tracing::{Instrument, Span, debug_span};
use uuid::Uuid;

use crate::failure::failure;
pub use crate::open::OpenError;
use crate::replicas::Registry;

/// Durable state in one SQLite database: many readers, one writer.
#[derive(Debug)]
pub struct SqliteStore {
    readers: SqlitePool,
    /// One connection. In memory it is the readers' too, because the data lives in it.
    writer: SqlitePool,
    replicas: Arc<Registry>,
    /// Held as long as the store lives, so that no other process opens the same data directory.
    _lock: Option<File>,
}

#[async_trait]
impl ports::Store for SqliteStore {
    async fn commit(&self, commit: Commit) -> Result<Option<i64>> {
        // What is done in the background is in no trace.
        if Span::current().is_none() {
            return self.transact(commit).await;
        }
        let span = debug_span!(
            target: ports::CALLS_OUT,
            "transaction",
            otel.name = "transaction",
            otel.kind = "client",
            db.system.name = "sqlite",
            db.operation.name = "COMMIT",
            db.operation.batch.size = commit.changes.len(),
        );
        self.transact(commit).instrument(span).await
    }

    async fn ping(&self) -> Result<()> {
        log::revision(&self.readers).await.map(drop)
    }
}

impl SqliteStore {
    async fn transact(&self, commit: Commit) -> Result<Option<i64>> {
        // Taking the write lock at once: what the guards read cannot change before the end.
        let mut tx = self.writer.begin_with("BEGIN IMMEDIATE").await.map_err(failure)?;
        for guard in &commit.guards {
            guards::check(&mut tx, guard).await?;
        }
        let mut told = Vec::new();
        for change in &commit.changes {
            let role_before = apply(&mut tx, &self.replicas, change).await?;
            told.extend(Told::of(change, role_before.as_deref()));
        }
        let revision = log::append(&mut tx, &commit, &told).await?;
        tx.commit().await.map_err(failure)?;
        Ok(revision)
    }
}

/// Applies a change. Gives the role that it replaced or took, if it is about one.
async fn apply(
    db: &mut SqliteConnection,
    replicas: &Registry,
    change: &Change,
) -> Result<Option<String>> {
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
        Change::PurgeRecords { older_than } => {
            log::purge(db, *older_than, replicas.applied_by_all(*older_than)).await?;
        }
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

#[async_trait]
impl ports::Keys for SqliteStore {
    async fn key(&self, issuer: UserId, id: KeyId) -> Result<Option<Key>> {
        keys::find(&self.readers, issuer, id).await
    }

    async fn stored_key(&self, issuer: UserId, id: KeyId) -> Result<Option<Key>> {
        keys::stored(&self.readers, issuer, id).await
    }

    async fn keys(&self, issuer: UserId, page: Page<KeyOrder>) -> Result<Listing<Key>> {
        keys::list(&self.readers, issuer, page).await
    }
}

#[async_trait]
impl ports::Orgs for SqliteStore {
    async fn org(&self, id: OrgId) -> Result<Option<Org>> {
        orgs::find(&self.readers, id).await
    }

    async fn orgs(&self, query: &OrgQuery, page: Page<OrgOrder>) -> Result<Listing<Org>> {
        orgs::list(&self.readers, query, page).await
    }
}

#[async_trait]
impl ports::Memberships for SqliteStore {
    async fn membership(&self, org: OrgId, member: UserId) -> Result<Option<Membership>> {
        members::find(&self.readers, org, member).await
    }

    async fn memberships(
        &self,
        org: OrgId,
        role: Option<OrgRole>,
        page: Page<()>,
    ) -> Result<Listing<Membership>> {
        members::list(&self.readers, org, role, page).await
    }

    async fn members(
        &self,
        query: &MemberQuery,
        page: Page<MemberOrder>,
    ) -> Result<Listing<Member>> {
        members::search(&self.readers, query, page).await
    }

    async fn memberships_after(
        &self,
        org: OrgId,
        role: Option<OrgRole>,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<Membership>> {
        members::after(&self.readers, org, role, after, limit).await
    }
}

#[async_trait]
impl ports::Invites for SqliteStore {
    async fn invite(&self, id: InviteId) -> Result<Option<OrgInvite>> {
        invites::find(&self.readers, id).await
    }

    async fn invites(
        &self,
        query: &InviteQuery,
        page: Page<InviteOrder>,
    ) -> Result<Listing<OrgInvite>> {
        invites::list(&self.readers, query, page).await
    }

    async fn dormant_invite(&self, waits_for: PlatformInviteId) -> Result<Option<OrgInvite>> {
        invites::dormant(&self.readers, waits_for).await
    }

    async fn waiting_invites(
        &self,
        waits_for: PlatformInviteId,
        user: UserId,
    ) -> Result<Vec<WaitingInvite>> {
        invites::waiting(&self.readers, waits_for, user).await
    }
}

#[async_trait]
impl ports::PlatformInvites for SqliteStore {
    async fn platform_invite(&self, id: PlatformInviteId) -> Result<Option<PlatformInvite>> {
        platform_invites::find(&self.readers, id).await
    }

    async fn pending_platform_invite(&self, email: &Email) -> Result<Option<PlatformInvite>> {
        platform_invites::find_pending(&self.readers, email).await
    }

    async fn platform_invites(
        &self,
        query: &PlatformInviteQuery,
        page: Page<PlatformInviteOrder>,
    ) -> Result<Listing<PlatformInvite>> {
        platform_invites::list(&self.readers, query, page).await
    }
}

#[async_trait]
impl ports::Standings for SqliteStore {
    async fn standing(&self, user: UserId, org: Option<OrgId>) -> Result<Standing> {
        roles::standing(&self.readers, user, org).await
    }

    async fn standings(&self, user: UserId, orgs: &[Option<OrgId>]) -> Result<Vec<Standing>> {
        roles::standings(&self.readers, user, orgs).await
    }

    async fn evidence(&self, user: UserId, org: Option<OrgId>) -> Result<Evidence> {
        roles::evidence(&self.readers, user, org).await
    }

    async fn role_holders(&self, page: Page<()>) -> Result<Listing<RoleHolder>> {
        roles::list(&self.readers, page).await
    }
}

#[async_trait]
impl ports::Groups for SqliteStore {
    async fn groups(&self, ids: &[GroupId]) -> Result<Vec<Group>> {
        groups::find(&self.readers, ids).await
    }

    async fn group_standings(&self, user: UserId, ids: &[GroupId]) -> Result<Vec<GroupStanding>> {
        group_standing::list(&self.readers, user, ids).await
    }

    async fn joint_standings(
        &self,
        user: UserId,
        orgs: &[Option<OrgId>],
        groups: &[GroupId],
    ) -> Result<(Vec<Standing>, Vec<GroupStanding>)> {
        group_standing::joint(&self.readers, user, orgs, groups).await
    }

    async fn group_tree(
        &self,
        query: &GroupQuery,
        part: &Part<Vec<GroupId>>,
    ) -> Result<Listing<Placed>> {
        groups::tree(&self.readers, query, part).await
    }

    async fn group_members(
        &self,
        group: GroupId,
        kind: Option<&EntityType>,
        part: &Part<EntityId>,
    ) -> Result<Listing<GroupMember>> {
        group_members::list(&self.readers, group, kind, part).await
    }

    async fn groups_of(
        &self,
        query: &GroupsOfQuery,
        part: &Part<GroupId>,
    ) -> Result<Listing<Group>> {
        group_members::groups_of(&self.readers, query, part).await
    }

    async fn group_roles(&self, group: GroupId, page: Page<()>) -> Result<Listing<GroupGrant>> {
        group_members::roles(&self.readers, group, page).await
    }
}

#[async_trait]
impl ports::Accounts for SqliteStore {
    async fn account(&self, id: AccountId) -> Result<Option<Account>> {
        accounts::find(&self.readers, id).await
    }

    async fn account_by_email(&self, email: &Email) -> Result<Option<Account>> {
        accounts::find_by_email(&self.readers, email).await
    }

    async fn accounts(&self, query: &AccountQuery) -> Result<Listing<Account>> {
        accounts::list(&self.readers, query).await
    }

    async fn accounts_by_filter(
        &self,
        filter: &AccountFilter,
        page: Page<AccountOrder>,
    ) -> Result<Listing<Account>> {
        accounts::search(&self.readers, filter, page).await
    }

    async fn account_ids_by_emails(&self, emails: &[Email]) -> Result<Vec<(String, AccountId)>> {
        accounts::ids_by_emails(&self.readers, emails).await
    }

    async fn has_bcrypt(&self) -> Result<bool> {
        accounts::has_bcrypt(&self.readers).await
    }

    async fn accounts_by_emails(&self, emails: &[Email]) -> Result<Vec<Account>> {
        accounts::find_by_emails(&self.readers, emails).await
    }
}

#[async_trait]
impl ports::Tickets for SqliteStore {
    async fn ticket(&self, id: TicketId) -> Result<Option<StoredTicket>> {
        tickets::find(&self.readers, id).await
    }
}

#[async_trait]
impl ports::ChangeLog for SqliteStore {
    async fn revision(&self) -> Result<i64> {
        log::revision(&self.readers).await
    }

    async fn records(&self, after: i64, limit: u32) -> Result<Vec<Record>> {
        log::records(&self.readers, after, limit).await
    }
}

#[async_trait]
impl ports::AuditTrail for SqliteStore {
    async fn audit_head(&self, trail: Trail) -> Result<Head> {
        audit::head(&self.readers, trail).await
    }

    async fn audit_after(&self, trail: Trail, place: i64, limit: u32) -> Result<Vec<AuditRecord>> {
        audit::after(&self.readers, trail, place, limit).await
    }

    async fn audit(&self, query: &AuditQuery, part: &Part<i64>) -> Result<Vec<AuditRecord>> {
        audit::list(&self.readers, query, part).await
    }

    async fn note(&self, trail: Trail, entries: Vec<Entry>, notary: &dyn Notary) -> Result<()> {
        audit::note(&self.writer, trail, entries, notary).await
    }

    async fn trim(
        &self,
        trail: Trail,
        older_than: Timestamp,
        at: Timestamp,
        notary: &dyn Notary,
    ) -> Result<u64> {
        audit::trim(&self.writer, trail, older_than, at, notary).await
    }
}

#[async_trait]
impl ports::Sinks for SqliteStore {
    async fn backlog(&self, sink: &str) -> Result<Backlog> {
        sinks::backlog(&self.readers, sink).await
    }

    async fn records_after(&self, place: Place, limit: u32) -> Result<Vec<Record>> {
        log::records_after(&self.readers, place, limit).await
    }

    async fn take_sink(&self, sink: &str, holder: Uuid, hold: Duration) -> Result<Option<Place>> {
        sinks::take(&self.writer, sink, holder, hold).await
    }

    async fn advance_sink(
        &self,
        sink: &str,
        holder: Uuid,
        hold: Duration,
        passed: Place,
    ) -> Result<bool> {
        sinks::advance(&self.writer, sink, holder, hold, passed).await
    }

    async fn release_sink(&self, sink: &str, holder: Uuid) -> Result<()> {
        sinks::release(&self.writer, sink, holder).await
    }
}

#[async_trait]
impl ports::Mails for SqliteStore {
    async fn mail_depth(&self) -> Result<MailDepth> {
        mails::depth(&self.readers).await
    }

    async fn mails(&self, state: Option<MailState>, page: Page<()>) -> Result<Listing<QueuedMail>> {
        mails::list(&self.readers, state, page).await
    }

    async fn invitation(&self, invite: InviteId) -> Result<Option<Invitation>> {
        mails::invitation(&self.readers, invite).await
    }

    async fn claim_mails(
        &self,
        holder: Uuid,
        hold: Duration,
        limit: u32,
    ) -> Result<Vec<ClaimedMail>> {
        mails::claim(&self.writer, holder, hold, limit).await
    }

    async fn settle_mail(&self, id: MailId, holder: Uuid, verdict: Verdict) -> Result<Settled> {
        mails::settle(&self.writer, id, holder, verdict).await
    }
}

#[async_trait]
impl Backups for SqliteStore {
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        Ok(Box::new(backup::SqliteSnapshot::take(&self.readers).await?))
    }

    async fn restoring(&self, commit: Commit) -> Result<Box<dyn Restoring>> {
        Ok(Box::new(
            backup::SqliteRestoring::begin(&self.writer, Arc::clone(&self.replicas), commit)
                .await?,
        ))
    }
}

#[async_trait]
impl ports::CutOffs for SqliteStore {
    async fn cut_off(&self, user: UserId) -> Result<Option<i64>> {
        cutoffs::find(&self.readers, user).await
    }
}

#[async_trait]
impl ports::Sessions for SqliteStore {
    async fn session_email(&self, user: UserId, session: SessionId) -> Result<Option<String>> {
        sessions::email(&self.readers, user, session).await
    }

    async fn session_by_family(&self, family: [u8; 32]) -> Result<Option<FoundSession>> {
        sessions::find(&self.readers, family).await
    }

    async fn sessions(
        &self,
        user: UserId,
        at: Timestamp,
        page: Page<()>,
    ) -> Result<Listing<Session>> {
        sessions::list(&self.readers, user, at, page).await
    }
}

#[async_trait]
impl ports::SigningKeys for SqliteStore {
    async fn is_withdrawn(&self, key: SigningKeyId) -> Result<bool> {
        signing_keys::is_withdrawn(&self.readers, key).await
    }

    async fn keys_alive(&self, from: Timestamp, before: Timestamp, at: Timestamp) -> Result<u64> {
        keys::alive(&self.readers, from, before, at).await
    }
}

#[async_trait]
impl ports::Replicas for SqliteStore {
    async fn register(&self, replica: Uuid, lease: Duration) -> Result<i64> {
        self.replicas.register(&self.readers, replica, lease).await
    }

    async fn renew(&self, replica: Uuid, lease: Duration, applied: i64) -> Result<Option<i64>> {
        self.replicas.renew(&self.readers, replica, lease, applied).await
    }

    async fn laggards(&self, replica: Uuid, revision: i64) -> Result<Vec<ports::Laggard>> {
        Ok(self.replicas.laggards(replica, revision))
    }

    async fn evict(&self, laggards: &[ports::Laggard]) -> Result<()> {
        self.replicas.evict(laggards);
        Ok(())
    }

    async fn leave(&self, replica: Uuid) -> Result<()> {
        self.replicas.leave(replica);
        Ok(())
    }
}
