//! Groups over the real binary, on both stores: one test for each defect of the older original (D-G), for
//! who may do what, and for what is refused.

use auth_grpc::proto::mainflux::auth_service_client::AuthServiceClient as OlderClient;
use auth_grpc::proto::v1::groups_client::GroupsClient;
use auth_grpc::proto::{AuthorizeReq, mainflux, v1};
use auth_testkit::{Server, Setup};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tonic::{Code, Status};

use crate::world::{found, get, identify, sibling, stores};

/// A group nobody has.
const UNKNOWN: &str = "01ARZ3NDEKTSV4RRFFQ69G5FAV";

/// A server, and people on it.
pub struct Scene {
    pub store: &'static str,
    pub server: Server,
    /// Owns the org.
    pub ada: String,
    /// Editor of the org.
    pub bob: String,
    /// Viewer of the org.
    pub eve: String,
    /// Belongs nowhere.
    pub mallory: String,
    pub org: String,
}

pub async fn scenes() -> Vec<Scene> {
    let mut scenes = Vec::new();
    for (store, setup) in stores().await {
        scenes.push(scene(store, setup).await);
    }
    scenes
}

pub async fn scene(store: &'static str, setup: Setup) -> Scene {
    let server = setup.start().await.unwrap();
    let mut people = Vec::new();
    for name in ["ada", "bob", "eve", "mallory"] {
        people.push(server.user(&format!("{name}@example.com")).await.unwrap());
    }
    let [ada, bob, eve, mallory] = people.try_into().unwrap();
    let org = found(&server, &ada, "acme").await;
    let body = json!({ "org_memberships": [
        { "email": "bob@example.com", "role": "editor" },
        { "email": "eve@example.com", "role": "viewer" },
    ] });
    let path = format!("/orgs/{org}/memberships");
    let added = server.send(Method::POST, &path, Some(&ada), Some(&body)).await.unwrap();
    assert_eq!(added.status(), 200);
    Scene { store, server, ada, bob, eve, mallory, org }
}

impl Scene {
    pub async fn send(&self, method: Method, path: &str, token: &str, body: Value) -> Response {
        self.server.send(method, path, Some(token), Some(&body)).await.unwrap()
    }

    pub async fn status(&self, method: Method, path: &str, token: &str, body: Value) -> u16 {
        self.send(method, path, token, body).await.status().as_u16()
    }

    /// Makes a group and gives its id.
    pub async fn make(&self, token: &str, body: Value) -> String {
        let answer = self.send(Method::POST, "/groups", token, body.clone()).await;
        assert_eq!(answer.status(), 201, "{} {body}: {}", self.store, answer.text().await.unwrap());
        let location = answer.headers()["location"].to_str().unwrap().to_owned();
        location.strip_prefix("/groups/").unwrap().to_owned()
    }

    /// A root of the org with a chain below it.
    pub async fn chain(&self, names: &[&str]) -> Vec<String> {
        let mut ids: Vec<String> = Vec::new();
        for name in names {
            let body = match ids.last() {
                None => json!({ "name": name, "org_id": self.org }),
                Some(parent) => json!({ "name": name, "parent_id": parent }),
            };
            ids.push(self.make(&self.ada, body).await);
        }
        ids
    }

    pub async fn json(&self, path: &str, token: &str) -> Value {
        let answer = get(&self.server, path, token).await;
        assert_eq!(answer.status(), 200, "{} {path}", self.store);
        answer.json().await.unwrap()
    }

    pub async fn refused(
        &self,
        method: Method,
        path: &str,
        token: &str,
        body: Value,
    ) -> (u16, String) {
        let answer = self.send(method, path, token, body).await;
        let status = answer.status().as_u16();
        let problem: Value = answer.json().await.unwrap();
        (status, problem["code"].as_str().unwrap().to_owned())
    }

    pub async fn authorize(&self, token: &str, group: &str, action: &str) -> Result<(), Status> {
        let asked = AuthorizeReq {
            token: token.into(),
            object: group.into(),
            subject: "group".into(),
            action: action.into(),
        };
        sibling(&self.server).await.authorize(asked).await.map(drop)
    }

    pub async fn id(&self, token: &str) -> String {
        identify(&self.server, token).await.unwrap()
    }
}

pub fn ids(page: &Value) -> Vec<&str> {
    page["groups"].as_array().unwrap().iter().map(|group| group["id"].as_str().unwrap()).collect()
}

#[tokio::test]
async fn groups_are_made_shown_changed_and_deleted() {
    for scene in scenes().await {
        let long = "é".repeat(1024);
        let body = json!({
            "name": "Pumps", "org_id": scene.org, "description": long, "metadata": { "floor": 1 }
        });
        let id = scene.make(&scene.ada, body).await;
        assert_eq!(id.len(), 26);
        let path = format!("/groups/{id}");
        let shown = scene.json(&path, &scene.eve).await;
        assert_eq!(shown["name"], "Pumps");
        assert_eq!(shown["org_id"], scene.org.as_str());
        assert_eq!(shown["owner_id"], scene.id(&scene.ada).await);
        assert_eq!(
            (&shown["description"], &shown["metadata"]),
            (&json!(long), &json!({ "floor": 1 }))
        );
        let lower = scene.json(&format!("/groups/{}", id.to_lowercase()), &scene.eve).await;
        assert_eq!(lower, shown);

        let edit = json!({ "name": "Valves" });
        assert_eq!(scene.status(Method::PUT, &path, &scene.bob, edit).await, 200);
        let shown = scene.json(&path, &scene.eve).await;
        assert_eq!((&shown["name"], shown.get("description")), (&json!("Valves"), None));
        assert_eq!(scene.status(Method::DELETE, &path, &scene.ada, json!({})).await, 204);
        assert_eq!(get(&scene.server, &path, &scene.ada).await.status(), 404);
    }
}

/// Every route, by everybody: strangers are told that there is nothing, small roles that they are small.
#[tokio::test]
async fn d_g1_every_route_asks_who_may() {
    for scene in scenes().await {
        let [root, leaf] = scene.chain(&["root", "leaf"]).await.try_into().unwrap();
        let eve = scene.id(&scene.eve).await;
        let named = json!({ "name": "new" });
        let members = json!({ "type": "things", "members": ["t"] });
        let role = json!({ "role": "viewer" });
        for (method, rest, body, bob, eve_may) in [
            (Method::GET, String::new(), json!({}), 200, 200),
            (Method::GET, "/children".into(), json!({}), 200, 200),
            (Method::GET, "/parents".into(), json!({}), 200, 200),
            (Method::GET, "/members".into(), json!({}), 200, 200),
            (Method::GET, "/roles".into(), json!({}), 200, 200),
            (Method::PUT, String::new(), named, 200, 403),
            (Method::POST, "/members".into(), members.clone(), 200, 403),
            (Method::DELETE, "/members".into(), members, 204, 403),
            (Method::PUT, "/parent".into(), json!({ "parent_id": null }), 403, 403),
            (Method::PUT, format!("/roles/{eve}"), role, 403, 403),
            (Method::DELETE, format!("/roles/{eve}"), json!({}), 403, 403),
            (Method::DELETE, String::new(), json!({}), 403, 403),
        ] {
            let name = format!("{} {method} {rest}", scene.store);
            for (token, expected) in [(&scene.bob, bob), (&scene.eve, eve_may)] {
                let path = format!("/groups/{leaf}{rest}");
                let found = scene.status(method.clone(), &path, token, body.clone()).await;
                assert_eq!(found, expected, "{name}");
            }
            let mut refusals = Vec::new();
            for id in [leaf.as_str(), UNKNOWN, "zz"] {
                let path = format!("/groups/{id}{rest}");
                let answer = scene.send(method.clone(), &path, &scene.mallory, body.clone()).await;
                let mut problem: Value = answer.json().await.unwrap();
                problem["request_id"].take();
                refusals.push(problem);
            }
            assert_eq!(refusals[0]["status"], 404, "{name}");
            assert!(refusals.iter().all(|refusal| *refusal == refusals[0]), "{name}: {refusals:?}");
        }
        for (token, expected) in [(&scene.mallory, 404), (&scene.eve, 403), (&scene.bob, 201)] {
            let below = json!({ "name": "below", "parent_id": root });
            assert_eq!(scene.status(Method::POST, "/groups", token, below).await, expected);
            let top = json!({ "name": "top", "org_id": scene.org });
            assert_eq!(scene.status(Method::POST, "/groups", token, top).await, expected);
        }
        for query in ["", "?level=32"] {
            let seen = scene.json(&format!("/groups{query}"), &scene.mallory).await;
            assert_eq!((ids(&seen), &seen["total"]), (vec![], &json!(0)));
        }
        let of_thing = scene.json("/members/t/groups", &scene.mallory).await;
        assert_eq!(ids(&of_thing), Vec::<&str>::new());
        assert_eq!(get(&scene.server, "/groups", "x.y.z").await.status(), 401);
    }
}

#[tokio::test]
async fn d_g2_a_name_is_taken_among_roots_too() {
    for scene in scenes().await {
        for home in [json!({ "org_id": scene.org }), json!({})] {
            let mut body = json!({ "name": "twin" });
            body.as_object_mut().unwrap().extend(home.as_object().unwrap().clone());
            let first = scene.make(&scene.ada, body.clone()).await;
            let again = scene.refused(Method::POST, "/groups", &scene.ada, body).await;
            assert_eq!(again, (409, "already_exists".into()), "{}", scene.store);
            let below = json!({ "name": "twin", "parent_id": first });
            scene.make(&scene.ada, below.clone()).await;
            let again = scene.refused(Method::POST, "/groups", &scene.ada, below).await;
            assert_eq!(again, (409, "already_exists".into()), "{}", scene.store);
        }
        // Somebody else's root is no sibling.
        scene.make(&scene.bob, json!({ "name": "twin" })).await;
    }
}

#[tokio::test]
async fn d_g3_lists_are_scoped_paged_and_count_what_they_select() {
    for scene in scenes().await {
        let [root, middle, leaf] =
            scene.chain(&["root", "middle", "leaf"]).await.try_into().unwrap();
        let own = scene.make(&scene.mallory, json!({ "name": "own" })).await;
        let mine = scene.json("/groups?level=32", &scene.mallory).await;
        assert_eq!((ids(&mine), &mine["total"]), (vec![&*own], &json!(1)), "{}", scene.store);
        let tops = scene.json("/groups", &scene.eve).await;
        assert_eq!(
            (ids(&tops), &tops["total"], &tops["level"]),
            (vec![&*root], &json!(1), &json!(1))
        );
        let two = scene.json("/groups?level=2&limit=1&offset=1", &scene.eve).await;
        assert_eq!((ids(&two), &two["total"]), (vec![&*middle], &json!(2)));
        let admin = scene.server.admin().await.unwrap();
        assert_eq!(scene.json("/groups?level=32", &admin).await["total"], 4);

        let mut seen = Vec::new();
        let mut path = "/groups?level=32&limit=1".to_owned();
        loop {
            let page = scene.json(&path, &scene.eve).await;
            seen.extend(ids(&page).into_iter().map(str::to_owned));
            let Some(cursor) = page["next_cursor"].as_str() else { break };
            path = format!("/groups?level=32&limit=1&cursor={cursor}");
        }
        assert_eq!(seen, [root, middle, leaf], "{}", scene.store);
    }
}

#[tokio::test]
async fn d_g4_a_group_is_shown_with_its_level_and_path() {
    for scene in scenes().await {
        let chain = scene.chain(&["one", "two", "three"]).await;
        for (place, id) in chain.iter().enumerate() {
            let shown = scene.json(&format!("/groups/{id}"), &scene.eve).await;
            assert_eq!(shown["level"], place + 1, "{}", scene.store);
            assert_eq!(shown["path"], chain[..=place].join("."));
            assert_eq!(
                shown.get("parent_id"),
                (place > 0).then(|| json!(chain[place - 1])).as_ref()
            );
        }
        let leaf = &chain[2];
        let parents = scene.json(&format!("/groups/{leaf}/parents?level=1"), &scene.eve).await;
        assert_eq!((ids(&parents), &parents["total"]), (vec![&*chain[1], leaf], &json!(2)));
        let parents = scene.json(&format!("/groups/{leaf}/parents?level=32"), &scene.eve).await;
        assert_eq!(ids(&parents), chain);
        let children = format!("/groups/{}/children", chain[0]);
        assert_eq!(ids(&scene.json(&children, &scene.eve).await), [&*chain[0]]);
        let two = scene.json(&format!("{children}?level=2"), &scene.eve).await;
        assert_eq!(ids(&two), chain[..2]);
        let tree = scene.json(&format!("{children}?level=3&tree=true"), &scene.eve).await;
        let nested = tree["groups"][0]["children"][0]["children"][0].clone();
        assert_eq!((&nested["id"], &nested["level"]), (&json!(leaf), &json!(3)));
        assert_eq!(tree["groups"].as_array().unwrap().len(), 1);
    }
}

#[tokio::test]
async fn d_g5_members_are_paged_counted_and_filtered() {
    for scene in scenes().await {
        let body = json!({ "name": "root", "org_id": scene.org, "metadata": { "a": 1 } });
        let root = scene.make(&scene.ada, body).await;
        let path = format!("/groups/{root}/members");
        let eve = scene.id(&scene.eve).await;
        for (kind, members) in [("things", json!(["t1", "t2", "t3"])), ("users", json!([eve]))] {
            let body = json!({ "type": kind, "members": members });
            assert_eq!(scene.status(Method::POST, &path, &scene.bob, body).await, 200);
        }
        let page = scene.json(&format!("{path}?limit=2&offset=1&type=things"), &scene.eve).await;
        assert_eq!((&page["members"], &page["total"]), (&json!(["t2", "t3"]), &json!(3)));
        assert_eq!(scene.json(&path, &scene.eve).await["total"], 4);
        let filter = |text: &str| format!("{path}?metadata={text}");
        let found = scene.json(&filter("%7B%22a%22%3A1%7D"), &scene.eve).await;
        assert_eq!(found["total"], 4, "{}", scene.store);
        let found = scene.json(&filter("%7B%22a%22%3A2%7D"), &scene.eve).await;
        assert_eq!(found["total"], 0, "{}", scene.store);
        let of = scene.json("/members/t1/groups?metadata=%7B%22a%22%3A1%7D", &scene.eve).await;
        assert_eq!((ids(&of), &of["groups"][0]["level"]), (vec![&*root], &json!(1)));
        let of = scene.json("/members/t1/groups?metadata=%7B%22a%22%3A2%7D", &scene.eve).await;
        assert_eq!(of["total"], 0);
        let out = json!({ "members": ["t1", "nobody"] });
        assert_eq!(scene.status(Method::DELETE, &path, &scene.bob, out).await, 204);
        assert_eq!(scene.json(&path, &scene.eve).await["total"], 3);
    }
}

/// What 0.13 answers 500 to, and all the rest of what cannot be: a clear error, and nothing written.
#[tokio::test]
async fn d_g6_bad_input_is_told_apart_and_writes_nothing() {
    for scene in scenes().await {
        let [root, leaf] = scene.chain(&["root", "leaf"]).await.try_into().unwrap();
        let twig = scene.make(&scene.ada, json!({ "name": "twig", "parent_id": root })).await;
        let top = scene.make(&scene.ada, json!({ "name": "leaf", "org_id": scene.org })).await;
        let own = scene.make(&scene.ada, json!({ "name": "own" })).await;
        let other = found(&scene.server, &scene.ada, "other").await;
        let foreign = scene.make(&scene.ada, json!({ "name": "foreign", "org_id": other })).await;
        let members = format!("/groups/{root}/members");
        let assigned = json!({ "type": "things", "members": ["there"] });
        assert_eq!(scene.status(Method::POST, &members, &scene.ada, assigned).await, 200);
        let before = scene.json("/groups?level=32", &scene.ada).await;

        let parent = |id: &str| json!({ "parent_id": id });
        let made = |name: &str, parent: &str| json!({ "name": name, "parent_id": parent });
        let assign = |kind: &str, ids: Value| json!({ "type": kind, "members": ids });
        let many: Vec<String> = (0..201).map(|n| format!("t{n}")).collect();
        let nobody = "0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f6";
        let groups = "/groups";
        let moving = format!("/groups/{root}/parent");
        let (twig, top) = (format!("/groups/{twig}"), format!("/groups/{top}/parent"));
        let (post, put) = (Method::POST, Method::PUT);
        for (method, path, body, status, code) in [
            (&post, groups, made("x", UNKNOWN), 404, "not_found"),
            (&post, groups, made("", &root), 400, "invalid_name_size"),
            (&post, groups, made(&"x".repeat(255), &root), 400, "invalid_name_size"),
            (&post, groups, made("leaf", &root), 409, "already_exists"),
            (
                &post,
                groups,
                json!({ "name": "x", "description": "é".repeat(1025) }),
                400,
                "malformed",
            ),
            (
                &post,
                groups,
                json!({ "name": "x", "parent_id": root, "org_id": other }),
                400,
                "invalid_parent",
            ),
            (&post, groups, json!({ "name": "x", "org_id": nobody }), 404, "not_found"),
            (&put, &twig, json!({ "name": "leaf" }), 409, "already_exists"),
            (&put, &twig, json!({ "name": "" }), 400, "invalid_name_size"),
            (&put, &top, parent(&root), 409, "already_exists"),
            (&put, &moving, parent(UNKNOWN), 404, "not_found"),
            // A misspelt member must not make a root of it.
            (&put, &moving, json!({}), 400, "malformed"),
            (&put, &moving, json!({ "parentId": leaf }), 400, "malformed"),
            (&put, &moving, parent(&root), 409, "group_cycle"),
            (&put, &moving, parent(&leaf), 409, "group_cycle"),
            (&put, &moving, parent(&foreign), 400, "invalid_parent"),
            (&put, &moving, parent(&own), 400, "invalid_parent"),
            (&post, &members, assign("", json!(["t"])), 400, "missing_member_type"),
            (&post, &members, assign("things", json!([])), 400, "empty_list"),
            (&post, &members, assign("things", json!(["new", ""])), 400, "missing_member_id"),
            (&post, &members, assign("things", json!(["new", "a\tb"])), 400, "malformed"),
            (&post, &members, assign("things", json!(many)), 400, "list_too_long"),
            (&post, &members, assign("things", json!(["new", "there"])), 409, "already_exists"),
            (&post, &members, assign("users", json!([nobody])), 404, "not_found"),
            (&post, &members, assign("users", json!(["no uuid"])), 404, "not_found"),
        ] {
            let found = scene.refused(method.clone(), path, &scene.ada, body.clone()).await;
            assert_eq!(found, (status, code.into()), "{} {method} {path} {body}", scene.store);
        }
        for id in [&root, &foreign] {
            let found = scene
                .refused(Method::DELETE, &format!("/groups/{id}"), &scene.bob, json!({}))
                .await;
            let expected = if id == &root { (403, "forbidden") } else { (404, "not_found") };
            assert_eq!(found, (expected.0, expected.1.into()));
        }
        let whole =
            scene.refused(Method::DELETE, &format!("/groups/{root}"), &scene.ada, json!({})).await;
        assert_eq!(whole, (409, "group_not_empty".into()));
        for (query, code) in [
            ("level=0", "invalid_group_level"),
            ("level=33", "invalid_group_level"),
            ("level=x", "invalid_query_parameters"),
            ("tree=maybe", "invalid_query_parameters"),
            ("metadata=x", "invalid_query_parameters"),
            ("limit=201", "invalid_limit_size"),
            ("cursor=x", "invalid_cursor"),
        ] {
            for path in [
                "/groups".to_owned(),
                format!("/groups/{root}/children"),
                format!("/groups/{root}/parents"),
            ] {
                let path = format!("{path}?{query}");
                let found = scene.refused(Method::GET, &path, &scene.ada, json!({})).await;
                assert_eq!(found, (400, code.into()), "{} {path}", scene.store);
            }
        }
        let answer = scene.server.send(Method::GET, "/groups", None, None).await.unwrap();
        assert_eq!(answer.status(), 401);
        assert_eq!(scene.json("/groups?level=32", &scene.ada).await, before, "{}", scene.store);
        assert_eq!(scene.json(&members, &scene.ada).await["total"], 1);
        let subtree = format!("/groups/{root}?subtree=true");
        assert_eq!(scene.status(Method::DELETE, &subtree, &scene.ada, json!({})).await, 204);
        assert_eq!(get(&scene.server, &format!("/groups/{leaf}"), &scene.ada).await.status(), 404);
    }
}

/// By both interfaces there: a clear error, and nothing written.
#[tokio::test]
async fn d_g6_bad_input_is_told_apart_over_grpc_too() {
    for scene in scenes().await {
        let group = scene.make(&scene.ada, json!({ "name": "root", "org_id": scene.org })).await;
        let mut ours = GroupsClient::connect(scene.server.grpc_url()).await.unwrap();
        let mut older = OlderClient::connect(scene.server.grpc_url()).await.unwrap();
        let assign = |group: &str, kind: &str, ids: &[&str]| v1::AssignRequest {
            token: scene.ada.clone(),
            group_id: group.into(),
            r#type: kind.into(),
            member_ids: ids.iter().map(ToString::to_string).collect(),
        };
        ours.assign(assign(&group, "things", &["there"])).await.unwrap();
        let nobody = "0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f6";
        let mallory = scene.id(&scene.mallory).await;
        let many: Vec<String> = (0..201).map(|n| format!("t{n}")).collect();
        let many: Vec<&str> = many.iter().map(String::as_str).collect();
        for (group, kind, ids, code) in [
            (group.as_str(), "things", &["new", "there"][..], Code::AlreadyExists),
            (&group, "things", &["new", ""], Code::InvalidArgument),
            (&group, "things", &["new", "a\tb"], Code::InvalidArgument),
            (&group, "things", &[], Code::InvalidArgument),
            (&group, "things", &many, Code::InvalidArgument),
            (&group, "", &["new"], Code::InvalidArgument),
            (&group, "users", &[nobody], Code::NotFound),
            (&group, "users", &["no uuid"], Code::NotFound),
            (&group, "users", &[&mallory], Code::NotFound),
            (UNKNOWN, "things", &["new"], Code::NotFound),
            ("zz", "things", &["new"], Code::NotFound),
        ] {
            let found = ours.assign(assign(group, kind, ids)).await.unwrap_err();
            assert_eq!(found.code(), code, "{} {group} {kind} {ids:?}", scene.store);
        }
        let eve = scene.id(&scene.eve).await;
        for (group, member, expected) in [
            (&*group, &*eve, None),
            (&group, &eve, Some(Code::AlreadyExists)),
            (&group, nobody, Some(Code::NotFound)),
            (&group, &mallory, Some(Code::NotFound)),
            (&group, "", Some(Code::InvalidArgument)),
            (UNKNOWN, &eve, Some(Code::NotFound)),
        ] {
            let asked = mainflux::Assignment {
                token: scene.ada.clone(),
                group_id: group.into(),
                member_id: member.into(),
            };
            let found = older.assign(asked).await.err().map(|status| status.code());
            assert_eq!(found, expected, "{} {group} {member}", scene.store);
        }
        let members = format!("/groups/{group}/members");
        assert_eq!(scene.json(&members, &scene.ada).await["total"], 2, "{}", scene.store);
    }
}

/// Made at once by many, they differ, and what tells them apart is not the time.
#[tokio::test]
async fn d_g7_ids_are_unique_and_cannot_be_guessed() {
    for scene in scenes().await {
        let making = (0..24).map(|n| {
            let (server, token) = (&scene.server, scene.ada.as_str());
            let body = json!({ "name": format!("group {n}") });
            async move {
                loop {
                    let made = server
                        .send(Method::POST, "/groups", Some(token), Some(&body))
                        .await
                        .unwrap();
                    // Whoever waits too long for the others is told to come back.
                    if made.status() != 503 {
                        let location = made.headers()["location"].to_str().unwrap();
                        break location.trim_start_matches("/groups/").to_owned();
                    }
                }
            }
        });
        let ids = futures_util::future::join_all(making).await;
        // The last twelve characters are 60 bits that no clock has made.
        let mut tails: Vec<&str> = ids.iter().map(|id| &id[14..]).collect();
        tails.sort_unstable();
        tails.dedup();
        assert_eq!(tails.len(), 24, "{}: {ids:?}", scene.store);
    }
}

/// A group is there with its rights or not at all: whoever made it may use it at once, and nothing of a
/// refused one is left.
#[tokio::test]
async fn d_g8_nothing_is_half_created() {
    for scene in scenes().await {
        let own = scene.make(&scene.mallory, json!({ "name": "own" })).await;
        scene.authorize(&scene.mallory, &own, "admin").await.unwrap();
        let role = format!("/groups/{own}/roles/{}", scene.id(&scene.eve).await);
        assert_eq!(
            scene.status(Method::PUT, &role, &scene.mallory, json!({ "role": "admin" })).await,
            204
        );
        scene.authorize(&scene.eve, &own, "admin").await.unwrap();
        let removal = format!("/groups/{own}");
        assert_eq!(scene.status(Method::DELETE, &removal, &scene.mallory, json!({})).await, 204);
        for token in [&scene.mallory, &scene.eve] {
            let answer = scene.authorize(token, &own, "viewer").await.unwrap_err();
            assert_eq!(answer.code(), Code::PermissionDenied);
        }
        assert_eq!(scene.json("/groups", &scene.eve).await["total"], 0, "{}", scene.store);
    }
}

#[tokio::test]
async fn d_g10_a_tree_comes_in_the_same_order_every_time() {
    for scene in scenes().await {
        let root = scene.make(&scene.ada, json!({ "name": "root", "org_id": scene.org })).await;
        let mut made = Vec::new();
        for n in 0..7 {
            made.push(
                scene
                    .make(&scene.ada, json!({ "name": format!("{}", 9 - n), "parent_id": root }))
                    .await,
            );
        }
        let path = format!("/groups/{root}/children?level=2&tree=true");
        for _ in 0..3 {
            let tree = scene.json(&path, &scene.eve).await;
            let children = json!({ "groups": tree["groups"][0]["children"] });
            assert_eq!(ids(&children), made, "{}", scene.store);
        }
    }
}

#[tokio::test]
async fn d_g11_a_tree_has_at_most_32_levels() {
    for scene in scenes().await {
        let names: Vec<String> = (1..=32).map(|level| format!("level {level}")).collect();
        let chain = scene.chain(&names.iter().map(String::as_str).collect::<Vec<_>>()).await;
        let deeper = json!({ "name": "level 33", "parent_id": chain[31] });
        let found = scene.refused(Method::POST, "/groups", &scene.ada, deeper).await;
        assert_eq!(found, (400, "too_deep".into()), "{}", scene.store);
        let two = scene.chain(&["two", "levels"]).await;
        let moving = format!("/groups/{}/parent", two[0]);
        let below = json!({ "parent_id": chain[30] });
        let found = scene.refused(Method::PUT, &moving, &scene.ada, below).await;
        assert_eq!(found, (400, "too_deep".into()), "{}", scene.store);
        let gone = format!("/groups/{}?subtree=true", two[0]);
        assert_eq!(scene.status(Method::DELETE, &gone, &scene.ada, json!({})).await, 204);
        let all = scene
            .json(&format!("/groups/{}/children?level=32&limit=200", chain[0]), &scene.eve)
            .await;
        assert_eq!(ids(&all), chain);
        scene.authorize(&scene.eve, &chain[31], "viewer").await.unwrap();
        let tree = scene.json("/groups?level=32&tree=true&limit=200", &scene.eve).await;
        let deepest = (1..32).fold(&tree["groups"][0], |group, _| &group["children"][0]);
        assert_eq!(deepest["id"], chain[31].as_str());
    }
}
