//! A breaker before another service: while it does not answer, whoever asks is told so at once, instead of waiting
//! and taking a place that others need.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// After how many questions in a row without an answer nobody asks any more.
const FAILURES: u32 = 3;
/// How long nobody asks then, before one does for all. The same as before the Redis that counts rate limits.
const PAUSE: Duration = Duration::from_secs(2);

/// Whether to ask.
pub(super) struct Breaker {
    state: Mutex<State>,
    /// Hears whether nobody asks, whenever that changes.
    tell: fn(bool),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Everybody asks; so many in a row had no answer.
    Closed(u32),
    /// Nobody asks before then.
    Open(Instant),
    /// One asks for all.
    HalfOpen,
}

impl Breaker {
    pub(super) fn new(tell: fn(bool)) -> Self {
        tell(false);
        Self { state: Mutex::new(State::Closed(0)), tell }
    }

    /// A turn to ask, or none for now.
    pub(super) fn turn(&self) -> Option<Turn<'_>> {
        self.turn_at(Instant::now())
    }

    fn turn_at(&self, now: Instant) -> Option<Turn<'_>> {
        let mut state = self.lock();
        let is_probe = match *state {
            State::Closed(_) => false,
            State::Open(until) if now >= until => true,
            State::Open(_) | State::HalfOpen => return None,
        };
        if is_probe {
            *state = State::HalfOpen;
        }
        Some(Turn { breaker: self, is_probe, is_over: false })
    }

    fn answered(&self) {
        let mut state = self.lock();
        if !matches!(*state, State::Closed(_)) {
            tracing::info!("the users service answers again");
            (self.tell)(false);
        }
        *state = State::Closed(0);
    }

    fn failed(&self, is_probe: bool, now: Instant) {
        let mut state = self.lock();
        let again = now.checked_add(PAUSE).unwrap_or(now);
        match *state {
            State::Closed(before) if before.saturating_add(1) < FAILURES => {
                *state = State::Closed(before.saturating_add(1));
            }
            State::Closed(_) => {
                *state = State::Open(again);
                tracing::warn!("the users service does not answer: it is asked now and then");
                (self.tell)(true);
            }
            State::HalfOpen if is_probe => *state = State::Open(again),
            // Of a question from before.
            State::Open(_) | State::HalfOpen => {}
        }
    }

    /// Who asked for all has gone without an answer, which says nothing: somebody else may at once.
    fn given_up(&self) {
        let mut state = self.lock();
        if *state == State::HalfOpen {
            *state = State::Open(Instant::now());
        }
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // Nothing in here can panic half way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A turn to ask.
pub(super) struct Turn<'a> {
    breaker: &'a Breaker,
    is_probe: bool,
    is_over: bool,
}

impl Turn<'_> {
    /// Says whether there was an answer, whatever it was.
    pub(super) fn end(self, answered: bool) {
        self.end_at(answered, Instant::now());
    }

    fn end_at(mut self, answered: bool, now: Instant) {
        self.is_over = true;
        if answered {
            self.breaker.answered();
        } else {
            self.breaker.failed(self.is_probe, now);
        }
    }
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        if self.is_probe && !self.is_over {
            self.breaker.given_up();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MOMENT: Duration = Duration::from_millis(1);

    fn fail(breaker: &Breaker, now: Instant) {
        (0..FAILURES).for_each(|_| breaker.turn_at(now).unwrap().end_at(false, now));
    }

    /// One that has just opened, and when it did.
    fn open() -> (Breaker, Instant) {
        let (breaker, now) = (Breaker::new(|_| {}), Instant::now());
        fail(&breaker, now);
        (breaker, now)
    }

    #[test]
    fn r18_it_opens_after_failures_in_a_row_and_not_before() {
        let (breaker, now) = (Breaker::new(|_| {}), Instant::now());
        for _ in 0..5 {
            (1..FAILURES).for_each(|_| breaker.turn_at(now).unwrap().end_at(false, now));
            breaker.turn_at(now).unwrap().end_at(true, now);
        }
        fail(&breaker, now);
        assert!(breaker.turn_at(now).is_none());
    }

    #[test]
    fn r18_one_asks_for_all_and_its_answer_lets_everybody_in() {
        let (breaker, opened) = open();
        let then = opened + PAUSE;
        assert!(breaker.turn_at(opened + PAUSE.saturating_sub(MOMENT)).is_none());
        let probe = breaker.turn_at(then).unwrap();
        assert!(breaker.turn_at(then).is_none(), "one");
        probe.end_at(false, then);
        assert!(breaker.turn_at(then).is_none(), "not yet");
        breaker.turn_at(then + PAUSE).unwrap().end_at(true, then + PAUSE);
        let both = [breaker.turn_at(then + PAUSE), breaker.turn_at(then + PAUSE)];
        assert!(both.iter().all(Option::is_some));
    }

    #[test]
    fn r18_who_gives_up_asking_for_all_leaves_it_to_the_next() {
        let (breaker, opened) = open();
        drop(breaker.turn_at(opened + PAUSE).unwrap());
        assert!(breaker.turn_at(opened + PAUSE).is_some());
    }

    #[test]
    fn r18_what_was_asked_before_counts_if_it_was_answered() {
        let (breaker, now) = (Breaker::new(|_| {}), Instant::now());
        let (slow, slower) = (breaker.turn_at(now).unwrap(), breaker.turn_at(now).unwrap());
        fail(&breaker, now);
        let then = now + PAUSE;
        let probe = breaker.turn_at(then).unwrap();
        slow.end_at(false, then);
        assert!(breaker.turn_at(then + PAUSE).is_none(), "the probe is still under way");
        slower.end_at(true, then);
        assert!(breaker.turn_at(then).is_some());
        drop(probe);
        assert!(breaker.turn_at(then).is_some());
    }
}
