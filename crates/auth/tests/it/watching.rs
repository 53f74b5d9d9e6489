//! What operators watch: the dashboard, the alerts and the manual speak of what the binary exports, and of
//! nothing else.

mod exported;
mod expression;

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use auth_domain::Error;
use auth_domain::ops::NAMES;
use auth_testkit::{Manner, Postgres, Redis, Server, Smtp, workspace};
use serde_json::Value;

use self::exported::Exported;
use self::expression::{Asked, asked};
use crate::mail::scene::{Scene, mailing};
use crate::tls::{Authority, with_tls};
use crate::world::{embedded, eventually, get, identify, make_key, postgres};

/// Longer than every number takes to be told for the first time.
const SOON: Duration = Duration::from_mins(1);
const DASHBOARD: &str = "docker/grafana/keyward.json";
const ALERTS: &str = "docker/prometheus/alerts.yml";
/// What Prometheus adds to every series.
const ADDED: [&str; 2] = ["instance", "job"];

fn text_of(file: &str) -> String {
    std::fs::read_to_string(workspace().join(file)).unwrap()
}

fn yaml(file: &str) -> yaml_serde::Value {
    yaml_serde::from_str(&text_of(file)).unwrap()
}

async fn numbers(servers: &[&Server]) -> Exported {
    let mut text = String::new();
    for server in servers {
        let answer = server.client.get(server.ops_url("/metrics")).send().await.unwrap();
        text.push_str(&answer.text().await.unwrap());
    }
    Exported::read(&text)
}

/// A server that has everything to do that there is, and what it then exports, once that is all of these.
async fn of_a_busy_server(wanted: &BTreeMap<String, BTreeSet<String>>) -> Exported {
    let (redis, smtp) = (Redis::start().await.unwrap(), Smtp::start().await.unwrap());
    smtp.behave(Manner::RecipientNever);
    let keys = tempfile::tempdir().unwrap();
    let setup = mailing(postgres().await, &smtp)
        .set("MF_AUTH_ES_URL", redis.address())
        .set("MF_AUTH_SIGNING_KEYS", keys.path().display().to_string());
    let scene = Scene::new(&setup, "Acme").await;
    identify(&scene.server, &scene.ada).await.unwrap();
    scene.invite("bob@example.com").await;
    let long = get(&scene.server, "/orgs", &"x".repeat(9_000)).await;
    assert_eq!(long.status(), 401);
    // What only a server with TLS has to say.
    let files = tempfile::tempdir().unwrap();
    let secured = with_tls(&Authority::new(), &files).start().await.unwrap();
    let servers = [&scene.server, &secured];
    let mut seen = numbers(&servers).await;
    let deadline = Instant::now() + SOON;
    while !wanted.keys().all(|name| seen.families().contains_key(name)) && Instant::now() < deadline
    {
        tokio::time::sleep(Duration::from_millis(100)).await;
        seen = numbers(&servers).await;
    }
    seen
}

/// The metrics of the manual, with their labels.
fn documented() -> BTreeMap<String, BTreeSet<String>> {
    let manual = text_of("docs/operations.md");
    let (_, section) = manual.split_once("\n## Probes and metrics\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let words = section
        .lines()
        .filter(|line| line.starts_with('|'))
        .flat_map(|line| line.split('`').skip(1).step_by(2));
    words
        .filter(|word| ["auth_", "users_", "process_"].iter().any(|start| word.starts_with(start)))
        .map(|word| {
            let (name, labels) = word.trim_end_matches('}').split_once('{').unwrap_or((word, ""));
            let labels = labels.split(',').filter(|label| !label.is_empty());
            (name.to_owned(), labels.map(str::to_owned).collect())
        })
        .collect()
}

/// Every expression, with what it is for.
fn expressions() -> Vec<(String, String)> {
    let mut found = Vec::new();
    let dashboard: Value = serde_json::from_str(&text_of(DASHBOARD)).unwrap();
    for panel in dashboard["panels"].as_array().unwrap() {
        for target in panel["targets"].as_array().into_iter().flatten() {
            let title = format!("panel {}", panel["title"]);
            found.push((title, target["expr"].as_str().unwrap().to_owned()));
        }
    }
    let panels = found.len();
    for rule in alerts() {
        found.push((format!("alert {}", rule.name), rule.expression));
    }
    assert!(panels > 20 && found.len() > panels + 10, "there is something to look at");
    found
}

struct Alert {
    name: String,
    expression: String,
    runbook: String,
    severity: String,
}

fn alerts() -> Vec<Alert> {
    let file = yaml(ALERTS);
    let groups = file["groups"].as_sequence().unwrap();
    let rules = groups.iter().flat_map(|group| group["rules"].as_sequence().unwrap());
    rules
        .map(|rule| {
            let text = |value: &yaml_serde::Value| value.as_str().unwrap_or_default().to_owned();
            Alert {
                name: text(&rule["alert"]),
                expression: text(&rule["expr"]),
                runbook: text(&rule["annotations"]["runbook"]),
                severity: text(&rule["labels"]["severity"]),
            }
        })
        .collect()
}

/// What is wrong with an expression, if something is.
fn problem(asked: &Asked, exported: &Exported) -> Option<String> {
    let mut labels: BTreeSet<&str> = ADDED.into();
    for selector in &asked.selectors {
        let name = &*selector.metric;
        let Some(known) = exported.labels(name) else {
            return (name != "up").then(|| format!("there is no {name}"));
        };
        labels.extend(known.keys().map(|label| &**label));
        for (label, values) in &selector.labels {
            if ADDED.contains(&&**label) {
                continue;
            }
            let Some(seen) = known.get(label) else {
                return Some(format!("{name} has no {label}"));
            };
            let failures = [Error::internal("").outcome(), Error::unavailable("").outcome()];
            let known = |value: &&String| {
                let value = &***value;
                seen.contains(value)
                    || label == "operation" && NAMES.contains(&value)
                    || label == "outcome" && failures.contains(&value)
            };
            if let Some(value) = values.iter().find(|value| !known(value)) {
                return Some(format!("{label} of {name} is never {value}"));
            }
        }
    }
    let odd = asked.groupings.iter().find(|label| !labels.contains(&***label));
    odd.map(|label| format!("nothing has {label}"))
}

#[tokio::test]
async fn what_is_watched_is_exported_and_what_is_exported_is_documented() {
    let documented = documented();
    let exported = of_a_busy_server(&documented).await;
    let of = |metrics: &BTreeMap<String, BTreeSet<String>>| -> BTreeSet<String> {
        let one = |(name, labels): (&String, &BTreeSet<String>)| format!("{name}{labels:?}");
        metrics.iter().map(one).collect()
    };
    let (exists, said) = (of(exported.families()), of(&documented));
    let undocumented: Vec<_> = exists.difference(&said).collect();
    let untrue: Vec<_> = said.difference(&exists).collect();
    assert!(undocumented.is_empty() && untrue.is_empty(), "{undocumented:?} {untrue:?}");
    for (what, expression) in expressions() {
        let problem = problem(&asked(&expression), &exported);
        assert_eq!(problem, None, "{what}: {expression}");
    }
}

/// What is for dashboards of the original, which have it.
const FOR_OTHERS: [&str; 6] = [
    "auth_api_request_count",
    "auth_api_request_latency_microseconds",
    "auth_email_request_count",
    "auth_email_request_latency_microseconds",
    "users_api_request_count",
    "users_api_request_latency_microseconds",
];

#[test]
fn every_documented_metric_is_on_the_dashboard() {
    let asked: BTreeSet<String> = expressions()
        .into_iter()
        .filter(|(what, _)| what.starts_with("panel "))
        .flat_map(|(_, expression)| asked(&expression).selectors)
        .map(|selector| selector.metric)
        .collect();
    let is_shown = |name: &String| {
        let of_histogram = ["_bucket", "_sum", "_count"].map(|end| format!("{name}{end}"));
        asked.contains(name) || of_histogram.iter().any(|series| asked.contains(series))
    };
    let documented = documented();
    let missing: Vec<_> = documented.keys().filter(|name| !is_shown(name)).collect();
    assert_eq!(missing, FOR_OTHERS, "on the left what no panel shows");
}

#[test]
fn every_alert_has_a_runbook_and_every_runbook_its_alert() {
    let manual = text_of("docs/alerts.md");
    let runbooks: BTreeMap<String, String> = manual
        .split("\n## ")
        .skip(1)
        .filter_map(|part| part.split_once('\n'))
        .map(|(heading, text)| (heading.to_owned(), text.trim().to_owned()))
        .collect();
    let mut named = BTreeSet::new();
    for Alert { name, runbook, severity, .. } in alerts() {
        let anchor = name.to_lowercase();
        assert_eq!(runbook, format!("docs/alerts.md#{anchor}"), "{name}");
        let runbook = runbooks.get(&name).unwrap_or_else(|| panic!("{name} has no runbook"));
        let wakes = format!("*{}{}.*", severity[..1].to_uppercase(), &severity[1..]);
        assert!(runbook.starts_with(&wakes), "{name} is a {severity}");
        named.insert(name);
    }
    assert_eq!(named, runbooks.into_keys().collect());
}

#[tokio::test]
async fn the_fields_of_an_operations_line_are_those_of_the_manual() {
    let database = Postgres::shared().await.unwrap().database().await.unwrap();
    let server = embedded().on(&database).set("MF_AUTH_LOG_LEVEL", "debug").start().await.unwrap();
    let ada = server.user("ada@example.com").await.unwrap();
    let (_, key) = make_key(&server, &ada).await;
    identify(&server, &key).await.unwrap();
    let traced = server
        .client
        .get(server.url("/orgs"))
        .bearer_auth(&ada)
        .header("traceparent", "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01");
    assert_eq!(traced.send().await.unwrap().status(), 200);
    assert_eq!(get(&server, "/orgs", "nobody's").await.status(), 401);
    // Something breaks.
    database.execute("DROP TABLE org_memberships CASCADE").await.unwrap();
    assert_eq!(get(&server, "/orgs", &ada).await.status(), 500);

    let mut lines = Vec::new();
    eventually("the last line is written", SOON, async || {
        let output = server.output();
        let of_operations = output.lines().filter_map(|line| serde_json::from_str(line).ok());
        lines = of_operations.filter(|line: &Value| line.get("op").is_some()).collect();
        lines.iter().any(|line| line["outcome"] == "internal")
    })
    .await;
    let manual = text_of("docs/operations.md");
    let (_, section) = manual.split_once("\n### The line of an operation\n").unwrap();
    let (section, _) = section.split_once("\n## ").unwrap();
    let (mut always, mut sometimes) = (BTreeSet::new(), BTreeSet::new());
    for row in section.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<_> = row.split('|').map(str::trim).collect();
        let fields = cells[1].split('`').skip(1).step_by(2);
        let kind = if cells[2] == "all" { &mut always } else { &mut sometimes };
        kind.extend(fields);
    }
    let mut seen = BTreeSet::new();
    for line in &lines {
        let fields: BTreeSet<&str> =
            line.as_object().unwrap().keys().map(|field| &**field).collect();
        assert!(always.is_subset(&fields), "{line} lacks one of {always:?}");
        seen.extend(fields);
    }
    let documented = &always | &sometimes;
    assert_eq!(seen, documented, "on the left what is logged, on the right the manual");
}
