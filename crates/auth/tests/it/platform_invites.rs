//! Invites to the platform over the real binary, with a real mail server. The numbers of the cases are those of the users
//! contract.

use auth_testkit::{Received, Server, Smtp};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::mail::scene::{mailing, received};
use crate::world::{found, get, stores};

const GRACE: &str = "grace@example.com";
const PASSWORD: &str = "a long enough one";

async fn invite(server: &Server, token: Option<&str>, body: Value) -> Response {
    server.send(Method::POST, "/platform-invites", token, Some(&body)).await.unwrap()
}

async fn register(server: &Server, id: &str, email: &str, password: &str) -> Response {
    let user = json!({ "email": email, "password": password, "metadata": { "a": 1 } });
    let body = json!({ "user": user, "redirect_path": "/answer" });
    let path = format!("/register/invite/{id}");
    server.send(Method::POST, &path, None, Some(&body)).await.unwrap()
}

async fn revoke(server: &Server, id: &str, token: &str) -> Response {
    let path = format!("/platform-invites/{id}");
    server.send(Method::DELETE, &path, Some(token), None).await.unwrap()
}

fn id(made: &Response) -> String {
    assert_eq!(made.status(), 201);
    let location = made.headers()["location"].to_str().unwrap();
    location.strip_prefix("/platform-invites/").unwrap().to_owned()
}

async fn refused(answer: Response, status: u16, error: &str) {
    assert_eq!(answer.status(), status);
    let body: Value = answer.json().await.unwrap();
    assert_eq!(body["error"], error, "{body}");
}

/// What the link in a part of the mail ends with.
fn secret(mail: &Received, part: &str) -> String {
    let text = mail.part(part).unwrap();
    let (_, rest) = text.split_once("https://front.example/app/join/").unwrap();
    let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && !"-_".contains(c));
    rest[..end.unwrap()].to_owned()
}

fn plain(email: &str) -> Value {
    json!({ "email": email, "redirect_path": "/join" })
}

#[tokio::test]
async fn u19_u20_u21_go60_the_platform_invites_and_looks_after_it() {
    for (store, setup) in stores().await {
        let server = setup.start().await.unwrap();
        let root = server.admin().await.unwrap();
        let ada = server.user("ada@example.com").await.unwrap();
        let org = found(&server, &ada, "Acme").await;
        for (body, status, error) in [
            (json!({ "redirect_path": "/join" }), 400, "missing email"),
            (json!({ "email": GRACE }), 400, "missing redirect path"),
            (json!({ "email": GRACE, "redirect_path": "/j", "org_id": org }), 400, "missing role"),
            (
                json!({ "email": GRACE, "redirect_path": "/j", "org_id": org, "role": "owner" }),
                400,
                "invalid role",
            ),
            (
                json!({ "email": GRACE, "redirect_path": "@evil.example/" }),
                400,
                "malformed entity specification",
            ),
            (
                json!({
                    "email": GRACE, "redirect_path": "/j", "role": "viewer",
                    "org_id": "0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f6"
                }),
                404,
                "entity not found",
            ),
            (plain("ADA@example.com"), 409, "entity already exists"),
        ] {
            println!("{store} {body}");
            refused(invite(&server, Some(&root), body).await, status, error).await;
        }
        let no = "failed to perform authorization over the entity";
        refused(invite(&server, Some(&ada), plain(GRACE)).await, 403, no).await;
        assert_eq!(invite(&server, None, plain(GRACE)).await.status(), 401, "{store}");
        let first = id(&invite(&server, Some(&root), plain(GRACE)).await);
        assert_eq!(invite(&server, Some(&root), plain("Grace@example.com")).await.status(), 409);

        let list = get(&server, "/platform-invites?email=GRACE&state=pending", &root).await;
        assert_eq!(list.headers()["content-type"], "application/json", "{store}");
        let list: Value = list.json().await.unwrap();
        let one = &list["invites"][0];
        assert_eq!((&list["total"], &list["order"]), (&json!(1), &json!("id")), "{list}");
        assert_eq!((&one["id"], &one["state"]), (&json!(first), &json!("pending")), "{list}");
        let shown: Value =
            get(&server, &format!("/platform-invites/{first}"), &root).await.json().await.unwrap();
        assert_eq!(&shown, one, "{store}");
        for (query, total) in [("?state=accepted", 0), ("?state=unknown", 0), ("?email=%25", 0)] {
            let list = get(&server, &format!("/platform-invites{query}"), &root).await;
            assert_eq!(list.json::<Value>().await.unwrap()["total"], total, "{store} {query}");
        }
        for query in ["?order=name", "?dir=up", "?limit=201", "?limit=x"] {
            let list = get(&server, &format!("/platform-invites{query}"), &root).await;
            assert_eq!(list.status(), 400, "{store} {query}");
        }
        assert_eq!(get(&server, "/platform-invites", &ada).await.status(), 403, "{store}");
        assert_eq!(revoke(&server, &first, &ada).await.status(), 403, "{store}");
        assert_eq!(revoke(&server, &first, &root).await.status(), 204, "{store}");
        refused(revoke(&server, &first, &root).await, 403, "invalid invite state").await;
        assert_eq!(revoke(&server, "zz", &root).await.status(), 404, "{store}");
        refused(register(&server, &first, GRACE, PASSWORD).await, 403, no).await;
        refused(register(&server, "", GRACE, PASSWORD).await, 400, "missing invite ID").await;
        let malformed = "malformed entity specification";
        refused(register(&server, "zz", GRACE, PASSWORD).await, 400, malformed).await;
    }
}

#[tokio::test]
async fn u22_u23_go43_fw18_the_invitee_opens_an_account_by_the_mail() {
    for (store, setup) in stores().await {
        let smtp = Smtp::start().await.unwrap();
        let setup = mailing(setup, &smtp).set("MF_USERS_SELF_REGISTER_ENABLED", "false");
        let server = setup.start().await.unwrap();
        let root = server.admin().await.unwrap();
        let org = found(&server, &root, "Acme").await;
        let body = json!({
            "email": GRACE, "redirect_path": "/join", "org_id": org, "role": "editor"
        });
        let invited = id(&invite(&server, Some(&root), body).await);
        let mail = received(&smtp, 1).await.remove(0);
        assert_eq!(mail.to, [GRACE], "{store}");
        for part in ["text/plain", "text/html"] {
            let text = mail.part(part).unwrap();
            assert!(text.contains("Acme"), "{store}: {text}");
            assert!(!text.contains(&invited), "{store}: s54");
            assert_eq!(secret(&mail, part), secret(&mail, "text/plain"), "{store}");
        }
        let no = "failed to perform authorization over the entity";
        refused(register(&server, &invited, GRACE, PASSWORD).await, 403, no).await;
        let malformed = "malformed entity specification";
        refused(register(&server, "zz", GRACE, PASSWORD).await, 400, malformed).await;
        let shown = get(&server, &format!("/platform-invites/{invited}"), &root).await;
        let link = secret(&mail, "text/plain");
        assert!(link.len() >= 32 + 22, "{store}: 128 bits beside its name");
        assert!(!shown.text().await.unwrap().contains(&link[..32]), "{store}");
        let cut = &link[..link.len() - 1];
        refused(register(&server, cut, GRACE, PASSWORD).await, 403, no).await;
        refused(register(&server, &link, "eve@example.com", PASSWORD).await, 403, no).await;
        let long = "x".repeat(73);
        let weak = "password does not meet the requirements";
        refused(register(&server, &link, GRACE, &long).await, 400, weak).await;
        let opened = register(&server, &link, "Grace@example.com", PASSWORD).await;
        assert_eq!(opened.status(), 201, "{store}");
        let place = opened.headers()["location"].to_str().unwrap().to_owned();
        let again = register(&server, &link, GRACE, PASSWORD).await;
        refused(again, 409, "entity already exists").await;
        let grace = server.login(GRACE, PASSWORD).await.unwrap();
        let received_by = format!("{place}/invites/received");
        let list: Value = get(&server, &received_by, &grace).await.json().await.unwrap();
        assert_eq!(list["invites"][0]["state"], "pending", "{store}: {list}");
        let org_invite = list["invites"][0]["id"].as_str().unwrap();
        let mail = received(&smtp, 2).await.remove(1);
        let answer = format!("https://front.example/app/answer/{org_invite}");
        assert!(mail.part("text/plain").unwrap().contains(&answer), "{store}: {}", mail.data);
        let accept = format!("/invites/{org_invite}/accept");
        let accepted = server.send(Method::POST, &accept, Some(&grace), None).await.unwrap();
        assert_eq!(accepted.status(), 201, "{store}");
        let members = get(&server, &format!("/orgs/{org}/memberships"), &root).await;
        assert!(members.text().await.unwrap().contains("Grace@example.com"), "{store}");
        let shown = get(&server, &format!("/platform-invites/{invited}"), &root).await;
        assert_eq!(shown.json::<Value>().await.unwrap()["state"], "accepted", "{store}");
        assert!(!server.output().contains(&link), "{store}: {}", server.output());
    }
}

/// Of registering and revoking at the same moment one wins, and what it says is so.
#[tokio::test]
async fn u23_go44_registering_and_revoking_at_once_have_one_winner() {
    for (store, setup) in stores().await {
        let server = setup.start().await.unwrap();
        let root = server.admin().await.unwrap();
        for round in 0..12 {
            let email = format!("new{round}@example.com");
            let invited = id(&invite(&server, Some(&root), plain(&email)).await);
            let (registered, revoked) = tokio::join!(
                register(&server, &invited, &email, PASSWORD),
                revoke(&server, &invited, &root)
            );
            let outcome = (registered.status().as_u16(), revoked.status().as_u16());
            assert!([(201, 403), (403, 204)].contains(&outcome), "{store}: {outcome:?}");
            let opened = server.login(&email, PASSWORD).await.is_ok();
            assert_eq!(opened, outcome.0 == 201, "{store}");
        }
    }
}
