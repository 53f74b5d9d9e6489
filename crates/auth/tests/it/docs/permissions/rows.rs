//! What to ask of each route: one row each, by noun.
//!
//! A new route needs a row here: in the file of its noun, or in a new file with a line in [`NOUNS`].
//! A row asks what would be served if the caller may. Then write the document again and read in the
//! difference whether everybody is answered as you meant.

mod accounts;
mod audit;
mod backup;
mod groups;
mod health;
mod invites;
mod keys;
mod mails;
mod members;
mod orgs;
mod platform_invites;
mod public_keys;
mod roles;
mod sessions;
mod users_backup;

use std::pin::Pin;

use serde_json::Value;

use super::scene::Scene;

/// The document's tables of routes.
pub const NOUNS: &[(&str, &[Row])] = &[
    ("API keys", keys::ROWS),
    ("Ending access", sessions::ROWS),
    ("Orgs", orgs::ROWS),
    ("Members", members::ROWS),
    ("Groups", groups::ROWS),
    ("Invites", invites::ROWS),
    ("Platform roles", roles::ROWS),
    ("Mails", mails::ROWS),
    ("Accounts", accounts::ROWS),
    ("Platform invites", platform_invites::ROWS),
    ("Audit trail", audit::ROWS),
    ("Backups", backup::ROWS),
    ("Backups of accounts, on `MF_USERS_HTTP_PORT`", users_backup::ROWS),
    ("Public keys", public_keys::ROWS),
    ("Health", health::ROWS),
];

/// A request to one route. Several rows may ask the same route for different things.
pub struct Row {
    /// The route: its method and its path as the router has it.
    pub route: &'static str,
    /// What is asked of it, if the route alone does not say, like `of somebody else`.
    pub of: &'static str,
    /// Who may, in words, with what an operator may change of it.
    pub who: &'static str,
    /// Sets the scene for the request and words it.
    pub ask: Ask,
}

/// Sets a scene and words a request.
pub type Ask = for<'a> fn(&'a Scene) -> Later<'a, Request>;
/// A value that takes some doing.
pub type Later<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

impl Row {
    pub const fn new(route: &'static str, who: &'static str, ask: Ask) -> Self {
        Self { route, of: "", who, ask }
    }

    /// The same route, asked for something else.
    pub const fn of(mut self, of: &'static str) -> Self {
        self.of = of;
        self
    }
}

/// A request without its method, which the route says, and without credentials.
pub struct Request {
    pub path: String,
    pub body: Option<Value>,
    pub content_type: &'static str,
    /// Whether it goes to the listener with the contract of the users service.
    pub to_users_port: bool,
}

/// A request without a body.
pub fn at(path: impl Into<String>) -> Request {
    Request {
        path: path.into(),
        body: None,
        content_type: "application/json",
        to_users_port: false,
    }
}

impl Request {
    pub fn with(mut self, body: Value) -> Self {
        self.body = Some(body);
        self
    }

    /// To the listener with the contract of the users service.
    pub const fn on_users_port(mut self) -> Self {
        self.to_users_port = true;
        self
    }

    /// With a form as its body.
    pub fn form(mut self, form: String) -> Self {
        self.content_type = "application/x-www-form-urlencoded";
        self.with(Value::String(form))
    }

    /// With a file as its body.
    pub fn file(mut self, body: Value) -> Self {
        self.content_type = "application/octet-stream";
        self.with(body)
    }

    /// The request, for a scene that is set already.
    pub fn now<'a>(self) -> Later<'a, Self> {
        Box::pin(std::future::ready(self))
    }
}
