//! Invites to orgs.

use std::time::Duration;

use auth_domain::model::RedirectPath;

use super::values::positive_duration;

/// How long invites live, and where their mails may lead.
#[derive(Clone, Debug, clap::Args)]
#[command(next_help_heading = "Invites")]
pub(crate) struct Invites {
    /// How long an invite can be accepted.
    #[arg(long, env = "MF_INVITE_DURATION", default_value = "168h", value_parser = positive_duration)]
    pub(crate) invite_duration: Duration,

    /// Where the links in mails may lead: a list of paths separated by commas, each standing for itself and
    /// all below it. Whoever invites, signs up or asks for a new password names one of them; a link that proves the
    /// address of somebody who accepts an invite leads to the first unless they name one.
    #[arg(long, env = "MF_AUTH_REDIRECT_PATHS", default_value = "/", value_parser = paths)]
    pub(crate) redirect_paths: RedirectPaths,
}

/// A list of paths, never empty.
#[derive(Clone, Debug)]
pub(crate) struct RedirectPaths(pub(crate) Vec<RedirectPath>);

fn paths(text: &str) -> Result<RedirectPaths, String> {
    let paths = text.split(',').map(|path| path.trim().parse());
    let paths: Result<_, auth_domain::Error> = paths.collect();
    paths.map(RedirectPaths).map_err(|_| "is not a list of paths like /,/app/invites".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn s59_paths_that_links_may_lead_to_are_paths() {
        let read =
            |text| paths(text).map(|paths| paths.0.iter().map(|p| p.as_str().to_owned()).collect());
        assert_eq!(read("/"), Ok(vec!["/".to_owned()]));
        assert_eq!(read("/app, /v/invites/"), Ok(vec!["/app".to_owned(), "/v/invites".to_owned()]));
        for odd in [",", "/app,", "app", "//evil.example", "https://evil.example/", "/a?b"] {
            assert!(read(odd).is_err(), "{odd}");
        }
    }
}
