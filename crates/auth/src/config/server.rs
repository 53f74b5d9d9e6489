//! The listeners: where they are, how they are secured, and how much they take.

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use super::values::{bytes, count, duration, host, port, positive_duration};

/// Where HTTP is served, and what all listeners share.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Listeners")]
pub(crate) struct Server {
    /// The address HTTP is served on. Unset: every address of this machine.
    #[arg(long, env = "MF_AUTH_HTTP_HOST", value_parser = host)]
    pub(crate) http_host: Option<IpAddr>,

    /// The port HTTP is served on. 0 lets the system pick one.
    #[arg(long, env = "MF_AUTH_HTTP_PORT", default_value = "8180", value_parser = port)]
    pub(crate) http_port: u16,

    /// The address gRPC is served on. Unset: every address of this machine.
    #[arg(long, env = "MF_AUTH_GRPC_HOST", value_parser = host)]
    pub(crate) grpc_host: Option<IpAddr>,

    /// The port gRPC is served on. 0 lets the system pick one.
    #[arg(long, env = "MF_AUTH_GRPC_PORT", default_value = "8181", value_parser = port)]
    pub(crate) grpc_port: u16,

    /// The port of a second HTTP listener, with the routes of the original's users service and no others, for clients that
    /// expect that at an address of its own. Its address and limits are those of the first, and so is its TLS unless
    /// `MF_USERS_SERVER_CERT` is set. Unset: there is none.
    #[arg(long, env = "MF_USERS_HTTP_PORT", value_parser = port)]
    pub(crate) users_http_port: Option<u16>,

    /// The port of a second gRPC listener, with `protomfx.UsersService` and nothing else. Its address, callers and limits
    /// are those of the first, and so is its TLS unless `MF_USERS_SERVER_CERT` is set. Unset: there is none.
    #[arg(long, env = "MF_USERS_GRPC_PORT", value_parser = port)]
    pub(crate) users_grpc_port: Option<u16>,

    /// The address of the ops listener: `/livez`, `/readyz`, `/metrics` and `/docs/`. Nothing there
    /// asks who is calling, so open it to the network that scrapes it and to no other.
    #[arg(long, env = "MF_AUTH_OPS_HOST", default_value = "127.0.0.1", value_parser = host)]
    pub(crate) ops_host: IpAddr,

    /// The port of the ops listener. 0 lets the system pick one.
    #[arg(long, env = "MF_AUTH_OPS_PORT", default_value = "8186", value_parser = port)]
    pub(crate) ops_port: u16,

    /// The PEM file with the certificate, and those between it and its authority, that HTTP and
    /// gRPC are served with. Needs `MF_AUTH_SERVER_KEY`; without both there is no TLS.
    #[arg(id = "server-cert", long = "server-cert", env = "MF_AUTH_SERVER_CERT")]
    pub(crate) cert: Option<PathBuf>,

    /// The PEM file with the key of that certificate.
    #[arg(id = "server-key", long = "server-key", env = "MF_AUTH_SERVER_KEY")]
    pub(crate) key: Option<PathBuf>,

    /// The PEM file with a certificate of its own for the ports of the users service, `MF_USERS_HTTP_PORT` and
    /// `MF_USERS_GRPC_PORT`. Needs `MF_USERS_SERVER_KEY`; without both they have that of the first listeners, if there is
    /// one.
    #[arg(id = "users-server-cert", long = "users-server-cert", env = "MF_USERS_SERVER_CERT")]
    pub(crate) users_cert: Option<PathBuf>,

    /// The PEM file with the key of that certificate.
    #[arg(id = "users-server-key", long = "users-server-key", env = "MF_USERS_SERVER_KEY")]
    pub(crate) users_key: Option<PathBuf>,

    /// How long to go on serving after the signal to stop, while `/readyz` already says no: the
    /// time a load balancer takes to notice.
    #[arg(long, env = "MF_AUTH_SHUTDOWN_GRACE", default_value = "0s", value_parser = duration)]
    pub(crate) shutdown_grace: Duration,

    /// How long requests that were accepted have to finish after that. The process ends with an
    /// error if it had to cut some off.
    #[arg(
        long,
        env = "MF_AUTH_SHUTDOWN_TIMEOUT",
        default_value = "25s",
        value_parser = positive_duration
    )]
    pub(crate) shutdown_timeout: Duration,
}

/// How much and how slow is too much and too slow.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Limits")]
pub(crate) struct Limits {
    /// The most connections each listener holds. More are closed as soon as they are accepted.
    #[arg(long, env = "MF_AUTH_MAX_CONNECTIONS", default_value = "10000", value_parser = count)]
    pub(crate) max_connections: u32,

    /// How long a TLS handshake may take, and how long the request line and headers of one request.
    #[arg(
        long,
        env = "MF_AUTH_HTTP_HEAD_TIMEOUT",
        default_value = "5s",
        value_parser = positive_duration
    )]
    pub(crate) http_head_timeout: Duration,

    /// How long the body of a request may pause before the answer is 408.
    #[arg(
        long,
        env = "MF_AUTH_HTTP_BODY_TIMEOUT",
        default_value = "10s",
        value_parser = positive_duration
    )]
    pub(crate) http_body_timeout: Duration,

    /// How long a request may take in all before the answer is 504.
    #[arg(
        long,
        env = "MF_AUTH_HTTP_REQUEST_TIMEOUT",
        default_value = "30s",
        value_parser = positive_duration
    )]
    pub(crate) http_request_timeout: Duration,

    /// How long an HTTP connection may stay open without a request.
    #[arg(
        long,
        env = "MF_AUTH_HTTP_IDLE_TIMEOUT",
        default_value = "60s",
        value_parser = positive_duration
    )]
    pub(crate) http_idle_timeout: Duration,

    /// The most bytes the request line and headers have together, at least 8KiB.
    #[arg(long, env = "MF_AUTH_HTTP_MAX_HEAD", default_value = "16KiB", value_parser = bytes)]
    pub(crate) http_max_head: usize,

    /// The most headers a request has.
    #[arg(long, env = "MF_AUTH_HTTP_MAX_HEADERS", default_value = "100", value_parser = count)]
    pub(crate) http_max_headers: u32,

    /// The most bytes the body of a request has.
    #[arg(long, env = "MF_AUTH_HTTP_MAX_BODY", default_value = "256KiB", value_parser = bytes)]
    pub(crate) http_max_body: usize,

    /// How long a backup or a restore may take over HTTP.
    #[arg(
        long,
        env = "MF_AUTH_HTTP_BACKUP_TIMEOUT",
        default_value = "10m",
        value_parser = positive_duration
    )]
    pub(crate) http_backup_timeout: Duration,

    /// The most bytes a document has that is restored over HTTP. As much memory is used while it is.
    #[arg(long, env = "MF_AUTH_HTTP_MAX_RESTORE", default_value = "32MiB", value_parser = bytes)]
    pub(crate) http_max_restore: usize,

    /// The most rows it has. `auth restore` takes any number.
    #[arg(long, env = "MF_AUTH_MAX_RESTORE_ROWS", default_value = "10000", value_parser = count)]
    pub(crate) max_restore_rows: u32,

    /// The most bytes a gRPC message has.
    #[arg(long, env = "MF_AUTH_GRPC_MAX_MESSAGE", default_value = "256KiB", value_parser = bytes)]
    pub(crate) grpc_max_message: usize,

    /// The most bytes the metadata of a gRPC call has.
    #[arg(long, env = "MF_AUTH_GRPC_MAX_METADATA", default_value = "16KiB", value_parser = bytes)]
    pub(crate) grpc_max_metadata: usize,

    /// How long a gRPC call may take, if its caller does not give it less.
    #[arg(
        long,
        env = "MF_AUTH_GRPC_REQUEST_TIMEOUT",
        default_value = "30s",
        value_parser = positive_duration
    )]
    pub(crate) grpc_request_timeout: Duration,

    /// The most calls in progress on one connection.
    #[arg(long, env = "MF_AUTH_GRPC_MAX_STREAMS", default_value = "1000", value_parser = count)]
    pub(crate) grpc_max_streams: u32,

    /// The most gRPC connections from one address.
    #[arg(
        long,
        env = "MF_AUTH_GRPC_MAX_CONNECTIONS_PER_PEER",
        default_value = "64",
        value_parser = count
    )]
    pub(crate) grpc_max_connections_per_peer: u32,

    /// How long an HTTP/2 connection may be silent before it is asked whether it is still there.
    #[arg(
        long,
        env = "MF_AUTH_GRPC_KEEPALIVE",
        default_value = "60s",
        value_parser = positive_duration
    )]
    pub(crate) grpc_keepalive: Duration,

    /// How long it may take to answer that.
    #[arg(
        long,
        env = "MF_AUTH_GRPC_KEEPALIVE_TIMEOUT",
        default_value = "20s",
        value_parser = positive_duration
    )]
    pub(crate) grpc_keepalive_timeout: Duration,

    /// How old a gRPC connection gets, give or take a tenth, before its client is asked to open
    /// another: so that replicas share the load again after one was away.
    #[arg(
        long,
        env = "MF_AUTH_GRPC_CONNECTION_AGE",
        default_value = "30m",
        value_parser = positive_duration
    )]
    pub(crate) grpc_connection_age: Duration,

    /// How long calls on such a connection have to finish.
    #[arg(
        long,
        env = "MF_AUTH_GRPC_CONNECTION_GRACE",
        default_value = "30s",
        value_parser = positive_duration
    )]
    pub(crate) grpc_connection_grace: Duration,
}
