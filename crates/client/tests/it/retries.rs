//! How often a server in trouble is asked.

use std::time::{Duration, Instant};

use auth_client::{Action, Check, Error, PlatformRole, TokenKind};
use tokio::net::TcpListener;
use tonic::Code;

use crate::fake::{Answer, Fake, push_back, refuse, texts, user7};

fn is_unavailable<T>(answer: &Result<T, Error>) -> bool {
    matches!(answer, Err(Error::Unavailable { .. }))
}

#[tokio::test]
async fn a_read_is_tried_again_when_the_server_is_away_for_a_moment() {
    let fake =
        Fake::start(|_, before| if before == 0 { refuse(Code::Unavailable) } else { user7() })
            .await;
    assert_eq!(fake.client().identify("t").await.unwrap().user_id, "user-7");
    assert_eq!(fake.attempts().len(), 2);
}

#[tokio::test]
async fn r16_a_server_that_stays_away_is_asked_at_most_a_tenth_more() {
    let fake = Fake::start(|_, _| refuse(Code::Unavailable)).await;
    let client = fake.client();
    for call in 1..=200_usize {
        assert!(is_unavailable(&client.identify("t").await));
        let allowed = call + call.div_ceil(10);
        assert!(fake.attempts().len() <= allowed, "{} after {call}", fake.attempts().len());
    }
    // And the budget is used, or this would hold of a client that never tries again.
    assert!(fake.attempts().len() >= 215, "{}", fake.attempts().len());
}

#[tokio::test]
async fn r16_clones_of_a_client_share_the_budget_when_all_ask_at_once() {
    let fake = Fake::start(|_, before| {
        // Up and down.
        if before % 4 == 3 { user7() } else { refuse(Code::Unavailable) }
    })
    .await;
    let client = fake.client();
    let calls: Vec<_> = (0..300)
        .map(|_| {
            let client = client.clone();
            tokio::spawn(async move { client.identify("t").await.is_ok() })
        })
        .collect();
    let mut served = 0;
    for call in calls {
        served += usize::from(call.await.unwrap());
    }
    let attempts = fake.attempts().len();
    assert!((301..=330).contains(&attempts), "{attempts}");
    assert!(served > 50, "{served}");
}

#[tokio::test]
async fn r16_a_write_is_never_made_twice() {
    let fake = Fake::start(|_, _| refuse(Code::Unavailable)).await;
    let client = fake.client();
    assert!(is_unavailable(&client.issue("id", "a@example.com", TokenKind::Login).await));
    assert!(is_unavailable(&client.assign_role("id", PlatformRole::Root).await));
    assert_eq!(fake.asked(), ["Issue", "AssignRole"]);
}

#[tokio::test]
async fn only_being_away_is_tried_again() {
    for code in [
        Code::InvalidArgument,
        Code::DeadlineExceeded,
        Code::NotFound,
        Code::PermissionDenied,
        Code::ResourceExhausted,
        Code::Aborted,
        Code::Internal,
        Code::Unknown,
        Code::Unauthenticated,
    ] {
        let fake = Fake::start(move |_, _| refuse(code)).await;
        assert!(fake.client().org_owner("o").await.is_err());
        assert_eq!(fake.attempts().len(), 1, "{code:?}");
    }
}

#[tokio::test]
async fn the_server_says_when_to_come_back() {
    let fake =
        Fake::start(|_, before| if before == 0 { push_back("300") } else { texts(&[(1, "root")]) })
            .await;
    let role = fake.client().retrieve_role("id").await.unwrap();
    assert_eq!(role, Some(PlatformRole::Root));
    let attempts = fake.attempts();
    let pause = attempts[1].at.duration_since(attempts[0].at);
    assert!(pause >= Duration::from_millis(300), "{pause:?}");
}

#[tokio::test]
async fn the_server_says_not_to_come_back() {
    for never in ["-1", "soon", "99999999999"] {
        let fake = Fake::start(move |_, _| push_back(never)).await;
        assert!(is_unavailable(&fake.client().identify("t").await));
        assert_eq!(fake.attempts().len(), 1, "{never}");
    }
}

#[tokio::test]
async fn a_pause_beyond_the_deadline_is_not_waited_for() {
    let fake = Fake::start(|_, _| push_back("60000")).await;
    let started = Instant::now();
    let error = fake.client().identify("t").await.unwrap_err();
    assert!(started.elapsed() < Duration::from_secs(15));
    let Error::Unavailable { retry_after, .. } = error else { panic!("{error:?}") };
    assert_eq!(retry_after, Some(Duration::from_mins(1)));
    assert_eq!(fake.attempts().len(), 1);
}

#[tokio::test]
async fn silence_ends_with_the_deadline_and_the_server_knows_it() {
    let fake = Fake::start(|_, _| Answer::Silence).await;
    let client = fake.client_within(Duration::from_millis(400));
    let started = Instant::now();
    let check = Check::org("o", Action::Viewer);
    let answer = client.identify_and_authorize("t", &check).await;
    assert!(is_unavailable(&answer), "{answer:?}");
    assert!(started.elapsed() >= Duration::from_millis(400));
    assert!(started.elapsed() < Duration::from_secs(10));
    let attempts = fake.attempts();
    assert_eq!(attempts.len(), 1);
    assert!(milliseconds(&attempts[0].headers["grpc-timeout"]) <= 400);
    // A caller who has less time gives less.
    assert!(client.within(Duration::from_millis(50)).identify("t").await.is_err());
    assert!(milliseconds(&fake.attempts()[1].headers["grpc-timeout"]) <= 50);
}

fn milliseconds(timeout: &axum::http::HeaderValue) -> u64 {
    let text = timeout.to_str().unwrap();
    let (digits, unit) = text.split_at(text.len() - 1);
    let amount: u64 = digits.parse().unwrap();
    match unit {
        "n" => amount / 1_000_000,
        "u" => amount / 1_000,
        "m" => amount,
        _ => panic!("{text}"),
    }
}

#[tokio::test]
async fn nobody_there_is_unavailable_and_somebody_later_is_found() {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    drop(listener);
    let client = auth_client::AuthClient::builder(format!("http://{address}")).build().unwrap();
    assert!(is_unavailable(&client.identify("t").await));
    assert!(is_unavailable(&client.issue("id", "a@example.com", TokenKind::Login).await));
}
