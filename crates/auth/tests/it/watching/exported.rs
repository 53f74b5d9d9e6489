//! What `/metrics` has, in Prometheus' text format.

use std::collections::{BTreeMap, BTreeSet};

/// Labels of a series of a name, and the values they were seen with.
pub type Labels = BTreeMap<String, BTreeSet<String>>;

/// Every series, by the name it is asked for by.
#[derive(Debug, Default)]
pub struct Exported {
    series: BTreeMap<String, Labels>,
    families: BTreeMap<String, BTreeSet<String>>,
}

impl Exported {
    pub fn read(text: &str) -> Self {
        let mut exported = Self::default();
        let mut kinds = BTreeMap::new();
        for line in text.lines() {
            if let Some(kind) = line.strip_prefix("# TYPE ") {
                let (name, kind) = kind.split_once(' ').unwrap();
                kinds.insert(name.to_owned(), kind.to_owned());
            }
            if line.starts_with('#') || line.is_empty() {
                continue;
            }
            let (name, labels) = sample(line);
            let family = ["_bucket", "_sum", "_count"]
                .iter()
                .filter_map(|end| name.strip_suffix(end))
                .find(|family| {
                    matches!(kinds.get(*family).map(String::as_str), Some("histogram" | "summary"))
                })
                .unwrap_or(name);
            let of_family = exported.families.entry(family.to_owned()).or_default();
            // These two are of the form, not of what is measured.
            let own = labels.iter().filter(|(label, _)| !matches!(&**label, "le" | "quantile"));
            of_family.extend(own.map(|(label, _)| label.clone()));
            let series = exported.series.entry(name.to_owned()).or_default();
            for (label, value) in labels {
                series.entry(label).or_default().insert(value);
            }
        }
        exported
    }

    /// The labels of what is asked for by this name.
    pub fn labels(&self, name: &str) -> Option<&Labels> {
        self.series.get(name)
    }

    /// The metrics, each under one name, and their labels.
    pub const fn families(&self) -> &BTreeMap<String, BTreeSet<String>> {
        &self.families
    }
}

/// The name and the labels of a line. No value of ours has a quote, a comma or a brace in it.
fn sample(line: &str) -> (&str, Vec<(String, String)>) {
    let Some((name, rest)) = line.split_once('{') else {
        return (line.split(' ').next().unwrap(), Vec::new());
    };
    let (labels, _) = rest.split_once('}').unwrap();
    let labels = labels.split(',').map(|label| {
        let (label, value) = label.split_once('=').unwrap();
        (label.to_owned(), value.trim_matches('"').to_owned())
    });
    (name, labels.collect())
}
