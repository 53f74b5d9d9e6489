//! Durable state: reads by noun, and the one way to write.

use async_trait::async_trait;

use super::Mails;
use super::{ChangeLog, Replicas, Sinks};
use crate::Timestamp;
use crate::audit::{AuditQuery, AuditRecord, Entry, Head, Notary, Trail};
use crate::backup::Backups;
use crate::change::Commit;
use crate::error::Result;
use crate::model::{
    Account, AccountFilter, AccountId, AccountOrder, AccountQuery, Email, EntityId, EntityType,
    Evidence, FoundSession, Group, GroupGrant, GroupId, GroupMember, GroupQuery, GroupStanding,
    GroupsOfQuery, InviteId, InviteOrder, InviteQuery, Key, KeyId, KeyOrder, Listing, Member,
    MemberOrder, MemberQuery, Membership, Org, OrgId, OrgInvite, OrgOrder, OrgQuery, OrgRole, Page,
    Part, Placed, PlatformInvite, PlatformInviteId, PlatformInviteOrder, PlatformInviteQuery,
    RoleHolder, Session, SessionId, SigningKeyId, Standing, StoredTicket, TicketId, UserId,
    WaitingInvite,
};

/// Durable state: many small reads, one way to write.
#[async_trait]
pub trait Store:
    Keys
    + Orgs
    + Memberships
    + Invites
    + PlatformInvites
    + Standings
    + Groups
    + Accounts
    + Tickets
    + CutOffs
    + Sessions
    + SigningKeys
    + ChangeLog
    + AuditTrail
    + Sinks
    + Replicas
    + Mails
    + Backups
{
    /// Checks every guard, applies every change in order and appends their facts to the change log
    /// under one new revision, and what there is to say of them to the audit trail, in one transaction; or
    /// does none of it.
    ///
    /// Gives that revision. Revision order is commit order. A commit whose changes have no facts takes
    /// no revision.
    async fn commit(&self, commit: Commit) -> Result<Option<i64>>;

    /// Whether the store can answer.
    async fn ping(&self) -> Result<()>;
}

/// Reading API keys.
#[async_trait]
pub trait Keys: Send + Sync {
    /// The key of this user, if there is one, expired or not; none of somebody whose account is disabled.
    async fn key(&self, issuer: UserId, id: KeyId) -> Result<Option<Key>>;

    /// The same, of somebody whose account is disabled as well: for taking it back, never for honouring it.
    async fn stored_key(&self, issuer: UserId, id: KeyId) -> Result<Option<Key>>;

    /// The keys of this user.
    async fn keys(&self, issuer: UserId, page: Page<KeyOrder>) -> Result<Listing<Key>>;
}

/// Reading orgs.
#[async_trait]
pub trait Orgs: Send + Sync {
    /// The org, if it exists.
    async fn org(&self, id: OrgId) -> Result<Option<Org>>;

    /// The orgs that match.
    async fn orgs(&self, query: &OrgQuery, page: Page<OrgOrder>) -> Result<Listing<Org>>;
}

/// Reading who belongs to an org. Rows with a role that does not exist, which the original's tables can
/// hold, are not there.
#[async_trait]
pub trait Memberships: Send + Sync {
    /// The user's membership of the org, if they have one.
    async fn membership(&self, org: OrgId, member: UserId) -> Result<Option<Membership>>;

    /// The memberships of an org, or those with one role, by member id. `page.order` has nothing to
    /// say. What it costs depends on the page, not on the org.
    async fn memberships(
        &self,
        org: OrgId,
        role: Option<OrgRole>,
        page: Page<()>,
    ) -> Result<Listing<Membership>>;

    /// The members that match, with the addresses of their accounts of the built-in directory; none
    /// for those who have no enabled account.
    async fn members(
        &self,
        query: &MemberQuery,
        page: Page<MemberOrder>,
    ) -> Result<Listing<Member>>;

    /// The memberships of an org, or those with one role, that come after this member by id,
    /// ascending, at most `limit` of them: all of a large org, part by part.
    async fn memberships_after(
        &self,
        org: OrgId,
        role: Option<OrgRole>,
        after: Option<UserId>,
        limit: u32,
    ) -> Result<Vec<Membership>>;
}

/// Reading invites. Rows with a role or a state that does not exist, which the original's tables can
/// hold, are not there.
#[async_trait]
pub trait Invites: Send + Sync {
    /// The invite, if it exists, dormant or not.
    async fn invite(&self, id: InviteId) -> Result<Option<OrgInvite>>;

    /// The invites that match; dormant ones never do.
    async fn invites(
        &self,
        query: &InviteQuery,
        page: Page<InviteOrder>,
    ) -> Result<Listing<OrgInvite>>;

    /// The newest dormant invite that waits for this platform invite.
    async fn dormant_invite(&self, waits_for: PlatformInviteId) -> Result<Option<OrgInvite>>;

    /// All dormant invites that wait for this platform invite and offer a role that can be given, by
    /// org and id, as this user finds them. Whether a rival can still be accepted, the store's clock
    /// says.
    async fn waiting_invites(
        &self,
        waits_for: PlatformInviteId,
        user: UserId,
    ) -> Result<Vec<WaitingInvite>>;
}

/// Reading platform invites, where the accounts are built in.
#[async_trait]
pub trait PlatformInvites: Send + Sync {
    /// The platform invite, if it exists.
    async fn platform_invite(&self, id: PlatformInviteId) -> Result<Option<PlatformInvite>>;

    /// The one to this address that is pending as stored, whether or not its time is over.
    async fn pending_platform_invite(&self, email: &Email) -> Result<Option<PlatformInvite>>;

    /// The platform invites that match.
    async fn platform_invites(
        &self,
        query: &PlatformInviteQuery,
        page: Page<PlatformInviteOrder>,
    ) -> Result<Listing<PlatformInvite>>;
}

/// The cut-off of somebody whose account is disabled: no token is later.
pub const BARRED: i64 = i64::MAX;

/// Reading up to when people's sessions are ended.
#[async_trait]
pub trait CutOffs: Send + Sync {
    /// The last second whose login and recovery tokens are dead, in seconds since 1970, if there is one;
    /// [`BARRED`] for somebody whose account is disabled.
    async fn cut_off(&self, user: UserId) -> Result<Option<i64>>;
}

/// Reading sessions that live: of accounts that are enabled, and begun after all that were ended at once. Whether their
/// time is over is for whoever asks to say.
#[async_trait]
pub trait Sessions: Send + Sync {
    /// The e-mail address of this user, if they have this session.
    async fn session_email(&self, user: UserId, session: SessionId) -> Result<Option<String>>;

    /// The session whose refresh tokens have this family's digest.
    async fn session_by_family(&self, family: [u8; 32]) -> Result<Option<FoundSession>>;

    /// The sessions of this user that are not over at this moment, those first that were used last. `page.order` has
    /// nothing to say.
    async fn sessions(
        &self,
        user: UserId,
        at: Timestamp,
        page: Page<()>,
    ) -> Result<Listing<Session>>;
}

/// Reading about the keys that sign tokens.
#[async_trait]
pub trait SigningKeys: Send + Sync {
    /// Whether this one was withdrawn.
    async fn is_withdrawn(&self, key: SigningKeyId) -> Result<bool>;

    /// How many API keys there are that were made from the first moment on and before the second, and have not
    /// ended by the third.
    async fn keys_alive(&self, from: Timestamp, before: Timestamp, at: Timestamp) -> Result<u64>;
}

/// Reading where people stand.
#[async_trait]
pub trait Standings: Send + Sync {
    /// The user's platform role, and their role in the org if one is asked about: one statement.
    async fn standing(&self, user: UserId, org: Option<OrgId>) -> Result<Standing>;

    /// Where the user stands towards each of these, as [`Standings::standing`] would say it, in the
    /// order asked, repeated ones again; all from one snapshot: one statement.
    async fn standings(&self, user: UserId, orgs: &[Option<OrgId>]) -> Result<Vec<Standing>>;

    /// The rows behind [`Standings::standing`], with their times: one statement.
    async fn evidence(&self, user: UserId, org: Option<OrgId>) -> Result<Evidence>;

    /// Everybody with a platform role, by user id, ascending. `page.order` has nothing to say.
    async fn role_holders(&self, page: Page<()>) -> Result<Listing<RoleHolder>>;
}

/// Reading groups. Each call sees one moment: a tree is before or after a move, never between.
#[async_trait]
pub trait Groups: Send + Sync {
    /// Those of these groups that exist, in no particular order.
    async fn groups(&self, ids: &[GroupId]) -> Result<Vec<Group>>;

    /// Where the user stands towards those of these groups that exist, in no particular order: one
    /// statement. What it costs depends on their levels, not on how many groups there are.
    async fn group_standings(&self, user: UserId, ids: &[GroupId]) -> Result<Vec<GroupStanding>>;

    /// What [`Standings::standings`] and [`Groups::group_standings`] would say, both from one snapshot: one
    /// statement.
    async fn joint_standings(
        &self,
        user: UserId,
        orgs: &[Option<OrgId>],
        groups: &[GroupId],
    ) -> Result<(Vec<Standing>, Vec<GroupStanding>)>;

    /// The groups that match, each after the one above it and its older siblings: ordered by the ids on
    /// the way to it.
    async fn group_tree(
        &self,
        query: &GroupQuery,
        part: &Part<Vec<GroupId>>,
    ) -> Result<Listing<Placed>>;

    /// The members of a group, or those of one type, by id, byte by byte.
    async fn group_members(
        &self,
        group: GroupId,
        kind: Option<&EntityType>,
        part: &Part<EntityId>,
    ) -> Result<Listing<GroupMember>>;

    /// The groups something is a member of, by id.
    async fn groups_of(
        &self,
        query: &GroupsOfQuery,
        part: &Part<GroupId>,
    ) -> Result<Listing<Group>>;

    /// The roles that were given right in this group, by user id, ascending. `page.order` has nothing to
    /// say.
    async fn group_roles(&self, group: GroupId, page: Page<()>) -> Result<Listing<GroupGrant>>;
}

/// Reading accounts of the built-in directory.
#[async_trait]
pub trait Accounts: Send + Sync {
    /// The account, whatever its status.
    async fn account(&self, id: AccountId) -> Result<Option<Account>>;

    /// The account with this address, whatever its status.
    async fn account_by_email(&self, email: &Email) -> Result<Option<Account>>;

    /// The enabled accounts among these. Unknown ones are left out, repeated ones given once.
    async fn accounts(&self, query: &AccountQuery) -> Result<Listing<Account>>;

    /// The accounts that match, whatever their status unless that is asked for.
    async fn accounts_by_filter(
        &self,
        filter: &AccountFilter,
        page: Page<AccountOrder>,
    ) -> Result<Listing<Account>>;

    /// Whose these addresses are, whatever their status, by [`Email::key`].
    async fn account_ids_by_emails(&self, emails: &[Email]) -> Result<Vec<(String, AccountId)>>;

    /// Whether somebody's password is still stored as a bcrypt hash.
    async fn has_bcrypt(&self) -> Result<bool>;

    /// The enabled accounts with these addresses, in no particular order.
    async fn accounts_by_emails(&self, emails: &[Email]) -> Result<Vec<Account>>;
}

/// Reading tickets.
#[async_trait]
pub trait Tickets: Send + Sync {
    /// The ticket, if it was neither used nor taken back and has tries left; also one whose time is over. One that a
    /// newer version made for what this one does not know is not there.
    async fn ticket(&self, id: TicketId) -> Result<Option<StoredTicket>>;
}

/// The audit trail. Its records are never changed, and deleted from the beginning only.
#[async_trait]
pub trait AuditTrail: Send + Sync {
    /// Where it begins and ends.
    async fn audit_head(&self, trail: Trail) -> Result<Head>;

    /// The records after this place, oldest first, at most `limit` of them.
    async fn audit_after(&self, trail: Trail, place: i64, limit: u32) -> Result<Vec<AuditRecord>>;

    /// The records that match, newest first; `part.after` is a place.
    async fn audit(&self, query: &AuditQuery, part: &Part<i64>) -> Result<Vec<AuditRecord>>;

    /// Appends what no commit is about to a trail: all of it or nothing.
    async fn note(&self, trail: Trail, entries: Vec<Entry>, notary: &dyn Notary) -> Result<()>;

    /// Deletes the oldest records, as far as they were written before this moment, some thousands at most, and
    /// never the last one; and appends that it did: what the trail begins with from then on is sealed. Gives
    /// how many.
    async fn trim(
        &self,
        trail: Trail,
        older_than: Timestamp,
        at: Timestamp,
        notary: &dyn Notary,
    ) -> Result<u64>;
}
