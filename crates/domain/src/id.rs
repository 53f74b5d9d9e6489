//! The typed identifier.

use std::fmt;
use std::hash::{Hash, Hasher};
use std::marker::PhantomData;
use std::str::FromStr;

use uuid::Uuid;

use crate::error::{Entity, Error};

/// What an [`Id`] can identify.
pub trait Noun {
    /// The name errors use for it.
    const ENTITY: Entity;
}

/// Identifies a `T`. A `UserId` where an `OrgId` is wanted does not compile.
///
/// Every spelling of a UUID is accepted on the way in (RFC 9562 hyphenated, upper case, braced,
/// without hyphens) and only the canonical one ever leaves.
pub struct Id<T> {
    uuid: Uuid,
    noun: PhantomData<fn() -> T>,
}

impl<T> Id<T> {
    /// The id with this value.
    #[must_use]
    pub const fn new(uuid: Uuid) -> Self {
        Self { uuid, noun: PhantomData }
    }

    /// The id to look for when a client names one by this text. Text that is no UUID gives the nil
    /// UUID, which nothing has: an odd id and a missing object cannot be told apart, and who is
    /// asking is still found out first.
    #[must_use]
    pub fn sought(text: &str) -> Self {
        Self::new(Uuid::try_parse(text).unwrap_or_default())
    }

    /// Whether it is the nil UUID, which names nobody and nothing.
    #[must_use]
    pub const fn is_nil(self) -> bool {
        self.uuid.is_nil()
    }

    /// The bare value, for stores and wires.
    #[must_use]
    pub const fn uuid(self) -> Uuid {
        self.uuid
    }
}

impl<T: Noun> FromStr for Id<T> {
    type Err = Error;

    /// Text that is not a UUID, or the nil one, names nothing: the error is the one for an unknown
    /// id.
    fn from_str(text: &str) -> Result<Self, Error> {
        let id = Self::sought(text);
        if id.is_nil() { Err(Error::NotFound(T::ENTITY)) } else { Ok(id) }
    }
}

// Written out because deriving would ask the same of `T`, which is only a name.
impl<T> Clone for Id<T> {
    fn clone(&self) -> Self {
        *self
    }
}

impl<T> Copy for Id<T> {}

impl<T> PartialEq for Id<T> {
    fn eq(&self, other: &Self) -> bool {
        self.uuid == other.uuid
    }
}

impl<T> Eq for Id<T> {}

impl<T> PartialOrd for Id<T> {
    fn partial_cmp(&self, other: &Self) -> Option<std::cmp::Ordering> {
        Some(self.cmp(other))
    }
}

impl<T> Ord for Id<T> {
    fn cmp(&self, other: &Self) -> std::cmp::Ordering {
        self.uuid.cmp(&other.uuid)
    }
}

impl<T> Hash for Id<T> {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.uuid.hash(state);
    }
}

impl<T> fmt::Display for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.uuid.as_hyphenated().fmt(f)
    }
}

impl<T> fmt::Debug for Id<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

#[cfg(test)]
mod tests {
    use crate::model::OrgId;

    #[test]
    fn every_spelling_is_the_same_id() {
        let canonical = "0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f6";
        let id: OrgId = canonical.parse().unwrap();
        for spelling in [
            "0F3C2E4A-5B6D-4C7E-8F90-A1B2C3D4E5F6",
            "0f3c2e4a5b6d4c7e8f90a1b2c3d4e5f6",
            "{0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f6}",
        ] {
            assert_eq!(spelling.parse::<OrgId>().unwrap(), id);
        }
        assert_eq!(id.to_string(), canonical);
    }

    #[test]
    fn other_text_names_nothing() {
        let nil = "00000000-0000-0000-0000-000000000000";
        for odd in
            ["", "zz", "0f3c2e4a", "' or 1=1 --", "0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f6 ", nil]
        {
            assert!(odd.parse::<OrgId>().is_err(), "{odd}");
            assert!(OrgId::sought(odd).is_nil(), "{odd}");
        }
    }
}
