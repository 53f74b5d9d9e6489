//! The signing secret: the operator's, or one made for the embedded store.

use std::fs::{File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;

use auth_jwt::{HmacNotary, HmacPseudonyms, HmacSeals, JwtTokens, SecretProblem, check_secret};
use aws_lc_rs::rand;
use base64::Engine;
use base64::engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD};
use secrecy::{ExposeSecret, SecretString};

use crate::config::{StoreKind, Tokens};

/// The file in the data directory.
const FILE: &str = "secret";
/// Where it is written before it is whole.
const DRAFT: &str = "secret.new";

/// What to do about a secret that cannot be used.
const ADVICE: &str = "make one with: openssl rand -base64 32";

/// Refuses what must not sign tokens, before anything is opened.
pub(crate) fn check(tokens: &Tokens, store: StoreKind) -> Result<(), String> {
    match (&tokens.secret, store) {
        (None, StoreKind::Embedded) => Ok(()),
        (None, StoreKind::Postgres) => Err(format!("MF_AUTH_SECRET is not set; {ADVICE}")),
        (Some(secret), _) => match check_secret(secret) {
            Ok(()) => Ok(()),
            Err(problem @ SecretProblem::Empty) => {
                Err(format!("MF_AUTH_SECRET: {problem}; {ADVICE}"))
            }
            Err(problem @ (SecretProblem::Short | SecretProblem::Public)) => Err(format!(
                "MF_AUTH_SECRET: {problem}; {ADVICE}; then list the old one in \
                 MF_AUTH_VERIFY_SECRETS to keep the API keys it signed"
            )),
        },
    }
}

/// Refuses a secret that was made earlier and cannot be used, without making one.
pub(crate) fn check_kept(tokens: &Tokens, data: &Path) -> Result<(), String> {
    if tokens.secret.is_none() && data.join(FILE).exists() {
        return kept(data).map(drop);
    }
    Ok(())
}

/// What is made by the signing secret.
pub(crate) struct Keys {
    /// Signs and checks tokens.
    pub(crate) tokens: JwtTokens,
    /// Seals backups.
    pub(crate) seals: HmacSeals,
    /// Seals the audit trail.
    pub(crate) notary: HmacNotary,
}

/// What is made by the signing secret, and what names those by whom limits count. The data directory is that of
/// the embedded store, which holds it locked; a secret is made there if none was given and none was made before.
pub(crate) fn keys(tokens: &Tokens, data: Option<&Path>) -> Result<(Keys, HmacPseudonyms), String> {
    let signing = match (&tokens.secret, data) {
        (Some(secret), _) => secret.clone(),
        (None, Some(data)) => kept(data)?,
        (None, None) => return Err(format!("MF_AUTH_SECRET is not set; {ADVICE}")),
    };
    let before = tokens.verify_only();
    let problem = |problem: SecretProblem| problem.to_string();
    let seals = HmacSeals::new(&signing, &before).map_err(problem)?;
    let notary = HmacNotary::new(&signing, &before).map_err(problem)?;
    let pseudonyms = HmacPseudonyms::new(&signing).map_err(problem)?;
    let tokens = JwtTokens::new(&signing, &before).map_err(problem)?;
    Ok((Keys { tokens, seals, notary }, pseudonyms))
}

/// The secret kept in the data directory.
fn kept(data: &Path) -> Result<SecretString, String> {
    let file = data.join(FILE);
    let shown = file.display();
    let secret = match std::fs::read_to_string(&file) {
        Ok(text) => SecretString::from(text.trim()),
        Err(missing) if missing.kind() == io::ErrorKind::NotFound => {
            make(data).map_err(|error| format!("{shown} cannot be written: {error}"))?
        }
        Err(error) => return Err(format!("{shown} cannot be read: {error}")),
    };
    check_secret(&secret).map_err(|problem| format!("{shown}: {problem}"))?;
    Ok(secret)
}

/// Makes a secret and keeps it. The file appears whole or not at all.
fn make(data: &Path) -> io::Result<SecretString> {
    let mut bytes = [0; 32];
    rand::fill(&mut bytes).map_err(|_| io::Error::other("no randomness"))?;
    let secret = SecretString::from(STANDARD.encode(bytes));
    let draft = data.join(DRAFT);
    let mut file =
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&draft)?;
    file.write_all(secret.expose_secret().as_bytes())?;
    file.sync_all()?;
    std::fs::rename(&draft, data.join(FILE))?;
    File::open(data)?.sync_all()?;
    Ok(secret)
}

/// A password nobody can guess: 144 random bits in 24 characters.
pub(crate) fn password() -> Result<SecretString, String> {
    let mut bytes = [0; 18];
    rand::fill(&mut bytes).map_err(|_| "no randomness".to_owned())?;
    Ok(SecretString::from(URL_SAFE_NO_PAD.encode(bytes)))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::Duration;

    use super::*;

    fn settings(secret: Option<&str>) -> Tokens {
        Tokens {
            secret: secret.map(SecretString::from),
            verify_secrets: None,
            signing_keys: None,
            login_token_duration: Duration::from_hours(10),
            recovery_token_duration: Duration::from_mins(5),
            access_token_duration: Duration::from_mins(10),
            session_idle_duration: Duration::from_hours(336),
            session_duration: Duration::from_hours(720),
            max_key_life: None,
        }
    }

    #[test]
    fn s14_a_secret_that_can_be_guessed_is_refused_without_being_shown() {
        for weak in ["auth", "secret", "a-short-one", "keywardkeywardkeywardkeywardkeyward"] {
            for store in [StoreKind::Embedded, StoreKind::Postgres] {
                let line = check(&settings(Some(weak)), store).unwrap_err();
                assert!(line.starts_with("MF_AUTH_SECRET: "), "{line}");
                assert!(line.contains("openssl rand"), "{line}");
                assert!(!line.contains("a-short-one") && !line.contains("keyward"), "{line}");
            }
        }
        assert!(check(&settings(None), StoreKind::Postgres).is_err());
        assert!(check(&settings(None), StoreKind::Embedded).is_ok());
    }

    #[test]
    fn the_embedded_store_gets_a_secret_of_its_own_and_keeps_it() {
        let data = tempfile::tempdir().unwrap();
        let first = kept(data.path()).unwrap();
        let file = data.path().join(FILE);
        assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
        assert_eq!(kept(data.path()).unwrap().expose_secret(), first.expose_secret());
        let elsewhere = tempfile::tempdir().unwrap();
        assert_ne!(kept(elsewhere.path()).unwrap().expose_secret(), first.expose_secret());
        assert!(!data.path().join(DRAFT).exists());
    }

    #[test]
    fn a_kept_secret_that_somebody_spoiled_is_not_used() {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join(FILE), "auth\n").unwrap();
        let line = kept(data.path()).unwrap_err();
        assert!(line.ends_with("the secret is a published default"), "{line}");
    }

    #[test]
    fn a_half_written_secret_is_none() {
        let data = tempfile::tempdir().unwrap();
        std::fs::write(data.path().join(DRAFT), "half").unwrap();
        assert_eq!(kept(data.path()).unwrap().expose_secret().len(), 44);
    }
}
