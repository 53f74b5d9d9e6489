//! Three replicas restarted one after another under load: nobody notices. That a stop alone fails no accepted
//! request is in `stop.rs` of the whole.

use std::time::{Duration, Instant};

use auth_testkit::{Port, Server, Setup};
use tokio::time::sleep;

use super::load::{Load, Size, Target};
use super::table::{rounds, span};
use crate::balancer::Balancer;
use crate::world::postgres;

/// A replica that is started again where it was.
struct Place {
    setup: Setup,
    _ports: [Port; 2],
}

impl Place {
    fn new(setup: &Setup) -> Self {
        let ports = [Port::take().unwrap(), Port::take().unwrap()];
        let setup = setup
            .clone()
            .set("MF_AUTH_HTTP_PORT", ports[0].number().to_string())
            .set("MF_AUTH_GRPC_PORT", ports[1].number().to_string());
        Self { setup, _ports: ports }
    }
}

/// `fail_timeout` of the balancer's configuration.
const LEFT_ALONE: Duration = Duration::from_secs(2);

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r31_three_replicas_behind_the_balancer_restarted_in_turn_fail_no_call() {
    let setup = postgres().await;
    let places = [Place::new(&setup), Place::new(&setup), Place::new(&setup)];
    let [one, two, three] = &places;
    let (one, two, three) = tokio::join!(one.setup.start(), two.setup.start(), three.setup.start());
    let mut replicas: [Server; 3] = [one.unwrap(), two.unwrap(), three.unwrap()];
    let balancer = Balancer::before(&replicas).await;
    let all = Target::at(balancer.http.clone(), balancer.grpc.clone());
    let load = Load::begin(&replicas[0], vec![all], Size::USUAL).await;
    load.count_from_here();
    let began = Instant::now();
    for _ in 0..rounds(1, 10) {
        for (place, replica) in places.iter().zip(&mut replicas) {
            replica.signal("TERM").await.unwrap();
            let status = replica.ended().await.unwrap();
            assert!(status.success(), "{status} {}", replica.output());
            *replica = place.setup.start().await.unwrap();
            // Before the next one stops, the balancer has to try this one again.
            sleep(LEFT_ALONE + span(Duration::from_millis(200), Duration::from_secs(1))).await;
        }
    }
    let row = load.row("three replicas restarted in turn, behind nginx", began, Instant::now());
    assert_eq!(row.failed, 0, "of {}", row.requests);
    row.print();
    load.end(&replicas[0]).await;
}
