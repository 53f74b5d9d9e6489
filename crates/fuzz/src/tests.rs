use std::panic::{AssertUnwindSafe, catch_unwind};

use super::*;

/// What a run says that fails.
fn failure(fuzz: Fuzz, target: impl Fn(&[u8]) -> usize) -> String {
    let broken = catch_unwind(AssertUnwindSafe(|| fuzz.run(target)));
    *broken.unwrap_err().downcast::<String>().expect("a text")
}

#[test]
fn every_input_can_be_written_as_a_line() {
    let all: Vec<u8> = (0..=255).collect();
    for input in [&all, b"#x".as_slice(), b"\\(3*a)", "é\u{202e}\u{2028}".as_bytes()] {
        let line = corpus::line(input);
        assert_eq!(line.lines().count(), 1, "{line}");
        assert_eq!(corpus::read(&line), Ok(vec![input.to_vec()]), "{line}");
    }
}

#[test]
fn a_corpus_has_comments_and_repetitions() {
    let text = "# why\n\nab\\(3*\\x00c)\\n\n\\x23\n";
    assert_eq!(corpus::read(text), Ok(vec![b"ab\0c\0c\0c\n".to_vec(), b"#".to_vec()]));
    for odd in ["\\", "\\q", "\\x1", "\\xzz", "\\(3a)", "\\(3*a", "\\(x*a)"] {
        assert!(corpus::read(odd).is_err(), "{odd}");
    }
}

#[test]
fn all_of_the_corpus_is_replayed() {
    let fuzz = Fuzz::new("a/b", "fine\nalso fine\nthis one breaks it\n");
    let said = failure(fuzz, |input| {
        assert!(!input.starts_with(b"this"), "it is that one");
        input.len()
    });
    assert!(said.contains("it is that one") && said.ends_with("\nthis\n"), "{said}");
}

#[test]
fn what_is_made_from_it_finds_what_it_does_not_say() {
    // Each step is a way of its own, so that the next one is found from there.
    let fuzz = || Fuzz::new("a/b", "x\ny\n{{\n").few(20_000);
    let steps = |input: &[u8]| {
        let has = |part: &&[u8]| input.windows(part.len()).any(|window| window == *part);
        let steps = [&b"{{"[..], b"%ff", b"xn--", b"null"].iter().filter(|part| has(part)).count();
        assert!(steps < 4, "all four");
        steps
    };
    let said = failure(fuzz(), steps);
    let line = said.trim_end().lines().last().unwrap();
    assert!(said.contains("all four") && line.len() == 13, "{said}");
    // Not found where all that does not break it looks alike.
    let blind = |input: &[u8]| usize::from(steps(input) == usize::MAX || input == b"x");
    assert!(catch_unwind(AssertUnwindSafe(|| fuzz().run(blind))).is_ok(), "found by luck");
}

#[test]
fn a_target_that_tells_nothing_apart_is_none() {
    let said = failure(Fuzz::new("a/b", "x\ny\n"), |_| 1);
    assert_eq!(said, "a/b: all of the corpus goes one way");
}

#[test]
fn no_input_is_longer_than_it_may_be() {
    Fuzz::new("a/b", "x\ny").longest(64).run(|input| {
        assert!(input.len() <= 64);
        input.len()
    });
}

#[test]
fn the_same_seed_makes_the_same_inputs() {
    let seeds = [b"some words 12".to_vec(), b"others".to_vec()];
    let mutator = Mutator::new(&seeds, 100);
    let made = |seed| {
        let mut random = Random::new(seed);
        (0..200).map(|_| mutator.make(&seeds, &mut random)).collect::<Vec<_>>()
    };
    assert_eq!(made(1), made(1));
    assert_ne!(made(1), made(2));
    let distinct: HashSet<Vec<u8>> = made(1).into_iter().collect();
    assert!(distinct.len() > 120, "{}", distinct.len());
}
