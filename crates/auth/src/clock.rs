//! The time and fresh ids: the one place where either comes from the system.
//!
//! The wall clock of a machine may be set wrong, and set right again, while we run. A clock an hour behind would honour
//! what has expired, end too few sessions, and refuse tokens of other replicas; one an hour ahead would sign what
//! nobody else accepts. So its steps are not believed at once: see [`Steady`].

use std::sync::atomic::{AtomicI64, Ordering};
use std::time::{SystemTime, UNIX_EPOCH};

use auth_domain::{Timestamp, ports};
use rustix::time::{ClockId, clock_gettime};
use uuid::Uuid;

/// A step of the wall clock that is followed at once, in microseconds: so far apart may the clocks of replicas be.
const FOLLOWED: i64 = 10_000_000;
/// How long a longer step has to last until it is taken for a correction, in microseconds.
const LASTING: i64 = 600_000_000;
/// How far the two clocks move apart until that is noted, in microseconds.
const NOTED: i64 = 1_000;
/// No step is under way.
const NONE: i64 = i64::MIN;

/// The system's clock, in whole milliseconds.
#[derive(Debug)]
pub(crate) struct SystemClock;

impl ports::Clock for SystemClock {
    fn now(&self) -> Timestamp {
        static STEADY: Steady = Steady::new();
        let (read, news) = STEADY.read(since_boot(), wall());
        match news {
            News::None => {}
            News::Stepped(by) => {
                auth_telemetry::clock_stepped(by);
                tracing::warn!(
                    seconds = by / 1_000_000,
                    "the clock of this machine was set; it is not believed for ten minutes"
                );
            }
            News::Followed(by) => {
                auth_telemetry::clock_stepped(0);
                tracing::warn!(
                    seconds = by / 1_000_000,
                    "the clock of this machine is believed again"
                );
            }
        }
        Timestamp::from_micros(read.saturating_add(shifted("KEYWARD_TEST_CLOCK"))).whole_millis()
    }
}

/// The wall clock, but for its steps. Between two looks it has to have gone on as far as the clock that counts since
/// the machine was started, sleep included, give or take [`FOLLOWED`]. Where it has not, somebody has set it, and that
/// other clock goes on from where it was, until the wall clock is back or the step has lasted.
struct Steady {
    /// What the wall clock is ahead of the other one, in microseconds.
    ahead: AtomicI64,
    /// When, by the other one, the step that is under way was first seen.
    stepped_at: AtomicI64,
}

/// What is to be said of a look at the clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum News {
    None,
    /// It was set, by so many microseconds.
    Stepped(i64),
    /// That is over: it was set back, or has lasted.
    Followed(i64),
}

impl Steady {
    const fn new() -> Self {
        Self { ahead: AtomicI64::new(NONE), stepped_at: AtomicI64::new(NONE) }
    }

    /// The time to go by. All of it is microseconds. Whoever looks at the same moment as somebody else may say the news
    /// as well; both go by the same time.
    fn read(&self, since_boot: i64, wall: i64) -> (i64, News) {
        let ahead = self.ahead.load(Ordering::Relaxed);
        let step = wall.saturating_sub(since_boot).saturating_sub(ahead);
        let stepped_at = self.stepped_at.load(Ordering::Relaxed);
        let is_step = ahead != NONE && step.saturating_abs() > FOLLOWED;
        let has_lasted = stepped_at != NONE && since_boot.saturating_sub(stepped_at) > LASTING;
        if is_step && !has_lasted {
            let first = stepped_at == NONE
                && self
                    .stepped_at
                    .compare_exchange(NONE, since_boot, Ordering::Relaxed, Ordering::Relaxed)
                    .is_ok();
            let news = if first { News::Stepped(step) } else { News::None };
            return (since_boot.saturating_add(ahead), news);
        }
        // Every call reads this, so it is written only when there is something to write.
        if ahead == NONE || step.saturating_abs() >= NOTED {
            self.ahead.store(wall.saturating_sub(since_boot), Ordering::Relaxed);
        }
        if stepped_at == NONE {
            return (wall, News::None);
        }
        self.stepped_at.store(NONE, Ordering::Relaxed);
        (wall, News::Followed(step))
    }
}

/// Microseconds since the machine was started, sleep included.
fn since_boot() -> i64 {
    let now = clock_gettime(ClockId::Boottime);
    now.tv_sec.saturating_mul(1_000_000).saturating_add(now.tv_nsec / 1_000)
}

/// Microseconds since 1970, as the machine has it.
#[expect(clippy::disallowed_methods, reason = "this is where Cx::now comes from")]
fn wall() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let micros = i64::try_from(since.as_micros()).unwrap_or(i64::MAX);
    micros.saturating_add(shifted("KEYWARD_TEST_WALL_CLOCK"))
}

/// How far a test has put the time of this process on, in microseconds, or stepped its wall clock: the number in a
/// file of its own, which the variable names. There is no such thing in a release build.
#[cfg(debug_assertions)]
fn shifted(variable: &'static str) -> i64 {
    use std::path::PathBuf;
    use std::sync::OnceLock;
    static FILES: OnceLock<[Option<PathBuf>; 2]> = OnceLock::new();
    let variables = ["KEYWARD_TEST_CLOCK", "KEYWARD_TEST_WALL_CLOCK"];
    let files =
        FILES.get_or_init(|| variables.map(|name| std::env::var_os(name).map(PathBuf::from)));
    let [time, wall] = files;
    let file = if variable == "KEYWARD_TEST_CLOCK" { time } else { wall };
    let text = file.as_ref().and_then(|file| std::fs::read_to_string(file).ok());
    text.and_then(|text| text.trim().parse().ok()).unwrap_or(0)
}

#[cfg(not(debug_assertions))]
const fn shifted(_variable: &'static str) -> i64 {
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

    const HOUR: i64 = 3_600_000_000;
    const SECOND: i64 = 1_000_000;

    #[test]
    fn r29_a_step_of_the_wall_clock_is_not_believed_until_it_is_over_or_has_lasted() {
        for step in [HOUR, -HOUR, 11 * SECOND, -11 * SECOND] {
            let steady = Steady::new();
            let start = 1_000 * HOUR;
            assert_eq!(steady.read(0, start), (start, News::None));
            assert_eq!(steady.read(SECOND, start + SECOND), (start + SECOND, News::None));
            let stepped = steady.read(2 * SECOND, start + 2 * SECOND + step);
            assert_eq!(stepped, (start + 2 * SECOND, News::Stepped(step)));
            let later = steady.read(60 * SECOND, start + 60 * SECOND + step);
            assert_eq!(later, (start + 60 * SECOND, News::None));
            let (back, news) = steady.read(61 * SECOND, start + 61 * SECOND);
            assert_eq!((back, news), (start + 61 * SECOND, News::Followed(0)));

            steady.read(62 * SECOND, start + 62 * SECOND + step);
            let lasting = 62 * SECOND + LASTING;
            assert_eq!(steady.read(lasting, start + lasting + step).0, start + lasting);
            let corrected = steady.read(lasting + 1, start + lasting + 1 + step);
            assert_eq!(corrected, (start + lasting + 1 + step, News::Followed(step)));
            assert_eq!(
                steady.read(lasting + 2, start + lasting + 2 + step),
                (start + lasting + 2 + step, News::None)
            );
        }
    }

    #[test]
    fn what_a_clock_is_set_by_that_is_a_little_wrong_is_followed_at_once() {
        let steady = Steady::new();
        steady.read(0, HOUR);
        for step in [9 * SECOND, -9 * SECOND, 1, -SECOND] {
            assert_eq!(
                steady.read(SECOND, HOUR + SECOND + step),
                (HOUR + SECOND + step, News::None)
            );
            assert_eq!(steady.read(SECOND, HOUR + SECOND).0, HOUR + SECOND);
        }
    }

    #[test]
    fn a_machine_that_slept_has_not_been_stepped() {
        let steady = Steady::new();
        steady.read(0, HOUR);
        assert_eq!(steady.read(8 * HOUR, 9 * HOUR), (9 * HOUR, News::None));
    }

    #[test]
    fn later_ids_are_greater() {
        let ids: Vec<_> = (0..1000).map(|_| RandomIds.next()).collect();
        assert!(ids.is_sorted());
        assert!(ids.iter().all(|id| id.get_version_num() == 7));
    }
}
