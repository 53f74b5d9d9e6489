//! The guide for fleets of the original, command by command, as an operator would type it: on a
//! database that the original left behind, next to a users service, and back again.

pub mod original;

use std::collections::HashSet;
use std::fmt::Write;
use std::path::Path;
use std::time::Duration;

use auth_grpc::proto::auth_service_client::AuthServiceClient;
use auth_grpc::proto::{AssignRoleReq, AuthorizeReq, IssueReq, OrgId, RetrieveRoleReq, Token};
use auth_testkit::{Postgres, Redis, Smtp, SmtpSetup, workspace};
use reqwest::{Method, Response};
use serde_json::{Value, json};
use tempfile::TempDir;
use tonic::Code;
use tonic::transport::Channel;

use self::original::{
    ADA, MAIL_USER, ORG, UNREADABLE, USERS_GONE, USERS_VARIABLES, VARIABLES, VIEWER,
};
use crate::shell::{Shell, blocks};
use crate::users::{Users, email, id};
use crate::world::{code, eventually};

const GUIDE: &str = "docs/migrating-from-mainflux.md";
const STRONG: &str = "Zm9ydHktdHdvIGJ5dGVzIHRoYXQgbm9ib2R5IGtub3dz";

/// A fleet of the original, its auth stopped, and a terminal next to it.
struct Fleet {
    shell: Shell,
    users: Users,
    redis: Redis,
    smtp: Smtp,
    dir: TempDir,
    http: u16,
    grpc: u16,
}

impl Fleet {
    async fn of_the_original(secret: &str) -> Self {
        let database = Postgres::shared().await.unwrap().database().await.unwrap();
        database.execute(original::DATABASE).await.unwrap();
        let users = Users::start(9).await;
        users.know(ADA, "ada@example.com");
        users.know(VIEWER, "viewer@example.com");
        let redis = Redis::start().await.unwrap();
        let smtp = Smtp::with(SmtpSetup {
            starttls: true,
            account: Some((MAIL_USER.0.to_owned(), MAIL_USER.1.to_owned())),
            ..SmtpSetup::default()
        });
        let smtp = smtp.await.unwrap();
        let dir = tempfile::tempdir().unwrap();
        let [http, grpc, ops] = free_ports();
        let here = |name: &str| match name {
            "MF_AUTH_DB_HOST" => Some(database.host.clone()),
            "MF_AUTH_DB_PORT" => Some(database.port.to_string()),
            "MF_AUTH_DB_USER" => Some(database.user.clone()),
            "MF_AUTH_DB_PASS" => Some(database.password.clone()),
            "MF_AUTH_DB" => Some(database.name.clone()),
            "MF_AUTH_HTTP_PORT" => Some(http.to_string()),
            "MF_AUTH_GRPC_PORT" => Some(grpc.to_string()),
            "MF_AUTH_SECRET" => Some(secret.to_owned()),
            "MF_USERS_GRPC_URL" => Some(users.address.to_string()),
            "MF_AUTH_ES_URL" => Some(redis.address()),
            "MF_EMAIL_HOST" => Some("localhost".to_owned()),
            "MF_EMAIL_PORT" => Some(smtp.port().to_string()),
            _ => None,
        };
        write_env(&dir.path().join("auth.env"), VARIABLES, here);
        let bin = dir.path().join("bin");
        std::fs::create_dir(&bin).unwrap();
        std::os::unix::fs::symlink(env!("CARGO_BIN_EXE_auth"), bin.join("auth")).unwrap();
        let path = std::env::var_os("PATH").unwrap_or_default();
        let variables = [
            ("PATH", format!("{}:{}", bin.display(), path.to_str().unwrap())),
            ("TOKEN", original::adas_key(secret)),
            // Nobody else is on this network.
            ("MF_AUTH_HTTP_HOST", "127.0.0.1".to_owned()),
            ("MF_AUTH_GRPC_HOST", "127.0.0.1".to_owned()),
            ("MF_AUTH_OPS_PORT", ops.to_string()),
            ("MF_AUTH_EMAIL_CA_CERTS", smtp.authority().display().to_string()),
        ];
        let shell = Shell::open(dir.path(), &variables);
        Self { shell, users, redis, smtp, dir, http, grpc }
    }

    /// What the database says to this, line by line.
    async fn ask(&mut self, question: &str) -> Vec<String> {
        let answer = self.shell.run(&format!("psql -Atc \"{question}\"")).await;
        answer.lines().map(str::to_owned).collect()
    }

    async fn now(&mut self) -> i64 {
        self.ask("SELECT floor(extract(epoch FROM now()))::bigint").await[0].parse().unwrap()
    }

    async fn dump(&mut self, name: &str, how: &str) -> Vec<String> {
        self.shell.run(&format!("pg_dump --file={name} {how}")).await;
        lines(&self.dir.path().join(name))
    }

    async fn auth(&self) -> AuthServiceClient<Channel> {
        AuthServiceClient::connect(format!("http://127.0.0.1:{}", self.grpc)).await.unwrap()
    }

    async fn send(&self, method: Method, path: &str, token: &str, body: Option<Value>) -> Response {
        let url = format!("http://127.0.0.1:{}{path}", self.http);
        let request = reqwest::Client::new().request(method, url).bearer_auth(token);
        let request = match body {
            Some(body) => request.json(&body),
            None => request,
        };
        request.send().await.unwrap()
    }

    async fn get(&self, path: &str, token: &str) -> Value {
        let answer = self.send(Method::GET, path, token, None).await;
        assert_eq!(answer.status(), 200, "{path}");
        answer.json().await.unwrap()
    }
}

/// Writes an env file: what is typical, but for what differs here.
fn write_env(path: &Path, variables: &[(&str, &str)], here: impl Fn(&str) -> Option<String>) {
    let mut file = String::new();
    for (name, typical) in variables {
        let value = here(name).unwrap_or_else(|| (*typical).to_owned());
        writeln!(file, "{name}='{value}'").unwrap();
    }
    std::fs::write(path, file).unwrap();
}

/// Three ports that nobody has now.
pub fn free_ports() -> [u16; 3] {
    let taken = [(); 3].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
    taken.map(|listener| listener.local_addr().unwrap().port())
}

/// The lines of a dump that say something and are not made up anew for each.
fn lines(file: &Path) -> Vec<String> {
    let text = std::fs::read_to_string(file).unwrap();
    let kept = text.lines().filter(|line| {
        !line.is_empty() && !line.starts_with("\\restrict") && !line.starts_with("\\unrestrict")
    });
    kept.map(str::to_owned).collect()
}

/// What people and sibling services do in a fleet, with what they had before.
async fn live(fleet: &mut Fleet, secret: &str, is_weak: bool) -> (String, String) {
    let (key, now) = (original::adas_key(secret), fleet.now().await);
    let before = original::adas_login(secret, now);
    let mut auth = fleet.auth().await;
    let mut identify = async |value: &str| {
        auth.identify(Token { value: value.to_owned() }).await.map(|who| who.into_inner().id)
    };
    assert_eq!(identify(&key).await.unwrap(), ADA, "keys of the original are good");
    assert_eq!(code(identify(&original::forged_key(secret)).await), Code::Unauthenticated);
    let before = identify(&before).await;
    if is_weak {
        assert_eq!(code(before), Code::Unauthenticated, "anybody can make a login token");
    } else {
        assert_eq!(before.unwrap(), ADA, "and so are login tokens");
    }

    // What users does when it starts, and when somebody signs in.
    let admin = id(9);
    let role = auth.retrieve_role(RetrieveRoleReq { id: admin.clone() }).await.unwrap();
    assert_eq!(role.into_inner().role, "");
    auth.assign_role(AssignRoleReq { id: admin, role: "root".into() }).await.unwrap();
    let issue = IssueReq { id: id(1), email: email(1), r#type: 0 };
    let login = auth.issue(issue).await.unwrap().into_inner().value;
    // What things does.
    let asked = AuthorizeReq {
        token: key.clone(),
        object: ORG.into(),
        subject: "org".into(),
        action: "owner".into(),
    };
    auth.authorize(asked).await.unwrap();
    let owner = auth.get_owner_id_by_org_id(OrgId { value: ORG.into() }).await.unwrap();
    assert_eq!(owner.into_inner().value, ADA);

    // What people do, one of them with a key from before.
    let found = fleet.send(Method::POST, "/orgs", &login, Some(json!({ "name": "new" }))).await;
    assert_eq!(found.status(), 201);
    let location = found.headers()["location"].to_str().unwrap();
    let org = location.strip_prefix("/orgs/").unwrap().to_owned();
    for (org, token) in [(org.as_str(), &login), (ORG, &key)] {
        let grant = json!({ "email": email(2), "role": "editor" });
        let body = Some(json!({ "org_memberships": [grant] }));
        let path = format!("/orgs/{org}/memberships");
        assert_eq!(fleet.send(Method::POST, &path, token, body).await.status(), 200);
    }
    let issued = fleet.send(Method::POST, "/keys", &login, Some(json!({ "type": 2 }))).await;
    let issued: Value = issued.json().await.unwrap();
    let members = fleet.get(&format!("/orgs/{ORG}/memberships?order=email&dir=asc"), &key).await;
    // Two owners and a viewer were there, one of whom nobody knows; the odd role is none.
    assert_eq!(members["total"], 4, "{members}");
    let emails = members["org_memberships"].as_array().unwrap().iter();
    let emails: Vec<_> = emails.map(|member| member["email"].as_str().unwrap()).collect();
    assert_eq!(emails, ["", "ada@example.com", "user2@example.com", "viewer@example.com"]);
    assert!(fleet.users.calls() > 0);

    join_by_mail(fleet, &key).await;

    let told = format!("operation org.create id {org}");
    eventually("the event is told", Duration::from_mins(1), async || {
        let words = fleet.redis.ask(&["XRANGE", "mainflux.auth", "-", "+"]).await.unwrap();
        words.join(" ").contains(&told)
    })
    .await;
    (login, issued["value"].as_str().unwrap().to_owned())
}

/// Somebody is invited by mail and accepts.
async fn join_by_mail(fleet: &mut Fleet, inviter: &str) {
    let invite = json!({ "email": email(3), "role": "viewer", "redirect_path": "/invite" });
    let path = format!("/orgs/{ORG}/invites");
    let made = fleet.send(Method::POST, &path, inviter, Some(invite)).await;
    assert_eq!(made.status(), 201, "{:?}", made.text().await);
    let made = made.headers()["location"].to_str().unwrap().to_owned();
    let id_of_invite = made.strip_prefix("/invites/").unwrap();
    let link = format!("http://localhost/invite/{id_of_invite}");
    eventually("the mail is there", Duration::from_mins(1), async || {
        let mails = fleet.smtp.received();
        let mail = mails.iter().find(|mail| mail.to == [email(3)]);
        mail.is_some_and(|mail| mail.tls && mail.part("text/plain").unwrap().contains(&link))
    })
    .await;
    let issue = IssueReq { id: id(3), email: email(3), r#type: 0 };
    let login = fleet.auth().await.issue(issue).await.unwrap().into_inner().value;
    let accepted = fleet.send(Method::POST, &format!("{made}/accept"), &login, None).await;
    assert_eq!(accepted.status(), 201);
}

/// Swaps in, lives, swaps back, lets the original write, comes again, and leaves for good.
async fn there_and_back(secret: &str, is_weak: bool) {
    let mut fleet = Fleet::of_the_original(secret).await;
    let steps = blocks(GUIDE, "migration");
    let steps: [String; 5] = steps.try_into().unwrap();
    let [save, callers, start, verify, back] = &steps;
    fleet.shell.run(save).await;
    let schema = fleet.dump("schema-before.sql", "--schema-only").await;
    let unreadable = fleet.ask(UNREADABLE).await;
    fleet.shell.run(callers).await;
    if is_weak {
        for block in blocks(GUIDE, "weak-secret") {
            fleet.shell.run(&block).await;
        }
    }
    fleet.shell.run(start).await;
    let seen = fleet.shell.run(verify).await;
    for said in [
        "\"description\":\"auth service\"",
        "\"name\":\"Acme\"",
        "\"email\":\"ada@example.com\"",
        "auth_1\nauth_2\nauth_3\nauth_4\n",
        "auth_grpc_open 1",
        if is_weak { "auth_weak_verify_keys 1" } else { "auth_weak_verify_keys 0" },
        "no faults",
    ] {
        assert!(seen.contains(said), "no {said} in {seen}");
    }
    let (login, key) = live(&mut fleet, secret, is_weak).await;
    fleet.shell.run(back).await;

    // Nothing of the original's is gone or changed: every line of its dump is in a dump of now.
    let before = lines(&fleet.dir.path().join("before.sql"));
    let after: HashSet<String> = fleet.dump("after.sql", "").await.into_iter().collect();
    let gone: Vec<_> = before.iter().filter(|line| !after.contains(*line)).collect();
    assert!(gone.is_empty(), "{gone:#?}");
    // And it can read everything, but what it had written itself and could not read either.
    assert_eq!(fleet.ask(UNREADABLE).await, unreadable);
    let secret_now = fleet.shell.run(". ./auth.env; echo \"$MF_AUTH_SECRET\"").await;
    let now = fleet.now().await;
    assert_eq!(original::accept(&secret_now, &login, now)["type"], 0);
    let claims = original::accept(&secret_now, &key, now);
    let row = format!(
        "SELECT count(*) FROM keys WHERE id = '{}' AND issuer_id = '{}'",
        claims["jti"].as_str().unwrap(),
        claims["issuer_id"].as_str().unwrap()
    );
    assert_eq!(fleet.ask(&row).await, ["1"], "the original would find the key");

    // The original writes, and this binary comes again.
    let join = format!(
        "INSERT INTO org_memberships (org_id, member_id, role, created_at, updated_at) \
         VALUES ('{ORG}', '{}', 'viewer', now(), now())",
        id(4)
    );
    assert_eq!(fleet.ask(&join).await, ["INSERT 0 1"]);
    fleet.shell.run(start).await;
    let members = fleet.get(&format!("/orgs/{ORG}/memberships"), &original::adas_key(secret)).await;
    assert_eq!(members["total"], 6, "{members}");
    fleet.shell.run(back).await;

    for block in blocks(GUIDE, "removal") {
        fleet.shell.run(&block).await;
    }
    assert_eq!(fleet.dump("schema-after.sql", "--schema-only").await, schema);
    let ledger = fleet.ask("SELECT id FROM gorp_migrations ORDER BY id").await;
    assert_eq!(ledger, ["auth_1", "auth_2", "auth_3", "auth_4"]);
}

#[tokio::test]
async fn r36_a_fleet_swaps_auth_and_swaps_back() {
    there_and_back(STRONG, false).await;
}

#[tokio::test]
async fn s15_r36_a_fleet_with_a_weak_secret_swaps_auth_and_keeps_its_api_keys() {
    there_and_back("secret", true).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r36_a_fleet_gives_up_its_users_service_and_takes_it_back() {
    const HASH: &str = "$2a$10$N9qo8uLOickgx2ZMRZoMyeqaHUS.wUmH7UmqsBUsBP5Yy3joGWyGu";
    let mut fleet = Fleet::of_the_original(STRONG).await;
    let users = Postgres::shared().await.unwrap().database().await.unwrap();
    users.execute(include_str!("../../../postgres/tests/mainflux_users_v033.sql")).await.unwrap();
    let people = format!(
        "INSERT INTO users VALUES ('{ADA}', 'ada@example.com', '{HASH}', '{{}}', 'enabled'), \
         ('{VIEWER}', 'viewer@example.com', '{HASH}', '{{}}', 'enabled'), \
         ('{}', 'admin@example.com', '{HASH}', '{{}}', 'enabled')",
        id(9)
    );
    users.execute(&people).await.unwrap();
    let here = |name: &str| match name {
        "MF_USERS_DB_HOST" => Some(users.host.clone()),
        "MF_USERS_DB_PORT" => Some(users.port.to_string()),
        "MF_USERS_DB_USER" => Some(users.user.clone()),
        "MF_USERS_DB_PASS" => Some(users.password.clone()),
        "MF_USERS_DB" => Some(users.name.clone()),
        "MF_USERS_HTTP_PORT" | "MF_USERS_GRPC_PORT" => Some("0".to_owned()),
        _ => None,
    };
    write_env(&fleet.dir.path().join("users.env"), USERS_VARIABLES, here);
    let blocks_of = |name: &str| blocks(GUIDE, name);
    let [look, bring]: [String; 2] = blocks_of("users").try_into().unwrap();
    let [back]: [String; 1] = blocks_of("users-back").try_into().unwrap();
    let save = &blocks_of("migration")[0];
    fleet.shell.run(save).await;
    let said = fleet.shell.run(&look).await;
    assert!(said.contains("would bring in 3 of 3 users; 0 are here"), "{said}");
    let said = fleet.shell.run(&bring).await;
    assert!(said.contains("brought in 3 of 3 users; 0 were here"), "{said}");

    let sign_in = async |fleet: &Fleet, email: &str, password: &str| {
        let body = json!({ "email": email, "password": password });
        let answer = fleet.send(Method::POST, "/tokens", "", Some(body)).await;
        let status = answer.status().as_u16();
        let token: Value = answer.json().await.unwrap();
        (status, token["token"].as_str().unwrap_or_default().to_owned())
    };
    let (status, login) = sign_in(&fleet, "ada@example.com", "password1").await;
    assert_eq!(status, 201);
    let orgs = fleet.get("/orgs", &login).await;
    assert!(orgs.to_string().contains("\"name\":\"Acme\""), "what was theirs is: {orgs}");
    // The account in MF_USERS_ADMIN_EMAIL has the password it had, and is a root.
    assert_eq!(sign_in(&fleet, "admin@example.com", "12345678").await.0, 401);
    let (_, root) = sign_in(&fleet, "admin@example.com", "password1").await;
    let new = json!({ "email": "new@example.com", "password": "a-new-long-one" });
    assert_eq!(fleet.send(Method::POST, "/users", &root, Some(new)).await.status(), 201);
    let disable = format!("/users/{VIEWER}/disable");
    assert_eq!(fleet.send(Method::POST, &disable, &root, None).await.status(), 204);

    fleet.shell.run(&back).await;
    let asked = "psql -At --dbname=\"$MF_USERS_DB\" -c \"SELECT email, trim(password), status FROM users ORDER BY email\"";
    let there = fleet.shell.run(asked).await;
    let expected = [
        format!("ada@example.com|{HASH}|enabled"),
        format!("admin@example.com|{HASH}|enabled"),
        "new@example.com|*|enabled".to_owned(),
        format!("viewer@example.com|{HASH}|disabled"),
    ];
    assert_eq!(there.lines().collect::<Vec<_>>(), expected);
}

/// The names in the first column of the tables below a heading, a row each.
fn rows_below<'a>(guide: &'a str, heading: &str) -> Vec<&'a str> {
    let (_, section) = guide.split_once(&format!("\n{heading}\n")).unwrap();
    let section = section.split_once("\n#").map_or(section, |(section, _)| section);
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.split('|').nth(1).unwrap()).collect()
}

#[test]
fn every_variable_of_the_original_is_explained() {
    let guide = std::fs::read_to_string(workspace().join(GUIDE)).unwrap();
    let manual = std::fs::read_to_string(workspace().join("docs/configuration.md")).unwrap();
    for (heading, variables, gone) in [
        ("## Settings", VARIABLES, &[][..]),
        ("### Of the users service", USERS_VARIABLES, USERS_GONE),
    ] {
        let rows = rows_below(&guide, heading);
        for (name, _) in variables {
            let quoted = format!("`{name}`");
            let explained = rows.iter().filter(|names| names.contains(&quoted)).count();
            assert_eq!(explained, 1, "{name} has one row below {heading} in {GUIDE}");
            let is_setting = manual.contains(&format!("| {quoted} |"));
            assert_eq!(is_setting, !gone.contains(name), "{name} is a setting");
        }
        let named: usize = rows.iter().map(|names| names.matches("`MF_").count()).sum();
        assert_eq!(named, variables.len(), "and no row of {heading} is of any other");
    }
}
