//! What the binary can do, and what it has to be told for it.

use std::path::PathBuf;

use clap::ValueEnum;

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
    /// Read the audit trail. With the embedded store the service must be stopped; with PostgreSQL it may go on.
    #[command(subcommand)]
    Audit(Audit),
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

/// What `auth audit` can do.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
pub(crate) enum Audit {
    /// Check that every record is as it was written and in its place: prints what was found, and fails if
    /// something is wrong.
    Verify(AuditVerify),
    /// Print the records of a trail, oldest first, one JSON object a line.
    List(AuditList),
}

/// What `auth audit verify` is told.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub(crate) struct AuditVerify {
    /// The end of the changes that an earlier run printed: the record must be there still, and unchanged. This is
    /// what finds out that the database was put back to an earlier state.
    #[arg(long, value_name = "PLACE:DIGEST", value_parser = parse_end)]
    pub(crate) expect: Option<(i64, auth_domain::audit::Digest)>,
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
}

/// One of the two trails.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TrailName {
    /// What was changed.
    Changes,
    /// Sign-ins and refusals.
    Attempts,
}

fn parse_end(text: &str) -> Result<(i64, auth_domain::audit::Digest), &'static str> {
    let parts = text.split_once(':').and_then(|(place, digest)| {
        Some((place.parse().ok()?, auth_domain::audit::unhex(digest)?))
    });
    parts.ok_or(
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
