//! What the outside implements. Reads are grouped by noun; there is one way to write.

mod admission;
mod throttle;

use std::time::Duration;

use async_trait::async_trait;
use secrecy::SecretString;
use uuid::Uuid;

pub use self::throttle::{Attempt, Call, Class, Source, Throttle};
use crate::Timestamp;
use crate::audit::{AuditQuery, AuditRecord, Entry, Head, Notary, Origin, Trail};
use crate::backup::Backups;
use crate::change::Commit;
use crate::error::{Cause, Result, Unauthenticated};
use crate::fact::{Backlog, Place, Record};
use crate::model::{
    Account, AccountFilter, AccountId, AccountOrder, AccountQuery, ClaimedMail, Claims, Email,
    EntityId, EntityType, Evidence, FoundSession, Group, GroupGrant, GroupId, GroupMember,
    GroupQuery, GroupRole, GroupStanding, GroupsOfQuery, Invitation, InviteId, InviteOrder,
    InviteQuery, Key, KeyId, KeyOrder, Letter, Listing, MailDepth, MailId, MailState, Member,
    MemberOrder, MemberQuery, Membership, NextRefresh, Org, OrgId, OrgInvite, OrgOrder, OrgQuery,
    OrgRole, Page, Part, PasswordHash, Person, Placed, PlatformInvite, PlatformInviteId,
    PlatformInviteOrder, PlatformInviteQuery, Proved, PublicKey, QueuedMail, RefreshDigests,
    RefreshToken, RoleHolder, Session, SessionId, Settled, SigningKeyId, Standing, StoredTicket,
    TicketId, TicketSecret, Token, UserId, Verdict, WaitingInvite,
};

pub use self::admission::{Admission, Admitted, Priority, Unbounded};

/// The most people one call to a [`Directory`] names.
pub const MAX_PEOPLE: usize = 1000;

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

/// Reading the change log.
#[async_trait]
pub trait ChangeLog: Send + Sync {
    /// The newest revision; 0 when nothing was ever committed.
    async fn revision(&self) -> Result<i64>;

    /// The records of all commits after this revision, oldest first, at most `limit` of them.
    async fn records(&self, after: i64, limit: u32) -> Result<Vec<Record>>;
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

/// Who people are, wherever that is kept. What it answers is checked by whoever asks, because another
/// service may be behind it: it may name too few people, too many, the same twice, in any order.
#[async_trait]
pub trait Directory: Send + Sync {
    /// The enabled people among these, at most [`MAX_PEOPLE`] of them.
    async fn people(&self, ids: &[UserId]) -> Result<Vec<Person>>;

    /// The enabled people with these addresses, at most [`MAX_PEOPLE`] of them. Fails with `NotFound`
    /// when one of the addresses is nobody's.
    async fn people_by_emails(&self, emails: &[Email]) -> Result<Vec<Person>>;

    /// Whether these people are the accounts in the store, which can then be asked with one statement.
    fn is_built_in(&self) -> bool;
}

/// How far the change log was passed on, sink by sink.
///
/// A sink is a name. Whoever passes records on to it has to hold it, and only one holder has it at a
/// time: for a while from when they took it or last noted what they passed on, by the store's clock.
/// This is bookkeeping about the log and not part of what it records, hence no [`crate::change::Change`].
#[async_trait]
pub trait Sinks: Send + Sync {
    /// What the sink has still to pass on.
    async fn backlog(&self, sink: &str) -> Result<Backlog>;

    /// The records after this place, oldest first, at most `limit` of them.
    async fn records_after(&self, place: Place, limit: u32) -> Result<Vec<Record>>;

    /// Takes the sink or keeps it, for this long. Gives the place up to which it has passed records
    /// on, which is before all of them for a sink nobody had before; or nothing while another holder
    /// has it. All who want it ask for about the same time: a hold that ends more than a minute after
    /// the one asked for is left over from a clock that was set back, and ends at once.
    async fn take_sink(&self, sink: &str, holder: Uuid, hold: Duration) -> Result<Option<Place>>;

    /// Notes that the records up to this place were passed on, and keeps the sink for this long.
    /// Whether the holder still had it: if not, nothing is noted.
    async fn advance_sink(
        &self,
        sink: &str,
        holder: Uuid,
        hold: Duration,
        passed: Place,
    ) -> Result<bool>;

    /// Gives the sink back, if the holder has it: the next one need not wait.
    async fn release_sink(&self, sink: &str, holder: Uuid) -> Result<()>;
}

/// The registry of replicas: who answers from memory, and what they have applied of the change log.
///
/// Every method is one statement, committed when it returns. Like [`Sinks`], this is bookkeeping about the log
/// and not part of what it records. No moment in it decides anything: whoever waits counts on their own clock.
#[async_trait]
pub trait Replicas: Send + Sync {
    /// Enters a replica, or enters it anew, with nothing applied before the newest revision, which it gives.
    async fn register(&self, replica: Uuid, lease: Duration) -> Result<i64>;

    /// Notes that the replica lives and has applied everything up to a revision. Gives the newest revision, or
    /// nothing when the replica is not in the registry.
    async fn renew(&self, replica: Uuid, lease: Duration, applied: i64) -> Result<Option<i64>>;

    /// The other replicas that have not applied this revision.
    async fn laggards(&self, replica: Uuid, revision: i64) -> Result<Vec<Laggard>>;

    /// Takes these out of the registry, except for those that have renewed since they were looked at.
    async fn evict(&self, laggards: &[Laggard]) -> Result<()>;

    /// Waits until somebody says that something was committed. It is a hint: it may come late, for nothing, or
    /// not at all. Fails when nothing can be heard for now.
    async fn woken(&self) -> Result<()> {
        std::future::pending().await
    }

    /// Takes the replica out of the registry: it answers nothing any more.
    async fn leave(&self, replica: Uuid) -> Result<()>;
}

/// A replica that has not applied something yet.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Laggard {
    /// Which.
    pub replica: Uuid,
    /// How often it has renewed.
    pub renewals: i64,
    /// Its lease.
    pub lease: Duration,
}

/// Tells the world what the change log says.
#[async_trait]
pub trait Publisher: Send + Sync {
    /// Tells all of these in this order, or nothing. Fails with `Unavailable`, also when nobody knows
    /// whether they were told; whoever asks again tells them again.
    async fn publish(&self, records: &[Record]) -> Result<()>;
}

/// Mails that wait to be sent, and who sends which.
///
/// Whoever sends one has to hold it, and only one holder has it at a time: for a while, by the store's
/// clock, which also says what is due. Like that of [`Sinks`] this is bookkeeping and no
/// [`crate::change::Change`].
#[async_trait]
pub trait Mails: Send + Sync {
    /// How much there is.
    async fn mail_depth(&self) -> Result<MailDepth>;

    /// The mails there are, or those in one state, by id, ascending. `page.order` has nothing to say.
    async fn mails(&self, state: Option<MailState>, page: Page<()>) -> Result<Listing<QueuedMail>>;

    /// The invite, if it can be accepted at this moment, by the store's clock: its org exists, it
    /// names somebody, nobody has answered it or taken it back, and its time is not over.
    async fn invitation(&self, invite: InviteId) -> Result<Option<Invitation>>;

    /// Takes up to `limit` of the mails that are due, those first that have been for longest, and
    /// holds them for this long. Those of kinds that this version does not know are left alone. What
    /// is due much later than any that was put off is left over from a clock that was set back, and
    /// is due at once.
    async fn claim_mails(
        &self,
        holder: Uuid,
        hold: Duration,
        limit: u32,
    ) -> Result<Vec<ClaimedMail>>;

    /// Notes what became of a mail, if the holder still has it, and lets it go.
    async fn settle_mail(&self, id: MailId, holder: Uuid, verdict: Verdict) -> Result<Settled>;
}

/// Sends mail.
#[async_trait]
pub trait Mailer: Send + Sync {
    /// Sends one mail to one address. Once it says that it did, it did; when it fails, the mail may
    /// have been sent all the same.
    async fn send(&self, letter: &Letter) -> Result<(), Undelivered>;
}

/// Why a mail was not sent. Neither prints whom it was for.
#[derive(Debug, thiserror::Error)]
pub enum Undelivered {
    /// Another try may do better.
    #[error("not now: {problem}")]
    Later {
        /// Why: a word from a small set.
        problem: &'static str,
        /// Whether the mail server itself could not be used, whatever the mail.
        is_down: bool,
        /// What went wrong, for the log.
        #[source]
        cause: Cause,
    },
    /// This mail to this address will not be taken, however often it is tried.
    #[error("never: {problem}")]
    Never {
        /// Why: a word from a small set.
        problem: &'static str,
        /// What went wrong, for the log.
        #[source]
        cause: Cause,
    },
}

/// What is asked at every request, and answered from memory where the memory is surely current.
#[async_trait]
pub trait Checks: Send + Sync {
    /// The key of this user, as [`Keys::key`] says.
    async fn key(&self, issuer: UserId, id: KeyId) -> Result<Option<Key>>;

    /// The last second whose login and recovery tokens of this user are dead, as [`CutOffs::cut_off`] says.
    async fn cut_off(&self, user: UserId) -> Result<Option<i64>>;

    /// The e-mail address of this user, if they have this session, as [`Sessions::session_email`] says.
    async fn session_email(&self, user: UserId, session: SessionId) -> Result<Option<String>>;

    /// Who owns the org, if there is one.
    async fn owner(&self, org: OrgId) -> Result<Option<UserId>>;

    /// Where the user stands, as [`Standings::standing`] says.
    async fn standing(&self, user: UserId, org: Option<OrgId>) -> Result<Standing>;

    /// Whether this signing key was withdrawn, so that nothing it signed counts.
    async fn is_withdrawn(&self, key: SigningKeyId) -> Result<bool>;

    /// The greatest role the user has in the group, as [`crate::policy::group_role`] says. No role and no
    /// such group are the same.
    async fn group_role(&self, user: UserId, group: GroupId) -> Result<Option<GroupRole>>;
}

/// Sees to it that a write is known wherever questions are answered before it is acknowledged.
#[async_trait]
pub trait Confirm: Send + Sync {
    /// Waits until no replica answers any more from what was true before this revision. It never fails,
    /// because the commit stands: whoever stops waiting for it undoes nothing.
    async fn confirm(&self, revision: i64) -> Confirmation;
}

/// What is known of a commit when it is acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Confirmation {
    /// It is true on every replica.
    Everywhere,
    /// It is committed, and some replica may still answer from what was true before.
    Pending,
}

/// The time.
pub trait Clock: Send + Sync {
    /// Now, in whole milliseconds.
    fn now(&self) -> Timestamp;
}

/// Fresh ids.
pub trait Ids: Send + Sync {
    /// An id nobody had before: a version 7 UUID (RFC 9562), which is not a secret.
    fn next(&self) -> Uuid;
}

/// Signs and checks tokens.
pub trait Tokens: Send + Sync {
    /// The key of a pair that signs at this moment, unless it is one of these. None is the secret, which signs when
    /// no other key does.
    fn signer(&self, now: Timestamp, withdrawn: &[SigningKeyId]) -> Option<SigningKeyId>;

    /// A token that says this, signed by what [`Tokens::signer`] names.
    fn sign(&self, claims: &Claims, now: Timestamp, withdrawn: &[SigningKeyId]) -> Result<Token>;

    /// What the token says, once its signature is proved and every claim has the right type; and
    /// how far the signing key is trusted. Says nothing about times, nor about keys that were withdrawn.
    fn verify(&self, token: &Token) -> Result<Proved, Unauthenticated>;

    /// What others verify tokens with: every key of a pair that is used, was used, or will be.
    fn public_keys(&self) -> Vec<PublicKey>;
}

/// Marks places in lists, to be handed to clients and back.
pub trait Cursors: Send + Sync {
    /// A text that holds this, and that nobody can make who does not have the key.
    fn seal(&self, place: &[u8]) -> String;

    /// What the text holds, if [`Cursors::seal`] made it.
    fn open(&self, cursor: &str) -> Option<Vec<u8>>;
}

/// Makes the secrets of tickets.
pub trait TicketSecrets: Send + Sync {
    /// The secret of this ticket: the same whenever it is asked for, and nothing that somebody can find who has
    /// only what is stored.
    fn secret(&self, ticket: TicketId) -> TicketSecret;

    /// What is stored of a secret.
    fn digest(&self, secret: &TicketSecret) -> [u8; 32];
}

/// Makes refresh tokens, and says what is stored of them.
pub trait RefreshTokens: Send + Sync {
    /// The first token of a new session: random, 256 bits that nobody guesses beside the family's.
    fn first(&self) -> Result<RefreshToken>;

    /// A token to take the place of this one: of its family, and random.
    fn next(&self, token: &RefreshToken) -> Result<NextRefresh>;

    /// The token that took the place of this one, which is the same each time, by what was stored of it.
    fn next_again(&self, token: &RefreshToken, cover: &[u8; 32]) -> Option<RefreshToken>;

    /// What is stored of a token; nothing for text that is none.
    fn digests(&self, token: &RefreshToken) -> Option<RefreshDigests>;
}

/// Hashes and checks passwords, a few at a time, so that logins cannot starve checks.
#[async_trait]
pub trait Passwords: Send + Sync {
    /// Whether somebody with this address may set this password, by the one rule there is for passwords; without
    /// an address, whether anybody may, as far as that does not depend on who.
    fn acceptable(&self, password: &SecretString, owner: Option<&Email>) -> bool;

    /// Whether passwords can be checked against a hash that comes from elsewhere: of a kind that is known, whole, and
    /// asking for no more work than is done for anybody.
    fn can_check(&self, hash: &PasswordHash) -> bool;

    /// The hash to store. Fails with `Unavailable` when too many wait already.
    async fn hash(&self, password: SecretString) -> Result<PasswordHash>;

    /// Whether the password belongs to the hash. Without a hash it takes as long and says no, so
    /// that unknown accounts answer like known ones. Fails with `Unavailable` when too many wait.
    ///
    /// `mixed` says that hashes of two kinds are stored ([`Accounts::has_bcrypt`]): whatever is wrong then takes as
    /// long as with the slower kind, so that nobody learns who has which.
    async fn verify(
        &self,
        password: SecretString,
        hash: Option<PasswordHash>,
        mixed: bool,
    ) -> Result<Guess>;
}

/// What became of a password that somebody typed.
#[derive(Clone, Debug)]
pub enum Guess {
    /// It is wrong.
    Wrong,
    /// It is right.
    Right,
    /// It is right, and its hash is one that should be replaced by this one.
    Outdated(PasswordHash),
}

impl From<bool> for Guess {
    fn from(right: bool) -> Self {
        if right { Self::Right } else { Self::Wrong }
    }
}

impl Guess {
    /// Whether it is right.
    #[must_use]
    pub const fn is_right(&self) -> bool {
        !matches!(self, Self::Wrong)
    }
}

/// Watches operations, for metrics and for whoever waits for commits.
pub trait Observer: Send + Sync {
    /// An operation ended: its name, `ok` or an [`crate::Error::outcome`], and how long it took.
    fn observe(&self, operation: &'static str, outcome: &'static str, took: Duration);

    /// Where the request that is under way comes from, for the audit trail.
    fn origin(&self) -> Origin {
        Origin::default()
    }

    /// Where the request that is under way came in, for limits by address.
    fn source(&self) -> Source {
        Source::default()
    }

    /// Something was committed: whoever passes it on may look now.
    fn committed(&self) {}

    /// A mail was queued or is due again: whoever sends it may look now.
    fn mail_queued(&self) {}

    /// The request that is under way is answered although some replica may not know of its commit yet.
    fn unconfirmed(&self) {}

    /// The request that is under way is answered from a memory that may be out of date, as the operator wants
    /// it for a while when the store is away.
    fn graced(&self) {}
}
