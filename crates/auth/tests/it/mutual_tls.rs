//! S-76: every call that is not open, with every certificate that is not good for it.

use auth_grpc::callers::Method;
use auth_testkit::Server;

use crate::tls::{Authority, Pair, with_tls};

/// Where it is called.
fn path(method: Method) -> String {
    let service = match method {
        Method::GetUsersByIds | Method::GetUsersByEmails => "UsersService",
        _ => "AuthService",
    };
    format!("/protomfx.{service}/{}", method.name())
}

/// A client that shows this certificate, if one.
fn client(server: &Server, authority: &Authority, shown: Option<&Pair>) -> reqwest::Client {
    let root = reqwest::Certificate::from_pem(authority.pem.as_bytes()).unwrap();
    let builder = reqwest::Client::builder()
        .tls_certs_only([root])
        .resolve("localhost", server.grpc)
        .http2_prior_knowledge();
    let builder = match shown {
        None => builder,
        Some(pair) => {
            let pem = format!("{}{}", pair.key, pair.certificate);
            builder.identity(reqwest::Identity::from_pem(pem.as_bytes()).unwrap())
        }
    };
    builder.build().unwrap()
}

/// The code of a call with an empty message; nothing where there is not even a connection.
async fn call(client: &reqwest::Client, server: &Server, path: &str) -> Option<String> {
    let asked = client
        .post(format!("https://localhost:{}{path}", server.grpc.port()))
        .header("content-type", "application/grpc")
        .header("te", "trailers")
        .body(vec![0; 5]);
    let answer = asked.send().await.ok()?;
    Some(answer.headers().get("code").map_or("ok", |code| code.to_str().unwrap()).to_owned())
}

const UNKNOWN: Option<&str> = Some("unknown_service");
const DENIED: Option<&str> = Some("forbidden");

#[tokio::test]
async fn s76_no_certificate_but_the_right_one_calls_anything() {
    let (authority, stranger) = (Authority::new(), Authority::new());
    let files = tempfile::tempdir().unwrap();
    let setup = with_tls(&authority, &files).set("MF_AUTH_GRPC_ALLOW", "users=*;things=ViewOrg");
    let server = setup.start().await.unwrap();
    let [users, things, others] = ["users", "things", "others"].map(|name| authority.issue(name));
    let (foreign, expired) = (stranger.issue("users"), authority.issue_until("users", 2020));
    let all = |shown| client(&server, &authority, shown);
    let (right, listed, unlisted) = (all(Some(&users)), all(Some(&things)), all(Some(&others)));
    let (nothing, foreign, expired) = (all(None), all(Some(&foreign)), all(Some(&expired)));
    for method in Method::RPCS {
        let path = path(method);
        let call = async |client| call(client, &server, &path).await;
        let answered = call(&right).await.unwrap();
        // What is wrong with an empty message differs from method to method.
        let let_in = !["unknown_service", "forbidden", "unimplemented", "unavailable", "internal"]
            .contains(&&*answered);
        assert!(let_in, "{path}: {answered}");
        assert_eq!(call(&nothing).await.as_deref(), UNKNOWN, "{path}");
        assert_eq!(call(&unlisted).await.as_deref(), DENIED, "{path}");
        let denied = call(&listed).await.as_deref() == DENIED;
        assert_eq!(denied, method != Method::ViewOrg, "{path}");
        for refused in [&foreign, &expired] {
            assert_eq!(call(refused).await, None, "{path}");
        }
    }
    // A certificate that is not good opens nothing at all; without one, what is open is open.
    let identify = "/protomfx.AuthService/Identify";
    for refused in [&foreign, &expired] {
        assert_eq!(call(refused, &server, identify).await, None);
    }
    assert_eq!(call(&nothing, &server, identify).await.as_deref(), Some("missing_token"));
}
