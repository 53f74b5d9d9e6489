//! What the operator says about logs and traces.

use std::fmt;
use std::str::FromStr;

use tracing_subscriber::filter::LevelFilter;

/// What to log, how, and where spans go.
#[derive(Clone, Debug, Default)]
pub struct LogSettings {
    /// The least important lines that are still written.
    pub level: Level,
    /// How a line looks.
    pub format: Format,
    /// Where spans go: the URL of an OTLP collector that speaks gRPC, such as
    /// `http://localhost:4317`. Without it and without `jaeger_url` no spans are made.
    pub otlp_endpoint: Option<String>,
    /// The address of a Jaeger agent, `host:port`, as the original takes it. Jaeger speaks OTLP
    /// nowadays, so spans go to port 4317 of that host. `otlp_endpoint` goes before it.
    pub jaeger_url: Option<String>,
}

/// How important a log line is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Level {
    /// For whoever looks for a bug in this service.
    Trace,
    /// For whoever wonders what it does.
    Debug,
    /// One line an operation.
    #[default]
    Info,
    /// Odd, and handled.
    Warn,
    /// Somebody should act.
    Error,
}

impl Level {
    pub(crate) const fn filter(self) -> LevelFilter {
        match self {
            Self::Trace => LevelFilter::TRACE,
            Self::Debug => LevelFilter::DEBUG,
            Self::Info => LevelFilter::INFO,
            Self::Warn => LevelFilter::WARN,
            Self::Error => LevelFilter::ERROR,
        }
    }
}

impl FromStr for Level {
    type Err = UnknownWord;

    /// Any mix of upper and lower case, as the original has it.
    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text.to_ascii_lowercase().as_str() {
            "trace" => Ok(Self::Trace),
            "debug" => Ok(Self::Debug),
            "info" => Ok(Self::Info),
            "warn" => Ok(Self::Warn),
            "error" => Ok(Self::Error),
            _ => Err(UnknownWord { known: "trace, debug, info, warn, error" }),
        }
    }
}

impl fmt::Display for Level {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Trace => "trace",
            Self::Debug => "debug",
            Self::Info => "info",
            Self::Warn => "warn",
            Self::Error => "error",
        })
    }
}

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For humans if standard output is a terminal, else JSON.
    #[default]
    Auto,
    /// One JSON object a line, with the original's keys `level`, `message` and `ts`.
    Json,
    /// Time, level, message and fields.
    Human,
}

impl FromStr for Format {
    type Err = UnknownWord;

    fn from_str(text: &str) -> Result<Self, UnknownWord> {
        match text.to_ascii_lowercase().as_str() {
            "auto" => Ok(Self::Auto),
            "json" => Ok(Self::Json),
            "human" => Ok(Self::Human),
            _ => Err(UnknownWord { known: "auto, json, human" }),
        }
    }
}

impl fmt::Display for Format {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Auto => "auto",
            Self::Json => "json",
            Self::Human => "human",
        })
    }
}

/// A setting is none of the words it may be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct UnknownWord {
    known: &'static str,
}

impl fmt::Display for UnknownWord {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "must be one of {}", self.known)
    }
}

impl std::error::Error for UnknownWord {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn levels_are_known_in_any_case() {
        for (text, level) in [
            ("debug", Level::Debug),
            ("Info", Level::Info),
            ("WARN", Level::Warn),
            ("eRRor", Level::Error),
            ("trace", Level::Trace),
        ] {
            assert_eq!(text.parse(), Ok(level));
            assert_eq!(level.to_string().parse(), Ok(level));
        }
    }

    #[test]
    fn other_words_are_refused_with_the_known_ones() {
        for text in ["", "warning", "fatal", " info", "0"] {
            let error = text.parse::<Level>().unwrap_err();
            assert_eq!(error.to_string(), "must be one of trace, debug, info, warn, error");
        }
        let error = "text".parse::<Format>().unwrap_err();
        assert_eq!(error.to_string(), "must be one of auto, json, human");
    }
}
