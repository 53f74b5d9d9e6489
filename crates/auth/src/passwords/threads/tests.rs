use std::sync::atomic::AtomicUsize;
use std::sync::mpsc;

use super::*;

/// Also for a thread of the idle class on a machine that is busy with other tests.
const DEADLINE: Duration = Duration::from_mins(2);
const NEVER: Duration = Duration::from_hours(1);

/// What is found by whoever is given something to do, which takes some memory.
fn look<T: Send + Sync + 'static>(
    threads: &Threads,
    at: impl Fn(&Vec<Block>) -> T + Send + Sync + 'static,
) -> T {
    let (tell, told) = mpsc::channel();
    threads.give(
        1,
        Box::new(move |memory| {
            let (found, tell) = (at(memory), tell.clone());
            memory.reserve(8);
            Box::new(move || drop(tell.send(found)))
        }),
    );
    told.recv_timeout(DEADLINE).unwrap()
}

/// The name and the niceness of this thread, and whether it is in the idle class.
fn who() -> (String, i32, bool) {
    let name = thread::current().name().unwrap().to_owned();
    (name, rustix::process::getpriority_process(None).unwrap(), is_idle())
}

/// Something that a thread in the idle class cannot end, because it gets no time; who else does it tells who they are.
struct Stuck {
    told: mpsc::Receiver<(String, i32, bool)>,
    free: mpsc::Sender<()>,
    times: Arc<AtomicUsize>,
}

impl Stuck {
    fn give(threads: &Threads) -> Self {
        let ((tell, told), (free, freed)) = (mpsc::channel(), mpsc::channel());
        let (times, freed) = (Arc::<AtomicUsize>::default(), Mutex::new(freed));
        let counted = Arc::clone(&times);
        threads.give(
            1,
            Box::new(move |_| {
                counted.fetch_add(1, Ordering::SeqCst);
                let (who, tell) = (who(), tell.clone());
                if who.2 {
                    let _ = freed.lock().unwrap().recv_timeout(DEADLINE);
                }
                Box::new(move || drop(tell.send(who)))
            }),
        );
        Self { told, free, times }
    }
}

#[test]
fn hashes_have_what_is_left_of_the_processor() {
    let threads = Threads::with_patience(1, NEVER).unwrap();
    let (name, _, idle) = look(&threads, |_| who());
    assert_eq!((name.as_str(), idle), ("passwords-0", true));
}

#[test]
fn who_gets_no_time_is_stood_in_for_by_one_who_gets_some() {
    let ours = rustix::process::getpriority_process(None).unwrap();
    let threads = Threads::with_patience(1, Duration::from_millis(50)).unwrap();
    let stuck = Stuck::give(&threads);
    let stand_in = ("stand-in-0".to_owned(), ours.saturating_add(NICENESS).min(19), false);
    assert_eq!(stuck.told.recv_timeout(DEADLINE).unwrap(), stand_in, "what was begun");
    assert_eq!(look(&threads, |_| who()), stand_in, "and what comes while the other is stuck");
    stuck.free.send(()).unwrap();
    let begun = Instant::now();
    while look(&threads, |_| who()).0 != "passwords-0" {
        assert!(begun.elapsed() < DEADLINE, "who is free again is never asked again");
    }
    assert!(stuck.told.try_recv().is_err(), "it was told twice");
}

#[test]
fn memory_that_comes_back_late_is_kept_for_no_longer() {
    let slot = Arc::<Slot>::default();
    let pair = Pair { slot: Arc::clone(&slot), idle: thread::current() };
    let shared = Shared {
        state: Mutex::default(),
        changed: Condvar::new(),
        patience: Duration::from_millis(1),
    };
    slot.busy.store(true, Ordering::SeqCst);
    let (tell, told) = mpsc::channel();
    let work: Work = Box::new(move |_| {
        let (id, tell) = (rustix::thread::gettid().as_raw_nonzero(), tell.clone());
        Box::new(move || {
            let _ = tell.send(id);
        })
    });
    shared.lock().queue.push_back((work, 1));
    thread::scope(|scope| {
        scope.spawn(|| shared.stand_in(&pair));
        let stat = format!("/proc/self/task/{}/stat", told.recv_timeout(DEADLINE).unwrap());
        let asleep = || std::fs::read_to_string(&stat).unwrap().contains(") S ");
        let begun = Instant::now();
        // Its own memory is gone after a while, and it waits for nothing but the other.
        while begun.elapsed() < KEPT.saturating_mul(2) || !asleep() {
            assert!(begun.elapsed() < DEADLINE, "it never waits");
            thread::sleep(Duration::from_millis(5));
        }
        slot.done.store(Some(Arc::new(Done { tell: None, memory: Vec::with_capacity(8) })));
        slot.busy.store(false, Ordering::SeqCst);
        let begun = Instant::now();
        while slot.done.load().is_some() && begun.elapsed() < DEADLINE {
            thread::sleep(Duration::from_millis(5));
        }
        shared.lock().closed = true;
        shared.changed.notify_all();
        assert!(slot.done.load().is_none(), "nobody takes it");
    });
}

#[test]
fn nobody_is_stood_in_for_before_their_time() {
    let threads = Threads::with_patience(1, NEVER).unwrap();
    let stuck = Stuck::give(&threads);
    stuck.free.send(()).unwrap();
    assert_eq!(stuck.told.recv_timeout(DEADLINE).unwrap().0, "passwords-0");
    assert_eq!(look(&threads, |_| who()).0, "passwords-0");
    assert_eq!(stuck.times.load(Ordering::SeqCst), 1, "somebody else did it too");
}

#[test]
fn large_work_has_more_time() {
    let threads = Threads::with_patience(1, Duration::from_millis(1)).unwrap();
    let (tell, told) = mpsc::channel();
    threads.give(
        1_000_000,
        Box::new(move |_| {
            thread::sleep(Duration::from_millis(20));
            let (who, tell) = (who(), tell.clone());
            Box::new(move || drop(tell.send(who)))
        }),
    );
    assert_eq!(told.recv_timeout(DEADLINE).unwrap().0, "passwords-0");
}

#[test]
fn what_was_never_begun_is_forgotten_once_somebody_did_it() {
    let (slot, idle) = (Arc::<Slot>::default(), thread::spawn(|| {}));
    let pair = Pair { slot, idle: idle.thread().clone() };
    let known = Arc::new(());
    let weak = Arc::downgrade(&known);
    let work: Work = Box::new(move |_| {
        let _ = &known;
        Box::new(|| {})
    });
    pair.has(work, Duration::from_millis(1), &mut Memory::default());
    assert!(weak.upgrade().is_none(), "it is still there for a thread that gets no time");
    assert!(pair.slot.busy.load(Ordering::SeqCst), "which is not asked again meanwhile");
    assert!(pair.slot.given.load().is_some(), "and shows by this when it is free");
}

#[test]
fn memory_is_kept_for_the_next_and_not_for_long() {
    let threads = Threads::with_patience(1, NEVER).unwrap();
    let begun = Instant::now();
    // On a machine that is busy there may be a second between two of them.
    while look(&threads, Vec::capacity) < 8 {
        assert!(begun.elapsed() < DEADLINE, "the next one never finds it");
    }
    let then = Instant::now();
    let memory = Memory { blocks: Vec::new(), used: Some(then) };
    assert_eq!(memory.kept(then), Some(KEPT));
    assert_eq!(memory.kept(then.checked_add(KEPT).unwrap()), None);
    while look(&threads, Vec::capacity) >= 8 {
        thread::sleep(KEPT.saturating_mul(2));
        assert!(begun.elapsed() < DEADLINE, "it is never given back");
    }
}

#[test]
fn threads_end_with_what_they_belong_to() {
    let threads = Threads::with_patience(1, NEVER).unwrap();
    let known = Arc::new(());
    let (weak, shared) = (Arc::downgrade(&known), Arc::downgrade(&threads.0));
    look(&threads, move |_| Arc::strong_count(&known));
    let idle = look(&threads, |_| rustix::thread::gettid().as_raw_nonzero());
    drop(threads);
    let there = || std::path::Path::new(&format!("/proc/self/task/{idle}")).exists();
    let begun = Instant::now();
    while weak.strong_count() > 0 || shared.strong_count() > 0 || there() {
        assert!(begun.elapsed() < DEADLINE, "something goes on");
        thread::sleep(Duration::from_millis(5));
    }
}
