//! What is read of messages, whatever is in them: those of every method, and what a users service answers.

use std::cell::{Cell, RefCell};
use std::collections::BTreeSet;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use auth_domain::model::{KeyKind, PlatformRole};
use auth_domain::ports::Directory;
use auth_fuzz::Fuzz;
use auth_grpc::directory::{RemoteDirectory, RemoteOptions};
use auth_grpc::proto::v1;
use auth_grpc::{Trust, proto};
use axum::body::Body;
use http::{HeaderMap, HeaderValue, Request};
use http_body_util::BodyExt;
use prost::Message;
use tokio::runtime::Runtime;
use tower::ServiceExt;

use crate::world::{World, trusting, user, world_with};

/// After so many calls the world is made anew.
const WORN_OUT: usize = 500;

/// A world and the way into it.
struct Scene {
    router: axum::Router,
    world: World,
    org: String,
    calls: Cell<usize>,
}

impl Scene {
    async fn new() -> Self {
        let mut router = axum::Router::new();
        let world = world_with(trusting(Trust::Network), |made| {
            router = made.clone();
            made
        })
        .await;
        world.promote(1, PlatformRole::Root).await;
        let org = world.org(7).await.to_string();
        Self { router, world, org, calls: Cell::new(0) }
    }

    /// A call of each method, with all that its message can say.
    #[expect(clippy::too_many_lines, reason = "a message for each method")]
    fn honest(&self) -> Vec<(&'static str, Vec<u8>)> {
        let (root, seven) = (self.world.login(1), self.world.login(7));
        let recovery = self.world.token(7, KeyKind::Recovery);
        let (org, group) = (self.org.clone(), "01JAS7W04H7AY8VVR000000001".to_owned());
        let somebody = user(9).to_string();
        let invite = user(99).to_string();
        let check =
            || v1::Check { subject: "org".into(), object: org.clone(), action: "viewer".into() };
        let page = proto::PageMetadata {
            limit: 5,
            email: "a".into(),
            order: "email".into(),
            dir: "asc".into(),
            ..Default::default()
        };
        let auth = |method: &'static str, message: Vec<u8>| (method, message);
        vec![
            auth(
                "/protomfx.AuthService/Issue",
                proto::IssueReq {
                    id: somebody.clone(),
                    email: "nine@example.com".into(),
                    r#type: 0,
                }
                .encode_to_vec(),
            ),
            auth(
                "/protomfx.AuthService/Identify",
                proto::Token { value: seven.clone() }.encode_to_vec(),
            ),
            auth(
                "/protomfx.AuthService/Identify",
                proto::Token { value: recovery }.encode_to_vec(),
            ),
            auth(
                "/protomfx.AuthService/Authorize",
                proto::AuthorizeReq {
                    token: seven.clone(),
                    object: org.clone(),
                    subject: "org".into(),
                    action: "owner".into(),
                }
                .encode_to_vec(),
            ),
            auth(
                "/protomfx.AuthService/GetOwnerIDByOrgID",
                proto::OrgId { value: org.clone() }.encode_to_vec(),
            ),
            auth(
                "/protomfx.AuthService/GetOwnerIDByOrg",
                proto::OrgId { value: org.clone() }.encode_to_vec(),
            ),
            auth(
                "/protomfx.AuthService/AssignRole",
                proto::AssignRoleReq { id: somebody.clone(), role: "admin".into() }.encode_to_vec(),
            ),
            auth(
                "/protomfx.AuthService/RetrieveRole",
                proto::RetrieveRoleReq { id: user(1).to_string() }.encode_to_vec(),
            ),
            auth(
                "/protomfx.AuthService/ViewOrg",
                proto::ViewOrgReq { token: seven.clone(), org_id: org.clone() }.encode_to_vec(),
            ),
            auth(
                "/protomfx.AuthService/CreateDormantOrgInvite",
                proto::CreateDormantOrgInviteReq {
                    token: seven.clone(),
                    org_id: org.clone(),
                    invitee_role: "viewer".into(),
                    platform_invite_id: invite.clone(),
                }
                .encode_to_vec(),
            ),
            auth(
                "/protomfx.AuthService/ActivateOrgInvite",
                proto::ActivateOrgInviteReq {
                    platform_invite_id: invite.clone(),
                    user_id: somebody.clone(),
                    redirect_path: "/v".into(),
                }
                .encode_to_vec(),
            ),
            auth(
                "/protomfx.AuthService/GetDormantOrgInviteByPlatformInvite",
                proto::GetDormantOrgInviteByPlatformInviteReq { platform_invite_id: invite }
                    .encode_to_vec(),
            ),
            auth(
                "/protomfx.UsersService/GetUsersByIDs",
                proto::UsersByIDsReq { ids: vec![somebody.clone()], page_metadata: Some(page) }
                    .encode_to_vec(),
            ),
            auth(
                "/protomfx.UsersService/GetUsersByEmails",
                proto::UsersByEmailsReq { emails: vec!["a@b.io".into()] }.encode_to_vec(),
            ),
            auth(
                "/auth.v1.Checks/IdentifyAndAuthorize",
                v1::IdentifyAndAuthorizeRequest { token: seven.clone(), check: Some(check()) }
                    .encode_to_vec(),
            ),
            auth(
                "/auth.v1.Checks/AuthorizeMany",
                v1::AuthorizeManyRequest { token: seven.clone(), checks: vec![check(), check()] }
                    .encode_to_vec(),
            ),
            auth(
                "/auth.v1.Explanations/Explain",
                v1::ExplainRequest {
                    token: root,
                    user_id: user(7).to_string(),
                    subject: "org".into(),
                    object: org,
                    action: "viewer".into(),
                }
                .encode_to_vec(),
            ),
            auth(
                "/auth.v1.Groups/Assign",
                v1::AssignRequest {
                    token: seven.clone(),
                    group_id: group.clone(),
                    r#type: "users".into(),
                    member_ids: vec![somebody.clone()],
                }
                .encode_to_vec(),
            ),
            auth(
                "/auth.v1.Groups/Members",
                v1::MembersRequest {
                    token: seven.clone(),
                    group_id: group.clone(),
                    r#type: "users".into(),
                    offset: 1,
                    limit: 5,
                    cursor: "AAAA".into(),
                }
                .encode_to_vec(),
            ),
            auth(
                "/mainflux.AuthService/Assign",
                proto::mainflux::Assignment {
                    token: seven.clone(),
                    group_id: group.clone(),
                    member_id: somebody,
                }
                .encode_to_vec(),
            ),
            auth(
                "/mainflux.AuthService/Members",
                proto::mainflux::MembersReq {
                    token: seven,
                    group_id: group,
                    offset: 1,
                    limit: 5,
                    r#type: "users".into(),
                }
                .encode_to_vec(),
            ),
        ]
    }

    /// The status of a call and its stable code.
    async fn call(&self, path: &str, body: Vec<u8>) -> (u16, HeaderMap) {
        let request = Request::post(path)
            .header("content-type", "application/grpc")
            .header("te", "trailers")
            .body(Body::from(body))
            .unwrap();
        let (parts, mut body) = self.router.clone().oneshot(request).await.unwrap().into_parts();
        let mut headers = parts.headers;
        let mut bytes = 0;
        while let Some(frame) = body.frame().await {
            match frame.unwrap().into_trailers() {
                Ok(trailers) => headers.extend(trailers),
                Err(data) => bytes = data.into_data().unwrap().len().saturating_add(bytes),
            }
        }
        assert!(bytes < 64 * 1024, "{bytes} bytes");
        (parts.status.as_u16(), headers)
    }
}

/// Every method that `proto/` has.
fn interface() -> Vec<String> {
    let files = prost_types::FileDescriptorSet::decode(proto::DESCRIPTOR).unwrap().file;
    let mut paths = Vec::new();
    for file in files {
        for service in &file.service {
            let service_name = format!("/{}.{}", file.package(), service.name());
            let methods =
                service.method.iter().map(|method| format!("{service_name}/{}", method.name()));
            paths.extend(methods);
        }
    }
    paths.sort_unstable();
    paths
}

/// The message in its frame, unless it says that it brings its own.
fn framed(message: &[u8]) -> Vec<u8> {
    if let Some(raw) = message.strip_prefix(b"raw:") {
        return raw.to_vec();
    }
    let length = u32::try_from(message.len()).unwrap().to_be_bytes();
    [&[0][..], &length, message].concat()
}

/// Every message has an answer; what cannot be read or is not allowed is said in a status with a stable code,
/// and none is an error of ours.
#[test]
fn fuzz_messages() {
    let runtime = Runtime::new().unwrap();
    let scene = RefCell::new(runtime.block_on(Scene::new()));
    let mut fuzz = Fuzz::new("grpc/message", include_str!("../../corpus/message.txt"));
    let honest = scene.borrow().honest();
    let methods: BTreeSet<&str> = honest.iter().map(|(path, _)| *path).collect();
    assert_eq!(methods.iter().map(|path| (*path).to_owned()).collect::<Vec<_>>(), interface());
    for (path, message) in honest {
        fuzz = fuzz.seed([path.as_bytes(), b"\n", &message].concat());
    }
    fuzz.run(|input| {
        if scene.borrow().calls.get() > WORN_OUT {
            scene.replace(runtime.block_on(Scene::new()));
        }
        let scene = scene.borrow();
        scene.calls.set(scene.calls.get() + 1);
        let end = input.iter().position(|byte| *byte == b'\n')?;
        let path = std::str::from_utf8(&input[..end]).ok()?;
        path.parse::<http::Uri>().ok().filter(|uri| uri.path().starts_with('/'))?;
        let (http, headers) = runtime.block_on(scene.call(path, framed(&input[end + 1..])));
        assert_eq!(http, 200);
        let text = |name| headers.get(name).map(HeaderValue::to_str);
        let status = text("grpc-status").unwrap().unwrap().to_owned();
        let code = text("code").map(|code| code.unwrap().to_owned());
        // UNKNOWN, INTERNAL and DATA_LOSS are ours, and none of them may be caused from outside.
        assert!(!["2", "13", "15"].contains(&status.as_str()), "{path}: {headers:?}");
        assert_eq!(code.is_none(), status == "0", "{path}: {headers:?}");
        let method = methods.get(path).copied();
        Some((method, status, code))
    });
}

/// What another users service answers: bytes, and the headers that say how it went.
#[derive(Clone, Default)]
struct Said(Arc<Mutex<(Vec<u8>, String)>>);

/// Whoever has a proper id and is not said to be disabled is a person; any other answer is none, or that the
/// service is away.
#[test]
fn fuzz_answers_of_a_users_service() {
    let runtime = Runtime::new().unwrap();
    let said = Said::default();
    let directory = runtime.block_on(async {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let said = said.clone();
        let answer = async move || {
            let (body, status) = said.0.lock().unwrap().clone();
            let status = HeaderValue::from_str(&status).unwrap();
            http::Response::builder()
                .header("content-type", "application/grpc")
                .header("grpc-status", status)
                .body(Body::from(body))
                .unwrap()
        };
        let router = axum::Router::new().fallback(answer);
        tokio::spawn(async move { axum::serve(listener, router).await });
        RemoteDirectory::new(&RemoteOptions {
            address: &address.to_string(),
            deadline: Duration::from_secs(10),
            tls: false,
            authorities: None,
            traceparent: || None,
            not_asked: |_| {},
        })
        .unwrap()
    });
    let users = |users: &[(&str, &str, &str)]| {
        let users = users.iter().map(|(id, email, status)| proto::User {
            id: (*id).into(),
            email: (*email).into(),
            status: (*status).into(),
        });
        proto::UsersRes { users: users.collect(), page_metadata: None }.encode_to_vec()
    };
    let nine = user(9).to_string();
    let honest = users(&[
        (&nine, "a@b.io", ""),
        (&nine, "c@d.io", "enabled"),
        (&nine, "e@f.io", "disabled"),
    ]);
    let odd = users(&[("x", "a@b.io", "enabled"), ("", "", ""), (&nine, "no address", "Enabled")]);
    Fuzz::new("grpc/users_answer", include_str!("../../corpus/users_answer.txt"))
        .seed([b"0\n", &honest[..]].concat())
        .seed([b"0\n", &odd[..]].concat())
        .run(|input| {
            let end = input.iter().position(|byte| *byte == b'\n')?;
            let status = std::str::from_utf8(&input[..end]).ok()?.to_owned();
            HeaderValue::from_str(&status).ok()?;
            let message = &input[end + 1..];
            *said.0.lock().unwrap() = (framed(message), status);
            let found = runtime.block_on(directory.people(&[user(9)]));
            let lax = proto::UsersRes::decode(message).unwrap_or_default().users;
            match found {
                Ok(people) => {
                    for person in &people {
                        let is_said = |user: &proto::User| {
                            user.id.parse().ok() == Some(person.id)
                                && user.email == person.email
                                && ["", "enabled"].contains(&user.status.as_str())
                        };
                        assert!(lax.iter().any(is_said), "{person:?} of {lax:?}");
                    }
                    Some((true, people.len().min(3)))
                }
                Err(error) => {
                    assert_eq!(error.code(), "unavailable", "{error:?}");
                    Some((false, 0))
                }
            }
        });
}
