//! Settings of the original whose work this release does not do. They are read and checked, so that
//! an env file of the original is understood whole and a wrong value is found today.

use std::path::PathBuf;

use secrecy::SecretString;

use super::values::{boolean, port, service_address};

/// Accepted; without effect yet.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Accepted; without effect yet")]
pub(crate) struct Later {
    /// The port of a second HTTP listener with the contract of the users service.
    #[arg(long, env = "MF_USERS_HTTP_PORT", value_parser = port)]
    pub(crate) users_http_port: Option<u16>,

    /// The port of a second gRPC listener for services that expect one of the users service.
    #[arg(long, env = "MF_USERS_GRPC_PORT", value_parser = port)]
    pub(crate) users_grpc_port: Option<u16>,

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

    /// The mail server.
    #[arg(long, env = "MF_EMAIL_HOST", default_value = "localhost")]
    pub(crate) email_host: String,

    /// The port of the mail server.
    #[arg(long, env = "MF_EMAIL_PORT", default_value = "25", value_parser = port)]
    pub(crate) email_port: u16,

    /// Who to sign in to the mail server as.
    #[arg(long, env = "MF_EMAIL_USERNAME", default_value = "root")]
    pub(crate) email_username: String,

    /// The password for that.
    #[arg(long, env = "MF_EMAIL_PASSWORD", hide = true)]
    pub(crate) email_password: Option<SecretString>,

    /// The address mails come from.
    #[arg(long, env = "MF_EMAIL_FROM_ADDRESS")]
    pub(crate) email_from_address: Option<String>,

    /// The name mails come from.
    #[arg(long, env = "MF_EMAIL_FROM_NAME")]
    pub(crate) email_from_name: Option<String>,

    /// The file with the template of mails.
    #[arg(long, env = "MF_EMAIL_BASE_TEMPLATE", default_value = "base.tmpl")]
    pub(crate) email_base_template: PathBuf,

    /// What links in mails begin with.
    #[arg(long, env = "MF_HOST", default_value = "http://localhost")]
    pub(crate) host: String,
}
