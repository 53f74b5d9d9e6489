//! Threads that hash, one thing after the other, and give way to those that answer checks.
//!
//! Hashing is done in the scheduler's idle class: on what is left of the processor, which is given up at once. On a machine
//! that is busy with something else nothing is left, and then whoever signs in would wait for minutes; and without a privilege
//! no thread leaves that class again. So each has a stand-in, which has its share also then, if a small one. It takes what is to be
//! done, has the other do it, and does it itself if that takes too long; and the next things too, until the other is free.
//!
//! A thread that gets no time must hold nothing that others wait for. So it only computes. It takes no lock of ours, tells
//! nobody but its stand-in, and returns no memory to the system: work and memory are handed over and back by pointers that are
//! swapped.

use std::collections::VecDeque;
use std::io;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::{self, Thread};
use std::time::{Duration, Instant};

use arc_swap::ArcSwapOption;
use argon2::Block;
use thread_priority::ThreadPriority;
use thread_priority::unix::{
    NormalThreadSchedulePolicy, ThreadSchedulePolicy, set_thread_priority_and_policy,
    thread_native_id, thread_schedule_policy_param,
};

/// How much a stand-in gives way to others: by this niceness, a tenth of a core that both want.
const NICENESS: i32 = 10;
/// How long a thread in the idle class may take for as much work as one hash. That takes a tenth of it where a core is free.
const PATIENCE: Duration = Duration::from_millis(250);
/// How long the memory of a hash is kept for the next one: taking it anew costs a third of a hash.
const KEPT: Duration = Duration::from_secs(1);
const IDLE: ThreadSchedulePolicy = ThreadSchedulePolicy::Normal(NormalThreadSchedulePolicy::Idle);

/// Something to compute, in memory that may have been used before. Two may be at it; whoever is done first tells.
pub(super) type Work = Box<dyn Fn(&mut Vec<Block>) -> Tell + Send + Sync>;
/// What tells somebody what came of it.
pub(super) type Tell = Box<dyn FnOnce() + Send + Sync>;

/// The threads, until this is dropped.
pub(super) struct Threads(Arc<Shared>);

/// What stand-ins share with whoever gives them something to do.
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
    patience: Duration,
}

#[derive(Default)]
struct State {
    queue: VecDeque<(Work, u32)>,
    closed: bool,
}

/// What a stand-in shares with its thread in the idle class.
#[derive(Default)]
struct Slot {
    /// Put here by the stand-in, and taken by the other.
    given: ArcSwapOption<Given>,
    /// The other way round.
    done: ArcSwapOption<Done>,
    /// Whether something was given and is not done.
    busy: AtomicBool,
    closed: AtomicBool,
}

struct Given {
    work: Arc<Work>,
    memory: Vec<Block>,
    /// Who wants to hear that it is done.
    from: Thread,
}

struct Done {
    tell: Option<Tell>,
    memory: Vec<Block>,
}

impl Threads {
    /// Starts so many in the idle class, and a stand-in for each.
    pub(super) fn start(count: usize) -> io::Result<Self> {
        Self::with_patience(count, PATIENCE)
    }

    fn with_patience(count: usize, patience: Duration) -> io::Result<Self> {
        let state = Mutex::default();
        let threads = Self(Arc::new(Shared { state, changed: Condvar::new(), patience }));
        for number in 0..count {
            let slot = Arc::<Slot>::default();
            let idle = thread::Builder::new().name(format!("passwords-{number}")).spawn({
                let slot = Arc::clone(&slot);
                move || slot.compute()
            })?;
            let pair = Pair { slot, idle: idle.thread().clone() };
            let shared = Arc::clone(&threads.0);
            let name = format!("stand-in-{number}");
            thread::Builder::new().name(name).spawn(move || shared.stand_in(&pair))?;
        }
        Ok(threads)
    }

    /// Has it done when it is its turn. It is as much work as so many hashes.
    pub(super) fn give(&self, hashes: u32, work: Work) {
        self.0.lock().queue.push_back((work, hashes));
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

    /// Has one thing done after the other, until nobody can give any more.
    fn stand_in(&self, pair: &Pair) {
        // On Linux that is a thread's own.
        let _ = rustix::process::nice(NICENESS);
        let mut memory = Memory::default();
        let mut state = self.lock();
        while !state.closed {
            if let Some((work, hashes)) = state.queue.pop_front() {
                drop(state);
                pair.has(work, self.patience.saturating_mul(hashes), &mut memory);
                state = self.lock();
                continue;
            }
            let kept = memory.kept(Instant::now());
            if pair.is_free_again() || kept.is_none() && memory.is_some() {
                // Returning it to the system takes too long for others to wait.
                drop(state);
                if kept.is_none() {
                    memory = Memory::default();
                }
                pair.collect(&mut memory);
                state = self.lock();
                continue;
            }
            state = match kept.or(pair.is_busy().then_some(KEPT)) {
                None => self.changed.wait(state).unwrap_or_else(PoisonError::into_inner),
                Some(long) => {
                    let waited = self.changed.wait_timeout(state, long);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
            };
        }
    }
}

/// A thread in the idle class, which ends with this, as its stand-in sees it.
struct Pair {
    slot: Arc<Slot>,
    idle: Thread,
}

impl Pair {
    /// Has it done by the thread in the idle class, or does it here if that is busy or takes too long.
    fn has(&self, work: Work, patience: Duration, memory: &mut Memory) {
        let work = Arc::new(work);
        let tell = if let Some(done) = self.done_within(patience, &work, memory) {
            memory.put_back(done.memory);
            done.tell
        } else {
            let tell = compute(&work, &mut memory.blocks);
            self.forget(&work);
            tell
        };
        // What it knows goes before anybody hears of it.
        drop(work);
        memory.used = Some(Instant::now());
        if let Some(tell) = tell {
            tell();
        }
    }

    /// What came of it there, unless it is not done by then.
    fn done_within(
        &self,
        patience: Duration,
        work: &Arc<Work>,
        memory: &mut Memory,
    ) -> Option<Done> {
        let slot = &*self.slot;
        if self.is_busy() {
            return None;
        }
        self.collect(memory);
        slot.busy.store(true, Ordering::Release);
        let begun = Instant::now();
        let (work, from) = (Arc::clone(work), thread::current());
        let given = Given { work, memory: std::mem::take(&mut memory.blocks), from };
        slot.given.store(Some(Arc::new(given)));
        self.idle.unpark();
        while slot.busy.load(Ordering::Acquire) {
            thread::park_timeout(left(patience, begun)?);
        }
        slot.done.swap(None).and_then(Arc::into_inner)
    }

    /// Whether the thread in the idle class is at something. Its stand-in asks when it has nothing to do, so that came too late.
    fn is_busy(&self) -> bool {
        self.slot.busy.load(Ordering::Acquire)
    }

    /// Whether it has come to the end of that.
    fn is_free_again(&self) -> bool {
        !self.is_busy() && self.slot.done.load().is_some()
    }

    /// Takes the memory of that.
    fn collect(&self, memory: &mut Memory) {
        let late = if self.is_busy() { None } else { self.slot.done.swap(None) };
        if let Some(late) = late.and_then(Arc::into_inner) {
            memory.put_back(late.memory);
            memory.used = Some(Instant::now());
        }
    }

    /// Takes this back if it was not begun: it knows a password. What it is replaced by shows when the other is free again.
    fn forget(&self, work: &Arc<Work>) {
        let given = self.slot.given.load_full();
        if given.as_ref().is_some_and(|given| Arc::ptr_eq(&given.work, work)) {
            let nothing: Work = Box::new(|_| Box::new(|| {}));
            let from = thread::current();
            let nothing = Given { work: Arc::new(nothing), memory: Vec::new(), from };
            let _ = self.slot.given.compare_and_swap(&given, Some(Arc::new(nothing)));
        }
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        self.slot.closed.store(true, Ordering::Release);
        self.idle.unpark();
    }
}

impl Slot {
    /// Computes what it is given, in the idle class.
    fn compute(&self) {
        // If what is asked for besides is refused, it is in that class all the same.
        let _ = set_thread_priority_and_policy(thread_native_id(), ThreadPriority::Min, IDLE);
        if !is_idle() {
            // Where the system does not let it, it gives way as its stand-in does.
            let _ = rustix::process::nice(NICENESS);
        }
        while !self.closed.load(Ordering::Acquire) {
            match self.given.swap(None).map(Arc::try_unwrap) {
                None => thread::park(),
                // Its stand-in looks at it at this moment.
                Some(Err(given)) => self.given.store(Some(given)),
                Some(Ok(Given { work, mut memory, from })) => {
                    let tell = compute(&work, &mut memory);
                    drop(work);
                    self.done.store(Some(Arc::new(Done { tell, memory })));
                    self.busy.store(false, Ordering::Release);
                    from.unpark();
                }
            }
        }
    }
}

/// Does it here. Whoever waits for it hears if it comes to nothing.
fn compute(work: &Work, memory: &mut Vec<Block>) -> Option<Tell> {
    catch_unwind(AssertUnwindSafe(|| work(memory))).ok()
}

/// Whether this thread is in the idle class.
fn is_idle() -> bool {
    thread_schedule_policy_param(thread_native_id()).is_ok_and(|(policy, _)| policy == IDLE)
}

/// What was hashed in, and when it last was.
#[derive(Default)]
struct Memory {
    blocks: Vec<Block>,
    used: Option<Instant>,
}

impl Memory {
    /// The larger of both is kept.
    fn put_back(&mut self, blocks: Vec<Block>) {
        if blocks.capacity() > self.blocks.capacity() {
            self.blocks = blocks;
        }
    }

    const fn is_some(&self) -> bool {
        self.used.is_some()
    }

    /// For how long it is kept from now on, if there is any and it is not over.
    fn kept(&self, now: Instant) -> Option<Duration> {
        let unused = now.saturating_duration_since(self.used?);
        KEPT.checked_sub(unused).filter(|left| !left.is_zero())
    }
}

/// What is left of this time since then, unless it is over.
fn left(of: Duration, since: Instant) -> Option<Duration> {
    of.checked_sub(since.elapsed()).filter(|left| !left.is_zero())
}

#[cfg(test)]
mod tests;
