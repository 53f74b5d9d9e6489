//! A terminal that stays open between the blocks of a document.

use std::path::Path;
use std::process::Stdio;
use std::time::Duration;

use auth_testkit::workspace;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdin, ChildStdout, Command};
use tokio::time::timeout;

/// How long one block may take before the test gives up.
const PATIENCE: Duration = Duration::from_mins(2);
/// Printed after each block.
const DONE: &str = "--- done";

/// A shell in a directory of its own. What it started ends with it.
pub struct Shell {
    child: Child,
    commands: ChildStdin,
    printed: Lines<BufReader<ChildStdout>>,
}

impl Shell {
    /// Opens one in this directory, with these variables and no others. Any command that fails ends it.
    pub fn open(dir: &Path, variables: &[(&str, String)]) -> Self {
        let mut child = Command::new("sh")
            .args(["-eu", "-s"])
            .env_clear()
            .envs(variables.iter().map(|(name, value)| (name, value)))
            .current_dir(dir)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let commands = child.stdin.take().unwrap();
        let printed = BufReader::new(child.stdout.take().unwrap()).lines();
        Self { child, commands, printed }
    }

    /// Types this, and gives what is printed until it is done.
    pub async fn run(&mut self, block: &str) -> String {
        let typed = format!("exec 2>&1\n{block}\necho; echo '{DONE}'\n");
        self.commands.write_all(typed.as_bytes()).await.unwrap();
        let mut text = String::new();
        let reading = async {
            while let Some(line) = self.printed.next_line().await.unwrap() {
                if line == DONE {
                    return true;
                }
                text.push_str(&line);
                text.push('\n');
            }
            false
        };
        let done = timeout(PATIENCE, reading).await;
        assert_eq!(done, Ok(true), "{block}\nprinted: {text}");
        text.trim().to_owned()
    }
}

impl Drop for Shell {
    fn drop(&mut self) {
        // The group has the service in it, if the test did not come to stop it.
        if let Some(group) = self.child.id() {
            let kill = format!("kill -s KILL -- -{group}");
            let _ = std::process::Command::new("/bin/sh").args(["-c", &kill]).status();
        }
    }
}

/// The commands of a document in blocks of this kind, one text for each block.
pub fn blocks(document: &str, kind: &str) -> Vec<String> {
    let text = std::fs::read_to_string(workspace().join(document)).unwrap();
    let opening = format!("```sh {kind}");
    let mut blocks = Vec::new();
    let mut block: Option<String> = None;
    for line in text.lines() {
        match &mut block {
            None if line == opening => block = Some(String::new()),
            Some(_) if line == "```" => blocks.extend(block.take()),
            Some(block) => block.extend([line, "\n"]),
            None => {}
        }
    }
    blocks
}
