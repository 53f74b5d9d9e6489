//! S-65: what comes back as a cursor is one of ours, or nothing.
#![expect(clippy::unwrap_used, reason = "a test may fail by panicking")]

use auth_domain::ports::Cursors;
use auth_jwt::JwtTokens;
use proptest::prelude::*;

fn cursors(secret: &str) -> impl Cursors {
    JwtTokens::new(&secret.into(), &[]).unwrap().cursors()
}

const SECRET: &str = "a signing secret of more than 32 bytes";

#[test]
fn s65_replicas_read_each_others_and_nobody_elses() {
    let cursor = cursors(SECRET).seal(b"a place");
    assert_eq!(cursors(SECRET).open(&cursor).unwrap(), b"a place");
    assert_eq!(cursors("another secret of more than 32 bytes").open(&cursor), None);
}

proptest! {
    #[test]
    fn s65_a_changed_cursor_is_none(place: Vec<u8>, at: prop::sample::Index, change in 1..=255_u8) {
        let cursors = cursors(SECRET);
        let cursor = cursors.seal(&place);
        prop_assert_eq!(cursors.open(&cursor), Some(place));
        let mut bytes = cursor.into_bytes();
        let at = at.index(bytes.len());
        bytes[at] ^= change;
        if let Ok(changed) = String::from_utf8(bytes) {
            prop_assert_eq!(cursors.open(&changed), None);
        }
    }

    #[test]
    fn s65_no_text_makes_it_panic(text in ".{0,64}", other in "[A-Za-z0-9_-]{0,64}") {
        prop_assert_eq!(cursors(SECRET).open(&text), None);
        prop_assert_eq!(cursors(SECRET).open(&other), None);
    }
}
