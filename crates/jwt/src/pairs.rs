//! Keys of pairs: what signs where others are to verify without being able to sign.

use std::fmt;

use auth_domain::model::{Material, PublicKey, SigningKeyId};
use aws_lc_rs::encoding::AsDer;
use aws_lc_rs::io::Positive;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::rsa::{KeyPair as RsaKeyPair, KeySize};
use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P256_SHA256_FIXED_SIGNING, ED25519, EcdsaKeyPair,
    Ed25519KeyPair, KeyPair, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256, RSA_PKCS1_SHA256,
    VerificationAlgorithm,
};
use aws_lc_rs::{digest, error::Unspecified};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use secrecy::SecretSlice;

use crate::headers::Headers;

/// What a key of a pair signs with. Exactly one belongs to each key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Algorithm {
    /// Ed25519 (RFC 8037).
    EdDsa,
    /// ECDSA on P-256 with SHA-256 (RFC 7518 section 3.4).
    Es256,
    /// RSASSA-PKCS1-v1_5 with SHA-256 (RFC 7518 section 3.3), by a key of 2048 bits or more.
    Rs256,
}

impl Algorithm {
    /// What `alg` calls it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::EdDsa => "EdDSA",
            Self::Es256 => "ES256",
            Self::Rs256 => "RS256",
        }
    }

    fn verification(self) -> &'static dyn VerificationAlgorithm {
        match self {
            Self::EdDsa => &ED25519,
            Self::Es256 => &ECDSA_P256_SHA256_FIXED,
            Self::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
        }
    }

    /// A fresh private key, as PKCS#8 (RFC 5208). An RSA key has 3072 bits.
    pub fn generate(self) -> Result<SecretSlice<u8>, BadKey> {
        let made = || -> Result<Vec<u8>, Unspecified> {
            let rng = SystemRandom::new();
            Ok(match self {
                // Version 1, which has no public key in it: older tools read no other.
                Self::EdDsa => Ed25519KeyPair::generate_pkcs8v1(&rng)?.as_ref().to_vec(),
                Self::Es256 => {
                    let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
                    EcdsaKeyPair::generate_pkcs8(algorithm, &rng)?.as_ref().to_vec()
                }
                Self::Rs256 => RsaKeyPair::generate(KeySize::Rsa3072)?.as_der()?.as_ref().to_vec(),
            })
        };
        made().map(SecretSlice::from).map_err(|Unspecified| BadKey::NotMade)
    }
}

/// Why something is no signing key. None of these shows what was read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum BadKey {
    /// Nothing we know.
    #[error(
        "it is no private key for EdDSA (Ed25519), ES256 (P-256) or RS256 (RSA, at least 2048 bits)"
    )]
    Unknown,
    /// There was no randomness, or no memory.
    #[error("the key cannot be made")]
    NotMade,
}

/// A private key and what belongs to it.
pub struct SigningKey {
    /// What `kid` calls it.
    pub(crate) id: SigningKeyId,
    /// The same, as text.
    pub(crate) kid: String,
    /// The encoded headers of the tokens it signs, by their kind.
    pub(crate) headers: Headers,
    algorithm: Algorithm,
    pair: Pair,
    public: ParsedPublicKey,
    material: Material,
}

enum Pair {
    EdDsa(Ed25519KeyPair),
    Es256(EcdsaKeyPair),
    Rs256(RsaKeyPair),
}

impl SigningKey {
    /// The key in this PKCS#8 document (RFC 5208, RFC 5958), which says itself what kind it is.
    pub fn from_pkcs8(der: &[u8]) -> Result<Self, BadKey> {
        let pair = Pair::read(der).ok_or(BadKey::Unknown)?;
        let (algorithm, public) = pair.public();
        let material = pair.material().ok_or(BadKey::Unknown)?;
        let public = ParsedPublicKey::new(algorithm.verification(), public);
        let public = public.map_err(|_| BadKey::Unknown)?;
        let id = thumbprint(&material);
        let kid = id.to_string();
        let headers = Headers::of(algorithm.name(), &kid);
        Ok(Self { id, kid, headers, algorithm, pair, public, material })
    }

    /// What `kid` calls it.
    #[must_use]
    pub const fn id(&self) -> SigningKeyId {
        self.id
    }

    /// What it signs with.
    #[must_use]
    pub const fn algorithm(&self) -> Algorithm {
        self.algorithm
    }

    /// What others verify with.
    #[must_use]
    pub fn public_key(&self) -> PublicKey {
        let algorithm = self.algorithm.name();
        PublicKey { id: self.id, algorithm, material: self.material.clone() }
    }

    /// The signature of this text.
    pub(crate) fn sign(&self, text: &str) -> Result<Vec<u8>, Unspecified> {
        let text = text.as_bytes();
        Ok(match &self.pair {
            Pair::EdDsa(pair) => pair.try_sign(text)?.as_ref().to_vec(),
            Pair::Es256(pair) => lower(pair.sign(&SystemRandom::new(), text)?.as_ref()),
            Pair::Rs256(pair) => {
                let mut signature = vec![0; pair.public_modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text, &mut signature)?;
                signature
            }
        })
    }

    /// Whether this key made the signature of this text.
    pub(crate) fn made(&self, text: &str, signature: &[u8]) -> bool {
        let one_spelling = self.algorithm != Algorithm::Es256 || lower(signature) == signature;
        one_spelling && self.public.verify_sig(text.as_bytes(), signature).is_ok()
    }
}

impl fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SigningKey")
            .field("kid", &self.kid)
            .field("algorithm", &self.algorithm)
            .finish_non_exhaustive()
    }
}

impl Pair {
    fn read(der: &[u8]) -> Option<Self> {
        // What kind it is stands in the document: at most one of these reads it.
        let ed = || Ed25519KeyPair::from_pkcs8_maybe_unchecked(der).ok().map(Self::EdDsa);
        let ec = || {
            let pair = EcdsaKeyPair::from_pkcs8(&ECDSA_P256_SHA256_FIXED_SIGNING, der);
            pair.ok().map(Self::Es256)
        };
        let rsa = || RsaKeyPair::from_pkcs8(der).ok().map(Self::Rs256);
        ed().or_else(ec).or_else(rsa)
    }

    fn public(&self) -> (Algorithm, &[u8]) {
        match self {
            Self::EdDsa(pair) => (Algorithm::EdDsa, pair.public_key().as_ref()),
            Self::Es256(pair) => (Algorithm::Es256, pair.public_key().as_ref()),
            Self::Rs256(pair) => (Algorithm::Rs256, pair.public_key().as_ref()),
        }
    }

    /// The public key in the words of RFC 7518 and RFC 8037.
    fn material(&self) -> Option<Material> {
        let text = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        Some(match self {
            Self::EdDsa(pair) => Material::Ed25519 { x: text(pair.public_key().as_ref()) },
            Self::Es256(pair) => {
                // Both coordinates, uncompressed (SEC 1 section 2.3.3).
                let point = pair.public_key().as_ref();
                let (x, y) = point.strip_prefix(&[4])?.split_at_checked(32)?;
                Material::P256 { x: text(x), y: text(y) }
            }
            Self::Rs256(pair) => {
                let public = pair.public_key();
                let number = |number: Positive<'_>| text(number.big_endian_without_leading_zero());
                Material::Rsa { n: number(public.modulus()), e: number(public.exponent()) }
            }
        })
    }
}

/// The order of P-256 (SEC 2 section 2.4.2).
const ORDER: [u8; 32] = [
    0xff, 0xff, 0xff, 0xff, 0x00, 0x00, 0x00, 0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff,
    0xbc, 0xe6, 0xfa, 0xad, 0xa7, 0x17, 0x9e, 0x84, 0xf3, 0xb9, 0xca, 0xc2, 0xfc, 0x63, 0x25, 0x51,
];

/// Of the two ECDSA signatures that say the same, with `s` and with the order less `s`, the one whose second half
/// is lower: so that no two texts are the same token.
fn lower(signature: &[u8]) -> Vec<u8> {
    let (r, s) = signature.split_at_checked(32).unwrap_or((signature, &[]));
    let mut other = [0; 32];
    let mut borrowed = false;
    for ((place, order), s) in other.iter_mut().zip(ORDER).zip(s).rev() {
        let (difference, one) = order.overflowing_sub(*s);
        let (difference, two) = difference.overflowing_sub(u8::from(borrowed));
        (*place, borrowed) = (difference, one || two);
    }
    let lower = if s.len() == 32 && other.as_slice() < s { &other } else { s };
    [r, lower].concat()
}

/// RFC 7638 section 3: the required members only, in alphabetical order, without blanks.
fn thumbprint(material: &Material) -> SigningKeyId {
    let members = match material {
        Material::Ed25519 { x } => format!(r#"{{"crv":"Ed25519","kty":"OKP","x":"{x}"}}"#),
        Material::P256 { x, y } => {
            format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#)
        }
        Material::Rsa { n, e } => format!(r#"{{"e":"{e}","kty":"RSA","n":"{n}"}}"#),
    };
    let digest = digest::digest(&digest::SHA256, members.as_bytes());
    SigningKeyId::new(digest.as_ref().first_chunk().copied().unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use secrecy::ExposeSecret;

    use super::*;

    #[test]
    fn s17_a_key_is_named_by_its_thumbprint() {
        // RFC 8037 appendix A: the private key as PKCS#8, its thumbprint in A.3.
        let seed = "9d61b19deffd5a60ba844af492ec2cc44449c5697b326919703bac031cae7f60";
        let seed = (0..64).step_by(2).map(|n| u8::from_str_radix(&seed[n..n + 2], 16).unwrap());
        let mut der = b"\x30\x2e\x02\x01\x00\x30\x05\x06\x03\x2b\x65\x70\x04\x22\x04\x20".to_vec();
        der.extend(seed);
        let key = SigningKey::from_pkcs8(&der).unwrap();
        assert_eq!(key.kid, "kPrK_qmxVWaYVA9wwBF6Iuo3vVzz7TxHCTwXBygrS4k");
        let x = "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo".to_owned();
        assert_eq!(key.public_key().material, Material::Ed25519 { x });
    }

    #[test]
    fn s17_an_rsa_key_is_named_as_in_rfc_7638() {
        let n = "0vx7agoebGcQSuuPiLJXZptN9nndrQmbXEps2aiAFbWhM78LhWx4cbbfAAtVT86zwu1RK7aPFFxuhDR1L6tSoc_BJECPebWKRXjBZCiFV4n3oknjhMstn64tZ_2W-5JsGY4Hc5n9yBXArwl93lqt7_RN5w6Cf0h4QyQ5v-65YGjQR0_FDW2QvzqY368QQMicAtaSqzs8KJZgnYb9c7d0zgdAZHzu6qMQvRL5hajrn1n91CbOpbISD08qNLyrdkt-bFTWhAI4vMQFh6WeZu0fM4lFd2NcRwr3XPksINHaQ-G_xBniIqbw0Ls1jF44-csFCur-kEgU8awapJzKnqDKgw";
        let material = Material::Rsa { n: n.into(), e: "AQAB".into() };
        let known = "NzbLsXh8uDCcd-6MNwXF4W_7noWXFZAfHkxZsRGC9Xs";
        assert_eq!(thumbprint(&material).to_string(), known);
    }

    #[test]
    fn what_is_made_is_read_and_nothing_else() {
        for algorithm in [Algorithm::EdDsa, Algorithm::Es256, Algorithm::Rs256] {
            let der = algorithm.generate().unwrap();
            let key = SigningKey::from_pkcs8(der.expose_secret()).unwrap();
            assert_eq!(key.algorithm(), algorithm);
            let short = der.expose_secret().split_last().unwrap().1;
            assert!(matches!(SigningKey::from_pkcs8(short), Err(BadKey::Unknown)));
            let other = SigningKey::from_pkcs8(algorithm.generate().unwrap().expose_secret());
            assert_ne!(other.unwrap().kid, key.kid);
        }
        assert!(SigningKey::from_pkcs8(b"").is_err());
    }

    #[test]
    fn s19_a_signing_key_does_not_print_its_secret() {
        let key = Algorithm::Es256.generate().unwrap();
        let key = SigningKey::from_pkcs8(key.expose_secret()).unwrap();
        let printed = format!("{key:?}");
        let shown = format!("SigningKey {{ kid: {:?}, algorithm: Es256, .. }}", key.kid);
        assert_eq!(printed, shown);
    }
}
