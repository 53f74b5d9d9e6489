//! The machine of one replica, with a terminal on it.

use std::fmt::Write;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use auth_testkit::{ADMIN_EMAIL, ADMIN_PASSWORD, Database, SECRET};
use reqwest::{Client, Method};
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::migrating::free_ports;
use crate::shell::{Shell, blocks};

/// What everybody but the admin signs in with.
const PASSWORD: &str = "a good password";

/// A directory with `auth.env`, `bin/auth` and a shell in which the settings are read.
pub struct Machine {
    pub shell: Shell,
    dir: TempDir,
    http: u16,
    client: Client,
}

impl Machine {
    /// One whose settings name this database and a directory of signing keys.
    pub async fn on(database: &Database) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("auth.env"), settings(database, dir.path())).unwrap();
        Self::with(dir).await
    }

    /// Another one with the settings of this one.
    pub async fn beside(other: &Self) -> Self {
        let dir = tempfile::tempdir().unwrap();
        fs::copy(other.dir.path().join("auth.env"), dir.path().join("auth.env")).unwrap();
        Self::with(dir).await
    }

    async fn with(dir: TempDir) -> Self {
        let [http, grpc, ops] = free_ports();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let path = path.to_str().unwrap();
        let variables = [
            ("PATH", format!("{}:{path}", dir.path().join("bin").display())),
            ("MF_AUTH_HTTP_PORT", http.to_string()),
            ("MF_AUTH_GRPC_PORT", grpc.to_string()),
            ("MF_AUTH_OPS_PORT", ops.to_string()),
        ];
        let shell = Shell::open(dir.path(), &variables);
        let mut machine = Self { shell, dir, http, client: Client::new() };
        fs::create_dir(machine.dir.path().join("keys")).unwrap();
        machine.install("bin/auth", Path::new(env!("CARGO_BIN_EXE_auth")));
        machine.read_settings().await;
        machine
    }

    /// Puts a binary there, whatever was there before.
    pub fn install(&self, place: &str, binary: &Path) {
        let place = self.dir.path().join(place);
        fs::create_dir_all(place.parent().unwrap()).unwrap();
        let _ = fs::remove_file(&place);
        symlink(binary, &place).unwrap();
    }

    async fn read_settings(&mut self) {
        let [block] = blocks(super::PAGE, "settings").try_into().unwrap();
        self.shell.run(&block).await;
    }

    /// From now on the settings name this database.
    pub async fn move_to(&mut self, database: &Database) {
        fs::write(self.dir.path().join("auth.env"), settings(database, self.dir.path())).unwrap();
        self.read_settings().await;
    }

    /// Starts the service, as the page does.
    pub async fn start(&mut self) {
        self.shell
            .run(
                "auth >>auth.log 2>&1 &\nAUTH=$!\n\
                 for tenth in $(seq 600); do auth health >/dev/null 2>&1 && break; kill -0 $AUTH && sleep 0.1; done\n\
                 auth health || { cat auth.log; false; }",
            )
            .await;
    }

    pub async fn stop(&mut self) {
        self.shell.run("kill \"$AUTH\"\nwait \"$AUTH\"").await;
    }

    /// Makes a signing key that has signed since the beginning of this year.
    pub async fn key_of_year(&mut self, year: u32) {
        let script = format!(
            "auth keys rotate --after 3s\n\
             mv \"$(ls keys/*.pem | tail -n 1)\" keys/{year}0101T000000Z.pem"
        );
        self.shell.run(&script).await;
    }

    /// The id of the key that signs now.
    pub async fn signing_key(&mut self) -> String {
        let listed = self.shell.run("auth keys list").await;
        let signing = listed.lines().find(|line| line.contains(" signing ")).unwrap();
        signing.split(' ').next().unwrap().to_owned()
    }

    async fn send(&self, method: Method, path: &str, token: &str, body: Value) -> (u16, Value) {
        let url = format!("http://127.0.0.1:{}{path}", self.http);
        let request = self.client.request(method.clone(), url).bearer_auth(token);
        let request = if method == Method::GET { request } else { request.json(&body) };
        let answer = request.send().await.unwrap();
        (answer.status().as_u16(), answer.json().await.unwrap_or_default())
    }

    async fn sign_in(&self, email: &str, password: &str) -> Option<String> {
        let body = json!({ "email": email, "password": password });
        let (_, answer) = self.send(Method::POST, "/tokens", "", body).await;
        answer["token"].as_str().map(str::to_owned)
    }

    /// The admin's login token.
    pub async fn admin(&self) -> String {
        self.sign_in(ADMIN_EMAIL, ADMIN_PASSWORD).await.unwrap()
    }

    /// Somebody's login token, if they may sign in.
    pub async fn login(&self, email: &str) -> Option<String> {
        self.sign_in(email, PASSWORD).await
    }

    /// Opens an account and gives its login token.
    pub async fn user(&self, email: &str) -> String {
        let account = json!({ "email": email, "password": PASSWORD });
        let (status, said) = self
            .send(Method::POST, "/register", "", json!({ "user": account, "redirect_path": "/" }))
            .await;
        assert_eq!(status, 201, "{said}");
        self.login(email).await.unwrap()
    }

    /// Whose token it is.
    pub async fn id_of(&self, token: &str) -> String {
        let (_, profile) = self.send(Method::GET, "/users/profile", token, Value::Null).await;
        profile["id"].as_str().unwrap().to_owned()
    }

    /// The id and the value of a new API key.
    pub async fn make_key(&self, token: &str) -> (String, String) {
        let (status, made) = self.send(Method::POST, "/keys", token, json!({ "type": 2 })).await;
        assert_eq!(status, 201, "{made}");
        let text = |name: &str| made[name].as_str().unwrap().to_owned();
        (text("id"), text("value"))
    }

    pub async fn found(&self, token: &str, name: &str) {
        let (status, said) = self.send(Method::POST, "/orgs", token, json!({ "name": name })).await;
        assert_eq!(status, 201, "{said}");
    }

    /// How a request with this token is answered.
    pub async fn status(&self, path: &str, token: &str) -> u16 {
        self.send(Method::GET, path, token, Value::Null).await.0
    }

    /// The orgs that whoever has this token sees, once they are told.
    pub async fn names(&self, token: &str) -> Option<String> {
        let (status, orgs) = self.send(Method::GET, "/orgs", token, Value::Null).await;
        (status == 200).then(|| orgs.to_string())
    }
}

fn settings(database: &Database, dir: &Path) -> String {
    let keys = dir.join("keys").display().to_string();
    let mut file = String::new();
    for (name, value) in [
        ("MF_AUTH_DB_HOST", &*database.host),
        ("MF_AUTH_DB_PORT", &database.port.to_string()),
        ("MF_AUTH_DB_USER", &database.user),
        ("MF_AUTH_DB_PASS", &database.password),
        ("MF_AUTH_DB", &database.name),
        ("MF_AUTH_SECRET", SECRET),
        ("MF_AUTH_SIGNING_KEYS", &keys),
        ("MF_USERS_ADMIN_EMAIL", ADMIN_EMAIL),
        ("MF_USERS_ADMIN_PASSWORD", ADMIN_PASSWORD),
        ("MF_AUTH_RATE_LIMITS", "off"),
        // With patience for a busy machine.
        ("MF_AUTH_QUEUE_WAIT", "5s"),
        ("MF_AUTH_DB_ACQUIRE_TIMEOUT", "5s"),
        ("MF_AUTH_HTTP_HOST", "127.0.0.1"),
        ("MF_AUTH_GRPC_HOST", "127.0.0.1"),
    ] {
        writeln!(file, "{name}='{value}'").unwrap();
    }
    file
}
