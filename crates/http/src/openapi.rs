//! The description of this interface (OpenAPI 3.1), made from the routes and from the types that
//! bodies are read into and answers are written from.
//!
//! What is said of a route stands in `docs.rs` beside the noun's file. A route cannot be listed
//! without it, and the tests of this crate hold every answer they get against it.

mod docs;
pub(crate) mod lists;
mod problems;
pub(crate) mod types;

use std::collections::BTreeMap;

use utoipa::openapi::path::{HttpMethod, PathItem, Paths};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityScheme};
use utoipa::openapi::tag::{Tag, TagBuilder};
use utoipa::openapi::{
    ComponentsBuilder, InfoBuilder, License, OpenApi, OpenApiBuilder, RefOr, Schema, Server,
    ServerBuilder, ServerVariableBuilder,
};

pub(crate) use docs::{Docs, Group};

use crate::{Route, routes, users_routes};

/// How the one security scheme is called.
const BEARER: &str = "bearer";

/// What holds for every route, so that no route repeats it.
const ABOUT: &str = "\
Keyward's HTTP interface: API keys, orgs, their members and invites, platform roles and, where the built-in directory is used, \
accounts.

**Requests.** Bodies are one JSON document of the content type `application/json`: no member twice, \
no member in another case, at most 256 KiB, 32 levels deep, 256 members an object and 16 KiB a text. \
`null` means the same as leaving the member out. Members and query parameters that a route does not \
know are ignored. A query parameter it knows must not be repeated.

**Answers.** JSON. A member that has nothing to say is left out. Moments are RFC 3339, UTC. Every \
answer has the header `x-request-id`, taken from the request if it was sane there, to be named when \
asking for help. `GET` routes serve `HEAD` too.

**Refusals.** Problem documents (RFC 9457). Programs decide by `code`, which never changes its \
meaning; `error` is the text that Mainflux clients read. With 503 and 429, the header `Retry-After` \
says when to try again; a 503 is never a \"no\".

The limits and waiting times named here are the defaults; operators can change them.";

/// The description of what [`crate::router`] serves, those of the accounts only if they are served.
/// `version` is the release, like `1.2.3`.
#[must_use]
pub fn openapi(accounts: bool, version: &str) -> OpenApi {
    describe(routes(accounts), version, "The public listener, wherever the operator put it.")
}

/// The description of what [`crate::router`] serves with the contract of the original's users service.
#[must_use]
pub fn users_openapi(version: &str) -> OpenApi {
    describe(users_routes(), version, "The listener of the users service: `MF_USERS_HTTP_PORT`.")
}

fn describe(
    routes: impl Iterator<Item = &'static Route>,
    version: &str,
    listener: &'static str,
) -> OpenApi {
    let mut paths = Paths::new();
    let mut schemas: BTreeMap<String, RefOr<Schema>> = problems::schemas().into_iter().collect();
    let mut groups = Vec::new();
    let mut refusals = Vec::new();
    let mut responses = BTreeMap::new();
    for route in routes {
        let described = (route.docs)().finish();
        schemas.extend(described.schemas);
        refusals.extend(described.refusals);
        responses.extend(described.responses);
        if !groups.contains(&described.group) {
            groups.push(described.group);
        }
        let item = PathItem::new(method(&route.method), described.operation);
        match paths.paths.get_mut(route.path) {
            Some(known) => known.merge_operations(item),
            None => drop(paths.paths.insert(route.path.to_owned(), item)),
        }
    }
    let components = ComponentsBuilder::new()
        .schemas_from_iter(schemas)
        .responses_from_iter(responses)
        .security_scheme(BEARER, bearer())
        .build();
    let info = InfoBuilder::new()
        .title("Keyward")
        .version(version)
        .description(Some(ABOUT))
        .license(Some(license()));
    OpenApiBuilder::new()
        .info(info)
        .servers(Some([server(listener)]))
        .paths(paths)
        .components(Some(problems::add_to(components, refusals)))
        .tags(Some(groups.into_iter().map(tag)))
        .build()
}

/// The methods that [`crate::Route`] can be made of.
fn method(method: &http::Method) -> HttpMethod {
    match method.as_str() {
        "POST" => HttpMethod::Post,
        "PUT" => HttpMethod::Put,
        "PATCH" => HttpMethod::Patch,
        "DELETE" => HttpMethod::Delete,
        _ => HttpMethod::Get,
    }
}

/// Not where this description is served, which is the operator's listener.
fn server(listener: &'static str) -> Server {
    let variable = |default| ServerVariableBuilder::new().default_value(default);
    ServerBuilder::new()
        .url("{scheme}://{host}:{port}")
        .description(Some(listener))
        .parameter("scheme", variable("http").enum_values(Some(["http", "https"])))
        .parameter("host", variable("localhost"))
        .parameter("port", variable("8180"))
        .build()
}

fn license() -> License {
    License::builder().name("Apache License 2.0").identifier(Some("Apache-2.0")).build()
}

fn tag(group: &Group) -> Tag {
    TagBuilder::new().name(group.name).description(Some(group.about)).build()
}

fn bearer() -> SecurityScheme {
    let about = "`Authorization: Bearer <token>` (RFC 6750), the scheme spelled exactly so. The token \
                 is a login token, or an API key where the route does not ask for a login token. To \
                 clients it is opaque.";
    SecurityScheme::Http(
        Http::builder()
            .scheme(HttpAuthScheme::Bearer)
            .bearer_format("JWT")
            .description(Some(about))
            .build(),
    )
}
