//! The README's conversation, line by line, as a reader would type it.

use std::time::Duration;

use auth_testkit::workspace;
use tokio::process::Command;

use crate::start::printed_password;
use crate::world::{embedded, postgres};

/// The lines of the blocks marked as conversation.
fn conversation() -> String {
    let readme = std::fs::read_to_string(workspace().join("README.md")).unwrap();
    let mut lines = Vec::new();
    let mut inside = false;
    for line in readme.lines() {
        match line {
            "```sh conversation" => inside = true,
            "```" => inside = false,
            line if inside => lines.push(line),
            _ => {}
        }
    }
    assert!(lines.len() > 10, "the README has a conversation");
    lines.join("\n")
}

#[tokio::test]
async fn the_conversation_works_on_both_stores() {
    let laptop = embedded().unset("MF_USERS_ADMIN_EMAIL").unset("MF_USERS_ADMIN_PASSWORD");
    let fleet = postgres().await.set("MF_USERS_ADMIN_EMAIL", "admin@keyward.local");
    for (store, setup) in [("embedded", laptop), ("postgres", fleet)] {
        let server = setup.start().await.unwrap();
        let password = printed_password(&server.output())
            .unwrap_or_else(|| auth_testkit::ADMIN_PASSWORD.to_owned());
        let script = conversation()
            .replace("localhost:8180", &server.http.to_string())
            .replace("localhost:8181", &server.grpc.to_string())
            .replace("localhost:8186", &server.ops.to_string());
        let run = Command::new("bash")
            .args(["-euo", "pipefail", "-c", &script])
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
