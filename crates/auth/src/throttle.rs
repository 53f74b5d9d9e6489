//! Slows down who guesses passwords or addresses, and who would flood somebody with invites.
//!
//! An attempt is counted before it is known how it ends, and taken back if it was nothing to be counted: so
//! many at once are no way around the limit. Strangers cannot lock anybody out: what counts against an
//! account counts only against the address that guesses. Each process counts for itself.

mod buckets;

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::IpAddr;
use std::time::Instant;

use auth_domain::model::UserId;
use auth_domain::ports::Attempt;
use auth_domain::{Error, Result, ports};

use self::buckets::Buckets;
pub(crate) use self::buckets::Quota;

/// How much of everything.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Quotas {
    /// Failed sign-ins from one address.
    pub(crate) address: Quota,
    /// Failed sign-ins from one address to one account.
    pub(crate) account: Quota,
    /// Tries of one user to invite somebody.
    pub(crate) inviter: Quota,
    /// Invites to one user.
    pub(crate) invitee: Quota,
    /// Requests for mails by which passwords are set, from one address.
    pub(crate) asking: Quota,
    /// Those mails to one account.
    pub(crate) reset: Quota,
}

/// What was attempted lately.
#[derive(Debug)]
pub(crate) struct Limiter {
    by_address: Buckets<Option<Network>>,
    /// Accounts are remembered as hashes, with a key of this process: nothing here names anybody.
    by_account: Buckets<(Option<Network>, u64)>,
    by_inviter: Buckets<UserId>,
    by_invitee: Buckets<UserId>,
    by_asking: Buckets<Option<Network>>,
    by_reset: Buckets<u64>,
    hasher: RandomState,
}

impl Limiter {
    /// Nobody has done anything yet.
    pub(crate) fn new(quotas: Quotas) -> Self {
        Self {
            by_address: Buckets::new(quotas.address),
            by_account: Buckets::new(quotas.account),
            by_inviter: Buckets::new(quotas.inviter),
            by_invitee: Buckets::new(quotas.invitee),
            by_asking: Buckets::new(quotas.asking),
            by_reset: Buckets::new(quotas.reset),
            hasher: RandomState::new(),
        }
    }

    fn enter_at(&self, now: Instant, attempt: Attempt<'_>) -> Result<()> {
        let (entered, what) = match attempt {
            Attempt::SignIn { from, account } => (self.sign_in_at(now, from, account), "sign_ins"),
            Attempt::Inviting(user) => (self.by_inviter.fill(user, now), "invites_sent"),
            Attempt::BeingInvited(user) => (self.by_invitee.fill(user, now), "invites_received"),
            Attempt::AskingForReset(from) => {
                (self.by_asking.fill(from.map(Network::of), now), "resets_asked")
            }
            Attempt::BeingSentReset(account) => {
                (self.by_reset.fill(self.hasher.hash_one(account), now), "resets_sent")
            }
        };
        entered.map_err(|wait| {
            auth_telemetry::refused("http", what);
            Error::RateLimited(wait)
        })
    }

    fn sign_in_at(
        &self,
        now: Instant,
        from: Option<IpAddr>,
        account: &str,
    ) -> Result<(), std::time::Duration> {
        let from = from.map(Network::of);
        let account = (from, self.hasher.hash_one(account));
        self.by_address.fill(from, now)?;
        self.by_account.fill(account, now).inspect_err(|_| self.by_address.take_back(&from))
    }
}

impl ports::Throttle for Limiter {
    fn enter(&self, attempt: Attempt<'_>) -> Result<()> {
        self.enter_at(Instant::now(), attempt)
    }

    fn take_back(&self, attempt: Attempt<'_>) {
        match attempt {
            Attempt::SignIn { from, account } => {
                let from = from.map(Network::of);
                self.by_address.take_back(&from);
                self.by_account.take_back(&(from, self.hasher.hash_one(account)));
            }
            Attempt::Inviting(user) => self.by_inviter.take_back(&user),
            Attempt::BeingInvited(user) => self.by_invitee.take_back(&user),
            Attempt::AskingForReset(from) => self.by_asking.take_back(&from.map(Network::of)),
            Attempt::BeingSentReset(account) => {
                self.by_reset.take_back(&self.hasher.hash_one(account));
            }
        }
    }
}

/// Nothing is ever refused.
#[derive(Debug)]
pub(crate) struct Unlimited;

impl ports::Throttle for Unlimited {
    fn enter(&self, _: Attempt<'_>) -> Result<()> {
        Ok(())
    }

    fn take_back(&self, _: Attempt<'_>) {}
}

/// Who counts as one: an IPv4 address, or the /64 network that one IPv6 subscriber has for
/// themselves.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Network {
    V4(u32),
    V6([u16; 4]),
}

impl Network {
    fn of(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V4(address) => Self::V4(address.to_bits()),
            IpAddr::V6(address) => {
                let [a, b, c, d, ..] = address.segments();
                Self::V6([a, b, c, d])
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use auth_domain::ports::Throttle;

    use super::buckets::MOST;
    use super::*;

    const MINUTE: Duration = Duration::from_mins(1);

    fn limiter() -> Limiter {
        Limiter::new(Quotas {
            address: Quota { attempts: 20, within: MINUTE },
            account: Quota { attempts: 10, within: Duration::from_mins(10) },
            inviter: Quota { attempts: 60, within: Duration::from_hours(1) },
            invitee: Quota { attempts: 5, within: Duration::from_hours(24) },
            asking: Quota { attempts: 20, within: MINUTE },
            reset: Quota { attempts: 3, within: Duration::from_mins(15) },
        })
    }

    fn sign_in(from: Option<IpAddr>, account: &str) -> Attempt<'_> {
        Attempt::SignIn { from, account }
    }

    fn address(text: &str) -> Option<IpAddr> {
        text.parse().ok()
    }

    /// How many failures it takes until no more are let through.
    fn failures_until_refused(
        throttle: &Limiter,
        now: Instant,
        from: Option<IpAddr>,
        account: impl Fn(u32) -> String,
    ) -> u32 {
        let tries =
            (0..1000).take_while(|n| throttle.enter_at(now, sign_in(from, &account(*n))).is_ok());
        u32::try_from(tries.count()).unwrap()
    }

    #[test]
    fn guessing_at_one_account_stops_after_ten_failures() {
        let (throttle, now) = (limiter(), Instant::now());
        let here = address("192.0.2.1");
        assert_eq!(failures_until_refused(&throttle, now, here, |_| "ada".into()), 10);
        let refused = throttle.enter_at(now, sign_in(here, "ada")).unwrap_err();
        assert!(matches!(refused, Error::RateLimited(wait) if wait == MINUTE), "{refused:?}");
        assert!(
            throttle.enter_at(now + MINUTE, sign_in(here, "ada")).is_ok(),
            "one more each minute"
        );
    }

    #[test]
    fn guessing_at_many_accounts_stops_after_twenty_failures() {
        let (throttle, now) = (limiter(), Instant::now());
        let here = address("192.0.2.1");
        assert_eq!(failures_until_refused(&throttle, now, here, |n| n.to_string()), 20);
        assert!(throttle.enter_at(now + MINUTE / 20, sign_in(here, "somebody")).is_ok());
    }

    #[test]
    fn s86_many_tries_at_once_are_no_way_around_it() {
        let (throttle, now) = (limiter(), Instant::now());
        let here = address("192.0.2.1");
        let entered = std::thread::scope(|scope| {
            let tries: Vec<_> = (0..64)
                .map(|_| scope.spawn(|| throttle.enter_at(now, sign_in(here, "ada")).is_ok()))
                .collect();
            tries.into_iter().map(|one| one.join().unwrap()).filter(|free| *free).count()
        });
        assert_eq!(entered, 10);
    }

    #[test]
    fn signing_in_rightly_uses_nothing_up() {
        let (throttle, now) = (limiter(), Instant::now());
        let here = address("192.0.2.1");
        for _ in 0..100 {
            throttle.enter_at(now, sign_in(here, "ada")).unwrap();
            throttle.take_back(sign_in(here, "ada"));
        }
        assert_eq!(failures_until_refused(&throttle, now, here, |_| "ada".into()), 10);
    }

    #[test]
    fn s87_nobody_is_locked_out_by_somebody_elses_guesses() {
        let (throttle, now) = (limiter(), Instant::now());
        failures_until_refused(&throttle, now, address("192.0.2.1"), |_| "ada".into());
        assert!(throttle.enter_at(now, sign_in(address("192.0.2.2"), "ada")).is_ok());
    }

    #[test]
    fn a_network_counts_as_one_and_an_unknown_address_counts() {
        let (throttle, now) = (limiter(), Instant::now());
        failures_until_refused(&throttle, now, address("2001:db8::1"), |_| "ada".into());
        assert!(throttle.enter_at(now, sign_in(address("2001:db8::2"), "ada")).is_err());
        assert!(throttle.enter_at(now, sign_in(address("2001:db8:0:1::1"), "ada")).is_ok());
        failures_until_refused(&throttle, now, address("::ffff:192.0.2.1"), |_| "ada".into());
        assert!(throttle.enter_at(now, sign_in(address("192.0.2.1"), "ada")).is_err());
        assert_eq!(failures_until_refused(&throttle, now, None, |_| "ada".into()), 10);
    }

    #[test]
    fn what_is_remembered_is_bounded_and_the_worst_is_remembered_longest() {
        let (throttle, now) = (limiter(), Instant::now());
        let guesser = address("192.0.2.1");
        failures_until_refused(&throttle, now, guesser, |_| "ada".into());
        for n in 0..120_000_u32 {
            throttle.enter_at(now, sign_in(Some(IpAddr::V4(n.into())), "ada")).unwrap();
        }
        assert!(throttle.by_address.lock().len() <= MOST);
        assert!(throttle.by_account.lock().len() <= MOST);
        assert!(throttle.enter_at(now, sign_in(guesser, "ada")).is_err());
    }

    #[test]
    fn off_is_off() {
        let throttle = Unlimited;
        for _ in 0..100 {
            assert!(throttle.enter(sign_in(address("192.0.2.1"), "ada")).is_ok());
        }
    }

    #[test]
    fn s55_d32_who_invites_may_try_sixty_times_an_hour_and_who_is_invited_is_so_five_times_a_day() {
        let (throttle, now) = (limiter(), Instant::now());
        let user = |number| UserId::new(uuid::Uuid::from_u128(number));
        for (attempt, other, most, each) in [
            (Attempt::Inviting(user(1)), Attempt::Inviting(user(2)), 60, MINUTE),
            (
                Attempt::BeingInvited(user(1)),
                Attempt::BeingInvited(user(2)),
                5,
                Duration::from_mins(24 * 60 / 5),
            ),
        ] {
            let tries = (0..1000).take_while(|_| throttle.enter_at(now, attempt).is_ok());
            assert_eq!(tries.count(), most, "{attempt:?}");
            let refused = throttle.enter_at(now, attempt);
            assert!(
                matches!(refused, Err(Error::RateLimited(wait)) if wait == each),
                "{refused:?}"
            );
            assert!(throttle.enter_at(now, other).is_ok());
            assert!(throttle.enter_at(now + each, attempt).is_ok());
            throttle.take_back(attempt);
            assert!(throttle.enter_at(now + each, attempt).is_ok());
        }
    }
}
