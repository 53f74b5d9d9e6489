//! What `App::execute` does for every operation.

use auth_domain::model::{Description, KeyKind, Metadata, OrgRole, PlatformRole};
use auth_domain::ops::access::Identify;
use auth_domain::ops::keys::RevokeKey;
use auth_domain::ops::orgs::{CreateOrg, UpdateOrg, ViewOrg};
use auth_domain::{Access, Caller, Cx, Error, Operation, Result, Unauthenticated, ops};

use crate::world::{user, world};

fn create(name: &str) -> CreateOrg {
    CreateOrg {
        name: name.parse().unwrap(),
        description: Description::default(),
        metadata: Metadata::default(),
    }
}

#[tokio::test]
async fn every_outcome_is_observed_under_the_operations_name() {
    let world = world().await;
    let org = world.org(1, "acme").await;
    assert_eq!(world.seen.last(), ("create_org", "ok"));
    world.as_user(7, ViewOrg { id: org }).await.unwrap_err();
    assert_eq!(world.seen.last(), ("view_org", "not_found"));
    world.as_anyone(ViewOrg { id: org }).await.unwrap_err();
    assert_eq!(world.seen.last(), ("view_org", "unauthenticated"));
    let token = auth_domain::model::Token::new(String::new());
    world.as_anyone(Identify { token }).await.unwrap_err();
    assert_eq!(world.seen.last(), ("identify", "unauthenticated"));
}

#[tokio::test]
async fn an_operation_whose_client_went_away_is_observed_too() {
    let world = world().await;
    let never = std::future::pending::<()>;
    let org = world.org(1, "acme").await;
    let rename = UpdateOrg {
        id: org,
        name: "apex".parse().unwrap(),
        description: Description::default(),
        metadata: Metadata::default(),
    };
    let asked = world.as_user(1, RenameAfter(rename, &never));
    tokio::time::timeout(std::time::Duration::from_millis(50), asked).await.unwrap_err();
    assert_eq!(world.seen.last(), ("rename_after", "cancelled"));
}

#[test]
fn every_operation_has_a_name_of_its_own() {
    let mut names = ops::NAMES.to_vec();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), ops::NAMES.len());
}

#[tokio::test]
async fn d11_go5_a_recovery_token_opens_nothing() {
    let world = world().await;
    let org = world.org(1, "acme").await;
    let by = || Caller::Bearer(world.token(1, KeyKind::Recovery));
    assert!(matches!(
        world.app.execute(by(), ViewOrg { id: org }).await,
        Err(Error::Unauthenticated(Unauthenticated::NotHonoured))
    ));
    assert!(world.app.execute(by(), create("x")).await.is_err());
}

/// Renames an org after somebody else had their way between the check and the write.
struct RenameAfter<'a, F>(UpdateOrg, &'a F);

impl<F, Fut> Operation for RenameAfter<'_, F>
where
    F: Fn() -> Fut + Sync,
    Fut: Future<Output = ()> + Send,
{
    type Output = ();
    const NAME: &'static str = "rename_after";

    fn access(&self) -> Access {
        self.0.access()
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        self.1().await;
        self.0.run(cx).await
    }
}

#[tokio::test]
async fn s40_a_role_lost_between_check_and_write_is_a_role_lost() {
    use auth_domain::change::Change;
    use auth_domain::ports::Orgs;
    let world = world().await;
    let org = world.org(1, "acme").await;
    world.join(org, 2, OrgRole::Admin).await;
    world.promote(5, PlatformRole::Admin).await;
    let rename = || UpdateOrg {
        id: org,
        name: "apex".parse().unwrap(),
        description: Description::default(),
        metadata: Metadata::default(),
    };
    let demote = async || world.commit(Change::RemovePlatformRole { user: user(5) }).await.unwrap();
    let answer = world.as_user(5, RenameAfter(rename(), &|| demote())).await;
    assert!(matches!(answer, Err(Error::NotFound(_))), "{answer:?}");

    let key = world.key(2, None).await;
    let revoke = async || {
        world.as_user(2, RevokeKey { id: key.key.id }).await.unwrap();
    };
    let by_key = Caller::Bearer(key.token.clone());
    let answer = world.app.execute(by_key, RenameAfter(rename(), &|| revoke())).await;
    assert!(matches!(answer, Err(Error::Unauthenticated(_))), "{answer:?}");

    assert_eq!(world.store.org(org).await.unwrap().unwrap().name.as_str(), "acme");
    world.as_user(2, RenameAfter(rename(), &async || ())).await.unwrap();
    assert_eq!(world.store.org(org).await.unwrap().unwrap().name.as_str(), "apex");
}
