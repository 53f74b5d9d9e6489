//! Hashes and checks passwords with Argon2id (RFC 9106), a few at a time, on [`threads`] that give way to
//! those that answer checks; and checks the hashes of others that were brought in ([`mod@bcrypt`]).

mod argon;
mod bcrypt;
mod policy;
mod threads;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::available_parallelism;

use argon2::{Block, Params};
use async_trait::async_trait;
use auth_domain::model::{Email, PasswordHash};
use auth_domain::ports::Guess;
use auth_domain::{Error, Result, ports};
use regex::Regex;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::mpsc;

use argon::{Hashed, hash, matches};
pub(crate) use policy::Policy;
use threads::{Tell, Threads};

/// What is wrong with a password that is refused.
pub(crate) const REFUSED: &str = "is too short, longer than 72 characters, does not match MF_USERS_PASS_REGEX, or is \
    one that others would try first";
/// How many may wait for each one that is hashed.
const QUEUE: usize = 32;
/// Memory in KiB, passes and lanes: 19 MiB, and 15 to 25 ms of a core.
const COST: (u32, u32, u32) = (19_456, 2, 1);

/// How many passwords are hashed or wait for it at most.
pub(crate) fn room() -> usize {
    room_for(workers(), QUEUE)
}

fn workers() -> usize {
    let cores = available_parallelism().map_or(1, std::num::NonZero::get);
    cores.div_euclid(2).max(1)
}

fn room_for(workers: usize, queue: usize) -> usize {
    workers.saturating_mul(queue.saturating_add(1))
}

/// The pool. As many threads hash as half of the cores, when nothing else wants these; the rest is for checks.
pub(crate) struct ArgonPool {
    policy: Policy,
    params: Params,
    threads: Threads,
    /// How many hash or wait for it, and how many may.
    taken: Arc<AtomicUsize>,
    room: usize,
}

impl ArgonPool {
    /// A pool that lets passwords be set which the policy allows.
    pub(crate) fn new(policy: Policy) -> Result<Self> {
        Self::with_room(policy, workers(), QUEUE)
    }

    fn with_room(policy: Policy, workers: usize, queue: usize) -> Result<Self> {
        let (memory, passes, lanes) = COST;
        let params = Params::new(memory, passes, lanes, None)
            .map_err(|error| Error::internal(error.to_string()))?;
        let room = room_for(workers, queue);
        let threads = Threads::start(workers).map_err(Error::internal)?;
        Ok(Self { policy, params, threads, taken: Arc::default(), room })
    }

    /// Runs the work, as much as so many hashes, on one of the threads once it is its turn, or on two if the first gets no
    /// time. The place stays taken until nobody is at it any more. Nobody begins it if nobody waits for the outcome any more.
    async fn run<T: Send + Sync + 'static>(
        &self,
        hashes: u32,
        work: impl Fn(&mut Vec<Block>) -> Result<T> + Send + Sync + 'static,
    ) -> Result<T> {
        let place = Place::among(&self.taken, self.room).ok_or_else(|| {
            auth_telemetry::refused("passwords", "queue");
            Error::unavailable("too many passwords wait to be hashed")
        })?;
        let (tell, mut told) = mpsc::channel(1);
        let work = move |memory: &mut Vec<Block>| -> Tell {
            let _place = &place;
            if tell.is_closed() {
                return Box::new(|| {});
            }
            let (outcome, tell) = (work(memory), tell.clone());
            // Nobody may wait for it any more.
            Box::new(move || drop(tell.try_send(outcome)))
        };
        self.threads.give(hashes, Box::new(work));
        told.recv().await.ok_or_else(|| Error::internal("hashing a password came to nothing"))?
    }
}

/// A place among those that hash or wait for it. A counter and no semaphore: a thread that gets no time may give it back.
struct Place(Arc<AtomicUsize>);

impl Place {
    fn among(taken: &Arc<AtomicUsize>, room: usize) -> Option<Self> {
        let before = taken.fetch_add(1, Ordering::Relaxed);
        let place = Self(Arc::clone(taken));
        (before < room).then_some(place)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[async_trait]
impl ports::Passwords for ArgonPool {
    fn acceptable(&self, password: &SecretString, owner: Option<&Email>) -> bool {
        self.policy.allows(password, owner)
    }

    fn can_check(&self, hash: &PasswordHash) -> bool {
        match hash.bcrypt_cost() {
            Some(cost) => PasswordHash::BCRYPT_COSTS.contains(&cost),
            None => Hashed::read(hash).is_ok_and(|read| read.asks_for_at_most(&self.params)),
        }
    }

    async fn hash(&self, password: SecretString) -> Result<PasswordHash> {
        let params = self.params.clone();
        self.run(1, move |memory| hash(&params, password.expose_secret().as_bytes(), memory)).await
    }

    async fn verify(
        &self,
        password: SecretString,
        known: Option<PasswordHash>,
        mixed: bool,
    ) -> Result<Guess> {
        let params = self.params.clone();
        let known = known.filter(PasswordHash::is_usable);
        self.run(effort(known.as_ref(), mixed), move |memory| {
            let password = password.expose_secret().as_bytes();
            check(&params, password, known.as_ref(), mixed, memory)
        })
        .await
    }
}

/// Whether the password is the one that is known by its hash, in as much work whether it is and whether one is known.
fn check(
    params: &Params,
    password: &[u8],
    known: Option<&PasswordHash>,
    mixed: bool,
    memory: &mut Vec<Block>,
) -> Result<Guess> {
    if let Some((known, cost)) = known.and_then(old) {
        let right = bcrypt::matches(known, cost, password)?;
        // Made in any case: it takes as long to be wrong as to be right.
        let renewed = hash(params, password, memory)?;
        return Ok(match right {
            false => Guess::Wrong,
            true if bcrypt::is_whole(password) => Guess::Outdated(renewed),
            true => Guess::Right,
        });
    }
    let right = match known {
        Some(known) => matches(known, password, memory)?,
        // As much work as comparing.
        None => hash(params, password, memory).map(|_| false)?,
    };
    if mixed && !right {
        bcrypt::toil(password)?;
    }
    Ok(right.into())
}

/// As much work as how many hashes [`check`] is. The time until a stand-in takes over follows from it, so it says of nobody
/// more than the work does: an account that is not there, one of ours and a usual old one are the same where any may be old.
fn effort(known: Option<&PasswordHash>, mixed: bool) -> u32 {
    match known.and_then(PasswordHash::bcrypt_cost) {
        Some(cost) => bcrypt::hashes(cost),
        None if mixed => bcrypt::hashes(bcrypt::USUAL),
        None => 1,
    }
}

/// The hash and its cost, if it is one of bcrypt.
fn old(hash: &PasswordHash) -> Option<(&PasswordHash, u32)> {
    hash.bcrypt_cost().map(|cost| (hash, cost))
}

/// What the operator wants passwords to match: a regular expression in Go's syntax, in which `\s`, `\d` and `\w` and
/// their opposites mean ASCII.
pub(crate) fn rule(pattern: &str) -> Result<Regex, String> {
    let mut ours = String::with_capacity(pattern.len());
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        match (c, if c == '\\' { rest.next() } else { None }) {
            ('\\', Some('s')) => ours.push_str(r"[\t\n\f\r ]"),
            ('\\', Some('S')) => ours.push_str(r"[^\t\n\f\r ]"),
            ('\\', Some('d')) => ours.push_str("[0-9]"),
            ('\\', Some('D')) => ours.push_str("[^0-9]"),
            ('\\', Some('w')) => ours.push_str("[0-9A-Za-z_]"),
            ('\\', Some('W')) => ours.push_str("[^0-9A-Za-z_]"),
            (c, escaped) => ours.extend(std::iter::once(c).chain(escaped)),
        }
    }
    Regex::new(&ours).map_err(|_| "is not a regular expression in Go's syntax".to_owned())
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use argon2::Argon2;
    use argon2::password_hash::PasswordVerifier;
    use auth_domain::ports::Passwords;

    use super::*;

    fn pool() -> ArgonPool {
        ArgonPool::with_room(Policy::new(None), 1, 2).unwrap()
    }

    #[test]
    fn a_rule_is_read_as_go_reads_it() {
        let odd = rule(r"^[a\d]+\.\w\W$").unwrap();
        assert!(odd.is_match("a1.x-"));
        assert!(!odd.is_match("b.x-"));
        assert!(!odd.is_match("a\u{661}.x-"), "an Arabic digit");
        assert!(!odd.is_match("a1xx-"));
        assert!(rule("(").is_err());
        assert!(rule("\\").is_err());
        assert!(rule("(?=x)").is_err(), "Go has no look-ahead");
    }

    #[tokio::test]
    async fn a_password_belongs_to_its_hash_and_to_no_other() {
        let pool = pool();
        let hash = pool.hash("correct horse".into()).await.unwrap();
        assert!(hash.expose().starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{}", hash.expose());
        assert!(!format!("{hash:?}").contains("argon2"));
        assert!(
            pool.verify("correct horse".into(), Some(hash.clone()), false)
                .await
                .unwrap()
                .is_right()
        );
        assert!(
            !pool
                .verify("correct horsf".into(), Some(hash.clone()), false)
                .await
                .unwrap()
                .is_right()
        );
        let again = pool.hash("correct horse".into()).await.unwrap();
        assert_ne!(again.expose(), hash.expose(), "each has a salt of its own");
    }

    #[tokio::test]
    async fn hashes_are_argon2_and_nothing_of_our_own() {
        // Made by the reference implementation, at another cost.
        let known =
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let known = PasswordHash::new(known.to_owned());
        assert!(
            pool().verify("password".into(), Some(known.clone()), false).await.unwrap().is_right()
        );
        assert!(!pool().verify("passwore".into(), Some(known), false).await.unwrap().is_right());
        // And what we make, the library understands by itself.
        let ours = pool().hash("correct horse".into()).await.unwrap();
        Argon2::default().verify_password(b"correct horse", ours.expose()).unwrap();
    }

    /// Checks that a wrong password takes as much of a processor with either, within half or twice: the least of a few, or
    /// of many on a busy machine, because whatever else runs here only ever adds.
    fn assert_alike(hashes: &[Option<PasswordHash>; 2], mixed: bool) {
        let used = || {
            let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
            Duration::new(time.tv_sec.try_into().unwrap(), time.tv_nsec.try_into().unwrap())
        };
        let (pool, mut memory) = (pool(), Vec::new());
        let mut times = [Duration::MAX; 2];
        for _ in 0..50 {
            for (hash, best) in hashes.iter().zip(&mut times) {
                let before = used();
                let known = hash.as_ref();
                let guess = check(&pool.params, b"wrong", known, mixed, &mut memory).unwrap();
                *best = used().saturating_sub(before).min(*best);
                assert!(!guess.is_right());
            }
            let [one, other] = times;
            if one.saturating_mul(2) > other && other.saturating_mul(2) > one {
                return;
            }
        }
        panic!("{times:?}");
    }

    #[tokio::test]
    async fn s89_an_unknown_account_costs_as_much_as_a_known_one() {
        let hash = pool().hash("correct horse".into()).await.unwrap();
        assert_alike(&[Some(hash), None], false);
    }

    #[tokio::test]
    async fn s89_nor_by_when_somebody_stands_in() {
        let ours = pool().hash("correct horse".into()).await.unwrap();
        let old = |cost: &str| PasswordHash::new(GO.replace("$10$", cost));
        let alike =
            [None, Some(ours.clone()), Some(old("$10$")), Some(old("$04$")), Some(old("$31$"))];
        let efforts = alike.each_ref().map(|known| effort(known.as_ref(), true));
        assert_eq!(efforts, [efforts[0]; 5]);
        assert!(effort(Some(&old("$12$")), true) > efforts[0], "what is more work has more time");
        assert_eq!([effort(None, false), effort(Some(&ours), false)], [1, 1]);
    }

    #[tokio::test]
    async fn s89_whoever_has_an_old_hash_cannot_be_told_from_others() {
        let ours = pool().hash("correct horse".into()).await.unwrap();
        let old = PasswordHash::new(GO.into());
        assert_alike(&[Some(old.clone()), None], true);
        assert_alike(&[Some(old), Some(ours)], true);
    }

    /// What the original's library makes of `password1`, at its cost.
    const GO: &str = "$2a$10$N9qo8uLOickgx2ZMRZoMyeqaHUS.wUmH7UmqsBUsBP5Yy3joGWyGu";

    #[tokio::test]
    async fn an_old_hash_is_replaced_by_one_of_ours() {
        let pool = pool();
        for kind in ["$2a$", "$2b$", "$2y$"] {
            let old = PasswordHash::new(GO.replace("$2a$", kind));
            let guess = pool.verify("password1".into(), Some(old.clone()), true).await.unwrap();
            let Guess::Outdated(renewed) = guess else { panic!("{kind}: {guess:?}") };
            let again = pool.verify("password1".into(), Some(renewed), true).await.unwrap();
            assert!(matches!(again, Guess::Right), "{again:?}");
            assert!(!pool.verify("password2".into(), Some(old), true).await.unwrap().is_right());
        }
    }

    #[tokio::test]
    async fn go54_what_bcrypt_cannot_tell_apart_stays_as_it_is() {
        let pool = pool();
        let verify = async |made_of: usize, typed: usize| {
            let old = PasswordHash::new(::bcrypt::hash("x".repeat(made_of), 4).unwrap());
            pool.verify("x".repeat(typed).into(), Some(old), true).await.unwrap()
        };
        assert!(matches!(verify(71, 71).await, Guess::Outdated(_)));
        // Whoever typed the first 72 bytes of a longer one must not make that the whole.
        for made_of in [72, 73, 80] {
            assert!(matches!(verify(made_of, 72).await, Guess::Right));
            assert!(matches!(verify(made_of, 80).await, Guess::Right));
            assert!(!verify(made_of, 71).await.is_right());
        }
        assert!(!verify(71, 72).await.is_right());
    }

    #[tokio::test]
    async fn a_hash_that_would_take_a_day_takes_as_long_as_none() {
        let endless = GO.replace("$10$", "$31$");
        assert_ne!(endless, GO);
        assert_alike(&[Some(PasswordHash::new(endless)), Some(PasswordHash::new(GO.into()))], true);
    }

    #[tokio::test]
    async fn what_is_no_hash_is_our_bug_and_not_a_wrong_password() {
        let stored = PasswordHash::new("plain text".to_owned());
        let outcome = pool().verify("plain text".into(), Some(stored), false).await;
        assert!(matches!(outcome, Err(Error::Internal(_))), "{outcome:?}");
    }

    #[tokio::test]
    async fn fw7_hashes_from_elsewhere_are_known_by_what_they_ask_for() {
        let (pool, ours) = (pool(), pool().hash("correct horse".into()).await.unwrap());
        let can_check = |hash: &str| pool.can_check(&PasswordHash::new(hash.to_owned()));
        assert!(can_check(ours.expose()) && can_check(GO));
        for costly in [
            ours.expose().replace("m=19456", "m=4194304"),
            ours.expose().replace("t=2", "t=1000"),
            ours.expose().replace("p=1", "p=200"),
            GO.replace("$10$", "$15$"),
            GO.replace("$10$", "$31$"),
            GO.replace("$10$", "$03$"),
        ] {
            assert!(!can_check(&costly), "{costly}");
        }
        for none in ["", "*", "password1", "$2x$10$x", "$argon2id$v=19$m=8", &GO[..59]] {
            assert!(!can_check(none), "{none}");
        }
    }

    #[tokio::test]
    async fn threads_outlive_what_they_do() {
        let pool = pool();
        let outcome = pool.run::<()>(1, |_| panic!("as this test wants it")).await;
        assert!(matches!(outcome, Err(Error::Internal(_))), "{outcome:?}");
        assert!(pool.hash("correct horse".into()).await.is_ok(), "and the only thread goes on");
    }

    #[tokio::test]
    async fn too_many_at_once_are_told_to_come_back() {
        let pool = Arc::new(pool());
        let tries: Vec<_> = (0..8)
            .map(|_| {
                let pool = Arc::clone(&pool);
                tokio::spawn(async move { pool.hash("correct horse".into()).await })
            })
            .collect();
        let mut refused = 0;
        for one in tries {
            match one.await.unwrap() {
                Ok(_) => {}
                Err(Error::Unavailable(_)) => refused += 1,
                Err(other) => panic!("{other}"),
            }
        }
        assert!(
            (1..=5).contains(&refused),
            "{refused} of 8 refused with one worker and two places"
        );
        assert!(pool.hash("correct horse".into()).await.is_ok(), "and then there is room again");
    }
}
