//! How often is too often, and how it is found out who asks.

use super::values::{count, networks, switch};
use crate::throttle::{By, Rates};
use auth_telemetry::Network;

/// Who is believed about where requests come from.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Behind a proxy")]
pub(crate) struct Proxies {
    /// The networks of the proxies in front of HTTP, separated by commas, as `10.0.0.0/8,192.0.2.7`. What they say in
    /// `X-Forwarded-For` is believed, and is the address in limits and in the audit trail. Unset: nobody is believed,
    /// and everybody behind a proxy counts as one client.
    #[arg(long, env = "MF_AUTH_TRUSTED_PROXIES", value_parser = networks)]
    pub(crate) trusted_proxies: Option<Networks>,

    /// How many proxies a request passes, one behind the other. More entries of `X-Forwarded-For` are never believed.
    #[arg(long, env = "MF_AUTH_TRUSTED_PROXY_HOPS", default_value = "1", value_parser = count)]
    pub(crate) trusted_proxy_hops: u32,
}

/// Some networks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Networks(pub(crate) Vec<Network>);

impl Proxies {
    pub(super) fn refuse_hops_of_nobody(&self) -> Result<(), String> {
        if self.trusted_proxy_hops > 1 && self.trusted_proxies.is_none() {
            return Err(
                "MF_AUTH_TRUSTED_PROXY_HOPS is set and MF_AUTH_TRUSTED_PROXIES is not".to_owned()
            );
        }
        Ok(())
    }

    /// The same for who looks at requests.
    pub(crate) fn believed(&self) -> auth_telemetry::Proxies {
        let networks = self.trusted_proxies.clone().map_or_else(Vec::new, |networks| networks.0);
        auth_telemetry::Proxies::new(networks, self.trusted_proxy_hops)
    }
}

/// How often is too often.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Rate limits")]
pub(crate) struct RateLimits {
    /// `off` turns every rate limit off: for test suites and trusted networks. Ending sessions faster than clocks
    /// allow then waits instead of being refused.
    #[arg(
        id = "rate-limits", long = "rate-limits",
        env = "MF_AUTH_RATE_LIMITS",
        default_value = "on",
        value_parser = switch,
        action = clap::ArgAction::Set
    )]
    pub(crate) on: bool,

    /// How often passwords may be tried and accounts opened, by the address this comes from. This and the next four
    /// are lists like `address=600/1m,account=60/1s`: so many at once, and so many in that time. Whom a list does not
    /// name is not limited; `off` limits nobody.
    #[arg(
        long,
        env = "MF_AUTH_RATE_SIGN_INS",
        default_value = "address=300/1m",
        value_parser = sign_ins
    )]
    pub(crate) rate_sign_ins: Rates,

    /// How often something may be shown or listed: by the address it is asked from over HTTP, the account, the
    /// API key, the org. Whoever has proved who they are does not share the address's count with those who have not.
    #[arg(
        long,
        env = "MF_AUTH_RATE_READS",
        default_value = "address=12000/1m,account=3000/1m,token=3000/1m,org=12000/1m",
        value_parser = str::parse::<Rates>
    )]
    pub(crate) rate_reads: Rates,

    /// How often something may be changed, likewise.
    #[arg(
        long,
        env = "MF_AUTH_RATE_WRITES",
        default_value = "address=6000/1m,account=1200/1m,token=1200/1m,org=6000/1m",
        value_parser = str::parse::<Rates>
    )]
    pub(crate) rate_writes: Rates,

    /// How often everything of something may be fetched or restored, likewise.
    #[arg(
        long,
        env = "MF_AUTH_RATE_BACKUPS",
        default_value = "address=120/1h,account=60/1h,token=60/1h,org=60/1h",
        value_parser = str::parse::<Rates>
    )]
    pub(crate) rate_backups: Rates,

    /// How often services may ask about the tokens of one account, or about one API key, over gRPC: `Identify`,
    /// `Authorize` and their like.
    #[arg(long, env = "MF_AUTH_RATE_CHECKS", default_value = "off", value_parser = checks)]
    pub(crate) rate_checks: Rates,

    /// The most failed sign-ins a minute from one address.
    #[arg(
        long,
        env = "MF_AUTH_LOGIN_FAILURES_PER_ADDRESS",
        default_value = "20",
        value_parser = count
    )]
    pub(crate) login_failures_per_address: u32,

    /// The most failed sign-ins in ten minutes from one address to one account.
    #[arg(
        long,
        env = "MF_AUTH_LOGIN_FAILURES_PER_ACCOUNT",
        default_value = "10",
        value_parser = count
    )]
    pub(crate) login_failures_per_account: u32,

    /// The most invites one user may try to make in an hour. Each try tells whether an address is known.
    #[arg(long, env = "MF_AUTH_INVITES_PER_INVITER", default_value = "60", value_parser = count)]
    pub(crate) invites_per_inviter: u32,

    /// The most invites one user gets from another one in a day.
    #[arg(long, env = "MF_AUTH_INVITES_PER_INVITEE", default_value = "5", value_parser = count)]
    pub(crate) invites_per_invitee: u32,

    /// The most mails about invites one user gets in a day. Further invites are made and not mailed.
    #[arg(
        long,
        env = "MF_AUTH_INVITE_MAILS_PER_INVITEE",
        default_value = "20",
        value_parser = count
    )]
    pub(crate) invite_mails_per_invitee: u32,
}

/// Nobody has proved who they are.
fn sign_ins(text: &str) -> Result<Rates, String> {
    let rates = text.parse().and_then(|rates: Rates| rates.only(&[By::Address], "address"));
    rates.map_err(|problem| problem.to_string())
}

/// The address is that of a service, and the org is what is asked about.
fn checks(text: &str) -> Result<Rates, String> {
    let known = [By::Account, By::Token];
    let rates = text.parse().and_then(|rates: Rates| rates.only(&known, "account and token"));
    rates.map_err(|problem| problem.to_string())
}
