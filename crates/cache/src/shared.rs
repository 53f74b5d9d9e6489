//! An answer from memory, or one that is read for all who miss the same thing at the same time.

use std::sync::Arc;
use std::time::Instant;

use auth_domain::error::Result;
use auth_domain::ports::Observer;

use crate::flights::{Flights, Turn};
use crate::lease::Micros;
use crate::memory::{Answer, Memory, Question, Recalled};

/// How often a caller waits for the read of somebody else before it reads itself.
const WAITS: u32 = 2;

/// A memory, and the reads that fill it.
pub(crate) struct Shared {
    memory: Arc<Memory>,
    observer: Arc<dyn Observer>,
    started: Instant,
    flights: Flights,
}

impl Shared {
    pub(crate) fn new(memory: Arc<Memory>, observer: Arc<dyn Observer>, started: Instant) -> Self {
        Self { memory, observer, started, flights: Flights::default() }
    }

    fn now(&self) -> Micros {
        Micros::try_from(self.started.elapsed().as_micros()).unwrap_or(Micros::MAX)
    }

    /// What the memory says, if it may say anything.
    fn recall(&self, question: &Question) -> Result<Answer, bool> {
        match self.memory.recall(question, self.now()) {
            Recalled::Current(answer) => Ok(answer),
            Recalled::Graced(answer) => {
                self.observer.graced();
                Ok(answer)
            }
            Recalled::Miss => Err(true),
            Recalled::Untrusted => Err(false),
        }
    }

    /// The answer. What is read by somebody else began perhaps before this caller asked; so whoever waited
    /// for it looks at the memory as if they came just now, and takes nothing from hand to hand.
    pub(crate) async fn answer<R: Future<Output = Result<Answer>> + Send>(
        &self,
        question: Question,
        read: impl Fn() -> R + Sync,
    ) -> Result<Answer> {
        for _ in 0..WAITS {
            match self.recall(&question) {
                Ok(answer) => return Ok(answer),
                Err(false) => return read().await,
                Err(true) => {}
            }
            match self.flights.join(question) {
                Turn::Lead(flight) => {
                    let ticket = self.memory.ticket();
                    let answer = read().await?;
                    linger().await;
                    self.memory.remember(question, ticket, answer.clone());
                    drop(flight);
                    return Ok(answer);
                }
                // Whether it was read, could not be, or nobody wants it any more.
                Turn::Follow(mut closes) => while closes.changed().await.is_ok() {},
            }
        }
        match self.recall(&question) {
            Ok(answer) => Ok(answer),
            Err(_) => read().await,
        }
    }
}

/// What is read arrives late, where a test wants it so. There is no such thing in a release build.
async fn linger() {
    #[cfg(debug_assertions)]
    if let Some(millis) = lingering() {
        tokio::time::sleep(std::time::Duration::from_millis(millis)).await;
    }
}

#[cfg(debug_assertions)]
#[expect(clippy::disallowed_methods, reason = "no setting: for tests, and in no release build")]
fn lingering() -> Option<u64> {
    use std::sync::OnceLock;
    static MILLIS: OnceLock<Option<u64>> = OnceLock::new();
    *MILLIS.get_or_init(|| std::env::var("KEYWARD_TEST_LINGER").ok()?.parse().ok())
}

#[cfg(test)]
#[expect(clippy::arithmetic_side_effects, reason = "a test may fail by panicking")]
mod tests {
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::time::Duration;

    use auth_domain::error::Error;
    use tokio::sync::Semaphore;
    use tokio::task::JoinHandle;
    use tokio::time::timeout;
    use uuid::Uuid;

    use super::*;
    use crate::memory::Limits;

    const CALLERS: usize = 1_000;
    const SOON: Duration = Duration::from_secs(20);

    struct Nobody;

    impl Observer for Nobody {
        fn observe(&self, _: &'static str, _: &'static str, _: Duration) {}
    }

    /// A memory that holds nothing yet, before a store that counts reads, each of which waits until it is let go.
    struct Cold {
        shared: Shared,
        asked: AtomicUsize,
        reads: AtomicUsize,
        /// The first of them fails.
        fails: bool,
        gate: Semaphore,
    }

    impl Cold {
        fn new(fails: bool) -> Arc<Self> {
            let memory = Arc::new(Memory::new(Limits::bytes(1 << 20)));
            memory.lease.extend(Micros::MAX, 0);
            let (asked, reads) = (AtomicUsize::new(0), AtomicUsize::new(0));
            let shared = Shared::new(memory, Arc::new(Nobody), Instant::now());
            Arc::new(Self { shared, asked, reads, fails, gate: Semaphore::new(0) })
        }

        async fn read(&self) -> Result<Answer> {
            let earlier = self.reads.fetch_add(1, Ordering::SeqCst);
            self.gate.acquire().await.unwrap().forget();
            if self.fails && earlier == 0 {
                return Err(Error::unavailable("as told"));
            }
            Ok(Answer::CutOff(7))
        }

        /// Everybody who asks for the same, at the same time: nobody reads on before the last of them waits.
        async fn callers(self: &Arc<Self>) -> Vec<JoinHandle<Result<Answer>>> {
            let question = Question::CutOff(auth_domain::Id::new(Uuid::from_u128(1)));
            let ask = |cold: Arc<Self>| async move {
                cold.asked.fetch_add(1, Ordering::SeqCst);
                cold.shared.answer(question, || cold.read()).await
            };
            let callers = (0..CALLERS).map(|_| tokio::spawn(ask(Arc::clone(self)))).collect();
            // On one thread: who has asked runs on until it waits.
            while self.asked.load(Ordering::SeqCst) < CALLERS {
                tokio::task::yield_now().await;
            }
            callers
        }

        fn reads(&self) -> usize {
            self.reads.load(Ordering::SeqCst)
        }
    }

    /// How many were answered, and how many were not.
    async fn outcomes(callers: Vec<JoinHandle<Result<Answer>>>) -> (usize, usize) {
        let (mut answered, mut not) = (0, 0);
        for caller in callers {
            match timeout(SOON, caller).await.expect("is answered in time") {
                Ok(Ok(Answer::CutOff(7))) => answered += 1,
                _ => not += 1,
            }
        }
        (answered, not)
    }

    #[tokio::test]
    async fn r17_a_thousand_who_miss_the_same_are_one_read() {
        let cold = Cold::new(false);
        let callers = cold.callers().await;
        cold.gate.add_permits(CALLERS);
        assert_eq!(outcomes(callers).await, (CALLERS, 0));
        assert_eq!(cold.reads(), 1);
    }

    #[tokio::test]
    async fn r17_who_gives_up_in_the_middle_of_the_read_takes_nobody_along() {
        let cold = Cold::new(false);
        let callers = cold.callers().await;
        assert_eq!(cold.reads(), 1);
        // The first one reads.
        callers[0].abort();
        cold.gate.add_permits(CALLERS);
        assert_eq!(outcomes(callers).await, (CALLERS - 1, 1));
        assert_eq!(cold.reads(), 2);
    }

    #[tokio::test]
    async fn r17_a_read_that_fails_fails_for_one() {
        let cold = Cold::new(true);
        let callers = cold.callers().await;
        cold.gate.add_permits(CALLERS);
        assert_eq!(outcomes(callers).await, (CALLERS - 1, 1));
        assert_eq!(cold.reads(), 2);
    }
}
