//! Hashes and checks passwords with Argon2id (RFC 9106), a few at a time, on [`threads`] that give way to
//! those that answer checks.

mod policy;
mod threads;

use std::sync::Arc;
use std::thread::available_parallelism;

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash as Phc, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};
use async_trait::async_trait;
use auth_domain::model::{Email, PasswordHash};
use auth_domain::{Error, Result, ports};
use aws_lc_rs::rand;
use regex::Regex;
use secrecy::{ExposeSecret, SecretString};
use tokio::sync::{Semaphore, oneshot};

pub(crate) use policy::Policy;
use threads::Threads;

/// What is wrong with a password that is refused.
pub(crate) const REFUSED: &str = "is too short, longer than 72 characters, does not match MF_USERS_PASS_REGEX, or is \
    one that others would try first";
/// How many may wait for each one that is hashed.
const QUEUE: usize = 32;
/// How many blocks, of 1 KiB, are asked for at least; only those that are needed are touched. What
/// is larger than 32 MiB goes back to the system as soon as it is freed; smaller pieces the C
/// library keeps for each thread that ever hashed.
const GIVEN_BACK: usize = 33 * 1024;
/// Memory in KiB, passes and lanes: 19 MiB and about 25 ms.
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

/// The pool. As many threads hash as half of the cores; the rest is for checks.
pub(crate) struct ArgonPool {
    policy: Policy,
    params: Params,
    threads: Threads,
    /// Held while hashing or waiting for it.
    admitted: Arc<Semaphore>,
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
        Ok(Self { policy, params, threads, admitted: Arc::new(Semaphore::new(room)) })
    }

    /// Runs the work on one of the threads once it is its turn. The place stays taken until the
    /// work is done, also if nobody waits for the outcome any more.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Vec<Block>) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let admitted = Arc::clone(&self.admitted).try_acquire_owned().map_err(|_| {
            auth_telemetry::refused("passwords", "queue");
            Error::unavailable("too many passwords wait to be hashed")
        })?;
        let (tell, told) = oneshot::channel();
        self.threads.give(Box::new(move |memory| {
            let _place = admitted;
            // Nobody may wait for it any more.
            let _ = tell.send(work(memory));
        }));
        told.await.map_err(Error::internal)?
    }
}

#[async_trait]
impl ports::Passwords for ArgonPool {
    fn acceptable(&self, password: &SecretString, owner: Option<&Email>) -> bool {
        self.policy.allows(password, owner)
    }

    async fn hash(&self, password: SecretString) -> Result<PasswordHash> {
        let params = self.params.clone();
        self.run(move |memory| hash(&params, password.expose_secret().as_bytes(), memory)).await
    }

    async fn verify(&self, password: SecretString, known: Option<PasswordHash>) -> Result<bool> {
        let params = self.params.clone();
        self.run(move |memory| {
            let password = password.expose_secret().as_bytes();
            match known.filter(PasswordHash::is_usable) {
                Some(known) => matches(&known, password, memory),
                // As much work as comparing.
                None => hash(&params, password, memory).map(|_| false),
            }
        })
        .await
    }
}

fn hash(params: &Params, password: &[u8], memory: &mut Vec<Block>) -> Result<PasswordHash> {
    let mut salt = [0; Salt::RECOMMENDED_LENGTH];
    rand::fill(&mut salt).map_err(|_| Error::internal("no randomness"))?;
    let (algorithm, version) = (Algorithm::Argon2id, Version::V0x13);
    let mut output = [0; Params::DEFAULT_OUTPUT_LEN];
    fill(&Argon2::new(algorithm, version, params.clone()), password, &salt, &mut output, memory)?;
    let spelled = || {
        let phc = Phc {
            algorithm: algorithm.ident(),
            version: Some(version.into()),
            params: ParamsString::try_from(params)?,
            salt: Some(Salt::new(&salt)?),
            hash: Some(Output::new(&output)?),
        };
        argon2::password_hash::Result::Ok(PasswordHash::new(phc.to_string()))
    };
    spelled().map_err(|error| Error::internal(format!("spelling a password hash: {error}")))
}

/// Whether the password has this hash, whatever the cost it was made at.
fn matches(known: &PasswordHash, password: &[u8], memory: &mut Vec<Block>) -> Result<bool> {
    let odd = || Error::internal("a stored password hash is none of ours");
    let phc = Phc::new(known.expose()).map_err(|_| odd())?;
    let algorithm = Algorithm::try_from(phc.algorithm.as_str()).map_err(|_| odd())?;
    let version = phc.version.ok_or_else(odd)?.try_into().map_err(|_| odd())?;
    let params = Params::try_from(&phc).map_err(|_| odd())?;
    let (salt, expected) = (phc.salt.ok_or_else(odd)?, phc.hash.ok_or_else(odd)?);
    let mut output = [0; Output::MAX_LENGTH];
    let output = output.get_mut(..expected.len()).ok_or_else(odd)?;
    fill(&Argon2::new(algorithm, version, params), password, &salt, output, memory)?;
    // Compares in constant time.
    Ok(Output::new(output).map_err(|_| odd())? == expected)
}

/// The hash itself, in memory that may have been used before and is overwritten.
fn fill(
    argon: &Argon2<'_>,
    password: &[u8],
    salt: &[u8],
    output: &mut [u8],
    memory: &mut Vec<Block>,
) -> Result<()> {
    let blocks = argon.params().block_count();
    memory.reserve_exact(blocks.max(GIVEN_BACK).saturating_sub(memory.len()));
    memory.resize(blocks.max(memory.len()), Block::new());
    let memory = memory.get_mut(..blocks).unwrap_or_default();
    argon
        .hash_password_into_with_memory(password, salt, output, memory)
        .map_err(|error| Error::internal(format!("hashing a password: {error}")))
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
        assert!(pool.verify("correct horse".into(), Some(hash.clone())).await.unwrap());
        assert!(!pool.verify("correct horsf".into(), Some(hash.clone())).await.unwrap());
        let again = pool.hash("correct horse".into()).await.unwrap();
        assert_ne!(again.expose(), hash.expose(), "each has a salt of its own");
    }

    #[tokio::test]
    async fn hashes_are_argon2_and_nothing_of_our_own() {
        // Made by the reference implementation, at another cost.
        let known =
            "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        let known = PasswordHash::new(known.to_owned());
        assert!(pool().verify("password".into(), Some(known.clone())).await.unwrap());
        assert!(!pool().verify("passwore".into(), Some(known)).await.unwrap());
        // And what we make, the library understands by itself.
        let ours = pool().hash("correct horse".into()).await.unwrap();
        Argon2::default().verify_password(b"correct horse", ours.expose()).unwrap();
    }

    #[tokio::test]
    async fn s89_an_unknown_account_costs_as_much_as_a_known_one() {
        let pool = pool();
        let hash = pool.hash("correct horse".into()).await.unwrap();
        let mut times = [Duration::MAX; 2];
        // The fastest of a few, or of many on a busy machine: whatever else runs here only ever adds.
        for _ in 0..50 {
            for (hash, best) in [Some(hash.clone()), None].into_iter().zip(&mut times) {
                let started = std::time::Instant::now();
                assert!(!pool.verify("wrong".into(), hash).await.unwrap());
                *best = started.elapsed().min(*best);
            }
            let [known, unknown] = times;
            if unknown * 2 > known && known * 2 > unknown {
                return;
            }
        }
        panic!("known and unknown: {times:?}");
    }

    #[tokio::test]
    async fn what_is_no_hash_is_our_bug_and_not_a_wrong_password() {
        let stored = PasswordHash::new("plain text".to_owned());
        let outcome = pool().verify("plain text".into(), Some(stored)).await;
        assert!(matches!(outcome, Err(Error::Internal(_))), "{outcome:?}");
    }

    #[tokio::test]
    async fn threads_outlive_what_they_do() {
        let pool = pool();
        let outcome = pool.run::<()>(|_| panic!("as this test wants it")).await;
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
