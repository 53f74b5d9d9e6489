//! The same numbers in the format of OpenMetrics 1.0, which is the one that has exemplars: the trace of a request
//! that fell into a bucket.

use std::collections::HashSet;
use std::fmt::Write;

/// Whether whoever sends this `Accept` header (RFC 9110 section 12.5.1) rather has OpenMetrics than the older text
/// format. Whoever says nothing of it gets that one.
#[must_use]
pub fn is_wanted(accept: &str) -> bool {
    let (mut wanted, mut older) = (0.0_f32, 0.0_f32);
    for range in accept.split(',') {
        let mut parts = range.split(';').map(str::trim);
        let kind = parts.next().unwrap_or_default();
        let quality = parts.find_map(|part| part.strip_prefix("q=")).unwrap_or("1");
        let quality = quality.parse().unwrap_or(0.0_f32);
        if kind.eq_ignore_ascii_case("application/openmetrics-text") {
            wanted = wanted.max(quality);
        } else if kind.eq_ignore_ascii_case("text/plain") {
            older = older.max(quality);
        }
    }
    wanted > 0.0 && wanted >= older
}

/// From the older text format to this one. Families of counters lose their `_total`, which only samples have here;
/// a counter whose samples have none, as some names of the original, is of no type that this format knows; there are
/// no empty lines, and the end is marked.
pub(super) fn from_text(text: &str) -> String {
    let counters: HashSet<&str> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE ")?.strip_suffix(" counter"))
        .collect();
    let family = |name: &str| -> String {
        let name = if counters.contains(name) {
            name.strip_suffix("_total").unwrap_or(name)
        } else {
            name
        };
        name.to_owned()
    };
    let mut out = String::with_capacity(text.len());
    for line in text.lines().filter(|line| !line.is_empty()) {
        // Writing to a text does not fail.
        let _ = if let Some((name, kind)) = words(line, "# TYPE ") {
            let kind =
                if kind == "counter" && !name.ends_with("_total") { "unknown" } else { kind };
            writeln!(out, "# TYPE {} {kind}", family(name))
        } else if let Some((name, help)) = words(line, "# HELP ") {
            writeln!(out, "# HELP {} {}", family(name), help.replace('"', "\\\""))
        } else {
            writeln!(out, "{line}")
        };
    }
    out.push_str("# EOF\n");
    out
}

fn words<'a>(line: &'a str, begins: &str) -> Option<(&'a str, &'a str)> {
    line.strip_prefix(begins)?.split_once(' ')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_asks_for_it_gets_it() {
        for wanting in [
            "application/openmetrics-text",
            "application/openmetrics-text; version=1.0.0; charset=utf-8",
            "application/openmetrics-text;version=1.0.0;q=0.75,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
            "text/plain;q=0.2, Application/OpenMetrics-Text;q=0.3",
        ] {
            assert!(is_wanted(wanting), "{wanting}");
        }
        for other in [
            "",
            "*/*",
            "text/plain",
            "text/plain;version=0.0.4",
            "text/plain, application/openmetrics-text;q=0.5",
            "application/openmetrics-text;q=0",
            "application/openmetrics-text;q=x",
            "application/openmetrics",
        ] {
            assert!(!is_wanted(other), "{other}");
        }
    }

    #[test]
    fn it_is_the_older_format_with_other_names_of_families_and_an_end() {
        let older = "# HELP a_total How \"often\".\n# TYPE a_total counter\na_total{b=\"c\"} 1\n\n\
                     # TYPE d_count counter\nd_count 2\n# TYPE e gauge\ne 3\n";
        assert_eq!(
            from_text(older),
            "# HELP a How \\\"often\\\".\n# TYPE a counter\na_total{b=\"c\"} 1\n\
             # TYPE d_count unknown\nd_count 2\n# TYPE e gauge\ne 3\n# EOF\n"
        );
    }
}
