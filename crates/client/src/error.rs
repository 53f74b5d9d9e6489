//! Why a call has no answer, or not the one that was hoped for.

use std::time::Duration;

use tonic::{Code, Status};

/// The metadata with the stable word for programs.
const STABLE: &str = "code";
/// The metadata that says when to try again, in milliseconds (gRFC A6).
const PUSHBACK: &str = "grpc-retry-pushback-ms";

/// The result of a call.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a call did not succeed. A variant exists because callers act differently on it; none of them
/// ever holds a token.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The token is not good: not signed there, expired, revoked, or of a kind that is not good for
    /// this. For calls that take no token: auth does not know this service. HTTP 401.
    #[error("not authenticated")]
    Unauthenticated {
        /// The stable word for programs, as in `docs/errors.md`; empty from the original.
        code: String,
    },
    /// The token is good, and its user may not do this. For calls that take no token: this service
    /// may not make them. HTTP 403.
    #[error("not allowed")]
    Denied,
    /// There is no such thing, and whoever asks may know. HTTP 404.
    #[error("not found")]
    NotFound,
    /// The question makes no sense, whoever asks it: a mistake of the program that asks.
    #[error("invalid: {0}")]
    Invalid(String),
    /// It contradicts what is stored, or what somebody else is changing. Only calls that write.
    #[error("conflict: {0}")]
    Conflict(String),
    /// Auth is away, or did not answer in time. It is neither a yes nor a no: HTTP 503. A call that
    /// writes may have taken place.
    #[error("unavailable: {reason}")]
    Unavailable {
        /// What is known of it, for the log.
        reason: String,
        /// When auth wants to be asked again, if it said so.
        retry_after: Option<Duration>,
    },
    /// Auth answered what nobody can use: a fault there, or a version that does not know the call. It
    /// is neither a yes nor a no: HTTP 503.
    #[error("no usable answer: {0}")]
    Failed(String),
}

impl Error {
    /// Whether nobody knows the answer, so that it must be taken neither for a yes nor for a no.
    #[must_use]
    pub const fn is_no_answer(&self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Failed(_))
    }

    pub(crate) fn late() -> Self {
        Self::Unavailable { reason: "it did not answer in time".to_owned(), retry_after: None }
    }

    pub(crate) fn of(failure: &Failure) -> Self {
        let message = || failure.status.message().to_owned();
        if failure.lost {
            return Self::Unavailable {
                reason: failure.reason(),
                retry_after: failure.retry_after(),
            };
        }
        match failure.status.code() {
            Code::Unauthenticated => Self::Unauthenticated { code: failure.stable().to_owned() },
            Code::PermissionDenied => Self::Denied,
            Code::NotFound => Self::NotFound,
            Code::InvalidArgument | Code::OutOfRange => Self::Invalid(message()),
            Code::AlreadyExists | Code::FailedPrecondition | Code::Aborted => {
                Self::Conflict(message())
            }
            Code::Unavailable
            | Code::DeadlineExceeded
            | Code::ResourceExhausted
            | Code::Cancelled => {
                Self::Unavailable { reason: failure.reason(), retry_after: failure.retry_after() }
            }
            Code::Ok | Code::Unknown | Code::Unimplemented | Code::Internal | Code::DataLoss => {
                Self::Failed(failure.reason())
            }
        }
    }
}

/// What came back instead of an answer.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) status: Status,
    /// Whether the status was made up here, because the connection was not there or broke.
    lost: bool,
}

/// What the server says of trying again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Pushback {
    /// Nothing.
    Unsaid,
    /// Not before this time has passed.
    After(Duration),
    /// Do not.
    Never,
}

impl Failure {
    pub(crate) fn of(status: Status) -> Self {
        // Only a status that tonic makes of an error on this side has that error as its source.
        let lost = std::error::Error::source(&status).is_some();
        Self { status, lost }
    }

    /// Whether somebody who only reads may ask again.
    pub(crate) fn is_passing(&self) -> bool {
        self.lost || self.status.code() == Code::Unavailable
    }

    /// Whether the server has no such call.
    pub(crate) fn is_unknown_call(&self) -> bool {
        !self.lost && self.status.code() == Code::Unimplemented
    }

    /// Whether it is what the original, v0.33, answers where others say "no": it reports most refusals
    /// as its own fault, in these words and without a stable code.
    pub(crate) fn is_the_originals_no(&self) -> bool {
        !self.lost
            && self.status.code() == Code::Internal
            && self.stable().is_empty()
            && self.status.message() == "internal server error"
    }

    pub(crate) fn pushback(&self) -> Pushback {
        let Some(value) = self.status.metadata().get(PUSHBACK) else { return Pushback::Unsaid };
        // gRFC A6: a negative number, and what is no number, mean that it is not to be tried again.
        match value.to_str().ok().and_then(|text| text.parse::<u32>().ok()) {
            Some(millis) => Pushback::After(Duration::from_millis(millis.into())),
            None => Pushback::Never,
        }
    }

    fn retry_after(&self) -> Option<Duration> {
        match self.pushback() {
            Pushback::After(pause) => Some(pause),
            Pushback::Unsaid | Pushback::Never => None,
        }
    }

    fn stable(&self) -> &str {
        self.status.metadata().get(STABLE).and_then(|code| code.to_str().ok()).unwrap_or_default()
    }

    fn reason(&self) -> String {
        let text = self.status.message();
        if self.lost {
            format!("connection: {text}")
        } else {
            format!("{:?}: {text}", self.status.code())
        }
    }
}
