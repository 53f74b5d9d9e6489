//! Documents that are written by the code: run with `UPDATE_EXPECT=1` to write them again.

pub mod links;
mod permissions;

use std::fmt::Write;

use auth_domain::{Conflict, Entity, Error, Invalid, InviteClosed, Unauthenticated};
use expect_test::expect_file;

fn row(text: &mut String, error: &Error, legacy: &str, advice: &str) {
    writeln!(
        text,
        "| `{}` | {} | {:?} | {legacy} | {advice} |",
        error.code(),
        auth_http::status(error).as_u16(),
        auth_grpc::code(error),
    )
    .unwrap();
}

#[test]
fn errors_are_documented() {
    let mut text = String::from(
        "# Errors\n\n\
         Written by a test from the code; `UPDATE_EXPECT=1 cargo test -p auth --test it docs` writes it again.\n\n\
         Over HTTP an error is a problem document (RFC 9457): `type`, `title`, `status`, `detail`, and as extensions `code`, which \
         never changes its meaning, `request_id`, and `error`, the text that the original answers in the same place. Over gRPC it is a \
         status with the original's text as its message and the code in the metadata `code`.\n\n\
         | Code | HTTP | gRPC | Original's text | What to do |\n| --- | --- | --- | --- | --- |\n",
    );
    // A row of a backup is malformed like any other input; one line says so.
    for reason in Invalid::ALL.iter().filter(|reason| !matches!(reason, Invalid::Row { .. })) {
        row(&mut text, &(*reason).into(), reason.text(), reason.advice());
    }
    for reason in Unauthenticated::ALL {
        row(&mut text, &(*reason).into(), reason.text(), "sign in, or show another credential");
    }
    for reason in InviteClosed::ALL {
        row(&mut text, &(*reason).into(), reason.text(), reason.advice());
    }
    let later = std::time::Duration::from_secs(1);
    for (error, advice) in [
        (Error::Forbidden, "ask for the role"),
        (Error::RegistrationClosed, "ask an operator for an account"),
        (Error::EmailUnverified, "open the link in the mail that was just sent, and try again"),
        (Error::NotFound(Entity::Org), "check the id, or ask for access"),
        (Error::AlreadyExists(Entity::Account), "pick another"),
        (Error::AlreadyExists(Entity::Membership), "change their role instead"),
        (Error::AlreadyExists(Entity::GroupMember), "leave it out"),
        (Error::Conflict(Conflict::LastRoot), "make somebody else a root first"),
        (Error::Conflict(Conflict::OwnerStays), "make another member the owner first"),
        (Error::Conflict(Conflict::InviteAnswered), "look at what became of it"),
        (Error::Conflict(Conflict::GroupCycle), "pick a parent that does not lie below the group"),
        (Error::Conflict(Conflict::GroupNotEmpty), "empty it first, or delete the subtree"),
        (Error::Conflict(Conflict::TooManyGroups), "remove the subtrees of its subgroups first"),
        (Error::Conflict(Conflict::Contention), "try again"),
        (
            Error::Conflict(Conflict::Differs),
            "settle which of the two is right; the log names the row",
        ),
        (Error::Conflict(Conflict::AddressTaken), "settle whose address it is"),
        (Error::RateLimited(later), "wait as long as `Retry-After` says"),
        (Error::unavailable("x"), "wait as long as `Retry-After` says; it is not a \"no\""),
        (Error::internal("x"), "tell the operator the request id"),
    ] {
        row(&mut text, &error, &error.to_string(), advice);
    }
    text.push_str(
        "\nOn HTTP only:\n\n| Code | HTTP | Text | What to do |\n| --- | --- | --- | --- |\n",
    );
    for reason in auth_http::Transport::ALL {
        let (status, advice) = (reason.status().as_u16(), reason.advice());
        writeln!(text, "| `{}` | {status} | {} | {advice} |", reason.code(), reason.text())
            .unwrap();
    }
    expect_file!["../../../../docs/errors.md"].assert_eq(&text);
}
