//! Refresh tokens: random, and stored as digests.

use auth_domain::model::{NextRefresh, RefreshDigests, RefreshToken};
use auth_domain::ports::RefreshTokens;
use auth_domain::{Error, Result};
use aws_lc_rs::digest::{SHA256, digest};
use aws_lc_rs::{hmac, rand};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// What each begins with, so that whoever finds one knows what it is. No signed token can.
const PREFIX: &str = "rt_";
/// How many bytes name the family, and how many are of the one token alone.
const FAMILY: usize = 16;
const SECRET: usize = 32;
/// What the key of a cover is derived by.
const COVER: &[u8] = b"keyward: what covers the next refresh token";

/// Refresh tokens of 16 bytes that name the family and 32 of their own, all random.
///
/// What covers the next one is a pad that only whoever has the one before can make, once over a random secret: so
/// nothing that is stored helps anybody else to find it.
#[derive(Clone, Copy, Debug, Default)]
pub struct RandomRefreshTokens;

type Family = [u8; FAMILY];
type Secret = [u8; SECRET];

fn write(family: &Family, secret: &Secret) -> RefreshToken {
    let mut text = PREFIX.to_owned();
    let bytes = [family.as_slice(), secret.as_slice()].concat();
    URL_SAFE_NO_PAD.encode_string(bytes, &mut text);
    RefreshToken::new(text)
}

fn read(token: &RefreshToken) -> Option<(Family, Secret)> {
    let text = token.expose();
    if text.len() > RefreshToken::MAX {
        return None;
    }
    let bytes = URL_SAFE_NO_PAD.decode(text.strip_prefix(PREFIX)?).ok()?;
    let (family, secret) = bytes.split_first_chunk::<FAMILY>()?;
    Some((*family, secret.try_into().ok()?))
}

fn random<const N: usize>() -> Result<[u8; N]> {
    let mut bytes = [0; N];
    rand::fill(&mut bytes).map_err(|_| Error::unavailable("there is no randomness"))?;
    Ok(bytes)
}

/// What one gets by laying the pad of this token over the secret, and the secret by laying it over that.
fn covered(token: &RefreshToken, secret: &Secret) -> Secret {
    let pad = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, token.expose().as_bytes()), COVER);
    let mut bytes = *secret;
    bytes.iter_mut().zip(pad.as_ref()).for_each(|(byte, pad)| *byte ^= pad);
    bytes
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    digest(&SHA256, bytes).as_ref().first_chunk().copied().unwrap_or_default()
}

impl RefreshTokens for RandomRefreshTokens {
    fn first(&self) -> Result<RefreshToken> {
        Ok(write(&random()?, &random()?))
    }

    fn next(&self, token: &RefreshToken) -> Result<NextRefresh> {
        let (family, _) = read(token).ok_or_else(|| Error::internal("it is no refresh token"))?;
        let secret = random()?;
        Ok(NextRefresh { token: write(&family, &secret), cover: covered(token, &secret) })
    }

    fn next_again(&self, token: &RefreshToken, cover: &[u8; 32]) -> Option<RefreshToken> {
        let (family, _) = read(token)?;
        Some(write(&family, &covered(token, cover)))
    }

    /// SHA-256: nobody guesses the token, so it need not be slow.
    fn digests(&self, token: &RefreshToken) -> Option<RefreshDigests> {
        let (family, _) = read(token)?;
        Some(RefreshDigests { family: sha256(&family), whole: sha256(token.expose().as_bytes()) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TOKENS: RandomRefreshTokens = RandomRefreshTokens;

    #[test]
    fn fw2_fpw4_a_token_is_random_and_of_one_family() {
        let (one, other) = (TOKENS.first().unwrap(), TOKENS.first().unwrap());
        let digests = |token| TOKENS.digests(token).unwrap();
        assert_eq!(one.expose().len(), 3 + 64, "128 bits and 256");
        assert_ne!(digests(&one).family, digests(&other).family);
        let next = TOKENS.next(&one).unwrap();
        assert_eq!(digests(&next.token).family, digests(&one).family);
        assert_ne!(digests(&next.token).whole, digests(&one).whole);
        let another = TOKENS.next(&one).unwrap();
        assert_ne!(another.token.expose(), next.token.expose());
    }

    #[test]
    fn gw12_whoever_has_the_one_before_finds_the_same_next_one_and_nobody_else() {
        let first = TOKENS.first().unwrap();
        let next = TOKENS.next(&first).unwrap();
        let again = TOKENS.next_again(&first, &next.cover).unwrap();
        assert_eq!(again.expose(), next.token.expose());
        let sibling = TOKENS.next(&first).unwrap().token;
        let other = TOKENS.next_again(&sibling, &next.cover).unwrap();
        assert_ne!(other.expose(), next.token.expose());
        let (_, secret) = read(&next.token).unwrap();
        assert_ne!(next.cover, secret);
    }

    #[test]
    fn fw2_what_is_no_refresh_token_is_not_read() {
        let good = TOKENS.first().unwrap();
        let good = good.expose();
        let other = [
            String::new(),
            good.trim_start_matches(PREFIX).to_owned(),
            good.replace(PREFIX, "RT_"),
            format!("{good}A"),
            good.split_at(good.len() - 1).0.to_owned(),
            format!("{good}="),
            format!("{PREFIX}{}", "A".repeat(4096)),
            "eyJhbGciOiJIUzI1NiJ9.eyJ0eXBlIjoyfQ.c2lnbmF0dXJl".to_owned(),
        ];
        for text in other {
            assert_eq!(TOKENS.digests(&RefreshToken::new(text.clone())), None, "{text}");
        }
    }
}
