//! Asks as everybody and with every credential.

use std::fmt;

use auth_domain::model::KeyKind;
use auth_grpc::proto;
use axum::body::Body;
use http::{Request, StatusCode, header};
use http_body_util::BodyExt;
use prost::Message;
use serde_json::Value;
use tonic::Code;
use tower::ServiceExt;

use super::calls::Call;
use super::rows::Row;
use super::scene::{LISTED, Person, Place, Scene, UNLISTED};

/// An answer: what it is called, and the stable code if it is a refusal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Answer {
    status: String,
    refusal: Option<String>,
}

impl fmt::Display for Answer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.refusal.as_deref() {
            // What these statuses say unless something else is added.
            None | Some("forbidden" | "not_found") => f.write_str(&self.status),
            Some(code) => write!(f, "{} {code}", self.status),
        }
    }
}

impl Answer {
    pub const fn is_refusal(&self) -> bool {
        self.refusal.is_some()
    }
}

/// What everybody is answered, in the order of [`Place::ALL`].
pub type Answers = Vec<Answer>;

/// A user's credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Credential {
    Login,
    Key,
    Recovery,
    /// A login token with another signature.
    Changed,
    /// Text that is no token.
    Garbage,
    None,
}

impl Credential {
    async fn of(self, scene: &Scene, person: &Person) -> Option<String> {
        Some(match self {
            Self::Login => scene.token(person, KeyKind::Login).await,
            Self::Recovery => scene.token(person, KeyKind::Recovery).await,
            Self::Key => scene.key(person).await.1,
            Self::Changed => {
                let token = scene.token(person, KeyKind::Login).await;
                let (rest, signature) = token.rsplit_once('.').unwrap();
                let other = if signature.starts_with('A') { "B" } else { "A" };
                format!("{rest}.{other}{}", &signature[1..])
            }
            Self::Garbage => "x.y.z".to_owned(),
            Self::None => return None,
        })
    }
}

/// What the users with each kind of credential are answered.
pub struct ByUser {
    pub login: Answers,
    pub key: Answers,
    pub recovery: Answers,
    pub bad: Answer,
    pub none: Answer,
}

impl ByUser {
    async fn ask<F>(what: &str, ask: impl Fn(Place, Credential) -> F) -> Self
    where
        F: Future<Output = Answer> + Send + 'static,
    {
        let all = async |places: &[Place], credential| {
            let ask = |place: &Place| tokio::spawn(ask(*place, credential));
            let asked: Vec<_> = places.iter().map(ask).collect();
            let mut answers = Vec::new();
            for answer in asked {
                answers.push(answer.await.unwrap());
            }
            answers
        };
        let login = all(&Place::ALL, Credential::Login).await;
        let key = all(&Place::ALL, Credential::Key).await;
        let recovery = all(&Place::ALL, Credential::Recovery).await;
        // Whose a bad token was meant to be is nobody's business, and so is who shows none.
        let some = [Place::Root, Place::Owner, Place::Stranger];
        let mut bad = all(&some, Credential::Changed).await;
        bad.extend(all(&some[..1], Credential::Garbage).await);
        let none = all(&some, Credential::None).await;
        for same in [&bad, &none] {
            assert!(same.iter().all(|answer| *answer == same[0]), "{what}: {same:?}");
        }
        assert!(login.iter().any(|answer| !answer.is_refusal()), "nobody may: {what}: {login:?}");
        Self { login, key, recovery, bad: bad[0].clone(), none: none[0].clone() }
    }
}

/// Asks a route.
pub async fn ask_row(row: &'static Row) -> ByUser {
    ByUser::ask(row.route, |place, credential| ask_once(row, place, credential)).await
}

async fn ask_once(row: &Row, place: Place, credential: Credential) -> Answer {
    let scene = Scene::new(place).await;
    let asked = (row.ask)(&scene).await;
    let token = credential.of(&scene, &scene.caller).await;
    let (method, _) = row.route.split_once(' ').unwrap();
    let mut request =
        Request::builder().method(method).uri(asked.path).header(header::HOST, "auth");
    if let Some(token) = token {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let body = asked.body.map_or_else(Body::empty, |body| match body {
        Value::String(form) => Body::from(form),
        other => Body::from(other.to_string()),
    });
    let request = request.header(header::CONTENT_TYPE, asked.content_type).body(body);
    let before = scene.revision().await;
    let router = if asked.to_users_port { &scene.users } else { &scene.http };
    let response = router.clone().oneshot(request.unwrap()).await.unwrap();
    let status = response.status();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    let text = String::from_utf8_lossy(&body);
    let what = format!("{} by {} with {credential:?}: {status} {text}", row.route, place.name());
    if status.is_success() {
        return Answer { status: status.as_u16().to_string(), refusal: None };
    }
    let refusals = [
        StatusCode::UNAUTHORIZED,
        StatusCode::FORBIDDEN,
        StatusCode::NOT_FOUND,
        StatusCode::CONFLICT,
    ];
    assert!(refusals.contains(&status), "not for who they are: {what}");
    assert_eq!(scene.revision().await, before, "refused, and yet something changed: {what}");
    let problem: Value = serde_json::from_slice(&body).unwrap();
    let refusal = Some(problem["code"].as_str().unwrap().to_owned());
    Answer { status: status.as_u16().to_string(), refusal }
}

/// The package of Mainflux 0.13, whose methods have the names of some of ours.
const OLDER: &str = "mainflux";

/// A gRPC method.
#[derive(Clone, Debug)]
pub struct Rpc {
    pub name: String,
    path: String,
    /// Whether its message has a place for a user's token.
    takes_token: bool,
}

impl Rpc {
    /// Every method there is.
    pub fn all() -> Vec<Self> {
        let files = prost_types::FileDescriptorSet::decode(proto::DESCRIPTOR).unwrap();
        let ours = |file: &prost_types::FileDescriptorProto| {
            ["protomfx", "auth.v1", OLDER].contains(&file.package())
        };
        let files: Vec<_> = files.file.into_iter().filter(ours).collect();
        let messages: Vec<_> = files.iter().flat_map(|file| &file.message_type).collect();
        let holds_token = |name: &str| {
            let message =
                messages.iter().find(|message| name.ends_with(&format!(".{}", message.name())));
            name.ends_with(".Token")
                || message.unwrap().field.iter().any(|field| field.name() == "token")
        };
        let services = files
            .iter()
            .flat_map(|file| file.service.iter().map(|service| (file.package(), service)));
        let methods = services.flat_map(|(package, service)| {
            service.method.iter().map(move |method| Self {
                name: match package {
                    OLDER => format!("{OLDER}.{}/{}", service.name(), method.name()),
                    _ => method.name().to_owned(),
                },
                path: format!("/{package}.{}/{}", service.name(), method.name()),
                takes_token: holds_token(method.input_type()),
            })
        });
        methods.collect()
    }
}

/// What callers of a method are answered.
pub struct ByCaller {
    pub unknown: Answer,
    pub user: Answer,
    pub unlisted: Answer,
    pub listed: Answer,
    /// By whose token the message holds, if it holds any; asked by the service on the list.
    pub tokens: Option<ByUser>,
}

/// What the caller of a method shows that it is.
#[derive(Clone, Copy, Debug)]
enum Shown {
    Nothing,
    /// A token of the user who asks.
    User(Credential),
    Service(&'static str),
}

/// Asks a method.
pub async fn ask_call(call: &'static Call, rpc: Rpc) -> ByCaller {
    // On behalf of root, who may look at every org.
    let by = async |shown| send(call, &rpc, Place::Root, Credential::Login, shown).await;
    let user = by(Shown::User(Credential::Login)).await;
    for other in [Credential::Key, Credential::Recovery] {
        assert_eq!(by(Shown::User(other)).await, user, "{} with {other:?}", call.method);
    }
    let unknown = by(Shown::Nothing).await;
    let unlisted = by(Shown::Service(UNLISTED)).await;
    let listed = by(Shown::Service(LISTED)).await;
    assert!(!listed.is_refusal(), "nobody may call {}: {listed}", call.method);
    let tokens = if rpc.takes_token {
        let ask = |place, credential| {
            let rpc = rpc.clone();
            async move { send(call, &rpc, place, credential, Shown::Service(LISTED)).await }
        };
        Some(ByUser::ask(call.method, ask).await)
    } else {
        None
    };
    ByCaller { unknown, user, unlisted, listed, tokens }
}

async fn send(
    call: &Call,
    rpc: &Rpc,
    place: Place,
    credential: Credential,
    shown: Shown,
) -> Answer {
    let scene = Scene::new(place).await;
    let token = credential.of(&scene, &scene.caller).await.unwrap_or_default();
    let message = (call.ask)(&scene, token).await;
    let mut frame = vec![0];
    frame.extend(u32::try_from(message.len()).unwrap().to_be_bytes());
    frame.extend(message);
    let shown = match shown {
        Shown::Nothing => None,
        Shown::User(credential) => credential.of(&scene, &scene.caller).await,
        Shown::Service(token) => Some(token.to_owned()),
    };
    let mut request = Request::post(&rpc.path)
        .header(header::CONTENT_TYPE, "application/grpc")
        .header(header::TE, "trailers");
    if let Some(token) = shown {
        request = request.header(header::AUTHORIZATION, format!("Bearer {token}"));
    }
    let before = scene.revision().await;
    let request = request.body(Body::from(frame)).unwrap();
    let response = scene.grpc.clone().oneshot(request).await.unwrap();
    let (head, body) = response.into_parts();
    let trailers = body.collect().await.unwrap().trailers().cloned().unwrap_or(head.headers);
    let text = |name| trailers.get(name).map(|value| value.to_str().unwrap().to_owned());
    let code = Code::from_bytes(text("grpc-status").unwrap().as_bytes());
    if code == Code::Ok {
        return Answer { status: format!("{code:?}"), refusal: None };
    }
    let what = format!("{} by {} with {credential:?}: {trailers:?}", call.method, place.name());
    let refusals = [Code::Unauthenticated, Code::PermissionDenied, Code::NotFound];
    assert!(refusals.contains(&code), "not for who they are: {what}");
    assert_eq!(scene.revision().await, before, "refused, and yet something changed: {what}");
    Answer { status: format!("{code:?}"), refusal: Some(text("code").unwrap()) }
}
