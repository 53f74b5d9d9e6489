//! Text with rules.

use std::str::FromStr;

use crate::error::{Error, Invalid, Result};

/// A name: 1 to 254 characters, none of them a control character or one that turns text around, and one to see among them.
///
/// It is kept as it was typed: two that look alike may be two (nothing is normalised, as the original does nothing).
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
        if text.chars().any(turns_around) {
            return Err(Error::malformed(
                "name",
                "must not contain characters that turn text around",
            ));
        }
        if text.chars().all(is_invisible) {
            return Err(Error::malformed("name", "must contain something to see"));
        }
        Ok(Self(text.to_owned()))
    }
}

/// Whether it makes what follows run the other way, and so whatever a name is shown in (UAX #9): the directional
/// embeddings, overrides and isolates. The marks that only say which way a name itself runs are not among them.
const fn turns_around(c: char) -> bool {
    matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

/// Whether there is nothing to see of it: blanks, what Unicode calls default ignorable, and the empty Braille pattern.
fn is_invisible(c: char) -> bool {
    c.is_whitespace()
        || matches!(
            c,
            '\u{ad}'
                | '\u{34f}'
                | '\u{61c}'
                | '\u{115f}'..='\u{1160}'
                | '\u{17b4}'..='\u{17b5}'
                | '\u{180b}'..='\u{180f}'
                | '\u{200b}'..='\u{200f}'
                | '\u{202a}'..='\u{202e}'
                | '\u{2060}'..='\u{206f}'
                | '\u{2800}'
                | '\u{3164}'
                | '\u{fe00}'..='\u{fe0f}'
                | '\u{feff}'
                | '\u{ffa0}'
                | '\u{fff0}'..='\u{fff8}'
                | '\u{1bca0}'..='\u{1bca3}'
                | '\u{1d173}'..='\u{1d17a}'
                | '\u{e0000}'..='\u{e0fff}'
        )
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

    #[test]
    fn s71_a_name_turns_nothing_around_and_can_be_seen() {
        for c in ('\u{202a}'..='\u{202e}').chain('\u{2066}'..='\u{2069}') {
            assert!(format!("gpj.{c}exe").parse::<Name>().is_err(), "{c:?}");
        }
        for none in [
            " ",
            "\u{a0}\u{3000}",
            "\u{200b}",
            "\u{200d}\u{feff}",
            "\u{2800}",
            "\u{3164}",
            "\u{e0041}",
        ] {
            assert!(none.parse::<Name>().is_err(), "{none:?}");
            assert!(format!("{none}a").parse::<Name>().is_ok(), "{none:?}");
        }
        // Which way it runs, emoji put together, and a letter whose shape a joiner decides.
        for name in [
            "\u{200f}\u{5d0}\u{5d1}\u{5d2}!",
            "\u{1f468}\u{200d}\u{1f469}\u{fe0f}",
            "\u{645}\u{6cc}\u{200c}",
        ] {
            assert_eq!(name.parse::<Name>().unwrap().as_str(), name);
        }
        assert_eq!(Name::stored("\u{202e}".to_owned()).as_str(), "\u{202e}", "what is there stays");
    }
}
