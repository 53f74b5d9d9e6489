//! Which passwords may be set (NIST SP 800-63B-4, section 3.1.1.2): long enough, whatever they are composed of,
//! and not among the first that somebody would try.

use std::collections::HashSet;

use auth_domain::model::Email;
use regex::Regex;
use secrecy::{ExposeSecret, SecretString};

/// How many characters (code points) a password has. The most is what the original takes of plain letters.
const LENGTH: std::ops::RangeInclusive<usize> = 8..=72;
/// The commonest passwords that are long enough, in lower case: one who guesses online is stopped after a few
/// tries, so the first hundreds are what matters.
const COMMON: &str = include_str!("common.txt");

/// The one rule for passwords. It is asked wherever one is set, and never at a sign-in.
#[derive(Clone, Debug)]
pub(crate) struct Policy {
    /// What the operator wants them to match besides, instead of the shortest length.
    regex: Option<Regex>,
    common: HashSet<&'static str>,
}

impl Policy {
    /// With what the operator wants, if anything.
    pub(crate) fn new(regex: Option<Regex>) -> Self {
        Self { regex, common: COMMON.lines().collect() }
    }

    /// Whether somebody with this address may set this password; without one, whether anybody may.
    pub(crate) fn allows(&self, password: &SecretString, owner: Option<&Email>) -> bool {
        let password = password.expose_secret();
        let length = password.chars().count();
        let long_enough = match &self.regex {
            Some(regex) => regex.is_match(password),
            None => length >= *LENGTH.start(),
        };
        long_enough && length <= *LENGTH.end() && !self.is_foreseeable(password, owner)
    }

    /// Compared as a whole and whatever its case, as the standard wants it: nobody is told that a word in a long
    /// password is a common one.
    fn is_foreseeable(&self, password: &str, owner: Option<&Email>) -> bool {
        let folded = SecretString::from(password.to_lowercase());
        let folded = folded.expose_secret();
        let is_theirs = |owner: &Email| {
            let local_part = owner.key().split('@').next().unwrap_or_default();
            [owner.key(), &owner.as_str().to_lowercase(), local_part].contains(&folded)
        };
        self.common.contains(folded) || owner.is_some_and(is_theirs)
    }
}

#[cfg(test)]
mod tests {
    use super::super::rule;
    use super::*;

    fn allows(policy: &Policy, password: &str) -> bool {
        policy.allows(&password.into(), Some(&"Ada.Lovelace@B\u{fc}cher.example".parse().unwrap()))
    }

    #[test]
    fn fw14_fpw7_gw15_gw16_length_counts_and_nothing_it_is_composed_of() {
        let policy = Policy::new(None);
        for fine in
            ["xkcd-936", "p\u{e4}ssw\u{f6}rt", "four plain words here", "zzzzzzzy", "1234\u{0}678"]
        {
            assert!(allows(&policy, fine), "{fine:?}");
        }
        for short in ["", "1234567", "pass\u{e9}", "\u{1f600}\u{1f600}"] {
            assert!(!allows(&policy, short), "{short:?}");
        }
        for (longest, what) in [("x".repeat(72), "letters"), ("\u{1f600}".repeat(72), "288 bytes")]
        {
            assert!(allows(&policy, &longest), "{what}");
            assert!(!allows(&policy, &format!("{longest}x")), "{what}");
        }
    }

    #[test]
    fn what_everybody_tries_first_is_refused_in_any_case() {
        let policy = Policy::new(None);
        for first in [
            "password1",
            "PassWord1",
            "12345678",
            "QWERTY123",
            "P@ssw0rd",
            "iloveyou",
            "ada.lovelace",
            "ADA.lovelace@b\u{fc}cher.example",
            "ada.lovelace@xn--bcher-kva.example",
        ] {
            assert!(!allows(&policy, first), "{first}");
        }
        assert!(allows(&policy, "password1 and more of it"), "as a whole");
    }

    #[test]
    fn what_the_operator_wants_decides_instead_of_the_shortest_length() {
        let policy = Policy::new(Some(rule(r"^\S{4,}$").unwrap()));
        assert!(allows(&policy, "x9-k"));
        assert!(!allows(&policy, "x9 k-and-more"));
        assert!(!allows(&policy, "password1"), "and is not all");
        assert!(!allows(&policy, &"x".repeat(73)));
    }

    #[test]
    fn the_list_is_in_order_in_lower_case_and_long_enough_to_matter() {
        let lines: Vec<&str> = COMMON.lines().collect();
        assert!(lines.len() > 300, "{}", lines.len());
        assert!(lines.is_sorted_by(|a, b| a < b));
        for line in lines {
            assert!(line.len() >= *LENGTH.start() && line.to_lowercase() == line, "{line}");
        }
    }
}
