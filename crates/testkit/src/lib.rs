//! Starts ephemeral PostgreSQL, Redis and SMTP servers and the real binary, for tests.

mod leaks;
mod port;
mod postgres;
mod proxy;
mod redis;
mod server;
mod smtp;

pub use leaks::keep_secret;
pub use port::Port;
pub use postgres::{Crowd, Database, Postgres};
pub use proxy::{Network, Proxy};
pub use redis::Redis;
pub use server::{ADMIN_EMAIL, ADMIN_PASSWORD, SECRET, Server, Setup, workspace};
pub use smtp::{Manner, Received, Smtp, SmtpSetup};

/// Sends a process a signal by name, such as `TERM`. By the shell's own `kill`, because a small system
/// has no program of that name.
async fn signal(name: &str, pid: u32) -> anyhow::Result<()> {
    let mut shell = tokio::process::Command::new("/bin/sh");
    let sent = shell.args(["-c", "kill -s \"$1\" \"$2\"", "kill", name, &pid.to_string()]);
    anyhow::ensure!(sent.status().await?.success(), "kill -s {name} {pid} failed");
    Ok(())
}
