//! `auth.v1.Explanations`.

use auth_domain::model::{
    AccountStatus, GroupId, GroupRole, KeyKind, Metadata, OrgRole, PlatformRole,
};
use auth_domain::ops::group_roles::GrantGroupRole;
use auth_domain::ops::groups::{CreateGroup, Home};
use auth_grpc::proto::v1::explanations_client::ExplanationsClient;
use auth_grpc::proto::v1::{ExplainRequest, ExplainResponse, Reason};
use tonic::transport::Channel;
use tonic::{Code, Response, Status};

use crate::world::{World, refused, user, world};

const DENIED: &str = "failed to perform authorization over the entity";

async fn explain(
    client: &mut ExplanationsClient<Channel>,
    token: &str,
    about: u128,
    (subject, object, action): (&str, &str, &str),
) -> Result<ExplainResponse, Status> {
    let asked = ExplainRequest {
        token: token.into(),
        user_id: user(about).to_string(),
        subject: subject.into(),
        object: object.into(),
        action: action.into(),
    };
    client.explain(asked).await.map(Response::into_inner)
}

async fn make_group(world: &World, by: u128, home: Home) -> GroupId {
    let (name, description) = ("pumps".parse().unwrap(), "".parse().unwrap());
    let made = CreateGroup { home, name, description, metadata: Metadata::default() };
    world.app.execute(world.as_user(by), made).await.unwrap().id
}

fn because(reason: Reason) -> ExplainResponse {
    ExplainResponse { reason: reason.into(), ..Default::default() }
}

type Asked<'a> = (u128, (&'a str, &'a str, &'a str), ExplainResponse);

/// Asks as each of two admins of the platform.
async fn expect<const N: usize>(world: &World, expected: [Asked<'_>; N]) {
    let mut client = ExplanationsClient::new(world.channel().await);
    for (about, question, expected) in expected {
        for admin in [5, 6] {
            let told = explain(&mut client, &world.login(admin), about, question).await.unwrap();
            assert_eq!(told, expected, "{about} {question:?}");
        }
    }
}

#[tokio::test]
async fn an_admin_is_told_which_row_allows_and_what_is_missing() {
    let world = world().await;
    let org = world.org(4).await;
    world.join(org, 1, OrgRole::Editor).await;
    world.account(1, "user1@example.com", AccountStatus::Enabled).await;
    world.promote(6, PlatformRole::Root).await;
    world.promote(5, PlatformRole::Admin).await;
    let (org, nowhere) = (org.to_string(), user(777).to_string());
    let since = "2023-11-14T22:13:20.25Z".to_owned();
    let member = ExplainResponse {
        org_role: "editor".into(),
        member_since: since.clone(),
        role_since: since,
        ..Default::default()
    };
    let by_role = |role: &str| ExplainResponse {
        allowed: true,
        platform_role: role.into(),
        ..because(Reason::PlatformRole)
    };
    let expected = [
        (
            1,
            ("org", org.as_str(), "viewer"),
            ExplainResponse { allowed: true, reason: Reason::Membership.into(), ..member.clone() },
        ),
        (
            1,
            ("org", &org, "owner"),
            ExplainResponse {
                reason: Reason::RoleTooSmall.into(),
                needed_role: "owner".into(),
                ..member
            },
        ),
        (
            9,
            ("org", &org, "editor"),
            ExplainResponse { needed_role: "editor".into(), ..because(Reason::NotAMember) },
        ),
        (9, ("org", &nowhere, "editor"), because(Reason::NoOrg)),
        (
            5,
            ("org", "zz", "editor"),
            ExplainResponse { platform_role: "admin".into(), ..because(Reason::NoOrg) },
        ),
        (5, ("org", &org, "owner"), by_role("admin")),
        (6, ("root", "", ""), by_role("root")),
        (1, ("root", "", ""), because(Reason::NoPlatformRole)),
    ];
    expect(&world, expected).await;
}

#[tokio::test]
async fn an_admin_is_told_which_role_counts_in_a_group() {
    let world = world().await;
    let org = world.org(4).await;
    world.join(org, 1, OrgRole::Editor).await;
    world.account(1, "user1@example.com", AccountStatus::Enabled).await;
    world.promote(6, PlatformRole::Root).await;
    world.promote(5, PlatformRole::Admin).await;
    let group = make_group(&world, 4, Home::Org(org)).await.to_string();
    let own = make_group(&world, 7, Home::Own).await;
    let role = GrantGroupRole { group: own, user: user(1), role: GroupRole::Viewer };
    world.app.execute(world.as_user(7), role).await.unwrap();
    let (own, org, nowhere) = (own.to_string(), org.to_string(), user(777).to_string());
    let expected = [
        (
            1,
            ("group", group.as_str(), "editor"),
            ExplainResponse {
                allowed: true,
                org_id: org.clone(),
                org_role: "editor".into(),
                ..because(Reason::OrgRole)
            },
        ),
        (
            1,
            ("group", &own, "viewer"),
            ExplainResponse {
                allowed: true,
                group_id: own.clone(),
                group_role: "viewer".into(),
                ..because(Reason::GroupRole)
            },
        ),
        (
            1,
            ("group", &own, "admin"),
            ExplainResponse {
                group_role: "viewer".into(),
                needed_role: "admin".into(),
                ..because(Reason::GroupRoleTooSmall)
            },
        ),
        (
            7,
            ("group", &own, "admin"),
            ExplainResponse { allowed: true, ..because(Reason::OwnTree) },
        ),
        (
            9,
            ("group", &own, "viewer"),
            ExplainResponse { needed_role: "viewer".into(), ..because(Reason::NoGroupRole) },
        ),
        (5, ("group", &nowhere, "viewer"), because(Reason::NoGroup)),
    ];
    expect(&world, expected).await;
}

#[tokio::test]
async fn s43_nobody_else_learns_what_exists() {
    let world = world().await;
    let org = world.org(4).await.to_string();
    world.promote(6, PlatformRole::Root).await;
    let key = world.key(6, None).await.token.expose().to_owned();
    let mut client = ExplanationsClient::new(world.channel().await);
    for object in [org.as_str(), &user(777).to_string(), "zz", ""] {
        for about in [1, 4, 6] {
            let question = ("org", object, "viewer");
            for token in [&world.login(4), &world.login(9), &key] {
                let answer = explain(&mut client, token, about, question).await;
                refused(answer, Code::PermissionDenied, DENIED, "forbidden");
            }
            let recovery = world.token(6, KeyKind::Recovery);
            for token in ["", "x.y.z", &recovery] {
                let status = explain(&mut client, token, about, question).await.unwrap_err();
                assert_eq!(status.code(), Code::Unauthenticated);
            }
        }
    }
}

#[tokio::test]
async fn what_cannot_be_asked_is_refused() {
    let world = world().await;
    world.promote(6, PlatformRole::Root).await;
    let mut client = ExplanationsClient::new(world.channel().await);
    let token = world.login(6);
    let asked = |user_id: &str, subject: &str, action: &str| ExplainRequest {
        token: token.clone(),
        user_id: user_id.into(),
        subject: subject.into(),
        object: String::new(),
        action: action.into(),
    };
    let id = user(1).to_string();
    for (asked, text, code) in [
        (asked("", "root", ""), "missing user id", "missing_user_id"),
        (
            asked("zz", "root", ""),
            "malformed entity specification : id must be a UUID",
            "malformed",
        ),
        (asked(&id, "", ""), "invalid subject", "invalid_subject"),
        (asked(&id, "org", "fly"), "invalid action", "invalid_action"),
    ] {
        refused(client.explain(asked).await, Code::InvalidArgument, text, code);
    }
}
