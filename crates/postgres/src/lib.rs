//! The store on PostgreSQL, which also takes over a database of the original.
//!
//! Read [`PgStore`] first, then `transaction`, where a commit happens, and one file per noun (`keys`,
//! `orgs`, `members`, `groups`, `group_standing`, `group_members`, `invites`, `roles`, `accounts`), which
//! hold the statements; `log` holds those of the change log, `sinks` those about how far it was passed on,
//! `mails` those of the queue, `audit` those of the audit trail, and `backup` those about all of it. `connections` is the pool and its
//! deadlines, `spans` what traces show of it, `open` and `schema` prepare the database, `failure` says what a database failure means.

mod accounts;
mod audit;
mod backup;
mod config;
mod connections;
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
mod moment;
mod open;
mod orgs;
mod original_users;
mod platform_invites;
mod replicas;
mod roles;
mod rows;
mod schema;
mod sessions;
mod signing_keys;
mod sinks;
mod spans;
mod tickets;
mod transaction;
mod wakeups;

use std::time::Duration;

use async_trait::async_trait;
use auth_domain::audit::{AuditQuery, AuditRecord, Entry, Head, Notary, Trail};
use auth_domain::backup::{Backups, Restoring, Snapshot};
use auth_domain::change::Commit;
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
use uuid::Uuid;

pub use crate::config::{PgConfig, SslMode, UnknownSslMode};
use crate::connections::Connections;
pub use crate::open::{OpenError, REGISTRY_CONNECTIONS};
pub use crate::original_users::{OriginalUsers, UsersError};
use crate::wakeups::Wakeups;

/// Durable state in a PostgreSQL database that replicas, and the original, may share.
#[derive(Debug)]
pub struct PgStore {
    database: Connections,
    /// Apart, so that requests which use up the others never hold up a renewal.
    registry: Connections,
    wakeups: Wakeups,
}

#[async_trait]
impl ports::Store for PgStore {
    async fn commit(&self, commit: Commit) -> Result<Option<i64>> {
        transaction::commit(&self.database, &commit).await
    }

    async fn ping(&self) -> Result<()> {
        log::revision(&self.database).await.map(drop)
    }
}

#[async_trait]
impl ports::Keys for PgStore {
    async fn key(&self, issuer: UserId, id: KeyId) -> Result<Option<Key>> {
        keys::find(&self.database, issuer, id).await
    }

    async fn stored_key(&self, issuer: UserId, id: KeyId) -> Result<Option<Key>> {
        keys::stored(&self.database, issuer, id).await
    }

    async fn keys(&self, issuer: UserId, page: Page<KeyOrder>) -> Result<Listing<Key>> {
        keys::list(&self.database, issuer, page).await
    }
}

#[async_trait]
impl ports::Orgs for PgStore {
    async fn org(&self, id: OrgId) -> Result<Option<Org>> {
        orgs::find(&self.database, id).await
    }

    async fn orgs(&self, query: &OrgQuery, page: Page<OrgOrder>) -> Result<Listing<Org>> {
        orgs::list(&self.database, query, page).await
    }
}

#[async_trait]
impl ports::Memberships for PgStore {
    async fn membership(&self, org: OrgId, member: UserId) -> Result<Option<Membership>> {
        members::find(&self.database, org, member).await
    }

    async fn memberships(
        &self,
        org: OrgId,
        role: Option<OrgRole>,
        page: Page<()>,
    ) -> Result<Listing<Membership>> {
        members::list(&self.database, org, role, page).await
    }

    async fn members(
        &self,
        query: &MemberQuery,
        page: Page<MemberOrder>,
    ) -> Result<Listing<Member>> {
        members::search(&self.database, query, page).await
    }

    async fn memberships_after(
        &self,
        org: OrgId,
        role: Option<OrgRole>,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<Membership>> {
        members::after(&self.database, org, role, after, limit).await
    }
}

#[async_trait]
impl ports::Invites for PgStore {
    async fn invite(&self, id: InviteId) -> Result<Option<OrgInvite>> {
        invites::find(&self.database, id).await
    }

    async fn invites(
        &self,
        query: &InviteQuery,
        page: Page<InviteOrder>,
    ) -> Result<Listing<OrgInvite>> {
        invites::list(&self.database, query, page).await
    }

    async fn dormant_invite(&self, waits_for: PlatformInviteId) -> Result<Option<OrgInvite>> {
        invites::dormant(&self.database, waits_for).await
    }

    async fn waiting_invites(
        &self,
        waits_for: PlatformInviteId,
        user: UserId,
    ) -> Result<Vec<WaitingInvite>> {
        invites::waiting(&self.database, waits_for, user).await
    }
}

#[async_trait]
impl ports::PlatformInvites for PgStore {
    async fn platform_invite(&self, id: PlatformInviteId) -> Result<Option<PlatformInvite>> {
        platform_invites::find(&self.database, id).await
    }

    async fn pending_platform_invite(&self, email: &Email) -> Result<Option<PlatformInvite>> {
        platform_invites::find_pending(&self.database, email).await
    }

    async fn platform_invites(
        &self,
        query: &PlatformInviteQuery,
        page: Page<PlatformInviteOrder>,
    ) -> Result<Listing<PlatformInvite>> {
        platform_invites::list(&self.database, query, page).await
    }
}

#[async_trait]
impl ports::Standings for PgStore {
    async fn standing(&self, user: UserId, org: Option<OrgId>) -> Result<Standing> {
        roles::standing(&self.database, user, org).await
    }

    async fn standings(&self, user: UserId, orgs: &[Option<OrgId>]) -> Result<Vec<Standing>> {
        roles::standings(&self.database, user, orgs).await
    }

    async fn evidence(&self, user: UserId, org: Option<OrgId>) -> Result<Evidence> {
        roles::evidence(&self.database, user, org).await
    }

    async fn role_holders(&self, page: Page<()>) -> Result<Listing<RoleHolder>> {
        roles::list(&self.database, page).await
    }
}

#[async_trait]
impl ports::Groups for PgStore {
    async fn groups(&self, ids: &[GroupId]) -> Result<Vec<Group>> {
        groups::find(&self.database, ids).await
    }

    async fn group_standings(&self, user: UserId, ids: &[GroupId]) -> Result<Vec<GroupStanding>> {
        group_standing::list(&self.database, user, ids).await
    }

    async fn joint_standings(
        &self,
        user: UserId,
        orgs: &[Option<OrgId>],
        groups: &[GroupId],
    ) -> Result<(Vec<Standing>, Vec<GroupStanding>)> {
        group_standing::joint(&self.database, user, orgs, groups).await
    }

    async fn group_tree(
        &self,
        query: &GroupQuery,
        part: &Part<Vec<GroupId>>,
    ) -> Result<Listing<Placed>> {
        groups::tree(&self.database, query, part).await
    }

    async fn group_members(
        &self,
        group: GroupId,
        kind: Option<&EntityType>,
        part: &Part<EntityId>,
    ) -> Result<Listing<GroupMember>> {
        group_members::list(&self.database, group, kind, part).await
    }

    async fn groups_of(
        &self,
        query: &GroupsOfQuery,
        part: &Part<GroupId>,
    ) -> Result<Listing<Group>> {
        group_members::groups_of(&self.database, query, part).await
    }

    async fn group_roles(&self, group: GroupId, page: Page<()>) -> Result<Listing<GroupGrant>> {
        group_members::roles(&self.database, group, page).await
    }
}

#[async_trait]
impl ports::Accounts for PgStore {
    async fn account(&self, id: AccountId) -> Result<Option<Account>> {
        accounts::find(&self.database, id).await
    }

    async fn account_by_email(&self, email: &Email) -> Result<Option<Account>> {
        accounts::find_by_email(&self.database, email).await
    }

    async fn accounts(&self, query: &AccountQuery) -> Result<Listing<Account>> {
        accounts::list(&self.database, query).await
    }

    async fn accounts_by_filter(
        &self,
        filter: &AccountFilter,
        page: Page<AccountOrder>,
    ) -> Result<Listing<Account>> {
        accounts::search(&self.database, filter, page).await
    }

    async fn account_ids_by_emails(&self, emails: &[Email]) -> Result<Vec<(String, AccountId)>> {
        accounts::ids_by_emails(&self.database, emails).await
    }

    async fn has_bcrypt(&self) -> Result<bool> {
        accounts::has_bcrypt(&self.database).await
    }

    async fn accounts_by_emails(&self, emails: &[Email]) -> Result<Vec<Account>> {
        accounts::find_by_emails(&self.database, emails).await
    }
}

#[async_trait]
impl ports::Tickets for PgStore {
    async fn ticket(&self, id: TicketId) -> Result<Option<StoredTicket>> {
        tickets::find(&self.database, id).await
    }
}

#[async_trait]
impl ports::ChangeLog for PgStore {
    async fn revision(&self) -> Result<i64> {
        log::revision(&self.database).await
    }

    async fn records(&self, after: i64, limit: u32) -> Result<Vec<Record>> {
        log::records(&self.registry, after, limit).await
    }
}

#[async_trait]
impl ports::AuditTrail for PgStore {
    async fn audit_head(&self, trail: Trail) -> Result<Head> {
        audit::head(&self.database, trail).await
    }

    async fn audit_after(&self, trail: Trail, place: i64, limit: u32) -> Result<Vec<AuditRecord>> {
        audit::after(&self.database, trail, place, limit).await
    }

    async fn audit(&self, query: &AuditQuery, part: &Part<i64>) -> Result<Vec<AuditRecord>> {
        audit::list(&self.database, query, part).await
    }

    async fn note(&self, trail: Trail, entries: Vec<Entry>, notary: &dyn Notary) -> Result<()> {
        audit::note(&self.database, trail, entries, notary).await
    }

    async fn trim(
        &self,
        trail: Trail,
        older_than: Timestamp,
        at: Timestamp,
        notary: &dyn Notary,
    ) -> Result<u64> {
        audit::trim(&self.database, trail, older_than, at, notary).await
    }
}

#[async_trait]
impl ports::Sinks for PgStore {
    async fn backlog(&self, sink: &str) -> Result<Backlog> {
        sinks::backlog(&self.database, sink).await
    }

    async fn records_after(&self, place: Place, limit: u32) -> Result<Vec<Record>> {
        log::records_after(&self.database, place, limit).await
    }

    async fn take_sink(&self, sink: &str, holder: Uuid, hold: Duration) -> Result<Option<Place>> {
        sinks::take(&self.database, sink, holder, hold).await
    }

    async fn advance_sink(
        &self,
        sink: &str,
        holder: Uuid,
        hold: Duration,
        passed: Place,
    ) -> Result<bool> {
        sinks::advance(&self.database, sink, holder, hold, passed).await
    }

    async fn release_sink(&self, sink: &str, holder: Uuid) -> Result<()> {
        sinks::release(&self.database, sink, holder).await
    }
}

#[async_trait]
impl ports::Mails for PgStore {
    async fn mail_depth(&self) -> Result<MailDepth> {
        mails::depth(&self.database).await
    }

    async fn mails(&self, state: Option<MailState>, page: Page<()>) -> Result<Listing<QueuedMail>> {
        mails::list(&self.database, state, page).await
    }

    async fn invitation(&self, invite: InviteId) -> Result<Option<Invitation>> {
        mails::invitation(&self.database, invite).await
    }

    async fn claim_mails(
        &self,
        holder: Uuid,
        hold: Duration,
        limit: u32,
    ) -> Result<Vec<ClaimedMail>> {
        mails::claim(&self.database, holder, hold, limit).await
    }

    async fn settle_mail(&self, id: MailId, holder: Uuid, verdict: Verdict) -> Result<Settled> {
        mails::settle(&self.database, id, holder, verdict).await
    }
}

#[async_trait]
impl Backups for PgStore {
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>> {
        Ok(Box::new(backup::PgSnapshot::take(&self.database).await?))
    }

    async fn restoring(&self, commit: Commit) -> Result<Box<dyn Restoring>> {
        Ok(Box::new(backup::PgRestoring::begin(&self.database, commit).await?))
    }
}

#[async_trait]
impl ports::CutOffs for PgStore {
    async fn cut_off(&self, user: UserId) -> Result<Option<i64>> {
        cutoffs::find(&self.database, user).await
    }
}

#[async_trait]
impl ports::Sessions for PgStore {
    async fn session_email(&self, user: UserId, session: SessionId) -> Result<Option<String>> {
        sessions::email(&self.database, user, session).await
    }

    async fn session_by_family(&self, family: [u8; 32]) -> Result<Option<FoundSession>> {
        sessions::find(&self.database, family).await
    }

    async fn sessions(
        &self,
        user: UserId,
        at: Timestamp,
        page: Page<()>,
    ) -> Result<Listing<Session>> {
        sessions::list(&self.database, user, at, page).await
    }
}

#[async_trait]
impl ports::SigningKeys for PgStore {
    async fn is_withdrawn(&self, key: SigningKeyId) -> Result<bool> {
        signing_keys::is_withdrawn(&self.database, key).await
    }

    async fn keys_alive(&self, from: Timestamp, before: Timestamp, at: Timestamp) -> Result<u64> {
        keys::alive(&self.database, from, before, at).await
    }
}

#[async_trait]
impl ports::Replicas for PgStore {
    async fn register(&self, replica: Uuid, lease: Duration) -> Result<i64> {
        replicas::register(&self.registry, replica, lease).await
    }

    async fn renew(&self, replica: Uuid, lease: Duration, applied: i64) -> Result<Option<i64>> {
        replicas::renew(&self.registry, replica, lease, applied).await
    }

    async fn laggards(&self, replica: Uuid, revision: i64) -> Result<Vec<ports::Laggard>> {
        replicas::laggards(&self.database, replica, revision).await
    }

    async fn evict(&self, laggards: &[ports::Laggard]) -> Result<()> {
        replicas::evict(&self.database, laggards).await
    }

    async fn leave(&self, replica: Uuid) -> Result<()> {
        replicas::leave(&self.registry, replica).await
    }

    async fn woken(&self) -> Result<()> {
        self.wakeups.next().await
    }
}
