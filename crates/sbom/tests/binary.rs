//! What `make sbom` says of the binary, held against what Cargo and `deny.toml` say.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use auth_sbom::{Component, Inventory};

fn workspace() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

fn asked() -> Inventory {
    Inventory::of(&workspace(), "auth").unwrap()
}

/// Asked once for all tests: Cargo takes a second to answer.
fn inventory() -> &'static Inventory {
    static INVENTORY: LazyLock<Inventory> = LazyLock::new(asked);
    &INVENTORY
}

#[test]
fn everything_in_the_binary_is_named_with_what_it_was_made_from() {
    let inventory = inventory();
    let named = |name: &str| inventory.components().find(|it| it.name == name);
    for library in ["tokio", "rustls", "sqlx", "aws-lc-sys", "auth-domain"] {
        assert!(named(library).unwrap().inside, "{library}");
    }
    for only_builds in ["protox", "serde_derive"] {
        assert!(!named(only_builds).unwrap().inside, "{only_builds}");
    }
    for only_tests in ["proptest", "expect-test", "auth-testkit", "auth-sbom"] {
        assert!(named(only_tests).is_none(), "{only_tests}");
    }
    for it in inventory.components() {
        let ours = it.name == "auth" || it.name.starts_with("auth-");
        let sum = it.sha256.as_ref().is_some_and(|sum| sum.len() == 64);
        assert_eq!(sum, !ours, "{}", it.name);
    }
}

#[test]
fn every_licence_is_one_that_deny_toml_allows() {
    let deny: toml::Table =
        std::fs::read_to_string(workspace().join("deny.toml")).unwrap().parse().unwrap();
    let allowed: BTreeSet<&str> = deny["licenses"]["allow"]
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it.as_str().unwrap())
        .collect();
    let inventory = inventory();
    let refused = |it: &&Component| {
        let licence = spdx::Expression::parse(&it.licence).unwrap();
        !licence.evaluate(|asked| {
            asked.license.id().is_some_and(|id| allowed.contains(id.name))
                && asked.addition.is_none()
        })
    };
    let refused: Vec<_> = inventory.components().filter(refused).collect();
    assert!(refused.is_empty(), "{refused:?}");
}

#[test]
fn the_document_is_whole_and_comes_out_the_same() {
    let inventory = inventory();
    let document = inventory.cyclone_dx();
    assert_eq!(
        (&document["bomFormat"], &document["specVersion"]),
        (&"CycloneDX".into(), &"1.5".into())
    );
    assert_eq!(document["metadata"]["component"]["name"], "auth");
    let components = document["components"].as_array().unwrap();
    let root = &document["metadata"]["component"];
    let known: BTreeSet<_> =
        components.iter().chain([root]).map(|it| it["bom-ref"].as_str().unwrap()).collect();
    assert_eq!(known.len(), components.len() + 1, "no two have one reference");
    let dependencies = document["dependencies"].as_array().unwrap();
    let mut needed = BTreeSet::new();
    for it in dependencies {
        assert!(known.contains(it["ref"].as_str().unwrap()), "{it}");
        needed.extend(it["dependsOn"].as_array().unwrap().iter().map(|on| on.as_str().unwrap()));
    }
    assert_eq!(dependencies.len(), known.len());
    let root = root["bom-ref"].as_str().unwrap();
    let unneeded: Vec<_> =
        known.iter().filter(|it| **it != root && !needed.contains(**it)).collect();
    assert!(unneeded.is_empty(), "nothing needs {unneeded:?}");
    assert!(needed.is_subset(&known));
    assert_eq!(document, asked().cyclone_dx());
}

#[test]
fn the_report_has_every_licence_and_its_text() {
    let report = inventory().report().unwrap();
    assert!(report.contains("| MIT OR Apache-2.0 | "), "{report:.2000}");
    assert!(report.contains("tokio 1.") && report.contains("Copyright (c) Tokio Contributors"));
}
