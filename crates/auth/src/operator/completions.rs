//! `auth completions`: scripts for shells, made from the same description as the help.

use std::process::ExitCode;

use clap_complete::generate;

use super::print as say;
use crate::config::{Shell, command, is_secret, without_environment};

/// Prints the script for this shell.
pub(crate) fn print(shell: Shell) -> Result<ExitCode, String> {
    let shell = match shell {
        Shell::Bash => clap_complete::Shell::Bash,
        Shell::Zsh => clap_complete::Shell::Zsh,
        Shell::Fish => clap_complete::Shell::Fish,
    };
    // A secret is refused among the flags, so that none may be offered.
    let all = command();
    let flags = all.get_arguments().filter(|setting| !is_secret(setting)).cloned();
    let mut offered = clap::Command::new("auth")
        .version(env!("CARGO_PKG_VERSION"))
        .args(flags.map(without_environment))
        .subcommands(all.get_subcommands().cloned());
    let mut script = Vec::new();
    generate(shell, &mut offered, "auth", &mut script);
    say(String::from_utf8_lossy(&script).trim_end())
}
