//! Weaknesses of other systems that sign people up and in, which ours must not have. Tests of one are named after it, here
//! for what no other test shows.

use auth_testkit::{Server, Smtp};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::mail::scene::{Scene, mailing, received};
use crate::world::{embedded, get, stores};

const ADA: &str = "ada@example.com";

async fn register(server: &Server, user: Value) -> Response {
    let body = json!({ "user": user, "redirect_path": "/verify" });
    server.send(Method::POST, "/register", None, Some(&body)).await.unwrap()
}

/// Neither the password nor anything that could be turned back into it is stored, and it is compared as it was typed.
#[tokio::test]
async fn fw7_a_password_is_hashed_and_nothing_is_cut_off_it() {
    let database = auth_testkit::Postgres::shared().await.unwrap().database().await.unwrap();
    let server = embedded().on(&database).start().await.unwrap();
    let typed = " blanks at both ends\t";
    let made = register(&server, json!({ "email": ADA, "password": typed })).await;
    assert_eq!(made.status(), 201);
    for other in [typed.trim(), typed.trim_start(), typed.trim_end(), &typed.to_uppercase()] {
        assert!(server.login(ADA, other).await.is_err(), "{other:?}");
    }
    server.login(ADA, typed).await.unwrap();
    // Fails if the text is in the table of accounts.
    let absent = async |text: &str| {
        let statement = format!(
            "DO $$ BEGIN IF EXISTS (SELECT 1 FROM keyward_accounts \
             WHERE position('{text}' IN keyward_accounts::text) > 0) \
             THEN RAISE EXCEPTION 'it is there'; END IF; END $$"
        );
        database.execute(&statement).await
    };
    absent("blanks at both ends").await.unwrap();
    assert!(absent("$argon2id$v=19$").await.is_err(), "it is hashed by Argon2id");
}

/// What reads mail before people do, and follows its links, does nothing by that.
#[tokio::test]
async fn fw19_following_a_link_has_no_effect() {
    let smtp = Smtp::start().await.unwrap();
    let setup = mailing(embedded(), &smtp).set("MF_REQUIRE_EMAIL_VERIFICATION", "false");
    let scene = Scene::new(&setup, "Acme").await;
    let org_invite = scene.invite("bob@example.com").await;
    let body = json!({ "email": "grace@example.com", "redirect_path": "/join" });
    let made = scene.post("/platform-invites", &scene.admin, Some(&body)).await;
    let invite = made.headers()["location"].to_str().unwrap().to_owned();
    let id = invite.trim_start_matches("/platform-invites/").to_owned();
    for (path, token) in [
        (format!("/invites/{org_invite}/accept"), Some(&*scene.bob)),
        (format!("/register/invite/{id}"), None),
        ("/register/verify?token=x".to_owned(), None),
        ("/password/reset?token=x".to_owned(), None),
    ] {
        let followed = scene.server.send(Method::GET, &path, token, None).await.unwrap();
        assert_eq!(followed.status(), 405, "{path}");
    }
    let shown = get(&scene.server, &format!("/invites/{org_invite}"), &scene.ada).await;
    assert_eq!(shown.json::<Value>().await.unwrap()["state"], "pending");
    let shown = get(&scene.server, &invite, &scene.admin).await;
    assert_eq!(shown.json::<Value>().await.unwrap()["state"], "pending");
}

/// Whatever else somebody says of themselves when they sign up is not theirs to say.
#[tokio::test]
async fn pw2_nobody_gives_themselves_a_role_or_an_id() {
    for (store, setup) in stores().await {
        let server = setup.start().await.unwrap();
        let root = server.admin().await.unwrap();
        let id = "0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f6";
        let password = "a long enough one";
        let user = json!({
            "email": ADA, "password": password, "id": id, "role": "root", "roles": ["root"],
            "status": "disabled", "platform_role": "root", "created_at": "1970-01-01T00:00:00Z"
        });
        assert_eq!(register(&server, user).await.status(), 201, "{store}");
        let login = server.login(ADA, password).await.unwrap();
        let own: Value = get(&server, "/users/profile", &login).await.json().await.unwrap();
        assert_ne!(own["id"], id, "{store}");
        assert_eq!((&own["role"], &own["status"]), (&Value::Null, &json!("enabled")), "{store}");
        assert_eq!(get(&server, "/users", &login).await.status(), 403, "{store}");
        assert_eq!(get(&server, "/users", &root).await.status(), 200, "{store}");
    }
}

/// An account that is taken from somebody leaves its address taken: nobody else becomes them.
#[tokio::test]
async fn pw13_gw17_a_disabled_account_frees_no_address() {
    let smtp = Smtp::start().await.unwrap();
    let setup = mailing(embedded(), &smtp).set("MF_REQUIRE_EMAIL_VERIFICATION", "true");
    let server = setup.start().await.unwrap();
    let root = server.admin().await.unwrap();
    let body = json!({ "email": ADA, "password": "a long enough one" });
    let made = server.send(Method::POST, "/users", Some(&root), Some(&body)).await.unwrap();
    let ada = made.headers()["location"].to_str().unwrap().to_owned();
    let disable = format!("{ada}/disable");
    let disabled = server.send(Method::POST, &disable, Some(&root), None).await.unwrap();
    assert_eq!(disabled.status(), 204);
    let body = json!({ "email": "ADA@example.com", "password": "a long enough one" });
    let taken = server.send(Method::POST, "/users", Some(&root), Some(&body)).await.unwrap();
    assert_eq!(taken.status(), 409);
    let body = json!({ "email": ADA, "redirect_path": "/join" });
    let taken = server.send(Method::POST, "/platform-invites", Some(&root), Some(&body)).await;
    assert_eq!(taken.unwrap().status(), 409);
    for email in [ADA, "new@example.com"] {
        let user = json!({ "email": email, "password": "another long one" });
        assert_eq!(register(&server, user).await.status(), 201, "nobody is told");
    }
    assert_eq!(received(&smtp, 1).await[0].to, ["new@example.com"], "nor is a link mailed");
}
