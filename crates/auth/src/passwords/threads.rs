//! Threads that hash, one thing after the other, and give way to those that answer checks.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use argon2::Block;

/// How much a thread that hashes gives way to others: by this niceness, a tenth of a core that both want. Less
/// would starve whoever signs in on a machine that is busy with something else.
const NICENESS: i32 = 10;
/// How long a thread keeps the memory it hashed in, for the next one: taking it anew costs a third of a hash.
const KEPT: Duration = Duration::from_secs(1);

/// Something to do, in memory that the thread may have used before.
pub(super) type Work = Box<dyn FnOnce(&mut Vec<Block>) + Send>;

/// The threads, until this is dropped.
pub(super) struct Threads(Arc<Shared>);

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    queue: VecDeque<Work>,
    closed: bool,
}

impl Threads {
    /// Starts so many.
    pub(super) fn start(count: usize) -> io::Result<Self> {
        let threads = Self(Arc::default());
        for number in 0..count {
            let shared = Arc::clone(&threads.0);
            let thread = thread::Builder::new().name(format!("passwords-{number}"));
            thread.spawn(move || {
                // On Linux that is a thread's own. Without it, hashing is as urgent as anything else.
                let _ = rustix::process::nice(NICENESS);
                shared.work();
            })?;
        }
        Ok(threads)
    }

    /// Has it done when it is its turn.
    pub(super) fn give(&self, work: Work) {
        self.0.lock().queue.push_back(work);
        self.0.changed.notify_one();
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does one thing after the other, until nobody can give any more.
    fn work(&self) {
        let mut memory = Vec::new();
        let mut state = self.lock();
        while !state.closed {
            if let Some(work) = state.queue.pop_front() {
                drop(state);
                // Whoever waits for it hears that it came to nothing.
                let _ = catch_unwind(AssertUnwindSafe(|| work(&mut memory)));
                state = self.lock();
            } else if memory.capacity() == 0 {
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
            } else {
                let waited = self.changed.wait_timeout(state, KEPT);
                let (guard, waited) = waited.unwrap_or_else(PoisonError::into_inner);
                state = guard;
                if waited.timed_out() {
                    memory = Vec::new();
                }
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::mpsc;
    use std::time::Instant;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(20);

    /// What a thread finds when it is given something to do, which takes some memory.
    fn look<T: Send + 'static>(
        threads: &Threads,
        at: impl FnOnce(&Vec<Block>) -> T + Send + 'static,
    ) -> T {
        let (tell, told) = mpsc::channel();
        threads.give(Box::new(move |memory| {
            let _ = tell.send(at(memory));
            memory.reserve(8);
        }));
        told.recv_timeout(DEADLINE).unwrap()
    }

    #[test]
    fn threads_that_hash_give_way() {
        let niceness = || rustix::process::getpriority_process(None).unwrap();
        let threads = Threads::start(1).unwrap();
        let hashing = look(&threads, move |_| niceness());
        assert_eq!(hashing, niceness().saturating_add(NICENESS).min(19));
    }

    #[test]
    fn memory_is_kept_for_the_next_and_not_for_long() {
        let threads = Threads::start(1).unwrap();
        assert_eq!(look(&threads, Vec::capacity), 0);
        assert!(look(&threads, Vec::capacity) >= 8, "the next one finds it");
        let begun = Instant::now();
        // Looking has it kept anew: so each pause is a little longer than the last.
        let mut pause = KEPT;
        loop {
            thread::sleep(pause);
            if look(&threads, Vec::capacity) == 0 {
                break;
            }
            assert!(begun.elapsed() < DEADLINE, "it is never given back");
            pause = pause.saturating_add(KEPT.div_f64(10.0));
        }
    }
}
