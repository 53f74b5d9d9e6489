//! How much is under way, and what was not begun.

use metrics::{counter, describe_counter, describe_gauge, gauge};

/// How much there is to do at this moment, checks not counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct WorkNumbers {
    /// Operations that have begun.
    pub under_way: usize,
    /// Operations that wait for their turn.
    pub waiting: usize,
}

pub(super) fn describe() {
    describe_gauge!("auth_work_under_way", "Operations under way, without checks.");
    describe_gauge!("auth_work_waiting", "Operations that wait until others are done.");
    describe_gauge!(
        "auth_tasks",
        "Tasks that have begun and not ended, of all threads that run them."
    );
    describe_counter!("auth_shed_total", "Operations not begun because there were too many.");
}

pub(super) fn begin_at_zero() {
    for (priority, reason) in
        [("management", "queue"), ("management", "wait"), ("password", "queue"), ("bulk", "busy")]
    {
        counter!("auth_shed_total", "priority" => priority, "reason" => reason).increment(0);
    }
}

fn number(number: usize) -> f64 {
    f64::from(u32::try_from(number).unwrap_or(u32::MAX))
}

/// Says how many tasks have begun and not ended.
pub fn tasks(alive: usize) {
    gauge!("auth_tasks").set(number(alive));
}

/// Says how much is under way.
pub fn work(numbers: WorkNumbers) {
    gauge!("auth_work_under_way").set(number(numbers.under_way));
    gauge!("auth_work_waiting").set(number(numbers.waiting));
}

/// Counts an operation that was not begun: two words from small sets.
pub fn shed(priority: &'static str, reason: &'static str) {
    counter!("auth_shed_total", "priority" => priority, "reason" => reason).increment(1);
}
