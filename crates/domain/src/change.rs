//! Writes as values: what a store's `commit` applies as a whole or not at all.

use std::time::Duration;

use uuid::Uuid;

use crate::Timestamp;
use crate::audit::Context;
use crate::backup::Rows;
use crate::model::{
    Account, AccountEdit, AccountId, AccountStatus, Action, EntityId, EntityType, Group, GroupEdit,
    GroupGrant, GroupId, GroupRole, Invite, InviteId, Key, KeyId, Mail, MailId, Membership,
    NewSession, Org, OrgEdit, OrgId, OrgRole, PasswordHash, PlatformInvite, PlatformInviteId,
    PlatformRole, Purpose, Rotation, SessionEnd, SessionId, Settlement, SigningKeyId, Ticket,
    TicketId, UserId,
};

/// A list of writes that belong together, who asked for them, and what must still be true.
#[derive(Clone, Debug)]
pub struct Commit {
    /// Who asked, as the change log names them.
    pub actor: String,
    /// When they asked.
    pub at: Timestamp,
    /// What must still be true when the writes are applied, in the same transaction.
    pub guards: Vec<Guard>,
    /// The writes, in order.
    pub changes: Vec<Change>,
    /// What the audit trail says of all of them.
    pub audit: Context,
}

/// What the decision to write was based on. A store checks it again under a lock, so that a role
/// lost between the check and the write is a role lost.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Guard {
    /// The API key that is used still exists. Fails with `Unauthenticated`.
    KeyExists {
        /// Which key.
        key: KeyId,
        /// Whose.
        issuer: UserId,
    },
    /// The user's sessions have not been ended since this second. Fails with `Unauthenticated`.
    SessionLives {
        /// Whose.
        user: UserId,
        /// When the session began, in seconds since 1970.
        issued_at: i64,
    },
    /// The session that is used has not been ended. Fails with `Unauthenticated`.
    SessionExists {
        /// Which.
        session: SessionId,
        /// Whose.
        user: UserId,
    },
    /// The key that signed the token has not been withdrawn. Fails with `Unauthenticated`.
    SigningKeyLives {
        /// Which key.
        key: SigningKeyId,
    },
    /// The user may do this in the org, by [`crate::policy::in_org`]; fails with its error.
    InOrg {
        /// Who.
        user: UserId,
        /// Where.
        org: OrgId,
        /// What.
        action: Action,
    },
    /// The user may do this in the group, by [`crate::policy::in_group`]; fails with its error. The tree
    /// the group is in stays as it is until the end of the commit, but for the commit's own changes.
    InGroup {
        /// Who.
        user: UserId,
        /// Where.
        group: GroupId,
        /// What they must be, at least.
        needed: GroupRole,
    },
    /// The group lies directly below this one; below none, it is a root. Fails with `NotFound` without the
    /// group and with `Conflict` when somebody has moved it.
    LiesBelow {
        /// Which group.
        group: GroupId,
        /// Below which.
        parent: Option<GroupId>,
    },
    /// The user has this platform role, by [`crate::policy::on_platform`]; fails with its error.
    OnPlatform {
        /// Who.
        user: UserId,
        /// What they must be, at least.
        needed: PlatformRole,
    },
    /// The user is no root of the platform: whoever is less than that must not touch theirs. Fails with
    /// `Forbidden`.
    IsNoRoot {
        /// Who.
        user: UserId,
    },
    /// The user may still give roles in the org, by [`crate::policy::may_invite`]; fails with its
    /// error.
    MayInvite {
        /// Who.
        user: UserId,
        /// Where.
        org: OrgId,
    },
    /// The user belongs to the org, as whatever. Fails with `NotFound`.
    IsMember {
        /// Who.
        user: UserId,
        /// Where.
        org: OrgId,
    },
}

/// One write.
#[derive(Clone, Debug)]
pub enum Change {
    /// Stores an API key. Fails with `AlreadyExists` when the id is taken.
    InsertKey(Key),
    /// Revokes an API key of this user. Fails with `NotFound` when there is none.
    RemoveKey {
        /// Which key.
        id: KeyId,
        /// Whose.
        issuer: UserId,
    },
    /// Ends every session of a user: those that are stored, and those that began up to this whole second. An earlier
    /// end than the one that is stored does not take that back.
    EndSessions {
        /// Whose.
        user: UserId,
        /// The last second whose login and recovery tokens are dead.
        until: Timestamp,
    },
    /// Begins a session of somebody who has proved this password. Fails with `Unauthenticated` when there is no such
    /// account that is enabled and has it still, and with `AlreadyExists` when the id is taken.
    BeginSession {
        /// The session.
        session: NewSession,
        /// What was proved.
        proved: PasswordHash,
    },
    /// Puts a refresh token in the place of the one that is used. Fails with `NotFound` when that one is not the
    /// newest of the session, or there is no such session: of several at once one does it.
    RotateSession(Rotation),
    /// Ends one session of a user. Fails with `NotFound` when there is none.
    EndSession {
        /// Which.
        id: SessionId,
        /// Whose.
        user: UserId,
        /// Why.
        why: SessionEnd,
    },
    /// Deletes the sessions that were over before this moment, and for a minute by the store's clock: a caller whose
    /// clock is fast must not end what lives. Nobody can tell: what is left of their tokens was over with them.
    PurgeSessions {
        /// Those whose `expires_at` is earlier go.
        expired_before: Timestamp,
    },
    /// Withdraws a signing key: nothing it signed counts any more. Once more changes nothing.
    WithdrawSigningKey {
        /// Which.
        key: SigningKeyId,
        /// When.
        at: Timestamp,
    },
    /// Deletes every API key that ended before this moment, and a minute ago by the store's clock: a caller whose
    /// clock is fast must not revoke what lives. Nobody can tell: they were no longer honoured.
    PurgeKeys {
        /// Keys whose `expires_at` is earlier go.
        expired_before: Timestamp,
    },
    /// Trims the change log: deletes some of its oldest records, those that were written before this
    /// moment and that every sink in use has passed on and every living replica has applied. A
    /// sink is in use if somebody had it after this moment. Nobody can tell.
    PurgeRecords {
        /// Records with an earlier `occurred_at` go.
        older_than: Timestamp,
    },
    /// Founds an org. Fails with `AlreadyExists` when the id is taken.
    InsertOrg(Org),
    /// Replaces what may change of an org. Fails with `NotFound` without the org.
    UpdateOrg(OrgEdit),
    /// Deletes an org and all that belongs to it, its groups included. Fails with `NotFound` without the
    /// org, and with `Conflict` if it has more than [`MAX_REMOVED`](crate::model::MAX_REMOVED) groups.
    RemoveOrg(OrgId),
    /// Adds a member. Fails with `AlreadyExists` for a member and with `NotFound` without the org.
    InsertMembership(Membership),
    /// Changes what a member is. Fails with `NotFound` for somebody who is no member and with
    /// `Forbidden` for an owner: somebody with that role, or whom the org names.
    UpdateMembership {
        /// Where.
        org: OrgId,
        /// Who.
        member: UserId,
        /// What they become.
        role: OrgRole,
        /// When.
        at: Timestamp,
    },
    /// Takes a member out of an org, and revokes the invites to it that they sent and somebody could
    /// still accept, dormant ones included. They lose their roles in its groups and their places in them.
    /// Fails like [`Change::UpdateMembership`].
    RemoveMembership {
        /// Where.
        org: OrgId,
        /// Who.
        member: UserId,
    },
    /// Gives an org another owner; whoever had the role becomes an admin. Fails with `NotFound`
    /// without the org or when the new owner is no member, and with `Conflict` when the org's owner
    /// is not the one that is named.
    TransferOrg {
        /// Which org.
        org: OrgId,
        /// Who owns it.
        from: UserId,
        /// Who will.
        to: UserId,
        /// When.
        at: Timestamp,
    },
    /// Gives a user a platform role or replaces it. Fails with `Conflict` when it would demote the
    /// last root.
    PutPlatformRole {
        /// Whose.
        user: UserId,
        /// Which.
        role: PlatformRole,
    },
    /// Takes a user's platform role. Fails with `NotFound` when they have none and with `Conflict`
    /// when they are the last root.
    RemovePlatformRole {
        /// Whose.
        user: UserId,
    },
    /// Makes an invite for somebody. One of theirs to the same org that nobody can accept any more,
    /// because its time is over by the store's clock or for what it offers, is noted as expired
    /// first. Fails with `AlreadyExists` when the id is taken, when they have another pending one to
    /// that org, whoever made it, and when they belong to it; with `NotFound` without the org.
    InsertInvite(Invite),
    /// Makes an invite for whoever will answer a platform invite. Fails with `AlreadyExists` when the
    /// id is taken and with `NotFound` without the org.
    InsertDormantInvite {
        /// The invite; it has no invitee.
        invite: Invite,
        /// What it waits for.
        platform_invite: PlatformInviteId,
    },
    /// Gives a dormant invite to somebody; it waits for nothing any more. Fails with `NotFound`
    /// without the invite, with `Conflict` when it is not dormant and pending, and like
    /// [`Change::InsertInvite`] for what stands in its way.
    ActivateInvite {
        /// Which one.
        id: InviteId,
        /// Where to.
        org: OrgId,
        /// To whom.
        invitee: UserId,
        /// Until when it can be accepted.
        expires_at: Timestamp,
    },
    /// Ends an invite that is pending by the store's clock; nothing else happens by it. Fails with
    /// `NotFound` without the invite, with `InviteClosed` when its time is over and with `Conflict`
    /// when it was ended before.
    SettleInvite {
        /// Which one.
        id: InviteId,
        /// Where to.
        org: OrgId,
        /// To whom, for the change log.
        invitee: Option<UserId>,
        /// How it ends.
        to: Settlement,
    },
    /// Makes a group. Fails with `NotFound` without its parent or its org, with `Invalid` when the parent
    /// belongs to somebody else or lies on the lowest level, and with `AlreadyExists` when the id is
    /// taken, or the name among its siblings.
    InsertGroup(Group),
    /// Replaces what may change of a group. Fails with `NotFound` without the group and with
    /// `AlreadyExists` when a sibling has the name.
    UpdateGroup(GroupEdit),
    /// Puts a group, and with it all that lies below it, below another one or makes it a root. Fails with
    /// `NotFound` without the group or its new parent; with `Invalid` when that belongs to somebody else
    /// or the tree would get too deep; with `Conflict` when it is the group itself or lies below it; with
    /// `AlreadyExists` when a new sibling has its name.
    MoveGroup {
        /// Which group.
        id: GroupId,
        /// Below which; none makes it a root.
        parent: Option<GroupId>,
        /// When.
        at: Timestamp,
    },
    /// Deletes a group. Fails with `NotFound` without it and, unless all that lies below it is to go as
    /// well, with `Conflict` when it has subgroups or members; and with `Conflict` when more than
    /// [`MAX_REMOVED`](crate::model::MAX_REMOVED) groups would go.
    RemoveGroup {
        /// Which group.
        id: GroupId,
        /// Whether its members, its subgroups and theirs go with it.
        subtree: bool,
    },
    /// Makes things members of a group. Fails with `NotFound` without the group, or when they are users,
    /// the group belongs to an org, and one of them does not; with `AlreadyExists` when one is a member.
    AssignMembers {
        /// Of which group.
        group: GroupId,
        /// What they are.
        kind: EntityType,
        /// Which; none of them twice.
        members: Vec<EntityId>,
        /// When.
        at: Timestamp,
    },
    /// Takes things out of a group, as far as they are in it. Fails with `NotFound` without the group.
    UnassignMembers {
        /// Out of which group.
        group: GroupId,
        /// Which.
        members: Vec<EntityId>,
    },
    /// Gives a user a role in a group or replaces it. Fails with `NotFound` without the group, or when it
    /// belongs to an org and the user does not.
    PutGroupRole(GroupGrant),
    /// Takes the role a user was given in a group. Fails with `NotFound` when there is none.
    RemoveGroupRole {
        /// In which group.
        group: GroupId,
        /// Whose.
        user: UserId,
    },
    /// Opens an account. Fails with `AlreadyExists` when the id or the address is taken.
    InsertAccount(Account),
    /// Replaces what is attached to an account. Fails with `NotFound` without it.
    UpdateAccount(AccountEdit),
    /// Enables or disables an account. Fails with `NotFound` without it, and with `Conflict` when the platform
    /// would be left without a root whose account is not disabled.
    SetAccountStatus {
        /// Whose.
        id: AccountId,
        /// What it is to be.
        status: AccountStatus,
        /// When.
        at: Timestamp,
    },
    /// Sets the password of an account. Fails with `NotFound` when there is no such account that is enabled, and
    /// when it has another password than the one that is to be replaced.
    SetPassword {
        /// Whose.
        id: AccountId,
        /// The new one.
        password: PasswordHash,
        /// The one that it replaces, if that matters.
        replacing: Option<PasswordHash>,
        /// When.
        at: Timestamp,
    },
    /// Notes that the address of an account was proved; what was noted before stays. Fails with `NotFound` when there is no
    /// such account that is enabled.
    VerifyEmail {
        /// Whose.
        id: AccountId,
        /// When.
        at: Timestamp,
    },
    /// Gives an account another id. Fails with `NotFound` when nobody has the old one and with `AlreadyExists` when
    /// somebody has the new one.
    RenumberAccount {
        /// The old one.
        from: AccountId,
        /// The new one.
        to: AccountId,
    },
    /// Notes that somebody is given everybody's password hash.
    NotePasswordsRead,
    /// Replaces the hash of a password by another hash of the same one. Fails with `NotFound` when the account has
    /// another hash by now.
    RenewHash {
        /// Whose.
        id: AccountId,
        /// The hash to replace.
        from: PasswordHash,
        /// The new one.
        to: PasswordHash,
    },
    /// Invites somebody to the platform. One to the same address whose time is over, by the store's clock, is noted as
    /// expired first. Fails with `AlreadyExists` when the id is taken or when another one to the address is pending.
    InsertPlatformInvite(PlatformInvite),
    /// Ends a platform invite that is pending by the store's clock; nothing else happens by it. Fails with `NotFound`
    /// without the invite and with `InviteClosed` when it was ended before or its time is over.
    SettlePlatformInvite {
        /// Which one.
        id: PlatformInviteId,
        /// How it ends.
        to: Settlement,
    },
    /// Notes which platform invites have expired, by the store's clock, and of the org invites that wait for them that
    /// they have, too. Nobody can tell.
    ExpirePlatformInvites,
    /// Stores a ticket beside the others for the same purpose and target. If there are
    /// [`MOST_ALIVE`](Ticket::MOST_ALIVE) that can be used, by the store's clock, it stores nothing: they are as good,
    /// and nobody is told.
    PutTicket(Ticket),
    /// Counts a wrong secret that somebody showed for a ticket. After [`TRIES`](Ticket::TRIES) it is void. Of one that
    /// is not there nothing is counted.
    CountTry(TicketId),
    /// Uses a ticket up. Fails with `Unauthenticated` when that was done before or its time is over, by the
    /// store's clock.
    UseTicket(TicketId),
    /// Takes back every ticket for this purpose and target.
    DropTickets {
        /// What they would be good for.
        purpose: Purpose,
        /// Whose, as [`Grant::target`](crate::model::Grant::target) says.
        target: String,
    },
    /// Deletes every ticket whose time has been over for this long, by the store's clock.
    PurgeTickets {
        /// For how long.
        over_for: Duration,
    },
    /// Queues a mail. Nobody hears of it before the commit, nor if there is none. Fails with
    /// `AlreadyExists` when the id is taken.
    QueueMail(Mail),
    /// Has a mail tried at once, also a dead one; one that somebody is sending is left to them. Fails
    /// with `NotFound` when there is none.
    RetryMail(MailId),
    /// Deletes every mail that died before this moment. Nobody can tell.
    PurgeMails {
        /// Mails that died earlier go.
        died_before: Timestamp,
    },
    /// Brings back many rows at once. Fails like inserting each of them; a platform role that somebody has
    /// is never replaced.
    InsertRows(Rows),
    /// Notes that a backup was restored.
    NoteRestore(Restored),
    /// Notes that users of another service were brought in.
    NoteImport(Imported),
}

/// That users of another service were brought in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Imported {
    /// How many.
    pub created: u64,
    /// How many were left out because they could not be.
    pub left_out: u64,
}

/// That a backup was restored.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restored {
    /// In which database it was taken, if the document says so.
    pub instance: Option<Uuid>,
    /// After which revision of that.
    pub revision: Option<i64>,
    /// How many rows were brought back.
    pub created: u64,
    /// How many were left out because they were taken away on purpose since.
    pub left_out: u64,
    /// Whether those were brought back, too.
    pub revived: bool,
}

impl Change {
    /// Whether a mail is due by it.
    #[must_use]
    pub const fn queues_mail(&self) -> bool {
        matches!(self, Self::QueueMail(_) | Self::RetryMail(_))
    }
}
