//! How often calls of one class may come, by whom they are counted.

use std::str::FromStr;
use std::time::Duration;

use auth_domain::ports::Class;
use auth_domain::quota::Quota;

use crate::config::duration;

/// The longest time a limit looks back.
const LONGEST: Duration = Duration::from_hours(24 * 31);

/// By whom calls are counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum By {
    /// The address they come from.
    Address,
    /// The user.
    Account,
    /// The API key.
    Token,
    /// The org they are about.
    Org,
}

impl By {
    const ALL: [Self; 4] = [Self::Address, Self::Account, Self::Token, Self::Org];

    const fn as_str(self) -> &'static str {
        match self {
            Self::Address => "address",
            Self::Account => "account",
            Self::Token => "token",
            Self::Org => "org",
        }
    }
}

/// The limits of one class, written as `address=600/1m,account=60/1s`. What is not named is not limited; `off` limits
/// nothing.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Rates {
    address: Option<Quota>,
    account: Option<Quota>,
    token: Option<Quota>,
    org: Option<Quota>,
}

/// Why a text says no limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum BadRates {
    #[error("is neither off nor a list like account=600/1m,org=3000/1m")]
    Shape,
    #[error("names something twice")]
    Twice,
    #[error("can only name what there is to count by: {0}")]
    Unknown(&'static str),
    #[error("needs a whole number of at least 1 and, after the slash, a span of time up to 744h")]
    Number,
}

impl Rates {
    pub(crate) const fn by(&self, by: By) -> Option<Quota> {
        match by {
            By::Address => self.address,
            By::Account => self.account,
            By::Token => self.token,
            By::Org => self.org,
        }
    }

    /// Whether nothing is limited.
    pub(crate) fn is_off(&self) -> bool {
        *self == Self::default()
    }

    /// Refuses limits by anything else: there is nothing else known of such calls, so they would do nothing.
    pub(crate) fn only(self, known: &[By], names: &'static str) -> Result<Self, BadRates> {
        let odd = |by: &By| !known.contains(by) && self.by(*by).is_some();
        if By::ALL.iter().any(odd) { Err(BadRates::Unknown(names)) } else { Ok(self) }
    }
}

impl FromStr for Rates {
    type Err = BadRates;

    fn from_str(text: &str) -> Result<Self, BadRates> {
        let mut rates = Self::default();
        if text == "off" {
            return Ok(rates);
        }
        for part in text.split(',') {
            let (name, quota) = part.split_once('=').ok_or(BadRates::Shape)?;
            let by = By::ALL.into_iter().find(|by| by.as_str() == name.trim());
            let place = match by.ok_or(BadRates::Unknown("address, account, token and org"))? {
                By::Address => &mut rates.address,
                By::Account => &mut rates.account,
                By::Token => &mut rates.token,
                By::Org => &mut rates.org,
            };
            if place.replace(quota_of(quota.trim())?).is_some() {
                return Err(BadRates::Twice);
            }
        }
        Ok(rates)
    }
}

fn quota_of(text: &str) -> Result<Quota, BadRates> {
    let (attempts, within) = text.split_once('/').ok_or(BadRates::Shape)?;
    let attempts: u32 = attempts.parse().map_err(|_| BadRates::Number)?;
    let within = duration(within).map_err(|_| BadRates::Number)?;
    if attempts == 0 || within.is_zero() || within > LONGEST {
        return Err(BadRates::Number);
    }
    Ok(Quota::new(attempts, within))
}

/// What the metrics call a limit.
pub(super) const fn name(class: Class, by: By) -> &'static str {
    match (class, by) {
        (Class::SignIns, By::Address) => "sign_ins_by_address",
        (Class::SignIns, By::Account) => "sign_ins_by_account",
        (Class::SignIns, By::Token) => "sign_ins_by_token",
        (Class::SignIns, By::Org) => "sign_ins_by_org",
        (Class::Reads, By::Address) => "reads_by_address",
        (Class::Reads, By::Account) => "reads_by_account",
        (Class::Reads, By::Token) => "reads_by_token",
        (Class::Reads, By::Org) => "reads_by_org",
        (Class::Writes, By::Address) => "writes_by_address",
        (Class::Writes, By::Account) => "writes_by_account",
        (Class::Writes, By::Token) => "writes_by_token",
        (Class::Writes, By::Org) => "writes_by_org",
        (Class::Backups, By::Address) => "backups_by_address",
        (Class::Backups, By::Account) => "backups_by_account",
        (Class::Backups, By::Token) => "backups_by_token",
        (Class::Backups, By::Org) => "backups_by_org",
        (Class::Checks, By::Address) => "checks_by_address",
        (Class::Checks, By::Account) => "checks_by_account",
        (Class::Checks, By::Token) => "checks_by_token",
        (Class::Checks, By::Org) => "checks_by_org",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn limits_are_read_to_the_letter() {
        let rates: Rates = "address=600/1m, account=60/1s,org=5/24h".parse().unwrap();
        let quota = |attempts, within| Some(Quota::new(attempts, within));
        assert_eq!(rates.by(By::Address), quota(600, Duration::from_mins(1)));
        assert_eq!(rates.by(By::Account), quota(60, Duration::from_secs(1)));
        assert_eq!(rates.by(By::Org), quota(5, Duration::from_hours(24)));
        assert_eq!(rates.by(By::Token), None);
        assert!(!rates.is_off());
        assert!("off".parse::<Rates>().unwrap().is_off());
        for (odd, problem) in [
            ("", BadRates::Shape),
            ("on", BadRates::Shape),
            ("600/1m", BadRates::Shape),
            ("account=600", BadRates::Shape),
            ("account=600/1m,", BadRates::Shape),
            ("account=0/1m", BadRates::Number),
            ("account=-1/1m", BadRates::Number),
            ("account=600/0s", BadRates::Number),
            ("account=600/m", BadRates::Number),
            ("account=600/800h", BadRates::Number),
            ("account=5000000000/1m", BadRates::Number),
            ("account=1/1m,account=2/1m", BadRates::Twice),
            ("user=1/1m", BadRates::Unknown("address, account, token and org")),
        ] {
            assert_eq!(odd.parse::<Rates>(), Err(problem), "{odd:?}");
        }
    }

    #[test]
    fn a_limit_that_could_never_count_is_refused() {
        let rates: Rates = "address=1/1s,org=1/1s".parse().unwrap();
        assert_eq!(rates.only(&[By::Address, By::Org], "these"), Ok(rates));
        assert_eq!(rates.only(&[By::Address], "address"), Err(BadRates::Unknown("address")));
    }

    #[test]
    fn every_limit_has_a_name_of_its_own() {
        let classes = [Class::SignIns, Class::Reads, Class::Writes, Class::Backups, Class::Checks];
        let names: std::collections::BTreeSet<_> = classes
            .iter()
            .flat_map(|class| By::ALL.map(|by| (by, name(*class, by))))
            .map(|(by, name)| {
                assert!(name.ends_with(by.as_str()));
                name
            })
            .collect();
        assert_eq!(names.len(), 20);
    }
}
