//! Text with rules.

use std::str::FromStr;

use crate::error::{Error, Invalid, Result};

/// A name: 1 to 254 characters, none of them a control character.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Name(String);

impl Name {
    /// The most characters a name has: what the original's column holds.
    pub const MAX: usize = 254;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A name read back from a store, which may hold older text that today's rule refuses.
    #[must_use]
    pub const fn stored(text: String) -> Self {
        Self(text)
    }
}

impl FromStr for Name {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.is_empty() || text.chars().count() > Self::MAX {
            return Err(Invalid::NameSize.into());
        }
        if text.chars().any(char::is_control) {
            return Err(Error::malformed("name", "must not contain control characters"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// A description: up to 1024 characters; of the control characters only tab and line breaks.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Description(String);

impl Description {
    /// The most characters a description has: what the original's column holds.
    pub const MAX: usize = 1024;

    /// The text, empty when there is none.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A description read back from a store.
    #[must_use]
    pub const fn stored(text: String) -> Self {
        Self(text)
    }
}

impl FromStr for Description {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        if text.chars().count() > Self::MAX {
            return Err(Error::malformed("description", "has at most 1024 characters"));
        }
        if text.chars().any(|c| c.is_control() && !matches!(c, '\t' | '\n' | '\r')) {
            return Err(Error::malformed("description", "must not contain control characters"));
        }
        Ok(Self(text.to_owned()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_counts_characters_not_bytes() {
        assert!("é".repeat(254).parse::<Name>().is_ok());
        assert!("a".repeat(255).parse::<Name>().is_err());
        assert!("".parse::<Name>().is_err());
    }

    #[test]
    fn control_characters_are_refused() {
        assert!("a\0b".parse::<Name>().is_err());
        assert!("a\nb".parse::<Name>().is_err());
        assert!("a\nb".parse::<Description>().is_ok());
        assert!("a\0b".parse::<Description>().is_err());
    }
}
