//! Slows down who guesses passwords or addresses, who asks for too much, and who would flood somebody with invites.
//!
//! An attempt is counted before it is known how it ends, and taken back if it was nothing to be counted: so
//! many at once are no way around the limit. Strangers cannot lock anybody out: what counts against an
//! account counts only against the address that guesses, and whoever has proved who they are does not count with those
//! who share their address and have not.
//!
//! Each process counts for itself, in [`local`]. If there is Redis, it counts for all of them together and what
//! fits here has to fit there, too; whenever there is no answer, what fits here goes.

mod local;
mod rates;
#[cfg(test)]
mod tests;

use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use auth_domain::model::Purpose;
use auth_domain::ports::{Attempt, Call, Class, Source};
use auth_domain::quota::{Count, Quota};
use auth_domain::{Error, Result, ports};
use auth_jwt::HmacPseudonyms;
use auth_redis::{RedisCounts, Verdict};

use self::local::Local;
pub(crate) use self::rates::{By, Rates};

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quotas {
    /// Failed sign-ins from one address.
    pub(crate) address: Quota,
    /// Failed sign-ins from one address to one account.
    pub(crate) account: Quota,
    /// Tries of one user to invite somebody.
    pub(crate) inviter: Quota,
    /// Invites from one user to another.
    pub(crate) invitee: Quota,
    /// Mails about invites to one user.
    pub(crate) invite_mails: Quota,
    /// Requests for mails with links for one purpose, from one address.
    pub(crate) asking: Quota,
    /// Those mails to one address, asked for from one.
    pub(crate) link: Quota,
    /// Those mails to one address, from wherever they are asked for.
    pub(crate) links: Quota,
    /// Calls, by their class.
    pub(crate) sign_ins: Rates,
    pub(crate) reads: Rates,
    pub(crate) writes: Rates,
    pub(crate) backups: Rates,
    pub(crate) checks: Rates,
}

impl Quotas {
    fn of(&self, class: Class) -> Rates {
        match class {
            Class::SignIns => self.sign_ins,
            Class::Reads => self.reads,
            Class::Writes => self.writes,
            Class::Backups => self.backups,
            Class::Checks => self.checks,
        }
    }
}

/// Something to count.
struct Counted {
    count: Count,
    kind: Kind,
}

/// What sort of thing is counted. Two may have the same name, and as much may fit into both.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Kind {
    /// What it is called when there is too much of it.
    limit: &'static str,
    /// How many things name whom it is counted for.
    parts: usize,
}

/// What was attempted lately.
pub(crate) struct Limiter {
    quotas: Quotas,
    /// What is counted is remembered by names that tell nothing: neither here nor in Redis is anybody's address.
    pseudonyms: HmacPseudonyms,
    local: Local,
    shared: Option<Arc<RedisCounts>>,
}

impl Limiter {
    /// Nobody has done anything yet.
    pub(crate) fn new(
        quotas: &Quotas,
        pseudonyms: HmacPseudonyms,
        shared: Option<Arc<RedisCounts>>,
    ) -> Self {
        Self { quotas: *quotas, pseudonyms, local: Local::default(), shared }
    }

    /// What an attempt counts against.
    fn counted(&self, attempt: Attempt<'_>) -> Vec<Counted> {
        let quotas = &self.quotas;
        match attempt {
            Attempt::Call(call) => self.of_call(&call),
            Attempt::SignIn { source, account } => {
                let from = network(source);
                vec![
                    self.count("sign_ins", quotas.address, &[&from]),
                    self.count("sign_ins", quotas.account, &[&from, account.as_bytes()]),
                ]
            }
            Attempt::Inviting(user) => {
                vec![self.count("invites_sent", quotas.inviter, &[user.uuid().as_bytes()])]
            }
            Attempt::BeingInvited { by, invitee } => {
                let (by, invitee) = (by.uuid(), invitee.uuid());
                let both: [&[u8]; 2] = [by.as_bytes(), invitee.as_bytes()];
                vec![self.count("invites_received", quotas.invitee, &both)]
            }
            Attempt::InviteMail(user) => {
                vec![self.count("invite_mails", quotas.invite_mails, &[user.uuid().as_bytes()])]
            }
            Attempt::AskingForLink { source, purpose } => {
                let (asked, _) = of_links(purpose);
                vec![self.count(asked, quotas.asking, &[&network(source)])]
            }
            Attempt::BeingSentLink { source, purpose, address } => {
                let (from, (_, sent)) = (network(source), of_links(purpose));
                vec![
                    self.count(sent, quotas.link, &[&from, address.as_bytes()]),
                    self.count(sent, quotas.links, &[address.as_bytes()]),
                ]
            }
        }
    }

    fn of_call(&self, call: &Call) -> Vec<Counted> {
        let rates = self.quotas.of(call.class);
        let limit = |by| rates::name(call.class, by);
        let mut counted = Vec::new();
        let mut add = |by: By, subject: &[&[u8]]| {
            counted.extend(rates.by(by).map(|quota| self.count(limit(by), quota, subject)));
        };
        if let Source::Http(_) = call.source {
            let proved = [u8::from(call.user.is_some())];
            add(By::Address, &[&network(call.source), &proved]);
        }
        if let Some(user) = call.user {
            add(By::Account, &[user.uuid().as_bytes()]);
        }
        if let Some(key) = call.key {
            add(By::Token, &[key.uuid().as_bytes()]);
        }
        if let Some(org) = call.org {
            add(By::Org, &[org.uuid().as_bytes()]);
        }
        counted
    }

    fn count(&self, limit: &'static str, quota: Quota, subject: &[&[u8]]) -> Counted {
        let parts: Vec<&[u8]> =
            [limit.as_bytes()].into_iter().chain(subject.iter().copied()).collect();
        let kind = Kind { limit, parts: subject.len() };
        Counted { count: Count { bucket: self.pseudonyms.of(&parts), quota }, kind }
    }

    /// Counts here, and then everywhere.
    async fn fill(&self, counted: &[Counted]) -> Result<(), Full> {
        self.local.fill(counted)?;
        let Some(shared) = &self.shared else { return Ok(()) };
        match shared.enter(&counts(counted)).await {
            Some(Verdict::Counted) => Ok(()),
            Some(Verdict::Full { place, wait }) => {
                self.local.take_back(counted);
                Err(Full { place, wait })
            }
            None => {
                auth_telemetry::counted_alone();
                Ok(())
            }
        }
    }
}

/// Why an attempt was not counted.
#[derive(Debug, PartialEq, Eq)]
struct Full {
    /// Which bucket is full, by its place among those of the attempt.
    place: usize,
    /// How long it is until it is not.
    wait: Duration,
}

#[async_trait]
impl ports::Throttle for Limiter {
    fn counts(&self, class: Class) -> bool {
        !self.quotas.of(class).is_off()
    }

    async fn enter(&self, attempt: Attempt<'_>) -> Result<()> {
        let counted = self.counted(attempt);
        if counted.is_empty() {
            return Ok(());
        }
        self.fill(&counted).await.map_err(|Full { place, wait }| {
            let limit = counted.get(place).map_or("other", |counted| counted.kind.limit);
            auth_telemetry::refused(transport(attempt), limit);
            Error::RateLimited(wait)
        })
    }

    async fn take_back(&self, attempt: Attempt<'_>) {
        let counted = self.counted(attempt);
        self.local.take_back(&counted);
        if let Some(shared) = &self.shared {
            shared.take_back(&counts(&counted)).await;
        }
    }

    async fn not_before(&self, wait: Duration) -> Result<()> {
        auth_telemetry::refused("http", "ends_of_sessions");
        Err(Error::RateLimited(wait))
    }
}

/// What others need to know to count it, too.
fn counts(counted: &[Counted]) -> Vec<Count> {
    counted.iter().map(|counted| counted.count).collect()
}

/// What the limits of asking for links with this purpose, and of being sent them, are called.
const fn of_links(purpose: Purpose) -> (&'static str, &'static str) {
    match purpose {
        Purpose::PasswordReset => ("resets_asked", "resets_sent"),
        Purpose::Registration => ("registrations_asked", "registrations_sent"),
        Purpose::Verification => ("verifications_asked", "verifications_sent"),
        // Whoever invites is counted by `invites_sent`.
        Purpose::PlatformInvite => ("platform_invites_asked", "platform_invites_sent"),
    }
}

/// Where it was refused.
fn transport(attempt: Attempt<'_>) -> &'static str {
    match attempt {
        Attempt::Call(Call { source: Source::Fleet, .. }) => "grpc",
        _ => "http",
    }
}

/// Nothing is ever refused.
#[derive(Debug)]
pub(crate) struct Unlimited;

#[async_trait]
impl ports::Throttle for Unlimited {
    fn counts(&self, _: Class) -> bool {
        false
    }

    async fn enter(&self, _: Attempt<'_>) -> Result<()> {
        Ok(())
    }

    async fn take_back(&self, _: Attempt<'_>) {}

    async fn not_before(&self, wait: Duration) -> Result<()> {
        tokio::time::sleep(wait).await;
        Ok(())
    }
}

/// What addresses of IPv4 begin with behind a translator (RFC 6052 section 2.1).
const TRANSLATED: u128 = 0x0064_ff9b << 96;

/// Who counts as one: an IPv4 address, also behind a translator, or the /64 network that one IPv6 subscriber has for
/// themselves; and all of whom nothing is known.
fn network(source: Source) -> Vec<u8> {
    let Source::Http(Some(address)) = source else { return Vec::new() };
    match address.to_canonical() {
        IpAddr::V4(address) => address.octets().to_vec(),
        IpAddr::V6(address) => {
            let bits = address.to_bits();
            let translated = (bits >> 32) << 32 == TRANSLATED;
            let kept = if translated { bits } else { bits >> 64 };
            kept.to_be_bytes().to_vec()
        }
    }
}
