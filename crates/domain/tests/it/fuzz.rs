//! What is read of texts, JSON, backups, the queue of mails and the change log, whatever is in them.

use std::collections::BTreeSet;
use std::fmt::{Debug, Display};
use std::str::FromStr;

use auth_domain::audit::{hex, unhex};
use auth_domain::backup::format;
use auth_domain::backup::read::{Reader, Reading, Step};
use auth_domain::backup::{Row, Rows};
use auth_domain::fact::Touched;
use auth_domain::model::{
    AccountStatus, Action, Description, Direction, Email, EntityId, EntityType, GroupId, GroupRole,
    InviteState, MailState, Message, Metadata, Name, OrgId, OrgRole, PlatformRole, RedirectPath,
    SigningKeyId, UserId,
};
use auth_domain::{Timestamp, json};
use auth_fuzz::Fuzz;
use serde_json::Value;

fn text(input: &[u8]) -> Option<&str> {
    std::str::from_utf8(input).ok()
}

/// Whether the text is one of these, in which case what it prints is read as the same.
fn reads_back<T>(text: &str) -> bool
where
    T: FromStr + Display + PartialEq + Debug,
    T::Err: Debug,
{
    text.parse::<T>().is_ok_and(|value| {
        assert_eq!(value.to_string().parse::<T>().unwrap(), value);
        true
    })
}

/// The key that addresses are compared by is an address itself, and its own key; it is printable ASCII,
/// whatever was typed.
#[test]
fn fuzz_addresses() {
    Fuzz::new("domain/email", include_str!("../../corpus/email.txt")).run(|input| {
        let typed = text(input)?;
        let Ok(email) = typed.parse::<Email>() else { return Some(false) };
        assert_eq!(email.as_str(), typed.trim());
        let (key, again) = (email.key(), email.key().parse::<Email>().unwrap());
        assert_eq!((again.as_str(), again.key()), (key, key));
        assert!(
            key.len() <= Email::MAX && key.bytes().all(|byte| byte.is_ascii_graphic()),
            "{key}"
        );
        assert!(!key.bytes().any(|byte| byte.is_ascii_uppercase()), "{key}");
        assert_eq!(key.matches('@').count(), 1);
        Some(true)
    });
}

/// Ids, moments and words are read back from what they print, and have one spelling where it counts.
#[test]
fn fuzz_ids_and_words() {
    Fuzz::new("domain/word", include_str!("../../corpus/word.txt")).run(|input| {
        let text = text(input)?;
        let mut read = BTreeSet::new();
        let mut note = |what, is_one: bool| read.extend(is_one.then_some(what));
        note("user", reads_back::<UserId>(text));
        note("group", reads_back::<GroupId>(text));
        note("signing key", reads_back::<SigningKeyId>(text));
        note("moment", reads_back::<Timestamp>(text));
        note("org role", reads_back::<OrgRole>(text));
        note("platform role", reads_back::<PlatformRole>(text));
        note("group role", reads_back::<GroupRole>(text));
        note("action", text.parse::<Action>().is_ok());
        if let Ok(key) = text.parse::<SigningKeyId>() {
            assert_eq!(key.to_string(), text, "one spelling");
        }
        if let Ok(group) = text.parse::<GroupId>() {
            assert_eq!(group.to_string(), text.to_ascii_uppercase());
        }
        if let Some(digest) = unhex(text) {
            note("digest", hex(&digest) == text.to_ascii_lowercase());
        }
        // What is looked for by an odd id is nothing.
        assert_eq!(OrgId::sought(text).is_nil(), text.parse::<OrgId>().is_err());
        note("status", text.parse::<AccountStatus>().is_ok());
        note("invite state", text.parse::<InviteState>().is_ok());
        note("mail state", text.parse::<MailState>().is_ok());
        note("direction", text.parse::<Direction>().is_ok());
        Some(read)
    });
}

/// Names hold no character that a line of a log, a mail's subject or a column could not.
#[test]
fn fuzz_names() {
    Fuzz::new("domain/name", include_str!("../../corpus/name.txt")).longest(4_096).run(|input| {
        let text = text(input)?;
        let name = text.parse::<Name>().inspect(|name| {
            assert_eq!(name.as_str(), text);
            assert!((1..=Name::MAX).contains(&text.chars().count()));
        });
        let description = text.parse::<Description>().inspect(|description| {
            assert_eq!(description.as_str(), text);
            assert!(text.chars().count() <= Description::MAX && !text.contains('\0'));
        });
        let id = text.parse::<EntityId>().inspect(|id| {
            assert_eq!(id.as_str().parse::<EntityId>().unwrap(), *id, "its own spelling");
            // Whoever is somebody is so in one spelling.
            assert!(id.user().is_none_or(|user| user.to_string() == id.as_str()), "{id:?}");
        });
        let kind = text.parse::<EntityType>().inspect(|kind| assert_eq!(kind.as_str(), text));
        for line in [name.is_ok(), id.is_ok(), kind.is_ok()] {
            assert!(!line || !text.chars().any(char::is_control), "{text:?}");
        }
        Some((name.is_ok(), description.is_ok(), id.is_ok(), kind.is_ok()))
    });
}

/// Where a link leads to, seen by a URL parser that knows nothing of our rules: below the host it was put
/// behind, and exactly there.
#[test]
fn fuzz_redirect_paths() {
    Fuzz::new("domain/redirect_path", include_str!("../../corpus/redirect_path.txt")).run(
        |input| {
            let typed = text(input)?;
            let Ok(path) = typed.parse::<RedirectPath>() else { return Some((false, false)) };
            let again = path.as_str().parse::<RedirectPath>().unwrap();
            assert_eq!(again, path, "its own canonical form");
            assert!(path.as_str().starts_with('/') && !path.as_str().starts_with("//"));
            assert!(!path.as_str().contains(['%', '\\', '?', '#', '@', ':']));
            for segment in path.as_str().split('/') {
                assert!(segment.is_empty() || segment.bytes().any(|byte| byte != b'.'), "{path:?}");
            }
            assert!(path.is_below(&path) && path.is_below(&RedirectPath::default()));
            Some((true, path.as_str() == typed))
        },
    );
}

fn depth(value: &Value) -> usize {
    let deepest = match value {
        Value::Array(items) => items.iter().map(depth).max(),
        Value::Object(members) => members.values().map(depth).max(),
        _ => return 0,
    };
    deepest.unwrap_or_default().saturating_add(1)
}

/// What is read strictly is what everybody else reads, within the limits, and reads the same when it is
/// written again.
#[test]
fn fuzz_json() {
    Fuzz::new("domain/json", include_str!("../../corpus/json.txt")).longest(40_000).run(|input| {
        let value = match json::parse(input) {
            Ok(value) => value,
            Err(what) => return (what, serde_json::from_slice::<Value>(input).is_ok(), false),
        };
        assert_eq!(serde_json::from_slice::<Value>(input).unwrap(), value);
        assert_eq!(json::parse(value.to_string().as_bytes()).as_ref(), Ok(&value));
        assert!(depth(&value) <= json::MAX_DEPTH);
        let Ok(metadata) = Metadata::from_value(value) else { return ("", true, false) };
        let stored = metadata.to_json();
        assert!(stored.len() <= Metadata::MAX_BYTES);
        let read = json::parse(stored.as_bytes()).unwrap();
        assert!(depth(&read) <= Metadata::MAX_DEPTH);
        assert_eq!(Metadata::from_value(read).unwrap(), metadata);
        assert!(metadata.contains(&metadata));
        ("", true, true)
    });
}

/// Every row of a document, or why it is refused. In parts of this size.
fn read(document: &[u8], sealed: bool, part: usize) -> (Vec<Row>, String) {
    let now = Timestamp::from_seconds(1_700_000_000);
    let mut reader = Reader::new(Reading { sealed, now, max_rows: Some(50) });
    let mut rows = Vec::new();
    for part in document.chunks(part) {
        reader.feed(part);
        loop {
            match reader.step() {
                Ok(Some(Step::Row(row))) => rows.push(*row),
                Ok(Some(Step::End)) => return (rows, "end".into()),
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(problem) => return (rows, format!("{problem:?}")),
            }
        }
    }
    reader.end();
    loop {
        match reader.step() {
            Ok(Some(Step::Row(row))) => rows.push(*row),
            Ok(Some(Step::End)) => return (rows, "end".into()),
            Ok(Some(_)) => {}
            Ok(None) => return (rows, "nothing more".into()),
            Err(problem) => return (rows, format!("{problem:?}")),
        }
    }
}

/// The same row, written.
fn written(row: Row) -> (auth_domain::backup::Section, Vec<u8>) {
    use auth_domain::backup::Section;
    let (section, rows) = match row {
        Row::Org(row) => (Section::Orgs, Rows::Orgs(vec![row])),
        Row::Membership(row) => (Section::Memberships, Rows::Memberships(vec![row])),
        Row::Invite(row) => (Section::Invites, Rows::Invites(vec![row])),
        Row::Dormant(row) => (Section::Dormant, Rows::Dormant(vec![row])),
        Row::Key(row) => (Section::Keys, Rows::Keys(vec![row])),
        Row::PlatformRole(row) => (Section::PlatformRoles, Rows::PlatformRoles(vec![row])),
        Row::Account(row) => (Section::Accounts, Rows::Accounts(vec![row])),
        Row::Group(row) => (Section::Groups, Rows::Groups(vec![row])),
        Row::GroupMember(row) => (Section::GroupMembers, Rows::GroupMembers(vec![row])),
        Row::GroupRole(row) => (Section::GroupRoles, Rows::GroupRoles(vec![row])),
    };
    let mut text = Vec::new();
    format::rows(&rows, true, true, &mut text).unwrap();
    (section, text)
}

/// A document says the same however it is cut on its way, and its rows are written as what they were read
/// from. The first byte says whether there is a seal on it, which was looked at before.
#[test]
fn fuzz_backups() {
    Fuzz::new("domain/backup", include_str!("../../corpus/backup.txt")).run(|input| {
        let Some((first, document)) = input.split_first() else { return (0, String::new()) };
        let sealed = *first == b'S';
        let (rows, end) = read(document, sealed, document.len().max(1));
        for part in [1, 7] {
            let (other, other_end) = read(document, sealed, part);
            assert_eq!((format!("{other:?}"), &other_end), (format!("{rows:?}"), &end), "by {part}");
        }
        assert!(rows.len() <= 50);
        for row in &rows {
            let (section, text) = written(row.clone());
            // A seal makes it taken as it is, which is what was read from a document with one or without.
            let head = r#"{"format":"keyward-backup","version":1,"instance":"0192d3f0-1111-7abc-8def-000000000001","revision":1"#;
            let document = [head.as_bytes(), format::opening(section).as_bytes(), &text, b"]}"].concat();
            let (again, end) = read(&document, true, document.len());
            assert_eq!((format!("{again:?}"), end), (format!("[{row:?}]"), "end".into()));
        }
        // The row that is wrong is named by a number, which is no way of its own.
        (rows.len().min(3), end.chars().filter(|c| !c.is_ascii_digit()).collect())
    });
}

/// A mail of the queue is one we would write again, or none of ours.
#[test]
fn fuzz_queued_mails() {
    Fuzz::new("domain/mail", include_str!("../../corpus/mail.txt")).run(|input| {
        let (kind, payload) = text(input)?.split_once(' ')?;
        let payload: Value = serde_json::from_str(payload).ok()?;
        let Some(message) = Message::stored(kind, &payload) else { return Some(false) };
        assert_eq!(message.kind(), kind);
        assert_eq!(Message::stored(kind, &message.payload()), Some(message));
        Some(true)
    });
}

/// A record of the change log that cannot be understood puts everything out of date, never nothing.
#[test]
fn fuzz_the_change_log() {
    const HARMLESS: [&str; 19] = [
        "org.update",
        "account.create",
        "account.update",
        "account.set_password",
        "account.verify_email",
        "group.update",
        "group.assign",
        "group.unassign",
        "invite.create",
        "invite.activate",
        "invite.accept",
        "invite.decline",
        "invite.revoke",
        "invite.restore",
        "platform_invite.create",
        "platform_invite.accept",
        "platform_invite.revoke",
        "mail.retry",
        "users.export",
    ];
    Fuzz::new("domain/fact", include_str!("../../corpus/fact.txt")).run(|input| {
        let mut parts = text(input)?.splitn(3, ' ');
        let (kind, subject, object) = (parts.next()?, parts.next()?, parts.next()?);
        let touched = Touched::by(kind, (subject != "-").then_some(subject), object);
        assert_eq!(touched == Touched::Nothing, HARMLESS.contains(&kind), "{touched:?}");
        // What was understood is in the record, in whatever spelling.
        let said = format!("{subject} {object}").to_ascii_lowercase();
        let named = match touched {
            Touched::Nothing | Touched::Everything => vec![],
            Touched::Session(session) => vec![session.to_string()],
            Touched::Key(key) => vec![key.to_string()],
            Touched::CutOff(user) | Touched::PlatformRole(user) | Touched::GroupRoles(user) => {
                vec![user.to_string()]
            }
            Touched::SigningKey(key) => vec![key.to_string().to_ascii_lowercase()],
            Touched::Member(user, org) => vec![user.to_string(), org.to_string()],
            Touched::Org(org) => vec![org.to_string()],
            Touched::Group(group) => vec![group.to_string().to_ascii_lowercase()],
        };
        let plain = said.replace(['-', '{', '}'], "").replace("urn:uuid:", "");
        for name in named {
            assert!(plain.contains(&name.replace('-', "")), "{name} of {said}");
        }
        Some(std::mem::discriminant(&touched))
    });
}
