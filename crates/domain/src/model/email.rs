//! E-mail addresses.

use std::str::FromStr;

use crate::error::{Error, Result};

/// An e-mail address: shown as it was typed, compared by its key.
///
/// Two addresses are the same when their keys are: the local part in lower case, the domain as
/// lower-case A-labels (RFC 5890). The local part is ASCII, so no case mapping can merge two
/// different people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Email {
    text: String,
    key: String,
}

impl Email {
    /// The most bytes an address has: what the original's column holds.
    pub const MAX: usize = 254;

    /// The address as it was typed, without outer white space.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// What addresses are compared by.
    #[must_use]
    pub fn key(&self) -> &str {
        &self.key
    }
}

impl FromStr for Email {
    type Err = Error;

    /// Accepts `local@domain`: a local part of 1 to 64 of the characters RFC 5321 allows unquoted,
    /// without leading, trailing or doubled dots, and a domain of at least two labels.
    fn from_str(text: &str) -> Result<Self> {
        let refused = || Error::malformed("email", "must be one address like name@example.com");
        let text = text.trim();
        if text.len() > Self::MAX {
            return Err(Error::malformed("email", "has at most 254 bytes"));
        }
        let (local, domain) = text.split_once('@').ok_or_else(refused)?;
        if !is_local_part(local) {
            return Err(refused());
        }
        let domain = idna::domain_to_ascii_strict(domain).map_err(|_| refused())?;
        let last_label = domain.rsplit('.').next().unwrap_or_default();
        if !domain.contains('.')
            || domain.split('.').any(str::is_empty)
            || last_label.len() > 63
            || last_label.bytes().all(|b| b.is_ascii_digit())
        {
            return Err(refused());
        }
        let key = format!("{}@{domain}", local.to_ascii_lowercase());
        if key.len() > Self::MAX {
            return Err(Error::malformed("email", "has at most 254 bytes"));
        }
        Ok(Self { text: text.to_owned(), key })
    }
}

fn is_local_part(local: &str) -> bool {
    (1..=64).contains(&local.len())
        && !local.starts_with('.')
        && !local.ends_with('.')
        && !local.contains("..")
        && local.bytes().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+/=?^_`{|}~.-".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn case_and_outer_blanks_do_not_make_another_person() {
        let typed: Email = " Ada.L@Example.COM ".parse().unwrap();
        assert_eq!(typed.as_str(), "Ada.L@Example.COM");
        assert_eq!(typed.key(), "ada.l@example.com");
        let other: Email = "ada.l@bücher.example".parse().unwrap();
        assert_eq!(other.key(), "ada.l@xn--bcher-kva.example");
    }

    #[test]
    fn look_alikes_are_refused_or_differ() {
        // A dotless i folds to a plain one in some case mappings.
        assert!("m\u{131}ke@example.org".parse::<Email>().is_err());
        let cyrillic: Email = "mike@ex\u{430}mple.org".parse().unwrap();
        assert_ne!(cyrillic.key(), "mike@example.org");
    }

    #[test]
    fn other_shapes_are_refused() {
        for odd in [
            "",
            "a",
            "@b.io",
            "a@",
            "a@b",
            "a@b@c.io",
            "a b@c.io",
            "a@b c.io",
            ".a@b.io",
            "a.@b.io",
            "a..b@c.io",
            "a@b..io",
            "a@.b.io",
            "a@b.io.",
            "Ada <a@b.io>",
            "a@b.io,c@d.io",
            "a@b.io\r\nBcc: c@d.io",
            "a@[1.2.3.4]",
            "a@1.2.3.4",
            "a\0@b.io",
            "a@b\0.io",
        ] {
            assert!(odd.parse::<Email>().is_err(), "{odd:?}");
        }
        assert!(format!("{}@b.io", "a".repeat(65)).parse::<Email>().is_err());
        assert!(format!("a@{}.io", "b.".repeat(130)).parse::<Email>().is_err());
    }
}
