//! How figures are put together and printed.

use crate::load::Sample;

/// The middle one.
pub fn median(values: &mut [f64]) -> f64 {
    at(values, 50)
}

/// The value that so many of a hundred do not exceed.
pub fn at(values: &mut [f64], percent: usize) -> f64 {
    values.sort_by(f64::total_cmp);
    values.get(values.len() * percent / 100).copied().unwrap_or(f64::NAN)
}

/// The medians of what was measured of a call.
pub fn row(name: &str, samples: &[Sample], ratio: f64) {
    let of = |value: fn(&Sample) -> f64| median(&mut samples.iter().map(value).collect::<Vec<_>>());
    println!(
        "| {name} | {:.0} | {:.1} | {:.2} | {:.2} | {ratio:.2} |",
        of(|s| s.per_second),
        of(|s| s.cpu_us),
        of(|s| s.p50_ms),
        of(|s| s.p99_ms),
    );
}

/// What the reader has to know of the machine.
pub fn machine() -> String {
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let name = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let cores = std::thread::available_parallelism().map_or(0, std::num::NonZero::get);
    let name = name.trim_start_matches([' ', '\t', ':']);
    format!("{name}, {cores} cores, shared by the servers, the database and the load generator.")
}
