//! What OAuth 2.0 has for asking of tokens and taking them back. The original has neither.

mod docs;

use auth_domain::model::Token;
use auth_domain::ops::introspection::{ActiveToken, Introspect, RevokeToken, TokenKind};
use auth_domain::{App, Caller, Error, Invalid, Operation, Result};
use axum::extract::State;
use axum::response::Response;
use axum::routing::on;
use http::StatusCode;
use serde::Serialize;
use utoipa::ToSchema;

use crate::bearer::Credential;
use crate::body::Form;
use crate::openapi::types;
use crate::problem::Problem;
use crate::query::{FromParameters, Parameters};
use crate::{Api, Route, answer};

pub(crate) const ROUTES: &[Route] = &[
    Route::post("/introspect", Introspect::NAME, |method| on(method, introspect), docs::introspect)
        .at(Introspect::PRIORITY),
    Route::post("/revoke", RevokeToken::NAME, |method| on(method, revoke), docs::revoke),
];

/// The token that is asked about. `token_type_hint` may be sent and changes nothing: what a token is shows.
#[derive(ToSchema)]
#[schema(as = TokenForm)]
struct TokenForm {
    /// The token.
    #[schema(value_type = String, format = Password, write_only)]
    token: Token,
}

impl FromParameters for TokenForm {
    fn from_parameters(parameters: &Parameters) -> Result<Self> {
        let token = parameters.text("token").map_err(|_| Invalid::Form)?;
        if token.is_empty() {
            return Err(Invalid::Form.into());
        }
        Ok(Self { token: Token::new(token) })
    }
}

async fn introspect(
    State(api): State<Api>,
    credential: Credential,
    Form(form): Form<TokenForm>,
) -> Result<Response, Problem> {
    let caller = match credential.service(api.options.services.as_deref()) {
        Some(service) if service.may_introspect => Caller::Service(service.name),
        Some(service) => {
            api.app.note_refusal(Some(service.name), Introspect::NAME, &Error::Forbidden);
            return Err(Error::Forbidden.into());
        }
        None => credential.caller()?,
    };
    let found = api.app.execute(caller, Introspect { token: form.token }).await?;
    answer::json(StatusCode::OK, &IntrospectionView::from(found.as_ref()))
}

async fn revoke(State(app): State<App>, Form(form): Form<TokenForm>) -> Result<Response, Problem> {
    app.execute(Caller::Anonymous, RevokeToken { token: form.token }).await?;
    Ok(answer::empty(StatusCode::OK))
}

/// What a token says, if it is good.
#[derive(Serialize, ToSchema)]
#[schema(as = Introspection)]
struct IntrospectionView<'a> {
    /// Whether it is good. If not, there is nothing else.
    active: bool,
    /// How it is shown: `Bearer`; a refresh token is shown to nobody but this service.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    token_type: Option<&'static str>,
    /// What it is: `login`, `access`, `api_key` or `refresh`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    kind: Option<&'static str>,
    /// Whose it is.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = types::Id, required = false)]
    sub: Option<String>,
    /// Their e-mail address.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = String, required = false)]
    username: Option<&'a str>,
    /// When it was made, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false)]
    iat: Option<i64>,
    /// The last second it is good for, in seconds since 1970, if there is one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = i64, required = false)]
    exp: Option<i64>,
    /// Its own id, if it has one: of an API key, the key's.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = types::Id, required = false)]
    jti: Option<&'a str>,
    /// The session it belongs to, if to one.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schema(value_type = types::Id, required = false)]
    sid: Option<String>,
}

impl<'a> From<Option<&'a ActiveToken>> for IntrospectionView<'a> {
    fn from(found: Option<&'a ActiveToken>) -> Self {
        let bearer = found.filter(|token| token.kind != TokenKind::Refresh);
        Self {
            active: found.is_some(),
            token_type: bearer.map(|_| "Bearer"),
            kind: found.map(|token| token.kind.as_str()),
            sub: found.map(|token| token.user.to_string()),
            username: found.map(|token| token.email.as_str()),
            iat: found.map(|token| token.issued_at),
            exp: found.and_then(|token| token.expires_at),
            jti: found.and_then(|token| token.id.as_deref()),
            sid: found.and_then(|token| token.session).map(|session| session.to_string()),
        }
    }
}
