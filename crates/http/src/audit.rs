//! The audit trail. The original has none.

mod docs;

use auth_domain::audit::{AuditQuery, AuditRecord, Trail, hex};
use auth_domain::model::Page;
use auth_domain::ops::audit::{ListAudit, ListOrgAudit};
use auth_domain::ops::paging::Paged;
use auth_domain::{App, Error, Invalid, Operation, Result, Timestamp};
use axum::extract::State;
use axum::response::Response;
use axum::routing::on;
use http::StatusCode;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

use crate::bearer::Credential;
use crate::openapi::types;
use crate::path::Segment;
use crate::problem::Problem;
use crate::query::{FromParameters, PageOrCursor, Parameters, Query};
use crate::{Route, answer};

pub(crate) const ROUTES: &[Route] = &[
    Route::get("/audit", ListAudit::NAME, |method| on(method, list), docs::list),
    Route::get(
        "/orgs/{id}/audit",
        ListOrgAudit::NAME,
        |method| on(method, list_of_org),
        docs::list_of_org,
    ),
];

/// Which records are asked for.
struct AuditAsked {
    part: PageOrCursor,
    trail: &'static str,
    actor: String,
    action: String,
    object: String,
    from: String,
    to: String,
}

impl FromParameters for AuditAsked {
    fn from_parameters(parameters: &Parameters) -> Result<Self> {
        Ok(Self {
            part: PageOrCursor::from_parameters(parameters)?,
            trail: parameters.word("trail", Trail::ALL.map(Trail::as_str))?,
            actor: parameters.text("actor")?,
            action: parameters.text("action")?,
            object: parameters.text("object")?,
            from: parameters.text("from")?,
            to: parameters.text("to")?,
        })
    }
}

impl AuditAsked {
    fn query(&self) -> Result<AuditQuery> {
        let text = |text: &str| (!text.is_empty()).then(|| text.to_owned());
        Ok(AuditQuery {
            trail: self.trail.parse()?,
            org: None,
            actor: text(&self.actor),
            action: text(&self.action),
            object: text(&self.object),
            from: moment(&self.from)?,
            to: moment(&self.to)?,
        })
    }
}

fn moment(text: &str) -> Result<Option<Timestamp>> {
    if text.is_empty() {
        return Ok(None);
    }
    text.parse().map(Some).map_err(|_| Invalid::QueryParameters.into())
}

async fn list(
    State(app): State<App>,
    credential: Credential,
    Query(asked): Query<AuditAsked>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let (query, part) = (asked.query()?, asked.part.part()?);
    let (trail, asked) = (query.trail, part.page);
    let page = app.execute(caller, ListAudit { query, part }).await?;
    show(trail, asked, &page)
}

async fn list_of_org(
    State(app): State<App>,
    credential: Credential,
    segment: Segment,
    Query(asked): Query<AuditAsked>,
) -> Result<Response, Problem> {
    let caller = credential.caller()?;
    let org = segment.id(Invalid::MissingOrgId)?;
    let (query, part) = (asked.query()?, asked.part.part()?);
    let (trail, asked) = (query.trail, part.page);
    let page = app.execute(caller, ListOrgAudit { org, query, part }).await?;
    show(trail, asked, &page)
}

fn show(trail: Trail, asked: Page<()>, page: &Paged<AuditRecord>) -> Result<Response, Problem> {
    let records = page.items.iter().map(RecordView::from).collect();
    let view = RecordsView {
        trail: trail.as_str(),
        limit: asked.limit,
        offset: asked.offset,
        records,
        next_cursor: page.next.as_deref(),
    };
    answer::json(StatusCode::OK, &view)
}

/// A record, for programs: the same over HTTP and on the command line.
pub fn audit_record_json(record: &AuditRecord) -> Result<Value> {
    serde_json::to_value(RecordView::from(record)).map_err(Error::internal)
}

/// What the audit trail says of one thing that happened.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditRecord)]
struct RecordView<'a> {
    /// Its number in its trail, from 1 on.
    place: i64,
    /// When it was asked for; of several attempts, the first of them.
    #[schema(value_type = types::Moment)]
    at: String,
    /// Who asked: `user:` and their id, followed by `/key:` and its id if by an API key; `service:` and its name;
    /// `operator`, `system` or `anonymous`.
    actor: &'a str,
    /// How they proved it.
    #[schema(value_type = types::ActorKind)]
    actor_kind: &'static str,
    /// The address the request came from; not shown to the admins of an org.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    peer: Option<&'a str>,
    /// The id of the request.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    request_id: Option<&'a str>,
    /// The trace the request belongs to.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    trace_id: Option<&'a str>,
    /// The operation that was asked for, as metrics and logs name it.
    operation: &'a str,
    /// What happened, like `membership.update`; in the trail of attempts `sign_in`, `refusal` and what ends in `.others`.
    action: &'a str,
    /// The user it happened to, if to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    subject: Option<&'a str>,
    /// The thing it happened to; empty when it was no one thing.
    object: &'a str,
    /// The org it happened in, if in one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = types::Id, required = false)]
    org_id: Option<&'a str>,
    /// `ok`, or the code of the error.
    outcome: &'a str,
    /// How often; more than once only for attempts.
    count: i64,
    /// What else there is to say: of a role, `role` is the new one and `role_before` the one it replaced.
    #[schema(value_type = types::Details)]
    details: Value,
    /// The digest of this record and of the one before it, in hexadecimal digits.
    hash: String,
}

impl<'a> From<&'a AuditRecord> for RecordView<'a> {
    fn from(AuditRecord { place, entry, hash }: &'a AuditRecord) -> Self {
        Self {
            place: *place,
            at: entry.at.to_string(),
            actor: &entry.actor,
            actor_kind: entry.actor_kind(),
            peer: entry.peer.as_deref(),
            request_id: entry.request.as_deref(),
            trace_id: entry.trace.as_deref(),
            operation: &entry.operation,
            action: &entry.action,
            subject: entry.subject.as_deref(),
            object: &entry.object,
            org_id: entry.org.as_deref(),
            outcome: &entry.outcome,
            count: entry.count,
            // Somebody may have written into the table: their record is shown as it is, and so are all others.
            details: serde_json::from_str(&entry.details)
                .unwrap_or_else(|_| Value::String(entry.details.clone())),
            hash: hex(hash),
        }
    }
}

/// A page of records, newest first.
#[derive(Serialize, ToSchema)]
#[schema(as = AuditRecords)]
struct RecordsView<'a> {
    /// Of which trail.
    #[schema(value_type = types::Trail)]
    trail: &'static str,
    /// The most records that could be on this page.
    limit: u64,
    /// How many records were passed over.
    offset: u64,
    /// The records.
    records: Vec<RecordView<'a>>,
    /// What to ask for as `cursor` to get the next page; absent on the last one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    next_cursor: Option<&'a str>,
}

#[cfg(test)]
mod tests {
    use auth_domain::audit::Entry;
    use serde_json::json;

    use super::*;

    #[test]
    fn s94_details_that_are_no_json_are_shown_as_text() {
        let now = Timestamp::from_seconds(1_700_000_000);
        let mut entry = Entry::own("audit", "org.create", now, &json!({ "role": "root" }));
        let shown = |entry: &Entry| {
            let record = AuditRecord { place: 1, entry: entry.clone(), hash: [0; 32] };
            audit_record_json(&record).unwrap()["details"].clone()
        };
        assert_eq!(shown(&entry), json!({ "role": "root" }));
        entry.details = "{\"role\":".to_owned();
        assert_eq!(shown(&entry), json!("{\"role\":"));
    }
}
