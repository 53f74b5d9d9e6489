//! Feeds decoders what nobody would send on purpose, for tests.
//!
//! A target is a test that calls [`Fuzz::run`] with its corpus and a closure, which panics when something
//! does not hold. Two things happen then:
//!
//! * Every input of the corpus is replayed, each time the tests run. What was once a crash is a line there.
//! * Inputs are made from those, by [`mutate`]: a fixed few under `make test`, the same ones every time, and
//!   for as long as `KEYWARD_FUZZ_SECONDS` says under `make test-fuzz`, other ones every time.
//!
//! What a closure returns says which way the input went, such as the error it ended in. An input that goes a
//! way no other went is mutated further: that leads deeper into a decoder, without a compiler that
//! instruments it. A failing input is made as short as it can be and shown as the line to add to the corpus,
//! whose form [`corpus`] describes.
//!
//! Targets are called `fuzz_…` and lie in the `fuzz.rs` of a crate's tests, or beside what they read where that is
//! private. What is heard and not looked at has none: the wake-ups of replicas, by Redis or PostgreSQL.

#![expect(clippy::panic, reason = "a test fails by panicking")]

mod corpus;
mod mutate;
mod random;
mod shrink;

use std::cell::{Cell, RefCell};
use std::collections::HashSet;
use std::env;
use std::hash::{BuildHasher, BuildHasherDefault, DefaultHasher, Hash, RandomState};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::{Duration, Instant};

use mutate::Mutator;
use random::Random;

/// How many inputs are made when nobody asked for more.
const FEW: u64 = 250;
/// The longest that one input may take, on a busy machine too: twenty thousand times what most take.
const SLOW: Duration = Duration::from_secs(10);
/// The most inputs that are kept for having gone a way of their own.
const MOST_KEPT: usize = 1_000;

/// A decoder's inputs, to be given to it.
#[derive(Debug)]
pub struct Fuzz {
    name: &'static str,
    seeds: Vec<Vec<u8>>,
    longest: usize,
    few: u64,
}

/// How an input fared.
enum Fate {
    /// It went this way.
    Went(u64),
    /// It broke something.
    Broke(String),
}

impl Fuzz {
    /// A target called `crate/what`, with the text of its corpus.
    ///
    /// # Panics
    ///
    /// If a line of the corpus cannot be read.
    #[must_use]
    pub fn new(name: &'static str, corpus: &str) -> Self {
        let seeds = corpus::read(corpus).unwrap_or_else(|problem| panic!("{name}: {problem}"));
        Self { name, seeds, longest: 4 * 1024, few: FEW }
    }

    /// Adds an input that cannot be written down beforehand.
    #[must_use]
    pub fn seed(mut self, input: impl Into<Vec<u8>>) -> Self {
        self.seeds.push(input.into());
        self
    }

    /// The most bytes of an input that is made; 4 KiB unless this says otherwise.
    #[must_use]
    pub const fn longest(mut self, bytes: usize) -> Self {
        self.longest = bytes;
        self
    }

    /// How many inputs are made when nobody asks for more, where each of them takes long.
    #[must_use]
    pub const fn few(mut self, inputs: u64) -> Self {
        self.few = inputs;
        self
    }

    /// Gives the inputs to the target.
    ///
    /// # Panics
    ///
    /// If the target does, with the input it did so for; if it takes ten seconds for one; and if all of the
    /// corpus goes the same way, which says that the target tells nothing apart.
    pub fn run<R: Hash>(self, target: impl Fn(&[u8]) -> R) {
        let target = |input: &[u8]| try_one(&target, input);
        let mut ways = HashSet::new();
        let mut pool = self.seeds.clone();
        pool.push(Vec::new());
        for input in &pool {
            ways.insert(self.expect(&target, input));
        }
        assert!(ways.len() > 1, "{}: all of the corpus goes one way", self.name);

        let seconds = number_in("KEYWARD_FUZZ_SECONDS");
        let seed = number_in("KEYWARD_FUZZ_SEED").unwrap_or_else(|| {
            // The same under `make test`, so that nobody's change is blamed for the luck of the draw.
            if seconds.is_some() { RandomState::new().hash_one(self.name) } else { 7 }
        });
        let began = Instant::now();
        let over = |made: u64| match seconds {
            Some(seconds) => began.elapsed() >= Duration::from_secs(seconds),
            None => made >= self.few,
        };
        let mut random = Random::new(seed);
        let mutator = Mutator::new(&self.seeds, self.longest);
        let mut made = 0_u64;
        while !over(made) {
            let input = mutator.make(&pool, &mut random);
            let way = self.expect(&target, &input);
            if ways.insert(way) && pool.len() < MOST_KEPT {
                pool.push(input);
            }
            made = made.saturating_add(1);
        }
        if seconds.is_some() {
            let (took, ways, corpus) =
                (began.elapsed().as_secs_f64(), ways.len(), self.seeds.len());
            eprintln!(
                "fuzz {:28} {made:>9} inputs in {took:>4.1} s, from {corpus:>3} kept, {ways:>4} ways, seed {seed}",
                self.name
            );
        }
    }

    /// The way this input goes, which must not be astray.
    fn expect(&self, target: &impl Fn(&[u8]) -> Fate, input: &[u8]) -> u64 {
        let problem = match target(input) {
            Fate::Went(way) => return way,
            Fate::Broke(problem) => problem,
        };
        let shortest = shrink::shortest(input, |shorter| matches!(target(shorter), Fate::Broke(_)));
        panic!(
            "{}: {problem}\nThe line for its corpus, as short as it could be made:\n{}\n",
            self.name,
            corpus::line(&shortest)
        );
    }
}

fn try_one<R: Hash>(target: &impl Fn(&[u8]) -> R, input: &[u8]) -> Fate {
    let began = Instant::now();
    let outcome = quietly(|| catch_unwind(AssertUnwindSafe(|| target(input))));
    match outcome {
        Ok(_) if began.elapsed() > SLOW => Fate::Broke(format!("took {:?}", began.elapsed())),
        Ok(way) => Fate::Went(BuildHasherDefault::<DefaultHasher>::default().hash_one(way)),
        Err(_) => Fate::Broke(SAID.take()),
    }
}

thread_local! {
    /// Whether a panic of this thread is looked for, and not to be printed each time it is found.
    static QUIET: Cell<bool> = const { Cell::new(false) };
    /// What the last one said.
    static SAID: RefCell<String> = const { RefCell::new(String::new()) };
}

/// Runs this, without a word about panics of this thread.
fn quietly<T>(work: impl FnOnce() -> T) -> T {
    static HOOK: std::sync::Once = std::sync::Once::new();
    HOOK.call_once(|| {
        let before = std::panic::take_hook();
        std::panic::set_hook(Box::new(move |panic| {
            if QUIET.get() { SAID.set(panic.to_string()) } else { before(panic) }
        }));
    });
    QUIET.set(true);
    let outcome = work();
    QUIET.set(false);
    outcome
}

/// The number in an environment variable; none if it is not set.
fn number_in(variable: &str) -> Option<u64> {
    #[expect(
        clippy::disallowed_methods,
        reason = "it is the tests that are told, and not the service"
    )]
    let text = env::var(variable).ok().filter(|text| !text.is_empty())?;
    Some(text.parse().unwrap_or_else(|_| panic!("{variable} is not a whole number")))
}

#[cfg(test)]
mod tests;
