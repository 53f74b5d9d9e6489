//! Reads what a token says, strictly.
//!
//! Only the exact set of well-formed claims passes: a claim of the wrong type is a refusal and never
//! "absent", and a member that comes twice is a refusal wherever it stands (RFC 8725 section 3.7).

use std::fmt;

use auth_domain::Id;
use auth_domain::model::{Claims, Email, KeyKind};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use uuid::Uuid;

use crate::ISSUER;

/// The latest second that can be written as a date: the end of the year 9999.
const LAST_SECOND: i64 = 253_402_300_799;
/// The most members we do not know that a payload may have.
const MAX_UNKNOWN: usize = 32;

/// What a header says that we care about.
#[derive(Debug, PartialEq)]
pub(crate) struct Header {
    /// What the token claims to be signed with, which is compared and never obeyed.
    pub(crate) alg: String,
    /// Which key signed, if it says so.
    pub(crate) kid: Option<String>,
}

/// The header, if it is one we can read: it names an algorithm, and nothing that would have to be understood
/// (`crit`) or must never be followed (`jku`, `jwk`, `x5u`, `x5c`).
pub(crate) fn header(json: &[u8]) -> Option<Header> {
    serde_json::from_slice(json).ok()
}

/// The claims, if every one is there and well-formed, and whether they name us as their audience. Says nothing
/// about times.
pub(crate) fn claims(json: &[u8]) -> Option<(Claims, bool)> {
    let Payload { claims, has_audience } = serde_json::from_slice(json).ok()?;
    Some((claims, has_audience))
}

struct Payload {
    claims: Claims,
    has_audience: bool,
}

/// Sets a member that must come at most once.
fn once<T, E: Error>(slot: &mut Option<T>, value: T) -> Result<(), E> {
    match slot.replace(value) {
        None => Ok(()),
        Some(_) => Err(E::custom("a member comes twice")),
    }
}

impl<'de> Deserialize<'de> for Header {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct HeaderVisitor;

        impl<'de> Visitor<'de> for HeaderVisitor {
            type Value = Header;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a token header")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Header, A::Error> {
                let (mut alg, mut typ, mut kid) = (None, None, None);
                while let Some(member) = map.next_key::<String>()? {
                    let slot = match member.as_str() {
                        "alg" => &mut alg,
                        "typ" => &mut typ,
                        "kid" => &mut kid,
                        _ => return Err(A::Error::custom("a member we do not know")),
                    };
                    once(slot, map.next_value::<String>()?)?;
                }
                let alg = alg.ok_or_else(|| A::Error::missing_field("alg"))?;
                if typ.is_some_and(|typ| typ != "JWT") {
                    return Err(A::Error::custom("not a token of ours"));
                }
                Ok(Header { alg, kid })
            }
        }

        deserializer.deserialize_map(HeaderVisitor)
    }
}

impl<'de> Deserialize<'de> for Payload {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct PayloadVisitor;

        impl<'de> Visitor<'de> for PayloadVisitor {
            type Value = Payload;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("token claims")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Payload, A::Error> {
                let (mut exp, mut iat, mut nbf, mut kind) = (None, None, None, None);
                let (mut iss, mut aud, mut sub) = (None, None, None);
                let (mut jti, mut issuer_id) = (None, None);
                let mut unknown: Vec<String> = Vec::new();
                while let Some(member) = map.next_key::<Member>()? {
                    match member {
                        Member::Exp => once(&mut exp, map.next_value::<Second>()?.0)?,
                        Member::Iat => once(&mut iat, map.next_value::<Second>()?.0)?,
                        Member::Nbf => once(&mut nbf, map.next_value::<Second>()?.0)?,
                        Member::Type => once(&mut kind, map.next_value::<u64>()?)?,
                        Member::Iss => once(&mut iss, map.next_value::<Ours>()?)?,
                        Member::Aud => once(&mut aud, map.next_value::<Ours>()?)?,
                        Member::Sub => once(&mut sub, map.next_value::<String>()?)?,
                        Member::Jti => once(&mut jti, map.next_value::<CanonicalUuid>()?.0)?,
                        Member::IssuerId => {
                            once(&mut issuer_id, map.next_value::<CanonicalUuid>()?.0)?;
                        }
                        Member::Unknown(name) => {
                            if unknown.len() >= MAX_UNKNOWN || unknown.contains(&name) {
                                return Err(A::Error::custom("a member comes twice, or too many"));
                            }
                            unknown.push(name);
                            // What is skipped unread would not have to be JSON.
                            map.next_value::<Value>()?;
                        }
                    }
                }
                let missing = || A::Error::custom("a claim is missing or has a wrong value");
                iss.ok_or_else(missing)?;
                let email = sub.filter(|sub| is_subject(sub)).ok_or_else(missing)?;
                let claims = Claims {
                    id: jti.map(Id::new),
                    user: Id::new(issuer_id.ok_or_else(missing)?),
                    email,
                    kind: kind.and_then(KeyKind::from_number).ok_or_else(missing)?,
                    issued_at: iat.ok_or_else(missing)?,
                    not_before: nbf,
                    expires_at: exp,
                };
                Ok(Payload { claims, has_audience: aud.is_some() })
            }
        }

        deserializer.deserialize_map(PayloadVisitor)
    }
}

fn is_subject(text: &str) -> bool {
    (1..=Email::MAX).contains(&text.len()) && !text.chars().any(char::is_control)
}

/// A claim's name; those we know need no memory.
enum Member {
    Exp,
    Iat,
    Nbf,
    Type,
    Iss,
    Aud,
    Sub,
    Jti,
    IssuerId,
    Unknown(String),
}

impl<'de> Deserialize<'de> for Member {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct MemberVisitor;

        impl Visitor<'_> for MemberVisitor {
            type Value = Member;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a claim's name")
            }

            fn visit_str<E: Error>(self, name: &str) -> Result<Member, E> {
                Ok(match name {
                    "exp" => Member::Exp,
                    "iat" => Member::Iat,
                    "nbf" => Member::Nbf,
                    "type" => Member::Type,
                    "iss" => Member::Iss,
                    "aud" => Member::Aud,
                    "sub" => Member::Sub,
                    "jti" => Member::Jti,
                    "issuer_id" => Member::IssuerId,
                    other => Member::Unknown(other.to_owned()),
                })
            }
        }

        deserializer.deserialize_identifier(MemberVisitor)
    }
}

/// A time claim: a whole second between 1970 and the year 9999.
struct Second(i64);

impl<'de> Deserialize<'de> for Second {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let second = i64::deserialize(deserializer)?;
        if (0..=LAST_SECOND).contains(&second) {
            Ok(Self(second))
        } else {
            Err(D::Error::custom("not a second we can name"))
        }
    }
}

/// The text that names us, and no other.
struct Ours;

impl<'de> Deserialize<'de> for Ours {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        match String::deserialize(deserializer)?.as_str() {
            ISSUER => Ok(Self),
            _ => Err(D::Error::custom("names somebody else")),
        }
    }
}

/// A UUID in its one canonical spelling; the nil UUID names nobody.
struct CanonicalUuid(Uuid);

impl<'de> Deserialize<'de> for CanonicalUuid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = String::deserialize(deserializer)?;
        Uuid::try_parse(&text)
            .ok()
            .filter(|uuid| !uuid.is_nil())
            .filter(|uuid| *uuid.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()) == *text)
            .map(Self)
            .ok_or_else(|| D::Error::custom("not a UUID"))
    }
}
