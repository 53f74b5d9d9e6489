//! What an error looks like on the wire: a gRPC status, the original's text as its message, and in
//! the metadata `code` the stable word for programs. Causes stay in the log.

use std::borrow::Cow;
use std::time::Duration;

use auth_domain::{Conflict, Error, Invalid};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::{Code, Status};

/// The metadata with the stable code.
pub(crate) const CODE: &str = "code";
/// The metadata that tells gRPC clients when to try again, in milliseconds (gRFC A6).
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// The gRPC half of the error table.
#[must_use]
pub const fn code(error: &Error) -> Code {
    match error {
        Error::Invalid(_) => Code::InvalidArgument,
        Error::Unauthenticated(_) => Code::Unauthenticated,
        Error::Forbidden | Error::RegistrationClosed | Error::EmailUnverified => {
            Code::PermissionDenied
        }
        Error::NotFound(_) => Code::NotFound,
        Error::AlreadyExists(_) | Error::Conflict(Conflict::AddressTaken) => Code::AlreadyExists,
        Error::Conflict(
            Conflict::LastRoot
            | Conflict::OwnAccount
            | Conflict::OwnerStays
            | Conflict::Differs
            | Conflict::GroupCycle
            | Conflict::GroupNotEmpty
            | Conflict::TooManyGroups,
        )
        | Error::InviteClosed(_) => Code::FailedPrecondition,
        Error::Conflict(Conflict::InviteAnswered | Conflict::Contention) => Code::Aborted,
        Error::RateLimited(_) => Code::ResourceExhausted,
        Error::Unavailable(_) => Code::Unavailable,
        Error::Internal(_) => Code::Internal,
    }
}

/// An error as the client sees it.
#[expect(clippy::needless_pass_by_value, reason = "handlers write map_err(status)")]
pub(crate) fn status(error: Error) -> Status {
    let text = match &error {
        Error::Invalid(reason) => explain(*reason),
        Error::Unauthenticated(reason) => reason.text().into(),
        // What the others print is the original's text, and never a cause.
        other => other.to_string().into(),
    };
    let mut status = refusal(code(&error), error.code(), text);
    if let Error::RateLimited(wait) = error {
        put_pushback(status.metadata_mut(), wait);
    }
    status
}

/// An error in one of the checks of a list: the same, and at the end which.
pub(crate) fn status_at(error: Error, place: usize) -> Status {
    let status = status(error);
    let text = format!("{} : checks[{place}]", status.message());
    Status::with_metadata(status.code(), text, status.metadata().clone())
}

/// A status with its stable code.
pub(crate) fn refusal(
    code: Code,
    stable: &'static str,
    text: impl Into<Cow<'static, str>>,
) -> Status {
    let mut metadata = MetadataMap::with_capacity(1);
    metadata.insert(CODE, MetadataValue::from_static(stable));
    Status::with_metadata(code, text.into(), metadata)
}

/// The original's text. Where that one is the same for every bad field, what is wrong follows it.
fn explain(reason: Invalid) -> Cow<'static, str> {
    let text = reason.text();
    match reason {
        Invalid::Malformed { field, problem } => format!("{text} : {field} {problem}").into(),
        Invalid::ListTooLong | Invalid::KeyLife => format!("{text} : {}", reason.advice()).into(),
        _ => text.into(),
    }
}

fn put_pushback(metadata: &mut MetadataMap, wait: Duration) {
    let millis = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    metadata.insert(PUSHBACK, MetadataValue::from(millis));
}

#[cfg(test)]
mod tests {
    use auth_domain::{Entity, InviteClosed, Unauthenticated};

    use super::*;

    fn code_of(status: &Status) -> &str {
        status.metadata().get(CODE).unwrap().to_str().unwrap()
    }

    #[test]
    fn every_refusal_carries_the_original_text_and_the_stable_code() {
        for reason in Invalid::ALL {
            let status = status((*reason).into());
            assert_eq!(status.code(), Code::InvalidArgument);
            assert!(status.message().starts_with(reason.text()), "{status:?}");
            assert_eq!(code_of(&status), reason.code());
        }
        for reason in Unauthenticated::ALL {
            let status = status((*reason).into());
            assert_eq!(status.code(), Code::Unauthenticated);
            assert_eq!((status.message(), code_of(&status)), (reason.text(), reason.code()));
        }
        for reason in InviteClosed::ALL {
            let status = status((*reason).into());
            assert_eq!(status.code(), Code::FailedPrecondition);
            assert_eq!((status.message(), code_of(&status)), (reason.text(), reason.code()));
        }
        for reason in Conflict::ALL {
            let status = status(Error::Conflict(*reason));
            assert_eq!((status.message(), code_of(&status)), (reason.text(), reason.code()));
        }
    }

    #[test]
    fn go29_d58_causes_are_not_shown() {
        for error in [Error::internal("SELECT secret"), Error::unavailable("10.0.0.7:5432")] {
            let status = status(error);
            assert!(!format!("{status:?}").contains("SELECT"), "{status:?}");
            assert!(!format!("{status:?}").contains("10.0.0.7"), "{status:?}");
        }
    }

    #[test]
    fn callers_are_told_when_to_come_back() {
        let status = status(Error::RateLimited(Duration::from_millis(1500)));
        assert_eq!(status.code(), Code::ResourceExhausted);
        assert_eq!(status.metadata().get(PUSHBACK).unwrap(), "1500");
    }

    #[test]
    fn what_is_away_and_what_is_missing_differ() {
        assert_eq!(status(Error::unavailable("x")).code(), Code::Unavailable);
        assert_eq!(status(Error::NotFound(Entity::Org)).code(), Code::NotFound);
        assert_eq!(status(Error::AlreadyExists(Entity::Org)).code(), Code::AlreadyExists);
        assert_eq!(status(Error::Forbidden).code(), Code::PermissionDenied);
    }
}
