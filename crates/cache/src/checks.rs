//! The port that checks are decided on, made of a memory and the store.

use std::sync::Arc;
use std::time::Instant;

use async_trait::async_trait;
use auth_domain::error::{Error, Result};
use auth_domain::model::{
    GroupId, GroupRole, Key, KeyId, OrgId, SessionId, SigningKeyId, Standing, UserId,
};
use auth_domain::ports::{Checks, Observer, Store};

use crate::memory::{Answer, Memory, Question};
use crate::shared::Shared;

/// Answers from memory while that is sure to be current, and asks the store otherwise.
pub struct RememberedChecks {
    store: Arc<dyn Store>,
    memory: Arc<Memory>,
    shared: Shared,
}

impl RememberedChecks {
    /// On this store, with this memory, whose lease counts from `started`.
    #[must_use]
    pub fn new(
        store: Arc<dyn Store>,
        memory: Arc<Memory>,
        observer: Arc<dyn Observer>,
        started: Instant,
    ) -> Self {
        let shared = Shared::new(Arc::clone(&memory), observer, started);
        Self { store, memory, shared }
    }

    async fn answer(&self, question: Question) -> Result<Answer> {
        self.shared.answer(question, || self.read(question)).await
    }

    /// What the store says now, which is always current.
    async fn read(&self, question: Question) -> Result<Answer> {
        Ok(match question {
            Question::Key(issuer, id) => {
                self.store.key(issuer, id).await?.map_or(Answer::Absent, |key| Answer::Key {
                    subject: key.subject.into(),
                    issued_at: key.issued_at,
                    expires_at: key.expires_at,
                })
            }
            Question::CutOff(user) => {
                self.store.cut_off(user).await?.map_or(Answer::Absent, Answer::CutOff)
            }
            Question::Session(user, session) => {
                let email = self.store.session_email(user, session).await?;
                email.map_or(Answer::Absent, |email| Answer::Session(email.into()))
            }
            Question::SigningKey(key) => Answer::Withdrawn(self.store.is_withdrawn(key).await?),
            Question::Standing(user, org) => {
                let org = (!org.is_nil()).then_some(org);
                Answer::Standing(self.store.standing(user, org).await?)
            }
            Question::Owner(org) => {
                self.store.org(org).await?.map_or(Answer::Absent, |org| Answer::Owner(org.owner))
            }
            Question::GroupRole(user, group) => {
                let standing = self.store.group_standings(user, &[group]).await?.pop();
                self.memory.group_role(user, standing.as_ref())
            }
        })
    }
}

fn odd(answer: &Answer) -> Error {
    Error::internal(format!("an answer to another question: {answer:?}"))
}

#[async_trait]
impl Checks for RememberedChecks {
    async fn key(&self, issuer: UserId, id: KeyId) -> Result<Option<Key>> {
        match self.answer(Question::Key(issuer, id)).await? {
            Answer::Absent => Ok(None),
            Answer::Key { subject, issued_at, expires_at } => {
                Ok(Some(Key { id, issuer, subject: (*subject).to_owned(), issued_at, expires_at }))
            }
            other => Err(odd(&other)),
        }
    }

    async fn cut_off(&self, user: UserId) -> Result<Option<i64>> {
        match self.answer(Question::CutOff(user)).await? {
            Answer::Absent => Ok(None),
            Answer::CutOff(second) => Ok(Some(second)),
            other => Err(odd(&other)),
        }
    }

    async fn session_email(&self, user: UserId, session: SessionId) -> Result<Option<String>> {
        match self.answer(Question::Session(user, session)).await? {
            Answer::Absent => Ok(None),
            Answer::Session(email) => Ok(Some((*email).to_owned())),
            other => Err(odd(&other)),
        }
    }

    async fn is_withdrawn(&self, key: SigningKeyId) -> Result<bool> {
        match self.answer(Question::SigningKey(key)).await? {
            Answer::Withdrawn(withdrawn) => Ok(withdrawn),
            other => Err(odd(&other)),
        }
    }

    async fn standing(&self, user: UserId, org: Option<OrgId>) -> Result<Standing> {
        let org = org.unwrap_or(OrgId::sought(""));
        match self.answer(Question::Standing(user, org)).await? {
            Answer::Standing(standing) => Ok(standing),
            other => Err(odd(&other)),
        }
    }

    async fn group_role(&self, user: UserId, group: GroupId) -> Result<Option<GroupRole>> {
        match self.answer(Question::GroupRole(user, group)).await? {
            Answer::GroupRole { role, .. } => Ok(role),
            other => Err(odd(&other)),
        }
    }

    async fn owner(&self, org: OrgId) -> Result<Option<UserId>> {
        match self.answer(Question::Owner(org)).await? {
            Answer::Absent => Ok(None),
            Answer::Owner(user) => Ok(Some(user)),
            other => Err(odd(&other)),
        }
    }
}
