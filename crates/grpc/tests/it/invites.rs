//! `CreateDormantOrgInvite`, `ActivateOrgInvite` and `GetDormantOrgInviteByPlatformInvite`.

use auth_domain::model::{
    AccountStatus, Direction, InviteOrder, InviteQuery, InviteState, InvitesOf, KeyKind, OrgRole,
    Page,
};
use auth_domain::ports::Invites;
use auth_grpc::proto;
use auth_grpc::proto::auth_service_client::AuthServiceClient;
use tonic::transport::Channel;
use tonic::{Code, Status};

use crate::world::{World, refused, user, world};

const PLATFORM_INVITE: &str = "0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f6";
const FORBIDDEN: &str = "failed to perform authorization over the entity";

async fn create(
    auth: &mut AuthServiceClient<Channel>,
    token: &str,
    org: &str,
    role: &str,
    platform_invite: &str,
) -> Result<(), Status> {
    let request = proto::CreateDormantOrgInviteReq {
        token: token.into(),
        org_id: org.into(),
        invitee_role: role.into(),
        platform_invite_id: platform_invite.into(),
    };
    auth.create_dormant_org_invite(request).await.map(tonic::Response::into_inner)
}

async fn activate(
    auth: &mut AuthServiceClient<Channel>,
    platform_invite: &str,
    user: &str,
    path: &str,
) -> Result<(), Status> {
    let request = proto::ActivateOrgInviteReq {
        platform_invite_id: platform_invite.into(),
        user_id: user.into(),
        redirect_path: path.into(),
    };
    auth.activate_org_invite(request).await.map(tonic::Response::into_inner)
}

async fn view(
    auth: &mut AuthServiceClient<Channel>,
    platform_invite: &str,
) -> Result<proto::OrgInvite, Status> {
    let platform_invite_id = platform_invite.to_owned();
    let request = proto::GetDormantOrgInviteByPlatformInviteReq { platform_invite_id };
    auth.get_dormant_org_invite_by_platform_invite(request).await.map(tonic::Response::into_inner)
}

async fn received(world: &World, number: u128) -> Vec<InviteState> {
    let query = InviteQuery {
        of: InvitesOf::Invitee(user(number)),
        states: InviteState::ALL.to_vec(),
        at: auth_domain::Timestamp::from_seconds(0),
    };
    let page = Page::new(0, 10, InviteOrder::Id, Direction::Ascending).unwrap();
    let listed = world.store.invites(&query, page).await.unwrap().items;
    listed.iter().map(|found| found.invite.state).collect()
}

#[tokio::test]
async fn row_86_d10_go13_a_dormant_invite_offers_one_of_three_roles() {
    let world = world().await;
    let org = world.org(1).await;
    let (org, token) = (org.to_string(), world.login(1));
    let mut auth = world.auth().await;
    for role in OrgRole::GIVEN {
        create(&mut auth, &token, &org, role.as_str(), PLATFORM_INVITE).await.unwrap();
        let shown = view(&mut auth, PLATFORM_INVITE).await.unwrap();
        assert_eq!((shown.org_id, shown.org_name), (org.clone(), "acme".to_owned()));
        assert_eq!(shown.invitee_role, role.as_str());
    }
    for role in ["owner", "boss", "Admin", "a role longer than twelve"] {
        let answer = create(&mut auth, &token, &org, role, PLATFORM_INVITE).await;
        refused(answer, Code::InvalidArgument, "invalid role", "invalid_role");
    }
}

#[tokio::test]
async fn what_a_dormant_invite_needs_is_asked_for_in_the_original_order() {
    let world = world().await;
    let org = world.org(1).await.to_string();
    let mut auth = world.auth().await;
    let token = world.login(1);
    for (token, org, role, platform_invite, code, text, stable) in [
        (
            "",
            "",
            "",
            "",
            Code::Unauthenticated,
            "missing or invalid bearer user token",
            "missing_token",
        ),
        (&token, "", "", "", Code::InvalidArgument, "missing org id", "missing_org_id"),
        (&token, &org, "", "", Code::InvalidArgument, "missing role", "missing_role"),
        (&token, &org, "boss", "", Code::InvalidArgument, "missing invite ID", "missing_invite_id"),
    ] {
        let answer = create(&mut auth, token, org, role, platform_invite).await;
        refused(answer, code, text, stable);
    }
    for (org, platform_invite, field) in
        [("zz", PLATFORM_INVITE, "orgID"), (&org[..], "zz", "platformInviteID")]
    {
        let answer = create(&mut auth, &token, org, "viewer", platform_invite).await;
        let text = format!("malformed entity specification : {field} must be a UUID");
        refused(answer, Code::InvalidArgument, &text, "malformed");
    }
}

#[tokio::test]
async fn a_dormant_invite_is_made_by_whoever_may_invite() {
    let world = world().await;
    let org = world.org(1).await;
    for (number, role) in [(2, OrgRole::Admin), (3, OrgRole::Editor), (4, OrgRole::Viewer)] {
        world.join(org, number, role).await;
    }
    let mut auth = world.auth().await;
    let org = org.to_string();
    create(&mut auth, &world.login(2), &org, "admin", PLATFORM_INVITE).await.unwrap();
    for number in [3, 4] {
        let answer = create(&mut auth, &world.login(number), &org, "viewer", PLATFORM_INVITE).await;
        refused(answer, Code::PermissionDenied, FORBIDDEN, "forbidden");
    }
    let answer = create(&mut auth, &world.login(5), &org, "viewer", PLATFORM_INVITE).await;
    refused(answer, Code::NotFound, "entity not found", "not_found");
    for token in ["garbage".to_owned(), world.token(1, KeyKind::Recovery)] {
        let answer = create(&mut auth, &token, &org, "viewer", PLATFORM_INVITE).await;
        assert_eq!(answer.unwrap_err().code(), Code::Unauthenticated);
    }
}

#[tokio::test]
async fn row_87_d27_d88_activating_is_for_users_who_exist_and_can_be_repeated() {
    let world = world().await;
    let org = world.org(1).await.to_string();
    world.account(7, "ada@example.com", AccountStatus::Enabled).await;
    world.account(8, "bob@example.com", AccountStatus::Disabled).await;
    let mut auth = world.auth().await;
    let (ada, bob, nobody) = (user(7).to_string(), user(8).to_string(), user(9).to_string());
    for user in [&ada, &nobody] {
        activate(&mut auth, PLATFORM_INVITE, user, "/v").await.unwrap();
    }
    create(&mut auth, &world.login(1), &org, "viewer", PLATFORM_INVITE).await.unwrap();
    for user in [&bob, &nobody] {
        let answer = activate(&mut auth, PLATFORM_INVITE, user, "/v").await;
        refused(answer, Code::NotFound, "entity not found", "not_found");
    }
    view(&mut auth, PLATFORM_INVITE).await.unwrap();
    assert_eq!(received(&world, 7).await, []);
    for _ in 0..2 {
        activate(&mut auth, PLATFORM_INVITE, &ada, "/v").await.unwrap();
        assert_eq!(received(&world, 7).await, [InviteState::Pending]);
    }
    let answer = view(&mut auth, PLATFORM_INVITE).await;
    refused(answer, Code::NotFound, "entity not found", "not_found");
}

#[tokio::test]
async fn what_an_activation_needs_is_asked_for_in_the_original_order() {
    let mut auth = world().await.auth().await;
    let ada = user(7).to_string();
    for (platform_invite, user, path, text, stable) in [
        ("", "", "", "missing invite ID", "missing_invite_id"),
        (PLATFORM_INVITE, "", "", "missing user id", "missing_user_id"),
        (PLATFORM_INVITE, &ada, "", "missing redirect path", "missing_redirect_path"),
    ] {
        let answer = activate(&mut auth, platform_invite, user, path).await;
        refused(answer, Code::InvalidArgument, text, stable);
    }
    for (platform_invite, user, path) in [
        ("zz", &ada[..], "/v"),
        (PLATFORM_INVITE, "zz", "/v"),
        (PLATFORM_INVITE, &ada, "@evil.example/x"),
        (PLATFORM_INVITE, &ada, "//evil.example"),
    ] {
        let answer = activate(&mut auth, platform_invite, user, path).await.unwrap_err();
        assert_eq!(answer.code(), Code::InvalidArgument, "{answer:?}");
    }
    let answer = view(&mut auth, "").await;
    refused(answer, Code::InvalidArgument, "missing invite ID", "missing_invite_id");
}
