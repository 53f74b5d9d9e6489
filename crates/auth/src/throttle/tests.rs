//! What counts against whom.

use std::time::Instant;

use auth_domain::Id;
use auth_domain::model::{KeyId, OrgId, UserId};
use auth_domain::ports::Throttle;

use super::local::MOST;
use super::*;

const MINUTE: Duration = Duration::from_mins(1);
/// Microseconds in one.
const A_MINUTE: u64 = 60_000_000;
const SECRET: &str = "a secret that is longer than 32 bytes";

fn limiter() -> Limiter {
    let rates = |text: &str| text.parse().unwrap();
    let quotas = Quotas {
        address: Quota::new(20, MINUTE),
        account: Quota::new(10, Duration::from_mins(10)),
        inviter: Quota::new(60, Duration::from_hours(1)),
        invitee: Quota::new(5, Duration::from_hours(24)),
        invite_mails: Quota::new(20, Duration::from_hours(24)),
        asking: Quota::new(20, MINUTE),
        link: Quota::new(3, Duration::from_mins(15)),
        links: Quota::new(12, Duration::from_mins(15)),
        sign_ins: rates("address=8/1m"),
        reads: rates("account=7/1m"),
        writes: rates("address=9/1m,account=6/1m,token=3/1m,org=8/1m"),
        backups: rates("off"),
        checks: rates("off"),
    };
    Limiter::new(&quotas, HmacPseudonyms::new(&SECRET.into()).unwrap(), None)
}

impl Limiter {
    fn enter_at(&self, now: u64, attempt: Attempt<'_>) -> Result<(), Duration> {
        self.local.fill_at(now, &self.counted(attempt)).map_err(|full| full.wait)
    }

    /// How many come through at this moment, of a thousand.
    fn through<'a>(&self, now: u64, attempt: impl Fn(u32) -> Attempt<'a>) -> usize {
        (0..1000).filter(|n| self.enter_at(now, attempt(*n)).is_ok()).count()
    }
}

fn from(address: &str) -> Source {
    Source::Http(address.parse().ok())
}

fn sign_in(from: &str, account: &'static str) -> Attempt<'static> {
    Attempt::SignIn { source: self::from(from), account }
}

fn user(number: u128) -> UserId {
    Id::new(uuid::Uuid::from_u128(number))
}

fn write(source: Source, by: Option<u128>) -> Call {
    Call { class: Class::Writes, source, user: by.map(user), key: None, org: None }
}

const HERE: &str = "192.0.2.1";
const NOW: u64 = 1_000_000_000;

#[test]
fn guessing_at_one_account_stops_after_ten_failures() {
    let limiter = limiter();
    assert_eq!(limiter.through(NOW, |_| sign_in(HERE, "ada")), 10);
    assert_eq!(limiter.enter_at(NOW, sign_in(HERE, "ada")), Err(MINUTE));
    assert!(limiter.enter_at(NOW + A_MINUTE, sign_in(HERE, "ada")).is_ok(), "one more each minute");
    assert!(limiter.enter_at(NOW + A_MINUTE, sign_in(HERE, "ada")).is_err());
}

#[test]
fn guessing_at_many_accounts_stops_after_twenty_failures() {
    let limiter = limiter();
    let names: Vec<String> = (0..1000).map(|n| n.to_string()).collect();
    let guess = |n: u32| Attempt::SignIn {
        source: from(HERE),
        account: &names[usize::try_from(n).unwrap()],
    };
    assert_eq!(limiter.through(NOW, guess), 20);
    assert!(limiter.enter_at(NOW + A_MINUTE / 20, sign_in(HERE, "somebody")).is_ok());
}

#[test]
fn s86_many_tries_at_once_are_no_way_around_it() {
    let limiter = limiter();
    let entered = std::thread::scope(|scope| {
        let tries: Vec<_> = (0..64)
            .map(|_| scope.spawn(|| limiter.enter_at(NOW, sign_in(HERE, "ada")).is_ok()))
            .collect();
        tries.into_iter().map(|one| one.join().unwrap()).filter(|free| *free).count()
    });
    assert_eq!(entered, 10);
}

#[tokio::test]
async fn signing_in_rightly_uses_nothing_up() {
    let limiter = limiter();
    for _ in 0..100 {
        limiter.enter(sign_in(HERE, "ada")).await.unwrap();
        limiter.take_back(sign_in(HERE, "ada")).await;
    }
    for _ in 0..10 {
        limiter.enter(sign_in(HERE, "ada")).await.unwrap();
    }
    let refused = limiter.enter(sign_in(HERE, "ada")).await;
    assert!(matches!(refused, Err(Error::RateLimited(wait)) if wait <= MINUTE), "{refused:?}");
}

#[test]
fn s87_nobody_is_locked_out_by_somebody_elses_guesses() {
    let limiter = limiter();
    limiter.through(NOW, |_| sign_in(HERE, "ada"));
    assert!(limiter.enter_at(NOW, sign_in("192.0.2.2", "ada")).is_ok());
}

#[test]
fn s86_a_network_counts_as_one_and_an_unknown_address_counts() {
    let limiter = limiter();
    limiter.through(NOW, |_| sign_in("2001:db8::1", "ada"));
    assert!(limiter.enter_at(NOW, sign_in("2001:db8::2", "ada")).is_err());
    assert!(limiter.enter_at(NOW, sign_in("2001:db8:0:1::1", "ada")).is_ok());
    limiter.through(NOW, |_| sign_in("::ffff:192.0.2.1", "ada"));
    assert!(limiter.enter_at(NOW, sign_in(HERE, "ada")).is_err());
    assert_eq!(limiter.through(NOW, |_| sign_in("unknown", "ada")), 10);
    // Behind a translator everybody would be of one network.
    limiter.through(NOW, |_| sign_in("64:ff9b::198.51.100.1", "ada"));
    assert!(limiter.enter_at(NOW, sign_in("64:ff9b::198.51.100.1", "ada")).is_err());
    assert!(limiter.enter_at(NOW, sign_in("64:ff9b::198.51.100.2", "ada")).is_ok());
    assert!(limiter.enter_at(NOW, sign_in("64:ff9b:0:1::1", "ada")).is_ok());
}

#[test]
fn s86_a_flood_of_one_kind_makes_nobody_forget_another() {
    let mut limiter = limiter();
    limiter.quotas.asking = limiter.quotas.address;
    limiter.quotas.account = limiter.quotas.address;
    limiter.through(NOW, |_| sign_in(HERE, "ada"));
    for n in 0..60_000_u32 {
        let source = Source::Http(Some(IpAddr::V4(n.into())));
        for _ in 0..3 {
            let purpose = Purpose::PasswordReset;
            limiter.enter_at(NOW, Attempt::AskingForLink { source, purpose }).unwrap();
        }
    }
    assert_eq!(limiter.local.remembered().len(), 3, "the same fits into all of them");
    assert!(limiter.enter_at(NOW, sign_in(HERE, "ada")).is_err());
}

#[test]
fn what_is_remembered_is_bounded_and_the_worst_is_remembered_longest() {
    let limiter = limiter();
    limiter.through(NOW, |_| sign_in(HERE, "ada"));
    for n in 0..120_000_u32 {
        let source = Source::Http(Some(IpAddr::V4(n.into())));
        limiter.enter_at(NOW, Attempt::SignIn { source, account: "ada" }).unwrap();
    }
    let remembered = limiter.local.remembered();
    assert!(remembered.len() == 2 && remembered.iter().all(|many| *many <= MOST), "{remembered:?}");
    assert!(limiter.enter_at(NOW, sign_in(HERE, "ada")).is_err());
}

#[test]
fn s86_calls_count_by_address_account_token_and_org() {
    let limiter = limiter();
    let anybody = write(from(HERE), None);
    let ada = Call { user: Some(user(1)), ..anybody };
    assert_eq!(limiter.through(NOW, |_| Attempt::Call(anybody)), 9, "by address");
    assert_eq!(limiter.through(NOW, |_| Attempt::Call(ada)), 6, "by account");
    let elsewhere = Call { source: from("192.0.2.2"), ..ada };
    assert_eq!(limiter.through(NOW, |_| Attempt::Call(elsewhere)), 0, "wherever they are");
    let key = |number| Some(KeyId::new(uuid::Uuid::from_u128(number)));
    let by_key = |number| Call { user: Some(user(2)), key: key(number), ..anybody };
    assert_eq!(limiter.through(NOW, |_| Attempt::Call(by_key(1))), 3, "by token");
    let elsewhere = from("192.0.2.3");
    let other = Call { source: elsewhere, ..by_key(2) };
    assert_eq!(limiter.through(NOW, |_| Attempt::Call(other)), 3, "another one of theirs");
    let third = Call { key: key(3), ..other };
    assert_eq!(limiter.through(NOW, |_| Attempt::Call(third)), 0, "the account is used up");
    let org = Some(OrgId::new(uuid::Uuid::from_u128(7)));
    let member =
        |n: u32| Attempt::Call(Call { org, ..write(Source::Fleet, Some(100 + u128::from(n))) });
    assert_eq!(limiter.through(NOW, member), 8, "by org");
    // What was refused by one was counted by none.
    let free = write(Source::Fleet, Some(100 + 8));
    assert_eq!(limiter.through(NOW, |_| Attempt::Call(free)), 6);
}

#[test]
fn s87_whoever_proves_who_they_are_is_not_kept_out_by_those_who_do_not() {
    let limiter = limiter();
    let stranger = write(from(HERE), None);
    limiter.through(NOW, |_| Attempt::Call(stranger));
    assert!(limiter.enter_at(NOW, Attempt::Call(stranger)).is_err());
    assert!(limiter.enter_at(NOW, Attempt::Call(write(from(HERE), Some(1)))).is_ok());
}

#[test]
fn services_of_the_fleet_are_not_counted_by_their_address() {
    let limiter = limiter();
    assert_eq!(limiter.counted(Attempt::Call(write(Source::Fleet, None))).len(), 0);
    let users = |n: u32| Attempt::Call(write(Source::Fleet, Some(n.into())));
    assert_eq!(limiter.through(NOW, users), 1000);
}

#[test]
fn classes_do_not_share_and_what_is_off_is_not_counted() {
    let limiter = limiter();
    let call = |class| Attempt::Call(Call { class, ..write(from(HERE), Some(1)) });
    assert_eq!(limiter.through(NOW, |_| call(Class::Writes)), 6);
    assert_eq!(limiter.through(NOW, |_| call(Class::Reads)), 7);
    assert_eq!(limiter.through(NOW, |_| call(Class::Backups)), 1000);
    assert!(!limiter.counts(Class::Checks) && limiter.counts(Class::Reads));
}

#[tokio::test]
async fn off_is_off_and_waits_where_it_has_to() {
    let throttle = Unlimited;
    for _ in 0..100 {
        assert!(throttle.enter(sign_in(HERE, "ada")).await.is_ok());
    }
    let (begun, wait) = (Instant::now(), Duration::from_millis(50));
    throttle.not_before(wait).await.unwrap();
    assert!(begun.elapsed() >= wait);
    let refused = limiter().not_before(wait).await;
    assert!(matches!(refused, Err(Error::RateLimited(told)) if told == wait), "{refused:?}");
}

#[test]
fn s55_d32_who_invites_and_who_is_invited_are_spared() {
    let limiter = limiter();
    let invited = |by, invitee| Attempt::BeingInvited { by: user(by), invitee: user(invitee) };
    for (attempt, other, most, each) in [
        (Attempt::Inviting(user(1)), Attempt::Inviting(user(2)), 60, A_MINUTE),
        (invited(1, 3), invited(1, 4), 5, A_MINUTE * 24 * 60 / 5),
        (Attempt::InviteMail(user(1)), Attempt::InviteMail(user(2)), 20, A_MINUTE * 24 * 60 / 20),
    ] {
        assert_eq!(limiter.through(NOW, |_| attempt), most, "{attempt:?}");
        assert_eq!(limiter.enter_at(NOW, attempt), Err(Duration::from_micros(each)));
        assert!(limiter.enter_at(NOW, other).is_ok());
        assert!(limiter.enter_at(NOW + each, attempt).is_ok());
    }
    assert!(
        limiter.enter_at(NOW, invited(2, 3)).is_ok(),
        "S-87: what one does costs others nothing"
    );
}

#[test]
fn whatever_is_counted_names_nobody_and_differs_from_anything_else() {
    let limiter = limiter();
    let call = Call {
        key: Some(KeyId::new(uuid::Uuid::from_u128(1))),
        org: Some(OrgId::new(uuid::Uuid::from_u128(1))),
        ..write(from(HERE), Some(1))
    };
    let attempts = [
        Attempt::Call(call),
        sign_in(HERE, "ada"),
        Attempt::Inviting(user(1)),
        Attempt::BeingInvited { by: user(1), invitee: user(1) },
        Attempt::InviteMail(user(1)),
    ];
    let buckets: std::collections::BTreeSet<u128> =
        attempts.iter().flat_map(|it| limiter.counted(*it)).map(|it| it.count.bucket).collect();
    assert_eq!(buckets.len(), 9, "the same id everywhere, and no bucket is shared");
}
