//! Backup and restore of the whole service.
//!
//! [`Restore`] reads a document once and writes while it reads, in one transaction; so it takes as much memory
//! for a large one as for a small one. [`sorting`] says what of it is written.

mod sorting;

use self::sorting::Sorting;
use crate::app::{Access, Cx, Operation, Work};
use crate::backup::format::{self, CLOSING};
use crate::backup::read::{Reader, Reading, Step};
use crate::backup::seal::{BEGINNING, Passing};
use crate::backup::{Part, Report, Section, Sink, Source};
use crate::change::{Change, Restored};
use crate::error::{Error, Result};
use crate::model::PlatformRole;
use crate::ports::Priority;

/// Who asks for a backup or brings one back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Somebody with a platform role, who signed in.
    Platform,
    /// Whoever operates the service, and can read and write its database anyway.
    Operator,
}

impl By {
    const fn access(self) -> Access {
        match self {
            Self::Platform => Access::OnPlatform(PlatformRole::Admin),
            Self::Operator => Access::Service,
        }
    }
}

/// Writes all there is, as it is at one moment, as a document with a seal.
pub struct TakeBackup {
    /// Who asks.
    pub by: By,
    /// Where to.
    pub sink: Box<dyn Sink<Vec<u8>>>,
    /// Whether password hashes are in it; only the operator gets them.
    pub password_hashes: bool,
}

/// What [`TakeBackup`] has written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Written {
    /// How many rows.
    pub rows: u64,
    /// How many rows were left out that mean nothing.
    pub left_out: u64,
    /// How many are not written to the letter.
    pub normalised: u64,
}

impl Operation for TakeBackup {
    type Output = Written;
    const NAME: &'static str = "backup";
    const PRIORITY: Priority = Priority::Bulk;

    fn access(&self) -> Access {
        self.by.access()
    }

    async fn run(mut self, cx: &mut Cx<'_>) -> Result<Written> {
        let _turn = cx.turn(Work::Backup)?;
        let password_hashes = self.password_hashes && self.by == By::Operator;
        let mut snapshot = cx.store().snapshot().await?;
        let mut seal = cx.seals().sealing();
        let mut written = Written::default();
        let mut text = format::head(snapshot.taken(), cx.now).into_bytes();
        for section in Section::ALL {
            text.extend_from_slice(format::opening(section).as_bytes());
            let mut first = true;
            loop {
                let Part { rows, more, left_out, normalised } = snapshot.part(section).await?;
                format::rows(&rows, first, password_hashes, &mut text)?;
                first = first && rows.is_empty();
                written.add(rows.len(), left_out, normalised);
                if !more {
                    text.extend_from_slice(CLOSING);
                }
                seal.update(&text);
                self.sink.write(std::mem::take(&mut text)).await?;
                if !more {
                    break;
                }
            }
        }
        drop(snapshot);
        self.sink.write(format::tail(&seal.finish())).await?;
        self.sink.end().await?;
        written.note();
        Ok(written)
    }
}

impl Written {
    fn add(&mut self, rows: usize, left_out: u64, normalised: u64) {
        self.rows = self.rows.saturating_add(u64::try_from(rows).unwrap_or(u64::MAX));
        self.left_out = self.left_out.saturating_add(left_out);
        self.normalised = self.normalised.saturating_add(normalised);
    }

    fn note(self) {
        let Self { rows, left_out, normalised } = self;
        if left_out > 0 || normalised > 0 {
            tracing::warn!(rows, left_out, normalised, "a backup without rows that mean nothing");
        } else {
            tracing::info!(rows, "a backup was taken");
        }
    }
}

/// What becomes of rows that are there already.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Existing {
    /// Nothing is restored.
    Refuse,
    /// They stay if they are the same; if one differs, nothing is restored.
    Skip,
}

/// Brings back what a document holds: all of it or nothing.
pub struct Restore {
    /// Who asks.
    pub by: By,
    /// The document.
    pub source: Box<dyn Source>,
    /// What becomes of rows that are there already.
    pub existing: Existing,
    /// Whether what was taken away on purpose since the backup comes back, too.
    pub revive: bool,
    /// Whether nothing is written in the end.
    pub dry_run: bool,
}

impl Operation for Restore {
    type Output = Report;
    const NAME: &'static str = "restore";
    const PRIORITY: Priority = Priority::Bulk;

    fn access(&self) -> Access {
        self.by.access()
    }

    async fn run(mut self, cx: &mut Cx<'_>) -> Result<Report> {
        let _turn = cx.turn(Work::Restore)?;
        let beginning = beginning(&mut *self.source).await?;
        let sealed = beginning.starts_with(BEGINNING);
        // Before anything is written, if the document can be read twice; while it passes by, in any case.
        let mut proved = false;
        let mut beginning = beginning;
        if sealed && self.source.rewinds() {
            let mut seal = Passing::new(cx.seals());
            seal.update(&beginning);
            while let Some(bytes) = self.source.read().await? {
                seal.update(&bytes);
            }
            seal.finish()?;
            proved = true;
            self.source.rewind().await?;
            beginning.clear();
        }
        let mut seal = (sealed && !proved).then(|| Passing::new(cx.seals()));
        match restore(&mut self, cx, sealed, beginning, &mut seal).await {
            Err(error) if is_about_the_document(&error) => {
                // What is wrong with it matters only if it is ours.
                if let Some(mut seal) = seal {
                    while let Some(bytes) = self.source.read().await? {
                        seal.update(&bytes);
                    }
                    seal.finish()?;
                }
                Err(error)
            }
            other => other,
        }
    }
}

const fn is_about_the_document(error: &Error) -> bool {
    matches!(
        error,
        Error::Invalid(_) | Error::NotFound(_) | Error::AlreadyExists(_) | Error::Conflict(_)
    )
}

/// Enough of the document to see whether it has a seal.
async fn beginning(source: &mut dyn Source) -> Result<Vec<u8>> {
    let mut beginning = Vec::new();
    while beginning.len() < BEGINNING.len() {
        match source.read().await? {
            Some(bytes) => beginning.extend_from_slice(&bytes),
            None => break,
        }
    }
    Ok(beginning)
}

async fn restore(
    this: &mut Restore,
    cx: &mut Cx<'_>,
    sealed: bool,
    beginning: Vec<u8>,
    seal: &mut Option<Passing>,
) -> Result<Report> {
    let max_rows = (this.by == By::Platform).then_some(cx.rules().restore_rows);
    let reading = Reading { sealed, now: cx.now, max_rows };
    let mut reader = Reader::new(reading);
    let mut sorting = Sorting::begin(cx, reading, this.existing, this.revive).await?;
    let mut next = Some(beginning);
    loop {
        match &next {
            Some(bytes) => {
                if let Some(seal) = seal {
                    seal.update(bytes);
                }
                reader.feed(bytes);
            }
            None => reader.end(),
        }
        while let Some(step) = reader.step()? {
            match step {
                Step::Taken(taken) => sorting.taken(taken).await?,
                Step::Row(row) => sorting.take(*row).await?,
                Step::Ended(section) => sorting.ended(section).await?,
                Step::End => {
                    if let Some(seal) = seal.take() {
                        seal.finish()?;
                    }
                    return finish(this.dry_run, this.revive, cx, sorting).await;
                }
            }
        }
        next = this.source.read().await?;
    }
}

async fn finish(
    dry_run: bool,
    revived: bool,
    cx: &Cx<'_>,
    sorting: Sorting<'_, '_>,
) -> Result<Report> {
    let taken = sorting.origin();
    let (mut report, mut restoring) = sorting.finish().await?;
    report.dry_run = dry_run;
    for warning in &report.warnings {
        tracing::warn!(dry_run, "restore: {warning}");
    }
    let (created, left_out) = (report.created(), report.left_out());
    tracing::info!(created, left_out, dry_run, "a backup was read");
    // What changes nothing leaves no trace.
    if dry_run || created == 0 {
        return Ok(report);
    }
    let restored = Restored {
        instance: taken.map(|taken| taken.instance),
        revision: taken.map(|taken| taken.revision),
        created,
        left_out,
        revived,
    };
    restoring.apply(&Change::NoteRestore(restored)).await?;
    cx.finish(restoring).await?;
    Ok(report)
}
