//! Puts the service together. The only file that knows every adapter.

mod first_admin;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use auth_cache::{Limits as MemoryLimits, Memory, RememberedChecks};
use auth_domain::app::Ports;
use auth_domain::checks::Direct;
use auth_domain::directory::BuiltIn;
use auth_domain::ops::NAMES;
use auth_domain::ports::{Checks, Confirm, Directory, Observer, Store, Throttle};
use auth_domain::quota::Quota;
use auth_domain::{App, Rules};
use auth_grpc::callers::Method;
use auth_grpc::directory::{RemoteDirectory, RemoteOptions};
use auth_grpc::{AllowList, Callers, ServiceTokens};
use auth_http::Contract;
use auth_jwt::{HmacPseudonyms, RandomRefreshTokens};
use auth_redis::{RedisCounts, RedisStream, RedisWakeups, STREAM, StreamConfig};
use auth_smtp::{BadConfig, SmtpConfig, SmtpMailer};
use auth_sqlite::SqliteStore;
use auth_telemetry::Metrics;
use axum::Router;
use secrecy::SecretString;
use tokio::sync::Notify;

pub(crate) use self::first_admin::FIRST_ADMIN;
use crate::admission::Gate;
use crate::clock::{RandomIds, SystemClock};
use crate::config::{Accounts, Config, Events, Mail, RateLimits, StoreKind, Trusted};
use crate::mail::Postman;
use crate::mail::templates::Writer;
use crate::ops::{self, Readiness};
use crate::passwords::{ArgonPool, Policy};
use crate::relay::{Relay, Waking};
use crate::replica::{Pace, Replica, Running, Wake};
use crate::secrets;
use crate::signing_keys::KeyDirectory;
use crate::signing_keys::follow::Follower;
use crate::throttle::{Limiter, Quotas, Unlimited};

/// Which build this is; the build sets what the original's does.
pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
const COMMIT: Option<&str> = option_env!("MF_AUTH_BUILD_COMMIT");
const BUILT: Option<&str> = option_env!("MF_AUTH_BUILD_TIME");

/// The service, put together.
pub(crate) struct Service {
    pub(crate) app: App,
    pub(crate) metrics: Metrics,
    /// How much is under way.
    pub(crate) gate: Arc<Gate>,
    pub(crate) store: StoreKind,
    /// Publishes events, if they go anywhere.
    pub(crate) relay: Option<Relay>,
    /// Sends mail, if it goes anywhere.
    pub(crate) postman: Option<Postman>,
    /// Keeps what is remembered up to date.
    pub(crate) replica: Running,
    /// Keeps the signing keys up to date, if there is a directory of them.
    pub(crate) signing_keys: Option<Follower>,
    /// The account that was opened just now with a password made for it.
    pub(crate) opened: Option<(String, SecretString)>,
}

/// Opens the store; waits for a database that is on its way up.
pub(crate) async fn store(config: &Config) -> Result<Arc<dyn Store>, String> {
    match config.store_kind() {
        StoreKind::Embedded => {
            let opened = SqliteStore::open(&config.store.data_dir).await;
            Ok(Arc::new(opened.map_err(|problem| problem.to_string())?))
        }
        StoreKind::Postgres => Ok(Arc::new(crate::database::open(&config.db).await?)),
    }
}

/// Puts the service together on the store. The last thing it does is to open the first account: once
/// that is done it does not fail.
pub(crate) async fn service(
    config: &Config,
    store: Arc<dyn Store>,
    mailer: Option<Arc<SmtpMailer>>,
) -> Result<Service, String> {
    let metrics = Metrics::install(NAMES);
    let Redis { stream, wakeups, counts } = redis(&config.events)?;
    let kind = config.store_kind();
    let data = (kind == StoreKind::Embedded).then_some(config.store.data_dir.as_path());
    let (keys, pseudonyms) = secrets::keys(&config.tokens, data)?;
    let directory = config.tokens.signing_keys.as_deref().map(KeyDirectory::at);
    let signing_keys =
        directory.map(|directory| Follower::start(directory, keys.tokens.ring())).transpose()?;
    let weak = u32::try_from(keys.tokens.weak_keys()).unwrap_or(u32::MAX);
    if weak > 0 {
        tracing::warn!(keys = weak, "MF_AUTH_VERIFY_SECRETS has weak secrets: remove them soon");
    }
    metrics.set_weak_verify_keys(weak);
    metrics.set_grpc_open(config.grpc.trust == Some(Trusted::Network));
    auth_telemetry::build_info(VERSION, COMMIT.unwrap_or("ffffffff"));
    let committed = Arc::new(Notify::new());
    let mail_queued = Arc::new(Notify::new());
    let observer: Arc<dyn Observer> = Arc::new(Waking {
        observer: metrics.observer(),
        committed: Arc::clone(&committed),
        mail_queued: Arc::clone(&mail_queued),
    });
    let bytes = u64::try_from(config.memory.bytes).unwrap_or(u64::MAX);
    let (memory, started) = (Arc::new(Memory::new(MemoryLimits::bytes(bytes))), Instant::now());
    let (pace, known) = (pace(config), Arc::clone(&memory));
    let replica = Arc::new(Replica::new(Arc::clone(&store), known, pace, started, wakeups));
    let checks = RememberedChecks::new(Arc::clone(&store), memory, Arc::clone(&observer), started);
    let memory: (Arc<dyn Checks>, Arc<dyn Confirm>) = (Arc::new(checks), replica.clone());
    let counts = counts.filter(|_| config.rates.on);
    let throttle = throttle(&config.rates, pseudonyms, counts.clone());
    let gate = Arc::new(Gate::new(config));
    let (ports, rules) = parts(config, store, keys, memory, throttle, observer, mailer.is_some())?;
    let app = App::admitting(Arc::<Gate>::clone(&gate), ports, rules);
    let opened = if config.has_accounts() { first_admin::open(config, &app).await? } else { None };
    // Only now: a start is busy enough with its first connections.
    let replica = replica.start();
    if let Some(counts) = counts {
        tokio::spawn(async move { counts.stay_connected(auth_telemetry::counting_together).await });
    }
    let relay =
        stream.map(|stream| Relay::new(app.clone(), STREAM, stream, Arc::clone(&committed)));
    let postman = mailer.map(|mailer| {
        Postman::new(app.clone(), mailer, writer(&config.mail), Arc::clone(&mail_queued))
    });
    Ok(Service { app, metrics, gate, store: kind, relay, postman, replica, signing_keys, opened })
}

/// The service for a command of the operator's: it serves nobody and opens no account. It remembers nothing
/// and is no replica; what it writes is known to the replicas when it says that it is done.
pub(crate) fn operator(
    config: &Config,
    store: Arc<dyn Store>,
    watching: Arc<Unwatched>,
) -> Result<App, String> {
    let embedded = config.store_kind() == StoreKind::Embedded;
    let data = embedded.then_some(config.store.data_dir.as_path());
    let (keys, _) = secrets::keys(&config.tokens, data)?;
    let memory = Arc::new(Memory::new(MemoryLimits::bytes(0)));
    let (pace, now) = (pace(config), Instant::now());
    let replica = Replica::new(Arc::clone(&store), memory, pace, now, None);
    let direct = Direct::new(Arc::clone(&store));
    let memory = (Arc::new(direct) as Arc<dyn Checks>, Arc::new(replica) as Arc<dyn Confirm>);
    let throttle = Arc::new(Unlimited);
    let (ports, rules) = parts(config, store, keys, memory, throttle, watching, false)?;
    Ok(App::new(ports, rules))
}

fn pace(config: &Config) -> Pace {
    Pace {
        lease: config.memory.lease,
        renewal: config.memory.lease_renewal,
        grace: config.memory.outage_grace,
    }
}

/// Watches nothing but whether every replica knows: what a command does, its own output says.
#[derive(Debug, Default)]
pub(crate) struct Unwatched(AtomicBool);

impl Unwatched {
    /// Whether something was done of which some replica may not know yet.
    pub(crate) fn is_unconfirmed(&self) -> bool {
        self.0.load(Ordering::Relaxed)
    }
}

impl Observer for Unwatched {
    fn observe(&self, _: &'static str, _: &'static str, _: Duration) {}

    fn unconfirmed(&self) {
        self.0.store(true, Ordering::Relaxed);
        tracing::warn!("it is done, and some replica may not know of it yet");
    }
}

/// What an app is made of.
fn parts(
    config: &Config,
    store: Arc<dyn Store>,
    keys: secrets::Keys,
    (checks, replicas): (Arc<dyn Checks>, Arc<dyn Confirm>),
    throttle: Arc<dyn Throttle>,
    observer: Arc<dyn Observer>,
    mail: bool,
) -> Result<(Ports, Rules), String> {
    let passwords = ArgonPool::new(Policy::new(config.accounts.pass_regex.clone()));
    let ports = Ports {
        checks,
        replicas,
        directory: directory(&config.accounts, &store)?,
        store,
        clock: Arc::new(SystemClock),
        ids: Arc::new(RandomIds),
        cursors: Arc::new(keys.tokens.cursors()),
        tickets: Arc::new(keys.tokens.tickets()),
        refresh: Arc::new(RandomRefreshTokens),
        tokens: Arc::new(keys.tokens),
        passwords: Arc::new(passwords.map_err(|problem| problem.to_string())?),
        throttle,
        seals: Arc::new(keys.seals),
        notary: Arc::new(keys.notary),
        observer,
    };
    let rules = Rules {
        login_life: config.tokens.login_token_duration,
        recovery_life: config.tokens.recovery_token_duration,
        access_life: config.tokens.access_token_duration,
        session_idle: config.tokens.session_idle_duration,
        session_life: config.tokens.session_duration,
        max_key_life: config.tokens.max_key_life,
        self_register: config.self_register(),
        verify_email: config.accounts.require_email_verification,
        direct_add: config.accounts.direct_add,
        restore_rows: config.limits.max_restore_rows.into(),
        invite_life: config.invites.invite_duration,
        redirect_prefixes: config.invites.redirect_paths.0.clone(),
        mail,
    };
    Ok((ports, rules))
}

/// Where mail goes, if anywhere: asked before anything is opened or written.
pub(crate) fn mailer(mail: &Mail) -> Result<Option<Arc<SmtpMailer>>, String> {
    let (Some(host), Some(from)) = (&mail.email_host, &mail.email_from_address) else {
        tracing::info!("mail is off: MF_EMAIL_HOST is not set");
        return Ok(None);
    };
    let mailer = SmtpMailer::new(&SmtpConfig {
        host: host.clone(),
        port: mail.email_port,
        tls: mail.email_tls,
        authorities: mail.email_ca_certs.clone(),
        user: mail.email_username.clone(),
        password: mail.email_password.clone(),
        from_address: from.clone(),
        from_name: mail.email_from_name.clone(),
    });
    let setting = |problem: &BadConfig| match problem {
        BadConfig::PasswordInClear => "MF_AUTH_EMAIL_TLS",
        BadConfig::Authorities { .. } => "MF_AUTH_EMAIL_CA_CERTS",
        BadConfig::Host(_) => "MF_EMAIL_HOST",
        BadConfig::From(_) => "MF_EMAIL_FROM_ADDRESS",
    };
    mailer.map(Arc::new).map(Some).map_err(|problem| format!("{}: {problem}", setting(&problem)))
}

/// Who writes mails. What is wrong with the operator's templates is a warning.
fn writer(mail: &Mail) -> Writer {
    let (writer, warnings) = writing(mail);
    for warning in warnings {
        tracing::warn!("{warning}");
    }
    writer
}

/// What is wrong with the operator's templates, a line each.
pub(crate) fn bad_templates(mail: &Mail) -> Vec<String> {
    writing(mail).1
}

fn writing(mail: &Mail) -> (Writer, Vec<String>) {
    let service = mail.email_from_name.as_deref().unwrap_or(mail.host.host());
    let directory = mail.email_templates_dir.as_deref();
    let (writer, problems) = Writer::new(mail.host.clone(), service, directory);
    let warning =
        |problem| format!("MF_EMAIL_TEMPLATES_DIR: {problem}; what is compiled in is used instead");
    (writer, problems.into_iter().map(warning).collect())
}

/// What Redis is used for, if there is one.
#[derive(Default)]
pub(crate) struct Redis {
    /// Where events go.
    stream: Option<Arc<RedisStream>>,
    /// What else wakes other replicas.
    wakeups: Option<Arc<dyn Wake>>,
    /// What replicas count together.
    counts: Option<Arc<RedisCounts>>,
}

/// Nothing is connected to yet.
pub(crate) fn redis(events: &Events) -> Result<Redis, String> {
    let Some(address) = events.es_url.clone() else { return Ok(Redis::default()) };
    let config = StreamConfig {
        address,
        password: events.es_pass.clone(),
        database: events.es_db,
        max_len: events.es_stream_maxlen,
    };
    let refused = |problem| format!("MF_AUTH_ES_URL: {problem}");
    Ok(Redis {
        stream: Some(Arc::new(RedisStream::new(&config).map_err(refused)?)),
        wakeups: Some(Arc::new(RedisWakeups::new(&config).map_err(refused)?)),
        counts: Some(Arc::new(RedisCounts::new(&config).map_err(refused)?)),
    })
}

/// Who people are: the users service, if there is one, or the accounts in the store.
fn directory(accounts: &Accounts, store: &Arc<dyn Store>) -> Result<Arc<dyn Directory>, String> {
    Ok(match remote_directory(accounts)? {
        Some(remote) => Arc::new(remote),
        None => Arc::new(BuiltIn::new(Arc::clone(store))),
    })
}

/// The users service, if there is one. Nothing is connected to yet.
pub(crate) fn remote_directory(accounts: &Accounts) -> Result<Option<RemoteDirectory>, String> {
    let Some(address) = &accounts.users_grpc_url else { return Ok(None) };
    let remote = RemoteDirectory::new(&RemoteOptions {
        address,
        deadline: accounts.grpc_timeout,
        tls: accounts.users_client_tls,
        authorities: accounts.users_ca_certs.as_deref(),
        traceparent: auth_telemetry::traceparent,
        not_asked: auth_telemetry::users_not_asked,
    });
    remote.map(Some).map_err(|problem| format!("MF_USERS_GRPC_URL: {problem}"))
}

/// What slows down who asks too much; alone, or together with other replicas.
fn throttle(
    rates: &RateLimits,
    pseudonyms: HmacPseudonyms,
    shared: Option<Arc<RedisCounts>>,
) -> Arc<dyn Throttle> {
    if !rates.on {
        return Arc::new(Unlimited);
    }
    let quota = |attempts, minutes| Quota::new(attempts, Duration::from_mins(minutes));
    let quotas = Quotas {
        address: quota(rates.login_failures_per_address, 1),
        account: quota(rates.login_failures_per_account, 10),
        inviter: quota(rates.invites_per_inviter, 60),
        invitee: quota(rates.invites_per_invitee, 24 * 60),
        invite_mails: quota(rates.invite_mails_per_invitee, 24 * 60),
        // Fewer than the links of so many minutes: see `ops::passwords`.
        asking: quota(20, 1),
        link: quota(3, 15),
        links: quota(12, 15),
        sign_ins: rates.rate_sign_ins,
        reads: rates.rate_reads,
        writes: rates.rate_writes,
        backups: rates.rate_backups,
        checks: rates.rate_checks,
    };
    Arc::new(Limiter::new(&quotas, pseudonyms, shared))
}

/// The services that show a token over gRPC, known by the same over HTTP, and under the same list.
#[derive(Debug)]
struct KnownByToken {
    tokens: ServiceTokens,
    allow: AllowList,
}

impl auth_http::Services for KnownByToken {
    fn service(&self, token: &str) -> Option<auth_http::Service> {
        let name = self.tokens.name(token)?;
        let may_introspect = self.allow.allows(&name, Method::Introspect);
        Some(auth_http::Service { name, may_introspect })
    }
}

/// What is served over HTTP on a port with this contract.
pub(crate) fn http(config: &Config, app: &App, contract: Contract, callers: &Callers) -> Router {
    let limits = &config.limits;
    let headers = usize::try_from(limits.http_max_headers).unwrap_or(usize::MAX);
    let services = KnownByToken { tokens: callers.tokens.clone(), allow: callers.allow.clone() };
    let options = auth_http::Options {
        contract,
        accounts: config.has_accounts(),
        build: build(),
        limits: auth_http::Limits {
            head_bytes: limits.http_max_head,
            headers,
            body_bytes: limits.http_max_body,
            body_idle: limits.http_body_timeout,
            request: limits.http_request_timeout,
            restore_bytes: limits.http_max_restore,
            long_request: limits.http_backup_timeout,
        },
        services: Some(Arc::new(services)),
    };
    let proxies = config.proxies.believed();
    auth_telemetry::layers(auth_http::router(app.clone(), options), "http", Some(proxies))
}

/// What is served over gRPC on a port with this contract; `health` is what it says of itself.
pub(crate) fn grpc(
    config: &Config,
    app: &App,
    callers: Callers,
    health: auth_grpc::Health,
    contract: Contract,
) -> Router {
    let options = auth_grpc::Options {
        accounts: config.has_accounts(),
        reflection: config.grpc.reflection,
        callers,
        max_message: config.limits.grpc_max_message,
        max_metadata: config.limits.grpc_max_metadata,
        deadline: config.limits.grpc_request_timeout,
        health,
    };
    let router = match contract {
        Contract::Auth => auth_grpc::router(app.clone(), options),
        Contract::Users => auth_grpc::users_router(app.clone(), options),
    };
    auth_telemetry::layers(router, "grpc", None)
}

/// What the operator's machines ask, and the description of the HTTP interface.
pub(crate) fn ops(config: &Config, service: &Service, readiness: Readiness) -> Router {
    let (app, metrics) = (service.app.clone(), service.metrics.clone());
    let outside = [
        ("events", service.relay.as_ref().map(Relay::status)),
        ("mail", service.postman.as_ref().map(Postman::status)),
    ];
    ops::router(app, service.store.name(), metrics, readiness, outside)
        .merge(auth_http::docs_router(config.has_accounts(), VERSION))
}

fn build() -> auth_http::Build {
    let build = auth_http::Build { version: VERSION.to_owned(), ..auth_http::Build::default() };
    auth_http::Build {
        commit: COMMIT.map_or(build.commit, str::to_owned),
        time: BUILT.map_or(build.time, str::to_owned),
        ..build
    }
}
