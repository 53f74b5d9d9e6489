//! Keyward: identity and access for a fleet of services, in one binary.
//!
//! Read in this order:
//!
//! 1. [`config`], every setting, its default and its manual.
//! 2. [`wiring`], which puts the service together: the only file that knows every adapter.
//! 3. [`run`], from the first port to the last answer, and [`mod@serve`], the accept loop.
//! 4. [`ops`], what the operator's machines ask; [`housekeeping`], what is done now and then;
//!    [`relay`], which tells others what happened; [`mail`], which tells people; [`replica`], which keeps
//!    checks from memory right; [`admission`], how much is begun at a time; [`reload`], what is read again; [`operator`], what its commands do.
//! 5. The small adapters that live here: [`clock`], [`passwords`], [`throttle`], [`secrets`],
//!    [`signing_keys`], [`database`].

mod admission;
mod clock;
mod config;
mod database;
mod glance;
mod housekeeping;
mod mail;
mod operator;
mod ops;
mod passwords;
mod relay;
mod reload;
mod replica;
mod run;
mod secrets;
mod serve;
mod signing_keys;
mod throttle;
mod wiring;

use std::io::Write;
use std::process::ExitCode;
use std::time::Duration;

use crate::config::{Admin, CheckConfig, Command, Config, Unread};

/// How long work that nobody waits for any more, such as a password being hashed, may hold up the
/// end.
const LEFTOVERS: Duration = Duration::from_millis(100);

fn main() -> ExitCode {
    let arguments: Vec<_> = std::env::args_os().skip(1).collect();
    let environment = std::env::vars_os().collect();
    let outcome = match Config::read(&arguments, &environment) {
        Ok(config) => match config.command.clone() {
            Some(Command::Backup(told)) => operate(&config, operator::take(&config, &told)),
            Some(Command::Restore(told)) => operate(&config, operator::bring_back(&config, &told)),
            Some(Command::Migrate(told)) => operate(&config, operator::migrate(&config, &told)),
            Some(Command::Admin(Admin::Create(told))) => {
                operate(&config, operator::create_admin(&config, &told))
            }
            Some(Command::Audit(told)) => operate(&config, operator::audit(&config, &told)),
            Some(Command::Keys(told)) => operate(&config, operator::keys(&config, &told)),
            Some(Command::ApiKeys(told)) => operate(&config, operator::api_keys(&config, &told)),
            Some(Command::Sessions(told)) => operate(&config, operator::sessions(&config, &told)),
            Some(Command::Import(told)) => operate(&config, operator::import(&config, &told)),
            Some(Command::CheckConfig(told)) => check_config(&config, &told),
            Some(Command::Completions { shell }) => operator::completions(shell),
            Some(Command::Health(told)) => {
                ops::ask(config.server.ops_host, config.server.ops_port, told.json)
            }
            Some(Command::Serve) | None => serve(config),
        },
        Err(Unread::Flags(help)) => {
            // Help goes to standard output and mistakes to standard error.
            let _ = help.print();
            return if help.use_stderr() { ExitCode::FAILURE } else { ExitCode::SUCCESS };
        }
        Err(Unread::Setting(problem)) => Err(problem),
    };
    outcome.unwrap_or_else(|problem| {
        let _ = writeln!(std::io::stderr(), "auth: {}", in_one_line(&problem));
        ExitCode::FAILURE
    })
}

/// The text with control characters escaped: a path or an address may hold any.
fn in_one_line(text: &str) -> String {
    let mut line = String::with_capacity(text.len());
    for c in text.chars() {
        if c.is_control() {
            line.extend(c.escape_default());
        } else {
            line.push(c);
        }
    }
    line
}

/// Does what the operator wants done, with log lines on standard error.
fn operate(
    config: &Config,
    work: impl Future<Output = Result<ExitCode, String>>,
) -> Result<ExitCode, String> {
    use_crypto()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start threads: {error}"))?;
    runtime.block_on(async {
        let telemetry = auth_telemetry::init_for_commands(&config.telemetry.settings())
            .map_err(|problem| format!("{problem:#}"))?;
        let outcome = work.await;
        telemetry.shutdown().await;
        outcome
    })
}

/// Looks at the settings without doing anything about them, and without a log.
fn check_config(config: &Config, told: &CheckConfig) -> Result<ExitCode, String> {
    use_crypto()?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start: {error}"))?;
    // What talks to other services later belongs to a runtime from the beginning.
    runtime.block_on(async { operator::check_config(config, told) })
}

/// Decides once what TLS is made of.
fn use_crypto() -> Result<(), String> {
    rustls::crypto::aws_lc_rs::default_provider()
        .install_default()
        .map_err(|_| "something else has chosen what TLS is made of".to_owned())
}

fn serve(config: Config) -> Result<ExitCode, String> {
    use_crypto()?;
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()
        .map_err(|error| format!("cannot start threads: {error}"))?;
    let outcome = runtime.block_on(async {
        let telemetry = auth_telemetry::init(&config.telemetry.settings())
            .map_err(|problem| format!("{problem:#}"))?;
        let outcome = run::run(config, telemetry.level()).await;
        telemetry.shutdown().await;
        outcome
    });
    runtime.shutdown_timeout(LEFTOVERS);
    outcome
}
