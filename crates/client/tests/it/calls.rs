//! What goes over the wire, and what is made of the answers.

use auth_client::{
    Action, AuthClient, BuildError, Check, Error, Identity, TokenKind, TraceContext, Verdict,
};
use tonic::Code;

use crate::fake::{Answer, Fake, refuse, texts, user7};

const PARENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
const OTHER: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b8-01";

#[tokio::test]
async fn each_refusal_is_an_error_of_its_own() {
    let kind = |error: &Error| match error {
        Error::Unauthenticated { .. } => "unauthenticated",
        Error::Denied => "denied",
        Error::NotFound => "not found",
        Error::Invalid(_) => "invalid",
        Error::Conflict(_) => "conflict",
        Error::Unavailable { .. } => "unavailable",
        Error::Failed(_) => "failed",
        _ => "new",
    };
    for (code, expected) in [
        (Code::Unauthenticated, "unauthenticated"),
        (Code::PermissionDenied, "denied"),
        (Code::NotFound, "not found"),
        (Code::InvalidArgument, "invalid"),
        (Code::Aborted, "conflict"),
        (Code::FailedPrecondition, "conflict"),
        (Code::AlreadyExists, "conflict"),
        (Code::Unavailable, "unavailable"),
        (Code::DeadlineExceeded, "unavailable"),
        (Code::ResourceExhausted, "unavailable"),
        (Code::Cancelled, "unavailable"),
        (Code::Internal, "failed"),
        (Code::Unknown, "failed"),
        (Code::DataLoss, "failed"),
        (Code::Unimplemented, "failed"),
    ] {
        let fake = Fake::start(move |_, _| refuse(code)).await;
        let error = fake.client().org_owner("o").await.unwrap_err();
        assert_eq!(kind(&error), expected, "{code:?}");
        assert_eq!(error.is_no_answer(), matches!(expected, "unavailable" | "failed"));
    }
}

#[tokio::test]
async fn s96_the_trace_is_passed_on() {
    let fake = Fake::start(|_, _| user7()).await;
    let current = || TraceContext::new(OTHER, None);
    let builder = AuthClient::builder(format!("http://{}", fake.address)).trace_with(current);
    let client = builder.build().unwrap();
    let context = TraceContext::new(PARENT, Some("vendor=1")).unwrap();
    client.clone().traced(context).identify("t").await.unwrap();
    client.identify("t").await.unwrap();
    fake.client().identify("t").await.unwrap();
    let attempts = fake.attempts();
    assert_eq!(attempts[0].headers["traceparent"], PARENT);
    assert_eq!(attempts[0].headers["tracestate"], "vendor=1");
    assert_eq!(attempts[1].headers["traceparent"], OTHER);
    assert!(!attempts[1].headers.contains_key("tracestate"));
    assert!(!attempts[2].headers.contains_key("traceparent"));
}

#[tokio::test]
async fn a_service_token_is_shown_and_never_printed() {
    let fake = Fake::start(|_, _| user7()).await;
    let builder = AuthClient::builder(format!("http://{}", fake.address));
    let builder = builder.service_token("open-sesame".to_owned().into());
    assert!(!format!("{builder:?}").contains("sesame"));
    let client = builder.build().unwrap();
    assert!(!format!("{client:?}").contains("sesame"));
    client.identify("t").await.unwrap();
    assert_eq!(fake.attempts()[0].headers["authorization"], "Bearer open-sesame");
}

#[tokio::test]
async fn s91_tokens_and_addresses_are_not_printed() {
    let fake = Fake::start(|path, _| match path.rsplit('/').next().unwrap() {
        "Identify" => user7(),
        "Issue" => texts(&[(1, "issued-sesame")]),
        _ => refuse(Code::Unauthenticated),
    })
    .await;
    let client = fake.client();
    let who = client.identify("sesame").await.unwrap();
    assert_eq!(who.email, "seven@example.com");
    let issued = client.issue("id", "a@example.com", TokenKind::Recovery).await.unwrap();
    let check = Check::org("o", Action::Viewer);
    let refused = client.identify_and_authorize("sesame", &check).await.unwrap_err();
    for text in [format!("{who:?}"), format!("{issued:?}"), format!("{refused:?} {refused}")] {
        assert!(!text.contains("sesame") && !text.contains("seven@"), "{text}");
    }
}

#[tokio::test]
async fn what_is_not_known_is_a_no_and_never_a_yes() {
    // Results 1, 2, 3, 0 and 77, packed.
    let fake = Fake::start(|_, _| Answer::Message(vec![10, 5, 1, 2, 3, 0, 77])).await;
    let check = Check::org("o", Action::Viewer);
    let verdicts = fake.client().authorize_many("t", &vec![check.clone(); 5]).await.unwrap();
    let no = Verdict::Denied;
    assert_eq!(verdicts, [Verdict::Allowed, no, Verdict::NotFound, no, no]);
    assert!(verdicts[0].is_allowed() && !verdicts[1].is_allowed() && !verdicts[2].is_allowed());
    for length in [4, 6] {
        let answer = fake.client().authorize_many("t", &vec![check.clone(); length]).await;
        assert!(matches!(answer, Err(Error::Failed(_))), "{answer:?}");
    }
}

#[tokio::test]
async fn an_answer_without_an_id_or_of_a_strange_kind_is_no_identity() {
    for message in [vec![], vec![18, 1, b'x'], vec![10, 1, b'x', 24, 9], b"\xff\xff".to_vec()] {
        let fake = Fake::start(move |_, _| Answer::Message(message.clone())).await;
        let answer: Result<Identity, _> = fake.client().identify("t").await;
        assert!(answer.is_err_and(|error| error.is_no_answer()));
        let check = Check::platform();
        let answer = fake.client().identify_and_authorize("t", &check).await;
        assert!(answer.is_err_and(|error| error.is_no_answer()));
    }
}

#[tokio::test]
async fn a_list_of_the_wrong_length_is_not_sent() {
    let fake = Fake::start(|_, _| user7()).await;
    for length in [0, 201] {
        let checks = vec![Check::platform(); length];
        let answer = fake.client().authorize_many("t", &checks).await;
        assert!(matches!(answer, Err(Error::Invalid(_))), "{answer:?}");
    }
    assert!(fake.attempts().is_empty());
}

#[tokio::test]
async fn settings_that_cannot_be_meant_are_refused() {
    let why = |builder: auth_client::Builder| builder.build().unwrap_err();
    for odd in ["", "auth:8181", "ftp://auth", "not a url"] {
        assert!(matches!(why(AuthClient::builder(odd)), BuildError::Address), "{odd}");
    }
    let clear = || AuthClient::builder("http://auth:8181");
    for builder in [
        clear().authorities("pem"),
        clear().certificate("pem", "key".to_owned().into()),
        clear().server_name("auth"),
    ] {
        assert!(matches!(why(builder), BuildError::TlsWithoutHttps));
    }
    let broken = AuthClient::builder("https://auth:8181").authorities("no certificate");
    let broken = broken.certificate("no", "key".to_owned().into());
    assert!(matches!(why(broken), BuildError::Tls(_)));
    assert!(matches!(
        why(clear().service_token("a\nb".to_owned().into())),
        BuildError::ServiceToken
    ));
}
