//! One run of the service, from its first port to its last answer.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use auth_domain::Caller;
use auth_domain::ops::audit::NoteAttempts;
use auth_grpc::Trust;
use auth_http::Contract;
use auth_telemetry::LogLevel;
use secrecy::ExposeSecret;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::task::JoinSet;

use crate::config::{Config, StoreKind};
use crate::mail::Postman;
use crate::ops::Readiness;
use crate::relay::Relay;
use crate::reload::Reload;
use crate::serve::{self, Drain, Kind, Limits, Listener, Secured, Workers};
use crate::signing_keys::KeyDirectory;
use crate::wiring::{self, Service};
use crate::{housekeeping, secrets};

/// How long the ops listener may take to end, after the others have.
const OPS_END: Duration = Duration::from_millis(100);
/// How many connections the ops listener holds.
const OPS_CONNECTIONS: u32 = 100;

/// Serves until told to stop. Fails with one line for whoever started it.
pub(crate) async fn run(config: Config, level: LogLevel) -> Result<ExitCode, String> {
    let mut signals = Signals::listen()?;
    // From here on it is no reason to end.
    let hangup = listen(SignalKind::hangup())?;
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    secrets::check(&config.tokens, config.store_kind())?;
    if let Some(directory) = &config.tokens.signing_keys {
        KeyDirectory::at(directory).read()?;
    }
    let secured = Secured::load(&config)?;
    let users_secured = Secured::load_for_users(&config)?;
    let secured_for = |contract| match contract {
        Contract::Users => users_secured.as_ref().or(secured.as_ref()),
        Contract::Auth => secured.as_ref(),
    };
    let mailer = wiring::mailer(&config.mail)?;
    // Before anything is written: a port that is taken must not cost the password made below.
    // Whoever connects already waits until somebody accepts.
    let server = &config.server;
    let ports = Ports::open(&config)?;
    let at = ports.at;
    let store = tokio::select! {
        store = wiring::store(&config) => store?,
        () = signals.next() => return Ok(ExitCode::SUCCESS),
    };
    // Not to be given up half way, and nothing comes between the account and its password.
    let mut service = wiring::service(&config, store, mailer).await?;
    announce(&config, &service);

    let health = auth_grpc::Health::default();
    health.set(true, config.has_accounts()).await;
    let readiness = Readiness::default();
    let callers = config.grpc.callers()?;
    let (trust, tokens) = (callers.trust, callers.tokens.clone());
    let probes = wiring::ops(&config, &service, readiness.clone());

    let (public, private) = (Drain::default(), Drain::default());
    let workers = Workers::start()?;
    let serve =
        |port: Port, tls, router, limits| Listener::new(port.name, port.tcp, tls, router, limits);
    let mut listeners = JoinSet::new();
    for (port, contract) in ports.http {
        let tls = secured_for(contract).map(Secured::http);
        let router = wiring::http(&config, &service.app, contract, &callers);
        listeners.spawn(serve(port, tls, router, visitors(&config)).run(public.clone()));
    }
    for (port, contract) in ports.grpc {
        let tls = secured_for(contract).map(Secured::grpc);
        let health = health.clone();
        let router = wiring::grpc(&config, &service.app, callers.clone(), health, contract);
        let listener = serve(port, tls, router, residents(&config)).on(workers.clone());
        listeners.spawn(listener.run(public.clone()));
    }
    listeners.spawn(serve(ports.ops, None, probes, operators(&config)).run(private.clone()));
    let reload = Reload::new(&config, (secured, users_secured), tokens, level);
    if let Some(signing_keys) = service.signing_keys.take() {
        tokio::spawn(signing_keys.run(service.app.clone(), reload.signing_keys()));
    }
    tokio::spawn(reload.run(hangup));
    housekeeping::start(&service, &workers, config.events.changes_keep, &config.audit);
    let relay = service.relay.take().map(Relay::start);
    let postman = service.postman.take().map(Postman::start);
    greet(&config, &service, &at);
    at.note(service.store, server.cert.is_some(), trust);

    let failed = tokio::select! {
        () = signals.next() => false,
        // None ends before it is told to, unless it panics.
        _ = listeners.join_next() => true,
    };
    tracing::info!("stopping");
    readiness.drain();
    health.set(false, config.has_accounts()).await;
    let stopped = tokio::select! {
        lost = async {
            tokio::time::sleep(server.shutdown_grace).await;
            public.begin();
            public.end(server.shutdown_timeout).await
        } => lost,
        () = signals.next() => {
            tracing::warn!("told twice to stop: ending at once");
            return Ok(ExitCode::FAILURE);
        }
    };
    // What was refused since it was last written; its outcome is logged where every one's is.
    drop(service.app.execute(Caller::System, NoteAttempts).await);
    // After the last answer that was given from memory.
    service.replica.stop().await;
    // After the last write that was accepted.
    let relay = async {
        if let Some(relay) = relay {
            relay.stop().await;
        }
    };
    let postman = async {
        if let Some(postman) = postman {
            postman.stop().await;
        }
    };
    tokio::join!(relay, postman);
    private.begin();
    private.end(OPS_END).await;
    if stopped > 0 {
        tracing::error!(requests = stopped, "ended while requests were under way");
    }
    let clean = stopped == 0 && !failed;
    Ok(if clean { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn listen(kind: SignalKind) -> Result<Signal, String> {
    signal(kind).map_err(|error| format!("signals: {error}"))
}

/// The signals to stop.
struct Signals {
    terminate: Signal,
    interrupt: Signal,
}

impl Signals {
    fn listen() -> Result<Self, String> {
        Ok(Self {
            terminate: listen(SignalKind::terminate())?,
            interrupt: listen(SignalKind::interrupt())?,
        })
    }

    async fn next(&mut self) {
        tokio::select! {
            _ = self.terminate.recv() => {}
            _ = self.interrupt.recv() => {}
        }
    }
}

/// An open port.
struct Port {
    name: &'static str,
    tcp: tokio::net::TcpListener,
    at: SocketAddr,
}

/// All ports, open, and whose contract is served on them.
struct Ports {
    http: Vec<(Port, Contract)>,
    grpc: Vec<(Port, Contract)>,
    ops: Port,
    at: Addresses,
}

impl Ports {
    fn open(config: &Config) -> Result<Self, String> {
        let server = &config.server;
        let http = |setting, port| open(("http", server.http_host), setting, port);
        let grpc = |setting, port| open(("grpc", server.grpc_host), setting, port);
        let (users_http, users_grpc) = config.users_ports();
        let first_http = http("MF_AUTH_HTTP_PORT", server.http_port)?;
        let first_grpc = grpc("MF_AUTH_GRPC_PORT", server.grpc_port)?;
        let ops = open(("ops", Some(server.ops_host)), "MF_AUTH_OPS_PORT", server.ops_port)?;
        let users_http = users_http.map(|port| http("MF_USERS_HTTP_PORT", port)).transpose()?;
        let users_grpc = users_grpc.map(|port| grpc("MF_USERS_GRPC_PORT", port)).transpose()?;
        let at = Addresses {
            http: first_http.at,
            grpc: first_grpc.at,
            ops: ops.at,
            users_http: users_http.as_ref().map(|port| port.at),
            users_grpc: users_grpc.as_ref().map(|port| port.at),
        };
        let both = |first: Port, second: Option<Port>| {
            let second = second.map(|port| (port, Contract::Users));
            std::iter::once((first, Contract::Auth)).chain(second).collect()
        };
        Ok(Self { http: both(first_http, users_http), grpc: both(first_grpc, users_grpc), ops, at })
    }
}

/// Opens a port by the setting it is from. The name goes to logs and metrics.
fn open(
    (name, host): (&'static str, Option<std::net::IpAddr>),
    setting: &'static str,
    port: u16,
) -> Result<Port, String> {
    let place = host.map(|host| format!(" on {host}")).unwrap_or_default();
    let refused =
        |error: std::io::Error| format!("{setting}: port {port}{place} cannot be opened: {error}");
    let tcp = serve::bind(host, port).map_err(refused)?;
    let at = tcp.local_addr().map_err(refused)?;
    Ok(Port { name, tcp, at })
}

fn visitors(config: &Config) -> Limits {
    let limits = &config.limits;
    Limits {
        connections: limits.max_connections,
        connections_per_peer: None,
        head: limits.http_head_timeout,
        head_bytes: limits.http_max_head,
        headers: usize::try_from(limits.http_max_headers).unwrap_or(usize::MAX),
        streams: limits.grpc_max_streams,
        keepalive: limits.grpc_keepalive,
        keepalive_timeout: limits.grpc_keepalive_timeout,
        kind: Kind::Visitors { idle: limits.http_idle_timeout },
    }
}

fn residents(config: &Config) -> Limits {
    let limits = &config.limits;
    Limits {
        connections_per_peer: Some(limits.grpc_max_connections_per_peer),
        head_bytes: limits.grpc_max_metadata,
        kind: Kind::Residents {
            age: limits.grpc_connection_age,
            grace: limits.grpc_connection_grace,
        },
        ..visitors(config)
    }
}

fn operators(config: &Config) -> Limits {
    Limits { connections: OPS_CONNECTIONS, ..visitors(config) }
}

/// Where it listens.
#[derive(Clone, Copy)]
struct Addresses {
    http: SocketAddr,
    grpc: SocketAddr,
    ops: SocketAddr,
    users_http: Option<SocketAddr>,
    users_grpc: Option<SocketAddr>,
}

impl Addresses {
    /// The line of the log that says where.
    fn note(&self, store: StoreKind, tls: bool, trust: Trust) {
        tracing::info!(
            http = %self.http,
            grpc = %self.grpc,
            ops = %self.ops,
            users_http = self.users_http.map(tracing::field::display),
            users_grpc = self.users_grpc.map(tracing::field::display),
            store = store.name(),
            tls,
            ?trust,
            "listening"
        );
    }
}

/// Says the one time the password that was made: never through the log, which others keep and read.
fn announce(config: &Config, service: &Service) {
    let Some((email, password)) = &service.opened else { return };
    let hint = if config.telemetry.is_for_humans() { "It is shown this once.\n\n" } else { "" };
    let password = password.expose_secret();
    print(&format!("Opened the account {email} with the password {password}\n{hint}"));
}

/// Says on the terminal what to try next.
fn greet(config: &Config, service: &Service, at: &Addresses) {
    if config.telemetry.is_for_humans() {
        print(&greeting(config, service, at));
    }
}

fn print(text: &str) {
    // Without anybody to read it there is nobody to tell.
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

fn greeting(config: &Config, service: &Service, at: &Addresses) -> String {
    let scheme = if config.server.cert.is_some() { "https" } else { "http" };
    let (http, grpc, ops) = (reachable(at.http), reachable(at.grpc), reachable(at.ops));
    let data = match service.store {
        StoreKind::Embedded => format!("  data  {}\n", config.store.data_dir.display()),
        StoreKind::Postgres => String::new(),
    };
    let users_scheme = if config.server.users_cert.is_some() { "https" } else { scheme };
    let users = |what: &str, at: Option<SocketAddr>| {
        at.map(|at| format!("  {what}  {users_scheme}://{} for users\n", reachable(at)))
            .unwrap_or_default()
    };
    let users = users("HTTP", at.users_http) + &users("gRPC", at.users_grpc);
    let email = match (&service.opened, &config.accounts.admin_email) {
        (Some((email, _)), _) | (None, Some(email)) => email,
        (None, None) => wiring::FIRST_ADMIN,
    };
    let log_in = if config.has_accounts() {
        format!(
            "Log in:\n  curl {scheme}://{http}/tokens -H 'Content-Type: application/json' \\\n    \
             -d '{{\"email\":\"{email}\",\"password\":\"...\"}}'\n\n"
        )
    } else {
        String::new()
    };
    format!(
        "Keyward {} is up.\n\n  HTTP  {scheme}://{http}\n  gRPC  {scheme}://{grpc}\n  \
         ops   http://{ops}/readyz\n{users}{data}\n{log_in}",
        wiring::VERSION
    )
}

/// How somebody on this machine writes the address.
fn reachable(address: SocketAddr) -> String {
    if address.ip().is_unspecified() {
        format!("localhost:{}", address.port())
    } else {
        address.to_string()
    }
}
