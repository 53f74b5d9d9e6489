//! Groups: trees that hold members of any kind, and the roles people have in them.

use std::fmt;
use std::str::FromStr;

use uuid::Uuid;

use super::{Description, Metadata, Name, OrgId, OrgRole, PlatformRole, UserId};
use crate::Timestamp;
use crate::error::{Entity, Error, Invalid, Result};

/// The most levels a tree has, its root included.
pub const MAX_DEPTH: usize = 32;
/// The most groups that go at a time, with their subtree or their org: what a busy database deletes, one
/// row after the other, well within the deadline of a commit.
pub const MAX_REMOVED: usize = 10_000;

/// Identifies a [`Group`]: a ULID, which is to say the 128 bits of a version 7 UUID in 26 letters and
/// digits (Crockford's base 32). Both begin with the moment in milliseconds, so they sort alike.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GroupId(Uuid);

/// The digits of a ULID.
const DIGITS: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";

impl GroupId {
    /// How many characters it has.
    pub const LENGTH: usize = 26;

    /// The id with this value.
    #[must_use]
    pub const fn new(uuid: Uuid) -> Self {
        Self(uuid)
    }

    /// The bare value, for stores.
    #[must_use]
    pub const fn uuid(self) -> Uuid {
        self.0
    }

    /// The id to look for when a client names one by this text, in upper or lower case. Text that is
    /// no ULID gives the id of nothing, so that an odd id and a missing group cannot be told apart.
    #[must_use]
    pub fn sought(text: &str) -> Self {
        Self(decode(text).unwrap_or_default())
    }
}

/// What the 26 digits mean. The first holds three bits only: a greater one would be a second spelling
/// of another id, so it is none.
fn decode(text: &str) -> Option<Uuid> {
    if text.len() != GroupId::LENGTH || text.as_bytes().first().is_none_or(|first| *first > b'7') {
        return None;
    }
    let mut value = 0_u128;
    for byte in text.bytes() {
        let digit = DIGITS.iter().position(|digit| *digit == byte.to_ascii_uppercase())?;
        value = (value << 5) | u128::try_from(digit).ok()?;
    }
    Some(Uuid::from_u128(value))
}

impl FromStr for GroupId {
    type Err = Error;

    /// Text that is no ULID, or the one of nothing, names nothing: the error is the one for an unknown
    /// id.
    fn from_str(text: &str) -> Result<Self> {
        let id = Self::sought(text);
        if id.0.is_nil() { Err(Error::NotFound(Entity::Group)) } else { Ok(id) }
    }
}

impl fmt::Display for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let value = self.0.as_u128();
        (0..Self::LENGTH).rev().try_for_each(|place| {
            let digit = value.checked_shr(u32::try_from(place).unwrap_or(0).saturating_mul(5));
            let digit = usize::try_from(digit.unwrap_or(0) & 31).unwrap_or(0);
            let digit = DIGITS.get(digit).copied().unwrap_or(b'0');
            fmt::Write::write_char(f, char::from(digit))
        })
    }
}

impl fmt::Debug for GroupId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// A node of a tree.
///
/// A tree belongs to an org, or to a user. All its groups belong to the same.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    /// Which one.
    pub id: GroupId,
    /// Whose it is when it belongs to no org; who made it when it does.
    pub owner: UserId,
    /// The org it belongs to, if to one.
    pub org: Option<OrgId>,
    /// The group above it; none for a root.
    pub parent: Option<GroupId>,
    /// What people call it; unique among its siblings.
    pub name: Name,
    /// What people say of it.
    pub description: Description,
    /// What clients attach to it.
    pub metadata: Metadata,
    /// When it was made.
    pub created_at: Timestamp,
    /// When it was last changed or moved.
    pub updated_at: Timestamp,
}

/// What an update writes: everything about a group that may change without moving it.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupEdit {
    /// Which group.
    pub id: GroupId,
    /// Its new name.
    pub name: Name,
    /// Its new description.
    pub description: Description,
    /// Its new metadata.
    pub metadata: Metadata,
    /// When it was changed.
    pub updated_at: Timestamp,
}

/// What somebody is in a group and in all that lies below it, the least first. It is also what may be
/// asked of a group: each action has the name of the role it needs.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum GroupRole {
    /// Sees it, its members and its subgroups.
    Viewer,
    /// Changes it, its members, and what lies directly below it.
    Editor,
    /// Moves and deletes it, and says who has which role in it.
    Admin,
}

impl GroupRole {
    /// Every role, the least first.
    pub const ALL: [Self; 3] = [Self::Viewer, Self::Editor, Self::Admin];

    /// The word on the wire and in the tables.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Viewer => "viewer",
            Self::Editor => "editor",
            Self::Admin => "admin",
        }
    }
}

impl FromStr for GroupRole {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        Self::ALL.into_iter().find(|role| role.as_str() == text).ok_or(Invalid::Role.into())
    }
}

impl fmt::Display for GroupRole {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// The type of members who are users of this service.
pub const USERS: &str = "users";

/// The id of something that can be a member of a group: a user, or whatever other services have. Between
/// 1 and 254 bytes, none of them a control character.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntityId(String);

/// What kind of thing a member is, like `users` or `things`: between 1 and 254 bytes, none of them a
/// control character.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct EntityType(String);

/// The most bytes an entity's id or type has: what the columns of the original hold.
const MAX_ENTITY: usize = 254;

fn is_entity(text: &str) -> bool {
    (1..=MAX_ENTITY).contains(&text.len()) && !text.chars().any(char::is_control)
}

impl EntityId {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// An id read back from a store.
    #[must_use]
    pub const fn stored(text: String) -> Self {
        Self(text)
    }

    /// The id of a user, in the one spelling that is stored.
    #[must_use]
    pub fn of_user(user: UserId) -> Self {
        Self(user.to_string())
    }

    /// The user it is the id of, if it can be one's. Another spelling of a user's id is nobody's: it would be a second
    /// member, whom nothing that is done about the user finds.
    #[must_use]
    pub fn user(&self) -> Option<UserId> {
        self.0.parse().ok().filter(|user| Self::of_user(*user) == *self)
    }
}

impl FromStr for EntityId {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "" => Err(Invalid::MissingMemberId.into()),
            // A UUID in upper case is the same one.
            text if text.len() == 36 && Uuid::try_parse(text).is_ok() => {
                Ok(Self(text.to_ascii_lowercase()))
            }
            text if is_entity(text) => Ok(Self(text.to_owned())),
            _ => Err(Error::malformed(
                "members",
                "are ids of at most 254 bytes, without control characters",
            )),
        }
    }
}

impl EntityType {
    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// A type read back from a store.
    #[must_use]
    pub const fn stored(text: String) -> Self {
        Self(text)
    }

    /// Whether its entities are users of this service.
    #[must_use]
    pub fn is_users(&self) -> bool {
        self.0 == USERS
    }
}

impl FromStr for EntityType {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        match text {
            "" => Err(Invalid::MissingMemberType.into()),
            text if is_entity(text) => Ok(Self(text.to_owned())),
            _ => Err(Error::malformed("type", "has at most 254 bytes and no control characters")),
        }
    }
}

/// Something's place in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupMember {
    /// Which group.
    pub group: GroupId,
    /// What kind of thing it is.
    pub kind: EntityType,
    /// Which one. No two members of a group have the same id, whatever their types.
    pub member: EntityId,
    /// Since when.
    pub created_at: Timestamp,
}

/// A role that somebody was given in a group.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupGrant {
    /// In which group, and all below it.
    pub group: GroupId,
    /// Who.
    pub user: UserId,
    /// As what.
    pub role: GroupRole,
    /// Since when they have one.
    pub created_at: Timestamp,
    /// When it was last replaced.
    pub updated_at: Timestamp,
}

/// One group on the way from a root down to another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Step {
    /// Which group.
    pub group: GroupId,
    /// The role the user was given right there.
    pub role: Option<GroupRole>,
}

/// Where one user stands towards one group: all that decides what they may do there, of one moment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupStanding {
    /// Which group.
    pub group: GroupId,
    /// Whose it is, when it belongs to no org.
    pub owner: UserId,
    /// The org it belongs to, if to one.
    pub org: Option<OrgId>,
    /// Whether that org exists.
    pub org_exists: bool,
    /// The user's role in that org, if they are a member.
    pub org_role: Option<OrgRole>,
    /// The user's platform role, if they have one.
    pub platform: Option<PlatformRole>,
    /// The way from its root to the group, both included.
    pub trail: Vec<Step>,
}

/// Which groups to list.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupQuery {
    /// Where to begin.
    pub from: GroupsFrom,
    /// How many levels, counted from where the list begins: 1 is that level alone.
    pub levels: usize,
    /// Only those whose metadata contains this. What lies below one that is left out is listed all the
    /// same.
    pub metadata: Metadata,
}

/// Where a list of groups begins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum GroupsFrom {
    /// At this group.
    Group(GroupId),
    /// At every root, or those of one org.
    Roots(Option<OrgId>),
    /// At the highest groups this user may see, or those of one org.
    SeenBy(UserId, Option<OrgId>),
}

/// A group, and the way to it from where a list begins, both included.
#[derive(Clone, Debug, PartialEq)]
pub struct Placed {
    /// The group.
    pub group: Group,
    /// The ids from the beginning down.
    pub path: Vec<GroupId>,
}

/// Which of the groups something is in to list.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupsOfQuery {
    /// The member.
    pub member: EntityId,
    /// Only groups this user may see; all if nobody is named.
    pub seen_by: Option<UserId>,
    /// Only groups whose metadata contains this.
    pub metadata: Metadata,
}

/// Which part of a list that goes one way: those after an element, or after a number of them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Part<A> {
    /// How many elements to pass over.
    pub offset: u64,
    /// How many elements to give.
    pub limit: u64,
    /// Only what comes after this.
    pub after: Option<A>,
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn s44_an_id_has_one_spelling_and_two_cases() {
        let id = GroupId::sought("01ARZ3NDEKTSV4RRFFQ69G5FAV");
        assert_eq!(id.to_string(), "01ARZ3NDEKTSV4RRFFQ69G5FAV");
        assert_eq!("01arz3ndektsv4rrffq69g5fav".parse::<GroupId>().unwrap(), id);
        for odd in [
            "",
            "01ARZ3NDEKTSV4RRFFQ69G5FA",
            "01ARZ3NDEKTSV4RRFFQ69G5FAVX",
            "81ARZ3NDEKTSV4RRFFQ69G5FAV",
            "O1ARZ3NDEKTSV4RRFFQ69G5FAV",
            "01ARZ3NDEKTSV4RRFFQ69G5FA ",
            "01ARZ3NDEKTSV4RRFFQ69G5FÄ",
            "00000000000000000000000000",
            "0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f6",
        ] {
            assert!(odd.parse::<GroupId>().is_err(), "{odd}");
        }
    }

    proptest! {
        #[test]
        fn ids_come_back_and_sort_as_their_texts(one: u128, other: u128) {
            let [one, other] = [one, other].map(|value| GroupId::new(Uuid::from_u128(value)));
            prop_assert_eq!(GroupId::sought(&one.to_string()), one);
            prop_assert_eq!(one.cmp(&other), one.to_string().cmp(&other.to_string()));
        }

        #[test]
        fn no_text_makes_it_panic(text in ".{0,30}") {
            let _ = GroupId::sought(&text);
        }
    }
}
