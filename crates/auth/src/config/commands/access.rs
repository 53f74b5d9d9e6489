//! What the operator takes from a user when nobody can do it over HTTP.

use std::str::FromStr;

use auth_domain::model::{Email, KeyId, UserId};

/// What `auth api-keys` can do.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
pub(crate) enum ApiKeys {
    /// Show each API key of a user: its id, when it was made and when it ends. Their values are kept nowhere.
    List {
        /// Whose: an e-mail address, or the id of a user.
        #[arg(long, value_name = "USER")]
        of: Who,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Revoke an API key, or all that a user has. Every replica refuses it once this is done.
    #[command(group(clap::ArgGroup::new("which").required(true).args(["key", "all"])))]
    Revoke {
        /// Whose: an e-mail address, or the id of a user.
        #[arg(long, value_name = "USER")]
        of: Who,
        /// The id of the key. The log names it, as `user:USER/key:KEY`, and so does the key itself, as `jti`.
        #[arg(value_name = "KEY", value_parser = key)]
        key: Option<KeyId>,
        /// All of them.
        #[arg(long)]
        all: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// What `auth sessions` can do.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
pub(crate) enum Sessions {
    /// Show each session of a user that can be refreshed: its id, when it began and was last used, from where and on
    /// what. Login tokens are kept nowhere and not among them.
    List {
        /// Whose: an e-mail address, or the id of a user.
        #[arg(long, value_name = "USER")]
        of: Who,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Log a user out everywhere: every replica refuses their login, access and recovery tokens once this is done. Their API
    /// keys stay, and they can sign in again.
    End {
        /// Whose: an e-mail address, or the id of a user.
        #[arg(long, value_name = "USER")]
        of: Who,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// A user, as the operator names them.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Who {
    /// By their id.
    User(UserId),
    /// By their e-mail address.
    Address(Email),
}

impl FromStr for Who {
    type Err = &'static str;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        match (text.parse(), text.parse()) {
            (Ok(user), _) => Ok(Self::User(user)),
            (_, Ok(email)) => Ok(Self::Address(email)),
            _ => Err("is neither an e-mail address nor the id of a user"),
        }
    }
}

fn key(text: &str) -> Result<KeyId, &'static str> {
    text.parse().map_err(|_| "is no id of a key")
}
