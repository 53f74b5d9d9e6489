//! Things to store. The same number gives the same thing.

use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::Arc;

use auth_domain::Timestamp;
use auth_domain::audit::{Context, Digest, Notary};
use auth_domain::change::{Change, Commit, Guard};
use auth_domain::error::{Error, Result};
use auth_domain::model::{
    Account, AccountId, AccountStatus, Description, Device, Direction, Group, GroupEdit,
    GroupGrant, GroupId, GroupRole, Invite, InviteId, InviteState, Key, KeyId, Membership,
    Metadata, NewSession, Org, OrgEdit, OrgId, OrgRole, Page, PasswordHash, PlatformInvite,
    PlatformInviteId, RefreshDigests, Session, SessionId, SigningKeyId, UserId,
};
use serde_json::Value;
use uuid::Uuid;

use crate::AnyStore;

/// The moment this many seconds into the tests' year, and a little more, down to a microsecond.
#[must_use]
pub const fn moment(number: i64) -> Timestamp {
    Timestamp::from_micros(1_700_000_000_000_000 + number * 1_000_000 + 123_457)
}

/// Far beyond the life of any machine that runs this.
pub const FAR: Timestamp = Timestamp::from_seconds(5_000_000_000);

/// This moment, by the clock of this machine, which the stores under test are on, too.
#[must_use]
#[expect(
    clippy::disallowed_methods,
    reason = "there is no context here, and the stores have clocks"
)]
pub fn now() -> Timestamp {
    let since =
        std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
    Timestamp::from_micros(i64::try_from(since.as_micros()).unwrap_or(i64::MAX))
}

const fn uuid(kind: u128, number: u128) -> Uuid {
    Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | kind << 32 | number)
}

/// A user.
#[must_use]
pub const fn user(number: u32) -> UserId {
    UserId::new(uuid(1, number as u128))
}

/// An org's id.
#[must_use]
pub const fn org_id(number: u32) -> OrgId {
    OrgId::new(uuid(2, number as u128))
}

/// A key's id.
#[must_use]
pub const fn key_id(number: u32) -> KeyId {
    KeyId::new(uuid(3, number as u128))
}

/// An invite's id.
#[must_use]
pub const fn invite_id(number: u32) -> InviteId {
    InviteId::new(uuid(4, number as u128))
}

/// A session's id.
#[must_use]
pub const fn session_id(number: u32) -> SessionId {
    SessionId::new(uuid(6, number as u128))
}

/// The session with this number of the user with this number, to be stored.
#[must_use]
pub fn new_session(number: u32) -> NewSession {
    let [.., last] = number.to_be_bytes();
    NewSession {
        session: Session {
            id: session_id(number),
            user: user(number),
            began_at: Timestamp::from_seconds(moment(i64::from(number)).seconds()),
            last_used_at: moment(i64::from(number)),
            expires_at: moment(1_000),
            ends_at: moment(9_000),
            address: Some([192, 0, 2, 7].into()),
            device: Device::cleaned(b"a browser"),
        },
        refresh: RefreshDigests { family: [last; 32], whole: [last | 128; 32] },
    }
}

/// A signing key's id.
#[must_use]
pub const fn signing_key(number: u32) -> SigningKeyId {
    let mut thumbprint = [0xa5; 32];
    let [.., last] = &mut thumbprint;
    *last = number.to_be_bytes()[3];
    SigningKeyId::new(thumbprint)
}

/// The id of an invite to the platform.
#[must_use]
pub const fn platform_invite_id(number: u32) -> PlatformInviteId {
    PlatformInviteId::new(uuid(5, number as u128))
}

/// A pending invite to the platform by user 1 that can be accepted as long as these tests will be run.
#[must_use]
pub fn platform_invite(number: u32, email: &str) -> PlatformInvite {
    PlatformInvite {
        id: platform_invite_id(number),
        email: email.parse().unwrap(),
        inviter: user(1),
        state: InviteState::Pending,
        created_at: moment(i64::from(number)),
        expires_at: Timestamp::from_micros(i64::MAX),
    }
}

/// A pending invite by user 1 that can be accepted as long as these tests will be run.
#[must_use]
pub fn invite(number: u32, org: OrgId, invitee: Option<UserId>, role: OrgRole) -> Invite {
    Invite {
        id: invite_id(number),
        org,
        inviter: user(1),
        invitee,
        role,
        state: InviteState::Pending,
        created_at: moment(i64::from(number)),
        expires_at: Timestamp::from_micros(i64::MAX),
    }
}

/// A group's id.
#[must_use]
pub const fn group_id(number: u32) -> GroupId {
    GroupId::new(uuid(4, number as u128))
}

/// A group of org 1, made by user 1: a root, or below another.
#[must_use]
pub fn group(number: u32, parent: Option<u32>) -> Group {
    Group {
        id: group_id(number),
        owner: user(1),
        org: Some(org_id(1)),
        parent: parent.map(group_id),
        name: format!("group {number}").parse().unwrap(),
        description: Description::default(),
        metadata: Metadata::default(),
        created_at: moment(i64::from(number)),
        updated_at: moment(i64::from(number)),
    }
}

/// A group of user 1's own.
#[must_use]
pub fn own_group(number: u32, parent: Option<u32>) -> Group {
    Group { org: None, ..group(number, parent) }
}

/// An edit of a group, an hour into the tests' year.
#[must_use]
pub fn group_edit(number: u32, name: &str) -> GroupEdit {
    GroupEdit {
        id: group_id(number),
        name: name.parse().unwrap(),
        description: Description::default(),
        metadata: Metadata::default(),
        updated_at: moment(3600),
    }
}

/// A role in a group.
#[must_use]
pub fn grant(group: u32, user: UserId, role: GroupRole) -> GroupGrant {
    GroupGrant { group: group_id(group), user, role, created_at: moment(1), updated_at: moment(2) }
}

/// A key without an end.
#[must_use]
pub fn key(number: u32, issuer: UserId) -> Key {
    Key {
        id: key_id(number),
        issuer,
        subject: format!("user{number}@example.com"),
        issued_at: moment(i64::from(number)),
        expires_at: None,
    }
}

/// An org owned by user 1.
#[must_use]
pub fn org(number: u32, name: &str) -> Org {
    Org {
        id: org_id(number),
        owner: user(1),
        name: name.parse().unwrap(),
        description: Description::default(),
        metadata: Metadata::default(),
        created_at: moment(i64::from(number)),
        updated_at: moment(i64::from(number)),
    }
}

/// An edit of an org, an hour into the tests' year.
#[must_use]
pub fn edit(id: OrgId, name: &str) -> OrgEdit {
    OrgEdit {
        id,
        name: name.parse().unwrap(),
        description: Description::default(),
        metadata: Metadata::default(),
        updated_at: moment(3600),
    }
}

/// Metadata, from what a client sent.
#[must_use]
pub fn metadata(value: Value) -> Metadata {
    Metadata::from_value(value).unwrap()
}

/// A user's place in an org.
#[must_use]
pub fn membership(org: OrgId, member: UserId, role: OrgRole) -> Membership {
    Membership { org, member, role, created_at: moment(1), updated_at: moment(2) }
}

/// An enabled account; its id is that of the user with the same number.
#[must_use]
pub fn account(number: u32, email: &str) -> Account {
    Account {
        id: AccountId::new(user(number).uuid()),
        email: email.parse().unwrap(),
        password: PasswordHash::new(format!("$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ${number}")),
        email_verified_at: number.is_multiple_of(2).then(|| moment(i64::from(number) + 1)),
        status: AccountStatus::Enabled,
        metadata: Metadata::default(),
        created_at: moment(i64::from(number)),
        updated_at: moment(i64::from(number)),
    }
}

/// A commit without guards.
#[must_use]
pub fn commit(changes: Vec<Change>) -> Commit {
    guarded(vec![], changes)
}

/// A commit with guards.
#[must_use]
pub fn guarded(guards: Vec<Guard>, changes: Vec<Change>) -> Commit {
    Commit { actor: format!("user:{}", user(1)), at: moment(0), guards, changes, audit: audit() }
}

/// What a commit has for the audit trail when nobody asked for it.
#[must_use]
pub fn audit() -> Context {
    Context::plain("test", Arc::new(Toy))
}

/// Chains and seals well enough to find out what is not in its place; it would not stop anybody.
#[derive(Debug)]
pub struct Toy;

impl Notary for Toy {
    fn digest(&self, bytes: &[u8]) -> Digest {
        let mut digest = [0; 32];
        for (number, part) in digest.chunks_mut(8).enumerate() {
            let mut hasher = DefaultHasher::new();
            (number, bytes).hash(&mut hasher);
            part.copy_from_slice(&hasher.finish().to_be_bytes());
        }
        digest
    }

    fn seal(&self, bytes: &[u8]) -> Digest {
        self.digest(&[b"sealed ", bytes].concat())
    }

    fn is_seal(&self, bytes: &[u8], seal: &[u8]) -> bool {
        self.seal(bytes) == seal
    }
}

/// Applies changes that must succeed.
pub async fn given(store: &AnyStore, changes: Vec<Change>) {
    store.commit(commit(changes)).await.unwrap();
}

/// Applies changes, under no guard.
pub async fn apply(store: &AnyStore, changes: Vec<Change>) -> Result<()> {
    store.commit(commit(changes)).await.map(drop)
}

/// The first `limit` elements after `offset`, in this order.
#[must_use]
pub fn page<O>(offset: u64, limit: u64, order: O, direction: Direction) -> Page<O> {
    Page::new(offset, limit, order, direction).unwrap()
}

/// What became of something, in one word.
#[must_use]
pub fn outcome<T>(result: &Result<T>) -> &'static str {
    result.as_ref().map_or_else(Error::code, |_| "ok")
}
