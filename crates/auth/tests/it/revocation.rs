//! Revocation as clients see it, on several replicas; and what becomes of answers from memory when the database
//! goes.

use std::time::{Duration, Instant};

use auth_testkit::{Postgres, Server};
use reqwest::Method;
use tonic::Code;

use crate::world::{
    authorize, code, embedded, eventually, found, identify, make_key, postgres, stores,
};

async fn delete(server: &Server, path: &str, token: &str) -> u16 {
    server.send(Method::DELETE, path, Some(token), None).await.unwrap().status().as_u16()
}

#[tokio::test]
async fn what_is_revoked_on_one_replica_is_refused_by_all() {
    let setup = postgres().await;
    let servers = [setup.start().await.unwrap(), setup.start().await.unwrap()];
    let login = servers[0].user("ada@example.com").await.unwrap();
    for round in 0..20 {
        let (id, key) = make_key(&servers[round % 2], &login).await;
        for server in &servers {
            identify(server, &key).await.unwrap();
        }
        assert_eq!(delete(&servers[0], &format!("/keys/{id}"), &login).await, 204);
        for server in &servers {
            assert_eq!(code(identify(server, &key).await), Code::Unauthenticated);
        }
    }
}

#[tokio::test]
async fn s26_logging_out_everywhere_ends_every_session_and_no_later_one() {
    for (store, setup) in stores().await {
        let server = setup.start().await.unwrap();
        let first = server.user("ada@example.com").await.unwrap();
        let second = server.login("ada@example.com", "password1").await.unwrap_or(first.clone());
        let (_, key) = make_key(&server, &first).await;
        assert_eq!(delete(&server, "/sessions", &first).await, 204, "{store}");
        for login in [&first, &second] {
            assert_eq!(code(identify(&server, login).await), Code::Unauthenticated, "{store}");
            assert_eq!(delete(&server, "/sessions", login).await, 401, "{store}");
        }
        identify(&server, &key).await.unwrap();

        // In the same second, most likely.
        let again = server.user("eve@example.com").await.unwrap();
        let eve = identify(&server, &again).await.unwrap();
        let root = server.admin().await.unwrap();
        for _ in 0..3 {
            let request = auth_grpc::proto::IssueReq {
                id: eve.clone(),
                email: "eve@example.com".into(),
                r#type: 0,
            };
            let mut siblings = crate::world::sibling(&server).await;
            let login = siblings.issue(request).await.unwrap().into_inner().value;
            identify(&server, &login).await.unwrap();
            assert_eq!(delete(&server, &format!("/users/{eve}/sessions"), &root).await, 204);
            assert_eq!(code(identify(&server, &login).await), Code::Unauthenticated, "{store}");
        }
    }
}

#[tokio::test]
async fn all_keys_of_a_user_go_at_once() {
    for (store, setup) in stores().await {
        let server = setup.start().await.unwrap();
        let login = server.user("ada@example.com").await.unwrap();
        let user = identify(&server, &login).await.unwrap();
        let root = server.admin().await.unwrap();
        for (path, token) in [("/keys".to_owned(), &login), (format!("/users/{user}/keys"), &root)]
        {
            let mut keys = Vec::new();
            for _ in 0..3 {
                keys.push(make_key(&server, &login).await.1);
            }
            assert_eq!(
                delete(&server, &path, &keys[0]).await,
                if path == "/keys" { 401 } else { 403 }
            );
            for _ in 0..2 {
                assert_eq!(delete(&server, &path, token).await, 204, "{store} {path}");
            }
            for key in &keys {
                assert_eq!(code(identify(&server, key).await), Code::Unauthenticated, "{store}");
            }
            identify(&server, &login).await.unwrap();
        }
        assert_eq!(delete(&server, &format!("/users/{user}/keys"), &login).await, 403, "{store}");
    }
}

/// What a counter stands at.
async fn counted(server: &Server, name: &str) -> u64 {
    let metrics = server.client.get(server.ops_url("/metrics")).send().await.unwrap();
    let metrics = metrics.text().await.unwrap();
    let count = metrics.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    count.unwrap_or(0)
}

/// Asks until answers come from memory.
async fn warm(server: &Server, login: &str, org: &str, key: &str) {
    eventually("the memory is trusted", Duration::from_secs(10), async || {
        let hits = counted(server, "auth_memory_hits_total ").await;
        authorize(server, login, org, "owner").await.unwrap();
        identify(server, key).await.unwrap();
        hits > 0
    })
    .await;
}

/// Warm answers last as long as the lease and not longer; then it cannot tell, and recovers by itself.
#[tokio::test]
async fn a_database_that_stops_is_outlived_by_the_lease_only() {
    let mut database = Postgres::start().await.unwrap();
    let server = embedded().on(&database.database().await.unwrap()).start().await.unwrap();
    let login = server.user("ada@example.com").await.unwrap();
    let org = found(&server, &login, "acme").await;
    let (_, key) = make_key(&server, &login).await;
    warm(&server, &login, &org, &key).await;
    let stopping = Instant::now();
    database.stop().await.unwrap();
    let stopped = Instant::now();
    let mut warm = 0;
    let unavailable = loop {
        let asked = Instant::now();
        match authorize(&server, &login, &org, "owner").await {
            Ok(()) => {
                warm += 1;
                // Renewed last before the database was gone.
                let longest = Duration::from_millis(950);
                assert!(asked.duration_since(stopped) < longest, "still answered from memory");
            }
            Err(status) => {
                assert_eq!(status.code(), Code::Unavailable, "{status:?}");
                break asked;
            }
        }
    };
    assert!(unavailable.duration_since(stopping) < Duration::from_secs(5));
    println!("{warm} warm answers");
    assert_eq!(code(identify(&server, &key).await), Code::Unavailable);
    assert_eq!(code(identify(&server, &login).await), Code::Unavailable);
    database.start_again().await.unwrap();
    eventually("it answers again", Duration::from_secs(5), async || {
        authorize(&server, &login, &org, "owner").await.is_ok()
            && identify(&server, &key).await.is_ok()
    })
    .await;
}

/// One replica that is stopped costs a write one lease, once.
#[tokio::test]
async fn a_replica_that_is_stopped_costs_one_lease_once() {
    let setup = postgres().await;
    let (server, other) = (setup.start().await.unwrap(), setup.start().await.unwrap());
    let login = server.user("ada@example.com").await.unwrap();
    let mut keys = Vec::new();
    for _ in 0..2 {
        keys.push(make_key(&server, &login).await);
    }
    other.signal("STOP").await.unwrap();
    let begun = Instant::now();
    assert_eq!(delete(&server, &format!("/keys/{}", keys[0].0), &login).await, 204);
    let first = begun.elapsed();
    // It is put out of the registry a lease after it was seen.
    tokio::time::sleep(Duration::from_millis(1_500)).await;
    let begun = Instant::now();
    assert_eq!(delete(&server, &format!("/keys/{}", keys[1].0), &login).await, 204);
    let second = begun.elapsed();
    other.signal("CONT").await.unwrap();
    for (_, key) in &keys {
        assert_eq!(code(identify(&other, key).await), Code::Unauthenticated);
    }
    assert!(first >= Duration::from_millis(400), "it waited only {first:?}");
    assert!(first < Duration::from_secs(4), "{first:?}");
    assert!(second < first.max(Duration::from_millis(900)), "{first:?}, then {second:?}");
}

/// With `MF_AUTH_OUTAGE_GRACE` they outlive the lease, for that long, and say so.
#[tokio::test]
async fn a_grace_outlives_the_lease_and_says_so() {
    let grace = Duration::from_secs(3);
    let mut database = Postgres::start().await.unwrap();
    let setup = embedded().on(&database.database().await.unwrap());
    let server = setup.set("MF_AUTH_OUTAGE_GRACE", "3s").start().await.unwrap();
    let login = server.user("ada@example.com").await.unwrap();
    let org = found(&server, &login, "acme").await;
    let (_, key) = make_key(&server, &login).await;
    warm(&server, &login, &org, &key).await;
    assert!(!is_graced(&server, &login, &org).await.unwrap(), "there is no outage");
    let stopping = Instant::now();
    database.stop().await.unwrap();
    let stopped = Instant::now();
    let mut marked = None;
    let ended = loop {
        let asked = Instant::now();
        match is_graced(&server, &login, &org).await {
            Ok(true) => marked = marked.or(Some(asked)),
            Ok(false) => assert_eq!(marked, None, "an answer after the lease does not say so"),
            Err(code) => {
                assert_eq!(code, Code::Unavailable);
                break asked;
            }
        }
    };
    assert!(marked.is_some(), "nothing was answered after the lease");
    assert!(ended.duration_since(stopping) >= grace, "the grace was cut short");
    assert!(ended.duration_since(stopped) < grace + Duration::from_secs(2), "it went on and on");
    assert!(counted(&server, "auth_memory_graced_total ").await > 0);
    database.start_again().await.unwrap();
    eventually("it answers without a mark", Duration::from_secs(5), async || {
        is_graced(&server, &login, &org).await == Ok(false)
    })
    .await;
}

/// Whether a yes says that it may be out of date.
async fn is_graced(server: &Server, login: &str, org: &str) -> Result<bool, Code> {
    let request = auth_grpc::proto::AuthorizeReq {
        token: login.to_owned(),
        object: org.to_owned(),
        subject: "org".to_owned(),
        action: "owner".to_owned(),
    };
    let mut siblings = crate::world::sibling(server).await;
    let answer = siblings.authorize(request).await.map_err(|status| status.code())?;
    let mark = answer.metadata().get("keyward-freshness");
    assert!(mark.is_none_or(|mark| mark == "outage"));
    Ok(mark.is_some())
}

/// Then a replica that is stopped may go on for longer than anybody waits; so writes say that they are committed
/// and not known everywhere, until its grace is over.
#[tokio::test]
async fn with_a_grace_a_write_a_stopped_replica_may_not_know_is_pending() {
    let setup = postgres().await.set("MF_AUTH_OUTAGE_GRACE", "20s");
    let (server, other) = (setup.start().await.unwrap(), setup.start().await.unwrap());
    let login = server.user("ada@example.com").await.unwrap();
    let ask = async |method: Method, path: &str| {
        let body = (method == Method::POST).then(|| serde_json::json!({ "type": 2 }));
        let answer = server.send(method, path, Some(&login), body.as_ref()).await.unwrap();
        let mark = answer.headers().get("keyward-confirmation").cloned();
        (answer.status().as_u16(), mark.map(|mark| mark.to_str().unwrap().to_owned()))
    };
    let pending = Some("pending".to_owned());
    assert_eq!(ask(Method::DELETE, "/keys").await, (204, None));
    let (_, key) = make_key(&server, &login).await;
    other.signal("STOP").await.unwrap();
    assert_eq!(ask(Method::POST, "/keys").await, (201, pending.clone()));
    // Longer than a lease after it was first seen to lag.
    for _ in 0..2 {
        assert_eq!(ask(Method::DELETE, "/keys").await, (202, pending.clone()));
        assert_eq!(code(identify(&server, &key).await), Code::Unauthenticated);
    }
    other.signal("CONT").await.unwrap();
    eventually("all is well again", Duration::from_secs(10), async || {
        ask(Method::DELETE, "/keys").await == (204, None)
    })
    .await;
    assert_eq!(code(identify(&other, &key).await), Code::Unauthenticated);
}

/// Nobody has to wait for a write to be true, and who asks again is answered when it is.
#[tokio::test]
async fn whoever_hangs_up_during_the_wait_undoes_nothing() {
    let setup = postgres().await.set("MF_AUTH_LEASE", "5s");
    let (server, other) = (setup.start().await.unwrap(), setup.start().await.unwrap());
    let login = server.user("ada@example.com").await.unwrap();
    let (id, key) = make_key(&server, &login).await;
    let path = format!("/keys/{id}");
    other.signal("STOP").await.unwrap();
    {
        let revoking = delete(&server, &path, &login);
        let revoked = eventually("it is committed", Duration::from_secs(4), async || {
            identify(&server, &key).await.is_err()
        });
        tokio::select! {
            status = revoking => panic!("{status} before the other replica knew"),
            () = revoked => {}
        }
    }
    let begun = Instant::now();
    assert_eq!(delete(&server, &path, &login).await, 204);
    assert!(begun.elapsed() > Duration::from_secs(4), "it did not wait: {:?}", begun.elapsed());
    other.signal("CONT").await.unwrap();
    for server in [&server, &other] {
        assert_eq!(code(identify(server, &key).await), Code::Unauthenticated);
    }
}

/// Whom a restore brings back is let in everywhere when it is done, whoever did it.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_a_restore_brings_back_is_known_everywhere_when_it_is_done() {
    let setup = postgres().await;
    let servers = [setup.start().await.unwrap(), setup.start().await.unwrap()];
    let (ada, bob) =
        (servers[0].user("ada@example.com").await, servers[0].user("bob@example.com").await);
    let (ada, bob, root) = (ada.unwrap(), bob.unwrap(), servers[0].admin().await.unwrap());
    let bob_id = identify(&servers[0], &bob).await.unwrap();
    let org = found(&servers[0], &ada, "acme").await;
    let memberships = format!("/orgs/{org}/memberships");
    let grant = serde_json::json!({ "org_memberships": [{ "email": "bob@example.com" }] });
    let added = servers[0].send(Method::POST, &memberships, Some(&ada), Some(&grant)).await;
    assert_eq!(added.unwrap().status(), 200);
    let files = tempfile::tempdir().unwrap();
    let file = files.path().join("all.json");
    let path = file.to_str().unwrap();
    let (status, said) = setup.run(&["backup", "--output", path]).await.unwrap();
    assert!(status.success(), "{said}");
    for round in 0..6 {
        let removal = serde_json::json!({ "member_ids": [bob_id] });
        let removed = servers[0].send(Method::PATCH, &memberships, Some(&ada), Some(&removal));
        assert_eq!(removed.await.unwrap().status(), 204);
        for server in servers.iter().chain(&servers) {
            let asked = authorize(server, &bob, &org, "viewer").await;
            assert_eq!(code(asked), Code::PermissionDenied, "{round}");
        }
        if round % 2 == 0 {
            let url = servers[0].url("/restore?existing=skip&revive=true");
            let document = std::fs::read(&file).unwrap();
            let sent = servers[0].client.post(url).bearer_auth(&root).body(document);
            let restored = sent.header("content-type", "application/json").send().await.unwrap();
            assert_eq!(restored.status(), 201, "{}", restored.text().await.unwrap());
        } else {
            let restore = ["restore", "--input", path, "--revive"];
            let (status, said) = setup.run(&restore).await.unwrap();
            assert!(status.success(), "{said}");
        }
        for server in &servers {
            authorize(server, &bob, &org, "viewer").await.unwrap();
        }
    }
}

/// "It is gone already" is true everywhere, too, when it is said: whoever took it away may not be done waiting, or
/// have hung up, and be asking again.
#[tokio::test]
async fn whoever_is_told_that_it_is_gone_already_may_rely_on_it() {
    let setup = postgres().await.set("MF_AUTH_LEASE", "5s");
    let (server, other) = (setup.start().await.unwrap(), setup.start().await.unwrap());
    let (ada, bob) = (server.user("ada@example.com").await, server.user("bob@example.com").await);
    let (ada, bob) = (ada.unwrap(), bob.unwrap());
    let bob_id = identify(&server, &bob).await.unwrap();
    let org = found(&server, &ada, "acme").await;
    let path = format!("/orgs/{org}/memberships");
    let grant = serde_json::json!({ "org_memberships": [{ "email": "bob@example.com" }] });
    let added = server.send(Method::POST, &path, Some(&ada), Some(&grant)).await.unwrap();
    assert_eq!(added.status(), 200);
    other.signal("STOP").await.unwrap();
    let removal = serde_json::json!({ "member_ids": [bob_id] });
    let remove = async || {
        let removed = server.send(Method::PATCH, &path, Some(&ada), Some(&removal)).await;
        removed.unwrap().status().as_u16()
    };
    {
        let removed = eventually("it is committed", Duration::from_secs(4), async || {
            authorize(&server, &bob, &org, "viewer").await.is_err()
        });
        tokio::select! {
            status = remove() => panic!("{status} before the other replica knew"),
            () = removed => {}
        }
    }
    let begun = Instant::now();
    assert_eq!(remove().await, 404);
    assert!(begun.elapsed() > Duration::from_secs(4), "it did not wait: {:?}", begun.elapsed());
    other.signal("CONT").await.unwrap();
    for server in [&server, &other] {
        let asked = authorize(server, &bob, &org, "viewer").await;
        assert_eq!(code(asked), Code::PermissionDenied);
    }
}

/// The database that answers after an outage may be a copy that had not taken every commit and has taken others
/// since, under the same revisions.
#[tokio::test]
async fn a_replica_that_was_out_of_touch_forgets_what_it_knew() {
    let database = Postgres::shared().await.unwrap().database().await.unwrap();
    let setup = embedded().on(&database).set("MF_AUTH_DB_ACQUIRE_TIMEOUT", "5s");
    let server = setup.start().await.unwrap();
    let login = server.user("ada@example.com").await.unwrap();
    let org = found(&server, &login, "acme").await;
    let (id, key) = make_key(&server, &login).await;
    warm(&server, &login, &org, &key).await;
    server.signal("STOP").await.unwrap();
    // A history without that key, at the same revision.
    database.execute(&format!("DELETE FROM keys WHERE id = '{id}'")).await.unwrap();
    tokio::time::sleep(Duration::from_millis(1_100)).await;
    server.signal("CONT").await.unwrap();
    eventually("it trusts its memory again", Duration::from_secs(10), async || {
        let before = counted(&server, "auth_memory_hits_total ").await;
        authorize(&server, &login, &org, "owner").await.unwrap();
        counted(&server, "auth_memory_hits_total ").await > before
    })
    .await;
    assert_eq!(code(identify(&server, &key).await), Code::Unauthenticated);
}

/// The original beside us, or an operator with psql, writes no change log and waits for nobody. What they write is
/// known here a lease after their commit at the latest.
#[tokio::test]
async fn what_others_write_to_the_database_is_known_within_a_lease() {
    let database = Postgres::shared().await.unwrap().database().await.unwrap();
    let setup = embedded().on(&database).set("MF_AUTH_DB_ACQUIRE_TIMEOUT", "5s");
    let servers = [setup.start().await.unwrap(), setup.start().await.unwrap()];
    let (ada, bob) =
        (servers[0].user("ada@example.com").await, servers[0].user("bob@example.com").await);
    let (ada, bob) = (ada.unwrap(), bob.unwrap());
    let bob_id = identify(&servers[0], &bob).await.unwrap();
    let org = found(&servers[0], &ada, "acme").await;
    let (id, key) = make_key(&servers[0], &ada).await;
    let may = async |server: &Server, token: &str, action: &str| {
        authorize(server, token, &org, action).await.is_ok()
    };
    for (what, statement, token, action, before) in [
        (
            "a member is added",
            format!(
                "INSERT INTO org_memberships (member_id, org_id, role, created_at, updated_at) \
                 VALUES ('{bob_id}', '{org}', 'viewer', now(), now())"
            ),
            &bob,
            "viewer",
            false,
        ),
        (
            "a member is promoted",
            format!("UPDATE org_memberships SET role = 'editor' WHERE member_id = '{bob_id}'"),
            &bob,
            "editor",
            false,
        ),
        (
            "a member is removed",
            format!("DELETE FROM org_memberships WHERE member_id = '{bob_id}'"),
            &bob,
            "viewer",
            true,
        ),
        (
            "a platform role is given",
            format!("INSERT INTO users_roles (user_id, role) VALUES ('{bob_id}', 'admin')"),
            &bob,
            "owner",
            false,
        ),
        (
            "a platform role is taken",
            format!("DELETE FROM users_roles WHERE user_id = '{bob_id}'"),
            &bob,
            "owner",
            true,
        ),
        ("a key is deleted", format!("DELETE FROM keys WHERE id = '{id}'"), &key, "owner", true),
        ("an org is deleted", format!("DELETE FROM orgs WHERE id = '{org}'"), &ada, "owner", true),
    ] {
        for server in &servers {
            eventually("the memory is trusted", Duration::from_secs(10), async || {
                let hits = counted(server, "auth_memory_hits_total ").await;
                assert_eq!(may(server, token, action).await, before, "{what}");
                counted(server, "auth_memory_hits_total ").await > hits
            })
            .await;
        }
        database.execute(&statement).await.unwrap();
        let written = Instant::now();
        for server in &servers {
            eventually(what, Duration::from_secs(5), async || {
                let asked = Instant::now();
                let known = may(server, token, action).await != before;
                let late = asked.duration_since(written) > Duration::from_secs(1);
                assert!(known || !late, "{what}: not known a lease later");
                known
            })
            .await;
        }
    }
}
