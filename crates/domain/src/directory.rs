//! Who people are: the built-in directory, and how far to believe any of them.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use async_trait::async_trait;

use crate::error::{Entity, Error, Result};
use crate::model::{Account, AccountOrder, AccountQuery, Direction, Email, Page, Person, UserId};
use crate::ports::{Directory, Store};

/// The directory of the built-in accounts.
pub struct BuiltIn(Arc<dyn Store>);

impl BuiltIn {
    /// The directory of the accounts in this store.
    #[must_use]
    pub fn new(store: Arc<dyn Store>) -> Self {
        Self(store)
    }
}

#[async_trait]
impl Directory for BuiltIn {
    async fn people(&self, ids: &[UserId]) -> Result<Vec<Person>> {
        let limit = u64::try_from(ids.len()).unwrap_or(u64::MAX);
        let (order, direction) = (AccountOrder::Id, Direction::Ascending);
        let page = Page { offset: 0, limit, order, direction };
        let query = AccountQuery { ids: ids.to_vec(), email: String::new(), page };
        Ok(self.0.accounts(&query).await?.items.iter().map(Person::from).collect())
    }

    async fn people_by_emails(&self, emails: &[Email]) -> Result<Vec<Person>> {
        Ok(self.0.accounts_by_emails(emails).await?.iter().map(Person::from).collect())
    }

    fn is_built_in(&self) -> bool {
        true
    }
}

impl From<&Account> for Person {
    fn from(account: &Account) -> Self {
        Self { id: account.id, email: account.email.as_str().to_owned() }
    }
}

/// The address of each of these people whom the directory knows. Whom nobody asked about is left out,
/// and of two answers about one person the first counts.
pub(crate) async fn addresses(
    directory: &dyn Directory,
    ids: &[UserId],
) -> Result<HashMap<UserId, String>> {
    let mut known = HashMap::new();
    let asked: HashSet<&UserId> = ids.iter().collect();
    if ids.is_empty() {
        return Ok(known);
    }
    for person in directory.people(ids).await? {
        if asked.contains(&person.id) && is_showable(&person.email) {
            known.entry(person.id).or_insert(person.email);
        }
    }
    Ok(known)
}

/// Whether the directory knows this person and lets them sign in.
pub(crate) async fn knows(directory: &dyn Directory, id: UserId) -> Result<bool> {
    Ok(directory.people(&[id]).await?.iter().any(|person| person.id == id))
}

/// Who has each of these addresses, in their order. `NotFound` if the directory does not say so of
/// every one, whatever else it says.
pub(crate) async fn owners(directory: &dyn Directory, emails: &[Email]) -> Result<Vec<UserId>> {
    let answer = directory.people_by_emails(emails).await?;
    let mut by_text = HashMap::new();
    let mut by_key: HashMap<String, Vec<UserId>> = HashMap::new();
    for Person { id, email } in &answer {
        by_text.entry(email.as_str()).or_insert(*id);
        if let Ok(email) = email.parse::<Email>() {
            let same = by_key.entry(email.key().to_owned()).or_default();
            if !same.contains(id) {
                same.push(*id);
            }
        }
    }
    let owner = |email: &Email| match by_key.get(email.key()).map(Vec::as_slice) {
        Some([only]) => Some(*only),
        // A directory that tells upper from lower case may know two people by one address of ours.
        Some(_) => by_text.get(email.as_str()).copied(),
        None => None,
    };
    emails.iter().map(owner).collect::<Option<_>>().ok_or(Error::NotFound(Entity::Account))
}

/// Whether an address can be shown as one.
fn is_showable(email: &str) -> bool {
    email.len() <= Email::MAX && !email.chars().any(char::is_control)
}
