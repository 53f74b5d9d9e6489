//! The directory of signing keys: what lies in it, and what that means.
//!
//! Each key is a file of its own, `20261129T225300Z.pem`, which says by its name when the key begins to sign. Nothing
//! is ever changed in a file, and it appears by a rename; so there is no half of anything, also where the
//! directory is shared or copied file by file. An empty file `<kid>.revoked` says that a key is withdrawn,
//! also when its file turns up again. [`follow`] keeps a running service up to date with the directory;
//! `docs/adr/0013-signing-keys.md` says why it is like this.

pub(crate) mod follow;

use std::fs::{self, DirEntry, File, OpenOptions};
use std::io::{self, Read, Write};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use auth_domain::Timestamp;
use auth_domain::model::SigningKeyId;
use auth_jwt::{Algorithm, RingKey, SigningKey};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use rustls::pki_types::PrivatePkcs8KeyDer;
use rustls::pki_types::pem::PemObject;
use secrecy::zeroize::Zeroize;
use secrecy::{ExposeSecret, SecretSlice, SecretString};

use crate::glance::Glance;

/// How often a running service looks at the directory. It has read what is new a moment later.
pub(crate) const LOOK: Duration = Duration::from_secs(1);
/// The shortest time a new key is known before it signs: several looks.
pub(crate) const SHORTEST_NOTICE: Duration = Duration::from_secs(3);
/// What the names of keys and of those that are withdrawn end with.
const KEY: &str = ".pem";
const WITHDRAWN: &str = ".revoked";
/// No private key has more bytes.
const LARGEST: u64 = 64 * 1024;

/// The directory of signing keys.
#[derive(Clone, Debug)]
pub(crate) struct KeyDirectory(PathBuf);

/// What lies in it.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// The keys, by when they begin to sign.
    pub(crate) keys: Vec<RingKey>,
    /// Those that are withdrawn.
    pub(crate) withdrawn: Vec<SigningKeyId>,
}

/// What is seen of it without reading a key: changes when something in it does.
pub(crate) type Seen = Vec<(String, Glance)>;

/// Where a key is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Phase {
    /// It is published and accepted, and does not sign yet.
    Next,
    /// It signs.
    Signing,
    /// It signs no more, and is accepted.
    Verifying,
}

impl Phase {
    /// How it is called.
    pub(crate) const fn name(self) -> &'static str {
        match self {
            Self::Next => "next",
            Self::Signing => "signing",
            Self::Verifying => "verifying",
        }
    }
}

impl Contents {
    /// The phase of each key at this moment.
    pub(crate) fn phases(&self, now: Timestamp) -> impl Iterator<Item = (&RingKey, Phase)> {
        let has_begun = |one: &RingKey| one.signs_from <= now.seconds();
        let signing = self.keys.iter().rposition(has_begun);
        self.keys.iter().enumerate().map(move |(n, one)| {
            let phase = match signing {
                Some(signing) if n == signing => Phase::Signing,
                Some(signing) if n < signing => Phase::Verifying,
                _ => Phase::Next,
            };
            (one, phase)
        })
    }
}

impl KeyDirectory {
    /// The directory at this path, which need not be there yet.
    pub(crate) fn at(path: &Path) -> Self {
        Self(path.to_owned())
    }

    fn refused(&self, what: impl std::fmt::Display) -> String {
        format!("MF_AUTH_SIGNING_KEYS: {}: {what}", self.0.display())
    }

    /// The names in it that mean something to us, in order.
    fn names(&self) -> Result<Vec<(String, DirEntry)>, String> {
        let unreadable = |error: io::Error| self.refused(format!("cannot be read: {error}"));
        let mut names = Vec::new();
        for entry in fs::read_dir(&self.0).map_err(unreadable)? {
            let entry = entry.map_err(unreadable)?;
            let Ok(name) = entry.file_name().into_string() else { continue };
            // Drafts, and what others keep beside: names that begin with a dot.
            if !name.starts_with('.') && (name.ends_with(KEY) || name.ends_with(WITHDRAWN)) {
                names.push((name, entry));
            }
        }
        names.sort_by(|(one, _), (other, _)| one.cmp(other));
        Ok(names)
    }

    /// What is seen of it from outside.
    pub(crate) fn glance(&self) -> Result<Seen, String> {
        let mut seen = Vec::new();
        for (name, entry) in self.names()? {
            // Nothing of what was removed a moment ago.
            let glance = Glance::of(&entry.path()).map_err(|error| self.refused(error))?;
            seen.extend(glance.map(|glance| (name, glance)));
        }
        Ok(seen)
    }

    /// Those that are withdrawn, whatever else is wrong with the directory.
    pub(crate) fn withdrawn(&self) -> Result<Vec<SigningKeyId>, String> {
        let names = self.names()?;
        let named = names.iter().filter_map(|(name, _)| name.strip_suffix(WITHDRAWN));
        Ok(named.filter_map(|kid| kid.parse().ok()).collect())
    }

    /// Reads all of it. Fails with one line, which shows nothing of a key.
    pub(crate) fn read(&self) -> Result<Contents, String> {
        let withdrawn = self.withdrawn()?;
        let mut keys: Vec<RingKey> = Vec::new();
        for (name, entry) in self.names()? {
            let refused = |what: String| self.refused(format!("{name}: {what}"));
            let Some(moment) = name.strip_suffix(KEY) else {
                let kid = name.strip_suffix(WITHDRAWN).map(str::parse::<SigningKeyId>);
                if let Some(Err(problem)) = kid {
                    return Err(refused(problem.to_string()));
                }
                continue;
            };
            let signs_from = moment_of(moment).ok_or_else(|| {
                refused("must be called after the moment from which it signs, like 20261129T225300Z.pem (UTC)".into())
            })?;
            let key = match key_in(&entry.path()) {
                Ok(key) => Arc::new(key),
                // Removed a moment ago.
                Err(_) if !entry.path().exists() => continue,
                Err(what) => return Err(refused(what)),
            };
            if withdrawn.contains(&key.id()) {
                continue;
            }
            if keys.iter().any(|one| one.key.id() == key.id()) {
                return Err(refused("is the same key as another file".into()));
            }
            keys.push(RingKey { key, signs_from });
        }
        Ok(Contents { keys, withdrawn })
    }

    /// Adds a key that begins to sign at this moment.
    pub(crate) fn add(
        &self,
        algorithm: Algorithm,
        from: Timestamp,
    ) -> Result<SigningKeyId, String> {
        let made = algorithm.generate().map_err(|problem| problem.to_string())?;
        let key =
            SigningKey::from_pkcs8(made.expose_secret()).map_err(|problem| problem.to_string())?;
        let name = format!("{}{KEY}", name_of(from));
        let unwritten =
            |error: io::Error| self.refused(format!("{name} cannot be written: {error}"));
        if self.0.join(&name).exists() {
            return Err(self.refused(format!(
                "{name} is there already: another key begins in the same second"
            )));
        }
        self.write(&name, pem(&made).expose_secret().as_bytes()).map_err(unwritten)?;
        Ok(key.id())
    }

    /// Marks a key as withdrawn, whether its file is there or not.
    pub(crate) fn withdraw(&self, key: SigningKeyId) -> Result<(), String> {
        let name = format!("{key}{WITHDRAWN}");
        self.write(&name, b"")
            .map_err(|error| self.refused(format!("{name} cannot be written: {error}")))
    }

    /// When this key begins to sign, if its file is here, whether it is withdrawn or not. Fails if it is not found and
    /// a file is here that may be it.
    pub(crate) fn place_of(&self, key: SigningKeyId) -> Result<Option<i64>, String> {
        let mut unknown = None;
        for (name, entry) in self.names()? {
            let Some(moment) = name.strip_suffix(KEY) else { continue };
            let what = match (moment_of(moment), key_in(&entry.path())) {
                (Some(signs_from), Ok(found)) if found.id() == key => return Ok(Some(signs_from)),
                (None, Ok(found)) if found.id() == key => "is not called after a moment".into(),
                (_, Ok(_)) => continue,
                // Removed a moment ago.
                (_, Err(_)) if !entry.path().exists() => continue,
                (_, Err(what)) => what,
            };
            unknown = Some(self.refused(format!("{name}: {what}; it may be {key}: remove it")));
        }
        unknown.map_or(Ok(None), Err)
    }

    /// Removes the file of the key that begins to sign then.
    pub(crate) fn remove(&self, signs_from: i64) -> Result<(), String> {
        let name = format!("{}{KEY}", name_of(Timestamp::from_seconds(signs_from)));
        let removed =
            fs::remove_file(self.0.join(&name)).and_then(|()| File::open(&self.0)?.sync_all());
        removed.map_err(|error| self.refused(format!("{name} cannot be removed: {error}")))
    }

    /// Makes the directory, for its owner only, if it is not there.
    pub(crate) fn make(&self) -> Result<(), String> {
        use std::os::unix::fs::DirBuilderExt;
        let made = fs::DirBuilder::new().mode(0o700).recursive(true).create(&self.0);
        made.map_err(|error| self.refused(format!("cannot be made: {error}")))
    }

    /// Writes a file that appears whole or not at all, for the directory's owner only.
    fn write(&self, name: &str, bytes: &[u8]) -> io::Result<()> {
        let draft = self.0.join(format!(".{name}.new"));
        // What an earlier one left behind goes first; what somebody puts there instead is not followed.
        match fs::remove_file(&draft) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let mut file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&draft)?;
        file.write_all(bytes)?;
        // The service need not run as whoever operates it. The file that is open is handed over, and nothing that
        // took its name meanwhile.
        let (about, owner) = (file.metadata()?, fs::metadata(&self.0)?);
        if about.uid() != owner.uid() {
            fchown(&file, Some(owner.uid()), Some(owner.gid()))?;
        }
        file.sync_all()?;
        fs::rename(&draft, self.0.join(name))?;
        File::open(&self.0)?.sync_all()
    }
}

/// The second a name stands for, written as `20261129T225300Z`.
pub(crate) fn moment_of(name: &str) -> Option<i64> {
    let (date, time) = name.strip_suffix('Z')?.split_once('T')?;
    let digits =
        |text: &str, count| text.len() == count && text.bytes().all(|c| c.is_ascii_digit());
    if !digits(date, 8) || !digits(time, 6) {
        return None;
    }
    let part = |text: &str, from: usize, to: usize| text.get(from..to).map(str::to_owned);
    let text = format!(
        "{}-{}-{}T{}:{}:{}Z",
        part(date, 0, 4)?,
        part(date, 4, 6)?,
        part(date, 6, 8)?,
        part(time, 0, 2)?,
        part(time, 2, 4)?,
        part(time, 4, 6)?,
    );
    text.parse().ok().map(Timestamp::seconds)
}

/// What a key is called that begins to sign then.
fn name_of(moment: Timestamp) -> String {
    Timestamp::from_seconds(moment.seconds()).to_string().replace(['-', ':'], "")
}

/// The key in a file.
fn key_in(path: &Path) -> Result<SigningKey, String> {
    let unreadable = |error: io::Error| format!("cannot be read: {error}");
    // What is looked at is what is read, whatever takes its name meanwhile.
    let file = File::open(path).map_err(unreadable)?;
    let about = file.metadata().map_err(unreadable)?;
    if about.mode() & 0o077 != 0 {
        return Err("can be read by others than its owner: chmod 600".into());
    }
    let (owner, me) = (about.uid(), rustix::process::geteuid());
    // A key that root makes belongs to the directory's owner, who runs the service: root reads it again.
    let is_handed_over = || {
        let directory = path.parent().and_then(|directory| fs::metadata(directory).ok());
        me.is_root() && directory.is_some_and(|directory| directory.uid() == owner)
    };
    if owner != 0 && owner != me.as_raw() && !is_handed_over() {
        return Err("belongs to somebody else".into());
    }
    if about.len() > LARGEST {
        return Err("is too large for a private key".into());
    }
    let mut text = Vec::with_capacity(usize::try_from(LARGEST).unwrap_or_default());
    let read = file.take(LARGEST).read_to_end(&mut text);
    let text = SecretSlice::from(text);
    read.map_err(unreadable)?;
    let none = || "holds no private key as PKCS#8 in PEM (BEGIN PRIVATE KEY)".to_owned();
    let mut found = PrivatePkcs8KeyDer::pem_slice_iter(text.expose_secret());
    let mut der = found.next().and_then(Result::ok).ok_or_else(none)?;
    let key = SigningKey::from_pkcs8(der.secret_pkcs8_der()).map_err(|problem| problem.to_string());
    der.zeroize();
    if let Some(another) = found.next() {
        if let Ok(mut another) = another {
            another.zeroize();
        }
        return Err("holds more than one key".into());
    }
    key
}

/// PEM (RFC 7468).
fn pem(der: &SecretSlice<u8>) -> SecretString {
    let encoded = SecretString::from(STANDARD.encode(der.expose_secret()));
    let mut text = String::with_capacity(encoded.expose_secret().len().saturating_mul(2));
    text.push_str("-----BEGIN PRIVATE KEY-----\n");
    for line in encoded.expose_secret().as_bytes().chunks(64) {
        text.extend(line.iter().copied().map(char::from));
        text.push('\n');
    }
    text.push_str("-----END PRIVATE KEY-----\n");
    SecretString::from(text)
}

#[cfg(test)]
mod tests;
