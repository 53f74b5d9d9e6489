//! A server of Mainflux v0.33: no `auth.v1`, and `INTERNAL` for most refusals.

use auth_client::{Action, Check, Error, TokenKind, Verdict};
use tonic::{Code, Status};

use crate::fake::{Answer, Fake, refuse, texts, user7};

/// Knows one user, who is a member of the org `mine` and of no other.
async fn original() -> Fake {
    Fake::start(|path, before| match path {
        "/protomfx.AuthService/Identify" => user7(),
        "/protomfx.AuthService/Authorize" => match before % 3 {
            0 => texts(&[]),
            1 => refuse(Code::PermissionDenied),
            _ => Answer::Refusal(Status::internal("internal server error")),
        },
        _ => Answer::Refusal(Status::unimplemented("unknown service auth.v1.Checks")),
    })
    .await
}

#[tokio::test]
async fn what_it_does_not_know_is_asked_in_its_own_words() {
    let fake = original().await;
    let client = fake.client();
    let check = Check::org("mine", Action::Viewer);
    let first = client.identify_and_authorize("t", &check).await;
    // The third attempt, so it is answered like a stranger's.
    assert_eq!(first.unwrap_err(), Error::Denied);
    assert_eq!(fake.asked(), ["IdentifyAndAuthorize", "Identify", "Authorize"]);
    // It is not asked again what it just did not know.
    let second = client.identify_and_authorize("t", &check).await;
    assert_eq!(second.unwrap_err(), Error::Denied);
    assert_eq!(fake.asked()[3..], ["Identify", "Authorize"]);
}

#[tokio::test]
async fn many_checks_are_asked_one_by_one_and_a_stranger_is_denied() {
    let fake = Fake::start(|path, before| match path {
        "/auth.v1.Checks/AuthorizeMany" => refuse(Code::Unimplemented),
        _ if before <= 10 => texts(&[]),
        _ => Answer::Refusal(Status::internal("internal server error")),
    })
    .await;
    let checks = vec![Check::org("mine", Action::Viewer); 40];
    let verdicts = fake.client().authorize_many("t", &checks).await.unwrap();
    assert_eq!(verdicts.len(), 40);
    assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::Allowed).count(), 10);
    assert_eq!(verdicts.iter().filter(|verdict| **verdict == Verdict::Denied).count(), 30);
    assert_eq!(fake.attempts().len(), 41);
}

#[tokio::test]
async fn a_fault_is_not_a_no_where_the_server_says_which_it_is() {
    let fake = Fake::start(|_, _| {
        let mut status = Status::internal("internal server error");
        status.metadata_mut().insert("code", "internal".parse().unwrap());
        Answer::Refusal(status)
    })
    .await;
    let answer = fake.client().authorize("t", &Check::platform()).await;
    assert!(matches!(answer, Err(Error::Failed(_))), "{answer:?}");
}

#[tokio::test]
async fn s8_a_recovery_token_authorizes_nothing_there_either() {
    let fake = Fake::start(|path, _| match path {
        // Kind 1, which a server between the two says.
        "/protomfx.AuthService/Identify" => Answer::Message(b"\x0a\x01x\x18\x01".to_vec()),
        "/protomfx.AuthService/Authorize" => texts(&[]),
        _ => refuse(Code::Unimplemented),
    })
    .await;
    let client = fake.client();
    assert_eq!(client.identify("t").await.unwrap().kind, TokenKind::Recovery);
    let answer = client.identify_and_authorize("t", &Check::platform()).await;
    assert!(matches!(answer, Err(Error::Unauthenticated { .. })), "{answer:?}");
    assert!(!fake.asked().contains(&"Authorize".to_owned()));
}

#[tokio::test]
async fn d63_a_token_it_calls_invalid_is_a_bad_token() {
    let fake = Fake::start(|_, _| refuse(Code::InvalidArgument)).await;
    let answer = fake.client().identify("t").await;
    assert!(matches!(answer, Err(Error::Unauthenticated { .. })), "{answer:?}");
}
