//! Taking access from somebody at the command line, when nobody can sign in to do it: on both stores, with the
//! real binary, beside replicas that answer.

use auth_testkit::Setup;
use serde_json::{Value, json};
use tonic::Code;

use crate::sign_ins::begin;
use crate::world::{code, embedded, get, identify, make_key, postgres, stores};

/// What the command prints as JSON; it must succeed.
async fn told(setup: &Setup, arguments: &[&str]) -> Value {
    let (status, said) = setup.run(&[arguments, &["--json"]].concat()).await.unwrap();
    assert!(status.success(), "{arguments:?}: {said}");
    // Log lines follow.
    serde_json::Deserializer::from_str(&said).into_iter().next().unwrap().unwrap()
}

/// The one line that it says when it must fail.
async fn refused(setup: &Setup, arguments: &[&str]) -> String {
    let (status, said) = setup.run(arguments).await.unwrap();
    assert!(!status.success(), "{arguments:?}: {said}");
    said
}

fn ids(listed: &Value) -> Vec<&str> {
    listed["keys"].as_array().unwrap().iter().map(|key| key["id"].as_str().unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn s26_what_the_operator_revokes_is_refused_by_every_replica_when_the_command_ends() {
    let setup = postgres().await;
    let (one, two) = (setup.start().await.unwrap(), setup.start().await.unwrap());
    let ada = one.user("ada@example.com").await.unwrap();
    let bob = one.user("bob@example.com").await.unwrap();
    let mut keys = Vec::new();
    for _ in 0..3 {
        keys.push(make_key(&one, &ada).await);
    }
    let (_, bobs) = make_key(&one, &bob).await;
    let id = identify(&one, &ada).await.unwrap();
    // Both have everything in memory.
    for server in [&one, &two] {
        for (_, value) in &keys {
            identify(server, value).await.unwrap();
        }
        identify(server, &ada).await.unwrap();
    }

    let listed = told(&setup, &["api-keys", "list", "--of", "ADA@example.com"]).await;
    assert_eq!(ids(&listed), keys.iter().map(|(id, _)| &**id).collect::<Vec<_>>());
    assert_eq!(listed["keys"][0]["subject"], "ada@example.com");
    let (gone, value) = &keys[0];
    let done = told(&setup, &["api-keys", "revoke", "--of", &id, gone]).await;
    assert_eq!(done, json!({ "user": id, "key": gone, "state": "revoked" }));
    for server in [&one, &two] {
        assert_eq!(code(identify(server, value).await), Code::Unauthenticated);
        identify(server, &keys[1].1).await.unwrap();
    }

    let done = told(&setup, &["api-keys", "revoke", "--of", "ada@example.com", "--all"]).await;
    assert_eq!(done, json!({ "user": id, "state": "revoked", "keys": 2 }));
    for server in [&one, &two] {
        for (_, value) in &keys {
            assert_eq!(code(identify(server, value).await), Code::Unauthenticated);
        }
        identify(server, &bobs).await.unwrap();
        identify(server, &ada).await.unwrap();
    }
    assert!(ids(&told(&setup, &["api-keys", "list", "--of", &id]).await).is_empty());

    let session = begin(&one, "ada@example.com").await;
    let listed = told(&setup, &["sessions", "list", "--of", "ada@example.com"]).await;
    assert_eq!(listed["sessions"][0]["id"], session["session_id"], "{listed}");
    let access = session["access_token"].as_str().unwrap();
    for server in [&one, &two] {
        assert_eq!(identify(server, access).await.unwrap(), id);
    }

    let done = told(&setup, &["sessions", "end", "--of", "ada@example.com"]).await;
    assert_eq!(done, json!({ "user": id, "state": "ended" }));
    for server in [&one, &two] {
        assert_eq!(code(identify(server, access).await), Code::Unauthenticated);
    }
    for server in [&one, &two] {
        assert_eq!(code(identify(server, &ada).await), Code::Unauthenticated);
        identify(server, &bob).await.unwrap();
    }

    // Who did it is in the audit trail, which is whole.
    let admin = one.admin().await.unwrap();
    let trail: Value = get(&one, "/audit?actor=operator", &admin).await.json().await.unwrap();
    let said = |action: &str| {
        let records = trail["records"].as_array().unwrap();
        let about = |record: &&Value| record["action"] == action && record["actor"] == "operator";
        records.iter().filter(about).count()
    };
    assert_eq!((said("key.revoke"), said("session.cutoff")), (3, 1), "{trail}");
    let (status, said) = setup.run(&["audit", "verify"]).await.unwrap();
    assert!(status.success(), "{said}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_embedded_store_is_changed_while_the_service_is_stopped() {
    let setup = embedded();
    let server = setup.start().await.unwrap();
    let ada = server.user("ada@example.com").await.unwrap();
    let (key, value) = make_key(&server, &ada).await;
    let (other, other_value) = make_key(&server, &ada).await;
    for arguments in [
        vec!["api-keys", "list", "--of", "ada@example.com"],
        vec!["api-keys", "revoke", "--of", "ada@example.com", "--all"],
        vec!["sessions", "end", "--of", "ada@example.com"],
    ] {
        let said = refused(&setup, &arguments).await;
        assert!(said.contains("the service must be stopped first"), "{said}");
    }
    identify(&server, &value).await.unwrap();
    server.stop().await.unwrap();

    let listed = told(&setup, &["api-keys", "list", "--of", "ada@example.com"]).await;
    assert_eq!(ids(&listed), [&*key, &*other]);
    let (status, said) = setup.run(&["api-keys", "list", "--of", "ada@example.com"]).await.unwrap();
    assert!(status.success() && said.starts_with("ID ") && said.contains(&key), "{said}");
    told(&setup, &["api-keys", "revoke", "--of", "ada@example.com", &key]).await;
    told(&setup, &["sessions", "end", "--of", "ada@example.com"]).await;
    let server = setup.start().await.unwrap();
    assert_eq!(code(identify(&server, &value).await), Code::Unauthenticated);
    assert_eq!(code(identify(&server, &ada).await), Code::Unauthenticated);
    identify(&server, &other_value).await.unwrap();
}

#[tokio::test]
async fn a_store_that_is_not_there_is_not_made_and_nothing_is_said_to_be_done() {
    for (store, setup) in stores().await {
        let user = "0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f6";
        for arguments in [
            vec!["api-keys", "list", "--of", user],
            vec!["api-keys", "revoke", "--of", user, "--all"],
            vec!["sessions", "end", "--of", user],
        ] {
            let said = refused(&setup, &arguments).await;
            assert!(said.contains("Nothing was done"), "{store}: {arguments:?}: {said}");
        }
        let (status, _) = setup.run(&["migrate", "--check"]).await.unwrap();
        assert_eq!(status.code(), Some(2), "{store}: nothing was migrated");
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_names_nobody_or_nothing_is_told_so() {
    for (store, setup) in stores().await {
        let (status, said) = setup.run(&["migrate"]).await.unwrap();
        assert!(status.success(), "{store}: {said}");
        let user = "0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f6";
        for (arguments, part) in [
            (vec!["api-keys", "list", "--of", "nobody@example.com"], "nobody has the address"),
            (vec!["sessions", "end", "--of", "nobody@example.com"], "nobody has the address"),
            (vec!["sessions", "end", "--of", user], "nobody has the id"),
            (vec!["sessions", "list", "--of", user], "nobody has the id"),
            (vec!["api-keys", "revoke", "--of", user, user], "has no API key"),
            (vec!["api-keys", "revoke", "--of", user, "x"], "is no id of a key"),
            (vec!["api-keys", "list", "--of", "ada"], "neither an e-mail address nor the id"),
            (vec!["api-keys", "revoke", "--of", user], "<KEY|--all>"),
            (vec!["api-keys", "revoke", "--of", user, user, "--all"], "cannot be used with"),
            (vec!["api-keys", "revoke", "--all"], "--of <USER>"),
            (vec!["sessions", "end"], "--of <USER>"),
        ] {
            let said = refused(&setup, &arguments).await;
            assert!(said.contains(part), "{store}: {arguments:?}: {said}");
        }
    }
}
