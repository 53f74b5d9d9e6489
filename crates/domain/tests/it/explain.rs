//! Explain: for admins, with a login token. That it agrees with Authorize is tested with both stores.

use auth_domain::model::{Action, Explanation, KeyKind, OrgRole, PlatformRole};
use auth_domain::ops::access::Question;
use auth_domain::ops::explain::Explain;
use auth_domain::{Caller, Error};

use crate::world::{user, world};

#[tokio::test]
async fn it_names_the_row_or_what_is_missing() {
    let world = world().await;
    let org = world.org(1, "acme").await;
    world.join(org, 2, OrgRole::Editor).await;
    world.promote(6, PlatformRole::Root).await;
    world.promote(5, PlatformRole::Admin).await;
    let ask = async |number, question| {
        world.as_user(5, Explain { user: user(number), question }).await.unwrap()
    };
    let in_org = |action| Question::Org(Some(org), action);
    let allowed = ask(2, in_org(Action::Editor)).await;
    let Explanation::ByMembership(membership) = allowed else { panic!("{allowed:?}") };
    assert_eq!(
        (membership.org, membership.member, membership.role),
        (org, user(2), OrgRole::Editor)
    );
    let small = ask(2, in_org(Action::Admin)).await;
    assert_eq!(small, Explanation::RoleTooSmall { membership, needed: OrgRole::Admin });
    let stranger = ask(9, in_org(Action::Viewer)).await;
    assert_eq!(stranger, Explanation::NotAMember { needed: OrgRole::Viewer });
    let nowhere = ask(9, Question::Org(None, Action::Viewer)).await;
    assert_eq!(nowhere, Explanation::NoOrg { platform: None });
    let nowhere = ask(6, Question::Org(None, Action::Viewer)).await;
    assert_eq!(nowhere, Explanation::NoOrg { platform: Some(PlatformRole::Root) });
    assert_eq!(
        ask(6, in_org(Action::Owner)).await,
        Explanation::ByPlatformRole(PlatformRole::Root)
    );
    assert_eq!(ask(5, Question::Root).await, Explanation::ByPlatformRole(PlatformRole::Admin));
    assert_eq!(ask(1, Question::Root).await, Explanation::NoPlatformRole);
}

#[tokio::test]
async fn s43_nobody_but_an_admin_with_a_login_token_is_told_anything() {
    let world = world().await;
    let org = world.org(1, "acme").await;
    world.promote(6, PlatformRole::Root).await;
    let key = world.key(6, None).await.token;
    for question in [
        Question::Root,
        Question::Org(Some(org), Action::Viewer),
        Question::Org(None, Action::Owner),
    ] {
        for subject in [1, 6, 9] {
            let explain = || Explain { user: user(subject), question };
            for number in [1, 9] {
                assert!(matches!(world.as_user(number, explain()).await, Err(Error::Forbidden)));
            }
            let by_key = world.app.execute(Caller::Bearer(key.clone()), explain()).await;
            assert!(matches!(by_key, Err(Error::Forbidden)));
            let recovery = Caller::Bearer(world.token(6, KeyKind::Recovery));
            for caller in [recovery, Caller::Anonymous, Caller::Service("users".into())] {
                let answer = world.app.execute(caller, explain()).await;
                assert!(matches!(answer, Err(Error::Unauthenticated(_))), "{answer:?}");
            }
        }
    }
}
