//! The directory of another service: a client of `protomfx.UsersService`.
//!
//! Ids are UUIDs by their type and addresses are parsed, so nothing that a client made up leaves here
//! unread. What comes back is not believed either: whoever asks checks it. While nothing comes, [`breaker`] keeps
//! everybody but one from waiting for it.

mod breaker;

use std::error::Error as _;
use std::path::Path;
use std::time::Duration;

use async_trait::async_trait;
use auth_domain::model::{Email, Person, UserId};
use auth_domain::ports::Directory;
use auth_domain::{Entity, Error, Result};
use tonic::metadata::{MetadataMap, MetadataValue};
use tonic::transport::{Certificate, Channel, ClientTlsConfig, Endpoint};
use tonic::{Code, Request, Response, Status};

use self::breaker::Breaker;
use crate::proto;
use crate::proto::users_service_client::UsersServiceClient;

/// How long a broken connection stays unnoticed while nothing is said on it.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// Where the users service is, and how to talk to it.
pub struct RemoteOptions<'a> {
    /// Its host and port.
    pub address: &'a str,
    /// How long one call may take, connecting included.
    pub deadline: Duration,
    /// Whether to talk over TLS.
    pub tls: bool,
    /// The PEM file with the authorities whose certificates it may show; none: those of this machine.
    pub authorities: Option<&'a Path>,
    /// Names the trace a call belongs to, as a `traceparent` (W3C Trace Context).
    pub traceparent: fn() -> Option<String>,
    /// Hears whether the service is not asked for now, because it did not answer, whenever that changes.
    pub not_asked: fn(bool),
}

/// People as another service knows them.
pub struct RemoteDirectory {
    client: UsersServiceClient<Channel>,
    deadline: Duration,
    traceparent: fn() -> Option<String>,
    breaker: Breaker,
}

impl RemoteDirectory {
    /// A directory that connects when somebody asks. Fails with a line for the operator.
    pub fn new(options: &RemoteOptions<'_>) -> Result<Self, String> {
        let scheme = if options.tls { "https" } else { "http" };
        let bad = |problem: tonic::transport::Error| format!("the users service: {problem}");
        let endpoint = Endpoint::from_shared(format!("{scheme}://{}", options.address));
        let mut endpoint = endpoint
            .map_err(bad)?
            .connect_timeout(options.deadline)
            .http2_keep_alive_interval(KEEPALIVE)
            .keep_alive_timeout(options.deadline);
        if options.tls {
            let tls = ClientTlsConfig::new();
            let tls = match options.authorities {
                Some(file) => {
                    let pem = std::fs::read(file)
                        .map_err(|problem| format!("{}: {problem}", file.display()))?;
                    tls.ca_certificate(Certificate::from_pem(pem))
                }
                None => tls.with_native_roots(),
            };
            endpoint = endpoint.tls_config(tls).map_err(bad)?;
        }
        let client = UsersServiceClient::new(endpoint.connect_lazy());
        let breaker = Breaker::new(options.not_asked);
        Ok(Self { client, deadline: options.deadline, traceparent: options.traceparent, breaker })
    }

    /// A request that says how long it may take and which trace it belongs to.
    fn request<T>(&self, message: T) -> Request<T> {
        let mut request = Request::new(message);
        request.set_timeout(self.deadline);
        trace(request.metadata_mut(), (self.traceparent)());
        request
    }

    /// What the service answers, in time. It is not asked while it does not.
    async fn answer(
        &self,
        call: impl Future<Output = Result<Response<proto::UsersRes>, Status>> + Send,
    ) -> Result<Vec<Person>> {
        let Some(turn) = self.breaker.turn() else {
            return Err(Error::unavailable("the users service has not answered lately"));
        };
        let answer = tokio::time::timeout(self.deadline, call).await;
        turn.end(answer.as_ref().is_ok_and(is_answer));
        match answer {
            Ok(Ok(answer)) => Ok(understand(answer.into_inner().users)),
            Ok(Err(status)) if status.code() == Code::NotFound => {
                Err(Error::NotFound(Entity::Account))
            }
            // Its words may name people, and causes are logged.
            Ok(Err(status)) => {
                Err(Error::unavailable(format!("the users service answered {:?}", status.code())))
            }
            Err(_) => Err(Error::unavailable("the users service did not answer in time")),
        }
    }
}

/// Whether this came from the service, whatever it says. What went wrong on the way has a source.
fn is_answer<T>(answer: &Result<T, Status>) -> bool {
    answer.as_ref().err().is_none_or(|status| {
        let is_away = matches!(status.code(), Code::Unavailable | Code::DeadlineExceeded);
        !is_away && status.source().is_none()
    })
}

fn trace(metadata: &mut MetadataMap, parent: Option<String>) {
    if let Some(Ok(parent)) = parent.map(MetadataValue::try_from) {
        metadata.insert("traceparent", parent);
    }
}

/// Somebody without a proper id is nobody. A status is empty at the original, which names only those who
/// are enabled.
fn understand(users: Vec<proto::User>) -> Vec<Person> {
    let enabled = |user: &proto::User| user.status.is_empty() || user.status == "enabled";
    users
        .into_iter()
        .filter(enabled)
        .filter_map(|user| Some(Person { id: user.id.parse().ok()?, email: user.email }))
        .collect()
}

#[async_trait]
impl Directory for RemoteDirectory {
    async fn people(&self, ids: &[UserId]) -> Result<Vec<Person>> {
        // The original refuses an empty list.
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        let ids = ids.iter().map(UserId::to_string).collect();
        let page_metadata = Some(proto::PageMetadata::default());
        let request = self.request(proto::UsersByIDsReq { ids, page_metadata });
        let mut client = self.client.clone();
        match self.answer(client.get_users_by_i_ds(request)).await {
            // Whoever is not there is left out.
            Err(Error::NotFound(_)) => Ok(Vec::new()),
            other => other,
        }
    }

    async fn people_by_emails(&self, emails: &[Email]) -> Result<Vec<Person>> {
        if emails.is_empty() {
            return Ok(Vec::new());
        }
        let emails = emails.iter().map(|email| email.as_str().to_owned()).collect();
        let request = self.request(proto::UsersByEmailsReq { emails });
        let mut client = self.client.clone();
        self.answer(client.get_users_by_emails(request)).await
    }

    fn is_built_in(&self) -> bool {
        false
    }
}
