//! Keys of a pair: what signs tokens beside the secret, and what others verify them with.

use std::fmt;
use std::str::FromStr;

/// What `kid` calls a signing key: its thumbprint (RFC 7638), so that whoever has the public key knows its name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SigningKeyId([u8; 32]);

/// How many characters it has as text: base64url without padding.
const TEXT: usize = 43;
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

impl SigningKeyId {
    /// The key with this SHA-256 thumbprint.
    #[must_use]
    pub const fn new(thumbprint: [u8; 32]) -> Self {
        Self(thumbprint)
    }

    /// The thumbprint.
    #[must_use]
    pub const fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

impl fmt::Display for SigningKeyId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write;
        for three in self.0.chunks(3) {
            let part = |n: usize| u32::from(three.get(n).copied().unwrap_or(0));
            let bits = part(0) << 16 | part(1) << 8 | part(2);
            for shift in [18, 12, 6, 0].into_iter().take(three.len().saturating_add(1)) {
                let sextet = usize::try_from(bits >> shift & 63).unwrap_or(0);
                f.write_char(char::from(ALPHABET.get(sextet).copied().unwrap_or(b'?')))?;
            }
        }
        Ok(())
    }
}

/// It is no thumbprint as text.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a key's id has 43 characters of base64url")]
pub struct BadSigningKeyId;

impl FromStr for SigningKeyId {
    type Err = BadSigningKeyId;

    fn from_str(text: &str) -> Result<Self, BadSigningKeyId> {
        if text.len() != TEXT {
            return Err(BadSigningKeyId);
        }
        let mut bytes = [0; 32];
        let mut place = bytes.iter_mut();
        let (mut bits, mut held) = (0_u32, 0_u32);
        for c in text.bytes() {
            let sextet = ALPHABET.iter().position(|known| *known == c).ok_or(BadSigningKeyId)?;
            bits = (bits << 6 | u32::try_from(sextet).unwrap_or(0)) & 0xffff;
            held = held.saturating_add(6);
            if let Some(left) = held.checked_sub(8) {
                held = left;
                if let Some(place) = place.next() {
                    *place = u8::try_from(bits >> left & 255).unwrap_or(0);
                }
            }
        }
        // One spelling each: the two bits that are left over are zero.
        let id = Self(bytes);
        if bits.trailing_zeros() >= 2 { Ok(id) } else { Err(BadSigningKeyId) }
    }
}

/// A public key as others get it (RFC 7517). There is nothing secret about it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    /// Its name.
    pub id: SigningKeyId,
    /// `alg`: the one algorithm it is good for.
    pub algorithm: &'static str,
    /// The key itself.
    pub material: Material,
}

/// What a public key consists of, by its kind; numbers and points in base64url without padding.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Material {
    /// A point on Ed25519 (RFC 8037).
    Ed25519 {
        /// The point.
        x: String,
    },
    /// A point on P-256 (RFC 7518 section 6.2).
    P256 {
        /// Its first coordinate.
        x: String,
        /// Its second.
        y: String,
    },
    /// RSA (RFC 7518 section 6.3).
    Rsa {
        /// The modulus.
        n: String,
        /// The exponent.
        e: String,
    },
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_has_one_spelling() {
        for bytes in [[0; 32], [255; 32], std::array::from_fn(|n| u8::try_from(n * 7).unwrap())] {
            let id = SigningKeyId::new(bytes);
            let text = id.to_string();
            assert_eq!(text.parse(), Ok(id));
            assert_eq!(text.len(), TEXT);
        }
        // RFC 8037 appendix A.3.
        let known = "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k";
        assert_eq!(known.parse::<SigningKeyId>().unwrap().to_string(), known);
        for odd in ["", "short", &known[1..], &format!("{known}A"), &known.replace('_', "/")] {
            assert_eq!(odd.parse::<SigningKeyId>(), Err(BadSigningKeyId), "{odd}");
        }
        let loose = format!("{}l", &known[..42]);
        assert_eq!(
            loose.parse::<SigningKeyId>(),
            Err(BadSigningKeyId),
            "its last bits are not zero"
        );
    }
}
