//! Mail.

use std::path::PathBuf;

use auth_smtp::Tls;
use secrecy::SecretString;

use super::values::{bounded_name, port, tls};
use crate::mail::link::Base;

/// Where mail goes, and what it says.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Mail")]
pub(crate) struct Mail {
    /// The mail server (SMTP), by name or address. Unset: no mail is sent. The original takes
    /// `localhost` then.
    #[arg(long, env = "MF_EMAIL_HOST")]
    pub(crate) email_host: Option<String>,

    /// The port of the mail server.
    #[arg(long, env = "MF_EMAIL_PORT", default_value = "25", value_parser = port)]
    pub(crate) email_port: u16,

    /// How the connection to it is protected. `auto`: by TLS from the start on port 465, elsewhere by
    /// STARTTLS, which is required with a password and used without one if it is offered. `implicit`:
    /// by TLS from the start. `starttls`: by STARTTLS, always. `none`: not at all, which a password
    /// forbids.
    #[arg(
        long,
        env = "MF_AUTH_EMAIL_TLS",
        default_value = "auto",
        value_parser = tls
    )]
    pub(crate) email_tls: Tls,

    /// The PEM file with the authorities whose certificates it may show. Unset: those this machine
    /// trusts.
    #[arg(long, env = "MF_AUTH_EMAIL_CA_CERTS")]
    pub(crate) email_ca_certs: Option<PathBuf>,

    /// Who to sign in to it as, if there is a password.
    #[arg(long, env = "MF_EMAIL_USERNAME", default_value = "root")]
    pub(crate) email_username: String,

    /// The password for that. Unset: nobody signs in.
    #[arg(long, env = "MF_EMAIL_PASSWORD", hide = true)]
    pub(crate) email_password: Option<SecretString>,

    /// The address mails come from; needed with `MF_EMAIL_HOST`.
    #[arg(long, env = "MF_EMAIL_FROM_ADDRESS")]
    pub(crate) email_from_address: Option<String>,

    /// The name mails come from.
    #[arg(long, env = "MF_EMAIL_FROM_NAME", value_parser = bounded_name)]
    pub(crate) email_from_name: Option<String>,

    /// The directory with templates to use instead of those compiled in: `layout.html`, and the
    /// `.subject.txt`, `.txt` and `.html` of `org_invite` and of the other mails, any of them, as
    /// `docs/operations.md` describes them. What is missing or broken there is said in a warning, and the one compiled in is used.
    #[arg(long, env = "MF_EMAIL_TEMPLATES_DIR")]
    pub(crate) email_templates_dir: Option<PathBuf>,

    /// The file with a template of the original. Accepted; without effect: use `MF_EMAIL_TEMPLATES_DIR`.
    #[arg(long, env = "MF_EMAIL_BASE_TEMPLATE")]
    pub(crate) email_base_template: Option<PathBuf>,

    /// What links in mails begin with: an `http://` or `https://` URL, with a path if need be.
    #[arg(long, env = "MF_HOST", default_value = "http://localhost")]
    pub(crate) host: Base,
}
