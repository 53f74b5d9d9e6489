//! Those who ask and those who write.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use auth_grpc::proto::Token;
use auth_grpc::proto::auth_service_client::AuthServiceClient;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};
use tonic::transport::{Channel, Endpoint};
use tonic::{Code, Status};

use super::{Facts, PATIENCE, Said, Shared, Target, Told, owner_of};

impl Shared {
    fn over(&self) -> bool {
        self.stop.load(Ordering::SeqCst)
    }

    fn target(&self, turn: usize) -> Target {
        let targets = self.targets.read().unwrap();
        targets[turn % targets.len()].clone()
    }

    fn note(&self, asked: Instant, said: Said) {
        self.told.lock().unwrap().push(Told { asked, answered: Instant::now(), said });
    }

    fn failed(&self, asked: Instant, why: String) {
        self.note(asked, Said::Later);
        let mut failures = self.failures.lock().unwrap();
        failures.push_back(why);
        if failures.len() > 5 {
            failures.pop_front();
        }
    }

    fn wrong(&self, what: String) {
        self.wrong.lock().unwrap().push(what);
    }

    /// Asks over kept connections, of each target in turn, what can only be answered in one way.
    pub(super) async fn ask(self: Arc<Self>, number: usize) {
        let mut channels: Vec<(Target, Channel)> = Vec::new();
        for turn in number.. {
            if self.over() {
                return;
            }
            let target = self.target(turn);
            let known = channels.iter().find(|(known, _)| *known == target);
            let channel = if let Some((_, channel)) = known {
                channel.clone()
            } else {
                let endpoint = Endpoint::from_shared(target.grpc.clone()).unwrap();
                let channel = endpoint.connect_timeout(Duration::from_secs(2)).connect_lazy();
                channels.push((target.clone(), channel.clone()));
                channel
            };
            let mut siblings = AuthServiceClient::new(channel);
            let Facts { ada, eve, org, good_key, revoked_key } = &self.facts;
            let identify = |token: &str| Token { value: token.to_owned() };
            let (what, expected) = match turn % 4 {
                0 => ("a good key", Said::Yes),
                1 => ("an owner", Said::Yes),
                2 => ("a revoked key", Said::No),
                _ => ("a stranger", Said::No),
            };
            let asked = Instant::now();
            let answer = timeout(PATIENCE, async {
                match turn % 4 {
                    0 => siblings.identify(identify(good_key)).await.map(drop),
                    1 => siblings.authorize(owner_of(ada, org)).await.map(drop),
                    2 => siblings.identify(identify(revoked_key)).await.map(drop),
                    _ => siblings.authorize(owner_of(eve, org)).await.map(drop),
                }
            });
            match answer.await {
                Err(_) => self.wrong(format!("{what}: no answer within {PATIENCE:?}")),
                Ok(answer) => match meaning(&answer) {
                    Some(Said::Later) => self.failed(asked, format!("{what}: {answer:?}")),
                    Some(said) if said == expected => self.note(asked, said),
                    _ => self.wrong(format!("{what}: {answer:?}")),
                },
            }
            sleep(Duration::from_millis(5)).await;
        }
    }

    /// Makes keys, revokes every other one and asks about it, and founds orgs.
    pub(super) async fn write(self: Arc<Self>, number: usize) {
        for turn in number.. {
            if self.over() {
                return;
            }
            sleep(Duration::from_millis(10)).await;
            if turn % 3 == 2 {
                let body = json!({ "name": format!("org {turn}") });
                if let Some((_, place, _)) =
                    self.send(turn, Method::POST, "/orgs", Some(body)).await
                {
                    let org = place.trim_start_matches("/orgs/").to_owned();
                    self.ledger.lock().unwrap().orgs.push(org);
                }
                continue;
            }
            let body = Some(json!({ "type": 2 }));
            let Some((_, _, made)) = self.send(turn, Method::POST, "/keys", body).await else {
                continue;
            };
            let text = |name: &str| made[name].as_str().unwrap().to_owned();
            let (id, value) = (text("id"), text("value"));
            self.ledger.lock().unwrap().made.push((id.clone(), value.clone()));
            if turn % 3 == 1 {
                continue;
            }
            let path = format!("/keys/{id}");
            let revoked = self.send(turn + 1, Method::DELETE, &path, None).await;
            let Some((status, ..)) = revoked else {
                self.ledger.lock().unwrap().doubtful.push(id);
                continue;
            };
            self.ledger.lock().unwrap().revoked.push(id);
            // Answered as true everywhere, not only as written.
            if status == StatusCode::NO_CONTENT {
                self.is_refused_everywhere(&value).await;
            }
        }
    }

    async fn is_refused_everywhere(&self, key: &str) {
        let targets = self.targets.read().unwrap().clone();
        for target in targets {
            let endpoint = Endpoint::from_shared(target.grpc).unwrap();
            let Ok(channel) = endpoint.connect_timeout(Duration::from_secs(2)).connect().await
            else {
                continue;
            };
            let asked = Instant::now();
            let mut siblings = AuthServiceClient::new(channel);
            let asking = siblings.identify(Token { value: key.to_owned() });
            match timeout(PATIENCE, asking).await {
                Err(_) => self.wrong(format!("no answer within {PATIENCE:?}")),
                Ok(answer) => match meaning(&answer) {
                    Some(Said::Yes) | None => {
                        self.wrong(format!("after its revocation was acknowledged: {answer:?}"));
                    }
                    Some(Said::Later) => self.failed(asked, format!("a revoked key: {answer:?}")),
                    Some(Said::No) => self.note(asked, Said::No),
                },
            }
        }
    }

    /// Writes. Gives the status, the place and the body of an acknowledgement.
    async fn send(
        &self,
        turn: usize,
        method: Method,
        path: &str,
        body: Option<Value>,
    ) -> Option<(StatusCode, String, Value)> {
        let url = format!("{}{path}", self.target(turn).http);
        let mut request = self.client.request(method.clone(), url).bearer_auth(&self.facts.ada);
        if let Some(body) = body {
            request = request.json(&body);
        }
        let asked = Instant::now();
        let answer = match request.send().await {
            Ok(answer) => answer,
            Err(failure) => {
                if failure.is_timeout() {
                    self.wrong(format!("{method} {path}: no answer within {PATIENCE:?}"));
                }
                self.failed(asked, format!("{method} {path}: {failure:?}"));
                return None;
            }
        };
        let status = answer.status();
        let headers = answer.headers().clone();
        // Cut off after the head: it was acknowledged, but nobody can tell what was made.
        let Ok(text) = answer.text().await else {
            self.failed(asked, format!("{method} {path}: {status} and no body"));
            return None;
        };
        match status.as_u16() {
            200..300 => {
                self.note(asked, Said::Yes);
                let place = headers.get("location").and_then(|place| place.to_str().ok());
                let body = serde_json::from_str(&text).unwrap_or_default();
                Some((status, place.unwrap_or_default().to_owned(), body))
            }
            503 if headers.contains_key("retry-after") => {
                self.failed(asked, format!("{method} {path}: {status} {text}"));
                None
            }
            // The balancer's own.
            502 | 504 => {
                self.failed(asked, format!("{method} {path}: {status}"));
                None
            }
            _ => {
                self.wrong(format!("{method} {path}: {status} {text}"));
                None
            }
        }
    }
}

/// What an answer says; nothing if it is one that nobody should ever get.
fn meaning<T>(answer: &Result<T, Status>) -> Option<Said> {
    let Err(status) = answer else { return Some(Said::Yes) };
    match status.code() {
        Code::Unauthenticated | Code::PermissionDenied => Some(Said::No),
        Code::Unavailable => Some(Said::Later),
        // What was not said by us but by the client, of a connection that ended.
        _ if !status.metadata().contains_key("code")
            && std::error::Error::source(status).is_some() =>
        {
            Some(Said::Later)
        }
        _ => None,
    }
}
