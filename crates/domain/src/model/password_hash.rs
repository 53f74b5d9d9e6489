//! What passwords are checked against.

use secrecy::{ExposeSecret, SecretString};

/// What stands for a hash where there is none, as in the shadow files of Unix.
const UNUSABLE: &str = "*";
/// What each letter of bcrypt's base 64 stands for is its place here.
const LETTERS: &[u8] = b"./ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789";

/// A hashed password: in PHC string format, or a bcrypt hash that was brought in. Never printed.
#[derive(Clone, Debug)]
pub struct PasswordHash(SecretString);

impl PasswordHash {
    /// How much work a bcrypt hash may ask for, as the logarithm of the rounds. The least is bcrypt's own; the most
    /// takes about a second of a core, and each step more would double that: 31 takes a day.
    pub const BCRYPT_COSTS: std::ops::RangeInclusive<u32> = 4..=14;

    /// The hash with this text.
    #[must_use]
    pub fn new(text: String) -> Self {
        Self(text.into())
    }

    /// The hash of no password: it has to be set anew before anybody can sign in with one.
    #[must_use]
    pub fn unusable() -> Self {
        Self::new(UNUSABLE.to_owned())
    }

    /// Whether there is a password that has this hash.
    #[must_use]
    pub fn is_usable(&self) -> bool {
        self.expose() != UNUSABLE
    }

    /// The cost, if this is a bcrypt hash of one of the kinds that are all the same: `$2a$`, `$2b$` or `$2y$`.
    /// Not of `$2x$`, which marks hashes made with a fault.
    #[must_use]
    pub fn bcrypt_cost(&self) -> Option<u32> {
        let rest =
            ["$2a$", "$2b$", "$2y$"].iter().find_map(|kind| self.expose().strip_prefix(kind))?;
        let (cost, rest) = rest.split_once('$')?;
        let digits = cost.len() == 2 && cost.bytes().all(|digit| digit.is_ascii_digit());
        // 16 bytes of salt and 23 of hash.
        let (salt, hash) = rest.split_at_checked(22)?;
        let spelled = hash.len() == 31 && is_spelled(salt, 4) && is_spelled(hash, 2);
        if digits && spelled { cost.parse().ok() } else { None }
    }

    /// The text, for the store and the verifier.
    #[must_use]
    pub fn expose(&self) -> &str {
        self.0.expose_secret()
    }
}

/// Whether a text is base 64 as bcrypt writes it, in which this many bits of the last letter mean nothing and are
/// not set.
fn is_spelled(text: &str, spare: u32) -> bool {
    let value = |letter: u8| LETTERS.iter().position(|known| *known == letter);
    let last = text.bytes().last().and_then(value);
    text.bytes().all(|letter| value(letter).is_some())
        && last.is_some_and(|value| value.trailing_zeros() >= spare)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn cost(text: &str) -> Option<u32> {
        PasswordHash::new(text.to_owned()).bcrypt_cost()
    }

    #[test]
    fn bcrypt_hashes_are_told_by_their_spelling() {
        let rest = "DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.";
        for (kind, expected) in
            [("2a", true), ("2b", true), ("2y", true), ("2x", false), ("2", false)]
        {
            let found = cost(&format!("${kind}$06${rest}"));
            assert_eq!(found, expected.then_some(6), "{kind}");
        }
        assert_eq!(cost(&format!("$2a$31${rest}")), Some(31), "which is for others to refuse");
        for odd in [
            format!("$2a$6${rest}"),
            format!("$2a$+6${rest}"),
            format!("$2a$06${rest} "),
            format!("$2a$06${}", &rest[1..]),
            format!("$2a$06${}-", &rest[..52]),
            format!("$2a$06${}/", &rest[..52]),
            format!("$2a$06$DCq7YPn5Rq63x1Lad4cl\u{e9}{}", &rest[22..]),
            format!("$2a$06$DCq7YPn5Rq63x1Lad4cllz{}", &rest[22..]),
            "$argon2id$v=19$m=8,t=1,p=1$c2FsdHNhbHQ$aGFzaA".into(),
            "*".into(),
            String::new(),
        ] {
            assert_eq!(cost(&odd), None, "{odd}");
        }
    }
}
