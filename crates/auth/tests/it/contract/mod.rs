//! What the clients of a Mainflux v0.33 fleet rely on, row by row: the numbers are those of the list of
//! contract cases, which tests and documents share. Each row runs against the real binary on both stores,
//! with a users service beside it.

mod backup;
mod everywhere;
mod invites;
mod keys;
mod members;
mod orgs;
mod siblings;

use auth_grpc::proto::{AssignRoleReq, IssueReq};
use auth_testkit::{Server, Setup};
use reqwest::{Method, RequestBuilder, Response};
use serde_json::{Value, json};

use crate::users::{Users, email, id};
use crate::world::{sibling, stores};

/// The owner of org X, and its admin, editor and viewer.
const OWNER: u32 = 1;
const ADMIN: u32 = 2;
const EDITOR: u32 = 3;
const VIEWER: u32 = 4;
/// Somebody who belongs to no org at first.
const STRANGER: u32 = 5;
/// Somebody with a platform role.
const PLATFORM: u32 = 6;
/// Somebody the users service knows and no org does.
const NEWCOMER: u32 = 7;
/// How many people the users service knows.
const PEOPLE: u32 = 12;
/// The id of nothing.
const NOTHING: &str = "0192d3f0-9999-7abc-8def-000000000000";

/// A server with its users service, and an org X with one member of each role.
struct Fleet {
    store: &'static str,
    server: Server,
    users: Users,
    org: String,
}

impl Fleet {
    /// One on each store.
    async fn both() -> Vec<Self> {
        let mut fleets = Vec::new();
        for (store, setup) in stores().await {
            fleets.push(Self::start(store, setup).await);
        }
        fleets
    }

    async fn start(store: &'static str, setup: Setup) -> Self {
        let users = Users::start(PEOPLE).await;
        let setup = setup
            .set("MF_USERS_GRPC_URL", users.address.to_string())
            .unset("MF_USERS_ADMIN_EMAIL")
            .unset("MF_USERS_ADMIN_PASSWORD");
        let server = setup.start().await.unwrap();
        let assign = AssignRoleReq { id: id(PLATFORM), role: "root".to_owned() };
        sibling(&server).await.assign_role(assign).await.unwrap();
        let mut fleet = Self { store, server, users, org: String::new() };
        fleet.org = fleet.found(OWNER, "X").await;
        let role = |number, role: &str| json!({ "email": email(number), "role": role });
        let grants = [role(ADMIN, "admin"), role(EDITOR, "editor"), role(VIEWER, "viewer")];
        let path = fleet.in_org("memberships");
        let add = fleet.post("setup", &path).by(OWNER).await;
        add.json(&json!({ "org_memberships": grants })).gives(200).await;
        fleet
    }

    /// A token of this kind of this person.
    async fn token(&self, number: u32, kind: u32) -> String {
        let issue = IssueReq { id: id(number), email: email(number), r#type: kind };
        sibling(&self.server).await.issue(issue).await.unwrap().into_inner().value
    }

    async fn found(&self, owner: u32, name: &str) -> String {
        let made = self.post("setup", "/orgs").by(owner).await.json(&json!({ "name": name }));
        let made = made.gives(201).await;
        location(&made).strip_prefix("/orgs/").unwrap().to_owned()
    }

    /// A path in org X.
    fn in_org(&self, rest: &str) -> String {
        format!("/orgs/{}/{rest}", self.org)
    }

    fn get(&self, row: &str, path: &str) -> Call<'_> {
        self.call(row, Method::GET, path)
    }

    fn post(&self, row: &str, path: &str) -> Call<'_> {
        self.call(row, Method::POST, path)
    }

    fn put(&self, row: &str, path: &str) -> Call<'_> {
        self.call(row, Method::PUT, path)
    }

    fn patch(&self, row: &str, path: &str) -> Call<'_> {
        self.call(row, Method::PATCH, path)
    }

    fn delete(&self, row: &str, path: &str) -> Call<'_> {
        self.call(row, Method::DELETE, path)
    }

    fn call(&self, row: &str, method: Method, path: &str) -> Call<'_> {
        Call {
            fleet: self,
            name: format!("{}, row {row}: {method} {path}", self.store),
            request: self.server.client.request(method, self.server.url(path)),
        }
    }
}

/// A request in the making, and which row of the list it is.
struct Call<'a> {
    fleet: &'a Fleet,
    name: String,
    request: RequestBuilder,
}

impl Call<'_> {
    /// With a login token of this person.
    async fn by(self, number: u32) -> Self {
        let token = self.fleet.token(number, 0).await;
        self.with(&token)
    }

    /// With this token.
    fn with(mut self, token: &str) -> Self {
        self.request = self.request.bearer_auth(token);
        self
    }

    fn header(mut self, name: &'static str, value: &str) -> Self {
        self.request = self.request.header(name, value);
        self
    }

    fn json(mut self, body: &Value) -> Self {
        self.request = self.request.json(body);
        self
    }

    /// A form as its body.
    fn form(mut self, form: &'static str) -> Self {
        let kind = "application/x-www-form-urlencoded";
        self.request = self.request.header("content-type", kind).body(form);
        self
    }

    /// This text as a JSON body.
    fn text(mut self, body: &str) -> Self {
        self.request = self.request.header("content-type", "application/json");
        self.request = self.request.body(body.to_owned());
        self
    }

    /// This document as a file.
    fn file(mut self, body: &Value) -> Self {
        self.request = self.request.header("content-type", "application/octet-stream");
        self.request = self.request.body(body.to_string());
        self
    }

    /// The answer, which must have this status.
    async fn gives(self, status: u16) -> Response {
        let answer = self.request.send().await.unwrap();
        if answer.status() == status {
            return answer;
        }
        let given = answer.status();
        let body = answer.text().await.unwrap();
        assert_eq!(given, status, "{}: {body}", self.name);
        unreachable!("they differ")
    }

    /// The answer, which must have this status and no body.
    async fn gives_nothing(self, status: u16) {
        let name = self.name.clone();
        let answer = self.gives(status).await;
        assert_eq!(answer.text().await.unwrap(), "", "{name}");
    }

    /// The document, which must come with this status.
    async fn shows(self, status: u16) -> Value {
        let name = self.name.clone();
        let answer = self.gives(status).await;
        assert_eq!(answer.headers()["content-type"], "application/json", "{name}");
        answer.json().await.unwrap()
    }

    /// Must be refused with this status and this text, which is what clients of the original read.
    async fn refused(self, status: u16, error: &str) {
        let name = self.name.clone();
        let answer = self.gives(status).await;
        assert_eq!(answer.headers()["content-type"], "application/problem+json", "{name}");
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["error"], error, "{name}: {answer}");
    }
}

fn location(answer: &Response) -> &str {
    answer.headers()["location"].to_str().unwrap()
}

/// Whether these are an object's members, in whatever order.
fn has_members(object: &Value, names: &[&str]) -> bool {
    let members = object.as_object().unwrap();
    members.len() == names.len() && names.iter().all(|name| members.contains_key(*name))
}

/// A moment on the wire, in seconds since 1970 and their fraction.
fn moment(value: &Value) -> time::OffsetDateTime {
    let format = &time::format_description::well_known::Rfc3339;
    time::OffsetDateTime::parse(value.as_str().unwrap(), format).unwrap()
}
