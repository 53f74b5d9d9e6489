//! What mails say.

use auth_domain::model::{MailId, Name, TicketSecret};
use auth_domain::ports::Ids;
use expect_test::expect_file;
use proptest::prelude::*;

use super::*;
use crate::clock::RandomIds;

const INVITE: &str = "0f3c2e4a-5b6d-4c7e-8f90-a1b2c3d4e5f6";

fn draft(inviter: Option<&str>, org: &str, role: OrgRole) -> Draft {
    Draft {
        to: "bob@example.org".parse().unwrap(),
        content: Content::OrgInvite {
            invite: INVITE.parse().unwrap(),
            path: "/invites".parse().unwrap(),
            inviter: inviter.map(str::to_owned),
            org: Name::stored(org.to_owned()),
            role,
            expires_at: Timestamp::from_seconds(1_796_393_100),
        },
    }
}

fn writer(directory: Option<&Path>) -> (Writer, Vec<String>) {
    Writer::new("https://example.com/app".parse().unwrap(), "Example & Co", directory)
}

fn written(writer: &Writer, org: &str) -> Letter {
    let id = MailId::new(RandomIds.next());
    let draft = draft(Some("ada@example.com"), org, OrgRole::Editor);
    writer.write(id, Timestamp::from_seconds(0), draft).unwrap()
}

/// What an HTML reader shows of text we wrote.
fn unescaped(html: &str) -> String {
    [
        ("&lt;", "<"),
        ("&gt;", ">"),
        ("&quot;", "\""),
        ("&#x27;", "'"),
        ("&#x2f;", "/"),
        ("&amp;", "&"),
    ]
    .iter()
    .fold(html.to_owned(), |text, (from, to)| text.replace(from, to))
}

#[test]
fn an_invite_says_where_as_what_and_until_when() {
    let (writer, problems) = writer(None);
    assert_eq!(problems, [] as [&str; 0]);
    let letter = written(&writer, "Acme");
    assert_eq!(letter.subject, "You're invited to join 'Acme'");
    let link = format!("https://example.com/app/invites/{INVITE}");
    assert!(letter.html.contains(&format!("href=\"{link}\"")), "{}", letter.html);
    for part in [&letter.text, &letter.html] {
        for says in
            [&*link, "ada@example.com invites you", "an editor of", "4 December 2026, 14:05 UTC"]
        {
            assert!(part.contains(says), "{says} is not in {part}");
        }
    }
    assert!(
        letter.text.contains("at Example & Co.") && letter.html.contains("at Example &amp; Co.")
    );
    assert!(!letter.html.contains("src="), "nothing is fetched: {}", letter.html);
    let viewer = writer.write(letter.id, letter.at, draft(None, "Acme", OrgRole::Viewer)).unwrap();
    assert!(viewer.text.contains("a viewer of"));
    assert!(viewer.text.starts_with("You're invited to join Acme at Example & Co."));
}

#[test]
fn s61_html_in_a_name_is_text() {
    let name = "<script>alert('x')</script> \"A\" & {{ link }} {% if 1 %}";
    let letter = written(&writer(None).0, name);
    assert!(!letter.html.contains("<script"), "{}", letter.html);
    assert!(unescaped(&letter.html).contains(name), "{}", letter.html);
    assert!(letter.text.contains(name) && letter.subject.contains(name));
}

/// A users service elsewhere says who invites, and the operator what the service is called.
#[test]
fn s61_so_is_html_in_an_address_and_in_what_the_service_is_called() {
    let odd = "<b>\"&'{{ link }}\r\n\u{202e}@example.com";
    let (writer, _) = Writer::new("https://example.com/app".parse().unwrap(), odd, None);
    let (id, at) = (MailId::new(RandomIds.next()), Timestamp::from_seconds(0));
    let letter = writer.write(id, at, draft(Some(odd), "Acme", OrgRole::Viewer)).unwrap();
    assert!(!letter.html.contains("<b>"), "{}", letter.html);
    let shown = "<b>\"&'{{ link }} @example.com";
    for part in [&letter.text, &unescaped(&letter.html)] {
        assert_eq!(part.matches(shown).count(), 2, "{part}");
    }
}

#[test]
fn s60_a_subject_is_one_line() {
    let letter = written(&writer(None).0, "Acme\r\nBcc: x@example.org\0\u{202e}moc");
    assert_eq!(letter.subject, "You're invited to join 'Acme Bcc: x@example.org moc'");
}

#[test]
fn an_operator_may_replace_some() {
    let dir = tempfile::tempdir().unwrap();
    let subject = "{{ org_name }} wants you as {{ role }}\n";
    std::fs::write(dir.path().join("org_invite.subject.txt"), subject).unwrap();
    let layout = "<main>{% block content %}{% endblock %}</main>";
    std::fs::write(dir.path().join("layout.html"), layout).unwrap();
    let (writer, problems) = writer(Some(dir.path()));
    assert_eq!(problems, [] as [&str; 0]);
    let letter = written(&writer, "A & B");
    assert_eq!(letter.subject, "A & B wants you as editor");
    assert!(letter.html.starts_with("<main>") && letter.html.contains("A &amp; B"));
    assert!(letter.text.starts_with("ada@example.com invites you to join A & B at"));
}

#[test]
fn go36_d07_a_broken_or_missing_template_is_named_and_replaced() {
    let (_, problems) = writer(Some(Path::new("/nowhere")));
    assert!(problems[0].starts_with("/nowhere has none of layout.html"), "{problems:?}");
    for (file, text, problem) in [
        ("org_invite.txt", "{% if %}", "org_invite.txt cannot be used"),
        ("org_invite.html", "{{ no_such_value }}", "org_invite cannot be written"),
        ("layout.html", "{% include 'x' %}", "org_invite cannot be written"),
    ] {
        let dir = tempfile::tempdir().unwrap();
        std::fs::write(dir.path().join(file), text).unwrap();
        let (writer, problems) = writer(Some(dir.path()));
        assert!(problems.iter().any(|line| line.starts_with(problem)), "{problems:?}");
        assert!(problems.iter().all(|line| !line.contains('\n')), "{problems:?}");
        assert_eq!(written(&writer, "Acme").subject, "You're invited to join 'Acme'", "{file}");
    }
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("org_invite.txt")).unwrap();
    std::fs::write(dir.path().join("layout.html"), [0xff, 0xfe]).unwrap();
    let (writer, problems) = writer(Some(dir.path()));
    assert_eq!(problems.len(), 3, "{problems:?}");
    assert!(written(&writer, "Acme").html.contains("<h1"));
}

#[test]
fn go36_a_template_that_fails_later_is_replaced_then() {
    let dir = tempfile::tempdir().unwrap();
    let text = "{{ no_such_value if org_name == 'Odd' else org_name }}";
    std::fs::write(dir.path().join("org_invite.txt"), text).unwrap();
    let (writer, problems) = writer(Some(dir.path()));
    assert_eq!(problems, [] as [&str; 0]);
    assert_eq!(written(&writer, "Acme").text, "Acme\n");
    assert!(written(&writer, "Odd").text.starts_with("ada@example.com invites you"));
}

proptest! {
    #[test]
    fn s61_whatever_an_org_is_called_the_mail_keeps_its_shape(
        name in prop_oneof![".{0,254}", "(?s).{0,80}", "[<>&\"'/{}%#a ]{0,80}"],
    ) {
        let (writer, _) = writer(None);
        let (letter, plain) = (written(&writer, &name), written(&writer, "x"));
        prop_assert!(!letter.subject.chars().any(char::is_control));
        let tags = |html: &str| html.matches('<').count();
        prop_assert_eq!(tags(&letter.html), tags(&plain.html));
        let quotes = |html: &str| html.matches('"').count();
        prop_assert_eq!(quotes(&letter.html), quotes(&plain.html));
        prop_assert_eq!(letter.text.lines().count(), plain.text.lines().count());
    }
}

/// An operator's template makes a mail, or is said in one line to be wrong; whatever is in it, the subject is one
/// line of a length that a mail program shows. The first line says which file it is.
#[test]
fn fuzz_templates() {
    let samples = samples();
    auth_fuzz::Fuzz::new("auth/template", include_str!("../../../corpus/template.txt"))
        .longest(1024)
        .run(|input| {
            let (name, text) = std::str::from_utf8(input).ok()?.split_once('\n')?;
            let (name, _) = compiled_in().find(|(known, _)| *known == name)?;
            let mut problems = Vec::new();
            let environment = environment(&[(name, text.to_owned())], &mut problems);
            assert!(
                problems.iter().all(|line| !line.chars().any(char::is_control)),
                "{problems:?}"
            );
            let of_it = |(mail, _): &&(&str, Value)| name.starts_with(mail);
            let (mail, sample) = samples.iter().find(of_it).unwrap_or(&samples[0]);
            let rendered = render(&environment, mail, sample);
            if let Ok((subject, ..)) = &rendered {
                assert!(subject.chars().count() <= LONGEST_SUBJECT);
                assert!(!subject.chars().any(char::is_control), "{subject:?}");
            }
            Some((
                name,
                problems.len(),
                rendered.map_err(|problem| problem.kind().to_string()).err(),
            ))
        });
}

#[test]
fn a_reset_says_where_and_until_when_and_shows_its_secret_nowhere_else() {
    let (writer, _) = writer(None);
    let secret = TicketSecret::new("aB3-_x".to_owned());
    let draft = Draft {
        to: "bob@example.org".parse().unwrap(),
        content: Content::PasswordReset {
            path: "/reset".parse().unwrap(),
            secret,
            expires_at: Timestamp::from_seconds(1_796_393_100),
        },
    };
    assert!(!format!("{draft:?}").contains("aB3-_x"));
    let letter =
        writer.write(MailId::new(RandomIds.next()), Timestamp::from_seconds(0), draft).unwrap();
    assert_eq!(letter.subject, "Set a new password");
    let link = "https://example.com/app/reset?token=aB3-_x";
    assert!(letter.html.contains(&format!("href=\"{link}\"")), "{}", letter.html);
    for part in [&letter.text, &letter.html] {
        for says in [link, "the account at Example &", "once", "4 December 2026, 14:05 UTC"] {
            assert!(part.contains(says), "{says} is not in {part}");
        }
    }
}

#[test]
fn go53_an_address_is_proved_by_somebody_who_knows_what_the_link_does() {
    let (writer, _) = writer(None);
    let write = |content| {
        let draft = Draft { to: "bob@example.org".parse().unwrap(), content };
        let (id, at) = (MailId::new(RandomIds.next()), Timestamp::from_seconds(0));
        writer.write(id, at, draft).unwrap()
    };
    let asked_at = Timestamp::from_seconds(1_796_389_500);
    let letter = write(Content::EmailVerification {
        path: "/verify".parse().unwrap(),
        secret: TicketSecret::new("aB3-_x".to_owned()),
        asked_at,
        expires_at: Timestamp::from_seconds(1_796_393_100),
    });
    assert_eq!(letter.subject, "Open your account");
    let link = "https://example.com/app/verify?token=aB3-_x";
    assert!(letter.html.contains(&format!("href=\"{link}\"")), "{}", letter.html);
    for part in [&letter.text, &letter.html] {
        for says in [
            link,
            "signed up for Example &",
            "at 4 December 2026, 13:05 UTC",
            "until 4 December 2026, 14:05 UTC",
            "with the password that was typed for it",
            "If it was not you, ignore this and do not open the link",
        ] {
            assert!(part.contains(says), "{says} is not in {part}");
        }
    }
    let letter = write(Content::AccountVerification {
        path: "/verify".parse().unwrap(),
        secret: TicketSecret::new("aB3-_x".to_owned()),
        asked_at,
        expires_at: Timestamp::from_seconds(1_796_393_100),
    });
    assert_eq!(letter.subject, "Confirm your address");
    for part in [&letter.text, &letter.html] {
        for says in [
            link,
            "at 4 December 2026, 13:05 UTC",
            "until 4 December 2026, 14:05 UTC",
            "If it was not you, do not open the link",
            "Set a new password for it",
        ] {
            assert!(part.contains(says), "{says} is not in {part}");
        }
    }
    let letter = write(Content::AlreadyRegistered { asked_at });
    assert_eq!(letter.subject, "You have an account already");
    for part in [&letter.text, &letter.html] {
        assert!(part.contains("at 4 December 2026, 13:05 UTC") && !part.contains("token="));
        assert!(part.contains("signed up for Example &"), "{part}");
    }
}

#[test]
fn p1_somebody_without_an_account_is_told_to_what_they_are_invited() {
    let (writer, _) = writer(None);
    for (org, says, silent) in [
        (Some(("A & <b>", OrgRole::Editor)), "an editor of", "a password that you choose"),
        (None, "a password that you choose", "become"),
    ] {
        let content = Content::PlatformInvite {
            path: "/join".parse().unwrap(),
            secret: TicketSecret::new("aB3-_x".to_owned()),
            inviter: "ada@example.com".to_owned(),
            org: org.map(|(name, role)| (Name::stored(name.to_owned()), role)),
            expires_at: Timestamp::from_seconds(1_796_393_100),
        };
        let draft = Draft { to: "bob@example.org".parse().unwrap(), content };
        let (id, at) = (MailId::new(RandomIds.next()), Timestamp::from_seconds(0));
        let letter = writer.write(id, at, draft).unwrap();
        assert_eq!(letter.subject, "You're invited to open an account at Example & Co");
        let link = "https://example.com/app/join/aB3-_x";
        for part in [&letter.text, &letter.html] {
            assert!(part.contains(link) && part.contains("4 December 2026, 14:05 UTC"), "{part}");
            assert!(part.contains(says) && !part.contains(silent), "{part}");
            assert!(part.contains("ada@example.com invites you"), "{part}");
        }
        assert!(!letter.html.contains("<b>"), "{}", letter.html);
    }
}

/// Every mail as it is sent, in `docs/mails`, of which `make mail-pictures` makes the pictures there.
#[test]
fn the_mails_in_docs_are_those_that_are_sent() {
    let (writer, _) = Writer::new("https://example.com/app".parse().unwrap(), "Keyward", None);
    let path = || "/reset".parse().unwrap();
    let secret = || TicketSecret::new(format!("{}{}", INVITE.replace('-', ""), "aB3-_x".repeat(7)));
    let (asked_at, expires_at) =
        (Timestamp::from_seconds(1_796_389_500), Timestamp::from_seconds(1_796_393_100));
    let acme = || Name::stored("Acme Pumps & Valves".to_owned());
    let all = [
        (
            expect_file!["../../../../../docs/mails/org_invite.html"],
            expect_file!["../../../../../docs/mails/org_invite.txt"],
            Content::OrgInvite {
                invite: INVITE.parse().unwrap(),
                path: "/invites".parse().unwrap(),
                inviter: Some("ada@example.org".to_owned()),
                org: acme(),
                role: OrgRole::Editor,
                expires_at,
            },
        ),
        (
            expect_file!["../../../../../docs/mails/platform_invite.html"],
            expect_file!["../../../../../docs/mails/platform_invite.txt"],
            Content::PlatformInvite {
                path: "/join".parse().unwrap(),
                secret: secret(),
                inviter: "ada@example.org".to_owned(),
                org: Some((acme(), OrgRole::Viewer)),
                expires_at,
            },
        ),
        (
            expect_file!["../../../../../docs/mails/email_verification.html"],
            expect_file!["../../../../../docs/mails/email_verification.txt"],
            Content::EmailVerification { path: path(), secret: secret(), asked_at, expires_at },
        ),
        (
            expect_file!["../../../../../docs/mails/account_verification.html"],
            expect_file!["../../../../../docs/mails/account_verification.txt"],
            Content::AccountVerification { path: path(), secret: secret(), asked_at, expires_at },
        ),
        (
            expect_file!["../../../../../docs/mails/already_registered.html"],
            expect_file!["../../../../../docs/mails/already_registered.txt"],
            Content::AlreadyRegistered { asked_at },
        ),
        (
            expect_file!["../../../../../docs/mails/password_reset.html"],
            expect_file!["../../../../../docs/mails/password_reset.txt"],
            Content::PasswordReset { path: path(), secret: secret(), expires_at },
        ),
    ];
    assert_eq!(all.len(), MAILS.len(), "every mail is there");
    for (html, text, content) in all {
        let draft = Draft { to: "bob@example.org".parse().unwrap(), content };
        let (id, at) = (MailId::new(RandomIds.next()), Timestamp::from_seconds(0));
        let letter = writer.write(id, at, draft).unwrap();
        html.assert_eq(&letter.html);
        text.assert_eq(&format!("Subject: {}\n\n{}", letter.subject, letter.text));
    }
}
