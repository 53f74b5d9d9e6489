//! Reads what a token says, strictly.
//!
//! Only the exact set of well-formed claims passes: a claim of the wrong type is a refusal and never
//! "absent", and a member that comes twice is a refusal wherever it stands (RFC 8725 section 3.7).

use std::fmt;

use auth_domain::Id;
use auth_domain::model::{Claims, Email, KeyKind, SessionClaims};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, Visitor};
use serde_json::Value;
use uuid::Uuid;

use crate::headers::Typ;
use crate::{AUDIENCE, CLIENT, ISSUER};

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
    /// What the token is; without a word, what the original makes.
    pub(crate) typ: Typ,
}

/// The header, if it is one we can read: it names an algorithm, and nothing that would have to be understood
/// (`crit`) or must never be followed (`jku`, `jwk`, `x5u`, `x5c`).
pub(crate) fn header(json: &[u8]) -> Option<Header> {
    serde_json::from_slice(json).ok()
}

/// What a token of the original's kinds claims, if every claim is there and well-formed, and whether it names us as
/// its audience. Says nothing about times.
pub(crate) fn claims(json: &[u8]) -> Option<(Claims, bool)> {
    let said: Payload = serde_json::from_slice(json).ok()?;
    if said.aud.as_ref().is_some_and(|aud| aud != ISSUER) {
        return None;
    }
    let claims = Claims {
        id: match said.jti {
            Some(text) => Some(id(&text)?),
            None => None,
        },
        user: id(said.issuer_id.as_deref()?)?,
        email: said.sub.filter(|sub| is_subject(sub))?,
        kind: KeyKind::from_number(said.kind?)?,
        issued_at: said.iat,
        not_before: said.nbf,
        expires_at: said.exp,
        session: None,
    };
    Some((claims, said.aud.is_some()))
}

/// What an access token claims, if it is all that one has to (RFC 9068 section 2.2) and nothing that makes a token of
/// another kind. Says nothing about times.
pub(crate) fn access(json: &[u8]) -> Option<Claims> {
    let said: Payload = serde_json::from_slice(json).ok()?;
    let is_ours =
        said.aud.as_deref() == Some(AUDIENCE) && said.client_id.is_some_and(|id| id == CLIENT);
    if !is_ours || said.kind.is_some() || said.issuer_id.is_some() {
        return None;
    }
    let began_at = said.auth_time?;
    Some(Claims {
        id: Some(id(&said.jti?)?),
        user: id(&said.sub?)?,
        email: String::new(),
        kind: KeyKind::Login,
        issued_at: said.iat,
        not_before: said.nbf,
        expires_at: Some(said.exp?),
        session: Some(SessionClaims { id: id(&said.sid?)?, began_at }),
    })
}

/// A UUID in its one canonical spelling; the nil UUID names nobody.
fn id<T>(text: &str) -> Option<Id<T>> {
    let uuid = Uuid::try_parse(text).ok().filter(|uuid| !uuid.is_nil())?;
    let canonical = *uuid.as_hyphenated().encode_lower(&mut Uuid::encode_buffer()) == *text;
    canonical.then_some(Id::new(uuid))
}

/// What a payload says, whichever kind of token it is of.
struct Payload {
    exp: Option<i64>,
    iat: i64,
    nbf: Option<i64>,
    kind: Option<u64>,
    aud: Option<String>,
    sub: Option<String>,
    jti: Option<String>,
    issuer_id: Option<String>,
    client_id: Option<String>,
    sid: Option<String>,
    auth_time: Option<i64>,
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
                let typ = match typ.as_deref() {
                    None => Typ::Jwt,
                    Some(said) => [Typ::Jwt, Typ::Access]
                        .into_iter()
                        .find(|typ| typ.as_str() == said)
                        .ok_or_else(|| A::Error::custom("not a token of ours"))?,
                };
                Ok(Header { alg, kid, typ })
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
                let (mut client_id, mut sid, mut auth_time) = (None, None, None);
                let mut unknown: Vec<String> = Vec::new();
                while let Some(member) = map.next_key::<Member>()? {
                    match member {
                        Member::Exp => once(&mut exp, map.next_value::<Second>()?.0)?,
                        Member::Iat => once(&mut iat, map.next_value::<Second>()?.0)?,
                        Member::Nbf => once(&mut nbf, map.next_value::<Second>()?.0)?,
                        Member::AuthTime => once(&mut auth_time, map.next_value::<Second>()?.0)?,
                        Member::Type => once(&mut kind, map.next_value::<u64>()?)?,
                        Member::Iss => once(&mut iss, map.next_value::<Ours>()?)?,
                        Member::Text(text) => {
                            let slot = match text {
                                Text::Aud => &mut aud,
                                Text::Sub => &mut sub,
                                Text::Jti => &mut jti,
                                Text::IssuerId => &mut issuer_id,
                                Text::ClientId => &mut client_id,
                                Text::Sid => &mut sid,
                            };
                            once(slot, map.next_value::<String>()?)?;
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
                iss.ok_or_else(|| A::Error::missing_field("iss"))?;
                let iat = iat.ok_or_else(|| A::Error::missing_field("iat"))?;
                Ok(Payload {
                    exp,
                    iat,
                    nbf,
                    kind,
                    aud,
                    sub,
                    jti,
                    issuer_id,
                    client_id,
                    sid,
                    auth_time,
                })
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
    AuthTime,
    Type,
    Iss,
    Text(Text),
    Unknown(String),
}

/// The claims that are text.
enum Text {
    Aud,
    Sub,
    Jti,
    IssuerId,
    ClientId,
    Sid,
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
                    "auth_time" => Member::AuthTime,
                    "aud" => Member::Text(Text::Aud),
                    "sub" => Member::Text(Text::Sub),
                    "jti" => Member::Text(Text::Jti),
                    "issuer_id" => Member::Text(Text::IssuerId),
                    "client_id" => Member::Text(Text::ClientId),
                    "sid" => Member::Text(Text::Sid),
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
