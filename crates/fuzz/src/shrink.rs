//! Makes an input that breaks something as short as it can be.

use std::time::{Duration, Instant};

/// How long that may take.
const PATIENCE: Duration = Duration::from_secs(5);

/// The shortest that still breaks it, found by leaving parts out.
pub(crate) fn shortest(input: &[u8], breaks: impl Fn(&[u8]) -> bool) -> Vec<u8> {
    let began = Instant::now();
    let mut best = input.to_vec();
    let mut part = best.len();
    while part > 0 {
        let mut at = 0;
        while at < best.len() && began.elapsed() < PATIENCE {
            let end = at.saturating_add(part).min(best.len());
            let mut shorter = best.clone();
            shorter.drain(at..end);
            if breaks(&shorter) {
                best = shorter;
            } else {
                at = end;
            }
        }
        part = part.checked_div(2).unwrap_or_default();
    }
    best
}
