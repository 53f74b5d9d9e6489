//! Bringing in the users of another service.

use std::collections::HashMap;

use crate::app::{Access, Cx, Operation, Work};
use crate::backup::{Restoring, Rows};
use crate::change::{Change, Imported};
use crate::error::{Entity, Error, Result};
use crate::model::{Account, Email, Metadata, PasswordHash, UserId};
use crate::ports::Class;
use crate::user_import::{ForeignUser, ForeignUsers, ImportReport, Obstacle, Refused};

/// The most bytes of metadata that are brought in: far more than may be attached here, because it is there already.
const MAX_METADATA: usize = 1024 * 1024;

/// Brings in the users of another service with their ids and password hashes: all of them or none.
///
/// Whoever is here already stays as they are, so that it can be done again at any time.
pub struct ImportUsers {
    /// Where they come from.
    pub source: Box<dyn ForeignUsers>,
    /// Whether those that cannot be brought in are left out; if not, nobody is brought in while there are any.
    pub leave_out: bool,
    /// Whether nothing is written in the end.
    pub dry_run: bool,
}

impl Operation for ImportUsers {
    type Output = ImportReport;
    const NAME: &'static str = "import_users";
    const CLASS: Class = Class::Backups;

    fn access(&self) -> Access {
        Access::Service
    }

    async fn run(mut self, cx: &mut Cx<'_>) -> Result<ImportReport> {
        let _turn = cx.turn(Work::Restore)?;
        // Nobody is brought in before it is known who stands in whose way.
        let shared = shared_addresses(&mut *self.source).await?;
        self.source.rewind().await?;
        let mut importing = Importing::begin(cx, &shared).await?;
        loop {
            let part = self.source.read().await?;
            if part.is_empty() {
                break;
            }
            importing.take(part).await?;
        }
        let (mut report, mut restoring) = (importing.report, importing.restoring);
        report.refused.extend(told(shared));
        report.left_behind = self.source.left_behind().await?;
        let whole = report.refused.is_empty() || self.leave_out;
        if !whole {
            report.created = 0;
        }
        if self.dry_run || !whole {
            return Ok(report);
        }
        report.written = true;
        // What changes nothing leaves no trace.
        if report.created > 0 {
            let refused = report.refused.iter().map(|refused| refused.users.len()).sum::<usize>();
            let left_out = u64::try_from(refused).unwrap_or(u64::MAX);
            let imported = Imported { created: report.created, left_out };
            restoring.apply(&Change::NoteImport(imported)).await?;
            cx.finish(restoring).await?;
        }
        tracing::info!(
            created = report.created,
            unchanged = report.unchanged,
            "users were brought in"
        );
        Ok(report)
    }
}

/// Who has an address that somebody else there has as well, by that address.
async fn shared_addresses(source: &mut dyn ForeignUsers) -> Result<HashMap<String, Vec<UserId>>> {
    let mut owners: HashMap<String, Vec<UserId>> = HashMap::new();
    loop {
        let part = source.read().await?;
        if part.is_empty() {
            break;
        }
        for user in part {
            if let Ok(email) = user.email.parse::<Email>() {
                owners.entry(email.key().to_owned()).or_default().push(user.id);
            }
        }
    }
    owners.retain(|_, users| users.len() > 1);
    Ok(owners)
}

fn told(shared: HashMap<String, Vec<UserId>>) -> Vec<Refused> {
    let mut told: Vec<Refused> =
        shared.into_values().map(|users| Refused { users, why: Obstacle::SameAddress }).collect();
    told.sort_unstable_by(|one, other| one.users.cmp(&other.users));
    told
}

struct Importing<'a, 'c> {
    cx: &'a Cx<'c>,
    restoring: Box<dyn Restoring>,
    shared: &'a HashMap<String, Vec<UserId>>,
    report: ImportReport,
}

impl<'a, 'c> Importing<'a, 'c> {
    async fn begin(cx: &'a Cx<'c>, shared: &'a HashMap<String, Vec<UserId>>) -> Result<Self> {
        let restoring = cx.restoring().await?;
        Ok(Self { cx, restoring, shared, report: ImportReport::default() })
    }

    fn refuse(&mut self, user: UserId, why: Obstacle) {
        self.report.refused.push(Refused { users: vec![user], why });
    }

    /// The next users: whoever can be, is brought in.
    async fn take(&mut self, part: Vec<ForeignUser>) -> Result<()> {
        let mut accounts = Vec::with_capacity(part.len());
        for user in part {
            self.report.read = self.report.read.saturating_add(1);
            match self.account(&user) {
                // With others, in the end.
                Ok(account) if self.shared.contains_key(account.email.key()) => {}
                Ok(account) => accounts.push(account),
                Err(why) => self.refuse(user.id, why),
            }
        }
        let here = self.restoring.present(&Rows::Accounts(accounts.clone())).await?;
        let here = if let Rows::Accounts(here) = here { here } else { Vec::new() };
        let here: HashMap<UserId, Account> = here.into_iter().map(|row| (row.id, row)).collect();
        let emails: Vec<Email> = accounts.iter().map(|account| account.email.clone()).collect();
        let taken: HashMap<String, UserId> =
            self.cx.store().account_ids_by_emails(&emails).await?.into_iter().collect();
        let mut absent = Vec::with_capacity(accounts.len());
        for account in accounts {
            match (here.get(&account.id), taken.get(account.email.key())) {
                (Some(there), _) if there.email.key() == account.email.key() => {
                    self.report.unchanged = self.report.unchanged.saturating_add(1);
                }
                (Some(_), _) => self.refuse(account.id, Obstacle::AddressDiffers),
                (None, Some(_)) => self.refuse(account.id, Obstacle::AddressTaken),
                (None, None) => absent.push(account),
            }
        }
        self.insert(absent).await
    }

    async fn insert(&mut self, accounts: Vec<Account>) -> Result<()> {
        if accounts.is_empty() {
            return Ok(());
        }
        let count = u64::try_from(accounts.len()).unwrap_or(u64::MAX);
        self.report.created = self.report.created.saturating_add(count);
        match self.restoring.apply(&Change::InsertRows(Rows::Accounts(accounts))).await {
            // Nobody had one of the addresses a moment ago.
            Err(Error::AlreadyExists(Entity::Account)) => Err(Error::unavailable(
                "somebody has just opened an account with one of the addresses: run it again",
            )),
            other => other,
        }
    }

    /// What is stored of somebody.
    fn account(&mut self, user: &ForeignUser) -> Result<Account, Obstacle> {
        let email: Email = user.email.parse().map_err(|_| Obstacle::Address)?;
        let status = user.status.parse().map_err(|_| Obstacle::Status)?;
        let object = match &user.metadata {
            Some(serde_json::Value::Object(object)) => object.clone(),
            _ => return Err(Obstacle::Metadata),
        };
        let metadata = Metadata::stored(object);
        if metadata.to_json().len() > MAX_METADATA {
            return Err(Obstacle::Metadata);
        }
        let at = self.cx.now;
        Ok(Account {
            id: user.id,
            email,
            password: self.password(user),
            // Whoever had it opened there may have typed any address.
            email_verified_at: None,
            status,
            metadata,
            created_at: at,
            updated_at: at,
        })
    }

    /// Their hash, if it can be checked here.
    fn password(&mut self, user: &ForeignUser) -> PasswordHash {
        let Some(text) = &user.password else {
            self.report.without_password = self.report.without_password.saturating_add(1);
            return PasswordHash::unusable();
        };
        // The original's column fills up with blanks.
        let hash = PasswordHash::new(text.trim_end().to_owned());
        match hash.bcrypt_cost() {
            Some(cost) if PasswordHash::BCRYPT_COSTS.contains(&cost) => hash,
            _ => {
                self.report.unusable_hashes.push(user.id);
                PasswordHash::unusable()
            }
        }
    }
}
