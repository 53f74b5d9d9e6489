//! What an operation runs with, and the only ways to decide and to write.

use std::sync::Arc;

use tracing::Span;

use crate::app::turns::{Turn, Work};
use crate::app::{Access, Actor, Caller, Identity, Inner, Rules};
use crate::audit::{Context, Entry, Notary};
use crate::backup::{Restoring, Seals};
use crate::change::{Change, Commit, Guard};
use crate::error::{Error, Result, Unauthenticated};
use crate::fact::{Fact, Touched};
use crate::model::{GroupId, GroupStanding, KeyKind, OrgId, UserId};
use crate::ports::{
    Checks, Confirmation, Cursors, Directory, Passwords, RefreshTokens, Source, Store, Throttle,
    TicketSecrets, Tokens,
};
use crate::{Timestamp, ops, policy};

/// What an operation runs with: who asks, when, and the way to the ports.
pub struct Cx<'a> {
    /// Who is asking.
    pub actor: Actor,
    /// When: taken once, so that all an operation writes carries the same time.
    pub now: Timestamp,
    /// Whom a sign-in is about, for the audit trail: nobody is proved to be anybody yet.
    pub(crate) about: Option<UserId>,
    operation: &'static str,
    inner: &'a Inner,
    guards: Vec<Guard>,
    standings: Vec<GroupStanding>,
}

impl<'a> Cx<'a> {
    pub(super) fn new(inner: &'a Inner, now: Timestamp, operation: &'static str) -> Self {
        let (guards, standings) = (Vec::new(), Vec::new());
        Self { actor: Actor::Anonymous, now, about: None, operation, inner, guards, standings }
    }
}

impl Cx<'_> {
    /// Durable state, for reading. Writing goes through [`Cx::commit`].
    #[must_use]
    pub fn store(&self) -> &dyn Store {
        &*self.inner.ports.store
    }

    /// What requests are decided on. It may answer from memory, as if it had asked the store just now.
    #[must_use]
    pub fn checks(&self) -> &dyn Checks {
        &*self.inner.ports.checks
    }

    /// Who people are.
    #[must_use]
    pub fn directory(&self) -> &dyn Directory {
        &*self.inner.ports.directory
    }

    /// Signs and checks tokens.
    #[must_use]
    pub fn tokens(&self) -> &dyn Tokens {
        &*self.inner.ports.tokens
    }

    /// Makes the secrets of tickets.
    #[must_use]
    pub fn ticket_secrets(&self) -> &dyn TicketSecrets {
        &*self.inner.ports.tickets
    }

    /// Makes refresh tokens.
    #[must_use]
    pub fn refresh_tokens(&self) -> &dyn RefreshTokens {
        &*self.inner.ports.refresh
    }

    /// Hashes and checks passwords.
    #[must_use]
    pub fn passwords(&self) -> &dyn Passwords {
        &*self.inner.ports.passwords
    }

    /// Marks places in lists.
    #[must_use]
    pub fn cursors(&self) -> &dyn Cursors {
        &*self.inner.ports.cursors
    }

    /// The address the request came from, as far as that is known.
    #[must_use]
    pub fn address(&self) -> Option<std::net::IpAddr> {
        self.inner.ports.observer.origin().peer
    }

    /// Where the request came in.
    #[must_use]
    pub fn source(&self) -> Source {
        self.inner.ports.observer.source()
    }

    /// Slows down who asks too much.
    #[must_use]
    pub fn throttle(&self) -> &dyn Throttle {
        &*self.inner.ports.throttle
    }

    /// Proves that backups are ours.
    #[must_use]
    pub fn seals(&self) -> &dyn Seals {
        &*self.inner.ports.seals
    }

    /// Chains and seals the audit trail.
    #[must_use]
    pub fn notary(&self) -> &dyn Notary {
        &*self.inner.ports.notary
    }

    /// The attempts that are to be written, which are forgotten here.
    pub(crate) fn attempts(&self) -> Vec<Entry> {
        self.inner.attempts.take(self.now)
    }

    /// Counts attempts that could not be written.
    pub(crate) fn put_back_attempts(&self, entries: Vec<Entry>) {
        self.inner.attempts.put_back(entries);
    }

    /// Our turn to do long work. Fails with `Unavailable` while others have all there are.
    pub fn turn(&self, work: Work) -> Result<Turn> {
        self.inner.turns.take(work)
    }

    /// What the operator decided.
    #[must_use]
    pub fn rules(&self) -> &Rules {
        &self.inner.rules
    }

    /// A fresh id.
    #[must_use]
    pub fn new_id<T>(&self) -> crate::Id<T> {
        crate::Id::new(self.inner.ports.ids.next())
    }

    /// The user who is asking, and by which token.
    pub fn identity(&self) -> Result<&Identity> {
        match &self.actor {
            Actor::User(identity) => Ok(identity),
            _ => Err(Error::internal("the operation needs a user and did not ask for one")),
        }
    }

    /// Who is asking, proved.
    pub(super) async fn authenticate(&self, caller: Caller) -> Result<Actor> {
        match caller {
            Caller::Anonymous => Ok(Actor::Anonymous),
            Caller::Bearer(token) => ops::access::identify(self, &token).await.map(Actor::User),
            Caller::Service(name) => Ok(Actor::Service(name)),
            Caller::Operator => Ok(Actor::Operator),
            Caller::System => Ok(Actor::System),
        }
    }

    /// Checks that whoever is asking may, and sees to it that [`Cx::commit`] checks it again in the
    /// transaction that writes.
    pub async fn authorize(&mut self, access: Access) -> Result<()> {
        match access {
            Access::Anyone => Ok(()),
            Access::Service => match self.actor {
                Actor::Service(_) | Actor::Operator | Actor::System => Ok(()),
                Actor::Anonymous | Actor::User(_) => Err(Unauthenticated::UnknownService.into()),
            },
            Access::ServiceOr(_)
                if matches!(self.actor, Actor::Service(_) | Actor::Operator | Actor::System) =>
            {
                Ok(())
            }
            Access::SignedIn => self.signed_in().map(drop),
            Access::LoggedIn(otherwise) => match self.signed_in() {
                Ok(Identity { kind: KeyKind::Login, .. }) => Ok(()),
                Ok(_) | Err(Error::Unauthenticated(Unauthenticated::NotHonoured)) => {
                    Err(Unauthenticated::LoginRequired(otherwise).into())
                }
                Err(other) => Err(other),
            },
            Access::InOrg(org, action) => {
                let user = self.signed_in()?.user;
                let standing = self.checks().standing(user, Some(org)).await?;
                self.guards.push(Guard::InOrg { user, org, action });
                policy::in_org(&standing, action)
            }
            Access::InGroup(group, needed) => {
                let user = self.signed_in()?.user;
                self.guards.push(Guard::InGroup { user, group, needed });
                let standing = self.store().group_standings(user, &[group]).await?.pop();
                let verdict = policy::in_group(user, standing.as_ref(), needed);
                self.standings.extend(standing);
                verdict
            }
            Access::OnPlatform(needed) | Access::ServiceOr(needed) => {
                let identity = self.signed_in()?;
                if identity.kind != KeyKind::Login {
                    return Err(Error::Forbidden);
                }
                let user = identity.user;
                let standing = self.checks().standing(user, None).await?;
                self.guards.push(Guard::OnPlatform { user, needed });
                policy::on_platform(standing.platform, needed)
            }
        }
    }

    /// Where the user stands towards a group they were authorized for, as it was read then.
    pub fn standing_in(&self, group: GroupId) -> Result<&GroupStanding> {
        let found = self.standings.iter().rfind(|standing| standing.group == group);
        found.ok_or_else(|| Error::internal("the operation was not authorized for the group"))
    }

    /// Has [`Cx::commit`] check this as well.
    pub fn require(&mut self, guard: Guard) {
        self.guards.push(guard);
    }

    /// The user who is asking, unless all they have is a recovery token: that one is good for the
    /// password reset and nothing else.
    fn signed_in(&self) -> Result<&Identity> {
        match &self.actor {
            Actor::User(Identity { kind: KeyKind::Recovery, .. }) => {
                Err(Unauthenticated::NotHonoured.into())
            }
            Actor::User(identity) => Ok(identity),
            Actor::Anonymous | Actor::Service(_) | Actor::Operator | Actor::System => {
                Err(Unauthenticated::MissingToken.into())
            }
        }
    }

    /// Writes all of it or nothing, provided that what was authorized still holds, and then waits
    /// until it is true on every replica.
    pub async fn commit(&self, changes: Vec<Change>) -> Result<()> {
        self.commit_if(&[], changes).await
    }

    /// Begins a commit that is put together bit by bit, provided that what was authorized still holds.
    pub async fn restoring(&self) -> Result<Box<dyn Restoring>> {
        self.store().restoring(self.commit_of(&[], Vec::new())).await
    }

    /// Ends it: all of it becomes true, on every replica when this returns.
    pub async fn finish(&self, restoring: Box<dyn Restoring>) -> Result<()> {
        let revision = restoring.commit().await?;
        note(revision);
        self.inner.ports.observer.committed();
        if let Some(revision) = revision {
            self.confirm(revision).await;
        }
        Ok(())
    }

    /// The same as [`Cx::commit`], provided that these hold as well.
    pub async fn commit_if(&self, also: &[Guard], changes: Vec<Change>) -> Result<()> {
        let queues_mail = changes.iter().any(Change::queues_mail);
        let touches = |fact: &Fact| fact.touches() != Touched::Nothing;
        let remembered = changes.iter().any(|change| Fact::of(change).iter().any(touches));
        let revision = match self.store().commit(self.commit_of(also, changes)).await {
            Ok(revision) => revision,
            // It says how things stand: gone, or there already. Whoever brought that about may still be waiting.
            Err(refusal @ (Error::NotFound(_) | Error::AlreadyExists(_))) if remembered => {
                self.settle().await?;
                return Err(refusal);
            }
            Err(error) => return Err(error),
        };
        note(revision);
        self.inner.ports.observer.committed();
        if queues_mail {
            self.inner.ports.observer.mail_queued();
        }
        if let Some(revision) = revision.filter(|_| remembered) {
            self.confirm(revision).await;
        }
        Ok(())
    }

    fn commit_of(&self, also: &[Guard], changes: Vec<Change>) -> Commit {
        let mut guards = self.guards.clone();
        guards.extend_from_slice(also);
        if let Actor::User(identity) = &self.actor {
            let Identity { user, key, session, issued_at, signed_by, .. } = identity;
            guards.extend(signed_by.map(|key| Guard::SigningKeyLives { key }));
            guards.extend(session.map(|session| Guard::SessionExists { session, user: *user }));
            guards.push(match key {
                Some(key) => Guard::KeyExists { key: *key, issuer: *user },
                None => Guard::SessionLives { user: *user, issued_at: *issued_at },
            });
        }
        let audit = Context {
            operation: self.operation,
            origin: self.inner.ports.observer.origin(),
            org: self.org(),
            notary: Arc::clone(&self.inner.ports.notary),
        };
        Commit { actor: self.actor.to_string(), at: self.now, guards, changes, audit }
    }

    /// The org in which the operation was authorized.
    pub(super) fn org(&self) -> Option<OrgId> {
        let of_guard = |guard: &Guard| match guard {
            Guard::InOrg { org, .. }
            | Guard::MayInvite { org, .. }
            | Guard::IsMember { org, .. } => Some(*org),
            _ => None,
        };
        let in_group = self.standings.iter().find_map(|standing| standing.org);
        self.guards.iter().find_map(of_guard).or(in_group)
    }

    /// For a write that finds its work done: waits until that is true on every replica, because whoever did
    /// it may still be waiting.
    pub async fn settle(&self) -> Result<()> {
        let revision = self.store().revision().await?;
        self.confirm(revision).await;
        Ok(())
    }

    async fn confirm(&self, revision: i64) {
        let ports = &self.inner.ports;
        if ports.replicas.confirm(revision).await == Confirmation::Pending {
            ports.observer.unconfirmed();
        }
    }
}

/// Says in the line of the operation which record of the change log it wrote.
fn note(revision: Option<i64>) {
    if let Some(revision) = revision {
        Span::current().record("revision", revision);
    }
}
