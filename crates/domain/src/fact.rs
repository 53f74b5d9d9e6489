//! What the change log says of a write.
//!
//! One exhaustive `match` derives it, so a change that alters who may do what cannot be committed
//! without its row. Replicas read these rows to forget what they remember, the event stream is fed
//! from them, and the audit trail is made of them (`docs/adr/0003-change-log.md`).

use std::fmt;

use serde_json::{Value, json};

use crate::Timestamp;
use crate::backup::Rows;
use crate::change::{Change, Imported, Restored};
use crate::model::{
    Account, AccountId, AccountStatus, EntityId, EntityType, Group, GroupGrant, GroupId,
    GroupMember, Invite, Key, KeyId, Membership, Org, OrgId, PlatformInviteId, PlatformRole,
    SessionEnd, SessionId, Settlement, SigningKeyId, UserId,
};

/// One fact that a commit changed.
#[derive(Clone, Debug, PartialEq)]
pub struct Fact {
    /// What happened, as `noun.verb`.
    pub kind: &'static str,
    /// The user it happened to, if one: whatever is remembered of them is out of date.
    pub subject: Option<String>,
    /// The thing it happened to: whatever is remembered of it is out of date.
    pub object: String,
    /// What else readers need. Never a secret, never an address.
    pub payload: Value,
}

/// A [`Fact`] as stored: its place in the order of all commits, and by whom.
#[derive(Clone, Debug, PartialEq)]
pub struct Record {
    /// The commit's place among all commits; what has a higher one was committed later.
    pub revision: i64,
    /// The place within the commit.
    pub ordinal: i32,
    /// What happened, as `noun.verb`.
    pub kind: String,
    /// The user it happened to, if one.
    pub subject: Option<String>,
    /// The thing it happened to.
    pub object: String,
    /// Who asked for it.
    pub actor: String,
    /// What else readers need.
    pub payload: Value,
    /// When it was asked for.
    pub occurred_at: Timestamp,
}

/// Where a record stands among all records: they are passed on in this order.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// The commit's place among all commits; 0 is before all of them.
    pub revision: i64,
    /// The place within the commit.
    pub ordinal: i32,
}

impl fmt::Display for Place {
    /// `revision-ordinal`: what consumers of events recognise a repeated one by.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}-{}", self.revision, self.ordinal)
    }
}

/// What a sink has still to pass on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Backlog {
    /// How many records, counted up to [`Backlog::MOST`].
    pub records: u64,
    /// When the first of them was written.
    pub since: Option<Timestamp>,
}

impl Backlog {
    /// A backlog is counted this far and no further, so that looking at it costs the same after an
    /// outage of any length.
    pub const MOST: i64 = 10_000;
}

impl Record {
    /// Where it stands.
    #[must_use]
    pub const fn place(&self) -> Place {
        Place { revision: self.revision, ordinal: self.ordinal }
    }

    /// The org it happened in, if in one: what happens to an org or its members is filed under the org,
    /// what happens to an invite under the invite.
    #[must_use]
    pub fn org(&self) -> Option<&str> {
        match self.kind.split('.').next() {
            Some("org" | "membership" | "invite") => {
                org_of(&self.kind, &self.object, &self.payload)
            }
            _ => None,
        }
    }

    /// The user who asked for it, if one did: [`crate::Actor`] says how it is written.
    #[must_use]
    pub fn actor_user(&self) -> Option<&str> {
        self.actor.strip_prefix("user:").and_then(|user| user.split('/').next())
    }
}

/// What changes for whoever remembers something, when a fact is recorded.
///
/// What answers depend on is named by these, too: an answer is out of date once one of them has changed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Touched {
    /// Nothing that is remembered.
    Nothing,
    /// An API key.
    Key(KeyId),
    /// What a user may use at all: up to when their sessions were ended, and whether their account is disabled.
    CutOff(UserId),
    /// Whether a session is there.
    Session(SessionId),
    /// Whether a signing key was withdrawn.
    SigningKey(SigningKeyId),
    /// A user's platform role.
    PlatformRole(UserId),
    /// A user's place in an org.
    Member(UserId, OrgId),
    /// An org: whether it exists, who owns it, and with that the places of several people in it.
    Org(OrgId),
    /// A group: whether it exists, and which lie above it and all that lies below.
    Group(GroupId),
    /// What roles a user was given in groups.
    GroupRoles(UserId),
    /// Nobody can tell what.
    Everything,
}

impl Touched {
    /// What the record of a fact touches. A new kind of fact has its line here; one that has none, perhaps
    /// because a newer replica wrote it, touches everything, which costs time and is never wrong.
    #[must_use]
    pub fn by(kind: &str, subject: Option<&str>, object: &str) -> Self {
        let user = || subject.and_then(|text| text.parse().ok());
        let touched = match kind {
            // What orgs and groups are called, and what is in a group, gives nobody a right. Whoever accepts an
            // invite becomes a member, which the same commit says in a record of its own.
            "org.update"
            | "account.create"
            | "account.update"
            | "account.set_password"
            | "account.verify_email"
            | "group.update"
            | "group.assign"
            | "group.unassign"
            | "invite.create"
            | "invite.activate"
            | "invite.accept"
            | "invite.decline"
            | "invite.revoke"
            | "invite.restore"
            | "platform_invite.create"
            | "platform_invite.accept"
            | "platform_invite.revoke"
            | "mail.retry"
            | "users.export" => Some(Self::Nothing),
            "key.issue" | "key.revoke" => object.parse().ok().map(Self::Key),
            "session.cutoff" | "account.enable" | "account.disable" => user().map(Self::CutOff),
            "session.end" => object.parse().ok().map(Self::Session),
            "signing_key.withdraw" => object.parse().ok().map(Self::SigningKey),
            "platform_role.assign" | "platform_role.remove" => user().map(Self::PlatformRole),
            "membership.create" | "membership.update" | "membership.remove" => {
                user().zip(object.parse().ok()).map(|(user, org)| Self::Member(user, org))
            }
            "org.create" | "org.remove" | "org.transfer" => object.parse().ok().map(Self::Org),
            // What is known of anything below a group depends on the group as well.
            "group.create" | "group.move" | "group.remove" => object.parse().ok().map(Self::Group),
            "group_role.assign" | "group_role.remove" => user().map(Self::GroupRoles),
            // Each row that was brought back has its record; this is in case one was not.
            "backup.restore" | "users.import" | "account.renumber" => Some(Self::Everything),
            _ => None,
        };
        touched.unwrap_or(Self::Everything)
    }
}

impl Fact {
    /// What it touches.
    #[must_use]
    pub fn touches(&self) -> Touched {
        Touched::by(self.kind, self.subject.as_deref(), &self.object)
    }

    /// What the change log says of a change: a fact for each thing that it changes.
    #[must_use]
    pub fn of(change: &Change) -> Vec<Self> {
        match change {
            Change::InsertRows(rows) => Self::of_rows(rows),
            Change::InsertAccount(account) => Self::account_opened(account),
            other => Self::one(other).into_iter().collect(),
        }
    }

    fn of_rows(rows: &Rows) -> Vec<Self> {
        match rows {
            Rows::Orgs(rows) => rows.iter().map(Self::org_created).collect(),
            Rows::Memberships(rows) => rows.iter().map(Self::joined).collect(),
            Rows::Invites(rows) => rows.iter().map(Self::invited).collect(),
            // They say when an invite begins, and nobody may do anything by it yet.
            Rows::Dormant(_) => Vec::new(),
            Rows::Keys(rows) => rows.iter().map(Self::key_issued).collect(),
            Rows::PlatformRoles(rows) => {
                rows.iter().map(|holder| Self::role_given(holder.user, holder.role)).collect()
            }
            Rows::Accounts(rows) => rows.iter().flat_map(Self::account_opened).collect(),
            Rows::Groups(rows) => rows.iter().map(group_made).collect(),
            Rows::GroupMembers(rows) => rows.iter().map(member_assigned).collect(),
            Rows::GroupRoles(rows) => rows.iter().map(group_role_given).collect(),
        }
    }

    /// What it says of a change of one thing.
    fn one(change: &Change) -> Option<Self> {
        let fact = |kind, subject: Option<String>, object: String, payload| {
            Some(Self { kind, subject, object, payload })
        };
        match change {
            Change::InsertKey(key) => Some(Self::key_issued(key)),
            Change::RemoveKey { id, issuer } => {
                fact("key.revoke", Some(issuer.to_string()), id.to_string(), json!({}))
            }
            Change::EndSessions { user, until } => {
                let payload = json!({ "until": until.to_string() });
                Some(Self { payload, ..Self::of_user("session.cutoff", *user) })
            }
            Change::EndSession { id, user, why } => Some(session_ended(*id, *user, *why)),
            Change::WithdrawSigningKey { key, .. } => {
                fact("signing_key.withdraw", None, key.to_string(), json!({}))
            }
            Change::PurgeKeys { .. }
            | Change::PurgeRecords { .. }
            | Change::QueueMail(_)
            | Change::PurgeMails { .. }
            | Change::InsertAccount(_)
            | Change::RenewHash { .. }
            | Change::PutTicket(_)
            | Change::CountTry(_)
            | Change::ExpirePlatformInvites
            | Change::UseTicket(_)
            | Change::DropTickets { .. }
            | Change::PurgeTickets { .. }
            // Signing in is among the attempts of the audit trail, and nobody remembered that there was no session.
            | Change::BeginSession { .. }
            | Change::RotateSession(_)
            | Change::PurgeSessions { .. }
            | Change::InsertRows(_) => None,
            Change::RetryMail(id) => fact("mail.retry", None, id.to_string(), json!({})),
            Change::InsertOrg(org) => Some(Self::org_created(org)),
            Change::UpdateOrg(edit) => fact("org.update", None, edit.id.to_string(), json!({})),
            Change::RemoveOrg(id) => fact("org.remove", None, id.to_string(), json!({})),
            Change::InsertMembership(membership) => Some(Self::joined(membership)),
            Change::UpdateMembership { org, member, role, .. } => fact(
                "membership.update",
                Some(member.to_string()),
                org.to_string(),
                json!({ "role": role.as_str() }),
            ),
            Change::RemoveMembership { org, member } => {
                fact("membership.remove", Some(member.to_string()), org.to_string(), json!({}))
            }
            // Of two users, so of the org as a whole.
            Change::TransferOrg { org, from, to, .. } => {
                let payload = json!({ "from": from.to_string(), "to": to.to_string() });
                fact("org.transfer", None, org.to_string(), payload)
            }
            Change::PutPlatformRole { user, role } => Some(Self::role_given(*user, *role)),
            Change::RemovePlatformRole { user } => {
                Some(Self::of_user("platform_role.remove", *user))
            }
            Change::InsertGroup(group) => Some(group_made(group)),
            Change::UpdateGroup(edit) => fact("group.update", None, edit.id.to_string(), json!({})),
            Change::MoveGroup { id, parent, .. } => {
                let payload = json!({ "parent": parent.map(|parent| parent.to_string()) });
                fact("group.move", None, id.to_string(), payload)
            }
            Change::RemoveGroup { id, subtree } => {
                fact("group.remove", None, id.to_string(), json!({ "subtree": subtree }))
            }
            Change::AssignMembers { group, kind, members, .. } => {
                Some(members_assigned(*group, kind, members))
            }
            Change::UnassignMembers { group, members } => {
                let payload = json!({ "members": texts(members) });
                fact("group.unassign", None, group.to_string(), payload)
            }
            Change::PutGroupRole(grant) => Some(group_role_given(grant)),
            Change::RemoveGroupRole { group, user } => {
                fact("group_role.remove", Some(user.to_string()), group.to_string(), json!({}))
            }
            Change::UpdateAccount(edit) => Some(Self::of_user("account.update", edit.id)),
            Change::SetPassword { id, .. } => Some(Self::of_user("account.set_password", *id)),
            Change::VerifyEmail { id, .. } => Some(Self::of_user("account.verify_email", *id)),
            Change::SetAccountStatus { id, status, .. } => Some(Self::status_set(*id, *status)),
            Change::InsertInvite(invite) | Change::InsertDormantInvite { invite, .. } => fact(
                "invite.create",
                invite.invitee.map(|invitee| invitee.to_string()),
                invite.id.to_string(),
                json!({ "org": invite.org.to_string(), "role": invite.role.as_str() }),
            ),
            Change::ActivateInvite { id, org, invitee, .. } => {
                fact("invite.activate", Some(invitee.to_string()), id.to_string(), in_org(*org))
            }
            Change::SettleInvite { id, org, invitee, to } => {
                let invitee = invitee.map(|invitee| invitee.to_string());
                fact(ended(*to), invitee, id.to_string(), in_org(*org))
            }
            Change::RenumberAccount { from, to } => {
                fact("account.renumber", Some(to.to_string()), from.to_string(), json!({}))
            }
            Change::InsertPlatformInvite(made) => Some(Self::offered(OFFERED, made.id)),
            Change::SettlePlatformInvite { id, to } => Some(Self::offered(offer_ended(*to), *id)),
            Change::NoteRestore(restored) => Some(Self::restored(restored)),
            Change::NoteImport(imported) => Some(Self::imported(*imported)),
            Change::NotePasswordsRead => fact("users.export", None, String::new(), json!({})),
        }
    }

    fn imported(imported: Imported) -> Self {
        let Imported { created, left_out } = imported;
        Self {
            kind: "users.import",
            subject: None,
            object: String::new(),
            payload: json!({ "created": created, "left_out": left_out }),
        }
    }

    /// Of an invite to the platform. To whom it is, is nobody's address in a log.
    fn offered(kind: &'static str, id: PlatformInviteId) -> Self {
        Self { kind, subject: None, object: id.to_string(), payload: json!({}) }
    }

    fn restored(restored: &Restored) -> Self {
        Self {
            kind: "backup.restore",
            subject: None,
            object: restored.instance.map(|instance| instance.to_string()).unwrap_or_default(),
            payload: json!({
                "revision": restored.revision,
                "created": restored.created,
                "left_out": restored.left_out,
                "revived": restored.revived,
            }),
        }
    }

    fn key_issued(key: &Key) -> Self {
        Self {
            kind: "key.issue",
            subject: Some(key.issuer.to_string()),
            object: key.id.to_string(),
            payload: json!({ "expires_at": key.expires_at.map(|end| end.to_string()) }),
        }
    }

    fn org_created(org: &Org) -> Self {
        Self {
            kind: "org.create",
            subject: Some(org.owner.to_string()),
            object: org.id.to_string(),
            payload: json!({}),
        }
    }

    fn joined(membership: &Membership) -> Self {
        Self {
            kind: "membership.create",
            subject: Some(membership.member.to_string()),
            object: membership.org.to_string(),
            payload: json!({ "role": membership.role.as_str() }),
        }
    }

    fn invited(invite: &Invite) -> Self {
        Self {
            kind: "invite.restore",
            subject: invite.invitee.map(|invitee| invitee.to_string()),
            object: invite.id.to_string(),
            payload: json!({
                "org": invite.org.to_string(),
                "role": invite.role.as_str(),
                "state": invite.state.as_str(),
            }),
        }
    }

    fn role_given(user: UserId, role: PlatformRole) -> Self {
        Self {
            kind: "platform_role.assign",
            subject: Some(user.to_string()),
            object: user.to_string(),
            payload: json!({ "role": role.as_str() }),
        }
    }

    /// One that is disabled from the start is said to be: there may be keys of that user's.
    fn account_opened(account: &Account) -> Vec<Self> {
        let payload = json!({ "status": account.status.as_str() });
        let mut facts = vec![Self { payload, ..Self::of_user("account.create", account.id) }];
        if account.status == AccountStatus::Disabled {
            facts.push(Self::status_set(account.id, account.status));
        }
        facts
    }

    fn status_set(id: AccountId, status: AccountStatus) -> Self {
        let kind = match status {
            AccountStatus::Enabled => "account.enable",
            AccountStatus::Disabled => "account.disable",
        };
        Self::of_user(kind, id)
    }

    fn of_user(kind: &'static str, id: UserId) -> Self {
        Self { kind, subject: Some(id.to_string()), object: id.to_string(), payload: json!({}) }
    }
}

/// The org that a fact says it happened in, if it says so.
pub(crate) fn org_of<'a>(kind: &str, object: &'a str, payload: &'a Value) -> Option<&'a str> {
    match kind.split('.').next() {
        Some("org" | "membership") => Some(object),
        Some("invite" | "group") => payload.get("org").and_then(Value::as_str),
        _ => None,
    }
}

/// How an invite to an org ended.
const fn ended(how: Settlement) -> &'static str {
    match how {
        Settlement::Accepted => "invite.accept",
        Settlement::Declined => "invite.decline",
        Settlement::Revoked => "invite.revoke",
    }
}

/// That an invite to the platform was made.
const OFFERED: &str = "platform_invite.create";

/// How an invite to the platform ended. Nobody declines one.
const fn offer_ended(how: Settlement) -> &'static str {
    match how {
        Settlement::Accepted => "platform_invite.accept",
        Settlement::Declined | Settlement::Revoked => "platform_invite.revoke",
    }
}

/// What readers need of an invite beside its id.
fn in_org(org: OrgId) -> Value {
    json!({ "org": org.to_string() })
}

fn texts(members: &[EntityId]) -> Vec<&str> {
    members.iter().map(EntityId::as_str).collect()
}

fn group_role_given(grant: &GroupGrant) -> Fact {
    Fact {
        kind: "group_role.assign",
        subject: Some(grant.user.to_string()),
        object: grant.group.to_string(),
        payload: json!({ "role": grant.role.as_str() }),
    }
}

fn session_ended(id: SessionId, user: UserId, why: SessionEnd) -> Fact {
    Fact {
        kind: "session.end",
        subject: Some(user.to_string()),
        object: id.to_string(),
        payload: json!({ "why": why.as_str() }),
    }
}

fn members_assigned(group: GroupId, kind: &EntityType, members: &[EntityId]) -> Fact {
    Fact {
        kind: "group.assign",
        subject: None,
        object: group.to_string(),
        payload: json!({ "type": kind.as_str(), "members": texts(members) }),
    }
}

fn member_assigned(member: &GroupMember) -> Fact {
    members_assigned(member.group, &member.kind, std::slice::from_ref(&member.member))
}

fn group_made(group: &Group) -> Fact {
    Fact {
        kind: "group.create",
        subject: None,
        object: group.id.to_string(),
        payload: json!({
            "org": group.org.map(|org| org.to_string()),
            "owner": group.owner.to_string(),
            "parent": group.parent.map(|parent| parent.to_string()),
        }),
    }
}
