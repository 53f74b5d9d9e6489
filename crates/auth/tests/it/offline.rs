//! `auth-client` verifies access tokens by the keys that the real binary publishes, and follows what is taken away.

use std::time::{Duration, Instant};

use auth_client::{AuthClient, Error, OfflineVerifier, TokenKind};
use auth_testkit::Server;
use reqwest::Method;

use crate::sign_ins::begin;
use crate::signing_keys::{rotate, with_keys};
use crate::world::{embedded, eventually, identify};

const ADA: &str = "ada@example.com";
const BOUND: Duration = Duration::from_secs(1);

fn verifier(server: &Server) -> OfflineVerifier {
    let builder = AuthClient::builder(server.grpc_url()).timeout(Duration::from_secs(20));
    let (client, url) = (server.client.clone(), server.url("/.well-known/jwks.json"));
    let fetch = move || {
        let request = client.get(&url);
        async move { Ok(request.send().await?.error_for_status()?.bytes().await?.to_vec()) }
    };
    OfflineVerifier::new(builder.build().unwrap(), fetch).staleness(BOUND)
}

async fn access(server: &Server) -> (String, String) {
    let session = begin(server, ADA).await;
    let text = |name: &str| session[name].as_str().unwrap().to_owned();
    (text("access_token"), text("session_id"))
}

#[tokio::test]
async fn fw13_fw16_tokens_are_verified_by_published_keys_and_ended_sessions_are_followed() {
    let (setup, _directory) = with_keys(&embedded());
    rotate(&setup, "EdDSA").await;
    let server = setup.start().await.unwrap();
    let login = server.user(ADA).await.unwrap();
    let verifier = verifier(&server).refetch_after(Duration::from_millis(100));
    // The key begins to sign after its notice.
    eventually("a token by the key", Duration::from_secs(30), async || {
        verifier.verify(&access(&server).await.0).await.is_ok()
    })
    .await;
    let (token, session) = access(&server).await;
    let who = verifier.verify(&token).await.unwrap();
    assert_eq!((who.email.as_str(), who.kind), (ADA, TokenKind::Login));
    assert_eq!(who.user_id, identify(&server, &token).await.unwrap());
    // A login token is signed by the same key and is no access token.
    let refused = verifier.verify(&login).await;
    assert!(matches!(refused, Err(Error::Unauthenticated { .. })), "fw2: {refused:?}");

    let (other, _) = access(&server).await;
    verifier.verify(&other).await.unwrap();
    let path = format!("/sessions/{session}");
    let ended = server.send(Method::DELETE, &path, Some(&login), None).await.unwrap();
    let since = Instant::now();
    assert_eq!(ended.status(), 204);
    while verifier.verify(&token).await.is_ok() {
        assert!(since.elapsed() < BOUND + Duration::from_secs(5), "the bound, and a busy machine");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    verifier.verify(&other).await.unwrap();
}

#[tokio::test]
async fn where_a_secret_signs_it_says_that_nothing_can_be_verified_here() {
    let server = embedded().start().await.unwrap();
    server.user(ADA).await.unwrap();
    let answer = verifier(&server).verify(&access(&server).await.0).await;
    assert!(
        matches!(&answer, Err(Error::Failed(why)) if why.contains("MF_AUTH_SIGNING_KEYS")),
        "{answer:?}"
    );
}
