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
    assert_eq!(files, 10);
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
}

/// By their names: an address that is looked up is not missed when it is gone.
#[test]
fn prometheus_asks_each_replica_of_its_profile_by_name() {
    let services = services();
    let yaml = |file: &str| -> Value {
        let text = std::fs::read_to_string(workspace().join("docker").join(file)).unwrap();
        yaml_serde::from_str(&text).unwrap()
    };
    let watching = yaml("prometheus/prometheus.yml");
    let found = &watching["scrape_configs"][0]["file_sd_configs"][0]["files"];
    assert_eq!(texts(found), ["/etc/prometheus/targets.yml"]);
    let of = |profile: &str, image: &str| -> Vec<(&String, &Value)> {
        let has = |about: &Value| {
            texts(&about["profiles"]).contains(&profile)
                && about["image"].as_str().unwrap().starts_with(image)
        };
        services.iter().filter(|(_, about)| has(about)).collect()
    };
    for profile in ["single", "replicas"] {
        let [(_, prometheus)] = of(profile, "prom/prometheus:").try_into().unwrap();
        assert_eq!(texts(&prometheus["networks"]["default"]["aliases"]), ["prometheus"]);
        let targets = texts(&prometheus["volumes"])
            .into_iter()
            .find_map(|volume| volume.strip_suffix(":/etc/prometheus/targets.yml:ro"))
            .unwrap();
        let replicas: Vec<String> = of(profile, "keyward/auth")
            .into_iter()
            .map(|(name, about)| {
                let port = about["environment"]["MF_AUTH_OPS_PORT"].as_str().unwrap();
                format!("{name}:{port}")
            })
            .collect();
        assert_eq!(texts(&yaml(targets)[0]["targets"]), replicas, "{profile}");
    }
}

/// A workflow that may only read, on machines and with actions that are named exactly, and its jobs.
fn jobs(name: &str) -> BTreeMap<String, Value> {
    let text = std::fs::read_to_string(workspace().join(".github/workflows").join(name)).unwrap();
    let workflow: Value = yaml_serde::from_str(&text).unwrap();
    let permissions = workflow["permissions"].as_mapping().unwrap();
    let permissions: Vec<_> = permissions
        .iter()
        .map(|(what, how)| (what.as_str().unwrap(), how.as_str().unwrap()))
        .collect();
    assert_eq!(permissions, [("contents", "read")], "{name}");
    let jobs = workflow["jobs"].as_mapping().unwrap();
    let jobs: BTreeMap<_, _> =
        jobs.iter().map(|(job, about)| (job.as_str().unwrap().to_owned(), about.clone())).collect();
    for about in jobs.values() {
        assert!(about["timeout-minutes"].is_u64() && about.get("permissions").is_none(), "{name}");
        let steps = about["steps"].as_sequence().unwrap();
        for step in steps.iter().filter_map(|step| step["uses"].as_str()) {
            // A tag can be moved to something else by whoever owns it, a commit cannot.
            let (_, commit) = step.split_once('@').unwrap();
            assert!(commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit()), "{step}");
        }
    }
    jobs
}

/// What a job runs.
fn run(job: &Value) -> Vec<&str> {
    job["steps"].as_sequence().unwrap().iter().filter_map(|step| step["run"].as_str()).collect()
}

#[test]
fn the_workflow_runs_what_is_run_by_hand_and_nothing_else() {
    let by_hand = std::fs::read_to_string(workspace().join(".ci/run")).unwrap();
    let by_hand: Vec<_> = by_hand.lines().filter(|line| line.starts_with("make ")).collect();
    assert_eq!(by_hand, ["make check", "make test"]);
    let jobs = jobs("ci.yml");
    assert_eq!(jobs.len(), 1);
    assert_eq!(run(&jobs["ci"]), by_hand);
}

/// Everything else that is run there is a target of the Makefile, too.
#[test]
fn what_is_run_daily_and_nightly_is_run_by_hand_alike() {
    let deny = jobs("deny.yml");
    let [install, check] = run(&deny["deny"]).try_into().unwrap();
    assert!(install.contains("cargo install --locked cargo-deny@"), "{install}");
    let nightly = jobs("nightly.yml");
    assert_eq!(run(&nightly["long"]), ["make ${{ matrix.target }}"]);
    let long = texts(&nightly["long"]["strategy"]["matrix"]["target"]);
    let target = |command: &str| command.split(' ').next().unwrap().to_owned();
    let names: Vec<_> = long.iter().map(|command| target(command)).collect();
    assert_eq!(names, ["test-fuzz", "test-faults", "test-races", "soak"]);
    for command in long.into_iter().chain(check.strip_prefix("make ")) {
        let mut make = std::process::Command::new("make");
        make.arg("--dry-run").args(command.split(' ')).current_dir(workspace());
        assert!(make.output().unwrap().status.success(), "make {command}");
    }
}
