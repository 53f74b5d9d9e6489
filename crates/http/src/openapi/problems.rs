//! Refusals in the description: which a route can give, each with the very document it sends.

use std::collections::BTreeMap;
use std::time::Duration;

use auth_domain::Error;
use http::StatusCode;
use utoipa::ToSchema;
use utoipa::openapi::example::ExampleBuilder;
use utoipa::openapi::{
    Components, ContentBuilder, HeaderBuilder, Ref, RefOr, Response, ResponseBuilder, Schema,
};

use super::types;
use crate::problem::{Document, Problem, Transport};

/// What any route can answer, whoever asks for whatever.
const OTHERS: &str = "Others";

/// The schema of a problem document.
pub(super) fn schemas() -> Vec<(String, RefOr<Schema>)> {
    vec![(Document::name().into_owned(), <Document<'_> as utoipa::PartialSchema>::schema())]
}

/// One response for each status among these refusals. What can have one code only reads the same
/// wherever it is: it becomes a component, by the name of its code.
pub(super) fn responses(
    refusals: &[Problem],
    components: &mut BTreeMap<&'static str, Response>,
) -> BTreeMap<StatusCode, RefOr<Response>> {
    let mut by_status: BTreeMap<StatusCode, Vec<&'static str>> = BTreeMap::new();
    for refusal in refusals {
        let codes = by_status.entry(refusal.status()).or_default();
        if !codes.contains(&refusal.code()) {
            codes.push(refusal.code());
        }
    }
    let mut shared = |status, codes: &[&'static str]| {
        let response = response(status, meaning(status), codes);
        let [only] = codes else { return response.into() };
        components.insert(only, response);
        Ref::from_response_name(*only).into()
    };
    by_status.into_iter().map(|(status, codes)| (status, shared(status, &codes))).collect()
}

/// What goes wrong around every route.
pub(super) fn others() -> Ref {
    Ref::from_response_name(OTHERS)
}

/// Adds what [`responses`] and [`others`] refer to, given the refusals of all routes. Of two with the
/// same code the first is the example.
pub(super) fn add_to(mut components: Components, mut refusals: Vec<Problem>) -> Components {
    let every_route = [
        Problem::from(Transport::HeadSize),
        Error::RateLimited(Duration::from_secs(30)).into(),
        Error::internal("an example").into(),
        Transport::Deadline.into(),
    ];
    let codes: Vec<_> = every_route.iter().map(Problem::code).collect();
    let about = "Whatever the route, a request can fail with 431 because its headers are too large, \
                 with 429 because there were too many (`Retry-After` says when to come back), with \
                 500 because of a fault of this service, and with 504 because it took too long.";
    let others = response(StatusCode::INTERNAL_SERVER_ERROR, about, &codes);
    components.responses.insert(OTHERS.to_owned(), others.into());
    refusals.extend(every_route);
    for problem in refusals {
        let example =
            ExampleBuilder::new().summary(problem.summary()).value(Some(problem.example())).build();
        components.examples.entry(problem.code().to_owned()).or_insert(example.into());
    }
    components
}

fn response(status: StatusCode, about: &str, codes: &[&str]) -> Response {
    let examples = codes.iter().map(|code| {
        let example = Ref::new(format!("#/components/examples/{code}"));
        (*code, RefOr::Ref(example))
    });
    let content = ContentBuilder::new()
        .schema(Some(Ref::from_schema_name(Document::name())))
        .examples_from_iter(examples)
        .build();
    let codes: Vec<_> = codes.iter().map(|code| format!("`{code}`")).collect();
    let mut response = ResponseBuilder::new()
        .description(format!("{about} Codes: {}.", codes.join(", ")))
        .content("application/problem+json", content);
    if matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE) {
        let seconds = HeaderBuilder::new()
            .schema(Some(types::integer().minimum(Some(1u64)).build()))
            .description(Some("How many seconds to wait before trying again."));
        response = response.header("Retry-After", seconds.build());
    }
    if status == StatusCode::UNAUTHORIZED {
        let challenge = HeaderBuilder::new()
            .schema(Some(types::text().enum_values(Some(["Bearer"])).build()))
            .description(Some("The scheme that is wanted (RFC 6750)."));
        response = response.header("WWW-Authenticate", challenge.build());
    }
    response.build()
}

/// What a status means here, in a sentence.
fn meaning(status: StatusCode) -> &'static str {
    match status {
        StatusCode::BAD_REQUEST => "The request cannot be accepted as it is.",
        StatusCode::UNAUTHORIZED => "There is no credential, or it is not good for this.",
        StatusCode::FORBIDDEN => "The caller is known and may not do this.",
        StatusCode::NOT_FOUND => "There is no such thing, or none the caller may know of.",
        StatusCode::REQUEST_TIMEOUT => "The body stopped coming.",
        StatusCode::CONFLICT => {
            "It contradicts what is stored, or what others are changing just now."
        }
        StatusCode::PAYLOAD_TOO_LARGE => "The body is too large.",
        StatusCode::UNSUPPORTED_MEDIA_TYPE => "The body is not `application/json`.",
        StatusCode::TOO_MANY_REQUESTS => "Too many tries.",
        StatusCode::SERVICE_UNAVAILABLE => "Something this service needs is away for the moment.",
        _ => "The request was not served.",
    }
}
