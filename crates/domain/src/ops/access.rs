//! What sibling services ask at every request: who is this, and may they?

use std::str::FromStr;
use std::time::Duration;

use crate::app::{Access, Cx, Identity, Operation, count_check};
use crate::error::{Error, Invalid, Result, Unauthenticated};
use crate::model::{
    Action, Claims, GroupId, GroupRole, GroupStanding, Key, KeyKind, OrgId, PlatformRole, Proved,
    SessionClaims, SigningKeyId, Standing, Token, Trust, UserId,
};
use crate::ports::Class;
use crate::{Timestamp, policy};

/// How far a sibling's clock may be ahead of ours before its tokens are refused.
const LEEWAY: Duration = Duration::from_mins(1);

/// Says whose token this is.
#[derive(Debug)]
pub struct Identify {
    /// The token, of any kind.
    pub token: Token,
}

impl Operation for Identify {
    type Output = Identity;
    const NAME: &'static str = "identify";
    const HOT: bool = true;
    const CLASS: Class = Class::Checks;

    fn access(&self) -> Access {
        Access::Anyone
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Identity> {
        let identity = identify(cx, &self.token).await?;
        count_check(cx, identity.user, identity.key).await?;
        Ok(identity)
    }
}

/// Says whether the token's user may do this.
#[derive(Debug)]
pub struct Authorize {
    /// The token: a login token, an access token, or an API key, which acts for its owner.
    pub token: Token,
    /// What is asked.
    pub question: Question,
}

/// What can be asked of [`Authorize`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Question {
    /// Whether they have a platform role.
    Root,
    /// Whether they may do this in this org; `None` is an id no org can have.
    Org(Option<OrgId>, Action),
    /// Whether they have this role in this group; `None` is an id no group can have.
    Group(Option<GroupId>, GroupRole),
}

impl Question {
    /// The question the wire's three texts ask. Subjects and actions are closed lists.
    pub fn parse(subject: &str, object: &str, action: &str) -> Result<Self> {
        match subject {
            "root" => Ok(Self::Root),
            "org" => Ok(Self::Org(OrgId::from_str(object).ok(), action.parse()?)),
            "group" => {
                let needed = action.parse().map_err(|_| Invalid::Action)?;
                Ok(Self::Group(GroupId::from_str(object).ok(), needed))
            }
            _ => Err(Invalid::Subject.into()),
        }
    }

    /// The org it is about, if that is what it is about.
    pub(crate) const fn org(self) -> Option<OrgId> {
        match self {
            Self::Org(org, _) => org,
            Self::Root | Self::Group(..) => None,
        }
    }

    /// The group it is about, if that is what it is about.
    pub(crate) const fn group(self) -> Option<GroupId> {
        match self {
            Self::Group(group, _) => group,
            Self::Root | Self::Org(..) => None,
        }
    }
}

impl Operation for Authorize {
    type Output = ();
    const NAME: &'static str = "authorize";
    const HOT: bool = true;
    const CLASS: Class = Class::Checks;

    fn access(&self) -> Access {
        Access::Anyone
    }

    /// A stranger to an org gets the same refusal as a member with too small a role. Somebody with
    /// a platform role is told when there is no such org. Of a group nobody is told more than no.
    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        let identity = identify_actor(cx, &self.token).await?;
        authorize(cx, &identity, self.question).await
    }
}

/// Whose token this is, if it is one to act with, as a recovery token is not, and they have not asked too often.
pub(crate) async fn identify_actor(cx: &Cx<'_>, token: &Token) -> Result<Identity> {
    let identity = identify(cx, token).await?;
    if identity.kind == KeyKind::Recovery {
        return Err(Unauthenticated::NotHonoured.into());
    }
    count_check(cx, identity.user, identity.key).await?;
    Ok(identity)
}

/// Whether they may do this.
pub(crate) async fn authorize(cx: &Cx<'_>, who: &Identity, question: Question) -> Result<()> {
    match question {
        Question::Root => decide_on_platform(cx.checks().standing(who.user, None).await?),
        Question::Org(org, action) => {
            decide_in_org(cx.checks().standing(who.user, org).await?, action)
        }
        Question::Group(None, _) => Err(Error::Forbidden),
        Question::Group(Some(group), needed) => {
            decide_by_group_role(cx.checks().group_role(who.user, group).await?, needed)
        }
    }
}

/// Whether somebody who stands there has a platform role.
pub(crate) const fn decide_on_platform(standing: Standing) -> Result<()> {
    policy::on_platform(standing.platform, PlatformRole::Admin)
}

/// Whether somebody who stands there may do this in the org. A stranger is not told whether it exists.
pub(crate) fn decide_in_org(standing: Standing, action: Action) -> Result<()> {
    policy::in_org(&standing, action).map_err(|refusal| match refusal {
        Error::NotFound(_) if standing.platform.is_none() => Error::Forbidden,
        other => other,
    })
}

/// Whether somebody who stands there has this role in the group. Nobody is told whether it exists.
pub(crate) fn decide_in_group(
    user: UserId,
    standing: Option<&GroupStanding>,
    needed: GroupRole,
) -> Result<()> {
    decide_by_group_role(standing.and_then(|place| policy::group_role(user, place)), needed)
}

/// Whether this role, the greatest somebody has in a group, is enough.
fn decide_by_group_role(role: Option<GroupRole>, needed: GroupRole) -> Result<()> {
    if role.is_some_and(|role| role >= needed) { Ok(()) } else { Err(Error::Forbidden) }
}

/// Whose token this is: the signature, the times, and for an API key the stored row, for any other that
/// the user's sessions have not been ended since. It writes nothing.
pub(crate) async fn identify(cx: &Cx<'_>, token: &Token) -> Result<Identity> {
    identify_proved(cx, cx.tokens().verify(token)?).await
}

/// Whose token this is, whose signature is proved.
pub(super) async fn identify_proved(cx: &Cx<'_>, proved: Proved) -> Result<Identity> {
    let Proved { claims, trust, signed_by } = proved;
    if let Some(key) = signed_by
        && cx.checks().is_withdrawn(key).await?
    {
        return Err(Unauthenticated::BadToken.into());
    }
    if claims.kind == KeyKind::Api {
        return identify_key(cx, claims, signed_by).await;
    }
    if trust == Trust::StoredKeysOnly {
        return Err(Unauthenticated::BadToken.into());
    }
    if let Some(session) = claims.session {
        return identify_session(cx, &claims, session, signed_by).await;
    }
    let life = match claims.kind {
        KeyKind::Recovery => cx.rules().recovery_life,
        KeyKind::Login | KeyKind::Api => cx.rules().login_life,
    };
    check_times(&claims, life, cx.now)?;
    // Last, so that nothing is looked up for what is refused anyway.
    if cx.checks().cut_off(claims.user).await?.is_some_and(|until| claims.issued_at <= until) {
        return Err(Unauthenticated::NotHonoured.into());
    }
    Ok(Identity {
        user: claims.user,
        email: claims.email,
        kind: claims.kind,
        key: None,
        session: None,
        issued_at: claims.issued_at,
        signed_by,
    })
}

/// Whose access token this is, as long as its session lives: one question, which also depends on what ends all
/// sessions of the user at once.
async fn identify_session(
    cx: &Cx<'_>,
    claims: &Claims,
    session: SessionClaims,
    signed_by: Option<SigningKeyId>,
) -> Result<Identity> {
    check_times(claims, cx.rules().access_life, cx.now)?;
    let email = cx.checks().session_email(claims.user, session.id).await?;
    Ok(Identity {
        user: claims.user,
        email: email.ok_or(Unauthenticated::NotHonoured)?,
        kind: claims.kind,
        key: None,
        session: Some(session.id),
        issued_at: session.began_at,
        signed_by,
    })
}

async fn identify_key(
    cx: &Cx<'_>,
    claims: Claims,
    signed_by: Option<SigningKeyId>,
) -> Result<Identity> {
    check_begun(&claims, cx.now)?;
    let id = claims.id.ok_or(Unauthenticated::BadToken)?;
    let stored = cx.checks().key(claims.user, id).await?.ok_or(Unauthenticated::NotHonoured)?;
    if !says_what_is_stored(&claims, &stored) {
        return Err(Unauthenticated::NotHonoured.into());
    }
    if stored.expired(cx.now) {
        return Err(Unauthenticated::ExpiredKey.into());
    }
    Ok(Identity {
        user: stored.issuer,
        email: stored.subject,
        kind: KeyKind::Api,
        key: Some(id),
        session: None,
        issued_at: claims.issued_at,
        signed_by,
    })
}

/// Whether the token has begun, lives no longer than any, and is not over.
fn check_times(claims: &Claims, life: Duration, now: Timestamp) -> Result<(), Unauthenticated> {
    check_begun(claims, now)?;
    let end = claims.expires_at.ok_or(Unauthenticated::BadToken)?;
    let span = end.checked_sub(claims.issued_at).and_then(|span| u64::try_from(span).ok());
    if span.is_none_or(|span| span > life.as_secs()) {
        return Err(Unauthenticated::BadToken);
    }
    if now.seconds() > end {
        return Err(Unauthenticated::Expired);
    }
    Ok(())
}

fn check_begun(claims: &Claims, now: Timestamp) -> Result<(), Unauthenticated> {
    let latest = now.plus(LEEWAY).seconds();
    if claims.issued_at > latest || claims.not_before.is_some_and(|begin| begin > latest) {
        return Err(Unauthenticated::BadToken);
    }
    Ok(())
}

/// Whether every claim equals the stored row. Tokens hold whole seconds; rows hold microseconds,
/// which the original's database rounds, so a row may be up to a whole second after its claim.
pub(super) fn says_what_is_stored(claims: &Claims, stored: &Key) -> bool {
    let same = |claim: i64, row: Timestamp| {
        let start = Timestamp::from_seconds(claim).micros();
        (0..=1_000_000).contains(&row.micros().saturating_sub(start))
    };
    claims.user == stored.issuer
        && claims.id == Some(stored.id)
        && claims.email == stored.subject
        && same(claims.issued_at, stored.issued_at)
        && match (claims.expires_at, stored.expires_at) {
            (None, None) => true,
            (Some(claim), Some(row)) => same(claim, row),
            (None, Some(_)) | (Some(_), None) => false,
        }
}
