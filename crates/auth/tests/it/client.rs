//! The client crate and the real binary: a service of the fleet behind the layer, retries and restarts,
//! certificates, and the calls of `auth.v1` on both stores.

use std::time::Duration;

use auth_client::Verdict::{Allowed, Denied, NotFound};
use auth_client::{Action, AuthClient, Check, Error, GroupRole, PlatformRole, TokenKind};
use auth_testkit::{SECRET, Server, Setup};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::net::TcpListener;

use crate::tls::{Authority, with_tls};
use crate::world::{embedded, eventually, found, make_key, stores};

#[expect(dead_code, reason = "its main function is for people who start it")]
#[path = "../../../client/examples/notes.rs"]
mod notes;

/// A client that waits long enough for a busy machine.
fn client(server: &Server) -> AuthClient {
    AuthClient::builder(server.grpc_url()).timeout(Duration::from_secs(20)).build().unwrap()
}

/// The same setup on a port that stays the same when it is started again.
async fn settled(setup: Setup) -> Setup {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    setup.set("MF_AUTH_GRPC_PORT", listener.local_addr().unwrap().port().to_string())
}

/// Starts the example on a socket of its own and gives its address.
async fn notes_behind(auth: String) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    tokio::spawn(async move { notes::serve(listener, &auth).await });
    address
}

async fn user_id(server: &Server, token: &str) -> String {
    client(server).identify(token).await.unwrap().user_id
}

async fn join(server: &Server, owner: &str, org: &str, email: &str, role: &str) {
    let body = json!({ "org_memberships": [{ "email": email, "role": role }] });
    let path = format!("/orgs/{org}/memberships");
    let added = server.send(Method::POST, &path, Some(owner), Some(&body)).await.unwrap();
    assert_eq!(added.status(), 200);
}

#[tokio::test]
async fn the_example_service_answers_as_the_members_of_its_orgs_may() {
    let setup = settled(embedded()).await;
    let server = setup.start().await.unwrap();
    let (ada, bob) = (
        server.user("ada@example.com").await.unwrap(),
        server.user("bob@example.com").await.unwrap(),
    );
    let eve = server.user("eve@example.com").await.unwrap();
    let org = found(&server, &ada, "acme").await;
    join(&server, &ada, &org, "bob@example.com", "viewer").await;
    let url = format!("{}/orgs/{org}/notes", notes_behind(server.grpc_url()).await);
    let http = server.client.clone();
    let ask = async |method: Method, token: Option<&str>| {
        let mut request = http.request(method, &url).body("hello");
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        let answer = request.send().await.unwrap();
        (answer.status(), answer.headers().clone(), answer.text().await.unwrap())
    };
    let status = async |method: Method, token| ask(method, token).await.0;

    for token in [None, Some("x.y.z"), Some("")] {
        let (status, headers, text) = ask(Method::GET, token).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{token:?}");
        assert_eq!(headers["www-authenticate"], "Bearer");
        let document: Value = serde_json::from_str(&text).unwrap();
        assert_eq!(document["status"], 401);
    }
    assert_eq!(status(Method::GET, Some(&eve)).await, StatusCode::FORBIDDEN);
    assert_eq!(status(Method::POST, Some(&bob)).await, StatusCode::FORBIDDEN);
    assert_eq!(status(Method::POST, Some(&ada)).await, StatusCode::OK);
    let (_, key) = make_key(&server, &bob).await;
    let written = json!([format!("{}: hello", user_id(&server, &ada).await)]).to_string();
    for token in [&bob, &ada, &key] {
        let (status, _, text) = ask(Method::GET, Some(token)).await;
        assert_eq!((status, text.as_str()), (StatusCode::OK, written.as_str()));
    }

    assert!(server.stop().await.unwrap().success());
    for token in [&ada, &eve] {
        let (status, headers, _) = ask(Method::GET, Some(token)).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "away is never a 401");
        assert!(headers.contains_key("retry-after"));
    }
    // What needs no answer of auth goes on.
    assert_eq!(status(Method::GET, None).await, StatusCode::UNAUTHORIZED);

    let server = setup.start().await.unwrap();
    eventually("the service finds auth again", Duration::from_secs(20), async || {
        status(Method::GET, Some(&bob)).await == StatusCode::OK
    })
    .await;
    assert_eq!(status(Method::GET, Some(&eve)).await, StatusCode::FORBIDDEN);
    drop(server);
}

#[tokio::test]
async fn the_calls_of_the_client_mean_the_same_on_both_stores() {
    for (store, setup) in stores().await {
        let server = setup.start().await.unwrap();
        let (admin, ada) =
            (server.admin().await.unwrap(), server.user("ada@example.com").await.unwrap());
        let eve = server.user("eve@example.com").await.unwrap();
        let org = found(&server, &ada, "acme").await;
        let auth = client(&server);
        let (mine, nowhere) = (Check::org(&org, Action::Owner), Check::org("zz", Action::Viewer));

        let who = auth.identify_and_authorize(&ada, &mine).await.unwrap();
        assert_eq!((who.email.as_str(), who.kind), ("ada@example.com", TokenKind::Login));
        assert_eq!(auth.identify(&ada).await.unwrap(), who, "{store}");
        let (_, key) = make_key(&server, &ada).await;
        let by_key = auth.identify_and_authorize(&key, &mine).await.unwrap();
        assert_eq!((by_key.user_id, by_key.kind), (who.user_id.clone(), TokenKind::ApiKey));
        assert_eq!(auth.identify_and_authorize(&eve, &mine).await, Err(Error::Denied));
        assert_eq!(auth.authorize(&admin, &nowhere).await, Err(Error::NotFound));
        assert!(matches!(
            auth.identify_and_authorize("x.y.z", &mine).await,
            Err(Error::Unauthenticated { code }) if code == "invalid_token"
        ));

        let checks = [mine.clone(), nowhere.clone(), Check::platform(), mine.clone()];
        for (token, expected) in [
            (&ada, [Allowed, Denied, Denied, Allowed]),
            (&key, [Allowed, Denied, Denied, Allowed]),
            (&eve, [Denied; 4]),
            (&admin, [Allowed, NotFound, Allowed, Allowed]),
        ] {
            assert_eq!(auth.authorize_many(token, &checks).await.unwrap(), expected, "{store}");
        }
        let bad = [mine.clone(), Check::new("planet", "", "")];
        let Err(Error::Invalid(text)) = auth.authorize_many(&ada, &bad).await else { panic!() };
        assert_eq!(text, "invalid subject : checks[1]");

        // This machine is trusted as long as nothing else is configured.
        assert_eq!(auth.org_owner(&org).await.unwrap(), who.user_id);
        let seen = auth.view_org(&ada, &org).await.unwrap();
        assert_eq!((seen.owner_id, seen.name.as_str()), (who.user_id.clone(), "acme"));
        assert_eq!(auth.view_org(&eve, &org).await, Err(Error::NotFound));
        assert_eq!(auth.retrieve_role(&who.user_id).await.unwrap(), None);
        auth.assign_role(&who.user_id, PlatformRole::Admin).await.unwrap();
        assert_eq!(auth.retrieve_role(&who.user_id).await.unwrap(), Some(PlatformRole::Admin));
        let issued =
            auth.issue(&who.user_id, "ada@example.com", TokenKind::Recovery).await.unwrap();
        let issued = secrecy::ExposeSecret::expose_secret(&issued).to_owned();
        assert_eq!(auth.identify(&issued).await.unwrap().kind, TokenKind::Recovery);
        let refused = auth.identify_and_authorize(&issued, &Check::platform()).await;
        assert!(matches!(refused, Err(Error::Unauthenticated { .. })), "{store}");
        for secret in [ada.as_str(), &key, &issued, SECRET] {
            assert!(!server.output().contains(secret), "S-91, {store}");
        }
    }
}

#[tokio::test]
async fn groups_are_asked_about_by_role() {
    for (store, setup) in stores().await {
        let server = setup.start().await.unwrap();
        let (ada, bob) = (
            server.user("ada@example.com").await.unwrap(),
            server.user("bob@example.com").await.unwrap(),
        );
        let org = found(&server, &ada, "acme").await;
        join(&server, &ada, &org, "bob@example.com", "editor").await;
        let body = json!({ "name": "pumps", "org_id": org });
        let made = server.send(Method::POST, "/groups", Some(&ada), Some(&body)).await.unwrap();
        assert_eq!(made.status(), 201);
        let place = made.headers()["location"].to_str().unwrap().to_owned();
        let group = place.rsplit('/').next().unwrap().to_owned();
        let auth = client(&server);
        let checks = [GroupRole::Viewer, GroupRole::Editor, GroupRole::Admin]
            .map(|role| Check::group(&group, role));
        let nowhere = [Check::group("zz", GroupRole::Viewer)];
        for (token, expected) in [(&ada, [Allowed; 3]), (&bob, [Allowed, Allowed, Denied])] {
            let found = auth.authorize_many(token, &checks).await.unwrap();
            assert_eq!(found, expected, "{store}");
            assert_eq!(auth.authorize_many(token, &nowhere).await.unwrap(), [Denied], "{store}");
        }
        auth.authorize(&bob, &checks[1]).await.unwrap();
        assert_eq!(auth.authorize(&bob, &checks[2]).await, Err(Error::Denied), "{store}");
    }
}

#[tokio::test]
async fn explanations_agree_with_what_happens_and_are_for_admins() {
    for (store, setup) in stores().await {
        let server = setup.start().await.unwrap();
        let (admin, ada) =
            (server.admin().await.unwrap(), server.user("ada@example.com").await.unwrap());
        let bob = server.user("bob@example.com").await.unwrap();
        let org = found(&server, &ada, "acme").await;
        let bob_id = user_id(&server, &bob).await;
        let auth = client(&server);
        let explain = async |token: &str, action: &str| {
            let body =
                json!({ "user_id": bob_id, "subject": "org", "object": org, "action": action });
            let answer =
                server.send(Method::POST, "/explain", Some(token), Some(&body)).await.unwrap();
            (answer.status().as_u16(), answer.json::<Value>().await.unwrap())
        };
        let agree = async |action: Action, reason: &str| {
            let (status, why) = explain(&admin, action.as_str()).await;
            assert_eq!((status, &why["reason"]), (200, &reason.into()), "{store}: {why}");
            let may = auth.authorize(&bob, &Check::org(&org, action)).await.is_ok();
            assert_eq!(why["allowed"], may, "{store}: {why}");
        };
        agree(Action::Viewer, "not_a_member").await;
        join(&server, &ada, &org, "bob@example.com", "editor").await;
        agree(Action::Editor, "membership").await;
        agree(Action::Admin, "role_too_small").await;
        auth.assign_role(&bob_id, PlatformRole::Admin).await.unwrap();
        agree(Action::Owner, "platform_role").await;
        // Not for members, not for owners, not for an admin's API key, not for nobody.
        let (_, key) = make_key(&server, &admin).await;
        for token in [&ada, &key] {
            let (status, problem) = explain(token, "viewer").await;
            assert_eq!((status, &problem["code"]), (403, &"forbidden".into()), "{store}");
        }
        assert_eq!(explain("x.y.z", "viewer").await.0, 401);
    }
}

#[tokio::test]
async fn s76_a_certificate_or_a_service_token_says_which_service_it_is() {
    let (authority, files) = (Authority::new(), tempfile::tempdir().unwrap());
    let server = with_tls(&authority, &files).start().await.unwrap();
    let address = format!("https://localhost:{}", server.grpc.port());
    let pair = authority.issue("users");
    let builder = || {
        AuthClient::builder(&address)
            .timeout(Duration::from_secs(20))
            .authorities(authority.pem.as_bytes())
    };
    let known = builder().certificate(pair.certificate.as_bytes(), pair.key.clone().into());
    let known = known.build().unwrap();
    let id = "0192d3f0-1111-7abc-8def-000000000001";
    assert_eq!(known.retrieve_role(id).await.unwrap(), None);
    let stranger = Authority::new().issue("users");
    let stranger = builder()
        .certificate(stranger.certificate.as_bytes(), stranger.key.into())
        .build()
        .unwrap();
    assert!(stranger.retrieve_role(id).await.is_err());
    // Somebody else's authority is not believed.
    let other = Authority::new();
    let deceived = AuthClient::builder(&address).authorities(other.pem.as_bytes()).build().unwrap();
    let answer = deceived.identify("t").await;
    assert!(matches!(answer, Err(Error::Unavailable { .. })), "{answer:?}");

    let setup =
        embedded().set("MF_AUTH_GRPC_TOKENS", "users=sesame-of-the-users-service-0123456789");
    let server = setup.start().await.unwrap();
    let with = |token: &str| {
        let builder = AuthClient::builder(server.grpc_url()).timeout(Duration::from_secs(20));
        builder.service_token(token.to_owned().into()).build().unwrap()
    };
    let known = with("sesame-of-the-users-service-0123456789");
    assert_eq!(known.retrieve_role(id).await.unwrap(), None);
    for unknown in [with("another"), client(&server)] {
        let answer = unknown.retrieve_role(id).await;
        let code = "unknown_service".to_owned();
        assert_eq!(answer, Err(Error::Unauthenticated { code }));
    }
}

#[tokio::test]
async fn r31_a_client_notices_nothing_of_a_restart_but_the_time_in_between() {
    let setup = settled(embedded()).await;
    let server = setup.start().await.unwrap();
    let ada = server.user("ada@example.com").await.unwrap();
    let auth = client(&server);
    for _ in 0..3 {
        assert!(auth.identify(&ada).await.is_ok());
    }
    server.kill().await.unwrap();
    let away = auth.identify(&ada).await;
    assert!(matches!(away, Err(Error::Unavailable { .. })), "{away:?}");
    let server = setup.start().await.unwrap();
    eventually("the same client is answered again", Duration::from_secs(20), async || {
        auth.identify(&ada).await.is_ok()
    })
    .await;
    drop(server);
}
