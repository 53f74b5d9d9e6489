//! A directory that says odd things about people.

use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use auth_domain::model::{Email, Person, UserId};
use auth_domain::ports::Directory;
use auth_domain::{Error, Result};

use crate::world::user;

/// How a directory answers.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Manner {
    Well,
    Empty,
    Short,
    Reversed,
    Twice,
    WithStrangers,
    Away,
}

/// Another service's directory: everybody is `user<n>@example.com`.
pub struct Elsewhere {
    manner: Mutex<Manner>,
    calls: Mutex<Vec<usize>>,
    gone: Mutex<Vec<UserId>>,
}

impl Elsewhere {
    pub fn new() -> Arc<Self> {
        Arc::new(Self {
            manner: Mutex::new(Manner::Well),
            calls: Mutex::default(),
            gone: Mutex::default(),
        })
    }

    pub fn behave(&self, manner: Manner) {
        *self.manner.lock().unwrap() = manner;
    }

    /// How many people each call since the last question named.
    pub fn calls(&self) -> Vec<usize> {
        std::mem::take(&mut *self.calls.lock().unwrap())
    }

    /// It does not know this person any more.
    pub fn forget(&self, id: UserId) {
        self.gone.lock().unwrap().push(id);
    }

    /// It knows everybody again.
    pub fn remember(&self) {
        self.gone.lock().unwrap().clear();
    }

    fn answer(&self, mut people: Vec<Person>) -> Result<Vec<Person>> {
        self.calls.lock().unwrap().push(people.len());
        people.retain(|person| !self.gone.lock().unwrap().contains(&person.id));
        let manner = *self.manner.lock().unwrap();
        match manner {
            Manner::Well => {}
            Manner::Empty => people.clear(),
            Manner::Short => drop(people.pop()),
            Manner::Reversed => people.reverse(),
            Manner::Twice => people.extend(people.clone()),
            Manner::WithStrangers => people.insert(0, person(user(4711))),
            Manner::Away => return Err(Error::unavailable("10.0.0.7:8184")),
        }
        Ok(people)
    }
}

pub fn number(id: UserId) -> u128 {
    id.uuid().as_u128()
}

fn person(id: UserId) -> Person {
    Person { id, email: format!("user{}@example.com", number(id)) }
}

#[async_trait]
impl Directory for Elsewhere {
    async fn people(&self, ids: &[UserId]) -> Result<Vec<Person>> {
        self.answer(ids.iter().map(|id| person(*id)).collect())
    }

    async fn people_by_emails(&self, emails: &[Email]) -> Result<Vec<Person>> {
        let number = |email: &Email| email.key()[4..].split('@').next().unwrap().parse().unwrap();
        self.answer(emails.iter().map(|email| person(user(number(email)))).collect())
    }

    fn is_built_in(&self) -> bool {
        false
    }
}
