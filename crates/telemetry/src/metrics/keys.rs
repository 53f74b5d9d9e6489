//! The keys that sign tokens.

use metrics::{describe_gauge, gauge};

pub(super) fn describe() {
    describe_gauge!("auth_signing_keys", "Keys in the directory of signing keys, by their phase.");
    describe_gauge!(
        "auth_signing_keys_stale",
        "1 while the directory cannot be used and the keys of before are."
    );
}

/// Says how many keys are in a phase: a word from a small set.
pub fn signing_keys(phase: &'static str, keys: u32) {
    gauge!("auth_signing_keys", "phase" => phase).set(f64::from(keys));
}

/// Says whether the directory of signing keys cannot be used, so that those of before are.
pub fn signing_keys_stale(stale: bool) {
    gauge!("auth_signing_keys_stale").set(f64::from(u8::from(stale)));
}
