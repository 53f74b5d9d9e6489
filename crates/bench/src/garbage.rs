//! What it costs to refuse what is no token.

use std::hint::black_box;
use std::time::Instant;

use anyhow::{Context, Result, ensure};
use auth_domain::model::Token;
use auth_domain::ports::Tokens;
use auth_jwt::JwtTokens;
use auth_testkit::SECRET;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

use crate::bars::Bars;
use crate::calls::ROUNDS;
use crate::load::{self, Shape};
use crate::report::median;
use crate::scene::{Scene, counted};

/// How often a token is looked at in a round.
const LOOKS: u32 = 100_000;

/// Measures what telling a token from garbage takes, in this process: over a socket the transport hides it. And
/// has the server refuse garbage, to see that nothing is looked up for it.
pub async fn measure(scene: &Scene, bars: &mut Bars) -> Result<()> {
    let tokens = JwtTokens::new(&SECRET.into(), &[])?;
    let garbage = "x".repeat(360);
    // The right form and the wrong signature.
    let forged = forge(scene.key())?;
    let good = Token::new(scene.key().to_owned());
    let (mut taken, mut odd, mut false_) = (Vec::new(), Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        taken.push(look(&tokens, &good, true)?);
        odd.push(look(&tokens, &Token::new(garbage.clone()), false)?);
        false_.push(look(&tokens, &Token::new(forged.clone()), false)?);
    }
    let (taken, odd, false_) = (median(&mut taken), median(&mut odd), median(&mut false_));
    let good = load::run(&scene.identify_key(), &scene.pids()?, Shape::FEW).await?;
    let call = scene.identify("garbage", &garbage);
    let before = looked_up(scene).await?;
    let refused = load::run(&call, &scene.pids()?, Shape::FEW).await?;
    load::run(&scene.identify("forged", &forged), &scene.pids()?, Shape::FEW).await?;
    // The service counts now and then, so what others asked just before may be among them.
    let looked_up = looked_up(scene).await? - before;
    ensure!(looked_up < call.count as f64 / 1000.0, "garbage was looked up {looked_up} times");
    println!(
        "## Garbage\n\nAn API key is read in {taken:.0} ns, a text that is no token refused in {odd:.0} ns, a wrong \
         signature in {false_:.0} ns. As calls: {:.1} µs of CPU for the key, {:.1} µs for the text.\n",
        good.cpu_us, refused.cpu_us,
    );
    bars.at_most("refusing garbage, against reading an API key", odd / taken, 1.0 / 3.0, "");
    Ok(())
}

/// How long it takes to look at a token, in nanoseconds.
fn look(tokens: &JwtTokens, token: &Token, good: bool) -> Result<f64> {
    let begun = Instant::now();
    for _ in 0..LOOKS {
        ensure!(black_box(tokens.verify(black_box(token))).is_ok() == good, "the wrong answer");
    }
    Ok(begun.elapsed().as_secs_f64() * 1e9 / f64::from(LOOKS))
}

/// How often something was looked up that was not in memory.
async fn looked_up(scene: &Scene) -> Result<f64> {
    counted(&scene.server, "auth_memory_misses_total", &[]).await
}

/// The token with one bit of its signature changed: still one in form, so that it is refused by the MAC alone.
fn forge(token: &str) -> Result<String> {
    let (signed, mac) = token.rsplit_once('.').context("the token has no signature")?;
    let mut mac = URL_SAFE_NO_PAD.decode(mac)?;
    *mac.first_mut().context("the signature is empty")? ^= 1;
    Ok(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(mac)))
}
