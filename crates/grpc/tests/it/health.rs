//! `grpc.health.v1` and reflection.

use std::time::Duration;

use auth_grpc::{Health, Options};
use tonic::{Code, Request};
use tonic_health::pb::HealthCheckRequest;
use tonic_health::pb::health_check_response::ServingStatus;
use tonic_health::pb::health_client::HealthClient;
use tonic_reflection::pb::{v1, v1alpha};

use crate::limits::{IDENTIFY, by_hand, nothing};
use crate::world::{refused, world, world_with};

const AUTH: &str = "protomfx.AuthService";
const OLDER: &str = "mainflux.AuthService";
const GROUPS: &str = "auth.v1.Groups";
const USERS: &str = "protomfx.UsersService";
const CHECKS: &str = "auth.v1.Checks";
const EXPLANATIONS: &str = "auth.v1.Explanations";

fn about(service: &str) -> HealthCheckRequest {
    HealthCheckRequest { service: service.into() }
}

#[tokio::test]
async fn health_is_told_as_a_whole_and_by_service() {
    let health = Health::default();
    let options = Options { health: health.clone(), ..Options::default() };
    let world = world_with(options, |router| router).await;
    let mut client = HealthClient::new(world.channel().await);
    for (serving, expected) in [(true, ServingStatus::Serving), (false, ServingStatus::NotServing)]
    {
        health.set(serving, true).await;
        for service in ["", AUTH, USERS, CHECKS, EXPLANATIONS] {
            let answer = client.check(about(service)).await.unwrap().into_inner();
            assert_eq!(answer.status(), expected, "{service}");
        }
    }
    let unknown = client.check(about("protomfx.ThingsService")).await.unwrap_err();
    assert_eq!(unknown.code(), Code::NotFound);
}

#[tokio::test]
async fn a_service_that_is_not_served_has_no_health() {
    let health = Health::default();
    health.set(true, false).await;
    let options = Options { accounts: false, health, ..Options::default() };
    let world = world_with(options, |router| router).await;
    let mut client = HealthClient::new(world.channel().await);
    assert!(client.check(about(AUTH)).await.is_ok());
    assert_eq!(client.check(about(USERS)).await.unwrap_err().code(), Code::NotFound);
}

#[tokio::test]
async fn whoever_watches_is_told_of_changes_however_long_they_take() {
    let health = Health::default();
    let deadline = Duration::from_millis(50);
    let options = Options { deadline, health: health.clone(), ..Options::default() };
    let world = world_with(options, |router| router).await;
    let mut client = HealthClient::new(world.channel().await);
    let mut changes = client.watch(about("")).await.unwrap().into_inner();
    let first = changes.message().await.unwrap().unwrap();
    assert_eq!(first.status(), ServingStatus::Serving);
    // Longer than a call may take: other calls begin and end at their deadlines meanwhile.
    for _ in 0..3 {
        assert_eq!(by_hand(&world, IDENTIFY, None, nothing()).await["grpc-status"], "4");
    }
    health.set(false, true).await;
    let next = tokio::time::timeout(Duration::from_secs(10), changes.message()).await.unwrap();
    assert_eq!(next.unwrap().unwrap().status(), ServingStatus::NotServing);
}

/// Asks over either version of the protocol which services there are.
macro_rules! services {
    ($version:ident, $world:expr) => {{
        use $version::server_reflection_client::ServerReflectionClient;
        use $version::server_reflection_request::MessageRequest;
        use $version::server_reflection_response::MessageResponse;
        let question = $version::ServerReflectionRequest {
            host: String::new(),
            message_request: Some(MessageRequest::ListServices(String::new())),
        };
        let mut client = ServerReflectionClient::new($world.channel().await);
        let asked = client.server_reflection_info(Request::new(futures(question))).await;
        match asked {
            Err(status) => Err(status),
            Ok(answers) => {
                let answer = answers.into_inner().message().await.unwrap().unwrap();
                match answer.message_response.unwrap() {
                    MessageResponse::ListServicesResponse(list) => Ok(list
                        .service
                        .into_iter()
                        .map(|service| service.name)
                        .collect::<Vec<String>>()),
                    other => panic!("{other:?}"),
                }
            }
        }
    }};
}

fn futures<T: Send + 'static>(one: T) -> impl tonic::codegen::tokio_stream::Stream<Item = T> {
    tonic::codegen::tokio_stream::once(one)
}

#[tokio::test]
async fn reflection_is_served_only_when_asked_for() {
    let world = world().await;
    let text = "there is no such service or method";
    refused(services!(v1, world), Code::Unimplemented, text, "unimplemented");
    refused(services!(v1alpha, world), Code::Unimplemented, text, "unimplemented");
}

#[tokio::test]
async fn reflection_names_what_is_served() {
    for (accounts, expected) in [
        (true, vec![CHECKS, EXPLANATIONS, GROUPS, "grpc.health.v1.Health", OLDER, AUTH, USERS]),
        (false, vec![CHECKS, EXPLANATIONS, GROUPS, "grpc.health.v1.Health", OLDER, AUTH]),
    ] {
        let options = Options { accounts, reflection: true, ..Options::default() };
        let world = world_with(options, |router| router).await;
        for mut names in [services!(v1, world).unwrap(), services!(v1alpha, world).unwrap()] {
            names.sort_unstable();
            assert_eq!(names, expected);
        }
    }
}
