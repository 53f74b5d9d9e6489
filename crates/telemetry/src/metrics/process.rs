//! What the process uses, as the kernel tells it (proc(5)). Where there is no `/proc`, nothing.

use std::fmt::Write;
use std::fs;

/// Clock ticks a second in `/proc`: Linux shows the same number on every architecture, whatever
/// it uses itself.
const TICKS: f64 = 100.0;

pub(super) fn render() -> String {
    let mut text = String::new();
    let mut line = |name: &str, kind: &str, help: &str, value: Option<f64>| {
        if let Some(value) = value {
            // Writing to a string cannot fail.
            let _ = write!(text, "# HELP {name} {help}\n# TYPE {name} {kind}\n{name} {value}\n");
        }
    };
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let stat = fs::read_to_string("/proc/self/stat").unwrap_or_default();
    let system = fs::read_to_string("/proc/stat").unwrap_or_default();
    let memory = resident_bytes(&status);
    line("process_resident_memory_bytes", "gauge", "Memory in use, in bytes.", memory);
    let cpu = cpu_seconds(&stat);
    line("process_cpu_seconds_total", "counter", "CPU time spent, in seconds.", cpu);
    line("process_open_fds", "gauge", "Open file descriptors.", open_files());
    let began = start_seconds(&stat, &system);
    line("process_start_time_seconds", "gauge", "When it started, in Unix time.", began);
    text
}

fn resident_bytes(status: &str) -> Option<f64> {
    let kilobytes = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    let number: f64 = kilobytes.trim().strip_suffix("kB")?.trim().parse().ok()?;
    Some(number * 1024.0)
}

/// In user and in system mode: fields 14 and 15.
fn cpu_seconds(stat: &str) -> Option<f64> {
    Some((field(stat, 14)? + field(stat, 15)?) / TICKS)
}

/// Ticks after the boot, field 22, and the time of the boot.
fn start_seconds(stat: &str, system: &str) -> Option<f64> {
    let boot = system.lines().find_map(|line| line.strip_prefix("btime "))?;
    Some(boot.trim().parse::<f64>().ok()? + field(stat, 22)? / TICKS)
}

/// A field of `/proc/self/stat` by its number in the manual. The second one is the program's name
/// in parentheses and may contain anything, so counting starts behind it.
fn field(stat: &str, number: usize) -> Option<f64> {
    let (_, behind) = stat.rsplit_once(')')?;
    behind.split_ascii_whitespace().nth(number.checked_sub(3)?)?.parse().ok()
}

/// Without the one that is open for looking.
fn open_files() -> Option<f64> {
    let files = fs::read_dir("/proc/self/fd").ok()?.count().saturating_sub(1);
    u32::try_from(files).ok().map(f64::from)
}

#[cfg(test)]
mod tests {
    use super::*;

    const STAT: &str = "1 (a) (b c) S 0 1 1 0 -1 4194560 9 0 0 0 250 50 0 0 20 0 3 0 1200 0 0";

    #[test]
    fn the_kernels_tables_are_understood() {
        assert_eq!(cpu_seconds(STAT), Some(3.0));
        assert_eq!(start_seconds(STAT, "cpu 1 2\nbtime 1000\n"), Some(1012.0));
        assert_eq!(resident_bytes("Name:\tx\nVmRSS:\t    2048 kB\n"), Some(2_097_152.0));
    }

    #[test]
    fn tables_of_another_shape_give_nothing() {
        for text in ["", "1 (a", "1 (a) S 1 2", "VmRSS: many kB", "btime"] {
            assert_eq!(cpu_seconds(text), None);
            assert_eq!(start_seconds(text, text), None);
            assert_eq!(resident_bytes(text), None);
        }
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn this_process_uses_something() {
        let text = render();
        for name in ["resident_memory_bytes", "cpu_seconds_total", "open_fds", "start_time_seconds"]
        {
            assert!(text.contains(&format!("\nprocess_{name} ")), "{text}");
        }
    }
}
