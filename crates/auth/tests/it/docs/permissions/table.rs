//! What everybody was answered, as tables.

use std::fmt::Write;

use super::ask::{Answer, Answers, ByCaller, ByUser};
use super::calls::Call;
use super::rows::Row;
use super::scene::Place;

/// What users are answered by the routes of a noun.
pub fn of_routes(text: &mut String, noun: &str, answers: &[(&Row, ByUser)]) {
    write!(text, "\n### {noun}\n\n").unwrap();
    head(text, "Route");
    for (row, by_user) in answers {
        line(text, row.route, row.of, row.who, by_user);
    }
}

/// What services are answered, method by method.
pub fn of_methods(text: &mut String, answers: &[(&Call, ByCaller)]) {
    text.push_str(
        "\n| Method | Which services | unknown | a user | not on the list | on the list |\n\
         | --- | --- | --- | --- | --- | --- |\n",
    );
    let mut last = "";
    for (call, by_caller) in answers {
        let ByCaller { unknown, user, unlisted, listed, .. } = by_caller;
        if call.method != last {
            let (method, service) = (call.method, call.service);
            writeln!(
                text,
                "| `{method}` | {service} | {unknown} | {user} | {unlisted} | {listed} |"
            )
            .unwrap();
        }
        last = call.method;
    }
}

/// What users are answered by methods that take their token, through a service on the list.
pub fn of_tokens(text: &mut String, answers: &[(&Call, ByCaller)]) {
    text.push('\n');
    head(text, "Method");
    for (call, by_caller) in answers {
        if let Some(by_user) = &by_caller.tokens {
            line(text, call.method, call.of, call.user, by_user);
        }
    }
}

fn head(text: &mut String, what: &str) {
    write!(text, "| {what} | Who |").unwrap();
    for place in Place::ALL {
        write!(text, " {} |", place.name()).unwrap();
    }
    text.push_str(" API key | recovery | bad | none |\n|");
    text.push_str(&" --- |".repeat(Place::ALL.len() + 6));
    text.push('\n');
}

fn line(text: &mut String, what: &str, of: &str, who: &str, by_user: &ByUser) {
    let ByUser { login, key, recovery, bad, none } = by_user;
    write!(text, "| {} | {who} |", named(what, of)).unwrap();
    for answer in login {
        write!(text, " {answer} |").unwrap();
    }
    let (key, recovery) = (summary(key, login), summary(recovery, login));
    writeln!(text, " {key} | {recovery} | {bad} | {none} |").unwrap();
}

fn named(what: &str, of: &str) -> String {
    if of.is_empty() { format!("`{what}`") } else { format!("`{what}` {of}") }
}

/// What everybody is answered with one kind of credential, in few words.
fn summary(answers: &Answers, login: &Answers) -> String {
    if answers.iter().all(|answer| *answer == answers[0]) {
        return answers[0].to_string();
    }
    if answers == login {
        return "the same".to_owned();
    }
    let mut groups: Vec<(&Answer, Vec<&str>)> = Vec::new();
    for (answer, place) in answers.iter().zip(Place::ALL) {
        match groups.iter_mut().find(|(other, _)| *other == answer) {
            Some((_, names)) => names.push(place.name()),
            None => groups.push((answer, vec![place.name()])),
        }
    }
    let groups = groups.iter().map(|(answer, names)| format!("{}: {answer}", names.join(", ")));
    groups.collect::<Vec<_>>().join("; ")
}
