//! Groups, by the interface of Mainflux 0.13 and by ours.

use auth_domain::model::AccountStatus;
use auth_domain::ops::groups::{CreateGroup, Home};
use auth_grpc::proto::mainflux::auth_service_client::AuthServiceClient;
use auth_grpc::proto::v1::groups_client::GroupsClient;
use auth_grpc::proto::{mainflux, v1};
use tonic::Code;

use crate::world::{World, refused, user, world};

/// A group of user 4's own, and an account that can be assigned to it.
async fn grouped() -> (World, String) {
    let world = world().await;
    world.account(1, "user1@example.com", AccountStatus::Enabled).await;
    let (name, description) = ("pumps".parse().unwrap(), "".parse().unwrap());
    let metadata = auth_domain::model::Metadata::default();
    let made = CreateGroup { home: Home::Own, name, description, metadata };
    let group = world.app.execute(world.as_user(4), made).await.unwrap().id;
    (world, group.to_string())
}

fn assign(world: &World, by: u128, group: &str, kind: &str, ids: &[&str]) -> v1::AssignRequest {
    v1::AssignRequest {
        token: world.login(by),
        group_id: group.into(),
        r#type: kind.into(),
        member_ids: ids.iter().map(ToString::to_string).collect(),
    }
}

fn members(world: &World, by: u128, group: &str) -> v1::MembersRequest {
    v1::MembersRequest { token: world.login(by), group_id: group.into(), ..Default::default() }
}

#[tokio::test]
async fn the_older_interface_assigns_users_and_lists_one_type() {
    let (world, group) = grouped().await;
    let mut older = AuthServiceClient::new(world.channel().await);
    let assignment = |member: &str| mainflux::Assignment {
        token: world.login(4),
        group_id: group.clone(),
        member_id: member.into(),
    };
    let one = user(1).to_string();
    older.assign(assignment(&one)).await.unwrap();
    let again = older.assign(assignment(&one)).await;
    refused(again, Code::AlreadyExists, "member is already assigned", "already_exists");
    let nobody = older.assign(assignment(&user(77).to_string())).await;
    refused(nobody, Code::NotFound, "entity not found", "not_found");

    let asked = |kind: &str| mainflux::MembersReq {
        token: world.login(4),
        group_id: group.clone(),
        r#type: kind.into(),
        ..Default::default()
    };
    let found = older.members(asked("users")).await.unwrap().into_inner();
    let expected = mainflux::MembersRes {
        total: 1,
        offset: 0,
        limit: 200,
        r#type: "users".into(),
        members: vec![one],
    };
    assert_eq!(found, expected);
    assert_eq!(older.members(asked("things")).await.unwrap().into_inner().total, 0);
    refused(
        older.members(asked("")).await,
        Code::InvalidArgument,
        "missing group member type",
        "missing_member_type",
    );
    let unnamed = mainflux::MembersReq { group_id: String::new(), ..asked("users") };
    let text = "missing entity id";
    refused(older.members(unnamed).await, Code::InvalidArgument, text, "missing_group_id");
    let nobody = mainflux::MembersReq { token: String::new(), ..asked("users") };
    let text = "missing or invalid bearer user token";
    refused(older.members(nobody).await, Code::Unauthenticated, text, "missing_token");
}

#[tokio::test]
async fn our_interface_assigns_anything_and_lists_in_pages() {
    let (world, group) = grouped().await;
    let mut groups = GroupsClient::new(world.channel().await);
    let things = assign(&world, 4, &group, "things", &["t1", "t2", "t3", "t1"]);
    groups.assign(things).await.unwrap();
    let mut seen = Vec::new();
    let mut cursor = String::new();
    loop {
        let asked = v1::MembersRequest { limit: 2, cursor, ..members(&world, 4, &group) };
        let page = groups.members(asked).await.unwrap().into_inner();
        assert_eq!(page.total, 3);
        seen.extend(page.members.into_iter().map(|member| (member.id, member.r#type)));
        cursor = page.next_cursor;
        if cursor.is_empty() {
            break;
        }
    }
    let expected = ["t1", "t2", "t3"].map(|id| (id.to_owned(), "things".to_owned()));
    assert_eq!(seen, expected);
}

#[tokio::test]
async fn d_g1_strangers_see_and_change_nothing() {
    let (world, group) = grouped().await;
    let mut groups = GroupsClient::new(world.channel().await);
    let unknown = "01ARZ3NDEKTSV4RRFFQ69G5FAV";
    for group in [group.as_str(), unknown, "zz"] {
        let answer = groups.assign(assign(&world, 9, group, "things", &["t1"])).await;
        refused(answer, Code::NotFound, "entity not found", "not_found");
        let answer = groups.members(members(&world, 9, group)).await;
        refused(answer, Code::NotFound, "entity not found", "not_found");
    }
    let kept = groups.members(members(&world, 4, &group)).await.unwrap().into_inner();
    assert_eq!(kept.total, 0);
}
