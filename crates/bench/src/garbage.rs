//! What it costs to refuse what is no token.

use anyhow::{Result, ensure};

use crate::bars::Bars;
use crate::calls::ROUNDS;
use crate::load::{self, Shape};
use crate::report::median;
use crate::scene::{Bare, Scene, counted};

/// Measures refusals beside good calls. What the transport takes is the same for both and is taken off: what is
/// compared is the service's own work.
pub async fn measure(scene: &Scene, bare: &Bare, bars: &mut Bars) -> Result<()> {
    let good = scene.identify_key();
    let garbage = scene.identify("garbage", &"x".repeat(360));
    // The right form and the wrong signature.
    let forged = scene.identify("forged", &forge(scene.key()));
    let (mut own, mut odd, mut false_) = (Vec::new(), Vec::new(), Vec::new());
    let mut looked = 0.0;
    for _ in 0..ROUNDS {
        let transport = load::run(&bare.call()?, &[bare.pid()], Shape::FEW).await?.cpu_us;
        own.push(load::run(&good, &scene.pids()?, Shape::FEW).await?.cpu_us - transport);
        let before = looked_up(scene).await?;
        odd.push(load::run(&garbage, &scene.pids()?, Shape::FEW).await?.cpu_us - transport);
        false_.push(load::run(&forged, &scene.pids()?, Shape::FEW).await?.cpu_us - transport);
        looked += looked_up(scene).await? - before;
    }
    let (own, odd, false_) = (median(&mut own), median(&mut odd), median(&mut false_));
    println!(
        "## Garbage\n\nBeyond the bare call, an API key takes {own:.1} µs of CPU, a text that is no token {odd:.1} µs, \
         a token with a wrong signature {false_:.1} µs.\n"
    );
    ensure!(looked == 0.0, "garbage was looked up {looked} times");
    bars.at_most(
        "garbage, CPU beyond the bare call against that of an API key",
        odd / own,
        1.0 / 3.0,
        "",
    );
    bars.at_most(
        "forged token, CPU beyond the bare call against that of an API key",
        false_ / own,
        1.0,
        "",
    );
    Ok(())
}

/// How often something was looked up that was not in memory.
async fn looked_up(scene: &Scene) -> Result<f64> {
    counted(&scene.server, "auth_memory_misses_total", &[]).await
}

/// The token with another signature.
fn forge(token: &str) -> String {
    let (signed, mac) = token.rsplit_once('.').unwrap_or((token, ""));
    format!("{signed}.{}", mac.chars().rev().collect::<String>())
}
