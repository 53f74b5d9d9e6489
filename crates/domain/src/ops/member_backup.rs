//! Backup and restore of the members of one org.
//!
//! Both are the original's. A file says who belongs to the org whose file it is and to no other; whoever
//! restores one gives what they could give otherwise, never the role `owner`.

use std::collections::HashSet;

use crate::app::{Access, Cx, Operation, Work};
use crate::backup::read::{Members, Reading};
use crate::backup::split::{Piece, Splitter};
use crate::backup::{Rows, Sink, Source};
use crate::change::Change;
use crate::error::{Entity, Error, Invalid, Result};
use crate::model::{Action, Member, Membership, OrgId, OrgRole};
use crate::ops::members::with_addresses;
use crate::ports::{MAX_PEOPLE, Priority};

/// The most bytes one member has in a file.
const MAX_ROW: usize = 64 * 1024;

/// Gives all members of an org, part by part, with what the directory says of them.
pub struct BackupMembers {
    /// Of which org.
    pub org: OrgId,
    /// Where to.
    pub sink: Box<dyn Sink<Vec<Member>>>,
}

impl Operation for BackupMembers {
    type Output = ();
    const NAME: &'static str = "backup_org_memberships";
    const PRIORITY: Priority = Priority::Bulk;

    fn access(&self) -> Access {
        Access::InOrg(self.org, Action::Owner)
    }

    async fn run(mut self, cx: &mut Cx<'_>) -> Result<()> {
        let _turn = cx.turn(Work::MemberBackup)?;
        let limit = u32::try_from(MAX_PEOPLE).unwrap_or(u32::MAX);
        let mut after = None;
        loop {
            let part = cx.store().memberships_after(self.org, None, after, limit).await?;
            let Some(last) = part.last() else { return self.sink.end().await };
            after = Some(last.member);
            self.sink.write(with_addresses(cx, part).await?).await?;
        }
    }
}

/// Makes people members, as a file says: all of them or none.
pub struct RestoreMembers {
    /// Of which org.
    pub org: OrgId,
    /// The file.
    pub source: Box<dyn Source>,
    /// Whether nothing is written in the end.
    pub dry_run: bool,
}

/// What [`RestoreMembers`] has done; if it was a dry run, what it would have done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Joined {
    /// How many are members now.
    pub created: u64,
    /// How many rows were passed over: that of the owner.
    pub unchanged: u64,
}

impl Operation for RestoreMembers {
    type Output = Joined;
    const NAME: &'static str = "restore_org_memberships";
    const PRIORITY: Priority = Priority::Bulk;

    fn access(&self) -> Access {
        Access::LoggedIn("failed to perform authentication over the entity")
    }

    async fn run(mut self, cx: &mut Cx<'_>) -> Result<Joined> {
        cx.authorize(Access::InOrg(self.org, Action::Owner)).await?;
        if !cx.rules().direct_add {
            return Err(Error::Forbidden);
        }
        let _turn = cx.turn(Work::MemberRestore)?;
        let rows = self.rows(cx).await?;
        let mut restoring = cx.restoring().await?;
        let owners = restoring.owners(&[self.org]).await?;
        let owner = owners.first().map(|(_, owner)| *owner).ok_or(Error::NotFound(Entity::Org))?;
        let mut joining = Vec::with_capacity(rows.len());
        let mut unchanged = 0_u64;
        for (row, at) in rows.into_iter().zip(0..) {
            match (row.role, row.member == owner) {
                (OrgRole::Owner, true) => unchanged = unchanged.saturating_add(1),
                (OrgRole::Owner, false) => {
                    return Err(refused(
                        at,
                        "has the role owner, which is given by transferring the org",
                    ));
                }
                (_, true) => return Err(Error::AlreadyExists(Entity::Membership)),
                (_, false) => joining.push(row),
            }
        }
        let created = u64::try_from(joining.len()).unwrap_or(u64::MAX);
        if !joining.is_empty() {
            restoring.apply(&Change::InsertRows(Rows::Memberships(joining))).await?;
            if !self.dry_run {
                cx.finish(restoring).await?;
            }
        }
        Ok(Joined { created, unchanged })
    }
}

impl RestoreMembers {
    /// The rows of the file, each for this org and for somebody else.
    async fn rows(&mut self, cx: &Cx<'_>) -> Result<Vec<Membership>> {
        let reading = Reading { sealed: false, now: cx.now, max_rows: None };
        let most = usize::try_from(cx.rules().restore_rows).unwrap_or(usize::MAX);
        let mut split = Splitter::list(MAX_ROW);
        let mut rows = Vec::new();
        let mut members = HashSet::new();
        loop {
            match self.source.read().await? {
                Some(bytes) => split.feed(&bytes),
                None => split.end(),
            }
            while let Some(piece) =
                split.next_piece().map_err(|what| Error::malformed("body", what))?
            {
                match piece {
                    Piece::Element(text) => {
                        let at = u64::try_from(rows.len()).unwrap_or(u64::MAX);
                        let row = Members::parse(&text, reading).and_then(Members::membership);
                        let row = row.map_err(|problem| refused(at, problem))?;
                        if row.org != self.org {
                            return Err(refused(at, "is of another org"));
                        }
                        if !members.insert(row.member) {
                            return Err(refused(at, "names somebody twice"));
                        }
                        if rows.len() >= most {
                            return Err(Invalid::TooManyRows.into());
                        }
                        rows.push(row);
                    }
                    Piece::End if rows.is_empty() => return Err(Invalid::EmptyList.into()),
                    Piece::End => return Ok(rows),
                    Piece::List(_) | Piece::ListEnd | Piece::Member(..) => {}
                }
            }
        }
    }
}

fn refused(row: u64, problem: &'static str) -> Error {
    Invalid::Row { list: "org_memberships", row, problem }.into()
}
