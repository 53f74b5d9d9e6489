//! What is read of the service's answers, whatever is in them.

use std::sync::{Arc, Mutex};

use auth_client::{Action, AuthClient, Check, Error, Verdict};
use auth_fuzz::Fuzz;
use tonic::{Code, Status};

use crate::fake::{Answer, Fake};

/// Which way a call went.
fn way<T>(answer: Result<T, Error>) -> &'static str {
    match answer {
        Ok(_) => "answered",
        Err(error) if error.is_no_answer() => "no answer",
        Err(_) => "refused",
    }
}

/// The code of the refusal that an input stands for, if for one.
fn refusal(input: &[u8]) -> Option<Code> {
    let code = std::str::from_utf8(input.strip_prefix(b"refusal ")?).ok()?;
    code.parse().ok().map(Code::from_i32)
}

/// Whatever the service answers, nobody is let in who was not said to be: each verdict that allows is one that
/// was written, and there are as many as were asked for.
#[test]
fn fuzz_answers() {
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let said: Arc<Mutex<Vec<u8>>> = Arc::default();
    let client: AuthClient = runtime.block_on(async {
        let said = Arc::clone(&said);
        let fake = Fake::start(move |_, _| {
            let input = said.lock().unwrap().clone();
            match refusal(&input) {
                Some(code) => Answer::Refusal(Status::new(code, "no")),
                None => Answer::Message(input),
            }
        });
        fake.await.client()
    });
    let checks = [Check::org("o", Action::Viewer), Check::org("p", Action::Owner)];
    Fuzz::new("client/answer", include_str!("../../corpus/answer.txt")).run(|input| {
        // What would be tried again would take its time; and from a service that knows only the original's calls,
        // which the client remembers, an empty answer is a yes.
        let left_out = [
            Code::Unavailable,
            Code::ResourceExhausted,
            Code::DeadlineExceeded,
            Code::Unimplemented,
        ];
        if refusal(input).is_some_and(|code| left_out.contains(&code)) {
            return None;
        }
        *said.lock().unwrap() = input.to_vec();
        runtime.block_on(async {
            let many = client.authorize_many("t", &checks).await;
            if let Ok(verdicts) = &many {
                assert_eq!(verdicts.len(), checks.len());
                let is_allowed = |verdict: &Verdict| matches!(verdict, Verdict::Allowed);
                // A one, or a byte that says that the one goes on.
                let may = input.iter().any(|byte| [1, 0x81].contains(byte));
                assert!(may || !verdicts.iter().any(is_allowed), "{verdicts:?}");
            }
            let identity = client.identify("t").await;
            if let Ok(identity) = &identity {
                assert!(!identity.user_id.is_empty(), "{identity:?}");
            }
            let both = client.identify_and_authorize("t", &checks[0]).await;
            if let Ok(identity) = &both {
                assert!(!identity.user_id.is_empty(), "{identity:?}");
            }
            let role = client.retrieve_role("u").await;
            let org = client.view_org("t", "o").await;
            Some([way(many), way(identity), way(both), way(role), way(org)])
        })
    });
}
