//! What the binary can do, and what it has to be told for it.

use std::path::PathBuf;
use std::time::Duration;

use auth_domain::model::{BadSigningKeyId, SigningKeyId};
use clap::ValueEnum;

use super::values::positive_duration;

/// What the binary can do.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
pub(crate) enum Command {
    /// Serve until told to stop.
    Serve,
    /// Ask the server on this machine whether it is ready; the exit code is the answer.
    Health,
    /// Write everything the store holds, as it is at one moment, to a file. With the embedded store the service
    /// must be stopped; with PostgreSQL it may go on.
    Backup(Backup),
    /// Bring back what a backup holds: all of it or nothing. With the embedded store the service must be
    /// stopped; with PostgreSQL it may go on, but waits while much is restored.
    Restore(Restore),
    /// Look after the directory of signing keys, `MF_AUTH_SIGNING_KEYS`. The service may go on, and finds what is new
    /// by itself.
    Keys {
        /// What to do.
        #[command(subcommand)]
        command: Keys,
    },
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
}

/// What becomes of rows that are there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Existing {
    /// They are passed over if they are the same; if one differs, nothing is restored.
    Skip,
    /// Nothing is restored.
    Refuse,
}
