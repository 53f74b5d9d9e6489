//! A server that sends mail, and people to invite.

use std::time::{Duration, Instant};

use auth_testkit::{Received, Server, Setup, Smtp};
use reqwest::{Method, Response};
use serde_json::{Value, json};

use crate::world::{eventually, found, get};

/// Longer than the worker needs for a mail that nothing stands in the way of.
pub const SOON: Duration = Duration::from_mins(1);

/// Mail goes there, and links begin with a URL of ours.
pub fn mailing(setup: Setup, smtp: &Smtp) -> Setup {
    setup
        .set("MF_EMAIL_HOST", "localhost")
        .set("MF_EMAIL_PORT", smtp.port().to_string())
        .set("MF_AUTH_EMAIL_CA_CERTS", smtp.authority().display().to_string())
        .set("MF_EMAIL_FROM_ADDRESS", "keyward@example.com")
        .set("MF_EMAIL_FROM_NAME", "Keyward")
        .set("MF_HOST", "https://front.example/app")
}

/// An org of Ada's, and Bob, who is to be invited.
pub struct Scene {
    pub server: Server,
    pub admin: String,
    pub ada: String,
    pub bob: String,
    pub org: String,
}

impl Scene {
    pub async fn new(setup: &Setup, org: &str) -> Self {
        let server = setup.start().await.unwrap();
        let admin = server.admin().await.unwrap();
        let ada = server.user("ada@example.com").await.unwrap();
        let bob = server.user("bob@example.com").await.unwrap();
        let org = found(&server, &ada, org).await;
        Self { server, admin, ada, bob, org }
    }

    pub async fn post(&self, path: &str, token: &str, body: Option<&Value>) -> Response {
        self.server.send(Method::POST, path, Some(token), body).await.unwrap()
    }

    /// Invites somebody and gives the invite's id.
    pub async fn invite(&self, email: &str) -> String {
        let body = json!({ "email": email, "role": "editor", "redirect_path": "/invites" });
        let path = format!("/orgs/{}/invites", self.org);
        let answer = self.post(&path, &self.ada, Some(&body)).await;
        assert_eq!(answer.status(), 201, "{:?}", answer.text().await);
        let location = answer.headers()["location"].to_str().unwrap();
        location.trim_start_matches("/invites/").to_owned()
    }

    pub async fn revoke(&self, invite: &str) {
        let path = format!("/invites/{invite}");
        let answer = self.server.send(Method::DELETE, &path, Some(&self.ada), None).await.unwrap();
        assert_eq!(answer.status(), 204);
    }

    /// Accounts that only have to be there.
    pub async fn people(&self, count: usize) -> Vec<String> {
        let mut emails = Vec::new();
        for number in 0..count {
            let email = format!("person{number}@example.com");
            self.server.user(&email).await.unwrap();
            emails.push(email);
        }
        emails
    }

    pub async fn mails(&self, query: &str) -> Value {
        let answer = get(&self.server, &format!("/mails{query}"), &self.admin).await;
        assert_eq!(answer.status(), 200);
        answer.json().await.unwrap()
    }

    /// The only mail in the queue, once it is like this.
    pub async fn only(&self, what: &str, like: impl Fn(&Value) -> bool) -> Value {
        let mut mail = Value::Null;
        eventually(what, SOON, async || {
            let list = self.mails("").await;
            mail = list["mails"][0].clone();
            list["total"] == 1 && like(&mail)
        })
        .await;
        mail
    }

    /// Nothing is in the queue any more.
    pub async fn emptied(&self) {
        eventually("the queue is empty", SOON, async || self.mails("").await["total"] == 0).await;
    }

    pub async fn retry(&self, id: &Value) {
        let path = format!("/mails/{}/retry", id.as_str().unwrap());
        assert_eq!(self.post(&path, &self.admin, None).await.status(), 204);
    }

    pub async fn metrics(&self) -> String {
        let answer = self.server.client.get(self.server.ops_url("/metrics")).send().await.unwrap();
        answer.text().await.unwrap()
    }

    pub async fn counted(&self, line: &str) {
        let mut metrics = String::new();
        let what = format!("{line} is counted");
        eventually(&what, SOON, async || {
            metrics = self.metrics().await;
            metrics.lines().any(|seen| seen == line)
        })
        .await;
    }

    /// What `/readyz` says of mail; it says that it is ready.
    pub async fn readiness(&self) -> Value {
        let answer = self.server.client.get(self.server.ops_url("/readyz")).send().await.unwrap();
        assert_eq!(answer.status(), 200, "it can decide all the same");
        let document: Value = answer.json().await.unwrap();
        document["dependencies"]["mail"]["status"].clone()
    }

    /// How long the slowest of these invites took.
    pub async fn slowest(&self, emails: &[String]) -> Duration {
        let mut slowest = Duration::ZERO;
        for email in emails {
            let begun = Instant::now();
            self.invite(email).await;
            slowest = slowest.max(begun.elapsed());
        }
        slowest
    }
}

pub async fn received(smtp: &Smtp, count: usize) -> Vec<Received> {
    eventually("the mails arrive", SOON, async || smtp.received().len() >= count).await;
    assert_eq!(smtp.received().len(), count);
    smtp.received()
}

pub fn link(invite: &str) -> String {
    format!("https://front.example/app/invites/{invite}")
}
