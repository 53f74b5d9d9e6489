//! One run of the service, from its first port to its last answer.

use std::io::Write;
use std::net::SocketAddr;
use std::process::ExitCode;
use std::time::Duration;

use auth_domain::Caller;
use auth_domain::ops::audit::NoteAttempts;
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
    let mailer = wiring::mailer(&config.mail)?;
    // Before anything is written: a port that is taken must not cost the password made below.
    // Whoever connects already waits until somebody accepts.
    let server = &config.server;
    let http_port = open("MF_AUTH_HTTP_PORT", server.http_host, server.http_port)?;
    let grpc_port = open("MF_AUTH_GRPC_PORT", server.grpc_host, server.grpc_port)?;
    let ops_port = open("MF_AUTH_OPS_PORT", Some(server.ops_host), server.ops_port)?;
    let at = Addresses { http: http_port.at, grpc: grpc_port.at, ops: ops_port.at };
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
    let http = wiring::http(&config, &service.app, tokens.clone());
    let grpc = wiring::grpc(&config, &service.app, callers, health.clone());
    let probes = wiring::ops(&config, &service, readiness.clone());

    let (public, private) = (Drain::default(), Drain::default());
    let serve =
        |port: Port, tls, router, limits| Listener::new(port.name, port.tcp, tls, router, limits);
    let (https, grpcs) = (secured.as_ref().map(Secured::http), secured.as_ref().map(Secured::grpc));
    let http = serve(http_port, https, http, visitors(&config));
    let grpc = serve(grpc_port, grpcs, grpc, residents(&config)).on(Workers::start()?);
    let probes = serve(ops_port, None, probes, operators(&config));
    let mut listeners = JoinSet::new();
    for (listener, drain) in [(http, &public), (grpc, &public), (probes, &private)] {
        listeners.spawn(listener.run(drain.clone()));
    }
    let reload = Reload::new(&config, secured, tokens, level);
    if let Some(signing_keys) = service.signing_keys.take() {
        tokio::spawn(signing_keys.run(service.app.clone(), reload.signing_keys()));
    }
    tokio::spawn(reload.run(hangup));
    housekeeping::start(&service, config.events.changes_keep, &config.audit);
    let relay = service.relay.take().map(Relay::start);
    let postman = service.postman.take().map(Postman::start);
    greet(&config, &service, &at);
    tracing::info!(
        http = %at.http,
        grpc = %at.grpc,
        ops = %at.ops,
        store = service.store.name(),
        tls = server.cert.is_some(),
        ?trust,
        "listening"
    );

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

fn open(setting: &'static str, host: Option<std::net::IpAddr>, port: u16) -> Result<Port, String> {
    let name = match setting {
        "MF_AUTH_HTTP_PORT" => "http",
        "MF_AUTH_GRPC_PORT" => "grpc",
        _ => "ops",
    };
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
struct Addresses {
    http: SocketAddr,
    grpc: SocketAddr,
    ops: SocketAddr,
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
         ops   http://{ops}/readyz\n{data}\n{log_in}",
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
