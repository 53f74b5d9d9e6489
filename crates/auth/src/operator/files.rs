//! Where backups go and come from on the command line.

use std::fs::{File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use async_trait::async_trait;
use auth_domain::backup::{Sink, Source};
use auth_domain::{Error, Result};

use super::{is_standard, note};

/// How much is read at a time.
const PART: usize = 256 * 1024;
/// How often somebody who watches is told how far it is.
const PROGRESS: Duration = Duration::from_secs(2);

/// How far it is.
struct Progress {
    doing: &'static str,
    bytes: u64,
    told: Instant,
}

impl Progress {
    fn new(doing: &'static str) -> Self {
        Self { doing, bytes: 0, told: Instant::now() }
    }

    fn add(&mut self, bytes: usize) {
        self.bytes = self.bytes.saturating_add(u64::try_from(bytes).unwrap_or(u64::MAX));
        if self.told.elapsed() >= PROGRESS {
            self.told = Instant::now();
            note(&format!("{} KiB {} so far", self.bytes / 1024, self.doing));
        }
    }
}

/// Where a backup is written to.
pub(super) struct Output {
    to: Target,
    progress: Progress,
}

enum Target {
    Stdout,
    /// The file that is written, and what it is called once it is whole.
    File(File, PathBuf, PathBuf),
}

impl Output {
    pub(super) fn open(path: &Path) -> std::result::Result<Self, String> {
        let to = if is_standard(path) {
            Target::Stdout
        } else {
            let mut draft = path.as_os_str().to_owned();
            draft.push(".partial");
            let draft = PathBuf::from(draft);
            // For its owner only: it says who may do what, and may hold password hashes.
            let mut options = OpenOptions::new();
            options.write(true).create(true).truncate(true).mode(0o600);
            let file = options
                .open(&draft)
                .map_err(|error| format!("{} cannot be written: {error}", draft.display()))?;
            Target::File(file, draft, path.to_owned())
        };
        Ok(Self { to, progress: Progress::new("written") })
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
            Target::File(file, draft, path) => {
                file.sync_all().and_then(|()| std::fs::rename(draft, path))
            }
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
    pub(super) fn open(path: &Path) -> std::result::Result<Self, String> {
        let unreadable = |error: io::Error| format!("{} cannot be read: {error}", path.display());
        let from = if is_standard(path) {
            Origin::Stdin
        } else {
            Origin::File(File::open(path).map_err(unreadable)?)
        };
        Ok(Self { from, progress: Progress::new("read") })
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
                file.seek(SeekFrom::Start(0)).map(drop).map_err(|error| unreadable(&error))
            }
        }
    }
}
