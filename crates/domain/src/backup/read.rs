//! From text to rows.
//!
//! A document with a seal is ours: its rows are taken as they are, as far as a store can hold them. One
//! without is the original's, or somebody's: its rows follow the same rules as what is created by hand.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Map, Value};
use uuid::Uuid;

use super::format::VERSION;
use super::ports::Taken;
use super::rows::{DormantInvite, Row, Section};
use super::split::{Piece, Splitter};
use crate::error::{Error, Invalid, Result};
use crate::model::{
    Account, Description, Group, GroupGrant, GroupId, GroupMember, Invite, InviteState, Key,
    Membership, Metadata, Name, Org, OrgRole, PasswordHash, RoleHolder,
};
use crate::{Id, Timestamp, json};

/// The most bytes that a row has: in a document that has a seal, and in one that has none.
const SEALED_ROW: usize = 32 * 1024 * 1024;
const PLAIN_ROW: usize = 256 * 1024;
/// How far ahead of our clock a moment may be.
const AHEAD: Duration = Duration::from_hours(24);
/// The most characters of an API key's subject that the original's column holds.
const SUBJECT: usize = 254;

/// How a document is read.
#[derive(Clone, Copy, Debug)]
pub struct Reading {
    /// Whether it has a seal.
    pub sealed: bool,
    /// What time it is, for rows that do not say when they began.
    pub now: Timestamp,
    /// The most rows it may have.
    pub max_rows: Option<u64>,
}

/// What comes next.
#[derive(Clone, Debug)]
pub enum Step {
    /// Where and when it was taken; comes first in a document with a seal, and never in another.
    Taken(Taken),
    /// A row.
    Row(Box<Row>),
    /// A list ends.
    Ended(Section),
    /// The document ends.
    End,
}

/// A document on its way in.
pub struct Reader {
    split: Splitter,
    reading: Reading,
    head: Head,
    /// The lists and members that were seen.
    seen: BTreeSet<String>,
    /// The list that is read now, if it is one we know.
    list: Option<Section>,
    /// Where in it.
    at: u64,
    rows: u64,
}

/// What stands before the lists.
#[derive(Default)]
struct Head {
    version: Option<i64>,
    instance: Option<Uuid>,
    revision: Option<i64>,
    told: bool,
}

impl Reader {
    /// Begins.
    #[must_use]
    pub fn new(reading: Reading) -> Self {
        Self {
            split: Splitter::object(if reading.sealed { SEALED_ROW } else { PLAIN_ROW }),
            reading,
            head: Head::default(),
            seen: BTreeSet::new(),
            list: None,
            at: 0,
            rows: 0,
        }
    }

    /// Takes some more of it.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.split.feed(bytes);
    }

    /// Says that this is all.
    pub const fn end(&mut self) {
        self.split.end();
    }

    /// What comes next; nothing when more has to come first.
    pub fn step(&mut self) -> Result<Option<Step>> {
        loop {
            let piece = self.split.next_piece().map_err(|what| Error::malformed("body", what))?;
            let step = match piece {
                None => return Ok(None),
                Some(Piece::Member(name, value)) => {
                    self.member(&name, &value)?;
                    None
                }
                Some(Piece::List(name)) => self.begin(&name)?,
                Some(Piece::Element(text)) => self.element(&text)?,
                Some(Piece::ListEnd) => self.list.take().map(Step::Ended),
                Some(Piece::End) if self.reading.sealed && !self.head.told => {
                    return Err(Invalid::BackupSeal.into());
                }
                Some(Piece::End) => Some(Step::End),
            };
            if step.is_some() {
                return Ok(step);
            }
        }
    }

    fn name(&mut self, text: &[u8]) -> Result<String> {
        let Ok(Value::String(name)) = json::parse(text) else {
            return Err(Error::malformed("body", "must be one JSON document and nothing else"));
        };
        if Section::ALL.into_iter().any(|section| json::differs_by_case(&name, section.as_str())) {
            return Err(Error::malformed("body", "has a list whose name is not in lower case"));
        }
        if !self.seen.insert(name.clone()) {
            return Err(Error::malformed("body", "has a member twice"));
        }
        if self.seen.len() > json::MAX_MEMBERS {
            return Err(Error::malformed("body", "has an object of more than 256 members"));
        }
        // Only a seal says that more than the original's lists are what they were.
        let original = matches!(name.as_str(), "orgs" | "org_memberships");
        let ours = Section::named(&name).is_some() || matches!(name.as_str(), "format" | "mac");
        if !self.reading.sealed && ours && !original {
            return Err(Invalid::BackupSeal.into());
        }
        Ok(name)
    }

    fn member(&mut self, name: &[u8], value: &[u8]) -> Result<()> {
        let name = self.name(name)?;
        let value = json::parse(value).map_err(|what| Error::malformed("body", what))?;
        if let Some(section) = Section::named(&name) {
            return match value {
                Value::Null => Ok(()),
                _ => Err(Error::malformed(section.as_str(), "must be a list of objects")),
            };
        }
        match (name.as_str(), value) {
            ("version", Value::Number(number)) => self.head.version = number.as_i64(),
            ("instance", Value::String(text)) => self.head.instance = Uuid::try_parse(&text).ok(),
            ("revision", Value::Number(number)) => self.head.revision = number.as_i64(),
            _ => {}
        }
        Ok(())
    }

    fn begin(&mut self, name: &[u8]) -> Result<Option<Step>> {
        let name = self.name(name)?;
        self.list = Section::named(&name);
        self.at = 0;
        if !self.reading.sealed || self.head.told {
            return Ok(None);
        }
        self.head.told = true;
        match &self.head {
            Head { version: Some(version), .. } if *version != VERSION => {
                Err(Invalid::BackupVersion.into())
            }
            Head {
                version: Some(_), instance: Some(instance), revision: Some(revision), ..
            } => Ok(Some(Step::Taken(Taken { instance: *instance, revision: *revision }))),
            _ => Err(Invalid::BackupSeal.into()),
        }
    }

    fn element(&mut self, text: &[u8]) -> Result<Option<Step>> {
        // A list that nobody knows.
        let Some(section) = self.list else { return Ok(None) };
        let (list, row) = (section.as_str(), self.at);
        self.at = self.at.saturating_add(1);
        self.rows = self.rows.saturating_add(1);
        if self.reading.max_rows.is_some_and(|most| self.rows > most) {
            return Err(Invalid::TooManyRows.into());
        }
        let refused = |problem| Error::Invalid(Invalid::Row { list, row, problem });
        let members = Members::parse(text, self.reading).map_err(refused)?;
        let read = match section {
            Section::Orgs => members.org().map(Row::Org),
            Section::Memberships => members.membership().map(Row::Membership),
            Section::Invites => members.invite().map(Row::Invite),
            Section::Dormant => members.dormant().map(Row::Dormant),
            Section::Keys => members.key().map(Row::Key),
            Section::PlatformRoles => members.role_holder().map(Row::PlatformRole),
            Section::Accounts => members.account().map(Row::Account),
            Section::Groups => members.group().map(Row::Group),
            Section::GroupMembers => members.group_member().map(Row::GroupMember),
            Section::GroupRoles => members.grant().map(Row::GroupRole),
        };
        Ok(Some(Step::Row(Box::new(read.map_err(refused)?))))
    }
}

/// What is wrong with a row.
type Problem = &'static str;

/// The members of a row.
pub struct Members {
    members: Map<String, Value>,
    reading: Reading,
}

impl Members {
    /// Reads the text of a row.
    pub fn parse(text: &[u8], reading: Reading) -> Result<Self, Problem> {
        // What is under a seal was read strictly when it came in, or is the original's.
        let value = if reading.sealed {
            serde_json::from_slice(text).map_err(|_| "is no JSON")?
        } else {
            json::parse(text)?
        };
        match value {
            Value::Object(members) => Ok(Self { members, reading }),
            _ => Err("must be an object"),
        }
    }

    fn take(&mut self, name: &str) -> Result<Value, Problem> {
        let value = self.members.remove(name).unwrap_or(Value::Null);
        let odd = |other: &String| json::differs_by_case(other, name);
        if !self.reading.sealed && self.members.keys().any(odd) {
            return Err("has a member whose name is not in lower case");
        }
        Ok(value)
    }

    fn text(&mut self, name: &str) -> Result<Option<String>, Problem> {
        match self.take(name)? {
            Value::Null => Ok(None),
            Value::String(text) => Ok(Some(text)),
            _ => Err("has a number, list or object where a text belongs"),
        }
    }

    /// The id in this member, which must be there.
    pub fn id<T>(&mut self, name: &str) -> Result<Id<T>, Problem> {
        let text = self.text(name)?.ok_or("lacks an id")?;
        let id = Id::sought(&text);
        if id.is_nil() { Err("has an id that is no UUID") } else { Ok(id) }
    }

    /// The id in this member, if there is one.
    fn optional_id<T>(&mut self, name: &str) -> Result<Option<Id<T>>, Problem> {
        match self.members.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(_) => self.id(name).map(Some),
        }
    }

    /// The id of a group in this member, if there is one.
    fn group_id(&mut self, name: &str) -> Result<Option<GroupId>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        text.parse().map(Some).map_err(|_| "has the id of a group that is no ULID")
    }

    /// The moment in this member, if there is one.
    fn moment(&mut self, name: &str) -> Result<Option<Timestamp>, Problem> {
        let Some(text) = self.text(name)? else { return Ok(None) };
        let moment: Timestamp =
            text.parse().map_err(|_| "has a time that is not like 2026-11-22T16:30:00Z")?;
        if self.reading.sealed {
            return Ok(Some(moment));
        }
        if moment.micros() < 0 {
            return Err("has a time before 1970");
        }
        if moment > self.reading.now.plus(AHEAD) {
            return Err("has a time that is still to come");
        }
        Ok(Some(moment))
    }

    /// The moment in this member; now, if there is none and it needs not be there.
    fn begun(&mut self, name: &str) -> Result<Timestamp, Problem> {
        match self.moment(name)? {
            Some(moment) => Ok(moment),
            None if self.reading.sealed => Err("lacks a time"),
            None => Ok(self.reading.now),
        }
    }

    /// The role in this member.
    fn role(&mut self, name: &str) -> Result<OrgRole, Problem> {
        let text = self.text(name)?.unwrap_or_default();
        text.parse().map_err(|_| "has a role that does not exist")
    }

    fn metadata(&mut self) -> Result<Metadata, Problem> {
        match (self.take("metadata")?, self.reading.sealed) {
            (Value::Null, _) => Ok(Metadata::default()),
            (Value::Object(object), true) => Ok(Metadata::stored(object)),
            (value, _) => Metadata::from_value(value)
                .map_err(|_| "has metadata that is no object, or more than 16 KiB or 8 levels"),
        }
    }

    /// What it is called, and what people say of it.
    fn names(&mut self) -> Result<(Name, Description), Problem> {
        let name = self.text("name")?.unwrap_or_default();
        let description = self.text("description")?.unwrap_or_default();
        let too_long =
            name.chars().count() > Name::MAX || description.chars().count() > Description::MAX;
        Ok(match self.reading.sealed {
            true if too_long => return Err("has a name or description that is too long"),
            true => (Name::stored(name), Description::stored(description)),
            false => (
                name.parse().map_err(|_| {
                    "has a name that is not of 1 to 254 characters with one to see, none of them a control character or one that turns text around"
                })?,
                description.parse().map_err(|_| {
                    "has a description of more than 1024 characters, or with control characters"
                })?,
            ),
        })
    }

    fn org(mut self) -> Result<Org, Problem> {
        let (name, description) = self.names()?;
        Ok(Org {
            id: self.id("id")?,
            owner: self.id("owner_id")?,
            name,
            description,
            metadata: self.metadata()?,
            created_at: self.begun("created_at")?,
            updated_at: self.begun("updated_at")?,
        })
    }

    /// The membership it is.
    pub fn membership(mut self) -> Result<Membership, Problem> {
        Ok(Membership {
            org: self.id("org_id")?,
            member: self.id("member_id")?,
            role: self.role("role")?,
            created_at: self.begun("created_at")?,
            updated_at: self.begun("updated_at")?,
        })
    }

    fn invite(mut self) -> Result<Invite, Problem> {
        let state = self.text("state")?.unwrap_or_default();
        let invitee = self.optional_id("invitee_id")?;
        let role = self.role("invitee_role")?;
        if role == OrgRole::Owner {
            return Err("invites somebody to be the owner");
        }
        Ok(Invite {
            id: self.id("id")?,
            org: self.id("org_id")?,
            inviter: self.id("inviter_id")?,
            invitee,
            role,
            state: state.parse::<InviteState>().map_err(|_| "has a state that does not exist")?,
            created_at: self.begun("created_at")?,
            expires_at: self.begun("expires_at")?,
        })
    }

    fn dormant(mut self) -> Result<DormantInvite, Problem> {
        Ok(DormantInvite {
            invite: self.id("org_invite_id")?,
            platform_invite: self.id("platform_invite_id")?,
        })
    }

    fn key(mut self) -> Result<Key, Problem> {
        let subject = self.text("subject")?.unwrap_or_default();
        if subject.chars().count() > SUBJECT {
            return Err("has a subject that is too long");
        }
        Ok(Key {
            id: self.id("id")?,
            issuer: self.id("issuer_id")?,
            subject,
            issued_at: self.begun("issued_at")?,
            expires_at: self.moment("expires_at")?,
        })
    }

    fn role_holder(mut self) -> Result<RoleHolder, Problem> {
        let role = self.text("role")?.unwrap_or_default();
        Ok(RoleHolder {
            user: self.id("user_id")?,
            role: role.parse().map_err(|_| "has a role that does not exist")?,
        })
    }

    fn account(mut self) -> Result<Account, Problem> {
        let email = self.text("email")?.unwrap_or_default();
        let status = self.text("status")?.unwrap_or_default();
        let hash = self.text("password_hash")?;
        Ok(Account {
            id: self.id("id")?,
            email: email.parse().map_err(|_| "has no e-mail address")?,
            password: hash.map_or_else(PasswordHash::unusable, PasswordHash::new),
            email_verified_at: self.moment("email_verified_at")?,
            status: status.parse().map_err(|_| "has a status that does not exist")?,
            metadata: self.metadata()?,
            created_at: self.begun("created_at")?,
            updated_at: self.begun("updated_at")?,
        })
    }

    fn group(mut self) -> Result<Group, Problem> {
        let (name, description) = self.names()?;
        Ok(Group {
            id: self.group_id("id")?.ok_or("lacks an id")?,
            owner: self.id("owner_id")?,
            org: self.optional_id("org_id")?,
            parent: self.group_id("parent_id")?,
            name,
            description,
            metadata: self.metadata()?,
            created_at: self.begun("created_at")?,
            updated_at: self.begun("updated_at")?,
        })
    }

    fn group_member(mut self) -> Result<GroupMember, Problem> {
        let (kind, member) = (self.text("type")?, self.text("member_id")?);
        Ok(GroupMember {
            group: self.group_id("group_id")?.ok_or("lacks an id")?,
            kind: kind.unwrap_or_default().parse().map_err(|_| "has a type that is none")?,
            member: member.unwrap_or_default().parse().map_err(|_| "has an id that is none")?,
            created_at: self.begun("created_at")?,
        })
    }

    fn grant(mut self) -> Result<GroupGrant, Problem> {
        let role = self.text("role")?.unwrap_or_default();
        Ok(GroupGrant {
            group: self.group_id("group_id")?.ok_or("lacks an id")?,
            user: self.id("user_id")?,
            role: role.parse().map_err(|_| "has a role that does not exist")?,
            created_at: self.begun("created_at")?,
            updated_at: self.begun("updated_at")?,
        })
    }
}
