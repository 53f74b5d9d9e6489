//! `docs/configuration.md` and `.env.example` say what the settings are.

use std::collections::BTreeMap;
use std::fmt::Write;

use clap::Arg;
use expect_test::expect_file;

use super::{command, environment};

const INTRODUCTION: &str = "\
# Configuration

Written by a test from the code; `UPDATE_EXPECT=1 cargo test -p auth manual` writes it again.

Every setting is an environment variable; `auth --help` shows the same. One that is set to nothing counts as unset. Most are flags as
well, `MF_AUTH_HTTP_PORT` as `--http-port`, and a flag wins. Those marked *secret* are not: instead, the same name with `_FILE` at its
end takes the path of a file that holds the value.

Spans of time are written as `10h`, `1h30m`, `1.5s` or `500ms`, numbers of bytes as `65536`, `64KiB` or `1MiB`. Yes and no are `true`
and `false`, or `1`, `t`, `T`, `TRUE`, `True`, `0`, `f`, `F`, `FALSE`, `False`.

A value that cannot be read, or two that contradict each other, stop the start with one line. A variable that begins with `MF_AUTH_`
and is not listed here is named in a warning.
";

fn settings() -> Vec<Arg> {
    let command = command();
    let settings = command.get_arguments().filter(|setting| environment::name(setting).is_some());
    settings.cloned().collect()
}

fn default(setting: &Arg) -> String {
    let values: Vec<_> =
        setting.get_default_values().iter().map(|value| value.to_string_lossy()).collect();
    values.join(",")
}

/// The manual of a setting as one line; clap drops the full stop at its end.
fn manual(setting: &Arg) -> String {
    let manual = setting.get_long_help().or(setting.get_help()).unwrap().to_string();
    let manual = manual.replace('\n', " ").replace('|', "\\|");
    format!("{}.", manual.trim_end_matches('.'))
}

#[test]
fn the_manual_is_what_the_code_says() {
    let mut text = INTRODUCTION.to_owned();
    let mut heading = None;
    for setting in settings() {
        if heading != setting.get_help_heading().map(str::to_owned) {
            heading = setting.get_help_heading().map(str::to_owned);
            let heading = heading.as_deref().unwrap();
            write!(
                text,
                "\n## {heading}\n\n| Setting | Default | What it is |\n| --- | --- | --- |\n"
            )
            .unwrap();
        }
        let name = environment::name(&setting).unwrap();
        let default = match (default(&setting), environment::is_secret(&setting)) {
            (_, true) => "*secret*".to_owned(),
            (none, _) if none.is_empty() => String::new(),
            (default, _) => format!("`{}`", default.replace('|', "\\|")),
        };
        writeln!(text, "| `{name}` | {default} | {} |", manual(&setting)).unwrap();
    }
    expect_file!["../../../../docs/configuration.md"].assert_eq(&text);
}

/// The manual pages of a command and of those below it, by file name.
fn pages(command: &clap::Command, all: &mut BTreeMap<String, String>) {
    let page = clap_mangen::Man::new(command.clone());
    let mut text = Vec::new();
    page.render(&mut text).unwrap();
    all.insert(page.get_filename(), String::from_utf8(text).unwrap());
    for below in command.get_subcommands() {
        pages(below, all);
    }
}

#[test]
fn the_manual_pages_are_what_the_code_says() {
    let mut command = command().disable_help_subcommand(true);
    command.build();
    let mut all = BTreeMap::new();
    pages(&command, &mut all);
    assert!(all["auth.1"].contains("MF_AUTH_HTTP_PORT") && all.contains_key("auth-admin-create.1"));
    let folder = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/man");
    for (name, page) in &all {
        expect_test::expect_file![folder.join(name)].assert_eq(page);
    }
    let there = std::fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name());
    let odd = there.filter(|name| !all.contains_key(name.to_str().unwrap()));
    assert_eq!(odd.count(), 0, "a page of a command that is gone");
}

#[test]
fn every_setting_says_what_it_is_and_where_it_belongs() {
    for setting in settings() {
        let name = environment::name(&setting).unwrap();
        assert!(setting.get_help_heading().is_some(), "{name} has no heading");
        assert!(manual(&setting).len() > 10, "{name} has no manual");
    }
}

const EXAMPLE: &str = "\
# Every setting, with its default. `auth --help` says more about each.
#
# Written by a test from the code, as docs/configuration.md is. Copy this to .env for docker/compose.yml, or set what
# differs in the environment of `auth`. An empty value counts as unset. Spans of time look like 10h, 1h30m or 500ms.
";

/// What somebody has to decide before a first start with PostgreSQL; in the example they stand first.
const NEEDED: &[&str] = &["MF_AUTH_SECRET", "MF_USERS_ADMIN_EMAIL", "MF_USERS_ADMIN_PASSWORD"];

/// What a setting is, in a sentence, and what it means to leave it out.
fn in_short(setting: &Arg) -> String {
    let manual = setting.get_long_help().or(setting.get_help()).unwrap().to_string();
    let manual = format!("{}.", manual.replace('\n', " ").trim_end_matches('.'));
    let is_said = |(n, sentence): &(usize, &str)| *n == 0 || sentence.starts_with("Unset");
    let sentences = manual.split_inclusive(". ").enumerate().filter(is_said);
    sentences.map(|(_, sentence)| sentence).collect::<String>().trim_end().to_owned()
}

/// The text in lines of a comment.
fn comment(text: &str) -> String {
    let mut lines = vec!["#".to_owned()];
    for word in text.split(' ') {
        match lines.last_mut() {
            Some(line) if line.len().saturating_add(word.len()) < 120 => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(format!("# {word}")),
        }
    }
    lines.join("\n")
}

#[test]
fn the_example_is_what_the_code_says() {
    let settings = settings();
    let is_needed = |setting: &Arg| NEEDED.contains(&environment::name(setting).unwrap());
    let (needed, others): (Vec<_>, Vec<_>) = settings.iter().partition(|it| is_needed(it));
    assert_eq!(needed.len(), NEEDED.len());
    let mut text = EXAMPLE.to_owned();
    let mut section = String::new();
    for setting in needed.into_iter().chain(others) {
        let (heading, off) = match setting.get_help_heading() {
            _ if is_needed(setting) => ("Needed with PostgreSQL", ""),
            heading => (heading.unwrap(), "# "),
        };
        if section != heading {
            heading.clone_into(&mut section);
            writeln!(text, "\n{:-<100}\n", format!("# --- {heading} ")).unwrap();
        }
        let name = environment::name(setting).unwrap();
        writeln!(text, "{}\n{off}{name}={}", comment(&in_short(setting)), default(setting))
            .unwrap();
    }
    expect_file!["../../../../.env.example"].assert_eq(&text);
}
