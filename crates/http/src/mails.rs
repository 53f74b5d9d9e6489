//! Mails that wait to be sent. The original has no routes for them.

mod docs;

use auth_domain::Invalid;
use auth_domain::model::{MailState, Message, QueuedMail};
use auth_domain::ops::mails::{ListMails, RetryMail};
use auth_domain::{App, Operation, Result};
use axum::extract::State;
use axum::response::Response;
use axum::routing::on;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::bearer::Credential;
use crate::openapi::types;
use crate::path::Segment;
use crate::problem::Problem;
use crate::query::{FromParameters, PageAsked, Parameters, Query};
use crate::{Route, answer};

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/mails", ListMails::NAME, |method| on(method, list), docs::list),
    Route::post("/mails/{id}/retry", RetryMail::NAME, |method| on(method, retry), docs::retry),
];

/// What is asked of the list.
struct Asked {
    page: PageAsked,
    state: String,
}

impl FromParameters for Asked {
    fn from_parameters(parameters: &Parameters) -> Result<Self> {
        let page = PageAsked::from_parameters(parameters)?;
        Ok(Self { page, state: parameters.text("state")? })
    }
}

impl Asked {
    fn state(&self) -> Result<Option<MailState>> {
        let given = !self.state.is_empty();
        given.then(|| self.state.parse().map_err(|_| Invalid::QueryParameters.into())).transpose()
    }
}

async fn list(
    State(app): State<App>,
    credential: Credential,
    Query(asked): Query<Asked>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let (state, page) = (asked.state()?, asked.page.unordered()?);
    let listing = app.execute(caller, ListMails { state, page }).await?;
    let view = MailsView {
        limit: page.limit,
        offset: page.offset,
        total: listing.total,
        mails: listing.items.iter().map(MailView::from).collect(),
    };
    answer::json(StatusCode::OK, &view)
}

async fn retry(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let id = segment.id(Invalid::MissingMailId)?;
    app.execute(caller, RetryMail { id }).await?;
    Ok(answer::empty(StatusCode::NO_CONTENT))
}

/// A mail in the queue. Whom it goes to is found out when it is sent.
#[derive(Serialize, ToSchema)]
#[schema(as = Mail)]
struct MailView<'a> {
    /// Which one.
    #[schema(value_type = types::Id)]
    id: String,
    /// What kind of mail it is, such as `org_invite`.
    kind: &'a str,
    /// The invite it is about, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = types::Id, required = false)]
    invite_id: Option<String>,
    /// Whether it will be tried (again) or not.
    #[schema(value_type = types::MailState)]
    state: &'static str,
    /// How often sending it failed.
    attempts: u32,
    /// When what it tells of happened.
    #[schema(value_type = types::Moment)]
    created_at: String,
    /// After this moment it is not tried any more.
    #[schema(value_type = types::Moment)]
    expires_at: String,
    /// When it is tried next; for a dead one, when it died.
    #[schema(value_type = types::Moment)]
    due_at: String,
    /// Why the last try failed, in a word: `connect`, `timeout`, `connection`, `tls`, `greeting`,
    /// `sign_in`, `sender`, `recipient`, `message`, `lookup` (whom it goes to could not be found out),
    /// `address`, `expired`, `interrupted`, `unreadable`, `unwritable` or `panic`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    problem: Option<&'a str>,
}

impl<'a> From<&'a QueuedMail> for MailView<'a> {
    fn from(mail: &'a QueuedMail) -> Self {
        let invite = |message: &Message| match message {
            Message::OrgInvite { invite, .. } => Some(invite.to_string()),
            Message::PlatformInvite { invite, .. } => Some(invite.to_string()),
            Message::EmailVerification { .. }
            | Message::AccountVerification { .. }
            | Message::PasswordReset { .. } => None,
        };
        Self {
            id: mail.id.to_string(),
            kind: &mail.kind,
            invite_id: mail.message.as_ref().and_then(invite),
            state: mail.state.as_str(),
            attempts: mail.attempts,
            created_at: mail.created_at.to_string(),
            expires_at: mail.expires_at.to_string(),
            due_at: mail.due_at.to_string(),
            problem: mail.problem.as_deref(),
        }
    }
}

/// A page of mails, by id, ascending: the oldest first.
#[derive(Serialize, ToSchema)]
#[schema(as = Mails)]
struct MailsView<'a> {
    /// The most mails that could be on this page.
    limit: u64,
    /// How many mails were passed over.
    offset: u64,
    /// How many mails match on all pages.
    total: u64,
    /// The mails.
    mails: Vec<MailView<'a>>,
}
