//! The ops listener, and what is not on the public one.

use serde_json::Value;

use crate::world::{code, embedded, found, identify, stores};

#[tokio::test]
async fn go28_probes_and_metrics_have_a_listener_of_their_own() {
    for (store, setup) in stores().await {
        let server = setup.start().await.unwrap();
        for path in ["/livez", "/readyz", "/metrics"] {
            let ops = server.client.get(server.ops_url(path)).send().await.unwrap();
            assert_eq!(ops.status(), 200, "{store} {path}");
            let public = server.client.get(server.url(path)).send().await.unwrap();
            assert_eq!(public.status(), 404, "{store} {path}");
        }
    }
}

#[tokio::test]
async fn metrics_count_by_operation_and_outcome_and_under_the_originals_names() {
    let server = embedded().start().await.unwrap();
    let login = server.user("ada@example.com").await.unwrap();
    found(&server, &login, "acme").await;
    identify(&server, &login).await.unwrap();
    code(identify(&server, "garbage").await);
    let metrics = server.client.get(server.ops_url("/metrics")).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let has =
        |parts: &[&str]| metrics.lines().any(|line| parts.iter().all(|part| line.contains(part)));
    assert!(has(&["auth_operations_total{", "create_org", "ok", " 1"]), "{metrics}");
    assert!(has(&["auth_operations_total{", "identify", "unauthenticated", " 1"]), "{metrics}");
    assert!(has(&["auth_operation_duration_seconds_bucket{", "identify"]), "{metrics}");
    assert!(has(&["auth_api_request_count{method=\"create_org\"} 1"]), "{metrics}");
    assert!(
        has(&["auth_api_request_latency_microseconds_count{method=\"create_org\"} 1"]),
        "{metrics}"
    );
    // It opens the account of the operator by itself, which nobody asked it for.
    assert!(has(&["auth_operations_total{", "bootstrap_admin"]), "{metrics}");
    assert!(!has(&["auth_api_request_count{", "bootstrap_admin"]), "{metrics}");
}

#[tokio::test]
async fn whoever_asks_for_openmetrics_gets_the_same_numbers_in_it() {
    let server = embedded().start().await.unwrap();
    let login = server.user("ada@example.com").await.unwrap();
    found(&server, &login, "acme").await;
    let ask = async |accept: Option<&str>| {
        let request = server.client.get(server.ops_url("/metrics"));
        let request = accept.into_iter().fold(request, |it, accept| it.header("accept", accept));
        let answer = request.send().await.unwrap();
        let kind = answer.headers()["content-type"].to_str().unwrap().to_owned();
        (kind, answer.text().await.unwrap())
    };
    let (kind, older) = ask(None).await;
    assert!(kind.starts_with("text/plain; version=0.0.4"), "{kind}");
    // As Prometheus asks.
    let accept =
        "application/openmetrics-text;version=1.0.0;q=0.6,text/plain;version=0.0.4;q=0.5,*/*;q=0.1";
    let (kind, newer) = ask(Some(accept)).await;
    assert!(kind.starts_with("application/openmetrics-text; version=1.0.0"), "{kind}");

    // Each line belongs to the family before it, whose samples have the endings of its type.
    assert!(newer.ends_with("\n# EOF\n"), "{newer}");
    let (mut family, mut kind, mut families) = ("", "", std::collections::BTreeSet::new());
    for line in newer.lines().filter(|line| *line != "# EOF") {
        assert!(!line.is_empty());
        let words: Vec<&str> = line.split(' ').collect();
        match words[..] {
            ["#", "TYPE", name, of] => {
                (family, kind) = (name, of);
                assert!(families.insert(name), "{name} comes twice");
                continue;
            }
            ["#", "HELP", ..] => continue,
            _ => {}
        }
        let name = line.split(['{', ' ']).next().unwrap();
        let ending = name.strip_prefix(family).unwrap_or_else(|| panic!("{line} in {family}"));
        let endings: &[&str] = match kind {
            "counter" => &["_total"],
            "histogram" => &["_bucket", "_sum", "_count"],
            "summary" => &["", "_sum", "_count"],
            "gauge" | "unknown" => &[""],
            other => panic!("{family} is a {other}"),
        };
        assert!(endings.contains(&ending), "{line} in a {kind}");
    }
    let names = |text: &str| -> std::collections::BTreeSet<String> {
        let samples = text.lines().filter(|line| !line.starts_with('#') && !line.is_empty());
        samples.map(|line| line.split(['{', ' ']).next().unwrap().to_owned()).collect()
    };
    assert_eq!(names(&older), names(&newer));
}

#[tokio::test]
async fn health_is_what_the_original_shows() {
    let server = embedded().start().await.unwrap();
    let health = server.client.get(server.url("/health")).send().await.unwrap();
    assert_eq!(health.headers()["content-type"], "application/health+json");
    let health: Value = health.json().await.unwrap();
    assert_eq!(health["status"], "pass");
    assert_eq!(health["description"], "auth service");
    for name in ["version", "commit", "build_time"] {
        assert!(health[name].is_string(), "{health}");
    }
}

#[tokio::test]
async fn every_answer_names_its_request() {
    let server = embedded().start().await.unwrap();
    let ask =
        |id: &'static str| server.client.get(server.url("/orgs")).header("x-request-id", id).send();
    let answer = ask("trace-me_1.2").await.unwrap();
    assert_eq!(answer.headers()["x-request-id"], "trace-me_1.2");
    let problem: Value = answer.json().await.unwrap();
    assert_eq!(problem["request_id"], "trace-me_1.2");
    assert_eq!(problem["error"], "missing or invalid bearer user token");
    let answer = ask("<script>alert(1)</script>").await.unwrap();
    let id = answer.headers()["x-request-id"].to_str().unwrap().to_owned();
    assert!(!id.contains('<') && !id.is_empty(), "{id}");
}

#[tokio::test]
async fn the_binary_asks_after_its_own_health() {
    let setup = embedded();
    let server = setup.start().await.unwrap();
    let asked = setup.clone().set("MF_AUTH_OPS_PORT", server.ops.port().to_string());
    let (status, output) = asked.run(&["health"]).await.unwrap();
    assert!(status.success(), "{output}");
    server.stop().await.unwrap();
    let (status, _) = asked.run(&["health"]).await.unwrap();
    assert!(!status.success());
}
