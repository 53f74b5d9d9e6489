//! What each call costs beside the bare one, and whether it costs more when there is more.

use anyhow::{Result, ensure};

use crate::load::{self, Call, Sample, Shape};
use crate::report::{median, row};
use crate::scene::{Bare, Scene};

/// How often each measurement is repeated; the report has medians.
pub const ROUNDS: usize = 5;

/// Measures each call and the bare one in turn, so that whatever else the machine does falls on all
/// of them alike; prints a table and gives each call's ratio.
pub async fn compare(scene: &Scene, bare: &Bare, calls: &[Call], shape: Shape) -> Result<Vec<f64>> {
    let mut yardstick: Vec<Sample> = Vec::new();
    let mut samples: Vec<Vec<Sample>> = calls.iter().map(|_| Vec::new()).collect();
    for _ in 0..ROUNDS {
        yardstick.push(load::run(&bare.call()?, &[bare.pid()], shape).await?);
        for (call, samples) in calls.iter().zip(&mut samples) {
            samples.push(answered(scene, call, shape).await?);
        }
    }
    println!("{} connections, {} calls at once on each:\n", shape.connections, shape.streams);
    println!("| call | calls/s | CPU µs a call | p50 ms | p99 ms | CPU against bare |");
    println!("| --- | --- | --- | --- | --- | --- |");
    row("bare tonic call", &yardstick, 1.0);
    let mut ratios = Vec::new();
    for (call, samples) in calls.iter().zip(&samples) {
        let ratio = ratio(samples, &yardstick);
        row(call.name, samples, ratio);
        ratios.push(ratio);
    }
    println!();
    Ok(ratios)
}

/// How many times as much the second call costs as the first, in turn.
pub async fn growth(scene: &Scene, few: &Call, many: &Call) -> Result<f64> {
    let shape = Shape::FEW;
    let (mut small, mut large) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        small.push(answered(scene, few, shape).await?);
        large.push(answered(scene, many, shape).await?);
    }
    Ok(ratio(&large, &small))
}

/// The median of what one costs against the other in the same round.
fn ratio(samples: &[Sample], yardstick: &[Sample]) -> f64 {
    let paired = samples.iter().zip(yardstick).map(|(ours, bare)| ours.cpu_us / bare.cpu_us);
    median(&mut paired.collect::<Vec<_>>())
}

/// Makes the call, and has the service's own metrics agree that it was answered with a yes.
async fn answered(scene: &Scene, call: &Call, shape: Shape) -> Result<Sample> {
    let before = scene.answered(call).await?;
    let sample = load::run(call, &scene.pids()?, shape).await?;
    let counted = scene.answered(call).await?.saturating_sub(before);
    // A store that is asked more than it can do is allowed to say so now and then.
    let enough = call.count - call.count / 1000;
    ensure!(counted >= enough, "{}: only {counted} were answered ok", call.name);
    Ok(sample)
}
