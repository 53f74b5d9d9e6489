//! What somebody may do to the audit trail who can write to the database, and what the verifier says of it.
//!
//! It is done in SQL, behind the store's back and with its triggers gone, so each adapter runs it in a test of its
//! own.

use std::fmt::Write;

use auth_domain::audit::verify::Finding;
use auth_domain::audit::{AuditRecord, Digest, Head, Trail};
use auth_domain::change::{Change, Commit};

use crate::AnyStore;
use crate::audit::records;
use crate::sample::{Toy, commit, moment, org};

/// How many there are.
pub const MANY: usize = 12;

/// A trail of five records.
pub async fn scene(store: &AnyStore) {
    for number in 1..=5 {
        let changes = vec![Change::InsertOrg(org(number, "acme"))];
        let at = moment(i64::from(number));
        store.commit(Commit { at, ..commit(changes) }).await.unwrap();
    }
}

/// What is done, and what is found by it.
pub struct Tampering {
    /// In a word.
    pub what: &'static str,
    /// The statements.
    pub statements: String,
    /// What the verifier must say.
    pub findings: Vec<Finding>,
}

/// The tampering with this number, of a [`scene`]; `blob` says how the database writes bytes.
pub async fn tampering(
    store: &AnyStore,
    number: usize,
    blob: impl Fn(&Digest) -> String,
) -> Tampering {
    let trail = records(store, Trail::Changes).await;
    let head = store.audit_head(Trail::Changes).await.unwrap();
    let (what, statements, findings) = match number {
        0 => ("nothing", String::new(), vec![]),
        1 => ("who is edited", set("actor = 'user:somebody'", 3), vec![Finding::Edited(3)]),
        2 => ("the org is edited", set("org = NULL", 3), vec![Finding::Edited(3)]),
        3 => ("the time is edited", moved(3, 4), vec![Finding::Edited(3)]),
        4 => ("a record is deleted", delete("place = 3"), vec![Finding::Missing(3, 3)]),
        5 => {
            let swap = "UPDATE keyward_audit SET place = -2 WHERE place = 2; \
                        UPDATE keyward_audit SET place = 2 WHERE place = 4; \
                        UPDATE keyward_audit SET place = 4 WHERE place = -2;";
            let found = [2, 3, 4, 5].map(Finding::Edited);
            ("two records are swapped", swap.to_owned(), found.to_vec())
        }
        6 => ("the end is cut off", delete("place > 3"), vec![Finding::Cut(3, 5)]),
        7 => ("the beginning is cut off", delete("place < 3"), vec![Finding::Missing(1, 2)]),
        8 => {
            // Nothing says that it is not so but the seal, which is nowhere any more.
            let end = &trail[2];
            let back = delete("place > 3") + &ends_with(end.place, &end.hash, &blob);
            ("the end is put back", back, vec![Finding::Unsealed(3)])
        }
        9 => {
            let (rewritten, end) = rewritten(&trail, &head, &blob);
            let all = rewritten + &ends_with(5, &end, &blob);
            ("all is rewritten without the key", all, vec![Finding::Unsealed(5)])
        }
        10 => {
            let (rewritten, _) = rewritten(&trail, &head, &blob);
            ("all records are rewritten", rewritten, vec![Finding::OtherEnd(5)])
        }
        _ => {
            let all = delete("place > 0") + &ends_with(0, &[0; 32], &blob);
            ("all of it is deleted", all, vec![Finding::Unsealed(0)])
        }
    };
    Tampering { what, statements, findings }
}

fn set(what: &str, place: i64) -> String {
    format!("UPDATE keyward_audit SET {what} WHERE trail = 'changes' AND place = {place};")
}

fn moved(place: i64, to: i64) -> String {
    let other =
        format!("(SELECT occurred_at FROM keyward_audit WHERE trail = 'changes' AND place = {to})");
    set(&format!("occurred_at = {other}"), place)
}

fn delete(which: &str) -> String {
    format!("DELETE FROM keyward_audit WHERE trail = 'changes' AND {which};")
}

fn ends_with(place: i64, hash: &Digest, blob: impl Fn(&Digest) -> String) -> String {
    let hash = blob(hash);
    format!(
        "UPDATE keyward_audit_heads SET place = {place}, hash = {hash} WHERE trail = 'changes';"
    )
}

/// The third record says something else, and all digests from there on are right again.
fn rewritten(
    trail: &[AuditRecord],
    head: &Head,
    blob: impl Fn(&Digest) -> String,
) -> (String, Digest) {
    let mut statements = String::new();
    let mut before = head.anchor;
    for record in trail {
        let mut entry = record.entry.clone();
        if record.place == 3 {
            "user:somebody".clone_into(&mut entry.actor);
            statements += &set("actor = 'user:somebody'", 3);
        }
        before = entry.hash(&Toy, &before, record.place);
        write!(statements, "{}", set(&format!("hash = {}", blob(&before)), record.place)).unwrap();
    }
    (statements, before)
}
