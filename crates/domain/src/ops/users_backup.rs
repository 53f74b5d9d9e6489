//! Backup and restore of the accounts, as the original's users service has them.
//!
//! The document holds accounts and nothing else: `users`, and apart from them the one whose request it is, `admin`.

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use super::sessions::{ending, revoke_keys};
use super::tickets::forget_links;
use crate::Timestamp;
use crate::app::{Access, Cx, Operation, Work};
use crate::backup::{self, Rows, Section, Sink, Source};
use crate::change::{Change, Restored};
use crate::error::{Error, Invalid, Result};
use crate::json;
use crate::model::{
    Account, AccountEdit, Direction, Email, GroupQuery, GroupsFrom, KeyOrder, MAX_LIMIT, Metadata,
    OrgOrder, OrgQuery, Page, Part, PasswordHash, PlatformRole, UserId,
};
use crate::ports::Class;

/// Writes every account, as it is at one moment.
pub struct BackupUsers {
    /// Where to.
    pub sink: Box<dyn Sink<Vec<u8>>>,
    /// Whether password hashes are in it, of which the audit trail says who got them.
    pub passwords: bool,
}

impl Operation for BackupUsers {
    type Output = ();
    const NAME: &'static str = "backup_users";
    const CLASS: Class = Class::Backups;

    fn access(&self) -> Access {
        Access::OnPlatform(PlatformRole::Root)
    }

    async fn run(mut self, cx: &mut Cx<'_>) -> Result<()> {
        let _turn = cx.turn(Work::Backup)?;
        let caller = cx.identity()?.user;
        if self.passwords {
            // Before anybody has one of them.
            cx.commit(vec![Change::NotePasswordsRead]).await?;
        }
        let mut snapshot = cx.store().snapshot().await?;
        let (mut admin, mut text, mut first) = (Row::default(), b"{\"users\":[".to_vec(), true);
        loop {
            let backup::Part { rows, more, .. } = snapshot.part(Section::Accounts).await?;
            let accounts = if let Rows::Accounts(accounts) = rows { accounts } else { Vec::new() };
            for account in accounts {
                let row = Row::of(&account, self.passwords);
                if account.id == caller {
                    admin = row;
                    continue;
                }
                if !std::mem::take(&mut first) {
                    text.push(b',');
                }
                serde_json::to_writer(&mut text, &row).map_err(Error::internal)?;
            }
            if !more {
                break;
            }
            self.sink.write(std::mem::take(&mut text)).await?;
        }
        drop(snapshot);
        text.extend_from_slice(b"],\"admin\":");
        serde_json::to_writer(&mut text, &admin).map_err(Error::internal)?;
        text.extend_from_slice(b"}\n");
        self.sink.write(text).await?;
        self.sink.end().await
    }
}

/// Brings back accounts: all of them or none. The one called `admin` becomes a root, and if somebody here has that one's
/// address, they are that one from now on.
pub struct RestoreUsers {
    /// The document.
    pub source: Box<dyn Source>,
}

impl Operation for RestoreUsers {
    type Output = ();
    const NAME: &'static str = "restore_users";
    const CLASS: Class = Class::Backups;

    fn access(&self) -> Access {
        Access::OnPlatform(PlatformRole::Root)
    }

    async fn run(mut self, cx: &mut Cx<'_>) -> Result<()> {
        let _turn = cx.turn(Work::Restore)?;
        let mut text = Vec::new();
        while let Some(bytes) = self.source.read().await? {
            text.extend_from_slice(&bytes);
        }
        let (accounts, admin) = Document::read(&text)?.accounts(cx)?;
        let (user, role) = (admin.id, PlatformRole::Root);
        let mut created = u64::try_from(accounts.len()).unwrap_or(u64::MAX);
        let (mut changes, mut renumbered) = (Vec::new(), None);
        if let Some(present) = cx.store().account_by_email(&admin.email).await? {
            // Their password and status stay as they are here.
            if present.id != admin.id {
                changes.extend(renumber(cx, present.id, admin.id).await?);
                renumbered = Some(present.id);
            }
            let (metadata, updated_at) = (admin.metadata, cx.now);
            changes.push(Change::UpdateAccount(AccountEdit { id: user, metadata, updated_at }));
        } else {
            created = created.saturating_add(1);
            changes.push(Change::InsertAccount(admin));
        }
        // Before the role of whoever they were goes, because there has to be a root.
        changes.insert(changes.len().min(1), Change::PutPlatformRole { user, role });
        changes.push(Change::InsertRows(Rows::Accounts(accounts)));
        let (left_out, revived) = (0, false);
        let restored = Restored { instance: None, revision: None, created, left_out, revived };
        changes.push(Change::NoteRestore(restored));
        cx.commit(changes).await?;
        // What was made while this was prepared; with the sessions gone nothing is made any more.
        match renumbered {
            Some(old) => revoke_keys(cx, old).await,
            None => Ok(()),
        }
    }
}

/// What gives an account another id, first of all; and ends what the old id could do.
///
/// Fails for somebody who belongs to orgs, has trees of groups, or roles in groups: those would be left to an id that
/// nobody can sign in as.
async fn renumber(cx: &Cx<'_>, from: UserId, to: UserId) -> Result<Vec<Change>> {
    let theirs = OrgQuery { member: Some(from), ..OrgQuery::default() };
    let one = Page::new(0, 1, OrgOrder::Id, Direction::Ascending)?;
    if cx.store().orgs(&theirs, one).await?.total > 0 {
        let problem = "has the address of somebody here with another id, who belongs to orgs: remove them from those first";
        return Err(Error::malformed("admin", problem));
    }
    let (at, levels) = (GroupsFrom::SeenBy(from, None), 1);
    let theirs = GroupQuery { from: at, levels, metadata: Metadata::default() };
    let one = Part { offset: 0, limit: 1, after: None };
    if cx.store().group_tree(&theirs, &one).await?.total > 0 {
        let problem = "has the address of somebody here with another id, who has groups or roles in groups: remove those first";
        return Err(Error::malformed("admin", problem));
    }
    let mut changes = vec![Change::RenumberAccount { from, to }, forget_links(from)];
    if cx.store().standing(from, None).await?.platform.is_some() {
        changes.push(Change::RemovePlatformRole { user: from });
    }
    let page = Page::new(0, MAX_LIMIT, KeyOrder::Id, Direction::Ascending)?;
    let keys = cx.store().keys(from, page).await?;
    changes.extend(keys.items.iter().map(|key| Change::RemoveKey { id: key.id, issuer: from }));
    changes.push(ending(cx, from).await?);
    Ok(changes)
}

/// An account in a document. Whatever else there is of it is ignored.
#[derive(Default, Deserialize, Serialize)]
#[serde(default)]
struct Row {
    id: String,
    email: String,
    /// A hash.
    password: String,
    #[serde(skip_serializing_if = "Map::is_empty")]
    metadata: Map<String, Value>,
    status: String,
    /// Ours: the original knows nothing of it, and neither do its documents.
    #[serde(skip_serializing_if = "Option::is_none")]
    email_verified_at: Option<String>,
}

#[derive(Deserialize)]
struct Document {
    #[serde(default)]
    users: Vec<Row>,
    #[serde(default)]
    admin: Row,
}

impl Row {
    fn of(account: &Account, passwords: bool) -> Self {
        let shown = passwords && account.password.is_usable();
        Self {
            id: account.id.to_string(),
            email: account.email.as_str().to_owned(),
            password: if shown { account.password.expose().to_owned() } else { String::new() },
            metadata: account.metadata.object().clone(),
            status: account.status.as_str().to_owned(),
            email_verified_at: account.email_verified_at.map(|at| at.to_string()),
        }
    }

    /// What is stored of it.
    fn account(self, cx: &Cx<'_>) -> Result<Account, &'static str> {
        let email: Email = self.email.parse().map_err(|_| "has no e-mail address")?;
        let password = if self.password.is_empty() {
            PasswordHash::unusable()
        } else {
            PasswordHash::new(self.password)
        };
        if password.is_usable() && !cx.passwords().can_check(&password) {
            return Err("has a password hash that cannot be checked here");
        }
        let verified_at = self.email_verified_at.as_deref().map(str::parse::<Timestamp>);
        let verified_at = verified_at.transpose();
        Ok(Account {
            id: self.id.parse().map_err(|_| "has no id")?,
            email,
            password,
            email_verified_at: verified_at
                .map_err(|_| "has a time that is not like 2026-11-22T16:30:00Z")?,
            status: match &*self.status {
                "" => return Err("has no status"),
                status => status.parse().map_err(|_| "has a status that does not exist")?,
            },
            metadata: Metadata::new(self.metadata).map_err(|_| "has metadata that is too large")?,
            created_at: cx.now,
            updated_at: cx.now,
        })
    }
}

impl Document {
    fn read(text: &[u8]) -> Result<Self> {
        let refused = |problem| Error::malformed("body", problem);
        let value = json::parse(text).map_err(refused)?;
        serde_json::from_value(value).map_err(|_| refused("is no backup of accounts"))
    }

    fn accounts(self, cx: &Cx<'_>) -> Result<(Vec<Account>, Account)> {
        let rows = u64::try_from(self.users.len()).unwrap_or(u64::MAX);
        if self.users.is_empty() {
            return Err(Invalid::EmptyList.into());
        }
        if self.admin.id.is_empty() {
            return Err(Invalid::MissingUserId.into());
        }
        if rows > cx.rules().restore_rows {
            return Err(Invalid::TooManyRows.into());
        }
        let refused = |list, row| {
            move |problem: &'static str| Error::from(Invalid::Row { list, row, problem })
        };
        let admin = self.admin.account(cx).map_err(refused("admin", 0))?;
        let users = self.users.into_iter().zip(0..);
        let users = users.map(|(row, at)| row.account(cx).map_err(refused("users", at)));
        Ok((users.collect::<Result<_>>()?, admin))
    }
}
