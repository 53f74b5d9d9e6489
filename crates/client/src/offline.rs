//! Verifying access tokens without asking auth at every request.
//!
//! [`token`] reads what a token says, [`keys`] holds what it is verified with, [`confirmed`] remembers which sessions
//! auth said are alive and since when.

mod confirmed;
#[cfg(test)]
mod fuzz;
mod keys;
mod token;

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::time::Instant;

use self::confirmed::{Confirmed, Session};
use self::keys::Keys;
use crate::client::AuthClient;
use crate::error::{Error, Result};
use crate::model::Identity;

/// How old what is known of a session may be, unless somebody says otherwise.
const STALENESS: Duration = Duration::from_secs(30);
/// How often keys are fetched for a `kid` that is not known, unless somebody says otherwise.
const PAUSE: Duration = Duration::from_secs(10);
/// How far the clock of auth may be ahead of ours.
const LEEWAY: i64 = 60;

/// Why a document of keys could not be fetched.
pub type FetchError = Box<dyn std::error::Error + Send + Sync>;

type Fetched = Pin<Box<dyn Future<Output = Result<Vec<u8>, FetchError>> + Send>>;
type Fetch = Arc<dyn Fn() -> Fetched + Send + Sync>;

/// Verifies access tokens (RFC 9068) here, by the keys that auth publishes, and asks auth about a session only now and then.
///
/// In this order: the length, the shape, `typ`, whether `kid` is one of the keys, whether `alg` is that key's, the signature, and
/// only then what it says: `iss`, `aud`, `exp` (not a second of grace), `iat` and `nbf` (a minute).
///
/// **Staleness.** A signature says nothing of a session that was ended since. So auth is asked (`Identify`) about each session when it is
/// first seen, and again when what it said is older than [`OfflineVerifier::staleness`], 30 seconds if nobody says so. It counts from
/// the moment of asking: **whatever takes access away (ending a session or all of them, a new password, a disabled account,
/// a withdrawn signing key) is followed at most that long after auth answered it**, however many requests come between. Whoever
/// cannot wait that long asks [`AuthClient::identify`] every time, which is never stale. If auth is away, sessions that were confirmed
/// are taken until then, and nothing is after that ([`Error::Unavailable`]).
///
/// **Keys** are fetched with the first token, when they are five minutes old, and for a `kid` that is not known, but not more than
/// once in ten seconds ([`OfflineVerifier::refetch_after`]), whatever tokens come. If they cannot be fetched those of before are used for an hour.
///
/// **What it does not do.** Login tokens, API keys and refresh tokens are not taken: they are verified by asking. Where auth signs
/// with a secret and not with `MF_AUTH_SIGNING_KEYS`, it publishes no key and nothing can be verified here: every call is
/// [`Error::Failed`], which says so.
///
/// ```no_run
/// # async fn guard(fetch: impl Fn() -> String) -> Result<(), Box<dyn std::error::Error>> {
/// use auth_client::{AuthClient, OfflineVerifier};
///
/// let auth = AuthClient::builder("http://auth:8181").build()?;
/// // With whatever HTTP client the service has: GET http://auth:8180/.well-known/jwks.json.
/// let keys = || async { Ok(std::fs::read("/run/keys/jwks.json")?) };
/// let verifier = OfflineVerifier::new(auth, keys);
/// let who = verifier.verify("an access token").await?;
/// println!("{}", who.user_id);
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct OfflineVerifier {
    client: AuthClient,
    keys: Arc<Keys>,
    confirmed: Arc<Confirmed>,
    staleness: Duration,
    pause: Duration,
}

impl fmt::Debug for OfflineVerifier {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("OfflineVerifier")
            .field("client", &self.client)
            .field("staleness", &self.staleness)
            .finish_non_exhaustive()
    }
}

impl OfflineVerifier {
    /// A verifier that asks this client about sessions and gets the document at `/.well-known/jwks.json` by this. Clones share
    /// what they know.
    pub fn new<F>(client: AuthClient, fetch: impl Fn() -> F + Send + Sync + 'static) -> Self
    where
        F: Future<Output = Result<Vec<u8>, FetchError>> + Send + 'static,
    {
        let fetch: Fetch = Arc::new(move || Box::pin(fetch()));
        let (keys, confirmed) = (Arc::new(Keys::new(fetch)), Arc::default());
        Self { client, keys, confirmed, staleness: STALENESS, pause: PAUSE }
    }

    /// The same, asking about a session when what is known of it is older than this. Zero asks every time.
    #[must_use]
    pub const fn staleness(mut self, staleness: Duration) -> Self {
        self.staleness = staleness;
        self
    }

    /// The same, fetching keys for a `kid` that is not known no sooner than this after the time before: ten seconds if nobody says
    /// so. A key that auth has just begun to sign with was published before that, so this need not be short.
    #[must_use]
    pub const fn refetch_after(mut self, pause: Duration) -> Self {
        self.pause = pause;
        self
    }

    /// Whose access token this is. [`Error::Unauthenticated`] is no, with the code `expired_token` if its time is over; what
    /// [`Error::is_no_answer`] is neither.
    pub async fn verify(&self, token: &str) -> Result<Identity> {
        let parts = token::split(token).ok_or_else(bad)?;
        let key = self.keys.get(&parts.kid, self.pause).await?.ok_or_else(bad)?;
        if !key.made(&parts) {
            return Err(bad());
        }
        let said = token::claims(&parts.payload).ok_or_else(bad)?;
        let now = seconds();
        let latest = now.saturating_add(LEEWAY);
        if said.iat > latest || said.nbf.is_some_and(|begin| begin > latest) {
            return Err(bad());
        }
        if now > said.exp {
            return Err(Error::Unauthenticated { code: "expired_token".to_owned() });
        }
        // By the key as well: what a key signed that was withdrawn since is not confirmed by what another one signed.
        let session = Session { sid: said.sid, kid: parts.kid };
        if let Some(known) = self.confirmed.get(&session, self.staleness)
            && known.user_id == said.sub
        {
            return Ok(known);
        }
        let asked = Instant::now();
        match self.client.identify(token).await {
            Ok(identity) if identity.user_id == said.sub => {
                self.confirmed.put(session, identity.clone(), asked, self.staleness);
                Ok(identity)
            }
            Ok(_) => Err(Error::Failed("auth names another user than the token".to_owned())),
            Err(refusal) => {
                if !refusal.is_no_answer() {
                    self.confirmed.forget(&session);
                }
                Err(refusal)
            }
        }
    }
}

fn bad() -> Error {
    Error::Unauthenticated { code: "invalid_token".to_owned() }
}

#[expect(clippy::disallowed_methods, reason = "services that use this have no clock of ours")]
fn seconds() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    i64::try_from(since.as_secs()).unwrap_or(i64::MAX)
}
