//! The description for people: `/openapi.json`, for the listener of the users service `/openapi-users.json`, and under `/docs/` a page that shows it.
//!
//! The page is compiled in, asks nobody but its own server, and its policy forbids it anything else.

use axum::Router;
use axum::response::{IntoResponse, Redirect};
use axum::routing::get;
use bytes::Bytes;
use http::HeaderValue;
use http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderName, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};

/// What the page may do: run its own script, use its own style, fetch from its own server.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; \
                      base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

const INDEX: &str = include_str!("docs_page/index.html");
const SCRIPT: &str = include_str!("docs_page/page.js");
const STYLE: &str = include_str!("docs_page/page.css");

/// The routes of the description and its page, for the operator's listener. The arguments are those
/// of [`crate::openapi`].
pub fn docs_router(accounts: bool, version: &str) -> Router {
    // It is made of texts, numbers and lists: there is nothing in it that could fail to serialise.
    let description = serde_json::to_vec(&crate::openapi(accounts, version)).unwrap_or_default();
    let description = Bytes::from(description);
    let users = Bytes::from(serde_json::to_vec(&crate::users_openapi(version)).unwrap_or_default());
    Router::new()
        .route("/openapi-users.json", get(async || asset("application/json", users)))
        .route("/openapi.json", get(async || asset("application/json", description)))
        // The page's own addresses are relative, so that it works behind a proxy's prefix.
        .route("/docs", get(async || Redirect::permanent("docs/")))
        .route("/docs/", get(async || asset("text/html; charset=utf-8", INDEX)))
        .route("/docs/page.js", get(async || asset("text/javascript; charset=utf-8", SCRIPT)))
        .route("/docs/page.css", get(async || asset("text/css; charset=utf-8", STYLE)))
}

fn asset(content_type: &'static str, body: impl IntoResponse) -> impl IntoResponse {
    let header = |name: HeaderName, value| (name, HeaderValue::from_static(value));
    let headers = [
        header(CONTENT_TYPE, content_type),
        header(CONTENT_SECURITY_POLICY, POLICY),
        header(X_CONTENT_TYPE_OPTIONS, "nosniff"),
        header(REFERRER_POLICY, "no-referrer"),
        // Another release may show another page at the same address.
        header(CACHE_CONTROL, "no-cache"),
    ];
    (headers, body)
}
