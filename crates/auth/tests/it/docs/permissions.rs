//! Who may do what: every route and every gRPC method, asked by everybody with every credential, and
//! what they were answered as the golden file `docs/permissions.md`.
//!
//! Each answer is a service's first and only one: it is asked for what it would do if the caller may.

mod ask;
mod calls;
mod rows;
mod scene;
mod table;

use std::fmt::Write;

use auth_domain::model::{Action, OrgRole};
use auth_domain::policy;
use expect_test::expect_file;

use self::ask::{Rpc, ask_call, ask_row};
use self::calls::CALLS;
use self::rows::NOUNS;

#[test]
fn every_route_has_a_row_and_every_method_a_call() {
    let routes = auth_http::routes(true).chain(auth_http::users_routes());
    let routes: Vec<_> = routes.map(name).collect();
    let rows: Vec<_> =
        NOUNS.iter().flat_map(|(_, rows)| rows.iter().map(|row| row.route)).collect();
    let missing: Vec<_> = routes.iter().filter(|route| !rows.contains(&route.as_str())).collect();
    assert!(
        missing.is_empty(),
        "these routes have no row: {missing:?}. Say what to ask of them in \
         crates/auth/tests/it/docs/permissions/rows/, and who may; then write the document again with \
         UPDATE_EXPECT=1 cargo test -p auth --test it docs"
    );
    let stale: Vec<_> = rows.iter().filter(|row| !routes.contains(&(**row).to_owned())).collect();
    assert!(stale.is_empty(), "these rows are of no route: {stale:?}");

    let methods = Rpc::all();
    let called = |method: &&Rpc| CALLS.iter().any(|call| call.method == method.name);
    let missing: Vec<_> = methods.iter().filter(|method| !called(method)).collect();
    assert!(
        missing.is_empty(),
        "these methods have no call: {missing:?}. Say what to ask of them in \
         crates/auth/tests/it/docs/permissions/calls.rs, and who may; then write the document again"
    );
    let known = |name: &str| methods.iter().any(|method| method.name == name);
    let stale: Vec<_> = CALLS.iter().map(|call| call.method).filter(|name| !known(name)).collect();
    assert!(stale.is_empty(), "these calls are of no method: {stale:?}");
}

fn name(route: &auth_http::Route) -> String {
    format!("{} {}", route.method, route.path)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn s8_s34_everybody_is_answered_as_documented() {
    let mut text = String::from(
        "# Permissions\n\n\
         Written by a test, which asks everything here and writes down the answers; \
         `UPDATE_EXPECT=1 cargo test -p auth --test it docs` writes it again.\n\n\
         ## In an org\n\n\
         What each role may do. A platform role, `root` or `admin`, allows everything in every org that \
         exists. A stranger is told that there is no such org; `Authorize` answers them \
         `PermissionDenied`.\n\n\
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
        "\n## In a group\n\n\
         A role in a group holds in all that lies below it. It is the greatest of these: the roles given to \
         the user in the group and in those above it; what comes with their role in the org the group \
         belongs to; `admin`, in a tree of their own and for whoever has a platform role. Roles given in the \
         groups of an org count for members of the org only. Whoever has no role in a group is told that \
         there is no such group; `Authorize` answers `PermissionDenied` to everybody, also for a group that \
         does not exist.\n\n\
         | role in the org | role in its groups |\n| --- | --- |\n",
    );
    for role in OrgRole::ALL.into_iter().rev() {
        writeln!(text, "| {role} | {} |", policy::group_role_of(role)).unwrap();
    }
    text.push_str(
        "\n| role in the group | may |\n| --- | --- |\n\
         | admin | what an editor may; move and delete the group; say who has which role in it |\n\
         | editor | what a viewer may; change the group, assign and unassign members, make groups below it |\n\
         | viewer | see the group, what lies below it, its members and who was given which role |\n",
    );
    text.push_str(
        "\n## Over HTTP\n\n\
         What everybody is answered when they ask for something that exists: the status and, of a \
         refusal, the code ([errors.md](errors.md)), unless it is `forbidden` for 403 or `not_found` for \
         404. *Root* and *platform admin* have a platform role and belong to no org; *owner* to *viewer* \
         are roles in the org that is asked about; a *stranger* is signed in and belongs to no org. They \
         show a login token, which is what people get when they sign in; under *API key* an API key of \
         theirs; under *recovery* a recovery token, which is good for the password reset alone; under *bad* \
         a token that somebody changed, or text that is none; under *none* nothing. Whoever is refused has \
         changed nothing.\n",
    );
    for (noun, rows) in NOUNS {
        let mut answers = Vec::new();
        for row in *rows {
            answers.push((row, ask_row(row).await));
        }
        table::of_routes(&mut text, noun, &answers);
    }
    text.push_str(
        "\n## Over gRPC\n\n\
         Which services may call what. *Unknown*: the caller shows nothing. *A user*: it shows a user's \
         token, of whatever kind, as its own. *Not on the list*, *on the list*: it proves which service it \
         is, and `MF_AUTH_GRPC_ALLOW` does not or does let it.\n",
    );
    let methods = Rpc::all();
    let mut answers = Vec::new();
    for call in CALLS {
        let method = methods.iter().find(|method| method.name == call.method).unwrap();
        answers.push((call, ask_call(call, method.clone()).await));
    }
    table::of_methods(&mut text, &answers);
    text.push_str(
        "\nFor which users, if the message has a place for a token: the columns are those of HTTP, and the \
         code of `PermissionDenied` is `forbidden`, that of `NotFound` is `not_found`.\n",
    );
    table::of_tokens(&mut text, &answers);
    expect_file!["../../../../../docs/permissions.md"].assert_eq(&text);
}
