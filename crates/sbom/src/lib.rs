//! What a binary is made of, and under which licences: asked of Cargo, written as CycloneDX 1.5 and as a report.
//!
//! [`Inventory::of`] asks; [`Inventory::cyclone_dx`] and [`Inventory::report`] write. Both come out the same for the
//! same `Cargo.lock`: there is no time and no random number in them.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use serde::Deserialize;
use serde_json::{Value, json};

/// What the binary is built for.
const TARGET: &str = "x86_64-unknown-linux-gnu";

/// A library, by name and version.
type Key = (String, String);

/// What a binary is made of.
#[derive(Debug)]
pub struct Inventory {
    root: Key,
    components: BTreeMap<Key, Component>,
}

/// One library of it.
#[derive(Debug)]
pub struct Component {
    /// What it is called.
    pub name: String,
    /// Its version.
    pub version: String,
    /// Its licence, as an SPDX expression.
    pub licence: String,
    /// The SHA-256 of what was downloaded, in hexadecimal digits; none for what is in this repository.
    pub sha256: Option<String>,
    /// Whether it is in the binary; if not, it was only used to build it.
    pub inside: bool,
    description: Option<String>,
    repository: Option<String>,
    directory: PathBuf,
    needs: BTreeSet<Key>,
}

impl Component {
    fn reference(&self) -> String {
        format!("pkg:cargo/{}@{}", self.name, self.version)
    }
}

#[derive(Deserialize)]
struct Metadata {
    packages: Vec<Package>,
    resolve: Resolve,
}

#[derive(Deserialize)]
struct Package {
    id: String,
    name: String,
    version: String,
    license: Option<String>,
    description: Option<String>,
    repository: Option<String>,
    manifest_path: PathBuf,
}

#[derive(Deserialize)]
struct Resolve {
    nodes: Vec<Node>,
}

#[derive(Deserialize)]
struct Node {
    id: String,
    deps: Vec<Dependency>,
}

#[derive(Deserialize)]
struct Dependency {
    pkg: String,
    dep_kinds: Vec<Kind>,
}

#[derive(Deserialize)]
struct Kind {
    kind: Option<String>,
}

#[derive(Deserialize)]
struct Lock {
    package: Vec<Locked>,
}

#[derive(Deserialize)]
struct Locked {
    name: String,
    version: String,
    checksum: Option<String>,
}

impl Inventory {
    /// What this package of the workspace in this directory is made of.
    ///
    /// # Errors
    ///
    /// When Cargo cannot say, or a library does not name its licence.
    pub fn of(workspace: &Path, package: &str) -> Result<Self> {
        let metadata =
            cargo(workspace, &["metadata", "--format-version", "1", "--filter-platform", TARGET])?;
        let metadata: Metadata =
            serde_json::from_str(&metadata).context("what Cargo says of packages")?;
        let lock = std::fs::read_to_string(workspace.join("Cargo.lock")).context("Cargo.lock")?;
        let lock: Lock = toml::from_str(&lock).context("Cargo.lock")?;
        let mut checksums: BTreeMap<Key, Option<String>> =
            lock.package.into_iter().map(|it| ((it.name, it.version), it.checksum)).collect();
        // The tree is asked for as well: metadata has the features of the whole workspace, tests included.
        let all = tree(workspace, package, "normal,build")?;
        let inside = tree(workspace, package, "normal,no-proc-macro")?;
        let keys: BTreeMap<String, Key> = metadata
            .packages
            .iter()
            .map(|it| (it.id.clone(), (it.name.clone(), it.version.clone())))
            .collect();
        let mut needs: BTreeMap<Key, BTreeSet<Key>> = BTreeMap::new();
        for node in metadata.resolve.nodes {
            let Some(key) = keys.get(&node.id) else { continue };
            let built_with =
                |it: &&Dependency| it.dep_kinds.iter().any(|it| it.kind.as_deref() != Some("dev"));
            let needed = node.deps.iter().filter(built_with).filter_map(|it| keys.get(&it.pkg));
            needs.insert(key.clone(), needed.filter(|key| all.contains(*key)).cloned().collect());
        }
        let mut components = BTreeMap::new();
        for found in metadata.packages {
            let key = (found.name.clone(), found.version.clone());
            if !all.contains(&key) {
                continue;
            }
            let component = Component {
                licence: licence(&found)?,
                sha256: checksums.remove(&key).flatten(),
                inside: inside.contains(&key),
                needs: needs.remove(&key).unwrap_or_default(),
                directory: found.manifest_path.parent().map(Path::to_owned).unwrap_or_default(),
                name: found.name,
                version: found.version,
                description: found.description,
                repository: found.repository,
            };
            components.insert(key, component);
        }
        let root = components.keys().find(|(name, _)| name == package).cloned();
        Ok(Self {
            root: root.with_context(|| format!("there is no package {package}"))?,
            components,
        })
    }

    /// The libraries, in the order of their names; the package itself is among them.
    pub fn components(&self) -> impl Iterator<Item = &Component> {
        self.components.values()
    }

    /// The document, as CycloneDX 1.5 has it.
    #[must_use]
    pub fn cyclone_dx(&self) -> Value {
        let others = self.components.iter().filter(|(key, _)| **key != self.root);
        let reference = |key: &Key| self.components.get(key).map(Component::reference);
        let depends = |it: &Component| {
            let on: Vec<_> = it.needs.iter().filter_map(reference).collect();
            json!({ "ref": it.reference(), "dependsOn": on })
        };
        json!({
            "bomFormat": "CycloneDX",
            "specVersion": "1.5",
            "version": 1,
            "metadata": { "component": self.components.get(&self.root).map(|it| described(it, "application")) },
            "components": others.map(|(_, it)| described(it, "library")).collect::<Vec<_>>(),
            "dependencies": self.components.values().map(depends).collect::<Vec<_>>(),
        })
    }

    /// The licences and who is under them, and the texts that came with the libraries, each once.
    ///
    /// # Errors
    ///
    /// When a text cannot be read.
    pub fn report(&self) -> Result<String> {
        let mut by_licence: BTreeMap<&str, Vec<String>> = BTreeMap::new();
        let mut by_text: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
        for it in self.components.values() {
            let name = format!("{} {}", it.name, it.version);
            by_licence.entry(&it.licence).or_default().push(name.clone());
            // Ours is the same for all of our own.
            let texts = if it.sha256.is_some() { texts(&it.directory)? } else { Vec::new() };
            for text in texts {
                by_text.entry(text).or_default().insert(name.clone());
            }
        }
        let mut report = String::from("# Licences\n\n| Licence | Libraries |\n| --- | --- |\n");
        for (licence, names) in by_licence {
            writeln!(report, "| {licence} | {} |", names.join(", "))?;
        }
        for (text, names) in by_text {
            let names: Vec<_> = names.into_iter().collect();
            write!(report, "\n## {}\n\n```text\n{}\n```\n", names.join(", "), text.trim_end())?;
        }
        Ok(report)
    }
}

/// A library, as CycloneDX has it.
fn described(it: &Component, kind: &str) -> Value {
    let mut said = json!({
        "type": kind,
        "bom-ref": it.reference(),
        "name": it.name,
        "version": it.version,
        "scope": if it.inside { "required" } else { "excluded" },
        "licenses": [{ "expression": it.licence }],
    });
    let mut also = |name: &str, value: Option<Value>| {
        if let (Some(said), Some(value)) = (said.as_object_mut(), value) {
            said.insert(name.to_owned(), value);
        }
    };
    also("description", it.description.as_ref().map(|text| json!(text.trim())));
    // What is in this repository cannot be had by that address.
    also("purl", it.sha256.as_ref().map(|_| json!(it.reference())));
    also("hashes", it.sha256.as_ref().map(|sum| json!([{ "alg": "SHA-256", "content": sum }])));
    also(
        "externalReferences",
        it.repository.as_ref().map(|url| json!([{ "type": "vcs", "url": url }])),
    );
    said
}

/// The licence as SPDX writes it today: older packages have a slash for "or".
fn licence(package: &Package) -> Result<String> {
    let Some(given) = &package.license else { bail!("{} does not name its licence", package.name) };
    let canonical = spdx::Expression::canonicalize(given)
        .with_context(|| format!("the licence of {}: {given}", package.name))?;
    Ok(canonical.unwrap_or_else(|| given.clone()))
}

/// The licences and notices that came with a package.
fn texts(directory: &Path) -> Result<Vec<String>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).with_context(|| directory.display().to_string())? {
        let file = entry?.path();
        let name = file.file_name().unwrap_or_default().to_string_lossy().to_uppercase();
        let begins = ["LICENSE", "LICENCE", "COPYING", "NOTICE", "COPYRIGHT"];
        if begins.iter().any(|begin| name.starts_with(begin)) && file.is_file() {
            let text = std::fs::read(&file).with_context(|| file.display().to_string())?;
            found.push(String::from_utf8_lossy(&text).replace("\r\n", "\n"));
        }
    }
    Ok(found)
}

/// What the package needs by these edges, as `cargo tree` finds it: only what its own features ask for.
fn tree(workspace: &Path, package: &str, edges: &str) -> Result<BTreeSet<Key>> {
    let arguments = [
        "tree",
        "--package",
        package,
        "--edges",
        edges,
        "--target",
        TARGET,
        "--prefix",
        "none",
        "--format",
        "{p}",
    ];
    let listed = cargo(workspace, &arguments)?;
    let keys = listed.lines().filter_map(|line| {
        let mut words = line.split(' ');
        let (name, version) = (words.next()?, words.next()?.strip_prefix('v')?);
        Some((name.to_owned(), version.to_owned()))
    });
    Ok(keys.collect())
}

fn cargo(workspace: &Path, arguments: &[&str]) -> Result<String> {
    let output =
        Command::new("cargo").args(arguments).arg("--locked").current_dir(workspace).output();
    let output = output.context("cargo cannot be started")?;
    if !output.status.success() {
        bail!("cargo {}: {}", arguments.join(" "), String::from_utf8_lossy(&output.stderr).trim());
    }
    String::from_utf8(output.stdout).context("what cargo says")
}
