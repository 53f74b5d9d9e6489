//! Every link of a document to another one, or to a chapter, leads somewhere.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use auth_testkit::workspace;

/// README, CHANGELOG and all below `docs`.
pub fn pages() -> Vec<PathBuf> {
    let mut pages = vec![workspace().join("README.md"), workspace().join("CHANGELOG.md")];
    let mut dirs = vec![workspace().join("docs")];
    while let Some(dir) = dirs.pop() {
        for entry in fs::read_dir(dir).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                dirs.push(path);
            } else if path.extension().is_some_and(|end| end == "md") {
                pages.push(path);
            }
        }
    }
    pages
}

/// The names of a page's chapters, as links have them.
fn anchors(text: &str) -> BTreeSet<String> {
    let headings = text.lines().filter(|line| line.starts_with('#'));
    headings
        .map(|line| {
            let words = line.trim_start_matches('#').trim().to_lowercase();
            let kept = words.chars().filter(|c| c.is_alphanumeric() || " -_".contains(*c));
            kept.map(|c| if c == ' ' { '-' } else { c }).collect()
        })
        .collect()
}

/// Why a link of this page leads nowhere, if it does.
fn broken(page: &Path, link: &str) -> Option<String> {
    if link.contains("://") {
        return None;
    }
    let (file, chapter) = link.split_once('#').unwrap_or((link, ""));
    let target = if file.is_empty() { page.to_owned() } else { page.parent().unwrap().join(file) };
    if !target.exists() {
        return Some(format!("{}: no {link}", page.display()));
    }
    let is_there =
        chapter.is_empty() || anchors(&fs::read_to_string(&target).unwrap()).contains(chapter);
    (!is_there).then(|| format!("{}: no chapter {link}", page.display()))
}

#[test]
fn every_link_leads_to_a_file_and_a_chapter() {
    let (mut links, mut problems) = (0, Vec::new());
    for page in pages() {
        let text = fs::read_to_string(&page).unwrap();
        for rest in text.split("](").skip(1) {
            links += 1;
            problems.extend(broken(&page, rest.split(')').next().unwrap()));
        }
    }
    assert!(links > 150 && problems.is_empty(), "{links}: {problems:#?}");
}
