use std::os::unix::fs::{PermissionsExt, chown, symlink};

use tempfile::TempDir;

use super::*;

const NOW: Timestamp = Timestamp::from_seconds(1_764_456_780);

fn directory() -> (TempDir, KeyDirectory) {
    let temporary = tempfile::tempdir().unwrap();
    let directory = KeyDirectory::at(temporary.path());
    (temporary, directory)
}

fn mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

#[test]
fn a_name_is_a_moment_and_has_one_spelling() {
    assert_eq!(name_of(NOW), "20251129T225300Z");
    assert_eq!(moment_of("20251129T225300Z"), Some(NOW.seconds()));
    for odd in [
        "",
        "key",
        "20251129T225300",
        "20251129225300Z",
        "20251129T225300z",
        "20251329T225300Z",
        "20251129T2253000Z",
        "+0251129T225300Z",
        "20251129T225360Z",
    ] {
        assert_eq!(moment_of(odd), None, "{odd}");
    }
}

#[test]
fn s17_a_key_is_next_then_signs_then_verifies() {
    let (_temporary, directory) = directory();
    assert!(directory.read().unwrap().keys.is_empty());
    let algorithms = [Algorithm::EdDsa, Algorithm::Es256, Algorithm::EdDsa];
    let ids: Vec<_> = (0..3)
        .zip(algorithms)
        .map(|(n, algorithm)| {
            directory.add(algorithm, NOW.plus(Duration::from_secs(10 * n))).unwrap()
        })
        .collect();
    let contents = directory.read().unwrap();
    let phases = |seconds| {
        let at = Timestamp::from_seconds(NOW.seconds() + seconds);
        let shown = contents.phases(at).map(|(one, phase)| (one.key.id(), phase.name()));
        let (kids, phases): (Vec<_>, Vec<_>) = shown.unzip();
        assert_eq!(kids, ids);
        phases
    };
    assert_eq!(phases(-1), ["next", "next", "next"]);
    assert_eq!(phases(0), ["signing", "next", "next"]);
    assert_eq!(phases(19), ["verifying", "signing", "next"]);
    assert_eq!(phases(20), ["verifying", "verifying", "signing"]);

    let refused = directory.add(Algorithm::EdDsa, NOW).unwrap_err();
    assert!(refused.contains("in the same second"), "{refused}");
    directory.remove(NOW.seconds()).unwrap();
    assert_eq!(directory.read().unwrap().keys.len(), 2);
}

#[test]
fn s17_what_is_withdrawn_stays_so_when_its_file_turns_up_again() {
    let (temporary, directory) = directory();
    let kid = directory.add(Algorithm::EdDsa, NOW).unwrap();
    directory.withdraw(kid).unwrap();
    let contents = directory.read().unwrap();
    assert!(contents.keys.is_empty());
    assert_eq!(contents.withdrawn, [kid]);
    // Also where something else is wrong.
    fs::write(temporary.path().join("odd.pem"), "odd").unwrap();
    assert!(directory.read().is_err());
    fs::write(temporary.path().join("odd.revoked"), "").unwrap();
    assert_eq!(directory.withdrawn().unwrap(), [kid]);
}

#[test]
fn s19_a_key_that_others_can_read_is_refused_and_nothing_shows_it() {
    let (temporary, directory) = directory();
    directory.add(Algorithm::EdDsa, NOW).unwrap();
    let file = temporary.path().join("20251129T225300Z.pem");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    for open in [0o644, 0o640, 0o604, 0o620] {
        mode(&file, open);
        let line = directory.read().unwrap_err();
        assert!(
            line.ends_with("20251129T225300Z.pem: can be read by others than its owner: chmod 600"),
            "{line}"
        );
    }
    mode(&file, 0o400);
    directory.read().unwrap();

    let text = fs::read_to_string(&file).unwrap();
    mode(&file, 0o600);
    let (spoiled, twice) = (text.replace("MC4CAQ", "MC4CAg"), format!("{text}{text}"));
    let public = text.replace("PRIVATE", "PUBLIC");
    for odd in ["", "no key", &spoiled, &twice, &public, &text[..60], "\u{0}\u{1}"] {
        fs::write(&file, odd).unwrap();
        let line = directory.read().unwrap_err();
        assert!(line.contains("20251129T225300Z.pem: "), "{line}");
        assert!(!line.contains("MC4C") && !line.contains('\n'), "{line}");
    }
}

#[test]
fn what_is_no_key_is_passed_over_and_what_looks_like_one_is_not() {
    let (temporary, directory) = directory();
    directory.add(Algorithm::EdDsa, NOW).unwrap();
    let file = |name: &str| temporary.path().join(name);
    for name in ["README", ".20251129T225301Z.pem.new", ".hidden.pem", "notes.txt"] {
        fs::write(file(name), "x").unwrap();
    }
    assert_eq!(directory.read().unwrap().keys.len(), 1);
    fs::copy(file("20251129T225300Z.pem"), file("20251129T225301Z.pem")).unwrap();
    assert!(directory.read().unwrap_err().ends_with("is the same key as another file"));
    fs::rename(file("20251129T225301Z.pem"), file("mine.pem")).unwrap();
    assert!(directory.read().unwrap_err().contains("mine.pem: must be called after the moment"));
    fs::remove_file(file("mine.pem")).unwrap();
    fs::write(file("x.revoked"), "").unwrap();
    assert!(directory.read().unwrap_err().contains("x.revoked: a key's id has 43 characters"));
}

#[test]
fn s19_a_key_is_written_past_what_lies_in_its_drafts_place() {
    let (temporary, directory) = directory();
    let (draft, elsewhere) =
        (temporary.path().join(".20251129T225300Z.pem.new"), temporary.path().join("elsewhere"));
    fs::write(&elsewhere, "somebody else's").unwrap();
    symlink(&elsewhere, &draft).unwrap();
    directory.add(Algorithm::EdDsa, NOW).unwrap();
    assert_eq!(fs::read_to_string(&elsewhere).unwrap(), "somebody else's");
    let file = temporary.path().join("20251129T225300Z.pem");
    assert!(file.symlink_metadata().unwrap().is_file());
    assert_eq!(directory.read().unwrap().keys.len(), 1);
}

#[test]
fn a_key_that_was_handed_to_the_directorys_owner_is_read_by_whoever_made_it() {
    if !rustix::process::geteuid().is_root() {
        // Nobody else can hand a file over.
        return;
    }
    let (temporary, directory) = directory();
    chown(temporary.path(), Some(1234), Some(1234)).unwrap();
    directory.add(Algorithm::EdDsa, NOW).unwrap();
    assert_eq!(directory.read().unwrap().keys.len(), 1);
    let file = temporary.path().join("20251129T225300Z.pem");
    assert_eq!(file.metadata().unwrap().uid(), 1234);
    chown(&file, Some(1235), None).unwrap();
    assert!(directory.read().unwrap_err().ends_with("belongs to somebody else"));
}

#[test]
fn s17_a_file_that_may_be_the_key_is_told_when_its_place_is_asked() {
    let (temporary, directory) = directory();
    let kid = directory.add(Algorithm::EdDsa, NOW).unwrap();
    let other = directory.add(Algorithm::EdDsa, NOW.plus(Duration::from_secs(1))).unwrap();
    let file = temporary.path().join("20251129T225300Z.pem");
    mode(&file, 0o644);
    let line = directory.place_of(kid).unwrap_err();
    assert!(line.contains("20251129T225300Z.pem: can be read by others"), "{line}");
    // What is found needs no other file.
    assert_eq!(directory.place_of(other).unwrap(), Some(NOW.seconds() + 1));
    mode(&file, 0o600);
    assert_eq!(directory.place_of(kid).unwrap(), Some(NOW.seconds()));
    fs::rename(&file, temporary.path().join("mine.pem")).unwrap();
    assert!(directory.place_of(kid).unwrap_err().contains("mine.pem: "));
    directory.remove(NOW.seconds() + 1).unwrap();
    fs::remove_file(temporary.path().join("mine.pem")).unwrap();
    assert_eq!(directory.place_of(kid).unwrap(), None);
}

/// What lies in the directory is keys, each called after a moment, or is refused in one line. The first line of an
/// input is a file's name; of a key that the test made, `{key}` is the text.
#[test]
fn fuzz_files() {
    let (temporary, directory) = directory();
    let key = Algorithm::EdDsa.generate().unwrap();
    let key = pem(&key);
    auth_fuzz::Fuzz::new("auth/key_file", include_str!("../../corpus/key_file.txt")).run(|input| {
        let (name, text) = std::str::from_utf8(input).ok()?.split_once('\n')?;
        if name.is_empty()
            || name.len() > 200
            || name.starts_with('.')
            || name.contains(['/', '\0'])
        {
            return None;
        }
        let path = temporary.path().join(name);
        fs::write(&path, text.replace("{key}", key.expose_secret())).unwrap();
        mode(&path, 0o600);
        let (read, withdrawn) = (directory.read(), directory.withdrawn().unwrap());
        fs::remove_file(&path).unwrap();
        match read {
            Ok(contents) => {
                assert_eq!(contents.withdrawn, withdrawn);
                for one in &contents.keys {
                    assert_eq!(
                        format!("{}{KEY}", name_of(Timestamp::from_seconds(one.signs_from))),
                        name
                    );
                }
                Some((contents.keys.len(), withdrawn.len(), String::new()))
            }
            Err(line) => {
                let line = line.rsplit(": ").next().unwrap_or_default().to_owned();
                assert!(!line.contains("PRIVATE KEY-----"), "{line}");
                Some((0, withdrawn.len(), line))
            }
        }
    });
}
