//! S-78: what is called is the service and the method of the path, written in the one way there is; anything else is
//! called nothing, whoever asks.

use auth_grpc::proto::IssueReq;
use auth_testkit::Server;
use prost::Message;

use crate::frames::{
    DATA, END_HEADERS, END_STREAM, GOAWAY, HEADERS, RST_STREAM, Wire, frame, named, text,
};
use crate::tls::issue;
use crate::world::{embedded, identify};

const ISSUE: &str = "/protomfx.AuthService/Issue";

/// The headers of a call, with these of them that name what is called.
fn head(paths: &[&[u8]]) -> Vec<u8> {
    // POST, http.
    let mut head = vec![0x83, 0x86];
    for path in paths {
        head.extend(named(4, path));
    }
    head.extend(named(1, b"localhost"));
    head.extend(named(31, b"application/grpc"));
    head.push(0);
    head.extend(text(b"te"));
    head.extend(text(b"trailers"));
    head
}

/// Whether a message comes back from calling this.
async fn is_answered(server: &Server, head: &[u8], request: &IssueReq) -> bool {
    let message = request.encode_to_vec();
    let mut body = vec![0];
    body.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    body.extend(message);
    let mut wire = Wire::open(server.grpc, &[]).await;
    wire.send(&frame(HEADERS, END_HEADERS, 1, head)).await;
    wire.send(&frame(DATA, END_STREAM, 1, &body)).await;
    let mut answered = false;
    while let Some(came) = wire.next().await {
        answered |= came.kind == DATA && came.stream == 1 && !came.payload.is_empty();
        let over = came.stream == 1 && (came.kind == RST_STREAM || came.flags & END_STREAM != 0);
        if came.kind == GOAWAY || over && matches!(came.kind, DATA | HEADERS | RST_STREAM) {
            break;
        }
    }
    answered
}

/// How many tokens were issued.
async fn issued(server: &Server) -> String {
    let metrics = server.client.get(server.ops_url("/metrics")).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let lines = metrics.lines().filter(|line| {
        line.starts_with("auth_operations_total{") && line.contains("operation=\"issue")
    });
    lines.collect::<Vec<_>>().join("\n")
}

#[tokio::test]
async fn s78_only_the_one_way_to_write_a_path_calls_a_method() {
    let server = embedded().start().await.unwrap();
    let login = server.user("ada@example.com").await.unwrap();
    assert!(is_answered(&server, &head(&[ISSUE.as_bytes()]), &issue()).await, "the control");
    let before = issued(&server).await;
    assert!(!before.is_empty());
    for odd in [
        "",
        "/",
        "*",
        "protomfx.AuthService/Issue",
        "//protomfx.AuthService/Issue",
        "/protomfx.AuthService//Issue",
        "/protomfx.AuthService/Issue/",
        "/protomfx.AuthService/issue",
        "/protomfx.AuthService/ISSUE",
        "/Protomfx.AuthService/Issue",
        "/protomfx.authservice/Issue",
        "/AuthService/Issue",
        "/mainflux.AuthService/Issue",
        "/protomfx.AuthService/Identify/../Issue",
        "/protomfx.AuthService/./Issue",
        "/./protomfx.AuthService/Issue",
        "/../protomfx.AuthService/Issue",
        "/protomfx.AuthService%2fIssue",
        "/protomfx.AuthService/%49ssue",
        "/protomfx%2eAuthService/Issue",
        "\\protomfx.AuthService\\Issue",
        "/protomfx.AuthService/Issue;x",
        "/protomfx.AuthService/Issue?x=1",
        "/protomfx.AuthService/Issue?",
        "?/protomfx.AuthService/Issue",
        " /protomfx.AuthService/Issue",
        "/protomfx.AuthService/Issue ",
        "/protomfx.AuthService/Issue\0",
        "/protomfx.AuthService/Issue\r\nx: y",
        "http://localhost/protomfx.AuthService/Issue",
    ] {
        let head = head(&[odd.as_bytes()]);
        assert!(!is_answered(&server, &head, &issue()).await, "{odd:?} is answered");
    }
    let identify_path = b"/protomfx.AuthService/Identify".as_slice();
    for paths in [&[][..], &[identify_path, ISSUE.as_bytes()], &[ISSUE.as_bytes(), identify_path]] {
        assert!(!is_answered(&server, &head(paths), &issue()).await, "{} paths", paths.len());
    }
    // GET instead of POST.
    let mut get = head(&[ISSUE.as_bytes()]);
    get[0] = 0x82;
    assert!(!is_answered(&server, &get, &issue()).await);
    assert_eq!(issued(&server).await, before, "none of them has issued anything");

    // What can be understood is called what other unknown methods are.
    let client = reqwest::Client::builder().http2_prior_knowledge().build().unwrap();
    for odd in ["//protomfx.AuthService/Issue", "/protomfx.AuthService/issue", "/x?y", ISSUE] {
        let url = format!("{}{odd}{}", server.grpc_url(), if odd == ISSUE { "?x=1" } else { "" });
        let asked = client.post(url).header("content-type", "application/grpc");
        let answer = asked.send().await.unwrap();
        assert_eq!(answer.headers()["grpc-status"], "12", "{odd}");
        assert_eq!(answer.headers()["code"], "unimplemented", "{odd}");
    }
    identify(&server, &login).await.unwrap();
}
