//! Logs and traces.

use std::io::IsTerminal;
use std::path::{Path, PathBuf};

use auth_telemetry::{Format, Level, LogSettings};

/// What is logged, and where traces go.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Logs and traces")]
pub(crate) struct Telemetry {
    /// The least important lines that are logged: `error`, `warn`, `info`, `debug` or `trace`. The
    /// line of each operation has level `info`; the original's default, `error`, would leave it out.
    #[arg(long, env = "MF_AUTH_LOG_LEVEL", default_value = "info", value_parser = str::parse::<Level>)]
    pub(crate) log_level: Level,

    /// A file with nothing but that level, which goes before `MF_AUTH_LOG_LEVEL`. It is read again when it changes
    /// and at SIGHUP, so that a running service logs more, or less.
    #[arg(long, env = "MF_AUTH_LOG_LEVEL_FILE")]
    pub(crate) log_level_file: Option<PathBuf>,

    /// How a line looks: `json`, `human`, or `auto` for `human` on a terminal and `json` elsewhere.
    #[arg(long, env = "MF_AUTH_LOG_FORMAT", default_value = "auto", value_parser = str::parse::<Format>)]
    pub(crate) log_format: Format,

    /// Where traces go: the URL of an OTLP collector that speaks gRPC, such as
    /// `http://localhost:4317`. Unset, and `MF_JAEGER_URL` too: no traces are made.
    #[arg(long, env = "OTEL_EXPORTER_OTLP_ENDPOINT")]
    pub(crate) otlp_endpoint: Option<String>,

    /// The `host:port` of a Jaeger agent, as the original takes it: traces go to the OTLP port of
    /// that host, 4317.
    #[arg(long, env = "MF_JAEGER_URL")]
    pub(crate) jaeger_url: Option<String>,
}

impl Telemetry {
    /// What the file of the level says now. Fails with one line that names the setting and the file.
    pub(crate) fn level_in(file: &Path) -> Result<Level, String> {
        let bad = |problem: String| format!("MF_AUTH_LOG_LEVEL_FILE: {} {problem}", file.display());
        let text = std::fs::read_to_string(file)
            .map_err(|error| bad(format!("cannot be read: {error}")))?;
        text.trim().parse().map_err(|error| bad(format!("{error}")))
    }

    /// Whether somebody reads along.
    pub(crate) fn is_for_humans(&self) -> bool {
        match self.log_format {
            Format::Human => true,
            Format::Auto => std::io::stdout().is_terminal(),
            Format::Json => false,
        }
    }

    /// The same for the telemetry crate.
    pub(crate) fn settings(&self) -> LogSettings {
        LogSettings {
            level: self.log_level,
            format: self.log_format,
            otlp_endpoint: self.otlp_endpoint.clone(),
            jaeger_url: self.jaeger_url.clone(),
        }
    }
}
