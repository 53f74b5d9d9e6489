//! Settings of the original whose work this release does not do. They are read and checked, so that
//! an env file of the original is understood whole and a wrong value is found today.

use std::path::PathBuf;

use super::values::{boolean, service_address};

/// Accepted; without effect yet.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Accepted; without effect yet")]
#[expect(clippy::struct_field_names, reason = "each is called like its setting")]
pub(crate) struct Later {
    /// The address of the things service.
    #[arg(
        long,
        env = "MF_THINGS_AUTH_GRPC_URL",
        default_value = "localhost:8183",
        value_parser = service_address
    )]
    pub(crate) things_auth_grpc_url: String,

    /// The PEM file with the authorities of the things service.
    #[arg(long, env = "MF_THINGS_CA_CERTS")]
    pub(crate) things_ca_certs: Option<PathBuf>,

    /// Whether to call the things service over TLS.
    #[arg(
        long,
        env = "MF_THINGS_CLIENT_TLS",
        default_value = "false",
        value_parser = boolean,
        action = clap::ArgAction::Set
    )]
    pub(crate) things_client_tls: bool,
}
