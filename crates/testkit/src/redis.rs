//! A private Redis server.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use tempfile::TempDir;
use tokio::io::{AsyncBufReadExt, AsyncReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::port::Port;

/// How long anything the server is asked for may take before a test gives up.
const PATIENCE: Duration = Duration::from_secs(30);

/// A Redis server of this test's own, on a free port of the loopback interface, which keeps nothing on
/// disk: whoever stops it starts an empty one. It goes when it is dropped or the process dies, however
/// it dies.
#[derive(Debug)]
pub struct Redis {
    dir: TempDir,
    arguments: Vec<String>,
    port: Port,
    /// The server and, as its parent, the shell that ends it when this process ends.
    running: Option<Child>,
}

impl Redis {
    /// Starts one.
    pub async fn start() -> Result<Self> {
        Self::with(&[]).await
    }

    /// Starts one with these arguments, for example `--requirepass` and a password.
    pub async fn with(arguments: &[&str]) -> Result<Self> {
        let dir = tempfile::Builder::new().prefix("keyward-redis-").tempdir()?;
        let arguments = arguments.iter().map(|text| (*text).to_owned()).collect();
        let mut server = Self { dir, arguments, port: Port::take()?, running: None };
        server.start_again().await?;
        Ok(server)
    }

    /// Where it listens, as `host:port`.
    #[must_use]
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.port.number())
    }

    /// Starts it where it was stopped: same port, no data.
    pub async fn start_again(&mut self) -> Result<()> {
        // The server is the shell's child; the shell sees the end of this process, whichever it is,
        // as the end of its input.
        const SCRIPT: &str = "program=$1; shift; \
            \"$program\" \"$@\" </dev/null & echo $! >pid.new; mv pid.new pid; \
            read -r _; kill -KILL $!; wait";
        let _ = fs::remove_file(self.dir.path().join("pid"));
        let mut keeper = std::process::Command::new("/bin/sh");
        keeper.args(["-c", SCRIPT, "keeper"]).arg(program()?);
        keeper.args([
            "--port",
            &self.port.number().to_string(),
            "--bind",
            "127.0.0.1",
            "--save",
            "",
        ]);
        keeper.args(["--appendonly", "no", "--daemonize", "no"]).arg("--dir").arg(self.dir.path());
        keeper.arg("--logfile").arg(self.log()).args(&self.arguments);
        // In a group of its own, so that an interrupt at the terminal does not end it first.
        keeper.process_group(0).current_dir(self.dir.path());
        keeper.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
        self.running = Some(keeper.spawn().context("starting Redis")?);
        let begun = Instant::now();
        while self.listens().await.is_err() {
            let ended = self.running.as_mut().is_none_or(|it| !matches!(it.try_wait(), Ok(None)));
            if ended || self.has_failed() || begun.elapsed() > PATIENCE {
                self.end();
                bail!(
                    "Redis does not start: {}",
                    fs::read_to_string(self.log()).unwrap_or_default()
                );
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        Ok(())
    }

    /// Stops it: whoever is connected is thrown out, nobody can connect, and its data is gone.
    pub fn stop(&mut self) {
        self.end();
    }

    /// Freezes it: connections stay open and nothing is answered.
    pub async fn freeze(&self) -> Result<()> {
        self.signal("STOP").await
    }

    /// Lets a frozen server go on.
    pub async fn thaw(&self) -> Result<()> {
        self.signal("CONT").await
    }

    /// Forgets everything.
    pub async fn flush(&self) -> Result<()> {
        self.ask(&["FLUSHALL"]).await.map(drop)
    }

    /// Sends one command and gives the answer's words: bulk strings, simple strings, numbers and
    /// errors, flattened, in order. A null is an empty word.
    pub async fn ask(&self, command: &[&str]) -> Result<Vec<String>> {
        timeout(PATIENCE, self.converse(command)).await.context("Redis does not answer")?
    }

    async fn converse(&self, command: &[&str]) -> Result<Vec<String>> {
        let mut stream =
            BufReader::new(TcpStream::connect(("127.0.0.1", self.port.number())).await?);
        if let Some(password) = self.argument("--requirepass") {
            converse(&mut stream, &["AUTH", password]).await?;
        }
        converse(&mut stream, command).await
    }

    fn argument(&self, name: &str) -> Option<&str> {
        let place = self.arguments.iter().position(|argument| argument == name)?;
        self.arguments.get(place.checked_add(1)?).map(String::as_str)
    }

    async fn listens(&self) -> Result<()> {
        self.pid()?;
        TcpStream::connect(("127.0.0.1", self.port.number())).await?;
        Ok(())
    }

    fn has_failed(&self) -> bool {
        self.pid().is_ok_and(|pid| !Path::new(&format!("/proc/{pid}")).exists())
    }

    /// Its process id.
    pub fn pid(&self) -> Result<u32> {
        Ok(fs::read_to_string(self.dir.path().join("pid"))?.trim().parse()?)
    }

    async fn signal(&self, name: &str) -> Result<()> {
        crate::signal(name, self.pid()?).await
    }

    fn log(&self) -> PathBuf {
        self.dir.path().join("log")
    }

    fn end(&mut self) {
        if let Some(mut keeper) = self.running.take() {
            // The end of its input tells the shell to end the server.
            drop(keeper.stdin.take());
            let _ = keeper.wait();
        }
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        self.end();
    }
}

/// Where the program is installed.
fn program() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .map(|place| place.join("redis-server"))
        .find(|program| program.is_file())
        .context("the tests need Redis (package redis-server): redis-server is not in PATH")
}

/// One command and its answer, in the Redis serialization protocol, version 2.
async fn converse(stream: &mut BufReader<TcpStream>, command: &[&str]) -> Result<Vec<String>> {
    let words = command.iter().map(|word| format!("${}\r\n{word}\r\n", word.len()));
    let request = format!("*{}\r\n{}", command.len(), words.collect::<String>());
    stream.write_all(request.as_bytes()).await?;
    let mut words = Vec::new();
    let mut expected = 1_usize;
    while let Some(left) = expected.checked_sub(1) {
        expected = left;
        let mut line = String::new();
        stream.read_line(&mut line).await?;
        let line = line.trim_end();
        let Some((kind, rest)) = line.split_at_checked(1) else { bail!("an odd answer: {line:?}") };
        match (kind, rest) {
            ("*", count) => expected = expected.saturating_add(count.parse().unwrap_or(0)),
            ("$", "-1") => words.push(String::new()),
            ("$", length) => {
                let mut bytes = vec![0; length.parse()?];
                stream.read_exact(&mut bytes).await?;
                stream.read_line(&mut String::new()).await?;
                words.push(String::from_utf8(bytes)?);
            }
            ("+" | ":" | "-", word) => words.push(word.to_owned()),
            _ => bail!("an odd answer: {line:?}"),
        }
    }
    Ok(words)
}
