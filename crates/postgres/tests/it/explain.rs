//! Explain, Authorize and both ways of asking more at once agree in any world, on both stores.

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use auth_contract::AnyStore;
use auth_contract::arbitrary::{MANY, histories};
use auth_contract::sample::{
    Toy, audit, grant, group, group_id, membership, moment, org, org_id, own_group, user,
};
use auth_domain::app::Ports;
use auth_domain::change::{Change, Commit};
use auth_domain::checks::Direct;
use auth_domain::directory::BuiltIn;
use auth_domain::fact::{Fact, Touched};
use auth_domain::model::{
    Action, Claims, Email, Explanation, GroupRole, KeyKind, OrgRole, PasswordHash, PlatformRole,
    Token, UserId,
};
use auth_domain::ops::access::{Authorize, Question};
use auth_domain::ops::checks::{AuthorizeMany, IdentifyAndAuthorize, Verdict};
use auth_domain::ops::explain::Explain;
use auth_domain::ports::{
    Attempt, Class, Clock, Guess, Ids, Observer, Passwords, Throttle, Tokens,
};
use auth_domain::{App, Caller, Error, Result, Rules, Timestamp, policy};
use auth_jwt::{HmacSeals, JwtTokens, RandomRefreshTokens};
use auth_sqlite::SqliteStore;
use proptest::strategy::{Strategy, ValueTree};
use proptest::test_runner::{Config, TestRunner};
use secrecy::SecretString;
use uuid::Uuid;

use crate::agreement::EMPTY;
use crate::world::{database, store};

/// How long worlds are made up for, unless none of them has shown anything yet.
const BUDGET: Duration = Duration::from_secs(15);
/// No more than these.
const CASES: u32 = 60;

/// An app on a store, and what signs its tokens.
struct World {
    app: App,
    tokens: Arc<JwtTokens>,
}

impl World {
    fn on(store: AnyStore) -> Self {
        let secret = SecretString::from("a signing secret of more than 32 bytes");
        let tokens = Arc::new(JwtTokens::new(&secret, &[]).unwrap());
        let ports = Ports {
            checks: Arc::new(Direct::new(Arc::clone(&store))),
            replicas: Arc::new(Direct::new(Arc::clone(&store))),
            directory: Arc::new(BuiltIn::new(Arc::clone(&store))),
            store,
            clock: Arc::new(Nothing),
            ids: Arc::new(Nothing),
            cursors: Arc::new(tokens.cursors()),
            tickets: Arc::new(tokens.tickets()),
            refresh: Arc::new(RandomRefreshTokens),
            tokens: Arc::clone(&tokens) as Arc<dyn Tokens>,
            seals: Arc::new(HmacSeals::new(&secret, &[]).unwrap()),
            passwords: Arc::new(Nothing),
            throttle: Arc::new(Nothing),
            notary: Arc::new(Toy),
            observer: Arc::new(Nothing),
        };
        Self { app: App::new(ports, Rules::default()), tokens }
    }

    fn token(&self, user: UserId) -> Token {
        let now = Nothing.now().seconds();
        let claims = Claims {
            id: None,
            user,
            email: "somebody@example.com".to_owned(),
            kind: KeyKind::Login,
            issued_at: now,
            not_before: None,
            expires_at: Some(now.saturating_add(60)),
            session: None,
        };
        self.tokens.sign(&claims, Timestamp::from_seconds(claims.issued_at), &[]).unwrap()
    }

    /// What each of the four says, in words, after checking that they say the same.
    async fn ask(&self, admin: &Token, asked: UserId, questions: &[Question]) -> Vec<String> {
        let token = self.token(asked);
        let many = AuthorizeMany { token: token.clone(), questions: questions.to_vec() };
        let verdicts = self.app.execute(Caller::Anonymous, many).await.unwrap();
        let mut words = Vec::new();
        for (question, verdict) in questions.iter().copied().zip(verdicts) {
            let alone = Authorize { token: token.clone(), question };
            let alone = self.app.execute(Caller::Anonymous, alone).await;
            let both = IdentifyAndAuthorize { token: token.clone(), question };
            let both = self.app.execute(Caller::Anonymous, both).await;
            let why = Explain { user: asked, question };
            let why = self.app.execute(Caller::Bearer(admin.clone()), why).await.unwrap();
            let expected = match alone {
                Ok(()) => Verdict::Allowed,
                Err(Error::NotFound(_)) => Verdict::NotFound,
                Err(error) => {
                    assert!(matches!(error, Error::Forbidden), "{error:?}");
                    Verdict::Denied
                }
            };
            let told = format!("{asked} {question:?}: {why:?}, {verdict:?}, {both:?}");
            assert_eq!(verdict, expected, "{told}");
            assert_eq!(both.is_ok(), expected == Verdict::Allowed, "{told}");
            assert_eq!(said(&why), expected, "{told}");
            if let (Explanation::RoleTooSmall { membership, needed }, Question::Org(_, action)) =
                (&why, question)
            {
                assert!(
                    membership.role < *needed && policy::role_allows(*needed, action),
                    "{told}"
                );
            }
            if let (Explanation::GroupRoleTooSmall { role, needed }, Question::Group(_, asked)) =
                (&why, question)
            {
                assert!(role < needed && *needed == asked, "{told}");
            }
            words.push(told);
        }
        words
    }
}

/// What an explanation says of the answer.
fn said(why: &Explanation) -> Verdict {
    match why {
        Explanation::ByPlatformRole(_)
        | Explanation::ByMembership(_)
        | Explanation::ByOrgRole { .. }
        | Explanation::ByGroupRole { .. }
        | Explanation::ByOwnTree => Verdict::Allowed,
        Explanation::NoOrg { platform: Some(_) } => Verdict::NotFound,
        Explanation::NoPlatformRole
        | Explanation::NoOrg { platform: None }
        | Explanation::NotAMember { .. }
        | Explanation::RoleTooSmall { .. }
        | Explanation::NoGroup
        | Explanation::NoGroupRole { .. }
        | Explanation::GroupRoleTooSmall { .. } => Verdict::Denied,
    }
}

/// All that can be asked, of orgs and groups that may exist, that never do, and of what is no id.
fn questions() -> Vec<Question> {
    let orgs = (1..=MANY + 1).map(|number| Some(org_id(number))).chain([None]);
    let about = orgs.flat_map(|org| Action::ALL.map(|action| Question::Org(org, action)));
    let groups = (1..=MANY + 1).map(|number| Some(group_id(number))).chain([None]);
    let in_groups =
        groups.flat_map(|group| GroupRole::ALL.map(|role| Question::Group(group, role)));
    std::iter::once(Question::Root).chain(about).chain(in_groups).collect()
}

/// People with every kind of role, who keep it or lose it: what is made up alone seldom gives anybody one.
fn beginning() -> Commit {
    let changes = vec![
        Change::InsertOrg(org(1, "begun")),
        Change::InsertMembership(membership(org_id(1), user(1), OrgRole::Owner)),
        Change::InsertMembership(membership(org_id(1), user(2), OrgRole::Viewer)),
        Change::InsertGroup(group(1, None)),
        Change::InsertGroup(group(2, Some(1))),
        Change::InsertGroup(own_group(3, None)),
        Change::PutGroupRole(grant(1, user(2), GroupRole::Editor)),
        Change::PutGroupRole(grant(3, user(4), GroupRole::Viewer)),
    ];
    Commit { actor: "test".into(), at: moment(0), guards: vec![], changes, audit: audit() }
}

/// Applies what can be applied, and sees to it that user 99 may ask for explanations.
async fn live(store: &AnyStore, history: &[Commit]) {
    store.commit(beginning()).await.unwrap();
    for commit in history {
        // Much of what is made up is refused; what it was is another test's matter.
        let _ = store.commit(commit.clone()).await;
    }
    let changes = vec![Change::PutPlatformRole { user: user(99), role: PlatformRole::Admin }];
    let commit =
        Commit { actor: "test".into(), at: moment(0), guards: vec![], changes, audit: audit() };
    store.commit(commit).await.unwrap();
}

#[test]
fn explain_agrees_with_authorize_in_any_world() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (database, postgres) = runtime.block_on(async {
        let database = database().await;
        let postgres: AnyStore = Arc::new(store(&database).await);
        (database, postgres)
    });
    let config = Config { failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new(config);
    let (started, mut kinds) = (Instant::now(), [0_u32; KINDS.len()]);
    for case in 0..CASES {
        if started.elapsed() > BUDGET && kinds.iter().all(|count| *count > 0) {
            println!("{case} worlds in {BUDGET:?}");
            break;
        }
        let mut history = histories().new_tree(&mut runner).unwrap().current();
        // Whoever is asked about has a session, and an account that is not disabled.
        let ends = |fact: &Fact| matches!(fact.touches(), Touched::CutOff(_));
        history.retain(|commit| !commit.changes.iter().flat_map(Fact::of).any(|fact| ends(&fact)));
        runtime.block_on(async {
            database.execute(EMPTY).await.unwrap();
            let sqlite: AnyStore = Arc::new(SqliteStore::in_memory().await.unwrap());
            let mut seen = Vec::new();
            for store in [sqlite, Arc::clone(&postgres)] {
                live(&store, &history).await;
                let world = World::on(store);
                let admin = world.token(user(99));
                let mut words = Vec::new();
                for number in (1..=MANY).chain([98, 99]) {
                    words.extend(world.ask(&admin, user(number), &questions()).await);
                }
                seen.push(words);
            }
            assert_eq!(seen[0], seen[1], "the stores differ after {history:#?}");
            for word in &seen[0] {
                for (count, name) in kinds.iter_mut().zip(KINDS) {
                    *count += u32::from(word.contains(name));
                }
            }
        });
    }
    // Worlds in which nobody belongs anywhere would prove little.
    assert!(kinds.iter().all(|count| *count > 0), "{kinds:?}");
}

/// What has to have been explained.
const KINDS: [&str; 9] = [
    ": ByMembership",
    ": RoleTooSmall",
    ": NotAMember",
    ": ByOrgRole",
    ": ByGroupRole",
    ": ByOwnTree",
    ": NoGroup,",
    ": NoGroupRole",
    ": GroupRoleTooSmall",
];

/// The ports that nothing here uses, and a clock that stands still.
struct Nothing;

impl Clock for Nothing {
    fn now(&self) -> Timestamp {
        Timestamp::from_seconds(1_700_000_000)
    }
}

impl Ids for Nothing {
    fn next(&self) -> Uuid {
        Uuid::nil()
    }
}

#[async_trait]
impl Passwords for Nothing {
    fn acceptable(&self, _password: &SecretString, _: Option<&Email>) -> bool {
        false
    }

    fn can_check(&self, _hash: &PasswordHash) -> bool {
        true
    }

    async fn hash(&self, _password: SecretString) -> Result<PasswordHash> {
        Err(Error::internal("nobody sets a password here"))
    }

    async fn verify(
        &self,
        _password: SecretString,
        _hash: Option<PasswordHash>,
        _mixed: bool,
    ) -> Result<Guess> {
        Err(Error::internal("nobody signs in here"))
    }
}

#[async_trait]
impl Throttle for Nothing {
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

impl Observer for Nothing {
    fn observe(&self, _operation: &'static str, _outcome: &'static str, _took: Duration) {}
}
