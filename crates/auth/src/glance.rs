//! Whether a file is still the one that was read.

use std::fs::{self, Metadata};
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

/// What is seen of a file without reading it: which one it is, how large, who may read it, and when it and what is
/// known of it last changed. Links are followed, so one that leads elsewhere shows, as Kubernetes changes what it
/// mounts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Glance {
    file: (u64, u64),
    size: u64,
    owner: (u32, u32, u32),
    written: (i64, i64),
    /// Whoever puts the times of a file back cannot put this one back.
    changed: (i64, i64),
}

impl Glance {
    /// Of what is there now; nothing of what is not.
    pub(crate) fn of(path: &Path) -> io::Result<Option<Self>> {
        match fs::metadata(path) {
            Ok(seen) => Ok(Some(Self::from(&seen))),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }
}

impl From<&Metadata> for Glance {
    fn from(seen: &Metadata) -> Self {
        Self {
            file: (seen.dev(), seen.ino()),
            size: seen.size(),
            owner: (seen.mode(), seen.uid(), seen.gid()),
            written: (seen.mtime(), seen.mtime_nsec()),
            changed: (seen.ctime(), seen.ctime_nsec()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::time::{Duration, Instant};

    use super::*;

    #[test]
    fn what_happens_to_a_file_is_seen() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key.pem");
        let mut seen = vec![Glance::of(&file).unwrap()];
        assert_eq!(seen, [None]);
        let mut see = |what: &str| {
            let now = Glance::of(&file).unwrap();
            assert!(!seen.contains(&now), "{what}");
            assert_eq!(Glance::of(&file).unwrap(), now, "nothing happens by itself");
            seen.push(now);
        };
        fs::write(&file, "one").unwrap();
        see("written");
        let times = fs::metadata(&file).unwrap().modified().unwrap();
        // The clock of a file system may be coarse.
        let until = Instant::now() + Duration::from_secs(10);
        let before = Glance::of(&file).unwrap();
        while Glance::of(&file).unwrap() == before && Instant::now() < until {
            fs::write(&file, "two").unwrap();
            fs::File::options().write(true).open(&file).unwrap().set_modified(times).unwrap();
        }
        see("written in place, with its time put back");
        fs::set_permissions(&file, fs::Permissions::from_mode(0o400)).unwrap();
        see("nobody else may read it any more");
        let other = dir.path().join("other");
        fs::write(&other, "one").unwrap();
        fs::rename(&other, &file).unwrap();
        see("another file in its place");
    }
}
