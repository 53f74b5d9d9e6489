//! What the operator brings in from elsewhere.

use std::path::PathBuf;

use url::Url;

/// What `auth import` can do.
#[derive(Clone, Debug, PartialEq, Eq, clap::Subcommand)]
pub(crate) enum Import {
    /// Bring in the accounts of the users service of Mainflux v0.33, with their ids and passwords: all of them or none.
    /// Those that are here already stay as they are, so that it can be done again. Exit code 1 if some cannot be brought
    /// in. With the embedded store the service must be stopped; with PostgreSQL it may go on.
    Users(ImportUsers),
}

/// What `auth import users` is told.
#[derive(Clone, Debug, PartialEq, Eq, clap::Args)]
pub(crate) struct ImportUsers {
    /// The database of that service, which is only read: `postgres://USER@HOST:PORT/DATABASE`, with `?sslmode=…` if it
    /// needs that, and without a password.
    #[arg(long, value_name = "URL")]
    pub(crate) from: String,

    /// The file that holds the password of that database on its first line. `-` is standard input. Without it, there is
    /// none.
    #[arg(long, value_name = "FILE")]
    pub(crate) password_file: Option<PathBuf>,

    /// Leave out those that cannot be brought in, instead of bringing in nobody.
    #[arg(long)]
    pub(crate) leave_out: bool,

    /// Do everything but write.
    #[arg(long)]
    pub(crate) dry_run: bool,

    /// Say what was done as JSON.
    #[arg(long)]
    pub(crate) json: bool,
}

impl ImportUsers {
    /// The database to read. Not looked at before, because what is wrong with an argument is said with the argument, and
    /// this one may hold a password after all.
    pub(crate) fn database(&self) -> Result<&str, String> {
        match check(&self.from) {
            Ok(()) => Ok(&self.from),
            Err(problem) => Err(format!("--from: {problem}")),
        }
    }
}

fn check(text: &str) -> Result<(), &'static str> {
    let url =
        Url::parse(text).map_err(|_| "must be a URL, like postgres://user@host:5432/users")?;
    if !["postgres", "postgresql"].contains(&url.scheme()) {
        return Err("must begin with postgres://");
    }
    // Everybody on the machine could read it.
    if url.password().is_some() || url.query_pairs().any(|(name, _)| name == "password") {
        return Err("must not hold the password: use --password-file");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_password_has_no_place_in_an_argument() {
        for good in ["postgres://a@b/users", "postgresql://a@b:1/users?sslmode=require"] {
            assert_eq!(check(good), Ok(()));
        }
        for bad in
            ["postgres://a:b@c/users", "postgres://a@c/users?password=b", "mysql://a@b/c", "a"]
        {
            assert!(check(bad).is_err(), "{bad}");
        }
    }
}
