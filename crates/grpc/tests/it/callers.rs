//! Who may make which call: every method that is not open, in every situation.

use std::net::SocketAddr;
use std::sync::Arc;

use auth_domain::Caller;
use auth_domain::audit::Trail;
use auth_domain::ops::audit::NoteAttempts;
use auth_domain::ports::AuditTrail;
use auth_grpc::callers::{BadAllowList, Method};
use auth_grpc::{AllowList, Callers, Options, PeerNames, Trust, proto};
use axum::Extension;
use axum::extract::ConnectInfo;
use prost::Message;
use tonic::client::Grpc;
use tonic::transport::Channel;
use tonic::{Code, Request};
use tonic_prost::ProstCodec;

use crate::world::{World, stable_code, world_with};

/// What the gate says to a call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Gate {
    Open,
    Unknown,
    Forbidden,
}

/// Makes the call with an empty message. Past the gate that is refused too, for another reason.
async fn call(channel: &Channel, method: Method, token: Option<&str>) -> Gate {
    let service = match method {
        Method::GetUsersByIds | Method::GetUsersByEmails => "UsersService",
        _ => "AuthService",
    };
    let path = format!("/protomfx.{service}/{}", method.name()).parse().unwrap();
    let mut request = Request::new(());
    if let Some(token) = token {
        request.metadata_mut().insert("authorization", token.parse().unwrap());
    }
    let mut grpc = Grpc::new(channel.clone());
    grpc.ready().await.unwrap();
    let codec = ProstCodec::<(), ()>::default();
    let status = grpc.unary(request, path, codec).await.unwrap_err();
    match (status.code(), stable_code(&status)) {
        (Code::Unauthenticated, "unknown_service") => Gate::Unknown,
        (Code::PermissionDenied, "forbidden") => Gate::Forbidden,
        (Code::Unauthenticated, "missing_email" | "missing_token") | (Code::InvalidArgument, _) => {
            Gate::Open
        }
        _ => panic!("{} answered {status:?}", method.name()),
    }
}

const FROM_AFAR: &str = "192.0.2.7:50000";

fn from(peer: &str) -> Extension<ConnectInfo<SocketAddr>> {
    Extension(ConnectInfo(peer.parse().unwrap()))
}

fn certified(names: &[&str]) -> Extension<PeerNames> {
    let names: Arc<[String]> = names.iter().map(|name| (*name).to_owned()).collect();
    Extension(PeerNames(names))
}

fn callers(trust: Trust, tokens: &[(&str, &str)], allow: AllowList) -> Options {
    let tokens = tokens.iter().map(|(name, token)| ((*name).into(), (*token).into())).collect();
    Options { callers: Callers { trust, tokens, allow }, ..Options::default() }
}

/// Expects the same of every method.
async fn expect_all(world: &World, token: Option<&str>, expected: Gate) {
    expect_each(world, token, |_| expected).await;
}

async fn expect_each(world: &World, token: Option<&str>, expected: impl Fn(Method) -> Gate) {
    let channel = world.channel().await;
    for method in Method::RPCS {
        let gate = call(&channel, method, token).await;
        assert_eq!(gate, expected(method), "{} with {token:?}", method.name());
    }
}

fn all_but_minting(method: Method) -> Gate {
    match method {
        Method::Issue | Method::AssignRole => Gate::Forbidden,
        _ => Gate::Open,
    }
}

#[tokio::test]
async fn s77_by_default_only_this_machine_is_served() {
    let by_default = || callers(Trust::Loopback, &[], AllowList::default());
    let near = world_with(by_default(), |router| router).await;
    expect_all(&near, None, Gate::Open).await;
    expect_all(&near, Some("Bearer anything"), Gate::Open).await;
    for local in ["127.8.9.1:5", "[::1]:5", "[::ffff:127.0.0.1]:5"] {
        let near = world_with(by_default(), |router| router.layer(from(local))).await;
        expect_all(&near, None, Gate::Open).await;
    }
    for remote in [FROM_AFAR, "[::ffff:192.0.2.7]:5", "[2001:db8::1]:5", "0.0.0.0:5"] {
        let far = world_with(by_default(), |router| router.layer(from(remote))).await;
        expect_all(&far, None, Gate::Unknown).await;
        expect_all(&far, Some("Bearer anything"), Gate::Unknown).await;
    }
}

#[tokio::test]
async fn s76_with_service_tokens_position_says_nothing() {
    let tokens = [("users", "open sesame"), ("things", "thing token")];
    let world =
        world_with(callers(Trust::Loopback, &tokens, AllowList::default()), |router| router).await;
    for wrong in [
        None,
        Some("Bearer "),
        Some("Bearer open sesame!"),
        Some("Bearer open"),
        Some("Basic open sesame"),
        Some("open sesame"),
        Some("Bearer  open sesame"),
    ] {
        expect_all(&world, wrong, Gate::Unknown).await;
    }
    expect_all(&world, Some("Bearer open sesame"), Gate::Open).await;
    expect_all(&world, Some("bearer open sesame"), Gate::Open).await;
    expect_each(&world, Some("Bearer thing token"), all_but_minting).await;
}

#[tokio::test]
async fn s76_a_certificate_counts_for_the_names_in_it() {
    let options = || callers(Trust::Credentials, &[], AllowList::default());
    let world = world_with(options(), |router| router).await;
    expect_all(&world, None, Gate::Unknown).await;
    let world = world_with(options(), |router| router.layer(certified(&[]))).await;
    expect_all(&world, None, Gate::Unknown).await;
    let world = world_with(options(), |router| router.layer(certified(&["users"]))).await;
    expect_all(&world, None, Gate::Open).await;
    let world = world_with(options(), |router| router.layer(certified(&["a", "users"]))).await;
    expect_all(&world, None, Gate::Open).await;
    let world = world_with(options(), |router| router.layer(certified(&["Users"]))).await;
    expect_each(&world, None, all_but_minting).await;
}

#[tokio::test]
async fn a_certificate_with_another_name_is_no_more_than_that_on_this_machine() {
    let allow: AllowList = "users=*".parse().unwrap();
    let options = callers(Trust::Loopback, &[], allow);
    let world = world_with(options, |router| router.layer(certified(&["things"]))).await;
    expect_all(&world, None, Gate::Forbidden).await;
}

#[tokio::test]
async fn a_trusted_network_may_do_everything() {
    for tokens in [&[][..], &[("things", "thing token")]] {
        let options = callers(Trust::Network, tokens, AllowList::default());
        let world = world_with(options, |router| router.layer(from(FROM_AFAR))).await;
        expect_all(&world, None, Gate::Open).await;
        expect_all(&world, Some("Bearer wrong"), Gate::Open).await;
    }
}

#[tokio::test]
async fn an_allow_list_says_who_may_call_what() {
    let allow = "users=*; things = GetOwnerIDByOrgID, GetUsersByIDs;".parse().unwrap();
    let tokens = [("users", "u"), ("things", "t"), ("certs", "c")];
    let world = world_with(callers(Trust::Loopback, &tokens, allow), |router| router).await;
    expect_all(&world, Some("Bearer u"), Gate::Open).await;
    expect_each(&world, Some("Bearer t"), |method| match method {
        Method::GetOwnerIdByOrgId | Method::GetUsersByIds => Gate::Open,
        _ => Gate::Forbidden,
    })
    .await;
    expect_all(&world, Some("Bearer c"), Gate::Forbidden).await;
    expect_all(&world, None, Gate::Unknown).await;
}

#[test]
fn s76_what_is_asked_over_http_has_its_place_on_the_list() {
    let may = |list: &str, name: &str| {
        list.parse::<AllowList>().unwrap().allows(name, Method::Introspect)
    };
    assert!(AllowList::default().allows("things", Method::Introspect), "it makes no token");
    assert!(may("things=*", "things") && may("things=Introspect", "things"));
    assert!(!may("things=GetOwnerIDByOrgID", "things"));
    assert!(!may("users=*", "things"));
}

#[tokio::test]
async fn what_is_open_stays_open() {
    let options = callers(Trust::Credentials, &[("users", "u")], AllowList::default());
    let world = world_with(options, |router| router.layer(from(FROM_AFAR))).await;
    let mut auth = world.auth().await;
    assert!(auth.identify(proto::Token { value: world.login(7) }).await.is_ok());
    let question =
        proto::AuthorizeReq { token: world.login(7), subject: "root".into(), ..Default::default() };
    assert_eq!(auth.authorize(question).await.unwrap_err().code(), Code::PermissionDenied);
}

#[test]
fn allow_lists_that_cannot_be_meant_are_explained() {
    let why = |text: &str| text.parse::<AllowList>().unwrap_err();
    assert_eq!(why(""), BadAllowList::Empty);
    assert_eq!(why(" ; ;"), BadAllowList::Empty);
    assert_eq!(why("users"), BadAllowList::Entry("users".into()));
    assert_eq!(why("users="), BadAllowList::Entry("users=".into()));
    assert_eq!(why("=*"), BadAllowList::Entry("=*".into()));
    assert_eq!(why("users=*;users=Issue"), BadAllowList::Repeated("users".into()));
    for method in ["issue", "Identify", "Issue*", "", "*"] {
        let text = format!("users=Issue,{method}");
        assert_eq!(why(&text), BadAllowList::Method(method.into()));
    }
    let text = why("users=Fly").to_string();
    assert!(text.contains("`Fly`") && text.contains("GetUsersByEmails"), "{text}");
}

#[test]
fn a_service_token_is_not_printed() {
    let options = callers(Trust::Loopback, &[("users", "sesame")], AllowList::default());
    assert!(!format!("{options:?}").contains("sesame"));
}

/// What this test needs of `google.protobuf.FileDescriptorSet`.
#[derive(Message)]
struct Files {
    #[prost(message, repeated, tag = "1")]
    files: Vec<File>,
}

#[derive(Message)]
struct File {
    #[prost(message, repeated, tag = "6")]
    services: Vec<Service>,
}

#[derive(Message)]
struct Service {
    #[prost(message, repeated, tag = "2")]
    methods: Vec<Rpc>,
}

#[derive(Message)]
struct Rpc {
    #[prost(string, tag = "1")]
    name: String,
}

#[test]
fn s76_every_method_of_the_interface_is_either_open_on_purpose_or_guarded() {
    let files = Files::decode(proto::DESCRIPTOR).unwrap().files;
    let methods = files.into_iter().flat_map(|file| file.services).flat_map(|it| it.methods);
    let mut names: Vec<String> = methods.map(|method| method.name).collect();
    let guarded = Method::RPCS.iter().map(|method| method.name());
    // What a token opens, by itself. Those of groups are there twice.
    let open = ["Identify", "Authorize", "IdentifyAndAuthorize", "AuthorizeMany", "Explain"];
    let groups = ["Assign", "Assign", "Members", "Members"];
    let mut expected: Vec<&str> = guarded.chain(open).chain(groups).collect();
    names.sort_unstable();
    expected.sort_unstable();
    assert_eq!(names, expected);
}

#[tokio::test]
async fn s94_whom_the_gate_refuses_is_in_the_audit_trail() {
    let tokens = [("things", "thing token")];
    let world =
        world_with(callers(Trust::Loopback, &tokens, AllowList::default()), |router| router).await;
    let channel = world.channel().await;
    for _ in 0..3 {
        assert_eq!(call(&channel, Method::Issue, None).await, Gate::Unknown);
    }
    let known = Some("Bearer thing token");
    assert_eq!(call(&channel, Method::AssignRole, known).await, Gate::Forbidden);
    assert_eq!(call(&channel, Method::RetrieveRole, known).await, Gate::Open);
    world.app.execute(Caller::System, NoteAttempts).await.unwrap();
    let mut said: Vec<_> = world
        .store
        .audit_after(Trail::Attempts, 0, 10)
        .await
        .unwrap()
        .into_iter()
        .map(|record| record.entry)
        .map(|it| (it.actor, it.operation, it.outcome, it.count))
        .collect();
    said.sort();
    let one = |actor: &str, operation: &str, outcome: &str, count| {
        (actor.to_owned(), operation.to_owned(), outcome.to_owned(), count)
    };
    assert_eq!(
        said,
        [
            one("anonymous", "Issue", "unknown_service", 3),
            one("service:things", "AssignRole", "forbidden", 1),
        ]
    );
}
