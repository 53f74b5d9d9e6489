//! The hashes of the original's users service, which are checked and never made.

use auth_domain::model::PasswordHash;
use auth_domain::{Error, Result};

/// How many bytes of a password bcrypt looks at.
const LOOKED_AT: usize = 72;
/// The cost of every hash that the original made.
pub(super) const USUAL: u32 = 10;

/// Whether the password has this hash, as far as bcrypt looks. One of which the cost is out of bounds is nobody's: it
/// takes as long as a usual one, and not what it asks for.
pub(super) fn matches(hash: &PasswordHash, cost: u32, password: &[u8]) -> Result<bool> {
    if !PasswordHash::BCRYPT_COSTS.contains(&cost) {
        tracing::warn!(cost, "a stored bcrypt hash asks for too much work and is not checked");
        return toil(password).map(|()| false);
    }
    // Compares in constant time.
    bcrypt::verify(password, hash.expose()).map_err(|error| odd(&error))
}

/// As much work as how many hashes of ours to check one of this cost and make one of ours: a usual one takes the time of
/// four, and so do cheaper ones here, and those that are not checked.
pub(super) fn hashes(cost: u32) -> u32 {
    let checked = PasswordHash::BCRYPT_COSTS.contains(&cost);
    let beyond = if checked { cost.saturating_sub(USUAL) } else { 0 };
    4_u32.saturating_mul(2_u32.saturating_pow(beyond)).saturating_add(1)
}

/// As much work as a usual hash.
pub(super) fn toil(password: &[u8]) -> Result<()> {
    bcrypt::hash_with_salt_bytes(password, USUAL, [0; 16]).map(drop).map_err(|error| odd(&error))
}

/// Whether bcrypt has looked at all of a password and seen that it ends there. If not, its hash may have been made of a
/// longer one, and no other hash can stand for it.
pub(super) const fn is_whole(password: &[u8]) -> bool {
    password.len() < LOOKED_AT
}

fn odd(error: &bcrypt::BcryptError) -> Error {
    Error::internal(format!("a bcrypt hash: {error}"))
}
