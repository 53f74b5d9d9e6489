//! From what a mail tells to its words. The templates are compiled in; a directory may hold others.
//!
//! What people wrote is data for a template and never one: names reach it as values, HTML escapes
//! them, and nothing is rendered twice.

use std::path::Path;

use auth_domain::Timestamp;
use auth_domain::model::{Content, Draft, Letter, Name, OrgRole};
use minijinja::value::Value;
use minijinja::{Environment, UndefinedBehavior, context};

use super::link::Base;

/// What is around every mail.
const LAYOUT: [(&str, &str); 1] = [("layout.html", include_str!("templates/layout.html"))];

/// The three files of a mail: their names, and what is compiled in.
macro_rules! files {
    ($name:literal) => {
        [
            (
                concat!($name, ".subject.txt"),
                include_str!(concat!("templates/", $name, ".subject.txt")),
            ),
            (concat!($name, ".html"), include_str!(concat!("templates/", $name, ".html"))),
            (concat!($name, ".txt"), include_str!(concat!("templates/", $name, ".txt"))),
        ]
    };
}

/// The mails there are, as the names of their files begin, and those files.
const MAILS: [(&str, [(&str, &str); 3]); 6] = [
    (INVITE, files!("org_invite")),
    (PLATFORM, files!("platform_invite")),
    (VERIFICATION, files!("email_verification")),
    (ADDRESS, files!("account_verification")),
    (REGISTERED, files!("already_registered")),
    (RESET, files!("password_reset")),
];
const INVITE: &str = "org_invite";
const PLATFORM: &str = "platform_invite";
const VERIFICATION: &str = "email_verification";
const ADDRESS: &str = "account_verification";
const REGISTERED: &str = "already_registered";
const RESET: &str = "password_reset";
/// Larger files are no templates.
const LARGEST: u64 = 256 * 1024;
/// A subject beyond this many characters is cut.
const LONGEST_SUBJECT: usize = 300;

/// Writes mails.
pub(crate) struct Writer {
    base: Base,
    /// What the service is called.
    service: String,
    compiled_in: Environment<'static>,
    /// With the operator's own instead of those compiled in, where there are any.
    theirs: Option<Environment<'static>>,
}

/// A mail that cannot be written.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unwritten {
    #[error("template: {0}")]
    Template(#[from] minijinja::Error),
    #[error(transparent)]
    Link(#[from] super::link::Astray),
}

/// Subject, text and HTML.
type Words = (String, String, String);

impl Writer {
    /// Writes for the service of this name, with these templates, or with those in the directory where it has any that
    /// work. What is wrong with it is said in the second part, a line each: it stops nobody.
    pub(crate) fn new(base: Base, service: &str, directory: Option<&Path>) -> (Self, Vec<String>) {
        let mut problems = Vec::new();
        let compiled_in = environment(&[], &mut problems);
        let theirs = directory.and_then(|directory| theirs(directory, &mut problems));
        (Self { base, service: one_line(service), compiled_in, theirs }, problems)
    }

    /// The mail in words.
    pub(crate) fn write(
        &self,
        id: auth_domain::model::MailId,
        at: Timestamp,
        draft: Draft,
    ) -> Result<Letter, Unwritten> {
        let (name, values) = match &draft.content {
            Content::OrgInvite { invite, path, inviter, org, role, expires_at } => {
                let link = self.base.invite(path, *invite)?;
                let inviter = inviter.as_deref().unwrap_or_default();
                (INVITE, invite_values(inviter, Some((org, *role)), &link, *expires_at))
            }
            Content::PlatformInvite { path, secret, inviter, org, expires_at } => {
                let link = self.base.platform_invite(path, secret)?;
                let org = org.as_ref().map(|(org, role)| (org, *role));
                (PLATFORM, invite_values(inviter, org, &link, *expires_at))
            }
            Content::EmailVerification { path, secret, asked_at, expires_at } => {
                let link = self.base.ticket(path, secret)?;
                (VERIFICATION, verification_values(&link, *asked_at, *expires_at))
            }
            Content::AccountVerification { path, secret, asked_at, expires_at } => {
                let link = self.base.ticket(path, secret)?;
                (ADDRESS, verification_values(&link, *asked_at, *expires_at))
            }
            Content::AlreadyRegistered { asked_at } => (REGISTERED, registered_values(*asked_at)),
            Content::PasswordReset { path, secret, expires_at } => {
                (RESET, link_values(&self.base.ticket(path, secret)?, *expires_at))
            }
        };
        let values = context! { service => &*self.service, ..values };
        let (subject, text, html) = self.render(name, &values)?;
        Ok(Letter { id, to: draft.to, at, subject, text, html })
    }

    /// What the operator's templates cannot say, those compiled in do.
    fn render(&self, name: &str, values: &Value) -> Result<Words, Unwritten> {
        if let Some(theirs) = &self.theirs {
            match render(theirs, name, values) {
                Ok(words) => return Ok(words),
                Err(problem) => {
                    let problem = one_line(&format!("{problem:#}"));
                    tracing::warn!(
                        mail = name,
                        problem,
                        "a template in MF_EMAIL_TEMPLATES_DIR failed; the one compiled in is used"
                    );
                }
            }
        }
        Ok(render(&self.compiled_in, name, values)?)
    }
}

/// Without an org there is none of its values, and `org_name` is empty; so is `inviter` if nobody knows who that is.
fn invite_values(
    inviter: &str,
    org: Option<(&Name, OrgRole)>,
    link: &str,
    expires_at: Timestamp,
) -> Value {
    let values = context! { inviter => one_line(inviter), ..link_values(link, expires_at) };
    let Some((org, role)) = org else { return context! { org_name => "", ..values } };
    let role = role.as_str();
    let article = if role.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    context! {
        org_name => one_line(org.as_str()),
        role => role,
        role_with_article => format!("{article} {role}"),
        ..values
    }
}

fn verification_values(link: &str, asked_at: Timestamp, expires_at: Timestamp) -> Value {
    context! { ..registered_values(asked_at), ..link_values(link, expires_at) }
}

fn registered_values(asked_at: Timestamp) -> Value {
    context! { asked_at => moment(asked_at) }
}

/// Every template: the name of its file, and what is compiled in.
fn compiled_in() -> impl Iterator<Item = (&'static str, &'static str)> {
    LAYOUT.into_iter().chain(MAILS.into_iter().flat_map(|(_, files)| files))
}

/// What each mail may say, to try templates with.
fn samples() -> [(&'static str, Value); 8] {
    let (link, at) = ("https://example.com/", Timestamp::from_seconds(0));
    let (inviter, acme) = ("ada@example.com", Name::stored("Acme".to_owned()));
    let org = || Some((&acme, OrgRole::Viewer));
    let samples = [
        (INVITE, invite_values(inviter, org(), link, at)),
        (INVITE, invite_values("", org(), link, at)),
        (PLATFORM, invite_values(inviter, org(), link, at)),
        (PLATFORM, invite_values(inviter, None, link, at)),
        (VERIFICATION, verification_values(link, at, at)),
        (ADDRESS, verification_values(link, at, at)),
        (REGISTERED, registered_values(at)),
        (RESET, link_values(link, at)),
    ];
    samples.map(|(name, values)| (name, context! { service => "Example", ..values }))
}

fn link_values(link: &str, expires_at: Timestamp) -> Value {
    context! {
        // It has no character that any template would have to escape.
        link => Value::from_safe_string(link.to_owned()),
        expires_at => moment(expires_at),
    }
}

fn render(
    environment: &Environment<'_>,
    name: &str,
    values: &Value,
) -> Result<Words, minijinja::Error> {
    let template = |part: &str| environment.get_template(&format!("{name}{part}"));
    let subject = one_line(&template(".subject.txt")?.render(values)?);
    let subject: String = subject.chars().take(LONGEST_SUBJECT).collect();
    let mut text = template(".txt")?.render(values)?;
    text.push('\n');
    let html = template(".html")?.render(context! { subject => &*subject, ..values.clone() })?;
    Ok((subject, text, html))
}

/// An environment with these templates instead of those compiled in of the same name. One that cannot
/// be read is left out and named.
fn environment(
    others: &[(&'static str, String)],
    problems: &mut Vec<String>,
) -> Environment<'static> {
    let mut environment = Environment::new();
    // A misspelled name is a mistake, and not nothing.
    environment.set_undefined_behavior(UndefinedBehavior::Strict);
    for (name, source) in compiled_in() {
        let other = others.iter().find(|(other, _)| *other == name);
        if let Some((_, other)) = other {
            match environment.add_template_owned(name, other.clone()) {
                Ok(()) => continue,
                Err(problem) => problems.push(broken(name, &problem)),
            }
        }
        if let Err(problem) = environment.add_template(name, source) {
            problems.push(broken(name, &problem));
        }
    }
    environment
}

fn broken(name: &str, problem: &minijinja::Error) -> String {
    one_line(&format!("{name} cannot be used: {problem:#}"))
}

/// The operator's templates, tried out; none if nothing there works.
fn theirs(directory: &Path, problems: &mut Vec<String>) -> Option<Environment<'static>> {
    let mut others = Vec::new();
    for (name, _) in compiled_in() {
        match read(&directory.join(name)) {
            Ok(Some(text)) => others.push((name, text)),
            Ok(None) => {}
            Err(problem) => problems.push(one_line(&format!("{name} cannot be read: {problem}"))),
        }
    }
    if others.is_empty() {
        let names: Vec<_> = compiled_in().map(|(name, _)| name).collect();
        let names = names.join(", ");
        problems.push(format!("{} has none of {names}", directory.display()));
        return None;
    }
    let environment = environment(&others, problems);
    let mut whole = true;
    for (name, sample) in samples() {
        if let Err(problem) = render(&environment, name, &sample) {
            problems.push(one_line(&format!("{name} cannot be written: {problem:#}")));
            whole = false;
        }
    }
    whole.then_some(environment)
}

/// The file, if there is one.
fn read(file: &Path) -> std::io::Result<Option<String>> {
    match std::fs::metadata(file) {
        Err(missing) if missing.kind() == std::io::ErrorKind::NotFound => Ok(None),
        Err(problem) => Err(problem),
        Ok(found) if !found.is_file() => Err(std::io::Error::other("is no file")),
        Ok(found) if found.len() > LARGEST => Err(std::io::Error::other("is larger than 256 KiB")),
        Ok(_) => std::fs::read_to_string(file).map(Some),
    }
}

/// Every run of blanks and of control characters as one blank, without characters that turn what
/// follows around.
fn one_line(text: &str) -> String {
    let turns = |c: &char| matches!(c, '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    let text: String = text.chars().filter(|c| !turns(c)).collect();
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ")
}

/// As people write it: `4 December 2026, 14:05 UTC`.
fn moment(at: Timestamp) -> String {
    let at = at.datetime();
    let (hour, minute) = (at.hour(), at.minute());
    format!("{} {} {}, {hour:02}:{minute:02} UTC", at.day(), at.month(), at.year())
}

#[cfg(test)]
mod tests;
