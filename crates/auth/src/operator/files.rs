//! Where backups go and come from on the command line.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use async_trait::async_trait;
use auth_domain::backup::{Sink, Source};
use auth_domain::{Error, Result};

use super::is_standard;
use super::progress::Progress;

/// How much is read at a time.
const PART: usize = 256 * 1024;
/// Where a backup is written to.
pub(super) struct Output {
    to: Target,
    progress: Progress,
}

enum Target {
    Stdout,
    /// The file that is written, where, and what it is called once it is whole.
    File(File, Draft, PathBuf),
}

/// Where a backup is until it is whole. One that never became whole goes.
struct Draft(PathBuf);

impl Draft {
    fn of(path: &Path) -> Self {
        let mut draft = path.as_os_str().to_owned();
        draft.push(".partial");
        Self(PathBuf::from(draft))
    }

    /// A file that nobody else has made, and that is for its owner only: a backup says who may do what,
    /// and may hold password hashes. What an earlier one left behind goes first.
    fn create(&self) -> io::Result<File> {
        match std::fs::remove_file(&self.0) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(&self.0)
    }

    /// Gives it its name, so that a power cut does not take it away again.
    fn becomes(&self, path: &Path) -> io::Result<()> {
        std::fs::rename(&self.0, path)?;
        let directory = path.parent().filter(|directory| !directory.as_os_str().is_empty());
        File::open(directory.unwrap_or(Path::new(".")))?.sync_all()
    }
}

impl Drop for Draft {
    fn drop(&mut self) {
        // After it got its name there is nothing left to remove.
        let _ = std::fs::remove_file(&self.0);
    }
}

impl Output {
    /// What is written counts as progress, in bytes.
    pub(super) fn open(path: &Path, progress: Progress) -> std::result::Result<Self, String> {
        let to = if is_standard(path) {
            Target::Stdout
        } else {
            let draft = Draft::of(path);
            let file = draft
                .create()
                .map_err(|error| format!("{} cannot be written: {error}", draft.0.display()))?;
            Target::File(file, draft, path.to_owned())
        };
        Ok(Self { to, progress })
    }
}

#[async_trait]
impl Sink<Vec<u8>> for Output {
    async fn write(&mut self, part: Vec<u8>) -> Result<()> {
        let written = match &mut self.to {
            Target::Stdout => io::stdout().lock().write_all(&part),
            Target::File(file, ..) => file.write_all(&part),
        };
        written.map_err(|error| {
            Error::unavailable(format!("the backup cannot be written: {error}"))
        })?;
        self.progress.add(part.len());
        Ok(())
    }

    async fn end(&mut self) -> Result<()> {
        let ended = match &mut self.to {
            Target::Stdout => io::stdout().lock().flush(),
            Target::File(file, draft, path) => file.sync_all().and_then(|()| draft.becomes(path)),
        };
        ended.map_err(|error| Error::unavailable(format!("the backup cannot be written: {error}")))
    }
}

/// Where a backup is read from.
pub(super) struct Input {
    from: Origin,
    progress: Progress,
}

enum Origin {
    Stdin,
    File(File),
}

impl Input {
    /// What is read counts as progress, in bytes.
    pub(super) fn open(path: &Path, progress: Progress) -> std::result::Result<Self, String> {
        let unreadable = |error: io::Error| format!("{} cannot be read: {error}", path.display());
        let from = if is_standard(path) {
            Origin::Stdin
        } else {
            Origin::File(File::open(path).map_err(unreadable)?)
        };
        Ok(Self { from, progress })
    }
}

fn unreadable(error: &io::Error) -> Error {
    Error::unavailable(format!("the backup cannot be read: {error}"))
}

#[async_trait]
impl Source for Input {
    async fn read(&mut self) -> Result<Option<Vec<u8>>> {
        let mut part = vec![0; PART];
        let read = match &mut self.from {
            Origin::Stdin => io::stdin().lock().read(&mut part),
            Origin::File(file) => file.read(&mut part),
        };
        let read = read.map_err(|error| unreadable(&error))?;
        part.truncate(read);
        self.progress.add(read);
        Ok((read > 0).then_some(part))
    }

    /// A pipe comes only once.
    fn rewinds(&self) -> bool {
        match &self.from {
            Origin::Stdin => false,
            Origin::File(file) => file.metadata().is_ok_and(|found| found.is_file()),
        }
    }

    async fn rewind(&mut self) -> Result<()> {
        match &mut self.from {
            Origin::Stdin => Err(Error::internal("standard input comes only once")),
            Origin::File(file) => {
                self.progress.start_over();
                file.seek(SeekFrom::Start(0)).map(drop).map_err(|error| unreadable(&error))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::*;

    fn mode(path: &Path) -> u32 {
        std::fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[tokio::test]
    async fn s98_a_backup_is_its_owners_whatever_lay_in_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let (path, elsewhere) = (directory.path().join("all.json"), directory.path().join("other"));
        let draft = directory.path().join("all.json.partial");
        let leave: [&dyn Fn(); 2] = [
            &|| {
                std::fs::write(&draft, "left behind, and longer than what comes").unwrap();
                std::fs::set_permissions(&draft, PermissionsExt::from_mode(0o666)).unwrap();
            },
            &|| symlink(&elsewhere, &draft).unwrap(),
        ];
        for leave in leave {
            leave();
            let mut output = Output::open(&path, Progress::default()).unwrap();
            output.write(b"whole".to_vec()).await.unwrap();
            output.end().await.unwrap();
            drop(output);
            assert_eq!(std::fs::read(&path).unwrap(), b"whole");
            assert_eq!(mode(&path), 0o600);
            assert!(!elsewhere.exists() && !draft.exists());
        }
    }

    #[tokio::test]
    async fn a_backup_that_fails_leaves_the_one_before_and_nothing_else() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("all.json");
        std::fs::write(&path, "yesterday's").unwrap();
        let mut output = Output::open(&path, Progress::default()).unwrap();
        output.write(b"half".to_vec()).await.unwrap();
        drop(output);
        assert_eq!(std::fs::read(&path).unwrap(), b"yesterday's");
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 1);
    }
}
