//! `Authorize`: the whole table of roles and actions, and what is no question at all.

use auth_domain::model::{
    AccountStatus, GroupId, GroupRole, KeyKind, Metadata, OrgRole, PlatformRole,
};
use auth_domain::ops::group_roles::GrantGroupRole;
use auth_domain::ops::groups::{CreateGroup, Home};
use auth_grpc::proto;
use auth_grpc::proto::auth_service_client::AuthServiceClient;
use proptest::prelude::*;
use proptest::test_runner::{Config, TestRunner};
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::world::{World, refused, user, world};

const DENIED: &str = "failed to perform authorization over the entity";
const ACTIONS: [&str; 4] = ["viewer", "editor", "admin", "owner"];

async fn ask(
    auth: &mut AuthServiceClient<Channel>,
    token: &str,
    subject: &str,
    object: &str,
    action: &str,
) -> Result<(), Status> {
    let question = proto::AuthorizeReq {
        token: token.into(),
        object: object.into(),
        subject: subject.into(),
        action: action.into(),
    };
    auth.authorize(question).await.map(tonic::Response::into_inner)
}

/// Users 1 to 4 are viewer, editor, admin and owner of the org; 5 and 6 are platform admin and
/// root; 9 is nobody.
async fn peopled() -> (World, String) {
    let world = world().await;
    let org = world.org(4).await;
    world.join(org, 1, OrgRole::Viewer).await;
    world.join(org, 2, OrgRole::Editor).await;
    world.join(org, 3, OrgRole::Admin).await;
    world.promote(6, PlatformRole::Root).await;
    world.promote(5, PlatformRole::Admin).await;
    (world, org.to_string())
}

#[tokio::test]
async fn row_80_each_role_may_do_what_its_name_says_and_less() {
    let (world, org) = peopled().await;
    let mut auth = world.auth().await;
    let table = [
        (1, [true, false, false, false]),
        (2, [true, true, false, false]),
        (3, [true, true, true, false]),
        (4, [true, true, true, true]),
        (5, [true, true, true, true]),
        (6, [true, true, true, true]),
        (9, [false, false, false, false]),
    ];
    for (number, row) in table {
        let key = world.key(number, None).await;
        for token in [world.login(number), key.token.expose().to_owned()] {
            for (action, allowed) in ACTIONS.into_iter().zip(row) {
                let answer = ask(&mut auth, &token, "org", &org, action).await;
                if allowed {
                    assert!(answer.is_ok(), "user {number} {action}: {answer:?}");
                } else {
                    refused(answer, Code::PermissionDenied, DENIED, "forbidden");
                }
            }
        }
    }
}

#[tokio::test]
async fn d15_row_82_an_org_that_does_not_exist_looks_like_one_that_is_not_yours() {
    let (world, _) = peopled().await;
    let mut auth = world.auth().await;
    let unknown = user(12345).to_string();
    for object in [unknown.as_str(), "", "zz", "' or 1=1 --", "a\0b"] {
        for action in ACTIONS {
            for number in [1, 4, 9] {
                let answer = ask(&mut auth, &world.login(number), "org", object, action).await;
                refused(answer, Code::PermissionDenied, DENIED, "forbidden");
            }
            for number in [5, 6] {
                let answer = ask(&mut auth, &world.login(number), "org", object, action).await;
                refused(answer, Code::NotFound, "entity not found", "not_found");
            }
        }
    }
}

#[tokio::test]
async fn root_asks_for_a_platform_role_whatever_the_object_and_the_action() {
    let (world, org) = peopled().await;
    let mut auth = world.auth().await;
    for (object, action) in [("", ""), (org.as_str(), "viewer"), ("zz", "fly")] {
        for number in [5, 6] {
            let answer = ask(&mut auth, &world.login(number), "root", object, action).await;
            assert!(answer.is_ok(), "{answer:?}");
        }
        for number in [1, 4, 9] {
            let answer = ask(&mut auth, &world.login(number), "root", object, action).await;
            refused(answer, Code::PermissionDenied, DENIED, "forbidden");
        }
    }
}

#[tokio::test]
async fn row_81_questions_that_do_not_exist_are_not_answered_for_anybody() {
    let (world, org) = peopled().await;
    let mut auth = world.auth().await;
    for number in [1, 4, 5, 6, 9] {
        let token = world.login(number);
        for subject in ["", "groups", "Group", "Root", "ORG", "root ", "org\0"] {
            let answer = ask(&mut auth, &token, subject, &org, "viewer").await;
            refused(answer, Code::InvalidArgument, "invalid subject", "invalid_subject");
        }
        for action in ["", "foo", "Viewer", "owner ", "viewer,owner"] {
            let answer = ask(&mut auth, &token, "org", &org, action).await;
            refused(answer, Code::InvalidArgument, "invalid action", "invalid_action");
        }
    }
}

#[tokio::test]
async fn the_token_is_missed_before_the_question_is_read() {
    let (world, org) = peopled().await;
    let mut auth = world.auth().await;
    let answer = ask(&mut auth, "", "thing", "", "").await;
    let text = "missing or invalid bearer user token";
    refused(answer, Code::Unauthenticated, text, "missing_token");
    let answer = ask(&mut auth, "x", "thing", "", "fly").await;
    refused(answer, Code::InvalidArgument, "invalid subject", "invalid_subject");
    for object in [org.as_str(), "zz"] {
        let answer = ask(&mut auth, "x", "org", object, "viewer").await;
        let text = "failed to validate token";
        refused(answer, Code::Unauthenticated, text, "invalid_token");
    }
}

#[tokio::test]
async fn s8_a_recovery_token_is_good_for_nothing_here() {
    let (world, org) = peopled().await;
    let mut auth = world.auth().await;
    for (subject, number) in [("root", 6), ("org", 4)] {
        let token = world.token(number, KeyKind::Recovery);
        let answer = ask(&mut auth, &token, subject, &org, "viewer").await;
        let text = "failed to perform authentication over the entity";
        refused(answer, Code::Unauthenticated, text, "token_not_honoured");
    }
}

/// A tree of three groups of user 4's own, in whose middle user 1 was given a role.
async fn tree(world: &World) -> Vec<String> {
    world.account(1, "user1@example.com", AccountStatus::Enabled).await;
    let mut path: Vec<GroupId> = Vec::new();
    for name in ["root", "middle", "leaf"] {
        let home = path.last().map_or(Home::Own, |parent| Home::Below(*parent, None));
        let (name, description) = (name.parse().unwrap(), "".parse().unwrap());
        let metadata = Metadata::default();
        let made = CreateGroup { home, name, description, metadata };
        path.push(world.app.execute(world.as_user(4), made).await.unwrap().id);
    }
    let middle = *path.get(1).unwrap();
    let grant = GrantGroupRole { group: middle, user: user(1), role: GroupRole::Editor };
    world.app.execute(world.as_user(4), grant).await.unwrap();
    path.iter().map(GroupId::to_string).collect()
}

#[tokio::test]
async fn a_role_in_a_group_holds_in_all_that_lies_below_it() {
    let (world, _) = peopled().await;
    let groups = tree(&world).await;
    let mut auth = world.auth().await;
    for (number, allowed) in [
        (1, [[false; 3], [true, true, false], [true, true, false]]),
        (2, [[false; 3]; 3]),
        (4, [[true; 3]; 3]),
        (5, [[true; 3]; 3]),
    ] {
        for (group, row) in groups.iter().zip(allowed) {
            for (action, allowed) in ACTIONS.into_iter().zip(row) {
                let answer = ask(&mut auth, &world.login(number), "group", group, action).await;
                if allowed {
                    assert!(answer.is_ok(), "user {number} {action}: {answer:?}");
                } else {
                    refused(answer, Code::PermissionDenied, DENIED, "forbidden");
                }
            }
        }
        let answer = ask(&mut auth, &world.login(number), "group", &groups[0], "owner").await;
        refused(answer, Code::InvalidArgument, "invalid action", "invalid_action");
    }
}

#[tokio::test]
async fn s43_a_group_that_does_not_exist_looks_like_one_that_is_not_yours_to_anybody() {
    let (world, org) = peopled().await;
    let mut auth = world.auth().await;
    for object in ["01ARZ3NDEKTSV4RRFFQ69G5FAV", "", "zz", "00000000000000000000000000", &org] {
        for number in [1, 4, 5, 6, 9] {
            let answer = ask(&mut auth, &world.login(number), "group", object, "viewer").await;
            refused(answer, Code::PermissionDenied, DENIED, "forbidden");
        }
    }
}

#[test]
fn s34_no_made_up_text_is_ever_allowed() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let (root, owner, org, auth) = runtime.block_on(async {
        let (world, org) = peopled().await;
        (world.login(6), world.login(4), org, world.auth().await)
    });
    let made_up = || {
        prop_oneof![".{0,12}", "(?i)(root|org|viewer|editor|admin|owner)[ \0s]?", "[a-z]{0,8}"]
            .prop_filter("a real word", |text: &String| {
                !["root", "org", "group"].contains(&text.as_str())
                    && !ACTIONS.contains(&text.as_str())
            })
    };
    let cases = Config { cases: 300, failure_persistence: None, ..Config::default() };
    TestRunner::new(cases)
        .run(&(made_up(), made_up()), |(subject, action)| {
            let mut auth = auth.clone();
            for token in [&root, &owner] {
                let by_subject = ask(&mut auth, token, &subject, &org, "viewer");
                let by_subject = runtime.block_on(by_subject).unwrap_err();
                prop_assert_eq!(by_subject.code(), Code::InvalidArgument);
                let by_action = ask(&mut auth, token, "org", &org, &action);
                let by_action = runtime.block_on(by_action).unwrap_err();
                prop_assert_eq!(by_action.code(), Code::InvalidArgument);
            }
            Ok(())
        })
        .unwrap();
}
