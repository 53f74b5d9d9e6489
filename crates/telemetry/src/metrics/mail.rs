//! What becomes of mails.

use std::time::Duration;

use metrics::{counter, describe_counter, describe_gauge, describe_histogram, gauge, histogram};

/// What each of the original's services calls the number of its mails and the time they take.
const AUTH: (&str, &str) = ("auth_email_request_count", "auth_email_request_latency_microseconds");
const USERS: (&str, &str) =
    ("users_email_request_count", "users_email_request_latency_microseconds");

pub(super) fn describe() {
    describe_gauge!("auth_mails", "Mails in the queue, by state.");
    describe_gauge!("auth_mails_age_seconds", "How long the oldest mail still to be sent waits.");
    describe_counter!("auth_mails_sent_total", "Mails that the mail server took.");
    describe_counter!("auth_mails_dropped_total", "Mails that were not needed any more.");
    describe_counter!("auth_mails_failures_total", "Tries to send a mail that failed.");
    describe_counter!("auth_mails_dead_total", "Mails that were given up.");
    for service in [AUTH, USERS] {
        describe_counter!(service.0, "Number of requests received.");
        describe_histogram!(service.1, "Total duration of requests in seconds.");
    }
}

pub(super) fn begin_at_zero() {
    counter!("auth_mails_sent_total").increment(0);
    for reason in ["untrue", "nobody"] {
        counter!("auth_mails_dropped_total", "reason" => reason).increment(0);
    }
}

/// Says how many mails are still to be sent and how many are dead, and how long the oldest waits.
pub fn mails(queued: u64, dead: u64, age: Duration) {
    let number = |count| f64::from(u32::try_from(count).unwrap_or(u32::MAX));
    gauge!("auth_mails", "state" => "queued").set(number(queued));
    gauge!("auth_mails", "state" => "dead").set(number(dead));
    gauge!("auth_mails_age_seconds").set(age.as_secs_f64());
}

/// Counts a mail that was sent.
pub fn mail_sent() {
    counter!("auth_mails_sent_total").increment(1);
}

/// Counts a mail that was not needed any more, for this reason: a word from a small set.
pub fn mail_dropped(reason: &'static str) {
    counter!("auth_mails_dropped_total", "reason" => reason).increment(1);
}

/// Counts a try that failed with this problem: a word from a small set.
pub fn mail_failed(problem: &'static str) {
    counter!("auth_mails_failures_total", "problem" => problem).increment(1);
}

/// Counts a mail that was given up for this problem: a word from a small set.
pub fn mail_died(problem: &'static str) {
    counter!("auth_mails_dead_total", "problem" => problem).increment(1);
}

/// Counts a try to send a mail under the original's names, for its dashboards; of its two services the users service
/// sends all but invites to an org. The time is in seconds there too, whatever the name says (D-55).
pub fn mail_tried(method: &'static str, took: Duration) {
    let (count, time) = if method == "send_org_invite" { AUTH } else { USERS };
    counter!(count, "method" => method).increment(1);
    histogram!(time, "method" => method).record(took);
}
