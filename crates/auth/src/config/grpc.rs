//! Who may make the gRPC calls that are not open to everybody.

use std::path::{Path, PathBuf};

use auth_grpc::{AllowList, Callers, Trust};
use clap::ValueEnum;
use secrecy::{ExposeSecret, SecretString};

use super::environment::secret_in;
use super::values::{boolean, secret_list};

/// The setting of the service tokens.
pub(super) const TOKENS: &str = "MF_AUTH_GRPC_TOKENS";
/// The fewest bytes of a service token.
const MIN_TOKEN: usize = 32;

/// Who else is trusted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Trusted {
    /// Whoever reaches the port.
    Network,
}

/// Who may make the gRPC calls that are not open to everybody. `Identify` and `Authorize` are.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Callers of gRPC")]
pub(crate) struct Grpc {
    /// `network` trusts whoever reaches the port, as the original does: for a private network of
    /// services that cannot show a certificate or a token. A warning and a gauge stay on. Unset:
    /// with neither certificates nor tokens configured, only callers on this machine are trusted.
    #[arg(id = "grpc-trust", long = "grpc-trust", env = "MF_AUTH_GRPC_TRUST", value_enum)]
    pub(crate) trust: Option<Trusted>,

    /// Tokens of the services that may call, as `users=<token>,things=<token>`, each at least 32
    /// bytes. A service shows its own as `authorization: Bearer <token>`.
    #[arg(id = "grpc-tokens", long = "grpc-tokens", env = "MF_AUTH_GRPC_TOKENS", hide = true)]
    pub(crate) tokens: Option<SecretString>,

    /// The file they were read from, if it was one: it is read again.
    #[arg(skip)]
    pub(crate) tokens_file: Option<PathBuf>,

    /// What each service may call, as `users=*;things=GetOwnerIDByOrgID,Introspect`; `Introspect` is
    /// `POST /introspect` over HTTP. Unset: `users` everything, others everything that makes neither
    /// tokens nor roles.
    #[arg(id = "grpc-allow", long = "grpc-allow", env = "MF_AUTH_GRPC_ALLOW", value_parser = str::parse::<AllowList>)]
    pub(crate) allow: Option<AllowList>,

    /// The PEM file with the authorities whose client certificates are accepted. The names in a
    /// certificate are the names of the service. Needs TLS.
    #[arg(id = "grpc-client-ca", long = "grpc-client-ca", env = "MF_AUTH_GRPC_CLIENT_CA")]
    pub(crate) client_ca: Option<PathBuf>,

    /// Whether gRPC describes its services to whoever asks (server reflection).
    #[arg(
        id = "grpc-reflection", long = "grpc-reflection",
        env = "MF_AUTH_GRPC_REFLECTION",
        default_value = "false",
        value_parser = boolean,
        action = clap::ArgAction::Set
    )]
    pub(crate) reflection: bool,
}

impl Grpc {
    /// Where whoever reaches the port may do everything, proof of who they are bounds nothing, and
    /// whoever configured it believes that it does.
    pub(crate) fn refuse_proof_nobody_asks_for(&self) -> Result<(), String> {
        if self.trust != Some(Trusted::Network) {
            return Ok(());
        }
        let proof = [
            ("MF_AUTH_GRPC_TOKENS", self.tokens.is_some()),
            ("MF_AUTH_GRPC_ALLOW", self.allow.is_some()),
            ("MF_AUTH_GRPC_CLIENT_CA", self.client_ca.is_some()),
        ];
        match proof.iter().find(|(_, given)| *given) {
            None => Ok(()),
            Some((name, _)) => Err(format!(
                "MF_AUTH_GRPC_TRUST=network trusts everybody and {name} is set: unset one of them"
            )),
        }
    }

    /// How callers prove who they are. Fails with a line that names no token.
    pub(crate) fn callers(&self) -> Result<Callers, String> {
        let trust = match (self.trust, &self.client_ca) {
            (Some(Trusted::Network), _) => Trust::Network,
            (None, Some(_)) => Trust::Credentials,
            (None, None) => Trust::Loopback,
        };
        let tokens = self.tokens.as_ref().map_or(Ok(Vec::new()), parse)?.into_iter().collect();
        Ok(Callers { trust, tokens, allow: self.allow.clone().unwrap_or_default() })
    }

    /// The tokens in their file now. Fails with a line that names no token.
    pub(crate) fn tokens_in(file: &Path) -> Result<Vec<(String, SecretString)>, String> {
        let list = secret_in("MF_AUTH_GRPC_TOKENS_FILE", file)?.into();
        parse(&list)
            .map_err(|problem| format!("MF_AUTH_GRPC_TOKENS_FILE, {}: {problem}", file.display()))
    }
}

/// Tokens by the names of the services that show them.
fn parse(list: &SecretString) -> Result<Vec<(String, SecretString)>, String> {
    let mut tokens: Vec<(String, SecretString)> = Vec::new();
    for entry in secret_list(list) {
        let Some((name, token)) = entry.expose_secret().split_once('=') else {
            return Err(
                "MF_AUTH_GRPC_TOKENS is not a list like users=<token>,things=<token>".into()
            );
        };
        let (name, token) = (name.trim(), token.trim());
        if name.is_empty() || tokens.iter().any(|(known, _)| known == name) {
            return Err("MF_AUTH_GRPC_TOKENS needs one name for each token".into());
        }
        if token.len() < MIN_TOKEN {
            return Err(format!(
                "MF_AUTH_GRPC_TOKENS: the token of {name} has fewer than {MIN_TOKEN} bytes; \
                     make one with: openssl rand -base64 32"
            ));
        }
        tokens.push((name.to_owned(), SecretString::from(token)));
    }
    if tokens.is_empty() {
        return Err("MF_AUTH_GRPC_TOKENS names nobody".into());
    }
    Ok(tokens)
}
