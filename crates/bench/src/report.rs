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

/// The bars, and whether they were kept.
#[derive(Debug, Default)]
pub struct Bars(Vec<(String, String, String, bool)>);

impl Bars {
    /// Notes a figure that must not exceed its bar.
    pub fn at_most(&mut self, what: impl Into<String>, figure: f64, bar: f64, unit: &str) {
        let spelled = |value: f64| {
            format!(
                "{}{unit}",
                if value < 10.0 { format!("{value:.2}") } else { format!("{value:.0}") }
            )
        };
        self.0.push((
            what.into(),
            spelled(figure),
            format!("at most {}", spelled(bar)),
            figure <= bar,
        ));
    }

    /// Prints all of them and says which were missed.
    pub fn print(&self) -> Vec<&str> {
        println!("## The bars\n\n| | measured | bar | |\n| --- | --- | --- | --- |");
        for (what, figure, bar, kept) in &self.0 {
            println!("| {what} | {figure} | {bar} | {} |", if *kept { "kept" } else { "MISSED" });
        }
        println!();
        self.0.iter().filter(|bar| !bar.3).map(|bar| bar.0.as_str()).collect()
    }
}
