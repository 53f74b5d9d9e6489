//! `kill -9` at random moments: what was acknowledged is there afterwards, and nothing is half done.

use std::hash::{BuildHasher, RandomState};
use std::time::{Duration, Instant};

use tokio::time::sleep;

use super::load::{Load, Size, Target};
use super::table::rounds;
use crate::world::stores;

/// Somewhere between nothing and this.
fn moment(longest: Duration) -> Duration {
    let random = RandomState::new().hash_one(()) & 0xffff;
    longest.mul_f64(f64::from(u16::try_from(random).unwrap()) / 65_536.0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r21_the_service_killed_at_random_moments_loses_nothing_acknowledged() {
    for (fault, (store, setup)) in
        ["the service killed, embedded", "the service killed, PostgreSQL"]
            .into_iter()
            .zip(stores().await)
    {
        let mut server = setup.start().await.unwrap();
        let load = Load::begin(&server, vec![Target::of(&server)], Size::USUAL).await;
        load.count_from_here();
        let (began, mut away) = (Instant::now(), Duration::ZERO);
        let mut ended = began;
        for round in 0..rounds(3, 40) {
            let killed = Instant::now();
            server.kill().await.unwrap();
            server = setup.start().await.unwrap();
            load.aim(vec![Target::of(&server)]);
            ended = Instant::now();
            away += ended - killed;
            load.recovers_after_a_start(ended).await;
            sleep(moment(Duration::from_millis(400))).await;
            assert!(!server.output().contains("panicked"), "{store} {round}: {}", server.output());
        }
        let mut row = load.row(fault, began, ended);
        row.lasted = away;
        row.print();
        load.end(&server).await;
    }
}
