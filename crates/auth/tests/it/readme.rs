//! The README's conversation, line by line, as a reader would type it.

use std::time::Duration;

use auth_testkit::workspace;
use tokio::process::Command;

use crate::shell::blocks;
use crate::start::printed_password;
use crate::world::{embedded, postgres};

#[tokio::test]
async fn the_conversation_works_on_both_stores() {
    let laptop = embedded().unset("MF_USERS_ADMIN_EMAIL").unset("MF_USERS_ADMIN_PASSWORD");
    let fleet = postgres().await.set("MF_USERS_ADMIN_EMAIL", "admin@keyward.local");
    for (store, setup) in [("embedded", laptop), ("postgres", fleet)] {
        let server = setup.start().await.unwrap();
        let password = printed_password(&server.output())
            .unwrap_or_else(|| auth_testkit::ADMIN_PASSWORD.to_owned());
        let [script] = blocks("README.md", "conversation").try_into().unwrap();
        let script = script
            .replace("localhost:8180", &server.http.to_string())
            .replace("localhost:8181", &server.grpc.to_string())
            .replace("localhost:8186", &server.ops.to_string());
        let run = Command::new("sh")
            .args(["-euc", &script])
            .env("PASSWORD", password)
            .current_dir(workspace())
            .kill_on_drop(true)
            .output();
        let output = tokio::time::timeout(Duration::from_mins(5), run).await.unwrap().unwrap();
        let text = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{store}: {text}{errors}");
        for said in ["\"name\":\"acme\"", "admin@keyward.local", "allowed", "refused"] {
            assert!(text.contains(said), "{store}: no {said} in {text}");
        }
    }
}
