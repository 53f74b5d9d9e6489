use auth_domain::change::Change;
use auth_domain::model::{EntityId, EntityType, GroupGrant, GroupId, GroupRole, UserId};
use serde_json::json;

use super::{Later, Request, Row, at};
use crate::docs::permissions::scene::{NOW, Scene};

pub const ROWS: &[Row] = &[
    Row::new("POST /groups", "whoever is signed in; the tree is theirs", |_| {
        at("/groups").with(json!({ "name": "another" })).now()
    })
    .of("as a root of one's own"),
    Row::new("POST /groups", "editor of the org", |scene| {
        at("/groups").with(json!({ "name": "another", "org_id": scene.org.to_string() })).now()
    })
    .of("as a root of the org"),
    Row::new("POST /groups", "editor of the group above", |scene| {
        Box::pin(async {
            let parent = scene.groups().await.root;
            at("/groups").with(json!({ "name": "another", "parent_id": parent.to_string() }))
        })
    })
    .of("below a group of the org"),
    Row::new("GET /groups", LISTED, |_| at("/groups").now()),
    Row::new("GET /groups/{id}", "viewer of the group", |scene| of_the_org(scene, "")),
    Row::new("GET /groups/{id}", "viewer of the group", |scene| {
        granted(scene, GroupRole::Viewer, "")
    })
    .of("below one that the caller is viewer in"),
    Row::new("PUT /groups/{id}", "editor of the group", |scene| {
        Box::pin(async { renamed(of_the_org(scene, "").await) })
    }),
    Row::new("PUT /groups/{id}", "editor of the group", |scene| {
        Box::pin(async { renamed(granted(scene, GroupRole::Editor, "").await) })
    })
    .of("below one that the caller is editor in"),
    Row::new("PUT /groups/{id}", "editor of the group", |scene| {
        Box::pin(async { renamed(granted(scene, GroupRole::Viewer, "").await) })
    })
    .of("below one that the caller is viewer in"),
    Row::new("DELETE /groups/{id}", "admin of the group", |scene| of_the_org(scene, "")),
    Row::new("DELETE /groups/{id}", "admin of the group", |scene| {
        granted(scene, GroupRole::Admin, "")
    })
    .of("below one that the caller is admin in"),
    Row::new("PUT /groups/{id}/parent", MOVED, |scene| {
        Box::pin(async {
            let groups = scene.groups().await;
            at(format!("/groups/{}/parent", groups.leaf))
                .with(json!({ "parent_id": groups.other.to_string() }))
        })
    }),
    Row::new("GET /groups/{id}/children", "viewer of the group", |scene| {
        of_the_org(scene, "/children")
    }),
    Row::new("GET /groups/{id}/parents", "viewer of the group", |scene| {
        of_the_org(scene, "/parents")
    }),
    Row::new("POST /groups/{id}/members", "editor of the group", |scene| {
        Box::pin(async {
            let members = json!({ "type": "things", "members": ["a-thing"] });
            of_the_org(scene, "/members").await.with(members)
        })
    }),
    Row::new("DELETE /groups/{id}/members", "editor of the group", |scene| {
        Box::pin(async {
            let leaf = scene.groups().await.leaf;
            assign(scene, leaf, "a-thing").await;
            at(format!("/groups/{leaf}/members")).with(json!({ "members": ["a-thing"] }))
        })
    }),
    Row::new("GET /groups/{id}/members", "viewer of the group", |scene| {
        of_the_org(scene, "/members")
    }),
    Row::new("GET /members/{id}/groups", LISTED, |scene| {
        Box::pin(async {
            let leaf = scene.groups().await.leaf;
            assign(scene, leaf, "a-thing").await;
            at("/members/a-thing/groups")
        })
    }),
    Row::new("GET /groups/{id}/roles", "viewer of the group", |scene| of_the_org(scene, "/roles")),
    Row::new("PUT /groups/{id}/roles/{user_id}", "admin of the group", |scene| {
        Box::pin(async {
            let rest = format!("/roles/{}", scene.member.id);
            of_the_org(scene, &rest).await.with(json!({ "role": "admin" }))
        })
    }),
    Row::new("DELETE /groups/{id}/roles/{user_id}", "admin of the group", |scene| {
        Box::pin(async {
            let leaf = scene.groups().await.leaf;
            grant(scene, leaf, scene.member.id, GroupRole::Viewer).await;
            at(format!("/groups/{leaf}/roles/{}", scene.member.id))
        })
    }),
];

const LISTED: &str = "whoever is signed in: groups they have a role in; a platform role: all";
const MOVED: &str =
    "admin of the group who is an editor of where it comes from and of where it goes";

fn renamed(request: Request) -> Request {
    request.with(json!({ "name": "renamed" }))
}

/// Something of a group of the org.
fn of_the_org<'a>(scene: &'a Scene, rest: &str) -> Later<'a, Request> {
    let rest = rest.to_owned();
    Box::pin(async move { at(format!("/groups/{}{rest}", scene.groups().await.leaf)) })
}

/// Something of a group in the other member's own tree, in whose root the caller has this role.
fn granted<'a>(scene: &'a Scene, role: GroupRole, rest: &str) -> Later<'a, Request> {
    let rest = rest.to_owned();
    Box::pin(async move {
        let [root, leaf] = scene.own_tree().await;
        grant(scene, root, scene.caller.id, role).await;
        at(format!("/groups/{leaf}{rest}"))
    })
}

async fn grant(scene: &Scene, group: GroupId, user: UserId, role: GroupRole) {
    let grant = GroupGrant { group, user, role, created_at: NOW, updated_at: NOW };
    scene.commit(vec![Change::PutGroupRole(grant)]).await;
}

async fn assign(scene: &Scene, group: GroupId, member: &str) {
    let (kind, member) = (EntityType::stored("things".into()), EntityId::stored(member.into()));
    let change = Change::AssignMembers { group, kind, members: vec![member], at: NOW };
    scene.commit(vec![change]).await;
}
