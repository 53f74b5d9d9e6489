//! What the binary can do, and what it has to be told for it.

mod access;
mod import;

use std::path::PathBuf;
use std::time::Duration;

use auth_domain::audit::{Digest, Trail, unhex};
use auth_domain::model::{BadSigningKeyId, Name, SigningKeyId};
use clap::ValueEnum;

pub(crate) use self::access::{ApiKeys, Sessions, Who};
pub(crate) use self::import::{Import, ImportUsers};
use super::values::{email, positive_duration};

/// What the binary can do.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
pub(crate) enum Command {
    /// Serve until told to stop.
    Serve,
    /// Ask the server on this machine whether it is ready; the exit code is the answer.
    Health(Health),
    /// Write everything the store holds, as it is at one moment, to a file. With the embedded store the service
    /// must be stopped; with PostgreSQL it may go on.
    Backup(Backup),
    /// Bring back what a backup holds: all of it or nothing. With the embedded store the service must be
    /// stopped; with PostgreSQL it may go on, but waits while much is restored.
    Restore(Restore),
    /// Read the settings as `serve` would and say everything that is wrong with them, a line each. Nothing is
    /// started, connected to or written. Exit code 1 if something is wrong.
    CheckConfig(CheckConfig),
    /// Bring the schema of the store up to date, as `serve` does before anything else.
    Migrate(Migrate),
    /// Do something about administrators.
    #[command(subcommand)]
    Admin(Admin),
    /// Look after the directory of signing keys, `MF_AUTH_SIGNING_KEYS`. The service may go on, and finds what is new
    /// by itself.
    #[command(subcommand)]
    Keys(Keys),
    /// Look after the API keys of a user from this machine, when nobody can sign in to do so. With the embedded store
    /// the service must be stopped; with PostgreSQL it may go on.
    #[command(subcommand)]
    ApiKeys(ApiKeys),
    /// Look after the sessions of a user from this machine, when nobody can sign in to do so. With the embedded store
    /// the service must be stopped; with PostgreSQL it may go on.
    #[command(subcommand)]
    Sessions(Sessions),
    /// Bring in what another service keeps.
    #[command(subcommand)]
    Import(Import),
    /// Read the audit trail. With the embedded store the service must be stopped; with PostgreSQL it may go on.
    #[command(subcommand)]
    Audit(Audit),
    /// Print a script that makes a shell complete what is typed after `auth`.
    Completions {
        /// Which shell.
        #[arg(value_enum)]
        shell: Shell,
    },
}

/// What `auth health` is told.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub(crate) struct Health {
    /// Print what the server says of itself, as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `auth check-config` is told.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub(crate) struct CheckConfig {
    /// Print what is wrong, and what is odd, as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `auth migrate` is told.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub(crate) struct Migrate {
    /// Only say what would be done, and change nothing. Exit code 0 if that is nothing, 2 if it is something, and
    /// 1 if it cannot be done, for instance because the schema is newer than this program.
    #[arg(long)]
    pub(crate) check: bool,

    /// Print it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What can be done about administrators.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
pub(crate) enum Admin {
    /// Open an account and make it a root of the platform. Refused if there is an account with that address. With
    /// the embedded store the service must be stopped; with PostgreSQL it may go on.
    Create(CreateAdmin),
}

/// What `auth admin create` is told.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub(crate) struct CreateAdmin {
    /// Their e-mail address.
    #[arg(long, value_name = "ADDRESS", value_parser = email)]
    pub(crate) email: String,

    /// The file that holds their password on its first line. `-` is standard input.
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(crate) password_file: PathBuf,

    /// Say what was done as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// The shells there are completions for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Shell {
    /// bash(1).
    Bash,
    /// zsh(1).
    Zsh,
    /// fish(1).
    Fish,
}

/// What `auth keys` can do.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
pub(crate) enum Keys {
    /// Show each key: its id, what it signs with, where it is in its life.
    List {
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Make the key that signs next. It is known and published from now on, and signs after a while; the one that
    /// signs until then goes on verifying.
    Rotate {
        /// What it signs with.
        #[arg(long, value_enum, default_value = "EdDSA")]
        algorithm: KeyAlgorithm,
        /// When it begins to sign: long enough that every replica has read the directory by then, and whoever keeps
        /// the public keys has asked for them again; three seconds at least.
        #[arg(long, value_name = "SPAN", default_value = "10m", value_parser = positive_duration)]
        after: Duration,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Remove a key that signs no more, once no token that lives can need it. To see to that, it asks the store.
    Retire {
        /// Which.
        #[arg(value_name = "KID", value_parser = signing_key)]
        key: SigningKeyId,
        /// Also while tokens need it: they are refused from then on.
        #[arg(long)]
        force: bool,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
    /// Withdraw a key that others may have: what it signed is refused by every replica once this is done.
    Revoke {
        /// Which. Its file need not be here.
        #[arg(value_name = "KID", value_parser = signing_key)]
        key: SigningKeyId,
        /// As JSON.
        #[arg(long)]
        json: bool,
    },
}

/// What a new key signs with.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum KeyAlgorithm {
    /// Ed25519: the smallest signatures, and the fastest to make.
    #[value(name = "EdDSA")]
    EdDsa,
    /// ECDSA on P-256.
    #[value(name = "ES256")]
    Es256,
    /// RSA with 3072 bits, for verifiers that know nothing else.
    #[value(name = "RS256")]
    Rs256,
}

fn signing_key(text: &str) -> Result<SigningKeyId, BadSigningKeyId> {
    text.parse()
}

/// What `auth backup` is told.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub(crate) struct Backup {
    /// The file to write. It appears when it is whole. `-` is standard output.
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(crate) output: PathBuf,

    /// Also write password hashes: without them everybody has to set a new password after a restore. Keep such a
    /// file as you would keep the database.
    #[arg(long)]
    pub(crate) with_password_hashes: bool,

    /// Say what was written as JSON: on standard output, or on standard error if the backup goes there.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `auth restore` is told.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub(crate) struct Restore {
    /// The file to read. `-` is standard input.
    #[arg(long, value_name = "FILE", default_value = "-")]
    pub(crate) input: PathBuf,

    /// Do everything but write.
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Also bring back keys, members and platform roles that were taken away on purpose since the backup.
    #[arg(long)]
    pub(crate) revive: bool,

    /// What becomes of rows that are there already: they are passed over if they are the same, or all of it is
    /// refused.
    #[arg(long, value_enum, default_value = "skip")]
    pub(crate) existing: Existing,

    /// Print the report as JSON, which it always is.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `auth audit` can do.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
pub(crate) enum Audit {
    /// Check that every record is as it was written and in its place: prints what was found, and fails if
    /// something is wrong.
    Verify(AuditVerify),
    /// Explain a record that `verify` complains of, because it says that the service found the end before it not as it had
    /// left it: a record of its own says why, and `verify` is content again and tells of both.
    Acknowledge(AuditAcknowledge),
    /// Print the records of a trail, oldest first, one JSON object a line.
    List(AuditList),
}

/// What `auth audit verify` is told.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub(crate) struct AuditVerify {
    /// The end of a trail that an earlier run printed: the record must be there still, and unchanged. This is
    /// what finds out that the database was put back to an earlier state. Of the changes, unless it begins with
    /// `attempts:`; once for each trail.
    #[arg(long, value_name = "[TRAIL:]PLACE:DIGEST", value_parser = parse_end)]
    pub(crate) expect: Vec<End>,
    /// Print it as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// Where a trail ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct End {
    /// Which trail.
    pub(crate) trail: Trail,
    /// The place and digest of its last record.
    pub(crate) record: (i64, Digest),
}

/// What `auth audit acknowledge` is told.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub(crate) struct AuditAcknowledge {
    /// The place of the record, as `verify` prints it.
    #[arg(value_name = "PLACE")]
    pub(crate) place: i64,

    /// Why it is nothing to worry about, for whoever reads the trail later.
    #[arg(long, value_name = "TEXT")]
    pub(crate) reason: Name,

    /// In which trail.
    #[arg(long, value_enum, default_value = "changes")]
    pub(crate) trail: TrailName,

    /// Say what was done as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

/// What `auth audit list` is told.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub(crate) struct AuditList {
    /// Which trail: what was changed, or sign-ins and refusals.
    #[arg(long, value_enum, default_value = "changes")]
    pub(crate) trail: TrailName,

    /// Only records after this place: what an export that goes on has written last.
    #[arg(long, value_name = "PLACE", default_value_t = 0)]
    pub(crate) after: i64,

    /// Print records as JSON, which they always are.
    #[arg(long)]
    pub(crate) json: bool,
}

/// One of the two trails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TrailName {
    /// What was changed.
    Changes,
    /// Sign-ins and refusals.
    Attempts,
}

impl TrailName {
    /// The trail.
    pub(crate) const fn trail(self) -> Trail {
        match self {
            Self::Changes => Trail::Changes,
            Self::Attempts => Trail::Attempts,
        }
    }
}

fn parse_end(text: &str) -> Result<End, &'static str> {
    let named = text.split_once(':').and_then(|(trail, rest)| Some((trail.parse().ok()?, rest)));
    let (trail, rest) = named.unwrap_or((Trail::Changes, text));
    let record = rest
        .split_once(':')
        .and_then(|(place, digest)| Some((place.parse().ok()?, unhex(digest)?)));
    record.map(|record| End { trail, record }).ok_or(
        "must be a place, a colon and 64 hexadecimal digits, as `auth audit verify` prints it",
    )
}

/// What becomes of rows that are there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Existing {
    /// They are passed over if they are the same; if one differs, nothing is restored.
    Skip,
    /// Nothing is restored.
    Refuse,
}
