//! The members of one org as a file.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use auth_domain::backup::Sink;
use auth_domain::model::{KeyKind, Member, OrgId, OrgRole, PlatformRole};
use auth_domain::ops::member_backup::{BackupMembers, Joined, RestoreMembers};
use auth_domain::ports::{ChangeLog, Memberships};
use auth_domain::{Caller, Entity, Error, Invalid, Result, Rules, Unauthenticated};

use crate::backup::Text;
use crate::world::{user, world, world_by};

#[derive(Clone, Default)]
struct Parts(Arc<Mutex<Vec<Vec<Member>>>>);

#[async_trait]
impl Sink<Vec<Member>> for Parts {
    async fn write(&mut self, part: Vec<Member>) -> Result<()> {
        self.0.lock().unwrap().push(part);
        Ok(())
    }
}

fn row(org: OrgId, number: u128, role: &str) -> String {
    format!("{{\"org_id\":\"{org}\",\"member_id\":\"{}\",\"role\":\"{role}\"}}", user(number))
}

fn file(org: OrgId, rows: &[String]) -> RestoreMembers {
    let text = format!("[{}]", rows.join(","));
    RestoreMembers { org, source: Box::new(Text::new(text.as_bytes())), dry_run: false }
}

#[tokio::test]
async fn d46_r20_all_members_come_in_parts_also_those_the_directory_does_not_know() {
    let world = world().await;
    let org = world.org(7, "acme").await;
    let rows: Vec<String> = (100..2_300).map(|number| row(org, number, "viewer")).collect();
    assert_eq!(world.as_user(7, file(org, &rows)).await.unwrap().created, 2_200);
    let parts = Parts::default();
    let backup = BackupMembers { org, sink: Box::new(parts.clone()) };
    world.as_user(7, backup).await.unwrap();
    let parts = parts.0.lock().unwrap();
    assert_eq!(parts.iter().map(Vec::len).collect::<Vec<_>>(), [1_000, 1_000, 201]);
    assert!(parts.iter().flatten().all(|member| member.email.is_empty()));
}

#[tokio::test]
async fn d01_go1_a_file_with_a_row_of_another_org_changes_nothing_anywhere() {
    let world = world().await;
    let (mine, theirs) = (world.org(8, "mine").await, world.org(7, "theirs").await);
    let before = world.store.revision().await.unwrap();
    let good = row(mine, 20, "viewer");
    for bad in [row(theirs, 8, "owner"), row(theirs, 8, "viewer"), row(theirs, 20, "admin")] {
        for rows in [
            vec![bad.clone()],
            vec![bad.clone(), good.clone()],
            vec![good.clone(), bad.clone()],
            vec![good.clone(), bad.clone(), row(mine, 21, "viewer")],
        ] {
            let outcome = world.as_user(8, file(mine, &rows)).await;
            assert!(matches!(outcome, Err(Error::Invalid(Invalid::Row { .. }))), "{outcome:?}");
        }
    }
    let without = format!("{{\"member_id\":\"{}\",\"role\":\"viewer\"}}", user(20));
    assert!(world.as_user(8, file(mine, &[without])).await.is_err());
    assert_eq!(world.store.revision().await.unwrap(), before);
    assert!(world.store.membership(theirs, user(8)).await.unwrap().is_none());
}

#[tokio::test]
async fn s37_s38_a_file_makes_nobody_an_owner() {
    let world = world().await;
    let org = world.org(7, "acme").await;
    world.promote(1, PlatformRole::Root).await;
    for who in [7, 1] {
        let outcome = world.as_user(who, file(org, &[row(org, 9, "owner")])).await;
        assert!(matches!(outcome, Err(Error::Invalid(Invalid::Row { .. }))), "{outcome:?}");
    }
    // The owner's own row says nothing new.
    let rows = [row(org, 7, "owner"), row(org, 9, "admin")];
    let joined = world.as_user(7, file(org, &rows)).await.unwrap();
    assert_eq!(joined, Joined { created: 1, unchanged: 1 });
    let outcome = world.as_user(7, file(org, &[row(org, 7, "viewer")])).await;
    assert!(matches!(outcome, Err(Error::AlreadyExists(Entity::Membership))), "{outcome:?}");
}

#[tokio::test]
async fn s39_a_file_is_taken_whole_or_not_at_all() {
    let world = world().await;
    let org = world.org(7, "acme").await;
    world.join(org, 9, OrgRole::Viewer).await;
    let before = world.store.revision().await.unwrap();
    let good = row(org, 20, "viewer");
    for bad in [
        row(org, 21, "superuser"),
        row(org, 21, ""),
        row(org, 0, "viewer"),
        good.clone(),
        "1".into(),
        good.replace('}', ",\"created_at\":\"0001-01-01T00:00:00Z\"}"),
    ] {
        for rows in [[good.clone(), bad.clone()], [bad.clone(), good.clone()]] {
            let outcome = world.as_user(7, file(org, &rows)).await;
            assert!(matches!(outcome, Err(Error::Invalid(_))), "{bad} {outcome:?}");
        }
    }
    let there = world.as_user(7, file(org, &[good.clone(), row(org, 9, "viewer")])).await;
    assert!(matches!(there, Err(Error::AlreadyExists(Entity::Membership))), "{there:?}");
    assert!(matches!(
        world.as_user(7, file(org, &[])).await,
        Err(Error::Invalid(Invalid::EmptyList))
    ));
    let dry = RestoreMembers { dry_run: true, ..file(org, std::slice::from_ref(&good)) };
    assert_eq!(world.as_user(7, dry).await.unwrap().created, 1);
    assert_eq!(world.store.revision().await.unwrap(), before);
    world.as_user(7, file(org, &[good])).await.unwrap();
    assert_eq!(world.store.revision().await.unwrap(), before + 1);
}

#[tokio::test]
async fn s97_only_the_owner_and_platform_roles_restore_and_only_with_a_login_token() {
    let world = world().await;
    let org = world.org(7, "acme").await;
    world.join(org, 8, OrgRole::Admin).await;
    let rows = [row(org, 20, "viewer")];
    let outcome = world.as_user(8, file(org, &rows)).await;
    assert!(matches!(outcome, Err(Error::Forbidden)), "{outcome:?}");
    let outcome = world.as_user(9, file(org, &rows)).await;
    assert!(matches!(outcome, Err(Error::NotFound(Entity::Org))), "{outcome:?}");
    let sink = || Box::new(Parts::default());
    let outcome = world.as_user(8, BackupMembers { org, sink: sink() }).await;
    assert!(matches!(outcome, Err(Error::Forbidden)), "{outcome:?}");
    let key = world.key(7, None).await;
    let caller = Caller::Bearer(key.token);
    let outcome = world.app.execute(caller.clone(), file(org, &rows)).await;
    assert!(
        matches!(outcome, Err(Error::Unauthenticated(Unauthenticated::LoginRequired(_)))),
        "{outcome:?}"
    );
    world.app.execute(caller, BackupMembers { org, sink: sink() }).await.unwrap();
    let recovery = Caller::Bearer(world.token(7, KeyKind::Recovery));
    assert!(world.app.execute(recovery, BackupMembers { org, sink: sink() }).await.is_err());
    world.promote(1, PlatformRole::Admin).await;
    world.as_user(1, file(org, &rows)).await.unwrap();
}

#[tokio::test]
async fn nobody_restores_members_where_nobody_adds_them() {
    let world = world_by(Rules { direct_add: false, ..Rules::default() }).await;
    let org = world.org(7, "acme").await;
    let outcome = world.as_user(7, file(org, &[row(org, 20, "viewer")])).await;
    assert!(matches!(outcome, Err(Error::Forbidden)), "{outcome:?}");
}
