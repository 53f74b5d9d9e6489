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

#[test]
fn the_example_names_exactly_the_settings_there_are_with_their_defaults() {
    let file = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../.env.example");
    let text = std::fs::read_to_string(file).unwrap();
    let mut example: BTreeMap<String, String> = BTreeMap::new();
    for line in text.lines() {
        let Some((name, value)) = line.trim_start_matches(['#', ' ']).split_once('=') else {
            continue;
        };
        let is_name = |c: char| c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_';
        if !name.is_empty() && name.chars().all(is_name) {
            let again = example.insert(name.to_owned(), value.to_owned());
            assert_eq!(again, None, "{name} is there twice");
        }
    }
    let settings: BTreeMap<String, String> = settings()
        .iter()
        .map(|setting| (environment::name(setting).unwrap().to_owned(), default(setting)))
        .collect();
    for (name, default) in &settings {
        assert_eq!(example.get(name), Some(default), "{name}");
    }
    for name in example.keys() {
        assert!(settings.contains_key(name), "{name} is no setting");
    }
}
