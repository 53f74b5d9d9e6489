//! The container files, as far as they can be looked at without an engine; `scripts/check-docker` looks as well.

use std::collections::BTreeMap;

use auth_testkit::workspace;
use yaml_serde::Value;

/// The services of the compose file, with what they inherit.
fn services() -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(workspace().join("docker/compose.yml")).unwrap();
    let mut file: Value = yaml_serde::from_str(&text).unwrap();
    // Once for what a service inherits, and once for what that inherits.
    file.apply_merge().unwrap();
    file.apply_merge().unwrap();
    let services = file["services"].as_mapping().unwrap();
    let name = |value: &Value| value.as_str().unwrap().to_owned();
    services.iter().map(|(service, about)| (name(service), about.clone())).collect()
}

fn texts(list: &Value) -> Vec<&str> {
    list.as_sequence().into_iter().flatten().filter_map(Value::as_str).collect()
}

#[test]
fn every_container_is_read_only_without_capabilities_and_without_root() {
    let services = services();
    assert!(services.len() > 10, "{:?}", services.keys());
    for (name, about) in &services {
        assert_eq!(about["read_only"], Value::Bool(true), "{name}");
        assert_eq!(texts(&about["cap_drop"]), ["ALL"], "{name}");
        assert_eq!(texts(&about["security_opt"]), ["no-new-privileges:true"], "{name}");
        for looser in
            ["privileged", "cap_add", "pid", "ipc", "network_mode", "devices", "userns_mode"]
        {
            assert!(about.get(looser).is_none(), "{name}: {looser}");
        }
        let image = about["image"].as_str().unwrap();
        match about["user"].as_str() {
            Some(user) => assert!(!user.starts_with('0') && user.contains(':'), "{name}: {user}"),
            None => assert_eq!(
                image, "keyward/auth",
                "{name} says whose it is; our image does so itself"
            ),
        }
        let version = image.rsplit_once(':').map(|(_, version)| version);
        assert!(
            image == "keyward/auth" || version.is_some_and(|tag| tag != "latest"),
            "{name}: {image}"
        );
        for port in texts(&about["ports"]) {
            assert!(port.starts_with("127.0.0.1:"), "{name}: {port}");
        }
    }
}

#[test]
fn what_is_mounted_is_there_and_cannot_be_written() {
    let mut files = 0;
    for (name, about) in services() {
        for volume in texts(&about["volumes"]).into_iter().filter(|volume| volume.starts_with('.'))
        {
            let (file, place) = volume.split_once(':').unwrap();
            assert!(workspace().join("docker").join(file).is_file(), "{name}: {file}");
            assert!(place.ends_with(":ro"), "{name}: {volume}");
            files += 1;
        }
    }
    assert_eq!(files, 6);
    for file in ["grafana/datasource.yml", "grafana/provider.yml", "prometheus/prometheus.yml"] {
        let text = std::fs::read_to_string(workspace().join("docker").join(file)).unwrap();
        yaml_serde::from_str::<Value>(&text).unwrap();
    }
}

#[test]
fn three_replicas_differ_in_nothing_and_only_the_balancer_is_published() {
    let services = services();
    let replicas: Vec<_> =
        services.iter().filter(|(name, _)| name.starts_with("replica-")).collect();
    assert_eq!(replicas.len(), 3);
    for (name, replica) in replicas {
        assert_eq!(*replica, services["replica-1"], "{name}");
        assert_eq!(texts(&replica["profiles"]), ["replicas"]);
        assert!(replica.get("ports").is_none(), "{name}");
        assert!(services["balancer"]["depends_on"][&**name].is_mapping(), "{name}");
    }
    // Behind the balancer, and nowhere else, somebody else says who asks.
    let believed = services["replica-1"]["environment"]["MF_AUTH_TRUSTED_PROXIES"].as_str();
    let networks = believed.unwrap().split(',').map(str::parse::<auth_telemetry::Network>);
    assert_eq!(networks.flatten().count(), 4, "{believed:?}");
    assert!(services["auth"]["environment"].get("MF_AUTH_TRUSTED_PROXIES").is_none());
    assert_eq!(texts(&services["auth"]["profiles"]), ["single"]);
    assert_eq!(services["balancer"]["ports"], services["auth"]["ports"]);
    // Prometheus finds all of them by one name, on the port that is theirs.
    for service in ["auth", "replica-1"] {
        let about = &services[service];
        assert_eq!(texts(&about["networks"]["default"]["aliases"]), ["keyward"]);
        assert_eq!(about["environment"]["MF_AUTH_OPS_PORT"].as_str(), Some("8186"));
    }
    let text =
        std::fs::read_to_string(workspace().join("docker/prometheus/prometheus.yml")).unwrap();
    let watching: Value = yaml_serde::from_str(&text).unwrap();
    let found = &watching["scrape_configs"][0]["dns_sd_configs"][0];
    assert_eq!((texts(&found["names"]), found["port"].as_u64()), (vec!["keyward"], Some(8186)));
}

#[test]
fn the_workflow_runs_what_is_run_by_hand_and_nothing_else() {
    let read = |file: &str| std::fs::read_to_string(workspace().join(file)).unwrap();
    let workflow: Value = yaml_serde::from_str(&read(".github/workflows/ci.yml")).unwrap();
    let by_hand = read(".ci/run");
    let by_hand: Vec<_> = by_hand.lines().filter(|line| line.starts_with("make ")).collect();
    let permissions = workflow["permissions"].as_mapping().unwrap();
    let permissions: Vec<_> = permissions
        .iter()
        .map(|(what, how)| (what.as_str().unwrap(), how.as_str().unwrap()))
        .collect();
    assert_eq!(permissions, [("contents", "read")]);
    let jobs = workflow["jobs"].as_mapping().unwrap();
    assert_eq!(jobs.len(), 1);
    let job = &workflow["jobs"]["ci"];
    assert!(job["timeout-minutes"].is_u64() && job.get("permissions").is_none());
    let steps = job["steps"].as_sequence().unwrap();
    let run: Vec<_> = steps.iter().filter_map(|step| step["run"].as_str()).collect();
    assert_eq!(run, by_hand);
    for step in steps.iter().filter_map(|step| step["uses"].as_str()) {
        // A tag can be moved to something else by whoever owns it, a commit cannot.
        let (_, commit) = step.split_once('@').unwrap();
        assert!(commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit()), "{step}");
    }
}
