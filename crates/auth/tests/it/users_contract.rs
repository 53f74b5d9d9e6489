//! What clients of the original's users service rely on, row by row, on the listener with its contract: the numbers
//! are those of the list of contract cases.

use auth_grpc::proto::users_service_client::UsersServiceClient;
use auth_grpc::proto::{PageMetadata, UsersByEmailsReq, UsersByIDsReq};
use auth_testkit::{Postgres, Server, Setup};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tonic::Code;
use tonic::transport::Channel;

use crate::users::id;
use crate::users_listener::{ask, with_ports};
use crate::world::{code, make_key, stores};

const PASSWORD: &str = auth_testkit::ADMIN_PASSWORD;
const NO: &str = "failed to perform authentication over the entity";

/// What a request is answered: its status and, of a refusal, the original's text.
async fn told(answer: Response) -> (u16, String) {
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    let body: Value = serde_json::from_str(&text).unwrap_or_default();
    (status, body["error"].as_str().unwrap_or_default().to_owned())
}

struct People {
    store: &'static str,
    server: Server,
    root: String,
    ada: String,
    ada_id: String,
}

impl People {
    async fn start(store: &'static str, setup: Setup) -> Self {
        let server = with_ports(setup).start().await.unwrap();
        let root = server.admin().await.unwrap();
        let ada = server.user("ada@example.com").await.unwrap();
        let ada_id = crate::world::identify(&server, &ada).await.unwrap();
        Self { store, server, root, ada, ada_id }
    }

    async fn post(&self, path: &str, token: Option<&str>, body: Value) -> (u16, String) {
        told(ask(&self.server, Method::POST, path, token, Some(body)).await).await
    }

    async fn get(&self, path: &str, token: Option<&str>) -> (u16, String) {
        told(ask(&self.server, Method::GET, path, token, None).await).await
    }

    fn users(&self) -> UsersServiceClient<Channel> {
        let address = format!("http://{}", self.server.users_grpc.unwrap());
        UsersServiceClient::new(Channel::from_shared(address).unwrap().connect_lazy())
    }
}

fn refusal(status: u16, error: &str) -> (u16, String) {
    (status, error.to_owned())
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u1_u2_u5_u6_u7_u8_accounts_are_opened_and_people_sign_in() {
    for (store, setup) in stores().await {
        let people = People::start(store, setup).await;
        let (root, ada) = (Some(&*people.root), Some(&*people.ada));
        let register = |email: &str, password: &str| {
            let user = json!({ "email": email, "password": password });
            people.post("/register", None, json!({ "user": user, "redirect_path": "/v" }))
        };
        assert_eq!(
            register("new@example.com", "a-long-password").await,
            refusal(201, ""),
            "{store}"
        );
        let again = register("new@example.com", "a-long-password").await;
        assert_eq!(again, refusal(409, "entity already exists"), "{store}");
        let user = json!({ "email": "other@example.com", "password": "a-long-password" });
        let pathless = people.post("/register", None, json!({ "user": user })).await;
        assert_eq!(pathless, refusal(400, "missing redirect path"), "{store}");

        let url = format!("http://{}/register", people.server.users_http.unwrap());
        let text = people.server.client.post(url).body("{}").send().await.unwrap();
        assert_eq!(told(text).await, refusal(415, "unsupported content type"), "{store}");

        let body = json!({ "email": " blank@example.com ", "password": PASSWORD });
        let made = ask(&people.server, Method::POST, "/users", root, Some(body.clone())).await;
        assert_eq!(made.status(), 201, "{store}");
        let place = made.headers()["location"].to_str().unwrap().to_owned();
        let shown = ask(&people.server, Method::GET, &place, root, None).await;
        assert_eq!(shown.json::<Value>().await.unwrap()["email"], "blank@example.com", "{store}");
        for (token, status) in [(ada, 403), (None, 401), (Some("x"), 401)] {
            let (answer, _) = people.post("/users", token, body.clone()).await;
            assert_eq!(answer, status, "{store}: GO-57");
        }
        // What is wrong with the password is said before who may is asked.
        let weak = json!({ "email": "weak@example.com", "password": "short" });
        let said = "password does not meet the requirements";
        assert_eq!(people.post("/users", ada, weak.clone()).await, refusal(400, said), "{store}");
        assert_eq!(people.post("/users", None, weak).await.0, 401, "{store}");
        for (password, status) in [
            ("short", 400),
            ("\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}\u{e9}", 201),
            (&*"x1".repeat(37), 400),
        ] {
            let body = json!({ "email": format!("p{}@example.com", password.len()), "password": password });
            assert_eq!(people.post("/users", root, body).await.0, status, "{store} {password}");
        }
        let body =
            json!({ "email": "off@example.com", "password": PASSWORD, "status": "disabled" });
        assert_eq!(people.post("/users", root, body).await.0, 201, "{store}");
        let body = json!({ "email": "foo@example.com", "password": PASSWORD, "status": "foo" });
        let odd = people.post("/users", root, body).await;
        assert_eq!(odd, refusal(400, "invalid user account status"), "{store}");

        for (email, password, expected) in [
            ("ada@example.com", PASSWORD, refusal(201, "")),
            (" ada@example.com ", PASSWORD, refusal(201, "")),
            ("ada@example.com", "x", refusal(401, NO)),
            ("nobody@example.com", PASSWORD, refusal(401, NO)),
            ("off@example.com", PASSWORD, refusal(401, NO)),
        ] {
            let body = json!({ "email": email, "password": password });
            assert_eq!(people.post("/tokens", None, body).await, expected, "{store} {email}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u9_u10_u11_u12_u13_u14_people_are_shown_listed_and_disabled() {
    for (store, setup) in stores().await {
        let people = People::start(store, setup).await;
        let (root, ada) = (Some(&*people.root), Some(&*people.ada));
        for (token, status) in [(ada, 200), (root, 200), (None, 401), (Some("x.y.z"), 401)] {
            assert_eq!(people.get("/users/profile", token).await.0, status, "{store}");
        }
        let profile = async |token| {
            let answer = ask(&people.server, Method::GET, "/users/profile", token, None).await;
            answer.json::<Value>().await.unwrap()
        };
        assert_eq!(profile(root).await["role"], "root", "{store}");
        assert_eq!(profile(ada).await.get("role"), None, "{store}");
        let own = format!("/users/{}", people.ada_id);
        for (path, token, status) in [
            (&*own, ada, 200),
            ("/users/0192d3f0-9999-7abc-8def-000000000000", ada, 403),
            ("/users/0192d3f0-9999-7abc-8def-000000000000", root, 404),
            ("/users/zz", root, 404),
            ("/users", root, 200),
            ("/users", ada, 403),
            ("/users?limit=201", root, 400),
            ("/users?order=name", root, 400),
            ("/users?dir=ASC", root, 400),
            ("/users?status=x", root, 400),
        ] {
            assert_eq!(people.get(path, token).await.0, status, "{store} {path}");
        }
        for (body, status) in [(json!({ "limit": 0 }), 200), (json!({ "limit": -1 }), 400)] {
            assert_eq!(people.post("/users/search", root, body).await.0, status, "{store}");
        }
        let put = ask(
            &people.server,
            Method::PUT,
            "/users",
            ada,
            Some(json!({ "metadata": { "a": 1 } })),
        );
        assert_eq!(put.await.status(), 200, "{store}");
        let url = format!("{own}/disable");
        let disable = async |token: Option<&str>| people.post(&url, token, json!({})).await.0;
        assert_eq!(disable(ada).await, 403, "{store}: GO-40");
        assert_eq!(disable(root).await, 204, "{store}");
        assert_eq!(disable(root).await, 204, "{store}: repeated");
        assert_eq!(people.get("/users/profile", ada).await.0, 401, "{store}: its token is dead");
        let admin = crate::world::identify(&people.server, &people.root).await.unwrap();
        let last = people.post(&format!("/users/{admin}/disable"), root, json!({})).await;
        assert_eq!(last.0, 409, "{store}");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u15_u16_u17_u18_fw2_go47_passwords_are_changed_by_what_is_meant_for_it_alone() {
    for (store, setup) in stores().await {
        let people = People::start(store, setup).await;
        let (_, key) = make_key(&people.server, &people.ada).await;
        let patch = async |token: Option<&str>, body: Value| {
            told(ask(&people.server, Method::PATCH, "/password", token, Some(body)).await).await
        };
        let (root, ada) = (Some(&*people.root), Some(&*people.ada));
        let new = "another-long-one";
        for (token, body, expected) in [
            (
                ada,
                json!({ "password": new, "old_password": "x" }),
                refusal(400, "invalid current password"),
            ),
            (ada, json!({ "password": new }), refusal(400, "missing password")),
            (ada, json!({ "password": new, "email": "a@b.io", "old_password": "x" }), {
                refusal(401, NO)
            }),
            (ada, json!({ "password": new, "email": "admin@example.com" }), {
                refusal(403, "failed to perform authorization over the entity")
            }),
            (root, json!({ "password": new, "email": "nobody@example.com" }), {
                refusal(404, "entity not found")
            }),
        ] {
            assert_eq!(patch(token, body.clone()).await, expected, "{store} {body}");
        }
        for path in ["", "@evil/x"] {
            let body = json!({ "email": "ada@example.com", "redirect_path": path });
            assert_eq!(people.post("/password/reset-request", None, body).await.0, 400, "{store}");
        }
        for email in ["ada@example.com", "nobody@example.com"] {
            let body = json!({ "email": email, "redirect_path": "/r" });
            assert_eq!(people.post("/password/reset-request", None, body).await.0, 201, "{store}");
        }
        let reset = async |token: &str, again: &str| {
            let body = json!({ "token": token, "password": new, "confirm_password": again });
            told(ask(&people.server, Method::PUT, "/password/reset", None, Some(body)).await).await
        };
        // A session or an API key is no link from a mail.
        for token in [&people.ada, &key] {
            assert_eq!(reset(token, new).await, refusal(401, NO), "{store}");
        }
        assert_eq!(
            reset(&people.ada, "x").await,
            refusal(400, "invalid reset password"),
            "{store}"
        );
        assert_eq!(reset(&people.ada, "").await, refusal(400, "missing conf password"), "{store}");
        assert_eq!(reset("", new).await.0, 401, "{store}");
        assert_eq!(patch(ada, json!({ "password": new, "old_password": PASSWORD })).await.0, 201);
        people.server.login("ada@example.com", new).await.unwrap();
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u27_u28_go22_siblings_find_people_on_the_second_grpc_port() {
    for (store, setup) in stores().await {
        let people = People::start(store, setup).await;
        for (name, status) in [("b", "enabled"), ("C", "enabled"), ("off", "disabled")] {
            let body = json!({ "email": format!("{name}@example.com"), "password": PASSWORD, "status": status });
            assert_eq!(people.post("/users", Some(&people.root), body).await.0, 201, "{store}");
        }
        let mut users = people.users();
        let all = ["ada", "b", "C"].map(|name| format!("{name}@example.com"));
        let asked = UsersByEmailsReq { emails: all.to_vec() };
        let found = users.get_users_by_emails(asked).await.unwrap().into_inner().users;
        let ids: Vec<String> = found.iter().map(|user| user.id.clone()).collect();
        let by_ids = |ids: Vec<String>, page: Option<PageMetadata>| {
            let mut users = users.clone();
            async move { users.get_users_by_i_ds(UsersByIDsReq { ids, page_metadata: page }).await }
        };
        let count =
            async |ids: Vec<String>| by_ids(ids, None).await.unwrap().into_inner().users.len();
        assert_eq!(count(vec![id(99)]).await, 0, "{store}: unknown");
        assert_eq!(count(vec![ids[0].clone(), ids[0].clone()]).await, 1, "{store}: repeated");
        for bad in [vec![], vec!["zz".to_owned()], vec!["') OR 1=1 --".to_owned()]] {
            assert_eq!(code(by_ids(bad, None).await), Code::InvalidArgument, "{store}");
        }
        let page = PageMetadata {
            order: "email".into(),
            dir: "asc".into(),
            limit: 2,
            offset: 1,
            ..PageMetadata::default()
        };
        let part = by_ids(ids, Some(page)).await.unwrap().into_inner();
        let emails: Vec<_> = part.users.iter().map(|user| user.email.as_str()).collect();
        assert_eq!(emails, ["b@example.com", "C@example.com"], "{store}");
        assert_eq!(part.page_metadata.unwrap().total, 3, "{store}");

        let by_emails = |emails: &[&str]| {
            let emails = emails.iter().map(|email| (*email).to_owned()).collect();
            let mut users = users.clone();
            async move { users.get_users_by_emails(UsersByEmailsReq { emails }).await }
        };
        let found = by_emails(&["b@example.com", "ada@example.com", "b@example.com"]).await;
        let found = found.unwrap().into_inner().users;
        let emails: Vec<_> = found.iter().map(|user| user.email.as_str()).collect();
        assert_eq!(emails, ["b@example.com", "ada@example.com", "b@example.com"], "{store}");
        for bad in ["nobody@example.com", "off@example.com"] {
            let refused = by_emails(&["ada@example.com", bad]).await;
            assert_eq!(code(refused), Code::NotFound, "{store} {bad}");
        }
        assert_eq!(code(by_emails(&[]).await), Code::InvalidArgument, "{store}");
        assert_eq!(people.store, store);
    }
}

/// bcrypt looks at 72 bytes, and whoever has such a hash signs in as before.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u8_gw16_go54_a_hash_of_the_original_takes_what_it_took_there() {
    const WHOLE: &str = "123456789 123456789 123456789 123456789 123456789 123456789 123456789 12";
    const HASH: &str = "$2a$04$N9qo8uLOickgx2ZMRZoMyeI4P4pE0k3FAa2HGCbbw3c.GSaZDy2qG";
    assert_eq!(WHOLE.len(), 72);
    for (store, setup) in stores().await {
        let original = Postgres::shared().await.unwrap().database().await.unwrap();
        original
            .execute(include_str!("../../../postgres/tests/mainflux_users_v033.sql"))
            .await
            .unwrap();
        let row = format!(
            "INSERT INTO users VALUES ('{}', 'long@example.com', '{HASH}', '{{}}', 'enabled')",
            id(1)
        );
        original.execute(&row).await.unwrap();
        let file = setup.data_dir().with_file_name("users-password");
        std::fs::write(&file, &original.password).unwrap();
        let from = format!(
            "postgres://{}@{}:{}/{}",
            original.user, original.host, original.port, original.name
        );
        let file = file.to_str().unwrap();
        let told = ["import", "users", "--from", &from, "--password-file", file];
        let (status, said) = setup.run(&told).await.unwrap();
        assert!(status.success(), "{store}: {said}");
        let server = with_ports(setup).start().await.unwrap();
        let login = async |password: &str| {
            let body = json!({ "email": "long@example.com", "password": password });
            ask(&server, Method::POST, "/tokens", None, Some(body)).await.status().as_u16()
        };
        assert_eq!(login(&WHOLE[..71]).await, 401, "{store}");
        // What stands behind makes no difference, as often as it is typed: whoever typed a part of a longer password
        // must not make that part the whole.
        for _ in 0..2 {
            assert_eq!(login(WHOLE).await, 201, "{store}");
            assert_eq!(login(&format!("{WHOLE} and more")).await, 201, "{store}");
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn u19_u20_u21_u22_invites_to_the_platform_are_where_the_original_has_them() {
    for (store, setup) in stores().await {
        let people = People::start(store, setup).await;
        let (root, ada) = (Some(&*people.root), Some(&*people.ada));
        let grace = json!({ "email": "grace@example.com", "redirect_path": "/join" });
        for (token, status) in [(None, 401), (ada, 403)] {
            assert_eq!(people.post("/invites", token, grace.clone()).await.0, status, "{store}");
        }
        let made = ask(&people.server, Method::POST, "/invites", root, Some(grace.clone())).await;
        assert_eq!(made.status(), 201, "{store}");
        let place = made.headers()["location"].to_str().unwrap().to_owned();
        assert!(place.starts_with("/invites/"), "{store}: {place}");
        assert_eq!(
            people.post("/invites", root, grace).await,
            refusal(409, "user already has pending invite to org"),
            "{store}"
        );
        let shown = ask(&people.server, Method::GET, &place, root, None).await;
        let shown: Value = shown.json().await.unwrap();
        assert_eq!(shown["invitee_email"], "grace@example.com", "{store}");
        let page = ask(&people.server, Method::GET, "/invites?state=pending", root, None).await;
        assert_eq!(page.json::<Value>().await.unwrap()["invites"], json!([shown]), "{store}");

        let user = json!({ "email": "grace@example.com", "password": PASSWORD });
        let body = json!({ "user": user, "redirect_path": "/answer" });
        let register = format!("/register{}", place.replace("/invites", "/invite"));
        let grace = ask(&people.server, Method::POST, &register, None, Some(body)).await;
        assert_eq!(grace.status(), 201, "{store}");
        let closed = ask(&people.server, Method::DELETE, &place, root, None).await;
        assert_eq!(told(closed).await, refusal(403, "invalid invite state"), "{store}");
    }
}
