//! The HTTP transport: what clients of the original's REST interface see.
//!
//! Read in this order:
//!
//! 1. `keys`, `sessions`, `orgs`, `members`, `member_backup`, `groups`, `group_members`, `invites`, `roles`,
//!    `explain`, `introspection`, `mails`, `accounts`, `sign_ins`, `account_admin`, `passwords`, `platform_invites`, `audit`, `backup`, `users_backup`, `public_keys`, `health`: one file per noun with its routes, handlers, bodies and
//!    views. A handler understands, executes and answers; nothing else.
//! 2. What handlers understand with: `body` (over `json`), `query`, `path`, `bearer`.
//! 3. What they answer with: `answer` and `problem`. What is large comes by `upload` and goes by `stream`.
//! 4. `limits`, which is around all of it: how large, how slow, and what no route matches.
//! 5. `openapi`, which describes it all to client authors from what stands in each noun's `docs`, and
//!    `docs_page`, which shows that on the operator's listener.
//!
//! Every handler checks in the same order, which clients can tell: the content type, then whether
//! body and query can be read, then whether there is a token, then the fields, and only then does
//! the operation look at the token and at anything stored.

mod account_admin;
mod accounts;
mod answer;
mod audit;
mod backup;
mod bearer;
mod body;
mod docs_page;
mod explain;
mod group_members;
mod groups;
mod health;
mod introspection;
mod invites;
mod keys;
mod limits;
mod mails;
mod member_backup;
mod members;
mod openapi;
mod orgs;
mod passwords;
mod path;
mod platform_invites;
mod problem;
mod public_keys;
mod query;
mod roles;
mod sessions;
mod sign_ins;
mod stream;
mod upload;
mod users_backup;

use std::fmt;
use std::sync::Arc;

use auth_domain::App;
use auth_domain::ports::Priority;
use axum::Router;
use axum::extract::FromRef;
use axum::routing::{MethodFilter, MethodRouter, post};
use http::Method;

use crate::openapi::Docs;

pub use audit::audit_record_json;
pub use backup::report_json;
pub use docs_page::docs_router;
pub use limits::Limits;
pub use openapi::{openapi, users_openapi};
pub use problem::{Transport, status};

/// Whose paths are served: both services of the original have some of the same, such as `/backup`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Contract {
    /// Those of its auth service, and of its users service those that do not stand in their way.
    #[default]
    Auth,
    /// Those of its users service and no others.
    Users,
}

/// What the operator decided about this transport.
#[derive(Clone, Debug, Default)]
pub struct Options {
    /// Whose paths are served.
    pub contract: Contract,
    /// Whether the accounts of the built-in directory are served here.
    pub accounts: bool,
    /// What `GET /health` says of the build.
    pub build: Build,
    /// How large and how slow requests may be.
    pub limits: Limits,
    /// Who knows sibling services; without it none is one here.
    pub services: Option<Arc<dyn Services>>,
}

/// Knows sibling services by what they show.
pub trait Services: fmt::Debug + Send + Sync {
    /// The service whose token this is.
    fn service(&self, token: &str) -> Option<Service>;
}

/// A sibling service that is known.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Service {
    /// Its name.
    pub name: Arc<str>,
    /// Whether it may ask about tokens, which is all that services ask for over HTTP.
    pub may_introspect: bool,
}

/// Which build this is, as `GET /health` shows it.
#[derive(Clone, Debug)]
pub struct Build {
    /// The release, like `1.2.3`.
    pub version: String,
    /// The commit it was built from.
    pub commit: String,
    /// When it was built.
    pub time: String,
}

impl Default for Build {
    /// What the original shows when nobody said.
    fn default() -> Self {
        Self {
            version: "0.0.0".to_owned(),
            commit: "ffffffff".to_owned(),
            time: "1970-01-01_00:00:00".to_owned(),
        }
    }
}

/// What handlers can reach.
#[derive(Clone)]
pub(crate) struct Api {
    app: App,
    options: Arc<Options>,
    /// What is served here.
    served: Arc<[&'static Route]>,
}

impl FromRef<Api> for App {
    fn from_ref(api: &Api) -> Self {
        api.app.clone()
    }
}

/// One method on one path.
#[derive(Debug)]
pub struct Route {
    /// The method. A `GET` serves `HEAD` too.
    pub method: Method,
    /// The path, its variable segment in braces.
    pub path: &'static str,
    /// The operation behind it, by [`auth_domain::Operation::NAME`]; `health` has none behind it.
    pub operation: &'static str,
    /// What goes first when not everything can be done. What reads or writes all there is of something goes last, and may
    /// take longer than others.
    pub priority: Priority,
    filter: MethodFilter,
    endpoint: Endpoint,
    docs: fn() -> Docs,
}

/// What turns a handler into an endpoint for a method: `|method| on(method, handler)`.
type Endpoint = fn(MethodFilter) -> MethodRouter<Api>;

impl Route {
    const fn get(
        path: &'static str,
        operation: &'static str,
        endpoint: Endpoint,
        docs: fn() -> Docs,
    ) -> Self {
        Self::new(Method::GET, MethodFilter::GET, path, operation, endpoint, docs)
    }

    const fn post(
        path: &'static str,
        operation: &'static str,
        endpoint: Endpoint,
        docs: fn() -> Docs,
    ) -> Self {
        Self::new(Method::POST, MethodFilter::POST, path, operation, endpoint, docs)
    }

    const fn put(
        path: &'static str,
        operation: &'static str,
        endpoint: Endpoint,
        docs: fn() -> Docs,
    ) -> Self {
        Self::new(Method::PUT, MethodFilter::PUT, path, operation, endpoint, docs)
    }

    const fn patch(
        path: &'static str,
        operation: &'static str,
        endpoint: Endpoint,
        docs: fn() -> Docs,
    ) -> Self {
        Self::new(Method::PATCH, MethodFilter::PATCH, path, operation, endpoint, docs)
    }

    const fn delete(
        path: &'static str,
        operation: &'static str,
        endpoint: Endpoint,
        docs: fn() -> Docs,
    ) -> Self {
        Self::new(Method::DELETE, MethodFilter::DELETE, path, operation, endpoint, docs)
    }

    const fn new(
        method: Method,
        filter: MethodFilter,
        path: &'static str,
        operation: &'static str,
        endpoint: Endpoint,
        docs: fn() -> Docs,
    ) -> Self {
        let priority = Priority::Management;
        Self { method, path, operation, priority, filter, endpoint, docs }
    }

    /// The same with the priority of its operation, where that is another.
    const fn at(mut self, priority: Priority) -> Self {
        self.priority = priority;
        self
    }

    /// The path with nothing where its last segment should be, if that segment is variable: the
    /// original's routes match it, and answer that the id is missing.
    fn without_id(&self) -> Option<&'static str> {
        let slash = self.path.rfind('/')?;
        let (parent, last) = self.path.split_at_checked(slash.checked_add(1)?)?;
        last.starts_with('{').then_some(parent)
    }
}

/// Every route of [`Contract::Users`].
pub fn users_routes() -> impl Iterator<Item = &'static Route> {
    [
        accounts::ROUTES,
        account_admin::ROUTES,
        passwords::ROUTES,
        platform_invites::USERS_ROUTES,
        users_backup::ROUTES,
        health::ROUTES,
    ]
    .into_iter()
    .flatten()
}

/// Every route of [`Contract::Auth`], those of the accounts only if they are served.
pub fn routes(accounts: bool) -> impl Iterator<Item = &'static Route> {
    let accounts: [&[Route]; 5] = if accounts {
        [
            accounts::ROUTES,
            sign_ins::ROUTES,
            account_admin::ROUTES,
            passwords::ROUTES,
            platform_invites::ROUTES,
        ]
    } else {
        [&[]; 5]
    };
    let [accounts, sign_ins, account_admin, passwords, platform_invites] = accounts;
    [
        keys::ROUTES,
        sessions::ROUTES,
        orgs::ROUTES,
        members::ROUTES,
        member_backup::ROUTES,
        groups::ROUTES,
        group_members::ROUTES,
        invites::ROUTES,
        roles::ROUTES,
        explain::ROUTES,
        introspection::ROUTES,
        mails::ROUTES,
        audit::ROUTES,
        accounts,
        sign_ins,
        account_admin,
        passwords,
        platform_invites,
        backup::ROUTES,
        public_keys::ROUTES,
        health::ROUTES,
    ]
    .into_iter()
    .flatten()
}

/// The router of a public listener. It expects a request id in the header `x-request-id`; it works without.
pub fn router(app: App, options: Options) -> Router {
    let options = Arc::new(options);
    let served: Arc<[&Route]> = match options.contract {
        Contract::Auth => routes(options.accounts).collect(),
        Contract::Users => users_routes().collect(),
    };
    let mut router = Router::new();
    for route in served.iter() {
        let endpoint = || (route.endpoint)(route.filter);
        router = router.route(route.path, endpoint());
        if let Some(path) = route.without_id() {
            router = router.route(path, endpoint());
        }
    }
    if options.contract == Contract::Auth {
        for path in invites::OTHER_ANSWERS {
            router = router.route(path, post(invites::other_answer));
        }
    }
    let api = Api { app, options, served };
    router
        .fallback(limits::unmatched)
        .with_state(api.clone())
        .layer(axum::middleware::from_fn_with_state(api, limits::guard))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_variable_last_segment_can_be_left_out() {
        let without_id = |path| {
            let endpoint: Endpoint = |method| axum::routing::on(method, || async {});
            Route::get(path, "test", endpoint, health::docs).without_id()
        };
        assert_eq!(without_id("/orgs/{id}"), Some("/orgs/"));
        assert_eq!(without_id("/orgs"), None);
        assert_eq!(without_id("/orgs/search"), None);
    }
}
