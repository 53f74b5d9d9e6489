//! The chain: each record holds the digest of the one before it, and the end is sealed with a key.

use std::fmt::{self, Write};

use serde_json::json;

use super::{AuditRecord, Entry, Trail};
use crate::Timestamp;

/// A SHA-256 digest, or a MAC of that size.
pub type Digest = [u8; 32];

/// Digests and seals.
pub trait Notary: Send + Sync + fmt::Debug {
    /// The digest of these bytes, which needs no key.
    fn digest(&self, bytes: &[u8]) -> Digest;

    /// The seal of these bytes, which nobody can make who does not have the key.
    fn seal(&self, bytes: &[u8]) -> Digest;

    /// Whether this is the seal of these bytes, by the key of now or one of before.
    fn is_seal(&self, bytes: &[u8], seal: &[u8]) -> bool;
}

/// Where a trail begins and ends: one row of the store, which whoever appends holds locked.
///
/// Only the end is sealed, not every record: who can write to the database and does not have the key can
/// change no record, because the digests lead to the end, and cannot go back to an earlier end, because
/// its seal is nowhere any more. And a seal by a new key vouches for all records before it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Head {
    /// Which trail.
    pub trail: Trail,
    /// The place of the first record that is kept.
    pub first: i64,
    /// The digest of the record before that one; zeros before place 1.
    pub anchor: Digest,
    /// The place of the last record; 0 when there never was one.
    pub place: i64,
    /// The digest of the last record.
    pub hash: Digest,
    /// The seal of all this; none before the first record.
    pub seal: Option<Digest>,
}

impl Head {
    /// The head of a trail without records.
    #[must_use]
    pub const fn empty(trail: Trail) -> Self {
        Self { trail, first: 1, anchor: [0; 32], place: 0, hash: [0; 32], seal: None }
    }

    /// Chains entries to the end. When the end is not as this service left it, that is recorded first: from then
    /// on the new seal would vouch for it.
    pub fn extend(&mut self, notary: &dyn Notary, entries: Vec<Entry>) -> Vec<AuditRecord> {
        let mut records = Vec::with_capacity(entries.len());
        if let Some(first) = entries.first().filter(|_| !self.is_sealed(notary)) {
            let details = json!({ "place": self.place, "hash": hex(&self.hash) });
            records.push(self.link(notary, Entry::own("audit", UNSEALED, first.at, &details)));
        }
        records.extend(entries.into_iter().map(|entry| self.link(notary, entry)));
        self.seal = Some(notary.seal(&self.sealed()));
        records
    }

    /// Lets go of all records up to this one, whose digest becomes the anchor. Gives what is to be appended about
    /// it; nothing, and nothing may go, while the end is not as this service left it: that would take the evidence.
    #[must_use]
    pub fn trim(
        &mut self,
        notary: &dyn Notary,
        (place, hash): (i64, Digest),
        at: Timestamp,
    ) -> Option<Vec<AuditRecord>> {
        if !self.is_sealed(notary) {
            return None;
        }
        self.first = place.saturating_add(1);
        self.anchor = hash;
        self.seal = Some(notary.seal(&self.sealed()));
        let details = json!({ "up_to": place, "hash": hex(&hash) });
        Some(self.extend(notary, vec![Entry::own("trim_audit", "audit.trim", at, &details)]))
    }

    /// Whether it is as this service left it.
    #[must_use]
    pub fn is_sealed(&self, notary: &dyn Notary) -> bool {
        match &self.seal {
            Some(seal) => notary.is_seal(&self.sealed(), seal),
            None => *self == Self::empty(self.trail),
        }
    }

    fn link(&mut self, notary: &dyn Notary, entry: Entry) -> AuditRecord {
        self.place = self.place.saturating_add(1);
        self.hash = entry.hash(notary, &self.hash, self.place);
        AuditRecord { place: self.place, entry, hash: self.hash }
    }

    fn sealed(&self) -> Vec<u8> {
        let Self { trail, first, anchor, place, hash, .. } = self;
        let (anchor, hash) = (hex(anchor), hex(hash));
        format!("{trail} {first} {anchor} {place} {hash}").into_bytes()
    }
}

/// What is recorded when the end of the trail was not as it had been left.
pub(super) const UNSEALED: &str = "audit.unsealed";

/// What is recorded when the operator has explained that: its object is the place of the record it is about.
pub(crate) const ACKNOWLEDGED: &str = "audit.acknowledge";

impl Entry {
    /// The digest of what it says, in this place after the record with this digest. Written as JSON, because that
    /// keeps the fields apart whatever is in them.
    #[must_use]
    pub fn hash(&self, notary: &dyn Notary, before: &Digest, place: i64) -> Digest {
        let said = json!([
            hex(before),
            place,
            self.at.micros(),
            self.actor,
            self.peer,
            self.request,
            self.trace,
            self.operation,
            self.action,
            self.subject,
            self.object,
            self.org,
            self.outcome,
            self.count,
            self.details,
        ]);
        notary.digest(said.to_string().as_bytes())
    }
}

/// Bytes as hexadecimal digits.
#[must_use]
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::with_capacity(64), |mut text, byte| {
        // Writing to a text does not fail.
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// The digest that is written so.
#[must_use]
pub fn unhex(text: &str) -> Option<Digest> {
    if text.len() != 64 || !text.bytes().all(|digit| digit.is_ascii_hexdigit()) {
        return None;
    }
    let mut digest = [0; 32];
    for (byte, pair) in digest.iter_mut().zip(text.as_bytes().chunks(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok()?;
    }
    Some(digest)
}
