//! Threads that hash, one thing after the other, and give way to those that answer checks.
//!
//! Those that do it as a rule are in the scheduler's idle class: they have what is left of the processor, and give it up at
//! once. On a machine that is busy with something else nothing is left, and then whoever signs in would wait for minutes. So
//! each has a stand-in that has its share also then, if a small one: it takes over what is not done after [`PATIENCE`], and
//! what nobody has begun.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use argon2::Block;
use thread_priority::ThreadPriority;
use thread_priority::unix::{
    NormalThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id,
};

/// How much a stand-in gives way to others: by this niceness, a tenth of a core that both want.
const NICENESS: i32 = 10;
/// How long the threads in the idle class may take for one thing, or not begin one, before they are stood in for. A hash
/// takes a tenth of that where a core is free.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long a thread keeps the memory it hashed in, for the next one: taking it anew costs a third of a hash.
const KEPT: Duration = Duration::from_secs(1);

/// Something to do, in memory that the thread may have used before. A stand-in may do it while the first thread is still at
/// it; who is done first tells.
pub(super) type Work = Box<dyn Fn(&mut Vec<Block>) + Send + Sync>;

/// The threads, until this is dropped.
pub(super) struct Threads(Arc<Shared>);

struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    patience: Duration,
}

struct State {
    queue: VecDeque<Arc<Work>>,
    /// What each thread in the idle class is at.
    at: Vec<Option<Begun>>,
    /// When one of them last began or ended something, or had nothing to do.
    moved: Instant,
    closed: bool,
}

/// Something that a thread in the idle class has begun.
struct Begun {
    work: Arc<Work>,
    since: Instant,
    /// Whether a stand-in does it as well.
    taken_over: bool,
}

/// Which of the two kinds a thread is.
#[derive(Clone, Copy)]
enum Kind {
    /// In the idle class: the thread of this number.
    Idle(usize),
    StandIn,
}

impl Threads {
    /// Starts so many, and as many that stand in for them.
    pub(super) fn start(count: usize) -> io::Result<Self> {
        Self::with_patience(count, PATIENCE)
    }

    fn with_patience(count: usize, patience: Duration) -> io::Result<Self> {
        let at = std::iter::repeat_with(|| None).take(count).collect();
        let state = State { queue: VecDeque::new(), at, moved: Instant::now(), closed: false };
        let shared = Shared { state: Mutex::new(state), changed: Condvar::new(), patience };
        let threads = Self(Arc::new(shared));
        for number in 0..count {
            threads.spawn(format!("passwords-{number}"), Kind::Idle(number))?;
            threads.spawn(format!("stand-in-{number}"), Kind::StandIn)?;
        }
        Ok(threads)
    }

    fn spawn(&self, name: String, kind: Kind) -> io::Result<()> {
        let shared = Arc::clone(&self.0);
        thread::Builder::new().name(name).spawn(move || {
            kind.give_way();
            shared.work(kind);
        })?;
        Ok(())
    }

    /// Has it done when it is its turn.
    pub(super) fn give(&self, work: Work) {
        let mut state = self.0.lock();
        if state.queue.is_empty() && state.at.iter().any(Option::is_none) {
            state.moved = Instant::now();
        }
        state.queue.push_back(Arc::new(work));
        drop(state);
        self.0.changed.notify_all();
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        self.0.lock().closed = true;
        self.0.changed.notify_all();
    }
}

impl Kind {
    /// Makes this thread less urgent. Where the system does not let it, hashing is as urgent as anything else.
    fn give_way(self) {
        let idle = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);
        let least = ThreadPriority::Min;
        let settled = matches!(self, Self::Idle(_))
            && set_thread_priority_and_policy(thread_native_id(), least, idle).is_ok();
        if !settled {
            // On Linux that is a thread's own.
            let _ = rustix::process::nice(NICENESS);
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Does one thing after the other, until nobody can give any more.
    fn work(&self, kind: Kind) {
        let (mut memory, mut used) = (Vec::new(), Instant::now());
        let mut state = self.lock();
        while !state.closed {
            let (work, late) = match kind {
                Kind::Idle(number) => (state.begin(number), None),
                Kind::StandIn => state.stand_in(self.patience),
            };
            if let Some(work) = work {
                drop(state);
                // Whoever waits for it hears that it came to nothing.
                let _ = catch_unwind(AssertUnwindSafe(|| work(&mut memory)));
                // With what it knows.
                drop(work);
                used = Instant::now();
                state = self.lock();
                if let Kind::Idle(number) = kind {
                    state.end(number);
                }
                continue;
            }
            let kept = left(KEPT, used);
            if kept.is_none() {
                memory = Vec::new();
            }
            let kept = kept.filter(|_| memory.capacity() > 0);
            state = match late.into_iter().chain(kept).min() {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(long) => {
                    let waited = self.changed.wait_timeout(state, long);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

impl State {
    /// What the thread of this number in the idle class does next.
    fn begin(&mut self, number: usize) -> Option<Arc<Work>> {
        let work = self.queue.pop_front()?;
        let since = Instant::now();
        self.moved = since;
        if let Some(at) = self.at.get_mut(number) {
            *at = Some(Begun { work: Arc::clone(&work), since, taken_over: false });
        }
        Some(work)
    }

    /// That thread has done it.
    fn end(&mut self, number: usize) {
        self.moved = Instant::now();
        if let Some(at) = self.at.get_mut(number) {
            *at = None;
        }
    }

    /// What a stand-in does next; or else after how long something may be late, if anything is to be done.
    fn stand_in(&mut self, patience: Duration) -> (Option<Arc<Work>>, Option<Duration>) {
        let mut late: Option<Duration> = None;
        let mut sooner = |left: Duration| late = Some(late.map_or(left, |late| late.min(left)));
        for begun in self.at.iter_mut().flatten().filter(|begun| !begun.taken_over) {
            match left(patience, begun.since) {
                Some(left) => sooner(left),
                None => {
                    begun.taken_over = true;
                    return (Some(Arc::clone(&begun.work)), None);
                }
            }
        }
        if !self.queue.is_empty() {
            match left(patience, self.moved) {
                Some(left) => sooner(left),
                None => return (self.queue.pop_front(), None),
            }
        }
        (None, late)
    }
}

/// What is left of this time since then, unless it is over.
fn left(of: Duration, since: Instant) -> Option<Duration> {
    of.checked_sub(since.elapsed()).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::sync::mpsc;

    use thread_priority::unix::thread_schedule_policy_param;

    use super::*;

    const DEADLINE: Duration = Duration::from_secs(20);
    const NEVER: Duration = Duration::from_secs(3600);

    /// What is found by whoever is given something to do, which takes some memory.
    fn look<T: Send + 'static>(
        threads: &Threads,
        at: impl Fn(&Vec<Block>) -> T + Send + Sync + 'static,
    ) -> T {
        let (tell, told) = mpsc::channel();
        threads.give(Box::new(move |memory| {
            let _ = tell.send(at(memory));
            memory.reserve(8);
        }));
        told.recv_timeout(DEADLINE).unwrap()
    }

    /// The name and the niceness of this thread, and whether it is in the idle class.
    fn who() -> (String, i32, bool) {
        let name = thread::current().name().unwrap().to_owned();
        let niceness = rustix::process::getpriority_process(None).unwrap();
        let (policy, _) = thread_schedule_policy_param(thread_native_id()).unwrap();
        (name, niceness, policy == ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle))
    }

    /// Something that the thread that begins it cannot end, because it gets no time; who else does it tells who they are.
    fn stuck(threads: &Threads) -> (mpsc::Receiver<(String, i32, bool)>, mpsc::Sender<()>) {
        let ((tell, told), (free, freed)) = (mpsc::channel(), mpsc::channel());
        let (times, freed) = (AtomicUsize::new(0), Mutex::new(freed));
        threads.give(Box::new(move |_| {
            if times.fetch_add(1, Ordering::SeqCst) == 0 {
                let _ = freed.lock().unwrap().recv_timeout(DEADLINE);
            } else {
                let _ = tell.send(who());
            }
        }));
        (told, free)
    }

    #[test]
    fn threads_that_hash_have_what_is_left_of_the_processor() {
        let threads = Threads::with_patience(1, NEVER).unwrap();
        let (name, _, idle) = look(&threads, |_| who());
        assert_eq!((name.as_str(), idle), ("passwords-0", true));
    }

    #[test]
    fn who_gets_no_time_is_stood_in_for_by_one_who_gets_some() {
        let ours = rustix::process::getpriority_process(None).unwrap();
        let threads = Threads::with_patience(1, Duration::from_millis(50)).unwrap();
        let (told, free) = stuck(&threads);
        let stand_in = ("stand-in-0".to_owned(), ours.saturating_add(NICENESS).min(19), false);
        assert_eq!(told.recv_timeout(DEADLINE).unwrap(), stand_in, "what was begun");
        assert_eq!(look(&threads, |_| who()), stand_in, "and what comes while the other is stuck");
        free.send(()).unwrap();
        let begun = Instant::now();
        while look(&threads, |_| who()).0 != "passwords-0" {
            assert!(begun.elapsed() < DEADLINE, "who is free again is never asked again");
        }
    }

    #[test]
    fn nobody_is_stood_in_for_before_their_time() {
        let threads = Threads::with_patience(1, NEVER).unwrap();
        let (told, free) = stuck(&threads);
        let (tell, next) = mpsc::channel();
        threads.give(Box::new(move |_| tell.send(who()).unwrap()));
        free.send(()).unwrap();
        assert_eq!(next.recv_timeout(DEADLINE).unwrap().0, "passwords-0");
        assert!(told.try_recv().is_err(), "nobody else did it");
    }

    #[test]
    fn memory_is_kept_for_the_next_and_not_for_long() {
        let threads = Threads::with_patience(1, NEVER).unwrap();
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
