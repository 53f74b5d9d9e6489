//! What backups need of the outside.

use async_trait::async_trait;
use serde_json::Value;
use uuid::Uuid;

use super::rows::{Rows, Section};
use crate::change::{Change, Commit, Guard};
use crate::error::Result;
use crate::model::{GroupId, InviteId, OrgId, UserId};

/// How many rows are read or written at a time.
pub const PART: usize = 1_000;

/// Reading all there is, and bringing it back.
#[async_trait]
pub trait Backups: Send + Sync {
    /// Everything as it is now, which stays as it is however long reading takes and whatever others write
    /// meanwhile.
    async fn snapshot(&self) -> Result<Box<dyn Snapshot>>;

    /// A commit that is put together bit by bit: it begins with the guards and changes of this one.
    /// Unless [`Restoring::commit`] is called and succeeds, nothing of it was ever there.
    async fn restoring(&self, commit: Commit) -> Result<Box<dyn Restoring>>;
}

/// Where and when a snapshot was taken.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Taken {
    /// Of which database: a random id that it got when it was made.
    pub instance: Uuid,
    /// After which revision of its change log.
    pub revision: i64,
}

/// Everything as it was at one moment.
#[async_trait]
pub trait Snapshot: Send {
    /// Where and when it was taken.
    fn taken(&self) -> Taken;

    /// The next rows of this list, in its order, about [`PART`] of them. Lists are read one after the other,
    /// each from its beginning to its end.
    async fn part(&mut self, section: Section) -> Result<Part>;
}

/// Some rows of a snapshot.
#[derive(Clone, Debug)]
pub struct Part {
    /// The rows.
    pub rows: Rows,
    /// Whether the list goes on.
    pub more: bool,
    /// How many rows were left out that mean nothing, such as a membership with a role that does not exist.
    pub left_out: u64,
    /// How many rows are not given to the letter, such as one without a time.
    pub normalised: u64,
}

/// A commit that is put together bit by bit. Dropping it undoes all of it.
#[async_trait]
pub trait Restoring: Send {
    /// Which database this is, and whether its change log still holds all that happened after this
    /// revision.
    async fn origin(&mut self, revision: i64) -> Result<(Uuid, bool)>;

    /// The stored rows that have the same places as these, whatever else they say.
    async fn present(&mut self, rows: &Rows) -> Result<Rows>;

    /// Who owns these orgs; those that do not exist are left out.
    async fn owners(&mut self, orgs: &[OrgId]) -> Result<Vec<(OrgId, UserId)>>;

    /// Which of these invites exist.
    async fn invites(&mut self, ids: &[InviteId]) -> Result<Vec<InviteId>>;

    /// Which of these groups exist, and the orgs that those belong to that belong to one.
    async fn groups(&mut self, ids: &[GroupId]) -> Result<Vec<(GroupId, Option<OrgId>)>>;

    /// Who of these is a member of which org, and stays one until the end.
    async fn hold_members(&mut self, these: &[(OrgId, UserId)]) -> Result<Vec<(OrgId, UserId)>>;

    /// What the change log says of these groups after this revision by records of this kind.
    async fn group_records(
        &mut self,
        kind: &'static str,
        revision: i64,
        groups: &[GroupId],
    ) -> Result<Vec<GroupRecord>>;

    /// For which of these the change log says after this revision that they were taken away: `kind` is
    /// what the record says, the pairs are its object and its subject.
    async fn removed(
        &mut self,
        kind: &'static str,
        revision: i64,
        these: &[(Uuid, Uuid)],
    ) -> Result<Vec<(Uuid, Uuid)>>;

    /// Which of these invites the change log says after this revision were revoked.
    async fn revoked(&mut self, revision: i64, these: &[InviteId]) -> Result<Vec<InviteId>>;

    /// Checks a guard, which holds until the end.
    async fn hold(&mut self, guard: &Guard) -> Result<()>;

    /// Applies a change, as a commit does.
    async fn apply(&mut self, change: &Change) -> Result<()>;

    /// Makes all of it true at once. Gives its revision, if any of it has a fact.
    async fn commit(self: Box<Self>) -> Result<Option<i64>>;
}

/// What the change log says of a group.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupRecord {
    /// Which group.
    pub group: GroupId,
    /// The user it happened to, if to one.
    pub user: Option<UserId>,
    /// What else the record says.
    pub payload: Value,
}

/// Proves later that a document is one of ours and what it said.
pub trait Seals: Send + Sync {
    /// Begins to seal a document.
    fn sealing(&self) -> Box<dyn Sealing>;

    /// Begins to check one.
    fn checking(&self) -> Box<dyn Checking>;
}

/// A document that is being sealed.
pub trait Sealing: Send {
    /// Some more of it.
    fn update(&mut self, bytes: &[u8]);

    /// The seal: 64 hexadecimal digits.
    fn finish(self: Box<Self>) -> String;
}

/// A document that is being checked.
pub trait Checking: Send {
    /// Some more of it.
    fn update(&mut self, bytes: &[u8]);

    /// Whether this is its seal.
    fn finish(self: Box<Self>, seal: &str) -> bool;
}

/// Where something is written to, part by part.
#[async_trait]
pub trait Sink<T: Send>: Send {
    /// Takes the next part. Fails when nobody wants it any more.
    async fn write(&mut self, part: T) -> Result<()>;

    /// Hears that this was all. Whatever goes wrong before, this is not called.
    async fn end(&mut self) -> Result<()> {
        Ok(())
    }
}

/// Where a document comes from.
#[async_trait]
pub trait Source: Send {
    /// The next bytes; none at the end.
    async fn read(&mut self) -> Result<Option<Vec<u8>>>;

    /// Whether [`Source::rewind`] works.
    fn rewinds(&self) -> bool;

    /// Starts over: what comes is the same again.
    async fn rewind(&mut self) -> Result<()>;
}
