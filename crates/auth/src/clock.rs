//! The time and fresh ids: the one place where either comes from the system.

use std::time::{SystemTime, UNIX_EPOCH};

use auth_domain::{Timestamp, ports};
use uuid::Uuid;

/// The system's clock, in whole milliseconds.
#[derive(Debug)]
pub(crate) struct SystemClock;

impl ports::Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "this is where Cx::now comes from")]
    fn now(&self) -> Timestamp {
        let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
        Timestamp::from_micros(micros.saturating_add(stepped())).whole_millis()
    }
}

/// How far a test has stepped the clock of this process, in microseconds: the number in a file of its own. There
/// is no such thing in a release build.
fn stepped() -> i64 {
    #[cfg(debug_assertions)]
    {
        use std::path::PathBuf;
        use std::sync::OnceLock;
        static FILE: OnceLock<Option<PathBuf>> = OnceLock::new();
        let file = FILE.get_or_init(|| std::env::var_os("KEYWARD_TEST_CLOCK").map(PathBuf::from));
        let text = file.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
        text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
    }
    #[cfg(not(debug_assertions))]
    0
}

/// Version 7 UUIDs (RFC 9562).
#[derive(Debug)]
pub(crate) struct RandomIds;

impl ports::Ids for RandomIds {
    #[expect(clippy::disallowed_methods, reason = "this is where Cx::new_id comes from")]
    fn next(&self) -> Uuid {
        Uuid::now_v7()
    }
}

#[cfg(test)]
mod tests {
    use auth_domain::ports::{Clock, Ids};

    use super::*;

    #[test]
    fn now_is_whole_milliseconds_and_after_this_was_written() {
        let now = SystemClock.now();
        assert_eq!(now.micros() % 1_000, 0);
        assert!(now.seconds() > 1_760_000_000, "{now}");
    }

    #[test]
    fn later_ids_are_greater() {
        let ids: Vec<_> = (0..1000).map(|_| RandomIds.next()).collect();
        assert!(ids.is_sorted());
        assert!(ids.iter().all(|id| id.get_version_num() == 7));
    }
}
