//! What the audit trail says of attempts, and who reads it.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use auth_domain::audit::{AuditQuery, Entry, Trail};
use auth_domain::change::Change;
use auth_domain::model::{
    Action, Direction, KeyKind, Membership, OrgRole, Page, PlatformRole, Token,
};
use auth_domain::ops::access::{Authorize, Identify, Question};
use auth_domain::ops::audit::{ListAudit, ListOrgAudit, NoteAttempts, TrimAudit, VerifyAudit};
use auth_domain::ops::orgs::{CreateOrg, RemoveOrgs, ViewOrg};
use auth_domain::ops::paging::PartAsked;
use auth_domain::ops::passwords::ChangePassword;
use auth_domain::ops::roles::GrantRole;
use auth_domain::ports::AuditTrail;
use auth_domain::{Caller, Error};

use crate::world::{World, user, world};

fn query(trail: Trail) -> AuditQuery {
    AuditQuery { trail, org: None, actor: None, action: None, object: None, from: None, to: None }
}

fn part() -> PartAsked {
    PartAsked { page: Page::new(0, 100, (), Direction::Ascending).unwrap(), cursor: None }
}

async fn attempts(world: &World) -> Vec<Entry> {
    world.app.execute(Caller::System, NoteAttempts).await.unwrap();
    let records = world.store.audit_after(Trail::Attempts, 0, 1_000).await.unwrap();
    records.into_iter().map(|record| record.entry).collect()
}

#[tokio::test]
async fn s94_a_refusal_is_filed_under_the_org_only_for_whoever_belongs_to_it() {
    let world = world().await;
    let org = world
        .as_user(
            1,
            CreateOrg {
                name: "acme".parse().unwrap(),
                description: String::new().parse().unwrap(),
                metadata: auth_domain::model::Metadata::default(),
            },
        )
        .await
        .unwrap()
        .id;
    let now = auth_domain::Timestamp::from_seconds(1_700_000_000);
    let (member, role) = (user(2), OrgRole::Viewer);
    let membership = Membership { org, member, role, created_at: now, updated_at: now };
    world.commit(Change::InsertMembership(membership)).await.unwrap();
    for number in [2, 3] {
        let query = query(Trail::Changes);
        world.as_user(number, ListOrgAudit { org, query, part: part() }).await.unwrap_err();
    }
    // Not a refusal: there is nothing to refuse.
    world.as_user(2, ViewOrg { id: org }).await.unwrap();
    let noted = attempts(&world).await;
    let said: Vec<_> = noted.iter().map(|it| (it.outcome.as_str(), it.org.clone())).collect();
    assert_eq!(said.len(), 2, "{noted:?}");
    assert!(said.contains(&("forbidden", Some(org.to_string()))), "{said:?}");
    assert!(said.contains(&("not_found", None)), "nobody makes up an org: {said:?}");
    let shown = ListOrgAudit { org, query: query(Trail::Attempts), part: part() };
    let shown = world.as_user(1, shown).await.unwrap().items;
    assert_eq!(shown.len(), 1);
    assert_eq!(shown[0].entry.actor, format!("user:{}", user(2)));
    // And whatever the query says, it is about this org.
    let other = AuditQuery {
        org: Some(auth_domain::Id::new(uuid::Uuid::from_u128(9))),
        ..query(Trail::Changes)
    };
    let shown = world.as_user(1, ListOrgAudit { org, query: other, part: part() }).await.unwrap();
    assert!(shown.items.iter().all(|record| record.entry.org == Some(org.to_string())));
    assert_eq!(shown.items.len(), 3, "founded with its owner, and a member");
    world.as_user(1, RemoveOrgs { ids: vec![org] }).await.unwrap();
}

#[tokio::test]
async fn s94_guesses_at_the_password_so_far_are_noted() {
    let world = world().await;
    world.account(7, "ada@example.com").await;
    for _ in 0..4 {
        let (current, password) = ("a guess".into(), "password2".into());
        world.as_user(7, ChangePassword { current, password }).await.unwrap_err();
    }
    let noted = attempts(&world).await;
    let mut seen: Vec<_> = noted.iter().map(|entry| (&*entry.outcome, entry.count)).collect();
    // All of it happened at one moment.
    seen.sort_unstable();
    assert_eq!(seen, [("invalid_current_password", 3), ("rate_limited", 1)]);
    assert!(noted.iter().all(|entry| entry.operation == "change_password"));
}

#[tokio::test]
async fn s94_checks_are_never_written_however_they_go() {
    let world = world().await;
    let question = Question::Org(None, Action::Viewer);
    for _ in 0..10 {
        let token = Token::new("x.y.z".to_owned());
        world.as_anyone(Identify { token }).await.unwrap_err();
        let token = world.token(1, KeyKind::Login);
        world.as_anyone(Authorize { token, question }).await.unwrap_err();
    }
    assert_eq!(attempts(&world).await, []);
}

#[tokio::test]
async fn s94_only_platform_roles_that_signed_in_read_all_of_it() {
    let world = world().await;
    world.promote(6, PlatformRole::Admin).await;
    let list = || ListAudit { query: query(Trail::Changes), part: part() };
    assert_eq!(world.as_user(6, list()).await.unwrap().items.len(), 1);
    assert!(matches!(world.as_user(7, list()).await, Err(Error::Forbidden)));
    assert!(matches!(world.as_anyone(list()).await, Err(Error::Unauthenticated(_))));
    assert!(world.as_service(list()).await.is_err());
    let verify = VerifyAudit { trail: Trail::Changes, expected: None, read: Arc::default() };
    assert!(matches!(world.as_user(6, verify).await, Err(Error::Unauthenticated(_))));
}

#[tokio::test]
async fn s95_a_trail_is_trimmed_by_age_and_stays_proved() {
    let world = world().await;
    world.promote(6, PlatformRole::Root).await;
    let give = |number| GrantRole { user: user(number), role: PlatformRole::Admin };
    world.as_user(6, give(1)).await.unwrap();
    let keep = Duration::from_hours(24);
    let trim = || TrimAudit { trail: Trail::Changes, keep };
    let trimmed = async || world.app.execute(Caller::System, trim()).await.unwrap();
    assert_eq!(trimmed().await, 0);
    world.clock.advance(Duration::from_hours(25));
    assert_eq!(trimmed().await, 1, "the last stays");
    world.as_user(6, give(2)).await.unwrap();
    assert_eq!(trimmed().await, 1);
    let read = Arc::<AtomicU64>::default();
    let verify = VerifyAudit { trail: Trail::Changes, expected: None, read: Arc::clone(&read) };
    let verdict = world.app.execute(Caller::Operator, verify).await.unwrap();
    assert_eq!(verdict.findings, []);
    assert_eq!((verdict.first, verdict.records), (3, 3), "two that say so, and one between");
    assert_eq!(read.load(Ordering::Relaxed), 3, "what whoever waits is told");
}
