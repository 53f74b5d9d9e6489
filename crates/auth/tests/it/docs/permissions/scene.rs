//! What a request finds: an org with people in every place, one of whom asks.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use async_trait::async_trait;
use auth_domain::app::Ports;
use auth_domain::audit::Context;
use auth_domain::change::{Change, Commit};
use auth_domain::checks::Direct;
use auth_domain::directory::BuiltIn;
use auth_domain::model::{
    Account, AccountStatus, Description, Device, Email, Grant, Group, GroupId, Invite, InviteState,
    KeyId, KeyKind, Membership, Metadata, Name, Org, OrgId, OrgRole, PasswordHash, PlatformInvite,
    PlatformRole, Ticket, Token, UserId,
};
use auth_domain::ops::keys::{IssueKey, IssueToken};
use auth_domain::ops::sign_ins::{BeginSession, SignedIn};
use auth_domain::ports::{
    Attempt, Class, Clock, Guess, Ids, Observer, Passwords, Store, Throttle, TicketSecrets,
};
use auth_domain::{App, Caller, Id, Operation, Result, Rules, Timestamp};
use auth_grpc::{Callers, Trust};
use auth_jwt::{HmacNotary, HmacSeals, JwtTokens, RandomRefreshTokens};
use auth_sqlite::SqliteStore;
use secrecy::{ExposeSecret, SecretString};
use uuid::Uuid;

const SECRET: &str = "a signing secret of more than 32 bytes";

/// What chains and seals the audit trail.
fn notary() -> Arc<HmacNotary> {
    Arc::new(HmacNotary::new(&SECRET.into(), &[]).unwrap())
}

/// Years ahead, because the store judges by its own clock whether an invite's time is over.
pub const NOW: Timestamp = Timestamp::from_seconds(4_000_000_000);

/// The password of every account here.
pub const PASSWORD: &str = "password1";
/// What the service that is on the list shows, `users`.
pub const LISTED: &str = "the token of users";
/// What a service shows that is known and not on the list, `things`.
pub const UNLISTED: &str = "the token of things";

/// Where somebody stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Root,
    PlatformAdmin,
    Owner,
    Admin,
    Editor,
    Viewer,
    Stranger,
}

impl Place {
    pub const ALL: [Self; 7] = [
        Self::Root,
        Self::PlatformAdmin,
        Self::Owner,
        Self::Admin,
        Self::Editor,
        Self::Viewer,
        Self::Stranger,
    ];

    pub const fn name(self) -> &'static str {
        match self {
            Self::Root => "root",
            Self::PlatformAdmin => "platform admin",
            Self::Owner => "owner",
            Self::Admin => "admin",
            Self::Editor => "editor",
            Self::Viewer => "viewer",
            Self::Stranger => "stranger",
        }
    }

    const fn platform(self) -> Option<PlatformRole> {
        match self {
            Self::Root => Some(PlatformRole::Root),
            Self::PlatformAdmin => Some(PlatformRole::Admin),
            _ => None,
        }
    }

    const fn org(self) -> Option<OrgRole> {
        match self {
            Self::Owner => Some(OrgRole::Owner),
            Self::Admin => Some(OrgRole::Admin),
            Self::Editor => Some(OrgRole::Editor),
            Self::Viewer => Some(OrgRole::Viewer),
            Self::Root | Self::PlatformAdmin | Self::Stranger => None,
        }
    }
}

/// Somebody with an account.
#[derive(Clone, Debug)]
pub struct Person {
    pub id: UserId,
    pub email: String,
}

/// A service of its own, as one request finds it.
pub struct Scene {
    pub app: App,
    /// Who asks.
    pub caller: Person,
    /// The org that is asked about; everybody but the strangers and the platform's belongs to it.
    pub org: OrgId,
    /// Another viewer of the org.
    pub member: Person,
    /// Somebody who belongs to no org.
    pub newcomer: Person,
    /// A root of the platform.
    pub root: Person,
    pub http: axum::Router,
    /// With the contract of the users service.
    pub users: axum::Router,
    pub grpc: axum::Router,
}

impl Scene {
    /// The scene in which whoever stands there asks.
    pub async fn new(place: Place) -> Self {
        let secret = SecretString::from(SECRET);
        let store: Arc<dyn Store> = Arc::new(SqliteStore::in_memory().await.unwrap());
        let tokens = JwtTokens::new(&secret, &[]).unwrap();
        let ports = Ports {
            store: Arc::clone(&store),
            checks: Arc::new(Direct::new(Arc::clone(&store))),
            replicas: Arc::new(Direct::new(Arc::clone(&store))),
            directory: Arc::new(BuiltIn::new(store)),
            clock: Arc::new(Stopped),
            ids: Arc::new(Counted(AtomicU64::new(0))),
            cursors: Arc::new(tokens.cursors()),
            tickets: Arc::new(tokens.tickets()),
            refresh: Arc::new(RandomRefreshTokens),
            tokens: Arc::new(tokens),
            passwords: Arc::new(Plain),
            throttle: Arc::new(Unlimited),
            seals: Arc::new(HmacSeals::new(&secret, &[]).unwrap()),
            notary: notary(),
            observer: Arc::new(Nobody),
        };
        let app = App::new(ports, Rules::default());
        let tokens = [("users", LISTED), ("things", UNLISTED)];
        let callers = Callers {
            trust: Trust::Credentials,
            tokens: tokens.map(|(name, token)| (name.into(), token.into())).into_iter().collect(),
            allow: "users=*".parse().unwrap(),
        };
        let http = auth_http::Options { accounts: true, ..auth_http::Options::default() };
        let users = auth_http::Options { contract: auth_http::Contract::Users, ..http.clone() };
        let grpc = auth_grpc::Options { callers, ..auth_grpc::Options::default() };
        let mut scene = Self {
            caller: person(1 + place as u128),
            org: Id::new(Uuid::from_u128(100)),
            member: person(8),
            newcomer: person(9),
            root: person(1 + Place::Root as u128),
            http: auth_http::router(app.clone(), http),
            users: auth_http::router(app.clone(), users),
            grpc: auth_grpc::router(app.clone(), grpc),
            app,
        };
        scene.populate().await;
        scene
    }

    async fn populate(&mut self) {
        let everybody: Vec<Person> = (1..=9).map(person).collect();
        let mut changes: Vec<Change> = everybody.iter().map(open_account).collect();
        let owner = everybody[Place::Owner as usize].id;
        changes.push(Change::InsertOrg(org(self.org, owner)));
        changes.push(self.join(&self.member, OrgRole::Viewer));
        for (place, person) in Place::ALL.into_iter().zip(&everybody) {
            changes.extend(place.org().map(|role| self.join(person, role)));
            let platform = place.platform();
            changes.extend(platform.map(|role| Change::PutPlatformRole { user: person.id, role }));
        }
        self.commit(changes).await;
    }

    fn join(&self, person: &Person, role: OrgRole) -> Change {
        Change::InsertMembership(Membership {
            org: self.org,
            member: person.id,
            role,
            created_at: NOW,
            updated_at: NOW,
        })
    }

    /// Writes what nobody asked for.
    pub async fn commit(&self, changes: Vec<Change>) {
        let commit = Commit {
            actor: "scene".to_owned(),
            at: NOW,
            guards: Vec::new(),
            changes,
            audit: Context::plain("scene", notary()),
        };
        self.app.store().commit(commit).await.unwrap();
    }

    /// What a mail has in its link by which somebody can do this.
    pub async fn ticket(&self, grant: Grant) -> String {
        let tickets = JwtTokens::new(&SECRET.into(), &[]).unwrap().tickets();
        let id = Id::new(Uuid::from_u128(300));
        let secret = tickets.secret(id);
        let digest = tickets.digest(&secret);
        let ticket = Ticket { id, grant, digest, life: Duration::from_mins(15) };
        self.commit(vec![Change::PutTicket(ticket)]).await;
        secret.expose().to_owned()
    }

    /// Another org, of the other member.
    pub async fn other_org(&self) -> OrgId {
        let id = Id::new(Uuid::from_u128(101));
        let owner = Membership {
            org: id,
            member: self.member.id,
            role: OrgRole::Owner,
            created_at: NOW,
            updated_at: NOW,
        };
        let found = Change::InsertOrg(org(id, self.member.id));
        self.commit(vec![found, Change::InsertMembership(owner)]).await;
        id
    }

    /// Groups of the org, made by its owner.
    pub async fn groups(&self) -> Groups {
        let owner = person(1 + Place::Owner as u128).id;
        let at = |number, parent, name| group(number, parent, name, owner, Some(self.org));
        let (root, other) = (at(200, None, "root"), at(201, None, "other"));
        let leaf = at(202, Some(root.id), "leaf");
        let groups = Groups { root: root.id, leaf: leaf.id, other: other.id };
        self.commit([root, other, leaf].map(Change::InsertGroup).into()).await;
        groups
    }

    /// A root and a group below it that the other member made for themselves.
    pub async fn own_tree(&self) -> [GroupId; 2] {
        let root = group(203, None, "root", self.member.id, None);
        let leaf = group(204, Some(root.id), "leaf", self.member.id, None);
        let ids = [root.id, leaf.id];
        self.commit([root, leaf].map(Change::InsertGroup).into()).await;
        ids
    }

    /// A pending invite to the platform by the other member.
    pub fn platform_invite(&self) -> PlatformInvite {
        let invite = self.invite(self.org, None);
        PlatformInvite {
            id: Id::new(Uuid::from_u128(103)),
            email: "new@example.com".parse().unwrap(),
            inviter: invite.inviter,
            state: invite.state,
            created_at: invite.created_at,
            expires_at: invite.expires_at,
        }
    }

    /// A pending invite by the other member.
    pub fn invite(&self, org: OrgId, invitee: Option<UserId>) -> Invite {
        Invite {
            id: Id::new(Uuid::from_u128(102)),
            org,
            inviter: self.member.id,
            invitee,
            role: OrgRole::Viewer,
            state: InviteState::Pending,
            created_at: NOW,
            expires_at: NOW.plus(Duration::from_hours(1)),
        }
    }

    /// A login or recovery token of theirs.
    pub async fn token(&self, person: &Person, kind: KeyKind) -> String {
        let operation = IssueToken { user: person.id, email: person.email.clone(), kind };
        self.app.execute(Caller::System, operation).await.unwrap().expose().to_owned()
    }

    /// A fresh API key of theirs: its id and its value.
    pub async fn key(&self, person: &Person) -> (KeyId, String) {
        let operation = IssueKey { kind: KeyKind::Api, seconds: None };
        let issued = self.as_person(person, operation).await;
        (issued.key.id, issued.token.expose().to_owned())
    }

    /// What they get who sign in with a session.
    pub async fn session(&self, person: &Person) -> SignedIn {
        let email = person.email.parse().unwrap();
        let operation =
            BeginSession { email, password: PASSWORD.into(), device: Device::default() };
        self.app.execute(Caller::Anonymous, operation).await.unwrap()
    }

    /// Does what they ask for, who just signed in.
    pub async fn as_person<O: Operation>(&self, person: &Person, operation: O) -> O::Output {
        let token = Token::new(self.token(person, KeyKind::Login).await);
        self.app.execute(Caller::Bearer(token), operation).await.unwrap()
    }

    /// How much was written so far.
    pub async fn revision(&self) -> i64 {
        self.app.store().revision().await.unwrap()
    }
}

/// Two trees of the org.
pub struct Groups {
    pub root: GroupId,
    /// It lies below the root.
    pub leaf: GroupId,
    /// The root of the other.
    pub other: GroupId,
}

fn group(
    number: u128,
    parent: Option<GroupId>,
    name: &str,
    owner: UserId,
    org: Option<OrgId>,
) -> Group {
    Group {
        id: GroupId::new(Uuid::from_u128(number)),
        owner,
        org,
        parent,
        name: Name::stored(name.to_owned()),
        description: Description::stored(String::new()),
        metadata: Metadata::default(),
        created_at: NOW,
        updated_at: NOW,
    }
}

fn person(number: u128) -> Person {
    let id = Id::new(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | number));
    Person { id, email: format!("person{number}@example.com") }
}

fn open_account(person: &Person) -> Change {
    Change::InsertAccount(Account {
        id: person.id,
        email: person.email.parse().unwrap(),
        password: PasswordHash::new(PASSWORD.to_owned()),
        email_verified_at: None,
        status: AccountStatus::Enabled,
        metadata: Metadata::default(),
        created_at: NOW,
        updated_at: NOW,
    })
}

fn org(id: OrgId, owner: UserId) -> Org {
    let (name, description) = (Name::stored("acme".into()), Description::stored(String::new()));
    let metadata = Metadata::default();
    Org { id, owner, name, description, metadata, created_at: NOW, updated_at: NOW }
}

struct Stopped;

impl Clock for Stopped {
    fn now(&self) -> Timestamp {
        NOW
    }
}

struct Counted(AtomicU64);

impl Ids for Counted {
    fn next(&self) -> Uuid {
        let count = self.0.fetch_add(1, Ordering::SeqCst);
        Uuid::from_u128(0x0190_0000_0001_7000_8000_0000_0000_0000 | u128::from(count))
    }
}

/// Passwords are their own hashes.
struct Plain;

#[async_trait]
impl Passwords for Plain {
    fn acceptable(&self, _password: &SecretString, _: Option<&Email>) -> bool {
        true
    }

    fn can_check(&self, _hash: &PasswordHash) -> bool {
        true
    }

    async fn hash(&self, password: SecretString) -> Result<PasswordHash> {
        Ok(PasswordHash::new(password.expose_secret().to_owned()))
    }

    async fn verify(
        &self,
        password: SecretString,
        hash: Option<PasswordHash>,
        _mixed: bool,
    ) -> Result<Guess> {
        Ok(hash.is_some_and(|hash| hash.expose() == password.expose_secret()).into())
    }
}

struct Unlimited;

#[async_trait]
impl Throttle for Unlimited {
    fn counts(&self, _: Class) -> bool {
        false
    }

    async fn enter(&self, _: Attempt<'_>) -> Result<()> {
        Ok(())
    }

    async fn take_back(&self, _: Attempt<'_>) {}

    async fn not_before(&self, _: Duration) -> Result<()> {
        Ok(())
    }
}

struct Nobody;

impl Observer for Nobody {
    fn observe(&self, _operation: &'static str, _outcome: &'static str, _took: Duration) {}
}
