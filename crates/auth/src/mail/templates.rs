//! From what a mail tells to its words. The templates are compiled in; a directory may hold others.
//!
//! What people wrote is data for a template and never one: names reach it as values, HTML escapes
//! them, and nothing is rendered twice.

use std::path::Path;

use auth_domain::Timestamp;
use auth_domain::model::{Content, Draft, Letter, OrgRole};
use minijinja::value::Value;
use minijinja::{Environment, UndefinedBehavior, context};

use super::link::Base;

/// Every template: the name of its file, and what is compiled in.
const COMPILED_IN: [(&str, &str); 7] = [
    ("layout.html", include_str!("templates/layout.html")),
    ("org_invite.subject.txt", include_str!("templates/org_invite.subject.txt")),
    ("org_invite.html", include_str!("templates/org_invite.html")),
    ("org_invite.txt", include_str!("templates/org_invite.txt")),
    ("password_reset.subject.txt", include_str!("templates/password_reset.subject.txt")),
    ("password_reset.html", include_str!("templates/password_reset.html")),
    ("password_reset.txt", include_str!("templates/password_reset.txt")),
];
/// The mails there are, as the names of their files begin.
const INVITE: &str = "org_invite";
const RESET: &str = "password_reset";
/// Larger files are no templates.
const LARGEST: u64 = 256 * 1024;
/// A subject beyond this many characters is cut.
const LONGEST_SUBJECT: usize = 300;

/// Writes mails.
pub(crate) struct Writer {
    base: Base,
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
    /// Writes with these templates, or with those in the directory where it has any that work. What is
    /// wrong with it is said in the second part, a line each: it stops nobody.
    pub(crate) fn new(base: Base, directory: Option<&Path>) -> (Self, Vec<String>) {
        let mut problems = Vec::new();
        let compiled_in = environment(&[], &mut problems);
        let theirs = directory.and_then(|directory| theirs(directory, &mut problems));
        (Self { base, compiled_in, theirs }, problems)
    }

    /// The mail in words.
    pub(crate) fn write(
        &self,
        id: auth_domain::model::MailId,
        at: Timestamp,
        draft: Draft,
    ) -> Result<Letter, Unwritten> {
        let (name, values) = match &draft.content {
            Content::OrgInvite { invite, path, org, role, expires_at } => {
                let link = self.base.invite(path, *invite)?;
                (INVITE, invite_values(org.as_str(), *role, &link, *expires_at))
            }
            Content::PasswordReset { path, secret, expires_at } => {
                (RESET, link_values(&self.base.reset(path, secret)?, *expires_at))
            }
        };
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

fn invite_values(org: &str, role: OrgRole, link: &str, expires_at: Timestamp) -> Value {
    let role = role.as_str();
    let article = if role.starts_with(['a', 'e', 'i', 'o', 'u']) { "an" } else { "a" };
    context! {
        org_name => one_line(org),
        role => role,
        role_with_article => format!("{article} {role}"),
        ..link_values(link, expires_at)
    }
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
    for (name, source) in COMPILED_IN {
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
    for (name, _) in COMPILED_IN {
        match read(&directory.join(name)) {
            Ok(Some(text)) => others.push((name, text)),
            Ok(None) => {}
            Err(problem) => problems.push(one_line(&format!("{name} cannot be read: {problem}"))),
        }
    }
    if others.is_empty() {
        let names = COMPILED_IN.map(|(name, _)| name).join(", ");
        problems.push(format!("{} has none of {names}", directory.display()));
        return None;
    }
    let environment = environment(&others, problems);
    let (link, end) = ("https://example.com/", Timestamp::from_seconds(0));
    let samples = [
        (INVITE, invite_values("Acme", OrgRole::Viewer, link, end)),
        (RESET, link_values(link, end)),
    ];
    let mut whole = true;
    for (name, sample) in samples {
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
