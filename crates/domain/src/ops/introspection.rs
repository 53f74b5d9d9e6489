//! What others ask of tokens: whether one is good (RFC 7662), and that it be so no longer (RFC 7009).

use super::access::{identify_proved, says_what_is_stored};
use super::digests;
use super::sign_ins::is_over;
use crate::app::{Access, Actor, Cx, Identity, Operation, count_check};
use crate::change::Change;
use crate::error::{Error, Invalid, Result, Unauthenticated};
use crate::model::{
    Claims, KeyKind, PlatformRole, RefreshToken, SessionEnd, SessionId, Token, UserId,
};
use crate::ports::Class;

/// Says whether a token is good just now, and what it says.
#[derive(Debug)]
pub struct Introspect {
    /// The token, of any kind, or any text.
    pub token: Token,
}

/// A token that is good.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ActiveToken {
    /// What it is.
    pub kind: TokenKind,
    /// Whose it is.
    pub user: UserId,
    /// Their e-mail address.
    pub email: String,
    /// `jti`, if it has one.
    pub id: Option<String>,
    /// Which session it belongs to, if to one.
    pub session: Option<SessionId>,
    /// When it was made, in seconds since 1970.
    pub issued_at: i64,
    /// The last second it is good for, if there is one.
    pub expires_at: Option<i64>,
}

/// What a token is that is good for something beside a password reset.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TokenKind {
    /// A login token.
    Login,
    /// An access token.
    Access,
    /// An API key.
    ApiKey,
    /// A refresh token, the newest of its session.
    Refresh,
}

impl TokenKind {
    /// Every kind.
    pub const ALL: [Self; 4] = [Self::Login, Self::Access, Self::ApiKey, Self::Refresh];

    /// The word on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Login => "login",
            Self::Access => "access",
            Self::ApiKey => "api_key",
            Self::Refresh => "refresh",
        }
    }
}

impl Operation for Introspect {
    type Output = Option<ActiveToken>;
    const NAME: &'static str = "introspect";
    /// Services ask it at every request of theirs.
    const HOT: bool = true;
    const CLASS: Class = Class::Checks;

    fn access(&self) -> Access {
        Access::ServiceOr(PlatformRole::Admin)
    }

    /// One that is unknown, over, revoked or good for a password reset only is nothing, and which of these is not
    /// told (RFC 7662 section 2.2). A refresh token that was used is not taken for reuse here: nobody wants to refresh.
    async fn run(self, cx: &mut Cx<'_>) -> Result<Option<ActiveToken>> {
        let refresh = RefreshToken::new(self.token.expose().to_owned());
        if let Some(shown) = cx.refresh_tokens().digests(&refresh) {
            let found = cx.store().session_by_family(shown.family).await?;
            let good = found.filter(|found| {
                digests::are_same(&shown.whole, &found.current) && !is_over(&found.session, cx.now)
            });
            let Some(found) = good else { return Ok(None) };
            let session = found.session;
            let email = cx.checks().session_email(session.user, session.id).await?;
            let Some(email) = email else { return Ok(None) };
            count_check(cx, session.user, None).await?;
            return Ok(Some(ActiveToken {
                kind: TokenKind::Refresh,
                user: session.user,
                email,
                id: None,
                session: Some(session.id),
                issued_at: session.last_used_at.seconds(),
                expires_at: Some(session.expires_at.seconds()),
            }));
        }
        let Ok(proved) = cx.tokens().verify(&self.token) else { return Ok(None) };
        let (id, issued_at) = (proved.claims.id, proved.claims.issued_at);
        let expires_at = proved.claims.expires_at;
        let identity = match identify_proved(cx, proved).await {
            Ok(identity) => identity,
            Err(Error::Unauthenticated(_)) => return Ok(None),
            Err(other) => return Err(other),
        };
        count_check(cx, identity.user, identity.key).await?;
        Ok(kind(&identity).map(|kind| ActiveToken {
            kind,
            user: identity.user,
            email: identity.email,
            id: id.map(|id| id.to_string()),
            session: identity.session,
            issued_at,
            expires_at,
        }))
    }
}

const fn kind(identity: &Identity) -> Option<TokenKind> {
    match identity.kind {
        KeyKind::Recovery => None,
        KeyKind::Api => Some(TokenKind::ApiKey),
        KeyKind::Login if identity.session.is_some() => Some(TokenKind::Access),
        KeyKind::Login => Some(TokenKind::Login),
    }
}

/// Takes a token back for whoever holds it: holding it is what allows that.
///
/// A refresh token, also one that was used, and an access token end their session, so that nothing of it is good any
/// more (RFC 7009 section 2.1); an API key is revoked. One that is nothing is as good as taken back. A login
/// token cannot be taken back alone: all of its user's are, elsewhere.
#[derive(Debug)]
pub struct RevokeToken {
    /// The token, or any text.
    pub token: Token,
}

impl Operation for RevokeToken {
    type Output = ();
    const NAME: &'static str = "revoke_token";

    fn access(&self) -> Access {
        Access::Anyone
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        let why = SessionEnd::Revoked;
        let refresh = RefreshToken::new(self.token.expose().to_owned());
        if let Some(shown) = cx.refresh_tokens().digests(&refresh) {
            return match cx.store().session_by_family(shown.family).await? {
                Some(found) => {
                    let (id, user) = (found.session.id, found.session.user);
                    cx.about = Some(user);
                    done(cx.commit(vec![Change::EndSession { id, user, why }]).await)
                }
                // Somebody else may have ended it and be waiting still.
                None => cx.settle().await,
            };
        }
        let Ok(proved) = cx.tokens().verify(&self.token) else { return Ok(()) };
        let claims = proved.claims.clone();
        let identity = match identify_proved(cx, proved).await {
            Ok(identity) => identity,
            Err(Error::Unauthenticated(Unauthenticated::NotHonoured)) => {
                return revoke_unhonoured(cx, &claims).await;
            }
            Err(Error::Unauthenticated(_)) => return Ok(()),
            Err(other) => return Err(other),
        };
        let user = identity.user;
        let change = match (identity.session, identity.key) {
            (Some(id), _) => Change::EndSession { id, user, why },
            (None, Some(id)) => Change::RemoveKey { id, issuer: user },
            (None, None) => return Err(Invalid::TokenType.into()),
        };
        cx.actor = Actor::User(identity);
        done(cx.commit(vec![change]).await)
    }
}

/// Takes back an API key of somebody who is disabled: whoever enables them again is not to bring it back.
///
/// It is only done for what says all that is stored: where a weak secret of the past verifies, anybody can sign a
/// token that names another key, and for nothing else does an id take anything away.
async fn revoke_unhonoured(cx: &mut Cx<'_>, claims: &Claims) -> Result<()> {
    let (KeyKind::Api, Some(id)) = (claims.kind, claims.id) else { return cx.settle().await };
    let issuer = claims.user;
    match cx.store().stored_key(issuer, id).await? {
        Some(stored) if says_what_is_stored(claims, &stored) => {
            cx.about = Some(issuer);
            done(cx.commit(vec![Change::RemoveKey { id, issuer }]).await)
        }
        Some(_) => Ok(()),
        // Somebody else may have taken it back and be waiting still.
        None => cx.settle().await,
    }
}

/// Somebody else was faster, and took back the same.
fn done(committed: Result<()>) -> Result<()> {
    match committed {
        Err(Error::NotFound(_) | Error::Unauthenticated(_)) => Ok(()),
        other => other,
    }
}
