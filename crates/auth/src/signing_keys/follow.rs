//! Keeps a running service up to date with its directory of keys. Nothing here is on the way of a request.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use auth_domain::ops::signing_keys::{IsWithdrawn, WithdrawSigningKey};
use auth_domain::ports::Clock;
use auth_domain::{App, Caller};
use auth_jwt::{KeyRing, RingKey};
use tokio::sync::Notify;
use tokio::time::{MissedTickBehavior, interval};

use super::{Contents, KeyDirectory, LOOK, Phase, Seen};
use crate::clock::SystemClock;

/// Follows the directory.
pub(crate) struct Follower {
    directory: KeyDirectory,
    ring: KeyRing,
    /// What the ring was made of.
    contents: Contents,
    glance: Option<Seen>,
    /// What is wrong with the directory now, said once.
    problem: Option<String>,
    /// How many of those that are withdrawn the store is known to know.
    noted: usize,
}

impl Follower {
    /// Takes what lies in the directory. Fails with one line if that cannot be used.
    pub(crate) fn start(directory: KeyDirectory, ring: KeyRing) -> Result<Self, String> {
        let glance = directory.glance()?;
        let contents = directory.read()?;
        ring.replace(contents.keys.clone());
        Ok(Self { directory, ring, contents, glance: Some(glance), problem: None, noted: 0 })
    }

    /// Looks at the directory every [`LOOK`], and when it is told to, until the process ends.
    pub(crate) async fn run(mut self, app: App, told: Arc<Notify>) {
        let mut looks = interval(LOOK);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.say();
        loop {
            tokio::select! {
                _ = looks.tick() => {}
                () = told.notified() => self.glance = None,
            }
            // It reads files: a disk may be slow, or far away.
            let looked = tokio::task::spawn_blocking(move || {
                self.look();
                self
            });
            self = match looked.await {
                Ok(follower) => follower,
                // Only the end of the process ends it early.
                Err(_) => return,
            };
            self.measure();
            self.note(&app).await;
        }
    }

    /// Takes what is new. What cannot be used leaves the keys of before, but for those that were withdrawn.
    fn look(&mut self) {
        let glance = self.directory.glance();
        // Only two that succeeded can be the same: told to look, it knows of none, and one that fails is said.
        let same = glance.as_ref().is_ok_and(|glance| Some(glance) == self.glance.as_ref());
        if same && self.problem.is_none() {
            return;
        }
        let read = || catch_unwind(AssertUnwindSafe(|| self.read()));
        let read = || read().unwrap_or_else(|_| Err(self.directory.refused("reading it panicked")));
        match glance.and_then(|glance| Ok((glance, read()?))) {
            Ok((glance, contents)) => {
                let told = self.problem.take().is_some();
                let changed = told || Some(&glance) != self.glance.as_ref();
                self.glance = Some(glance);
                self.contents = contents;
                self.ring.replace(self.contents.keys.clone());
                if changed {
                    self.say();
                }
            }
            Err(problem) => {
                if let Ok(withdrawn) = self.directory.withdrawn() {
                    self.contents.keys.retain(|one| !withdrawn.contains(&one.key.id()));
                    self.ring.take_out(&withdrawn);
                    self.contents.withdrawn = withdrawn;
                }
                if self.problem.as_ref() != Some(&problem) {
                    tracing::error!("the signing keys of before stay in use: {problem}");
                    self.problem = Some(problem);
                }
            }
        }
    }

    /// Reads the directory. One in which no key is left is taken for a mount that is lost, if it held keys before that
    /// nobody has withdrawn: retiring leaves one, and withdrawing leaves a mark.
    fn read(&self) -> Result<Contents, String> {
        let contents = self.directory.read()?;
        let is_left = |one: &RingKey| !contents.withdrawn.contains(&one.key.id());
        if contents.keys.is_empty() && self.contents.keys.iter().any(is_left) {
            return Err(self
                .directory
                .refused("holds no key any more, and what it held is not withdrawn"));
        }
        Ok(contents)
    }

    fn say(&self) {
        let now = SystemClock.now();
        let keys: Vec<String> = self
            .contents
            .phases(now)
            .map(|(one, phase)| format!("{} {}", one.key.id(), phase.name()))
            .collect();
        tracing::info!(keys = keys.join(", "), "signing keys");
        if !keys.iter().any(|key| key.ends_with(Phase::Signing.name())) {
            tracing::warn!("no signing key has begun to sign: MF_AUTH_SECRET signs");
        }
    }

    fn measure(&self) {
        let mut counts = [0_u32; 3];
        for (_, phase) in self.contents.phases(SystemClock.now()) {
            let [next, signing, verifying] = &mut counts;
            let count = match phase {
                Phase::Next => next,
                Phase::Signing => signing,
                Phase::Verifying => verifying,
            };
            *count = count.saturating_add(1);
        }
        let names = [Phase::Next, Phase::Signing, Phase::Verifying].map(Phase::name);
        for (name, count) in names.into_iter().zip(counts) {
            auth_telemetry::signing_keys(name, count);
        }
        auth_telemetry::signing_keys_stale(self.problem.is_some());
    }

    /// Sees to it that those that are withdrawn here are withdrawn on every replica, also where another copy of the
    /// directory is behind.
    async fn note(&mut self, app: &App) {
        let withdrawn = self.contents.withdrawn.clone();
        if withdrawn.len() == self.noted {
            return;
        }
        for key in &withdrawn {
            let known = app.execute(Caller::System, IsWithdrawn { key: *key }).await;
            let noted = match known {
                Ok(true) => Ok(()),
                Ok(false) => app.execute(Caller::System, WithdrawSigningKey { key: *key }).await,
                Err(error) => Err(error),
            };
            // It is tried again at the next look; here it is refused already.
            if noted.is_err() {
                return;
            }
        }
        self.noted = withdrawn.len();
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use auth_domain::Timestamp;
    use auth_jwt::Algorithm;

    use super::*;

    const THEN: Timestamp = Timestamp::from_seconds(1_764_456_780);

    #[test]
    fn s17_a_directory_that_is_gone_is_said_also_when_told_to_look() {
        let temporary = tempfile::tempdir().unwrap();
        let (path, away) = (temporary.path().join("keys"), temporary.path().join("away"));
        let directory = KeyDirectory::at(&path);
        directory.make().unwrap();
        directory.add(Algorithm::EdDsa, THEN).unwrap();
        let mut follower = Follower::start(directory, KeyRing::default()).unwrap();
        follower.look();
        assert_eq!(follower.problem, None);
        fs::rename(&path, &away).unwrap();
        // What SIGHUP does.
        follower.glance = None;
        follower.look();
        assert!(follower.problem.as_ref().is_some_and(|it| it.contains("cannot be read")));
        assert_eq!(follower.contents.keys.len(), 1);
        fs::rename(&away, &path).unwrap();
        follower.look();
        assert_eq!(follower.problem, None);
    }

    #[test]
    fn s17_a_directory_that_is_suddenly_empty_takes_no_key_away() {
        let temporary = tempfile::tempdir().unwrap();
        let (path, away) = (temporary.path().join("keys"), temporary.path().join("away"));
        let directory = KeyDirectory::at(&path);
        directory.make().unwrap();
        let kid = directory.add(Algorithm::EdDsa, THEN).unwrap();
        let mut follower = Follower::start(directory.clone(), KeyRing::default()).unwrap();
        // What a mount leaves that is lost.
        fs::rename(&path, &away).unwrap();
        directory.make().unwrap();
        follower.look();
        assert!(follower.problem.as_ref().is_some_and(|it| it.contains("holds no key any more")));
        assert_eq!(follower.contents.keys.len(), 1);
        fs::remove_dir(&path).unwrap();
        fs::rename(&away, &path).unwrap();
        follower.look();
        assert_eq!(follower.problem, None);
        // The last one may be withdrawn.
        directory.withdraw(kid).unwrap();
        directory.remove(THEN.seconds()).unwrap();
        follower.look();
        assert_eq!((follower.problem.as_ref(), follower.contents.keys.len()), (None, 0));
    }
}
