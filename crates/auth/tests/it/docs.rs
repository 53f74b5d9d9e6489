//! Documents that are written by the code: run with `UPDATE_EXPECT=1` to write them again.

use std::fmt::Write;

use auth_domain::model::{Action, OrgRole};
use auth_domain::{Conflict, Entity, Error, Invalid, Unauthenticated, policy};
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
    for reason in Invalid::ALL {
        row(&mut text, &(*reason).into(), reason.text(), reason.advice());
    }
    for reason in Unauthenticated::ALL {
        row(&mut text, &(*reason).into(), reason.text(), "sign in, or show another credential");
    }
    let later = std::time::Duration::from_secs(1);
    for (error, advice) in [
        (Error::Forbidden, "ask for the role"),
        (Error::RegistrationClosed, "ask an operator for an account"),
        (Error::NotFound(Entity::Org), "check the id, or ask for access"),
        (Error::AlreadyExists(Entity::Account), "pick another"),
        (Error::AlreadyExists(Entity::Membership), "change their role instead"),
        (Error::Conflict(Conflict::LastRoot), "make somebody else a root first"),
        (Error::Conflict(Conflict::OwnerStays), "make another member the owner first"),
        (Error::Conflict(Conflict::Contention), "try again"),
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

#[test]
fn permissions_are_documented() {
    let mut text = String::from(
        "# Permissions\n\n\
         Written by a test from the code; `UPDATE_EXPECT=1 cargo test -p auth --test it docs` writes it again.\n\n\
         ## In an org\n\n\
         What each role may do, by `policy::role_allows`. A platform role, `root` or `admin`, allows everything in every org that \
         exists. A stranger is told that there is no such org; `Authorize` answers them `PERMISSION_DENIED`.\n\n\
         | role | viewer | editor | admin | owner |\n| --- | --- | --- | --- | --- |\n",
    );
    for role in OrgRole::ALL.into_iter().rev() {
        write!(text, "| {role} |").unwrap();
        for action in Action::ALL {
            let mark = if policy::role_allows(role, action) { "yes" } else { "no" };
            write!(text, " {mark} |").unwrap();
        }
        text.push('\n');
    }
    text.push_str(
        "\n## Routes\n\n\
         Login tokens are what people get when they sign in; API keys act for their owner, without what needs a login token. Recovery \
         tokens open no route.\n\n\
         | Route | Who |\n| --- | --- |\n",
    );
    for route in auth_http::routes(true) {
        let who = who(route.operation).unwrap_or_else(|| panic!("{} has no row", route.path));
        writeln!(text, "| `{} {}` | {who} |", route.method, route.path).unwrap();
    }
    expect_file!["../../../../docs/permissions.md"].assert_eq(&text);
}

/// Who may use a route: one row for each operation, so that a new one does not go unnoticed. That
/// it is so is what the domain's tests show.
fn who(operation: &str) -> Option<&'static str> {
    Some(match operation {
        "issue_key" | "list_keys" | "retrieve_key" | "revoke_key" => {
            "whoever has a login token, for their own keys"
        }
        "revoke_keys" | "end_sessions" => "whoever has a login token, for themselves",
        "revoke_user_keys" | "end_user_sessions" => {
            "a platform role, with a login token; of a root: root"
        }
        "create_org" => "whoever is signed in; they become its owner",
        "list_orgs" => "whoever is signed in: their own orgs; a platform role: all",
        "view_org" | "list_org_memberships" | "view_org_membership" => "viewer",
        "update_org" => "admin",
        "remove_orgs" => "owner, of every org named",
        "create_org_memberships" => "admin, unless the operator switched it off",
        "update_org_memberships" | "remove_org_memberships" => {
            "admin, of members other than the owner"
        }
        "leave_org" => "every member but the owner",
        "transfer_org" => "owner, with a login token",
        "list_roles" => "a platform role, with a login token",
        "grant_role" | "remove_role" => "root, with a login token",
        "self_register" => "anybody, unless the operator closed it",
        "login" => "anybody with the right password",
        "view_profile" => "whoever is signed in, for themselves",
        "health" => "anybody",
        _ => return None,
    })
}
