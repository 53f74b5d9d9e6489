//! Tokens and API keys.

use std::time::Duration;

use crate::Timestamp;
use crate::app::{Access, Cx, Operation};
use crate::change::Change;
use crate::error::{Entity, Error, Invalid, Result, Unauthenticated};
use crate::model::{Claims, Email, Key, KeyId, KeyKind, KeyOrder, Listing, Page, Token, UserId};
use crate::ports::{BARRED, Class};

/// The longest life a key can ask for: 100 years of 365 days.
const LONGEST_LIFE: Duration = Duration::from_hours(100 * 365 * 24);

/// Makes a login or recovery token for a user whom a sibling service vouches for.
#[derive(Debug)]
pub struct IssueToken {
    /// Whose.
    pub user: UserId,
    /// Their e-mail address.
    pub email: String,
    /// Login or recovery.
    pub kind: KeyKind,
}

impl Operation for IssueToken {
    type Output = Token;
    const NAME: &'static str = "issue_token";
    // A service that checks passwords itself signs people in by it.
    const CLASS: Class = Class::SignIns;

    fn access(&self) -> Access {
        Access::Service
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Token> {
        cx.about = Some(self.user);
        // The same as is demanded of tokens when they come back.
        if self.email.len() > Email::MAX || self.email.chars().any(char::is_control) {
            return Err(Error::malformed(
                "email",
                "has at most 254 bytes and no control characters",
            ));
        }
        issue(cx, self.user, self.email, self.kind).await
    }
}

/// A signed token that nothing is stored of. Tokens count whole seconds: one that is made in the second in
/// which the user's sessions were ended says that it was made in the next, which the leeway allows.
pub(crate) async fn issue(
    cx: &Cx<'_>,
    user: UserId,
    email: String,
    kind: KeyKind,
) -> Result<Token> {
    let life = match kind {
        KeyKind::Login => cx.rules().login_life,
        KeyKind::Recovery => cx.rules().recovery_life,
        KeyKind::Api => return Err(Error::internal("an API key is stored before it is signed")),
    };
    let issued_at = first_second(cx, user).await?;
    sign(
        cx,
        &Claims {
            id: Some(cx.new_id()),
            user,
            email,
            kind,
            issued_at,
            not_before: None,
            // From the whole second, so that the span is the configured life exactly.
            expires_at: Some(Timestamp::from_seconds(issued_at).plus(life).seconds()),
            session: None,
        },
    )
    .await
}

/// The second in which somebody who signs in now does so: after all of their sessions that were ended so far.
pub(super) async fn first_second(cx: &Cx<'_>, user: UserId) -> Result<i64> {
    let ended = cx.checks().cut_off(user).await?;
    if ended == Some(BARRED) {
        return Err(Unauthenticated::NotHonoured.into());
    }
    Ok(ended.map_or(i64::MIN, |until| until.saturating_add(1)).max(cx.now.seconds()))
}

/// A token that says this, by a key that was not withdrawn. That one's file may still be here, on its way out.
pub(super) async fn sign(cx: &Cx<'_>, claims: &Claims) -> Result<Token> {
    let mut withdrawn = Vec::new();
    while let Some(key) = cx.tokens().signer(cx.now, &withdrawn) {
        if !cx.checks().is_withdrawn(key).await? {
            break;
        }
        withdrawn.push(key);
    }
    cx.tokens().sign(claims, cx.now, &withdrawn)
}

/// Makes an API key for the caller.
#[derive(Debug)]
pub struct IssueKey {
    /// The kind asked for; anything but an API key is refused.
    pub kind: KeyKind,
    /// How long it lives, in seconds; zero or none: for ever, if the operator allows that.
    pub seconds: Option<i64>,
}

/// A fresh API key: what is stored, and the value that is shown this once.
#[derive(Debug)]
pub struct IssuedKey {
    /// What is stored.
    pub key: Key,
    /// The value.
    pub token: Token,
}

impl Operation for IssueKey {
    type Output = IssuedKey;
    const NAME: &'static str = "issue_key";

    fn access(&self) -> Access {
        Access::LoggedIn("failed to issue new login key")
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<IssuedKey> {
        if self.kind != KeyKind::Api {
            return Err(Invalid::ApiKeyType.into());
        }
        let life = granted_life(self.seconds, cx.rules().max_key_life)?;
        let identity = cx.identity()?;
        let key = Key {
            id: cx.new_id(),
            issuer: identity.user,
            subject: identity.email.clone(),
            issued_at: cx.now,
            expires_at: life.map(|life| cx.now.plus(life)),
        };
        let claims = Claims {
            id: Some(key.id),
            user: key.issuer,
            email: key.subject.clone(),
            kind: KeyKind::Api,
            issued_at: key.issued_at.seconds(),
            not_before: None,
            expires_at: key.expires_at.map(Timestamp::seconds),
            session: None,
        };
        let token = sign(cx, &claims).await?;
        cx.commit(vec![Change::InsertKey(key.clone())]).await?;
        Ok(IssuedKey { key, token })
    }
}

/// The life a key gets, if what was asked for can be granted.
fn granted_life(seconds: Option<i64>, longest: Option<Duration>) -> Result<Option<Duration>> {
    let refused = || Error::from(Invalid::KeyLife);
    let seconds = u64::try_from(seconds.unwrap_or(0)).map_err(|_| refused())?;
    let asked = (seconds > 0).then(|| Duration::from_secs(seconds));
    match (asked, longest) {
        (None, Some(_)) => Err(refused()),
        (Some(life), longest) if life > longest.unwrap_or(LONGEST_LIFE).min(LONGEST_LIFE) => {
            Err(refused())
        }
        (life, _) => Ok(life),
    }
}

/// Shows one of the caller's API keys.
#[derive(Debug)]
pub struct ViewKey {
    /// Which.
    pub id: KeyId,
}

impl Operation for ViewKey {
    type Output = Key;
    const NAME: &'static str = "retrieve_key";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::LoggedIn("failed to retrieve key data")
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Key> {
        let owner = cx.identity()?.user;
        cx.store().key(owner, self.id).await?.ok_or(Error::NotFound(Entity::Key))
    }
}

/// Lists the caller's API keys.
#[derive(Debug)]
pub struct ListKeys {
    /// Which part of them.
    pub page: Page<KeyOrder>,
}

impl Operation for ListKeys {
    type Output = Listing<Key>;
    const NAME: &'static str = "list_keys";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::LoggedIn("failed to retrieve key data")
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Listing<Key>> {
        let owner = cx.identity()?.user;
        cx.store().keys(owner, self.page).await
    }
}

/// Revokes one of the caller's API keys. One that is not there is as good as revoked.
#[derive(Debug)]
pub struct RevokeKey {
    /// Which.
    pub id: KeyId,
}

impl Operation for RevokeKey {
    type Output = ();
    const NAME: &'static str = "revoke_key";

    fn access(&self) -> Access {
        Access::LoggedIn("failed to remove key")
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        let issuer = cx.identity()?.user;
        match cx.commit(vec![Change::RemoveKey { id: self.id, issuer }]).await {
            Err(Error::NotFound(Entity::Key)) => Ok(()),
            other => other,
        }
    }
}

/// Lists the API keys of a user, for the operator.
#[derive(Debug)]
pub struct ListKeysOf {
    /// Whose.
    pub user: UserId,
    /// Which part of them.
    pub page: Page<KeyOrder>,
}

impl Operation for ListKeysOf {
    type Output = Listing<Key>;
    const NAME: &'static str = "list_user_keys";

    fn access(&self) -> Access {
        Access::Service
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Listing<Key>> {
        cx.store().keys(self.user, self.page).await
    }
}

/// Revokes one API key of a user, for the operator, who is told if there is none: it may have been named wrongly.
#[derive(Debug)]
pub struct RevokeKeyOf {
    /// Whose.
    pub user: UserId,
    /// Which.
    pub id: KeyId,
}

impl Operation for RevokeKeyOf {
    type Output = ();
    const NAME: &'static str = "revoke_user_key";

    fn access(&self) -> Access {
        Access::Service
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        cx.commit(vec![Change::RemoveKey { id: self.id, issuer: self.user }]).await
    }
}

/// Deletes the rows of API keys whose time is over.
#[derive(Debug)]
pub struct PurgeKeys;

impl Operation for PurgeKeys {
    type Output = ();
    const NAME: &'static str = "purge_keys";

    fn access(&self) -> Access {
        Access::Service
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        // A minute later than they end, so that a replica with a slower clock still says "expired".
        let expired_before = cx.now.minus(Duration::from_mins(1));
        cx.commit(vec![Change::PurgeKeys { expired_before }]).await
    }
}
