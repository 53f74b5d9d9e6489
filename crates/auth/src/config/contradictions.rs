//! Settings that are wrong together, or odd.

use super::{Config, StoreKind, Trusted};
use crate::passwords::{self, Policy};

impl Config {
    /// Settings that contradict each other, a line each.
    pub(super) fn contradictions(&self) -> Vec<String> {
        let both = |one: bool, other: bool, names: (&str, &str)| match (one, other) {
            (true, false) => Err(format!("{} is set and {} is not", names.0, names.1)),
            (false, true) => Err(format!("{} is set and {} is not", names.1, names.0)),
            _ => Ok(()),
        };
        let never =
            |wrong: bool, problem: &str| if wrong { Err(problem.to_owned()) } else { Ok(()) };
        let (server, db, grpc) = (&self.server, &self.db, &self.grpc);
        let callers = grpc.callers();
        let nobody_proves = callers.as_ref().is_ok_and(|callers| callers.tokens.is_empty());
        let found = [
            both(
                server.cert.is_some(),
                server.key.is_some(),
                ("MF_AUTH_SERVER_CERT", "MF_AUTH_SERVER_KEY"),
            ),
            both(
                server.users_cert.is_some(),
                server.users_key.is_some(),
                ("MF_USERS_SERVER_CERT", "MF_USERS_SERVER_KEY"),
            ),
            both(
                db.ssl_cert.is_some(),
                db.ssl_key.is_some(),
                ("MF_AUTH_DB_SSL_CERT", "MF_AUTH_DB_SSL_KEY"),
            ),
            never(
                grpc.client_ca.is_some() && server.cert.is_none(),
                "MF_AUTH_GRPC_CLIENT_CA needs TLS: set MF_AUTH_SERVER_CERT and MF_AUTH_SERVER_KEY",
            ),
            grpc.refuse_proof_nobody_asks_for(),
            callers.map(drop),
            never(
                grpc.allow.is_some() && nobody_proves && grpc.client_ca.is_none(),
                "MF_AUTH_GRPC_ALLOW names services, and none can prove its name: set \
                 MF_AUTH_GRPC_TOKENS or MF_AUTH_GRPC_CLIENT_CA",
            ),
            match (self.store.kind, &self.postgres_setting) {
                (Some(StoreKind::Embedded), Some(setting)) => {
                    Err(format!("MF_AUTH_STORE is embedded and {setting} is set"))
                }
                _ => Ok(()),
            },
            never(
                self.accounts.admin_password.is_some() && self.accounts.admin_email.is_none(),
                "MF_USERS_ADMIN_PASSWORD is set and MF_USERS_ADMIN_EMAIL is not",
            ),
            never(
                self.mail.email_host.is_some() && self.mail.email_from_address.is_none(),
                "MF_EMAIL_HOST is set and MF_EMAIL_FROM_ADDRESS is not",
            ),
            never(
                self.tokens.session_idle_duration < self.tokens.access_token_duration,
                "MF_AUTH_SESSION_IDLE_DURATION: must be at least MF_AUTH_ACCESS_TOKEN_DURATION",
            ),
            never(
                self.tokens.session_duration < self.tokens.session_idle_duration,
                "MF_AUTH_SESSION_DURATION: must be at least MF_AUTH_SESSION_IDLE_DURATION",
            ),
            never(
                self.memory.lease_renewal.saturating_mul(3) > self.memory.lease,
                "MF_AUTH_LEASE_RENEWAL: must be at most a third of MF_AUTH_LEASE",
            ),
            never(
                self.limits.http_max_head < 8 * 1024,
                "MF_AUTH_HTTP_MAX_HEAD: must be at least 8KiB",
            ),
            never(
                self.store_kind() == StoreKind::Postgres
                    && self.overload.concurrency.is_some_and(|most| most >= db.pool),
                "MF_AUTH_CONCURRENCY: must be less than MF_AUTH_DB_POOL, so that a check finds a \
                 connection",
            ),
            self.refuse_shared_ports(),
            self.proxies.refuse_hops_of_nobody(),
        ];
        found.into_iter().filter_map(Result::err).collect()
    }

    /// Whether the first account cannot be opened with the password that is given. That stops no start while the account
    /// is there, and no command.
    pub(crate) fn odd_admin_password(&self) -> Option<String> {
        let given = &self.accounts;
        let (email, password) = (given.admin_email.as_ref()?, given.admin_password.as_ref()?);
        // An address that is none is refused by itself.
        let owner = email.parse().ok()?;
        let allowed = Policy::new(given.pass_regex.clone()).allows(password, Some(&owner));
        (!allowed).then(|| {
            format!(
                "MF_USERS_ADMIN_PASSWORD: {}; the account of MF_USERS_ADMIN_EMAIL cannot be opened with it; nothing is \
                 wrong if it is there",
                passwords::REFUSED
            )
        })
    }

    fn refuse_shared_ports(&self) -> Result<(), String> {
        // Of a port that is not opened it does not matter.
        let (users_http, users_grpc) = self.users_ports();
        let ports = [
            ("MF_AUTH_HTTP_PORT", self.server.http_port),
            ("MF_AUTH_GRPC_PORT", self.server.grpc_port),
            ("MF_AUTH_OPS_PORT", self.server.ops_port),
            ("MF_USERS_HTTP_PORT", users_http.unwrap_or_default()),
            ("MF_USERS_GRPC_PORT", users_grpc.unwrap_or_default()),
        ];
        for (n, (name, port)) in ports.iter().enumerate() {
            let same = |(_, other): &&(&str, u16)| other == port && *port != 0;
            if let Some((first, _)) = ports.iter().take(n).find(same) {
                return Err(format!("{first} and {name} are both {port}"));
            }
        }
        Ok(())
    }

    pub(super) fn collect_warnings(&mut self, unknown: &[String]) {
        let unprovable =
            self.has_accounts() && self.accounts.self_register_enabled && !self.self_register();
        let unused = self.server.users_cert.is_some() && self.users_ports() == (None, None);
        // On a laptop nobody signs up with the address of somebody else.
        let unproved = self.store_kind() == StoreKind::Postgres
            && self.has_accounts()
            && self.accounts.self_register_enabled
            && !self.accounts.require_email_verification
            && self.mail.email_host.is_none();
        let mut warn = |line: String| self.warnings.push(line);
        for variable in unknown {
            warn(format!("{variable} is set and is no setting of this service"));
        }
        if self.grpc.trust == Some(Trusted::Network) {
            warn(
                "MF_AUTH_GRPC_TRUST=network: whoever reaches the gRPC port is trusted with \
                  everything"
                    .into(),
            );
        }
        if self.mail.email_base_template.is_some() {
            warn(
                "MF_EMAIL_BASE_TEMPLATE has no effect: templates of our own are in the directory \
                 MF_EMAIL_TEMPLATES_DIR"
                    .into(),
            );
        }
        if unused {
            warn(
                "MF_USERS_SERVER_CERT has no effect: neither MF_USERS_HTTP_PORT nor MF_USERS_GRPC_PORT is set"
                    .into(),
            );
        }
        let built_in = self.accounts.users_grpc_url.is_none();
        if !built_in {
            for (name, port) in [
                ("MF_USERS_HTTP_PORT", self.server.users_http_port),
                ("MF_USERS_GRPC_PORT", self.server.users_grpc_port),
            ] {
                if port.is_some() {
                    warn(format!(
                        "{name} has no effect: MF_USERS_GRPC_URL is set, so that service has it"
                    ));
                }
            }
        }
        if unproved {
            warn(
                "people may open accounts themselves, and without MF_EMAIL_HOST nobody proves their address: an \
                 invite to an address is for whoever signed up with it first"
                    .into(),
            );
        }
        if unprovable {
            warn(
                "MF_REQUIRE_EMAIL_VERIFICATION is true and MF_EMAIL_HOST is not set, so nobody may \
                  open an account themselves"
                    .into(),
            );
        }
    }
}
