//! The seal at the end of a backup: over every byte before it.

use super::ports::{Checking, Seals};
use crate::error::{Invalid, Result};

/// What every sealed document begins with, to the letter.
pub const BEGINNING: &[u8] = b"{\"format\":\"keyward-backup\",";
/// What stands before the seal, and is not under it.
pub const BEFORE: &[u8] = b",\"mac\":\"";
/// What stands behind it.
pub const BEHIND: &[u8] = b"\"}";
/// How many hexadecimal digits it has.
pub const DIGITS: usize = 64;
/// The most bytes that are not under it, line end included.
const END: usize = BEFORE.len() + DIGITS + BEHIND.len() + 2;

/// Checks the seal of a document while it passes by.
pub struct Passing {
    checking: Box<dyn Checking>,
    /// The last bytes that came, which may be the seal.
    last: Vec<u8>,
}

impl Passing {
    /// Begins.
    #[must_use]
    pub fn new(seals: &dyn Seals) -> Self {
        Self { checking: seals.checking(), last: Vec::new() }
    }

    /// Some more of it.
    pub fn update(&mut self, bytes: &[u8]) {
        let early = bytes.len().saturating_sub(END);
        let (early, late) = bytes.split_at_checked(early).unwrap_or((&[], bytes));
        if !early.is_empty() {
            self.checking.update(&self.last);
            self.last.clear();
            self.checking.update(early);
        }
        self.last.extend_from_slice(late);
        let certain = self.last.len().saturating_sub(END);
        self.checking.update(self.last.get(..certain).unwrap_or_default());
        self.last.drain(..certain);
    }

    /// Whether it ends with its seal, and the seal is right.
    pub fn finish(mut self) -> Result<()> {
        let refused = Invalid::BackupSeal;
        let last = std::mem::take(&mut self.last);
        let text = last.strip_suffix(b"\n").unwrap_or(&last);
        let text = text.strip_suffix(b"\r").unwrap_or(text);
        let text = text.strip_suffix(BEHIND).ok_or(refused)?;
        let from = text.len().checked_sub(DIGITS).ok_or(refused)?;
        let (text, seal) = text.split_at_checked(from).ok_or(refused)?;
        let text = text.strip_suffix(BEFORE).ok_or(refused)?;
        let seal = std::str::from_utf8(seal).map_err(|_| refused)?;
        self.checking.update(text);
        if self.checking.finish(seal) { Ok(()) } else { Err(refused.into()) }
    }
}
