//! A row a fault: what `make test-faults` prints, and docs/reliability.md holds.

use std::fs;
use std::io::Write;
use std::path::{Path, PathBuf};
use std::time::Duration;

use auth_testkit::workspace;

/// `KEYWARD_FAULTS=file` breaks everything for longer, and adds the rows to the file; `make test-faults` does.
#[expect(clippy::disallowed_methods, reason = "how long the test takes is for whoever runs it")]
fn file() -> Option<PathBuf> {
    std::env::var("KEYWARD_FAULTS").ok().map(PathBuf::from)
}

/// How long something is broken: the first, or the second when there is time for it.
pub fn span(short: Duration, long: Duration) -> Duration {
    if file().is_some() { long } else { short }
}

/// How often something is done, likewise.
pub fn rounds(short: usize, long: usize) -> usize {
    if file().is_some() { long } else { short }
}

/// What came of a fault.
#[derive(Clone, Copy, Debug)]
pub struct Row {
    /// What was broken.
    pub fault: &'static str,
    /// For how long.
    pub lasted: Duration,
    /// How many calls were made from its beginning to the end of the test.
    pub requests: usize,
    /// How many of them were told to come again, or not answered.
    pub failed: usize,
    /// How long after its end the last call failed; nothing if none did.
    pub recovered: Option<Duration>,
}

impl Row {
    /// Prints it. There are no wrong answers, because the first one fails the test.
    pub fn print(self) {
        let Self { fault, lasted, requests, failed, recovered } = self;
        let recovered = recovered
            .map_or_else(|| "at once".to_owned(), |it| format!("{:.1} s", it.as_secs_f64()));
        let lasted = lasted.as_secs_f64();
        let row = format!("| {fault} | {lasted:.1} s | {requests} | {failed} | 0 | {recovered} |");
        println!("\n{row}");
        assert!(
            document().contains(&format!("| {fault} |")),
            "docs/reliability.md does not list it"
        );
        if let Some(file) = file() {
            let mut file = fs::File::options().create(true).append(true).open(file).unwrap();
            writeln!(file, "{row}").unwrap();
        }
    }
}

fn document() -> String {
    fs::read_to_string(workspace().join("docs/reliability.md")).unwrap()
}

/// All source files below the directory, one after another.
fn sources(dir: &Path, text: &mut String) {
    for entry in fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            sources(&path, text);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            text.push_str(&fs::read_to_string(path).unwrap());
        }
    }
}

#[test]
fn every_test_that_the_document_names_is_there() {
    let mut code = String::new();
    sources(&workspace().join("crates"), &mut code);
    let document = document();
    let is_name = |word: &&str| {
        word.matches('_').count() > 3
            && word.chars().all(|c| c == '_' || c.is_ascii_lowercase() || c.is_ascii_digit())
    };
    let names: Vec<_> = document.split('`').filter(is_name).collect();
    assert!(names.len() > 20, "{names:?}");
    let missing: Vec<_> =
        names.iter().filter(|name| !code.contains(&format!("fn {name}("))).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
