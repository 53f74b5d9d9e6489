//! Sessions with refresh tokens: signing in, refreshing, and which of one's own there are
//! (`docs/adr/0017-sessions.md`).
//!
//! An access token is short and signed, and honoured while its session is there. A refresh token is opaque, stored as
//! its digest, and good once.

use std::time::Duration;

use secrecy::SecretString;

use super::accounts::signed_in;
use super::invites::TRIES;
use super::keys::{first_second, sign};
use super::{By, digests};
use crate::Timestamp;
use crate::app::{Access, Cx, Operation};
use crate::change::{Change, Guard};
use crate::error::{Conflict, Entity, Error, Result, Unauthenticated};
use crate::model::{
    Account, Claims, Device, Direction, Email, FoundSession, KeyKind, Listing, MAX_LIMIT,
    MOST_SESSIONS, NewSession, Page, REFRESH_GRACE, RefreshDigests, RefreshToken, Replaced,
    Rotation, Session, SessionClaims, SessionEnd, SessionId, Token, UserId,
};
use crate::ports::Class;

/// What whoever signs in or refreshes gets.
#[derive(Debug)]
pub struct SignedIn {
    /// Which session it belongs to.
    pub session: SessionId,
    /// The access token.
    pub access: Token,
    /// For how many seconds it is good.
    pub expires_in: u64,
    /// What refreshes the session the next time.
    pub refresh: RefreshToken,
    /// For how many seconds that is good.
    pub refresh_expires_in: u64,
}

/// Signs in with e-mail address and password, and begins a session.
#[derive(Debug)]
pub struct BeginSession {
    /// The address.
    pub email: Email,
    /// The password, checked against no rule but its hash.
    pub password: SecretString,
    /// What they sign in on.
    pub device: Device,
}

impl Operation for BeginSession {
    type Output = SignedIn;
    const NAME: &'static str = "begin_session";
    const CLASS: Class = Class::SignIns;

    fn access(&self) -> Access {
        Access::Anyone
    }

    /// Unknown address, wrong password and disabled account answer alike and take as long. Hashing takes a while:
    /// whether the account still has the password is looked at once more in the transaction.
    async fn run(self, cx: &mut Cx<'_>) -> Result<SignedIn> {
        let account = signed_in(cx, &self.email, self.password).await?;
        let refresh = cx.refresh_tokens().first()?;
        let began_at = first_second(cx, account.id).await?;
        let session = fresh(cx, &account, began_at, self.device);
        let answer = answer(cx, &session, refresh.clone()).await?;
        let guard = Guard::SessionLives { user: account.id, issued_at: began_at };
        let stored = NewSession { session, refresh: digests(cx, &refresh)? };
        let begin = Change::BeginSession { session: stored, proved: account.password };
        for _ in 0..TRIES {
            let mut changes = beyond(cx, account.id).await?;
            changes.push(begin.clone());
            match cx.commit_if(std::slice::from_ref(&guard), changes).await {
                Ok(()) => return Ok(answer),
                // One of those to be ended was ended by somebody else.
                Err(Error::NotFound(Entity::Session)) => {}
                Err(Error::Unauthenticated(_)) => {
                    return Err(Unauthenticated::BadCredentials.into());
                }
                Err(other) => return Err(other),
            }
        }
        Err(Conflict::Contention.into())
    }
}

/// Ends those sessions of the user for which there is no room beside another one: so whoever knows a password cannot
/// make so many that they take long to end.
async fn beyond(cx: &Cx<'_>, user: UserId) -> Result<Vec<Change>> {
    let page = Page::new(MOST_SESSIONS.saturating_sub(1), MAX_LIMIT, (), Direction::Descending)?;
    let sessions = cx.store().sessions(user, cx.now, page).await?;
    let why = SessionEnd::Crowded;
    Ok(sessions.items.into_iter().map(|one| Change::EndSession { id: one.id, user, why }).collect())
}

fn fresh(cx: &Cx<'_>, account: &Account, began_at: i64, device: Device) -> Session {
    let began_at = Timestamp::from_seconds(began_at);
    let ends_at = began_at.plus(cx.rules().session_life);
    Session {
        id: cx.new_id(),
        user: account.id,
        began_at,
        last_used_at: cx.now,
        expires_at: cx.now.plus(cx.rules().session_idle).min(ends_at),
        ends_at,
        address: cx.address(),
        device,
    }
}

/// Refreshes a session: a new access token, and a new refresh token instead of the one that is shown.
///
/// The one just before the newest is honoured for [`REFRESH_GRACE`], and gives the newest one again and never another:
/// so whoever comes by it goes on with the same chain, in which the two are found out once one of them is later than that.
/// Any older one has been in other hands, and ends the session.
#[derive(Debug)]
pub struct RefreshSession {
    /// What is shown.
    pub token: RefreshToken,
}

impl Operation for RefreshSession {
    type Output = SignedIn;
    const NAME: &'static str = "refresh_session";
    // Nothing is there to be guessed, so those who guess at passwords keep nobody at their address from refreshing.
    const CLASS: Class = Class::Writes;

    fn access(&self) -> Access {
        Access::Anyone
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<SignedIn> {
        let shown = cx.refresh_tokens().digests(&self.token).ok_or_else(refused)?;
        let found = find(cx, shown.family).await?;
        match rotate(cx, &found, &self.token, shown.whole).await {
            // Another tab was faster.
            Err(Error::NotFound(Entity::Session)) => {
                let found = find(cx, shown.family).await?;
                again(cx, &found, &self.token, shown.whole).await
            }
            other => other,
        }
    }
}

fn refused() -> Error {
    Unauthenticated::NotHonoured.into()
}

/// The session of this family, if its time is not over.
async fn find(cx: &mut Cx<'_>, family: [u8; 32]) -> Result<FoundSession> {
    let found = cx.store().session_by_family(family).await?.ok_or_else(refused)?;
    cx.about = Some(found.session.user);
    if is_over(&found.session, cx.now) { Err(refused()) } else { Ok(found) }
}

/// Whether its time is over, the last moment included.
pub(super) fn is_over(session: &Session, now: Timestamp) -> bool {
    session.expires_at <= now
}

/// Uses the token up if it is the newest. Fails with `NotFound` when somebody was faster.
async fn rotate(
    cx: &Cx<'_>,
    found: &FoundSession,
    token: &RefreshToken,
    shown: [u8; 32],
) -> Result<SignedIn> {
    if !digests::are_same(&shown, &found.current) {
        return again(cx, found, token, shown).await;
    }
    let next = cx.refresh_tokens().next(token)?;
    let mut session = found.session.clone();
    session.last_used_at = cx.now;
    session.address = cx.address();
    session.expires_at = cx.now.plus(cx.rules().session_idle).min(session.ends_at);
    let rotation = Rotation {
        session: session.id,
        used: Replaced { digest: shown, cover: next.cover, at: cx.now },
        next: digests(cx, &next.token)?.whole,
        address: session.address,
        expires_at: session.expires_at,
    };
    let answer = answer(cx, &session, next.token).await?;
    // All of the user's sessions may have been ended, or the account disabled, since it was found.
    let lives = Guard::SessionLives { user: session.user, issued_at: session.began_at.seconds() };
    cx.commit_if(&[lives], vec![Change::RotateSession(rotation)]).await?;
    Ok(answer)
}

/// For a token that is not the newest: the newest again, or the end of the session.
async fn again(
    cx: &Cx<'_>,
    found: &FoundSession,
    token: &RefreshToken,
    shown: [u8; 32],
) -> Result<SignedIn> {
    let in_grace = |one: &Replaced| {
        digests::are_same(&shown, &one.digest) && cx.now < one.at.plus(REFRESH_GRACE)
    };
    let before = found.before.filter(in_grace);
    let next = before.and_then(|one| cx.refresh_tokens().next_again(token, &one.cover));
    if let Some(next) = next {
        return answer(cx, &found.session, next).await;
    }
    let Session { id, user, .. } = found.session;
    match cx.commit(vec![Change::EndSession { id, user, why: SessionEnd::Reuse }]).await {
        Ok(()) | Err(Error::NotFound(Entity::Session)) => Err(refused()),
        Err(other) => Err(other),
    }
}

/// What is stored of a token of our own making.
fn digests(cx: &Cx<'_>, token: &RefreshToken) -> Result<RefreshDigests> {
    let made = cx.refresh_tokens().digests(token);
    made.ok_or_else(|| Error::internal("a refresh token of ours cannot be read"))
}

/// An access token beside this refresh token. It never outlives the session.
async fn answer(cx: &Cx<'_>, session: &Session, refresh: RefreshToken) -> Result<SignedIn> {
    let began_at = session.began_at.seconds();
    let issued_at = cx.now.seconds().max(began_at);
    let longest = Timestamp::from_seconds(issued_at).plus(cx.rules().access_life);
    let expires_at = longest.min(session.expires_at).seconds();
    let claims = Claims {
        id: Some(cx.new_id()),
        user: session.user,
        email: String::new(),
        kind: KeyKind::Login,
        issued_at,
        not_before: None,
        expires_at: Some(expires_at),
        session: Some(SessionClaims { id: session.id, began_at }),
    };
    let left = |until: i64| u64::try_from(until.saturating_sub(cx.now.seconds())).unwrap_or(0);
    Ok(SignedIn {
        session: session.id,
        access: sign(cx, &claims).await?,
        expires_in: left(expires_at),
        refresh,
        refresh_expires_in: left(session.expires_at.seconds()),
    })
}

/// Lists the caller's own sessions.
#[derive(Debug)]
pub struct ListSessions {
    /// Which part of them.
    pub page: Page<()>,
}

/// Some of a user's sessions.
#[derive(Debug)]
pub struct SomeSessions {
    /// They.
    pub sessions: Listing<Session>,
    /// The one that is asked with, if it is asked with one.
    pub current: Option<SessionId>,
}

impl Operation for ListSessions {
    type Output = SomeSessions;
    const NAME: &'static str = "list_sessions";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::LoggedIn("failed to retrieve sessions")
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<SomeSessions> {
        let identity = cx.identity()?;
        let (user, current) = (identity.user, identity.session);
        Ok(SomeSessions { sessions: cx.store().sessions(user, cx.now, self.page).await?, current })
    }
}

/// Lists the sessions of a user, for somebody with a platform role or the operator.
#[derive(Debug)]
pub struct ListSessionsOf {
    /// For whom.
    pub by: By,
    /// Whose. The nil id is nobody's.
    pub user: UserId,
    /// Which part of them.
    pub page: Page<()>,
}

impl Operation for ListSessionsOf {
    type Output = Listing<Session>;
    const NAME: &'static str = "list_user_sessions";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        self.by.access()
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Listing<Session>> {
        let account = cx.store().account(self.user).await?;
        account.ok_or(Error::NotFound(Entity::Account))?;
        cx.store().sessions(self.user, cx.now, self.page).await
    }
}

/// Ends one of the caller's own sessions. Whoever has none by that name is told so.
#[derive(Debug)]
pub struct EndSession {
    /// Which.
    pub id: SessionId,
}

impl Operation for EndSession {
    type Output = ();
    const NAME: &'static str = "end_session";

    fn access(&self) -> Access {
        Access::LoggedIn("failed to end sessions")
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        let user = cx.identity()?.user;
        let why = SessionEnd::ByUser;
        cx.commit(vec![Change::EndSession { id: self.id, user, why }]).await
    }
}

/// Deletes the rows of sessions whose time is over.
#[derive(Debug)]
pub struct PurgeSessions;

impl Operation for PurgeSessions {
    type Output = ();
    const NAME: &'static str = "purge_sessions";

    fn access(&self) -> Access {
        Access::Service
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        // A minute later, so that a replica with a slower clock does not lose what it still shows.
        let expired_before = cx.now.minus(Duration::from_mins(1));
        cx.commit(vec![Change::PurgeSessions { expired_before }]).await
    }
}
