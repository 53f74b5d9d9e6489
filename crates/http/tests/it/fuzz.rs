//! What is read of requests, whatever is in them: method, path, query, headers and body of every route.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;

use auth_domain::model::OrgRole;
use auth_fuzz::Fuzz;
use axum::body::Body;
use axum::response::Response;
use http::header::{AUTHORIZATION, CONTENT_TYPE, HOST};
use http::{HeaderName, HeaderValue, Method, Request, Uri};
use serde_json::{Value, json};
use tokio::runtime::Runtime;
use tower::ServiceExt;

use crate::described;
use crate::support::{Answer, World};

/// After so many requests the world is made anew: some of them end sessions and delete what others need.
const WORN_OUT: usize = 250;

/// A world, and what `{words}` in an input stand for there.
struct Scene {
    world: World,
    words: Vec<(&'static str, String)>,
    requests: Cell<usize>,
}

impl Scene {
    async fn new() -> Self {
        let world = World::new().await;
        let root = world.root().await;
        let ada = world.account("ada").await;
        let bob = world.account("bob").await;
        let org = world.org(&ada, &json!({ "name": "Acme", "metadata": { "a": 1 } })).await;
        world.join(&org, &bob, OrgRole::Viewer).await;
        let (key, value) = world.api_key(&ada).await;
        let group = world.post("/groups").bearer(&ada.token);
        let group = group.body(&json!({ "name": "Pumps", "org_id": org }).to_string()).send().await;
        let group = group.header("location").rsplit('/').next().unwrap().to_owned();
        let words = vec![
            ("{root}", root.token),
            ("{ada}", ada.token),
            ("{bob}", bob.token),
            ("{api}", value),
            ("{adas id}", ada.id.to_string()),
            ("{bobs id}", bob.id.to_string()),
            ("{org}", org),
            ("{group}", group),
            ("{key}", key),
        ];
        world.observer.seen();
        Self { world, words, requests: Cell::new(0) }
    }

    fn fill_in(&self, input: &[u8]) -> Vec<u8> {
        // Inputs are bytes, and words are ASCII.
        let latin: String = input.iter().map(|byte| char::from(*byte)).collect();
        let filled = self.words.iter().fold(latin, |text, (word, value)| text.replace(word, value));
        filled.chars().map(|c| u8::try_from(c).unwrap()).collect()
    }

    /// Whether whoever shows this may be somebody.
    fn is_token(&self, header: Option<&HeaderValue>) -> bool {
        let shown = header.and_then(|value| value.to_str().ok()).unwrap_or_default();
        let token = shown.trim_ascii_end().strip_prefix("Bearer ").unwrap_or_default();
        self.words.iter().take(4).any(|(_, one)| one == token)
    }
}

/// The request that is written here: its line, its headers, an empty line and its body. None if no HTTP
/// library would take it for one.
fn request(text: &[u8]) -> Option<Request<Body>> {
    let end = text.windows(2).position(|two| two == b"\n\n").unwrap_or(text.len());
    let (head, body) = text.split_at(end);
    let body = body.strip_prefix(b"\n\n").unwrap_or_default();
    let mut lines = head.split(|byte| *byte == b'\n');
    let mut first = lines.next()?.splitn(2, |byte| *byte == b' ');
    let method = Method::from_bytes(first.next()?).ok()?;
    let uri = Uri::try_from(first.next()?).ok()?;
    let mut request = Request::new(Body::from(body.to_vec()));
    for line in lines.filter(|line| !line.is_empty()) {
        let mut parts = line.splitn(2, |byte| *byte == b':');
        let name = HeaderName::from_bytes(parts.next()?).ok()?;
        let value = HeaderValue::from_bytes(parts.next()?.trim_ascii()).ok()?;
        request.headers_mut().append(name, value);
    }
    if !request.headers().contains_key(CONTENT_TYPE) && !body.is_empty() {
        request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    }
    request.headers_mut().entry(HOST).or_insert(HeaderValue::from_static("auth"));
    *request.method_mut() = method;
    *request.uri_mut() = uri;
    Some(request)
}

/// Every request has an answer that the description gives: nothing is an error of ours, a refusal says why in
/// the one form, and nobody gets anything without a token.
#[test]
fn fuzz_requests() {
    let runtime = Runtime::new().unwrap();
    let scene = RefCell::new(runtime.block_on(Scene::new()));
    let ran = RefCell::new(BTreeSet::new());
    Fuzz::new("http/request", include_str!("../../corpus/request.txt")).run(|input| {
        if scene.borrow().requests.get() > WORN_OUT {
            scene.replace(runtime.block_on(Scene::new()));
        }
        let scene = scene.borrow();
        scene.requests.set(scene.requests.get() + 1);
        let request = request(&scene.fill_in(input))?;
        let (method, uri) = (request.method().clone(), request.uri().clone());
        let is_token = scene.is_token(request.headers().get(AUTHORIZATION));
        let answer = runtime.block_on(async {
            let response: Response = scene.world.router().oneshot(request).await.unwrap();
            Answer::read(response).await
        });
        let operation = scene.world.observer.seen().pop().map(|(operation, _)| operation);
        ran.borrow_mut().extend(operation);
        let status = answer.status.as_u16();
        assert!(status < 500, "{method} {uri}: {status} {:?}", answer.body);
        assert!(answer.body.len() < 64 * 1024, "{method} {uri}: {} bytes", answer.body.len());
        described::check(&method, uri.path(), status, &answer.headers, &answer.body);
        let open = [
            "/register",
            "/tokens",
            "/password/reset-request",
            "/revoke",
            "/.well-known/jwks.json",
            "/health",
        ];
        assert!(
            status >= 300 || is_token || open.contains(&uri.path()),
            "{method} {uri}: {status}"
        );
        let code = serde_json::from_slice::<Value>(&answer.body).ok();
        let code = code.and_then(|body| Some(body.get("code")?.as_str()?.to_owned()));
        Some((operation, status, code))
    });
    let asked = auth_http::routes(true).map(|route| route.operation);
    let unasked = asked.filter(|it| *it != "health" && !ran.borrow().contains(it));
    assert_eq!(unasked.collect::<Vec<_>>(), [""; 0], "no input asks for these");
}
