//! What the description says of one route, put together piece by piece.

use std::collections::BTreeMap;

use auth_domain::{Error, Invalid, Unauthenticated};
use http::StatusCode;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::path::{Operation, OperationBuilder, ParameterBuilder, ParameterIn};
use utoipa::openapi::request_body::RequestBodyBuilder;
use utoipa::openapi::{
    ContentBuilder, HeaderBuilder, Ref, RefOr, Required, Response, ResponseBuilder, Schema,
    SchemaFormat, SecurityRequirement,
};

use super::lists::{self, Asked};
use super::{BEARER, problems, types};
use crate::problem::{Problem, Transport};

/// A chapter of the description.
#[derive(PartialEq)]
pub(crate) struct Group {
    pub(crate) name: &'static str,
    pub(crate) about: &'static str,
}

/// What the description says of a route. Its method and path come from the route itself.
pub(crate) struct Docs {
    group: &'static Group,
    operation: OperationBuilder,
    refusals: Vec<Problem>,
    schemas: Vec<(String, RefOr<Schema>)>,
}

/// What [`Docs`] end as.
pub(super) struct Described {
    pub(super) group: &'static Group,
    pub(super) operation: Operation,
    pub(super) refusals: Vec<Problem>,
    pub(super) responses: BTreeMap<&'static str, Response>,
    pub(super) schemas: Vec<(String, RefOr<Schema>)>,
}

impl Docs {
    /// A route that anybody may ask. `id` is what client generators name their function by.
    pub(crate) fn new(
        group: &'static Group,
        id: &'static str,
        summary: &'static str,
        about: &'static str,
    ) -> Self {
        let operation = OperationBuilder::new()
            .tag(group.name)
            .operation_id(Some(id))
            .summary(Some(summary))
            .description(Some(about))
            .securities(Some([]));
        Self { group, operation, refusals: Vec::new(), schemas: Vec::new() }
    }

    /// It needs a login token or an API key.
    pub(crate) fn signed_in(mut self) -> Self {
        let scopes: [&str; 0] = [];
        let bearer = SecurityRequirement::new(BEARER, scopes);
        self.operation = self.operation.securities(Some([bearer]));
        self.refuses_all([
            Unauthenticated::MissingToken,
            Unauthenticated::BadToken,
            Unauthenticated::Expired,
            Unauthenticated::ExpiredKey,
            Unauthenticated::NotHonoured,
        ])
        .uses_the_store()
    }

    /// It needs a login token. What the original says to anybody else differs from route to route;
    /// the example has one of the texts.
    pub(crate) fn logged_in(self) -> Self {
        let text = "failed to issue new login key";
        self.signed_in().refuses(Unauthenticated::LoginRequired(text))
    }

    /// It needs something that can be away for a while.
    pub(crate) fn uses_the_store(self) -> Self {
        self.refuses(Error::unavailable("an example"))
    }

    /// It has an id in its path.
    pub(crate) fn segment(self, name: &'static str, about: &'static str, missing: Invalid) -> Self {
        self.typed_segment::<types::Id>(name, about, missing)
    }

    /// It has the id of a group in its path.
    pub(crate) fn group_segment(self) -> Self {
        self.typed_segment::<types::GroupId>("id", "Which group.", Invalid::MissingGroupId)
    }

    /// It has something of this type in its path.
    pub(crate) fn typed_segment<T: ToSchema>(
        mut self,
        name: &'static str,
        about: &'static str,
        missing: Invalid,
    ) -> Self {
        let id = ParameterBuilder::new()
            .name(name)
            .parameter_in(ParameterIn::Path)
            .required(Required::True)
            .description(Some(about))
            .schema(Some(Ref::from_schema_name(T::name())))
            .build();
        self.operation = self.operation.parameter(id);
        self.knows::<T>().refuses(missing)
    }

    /// It can be asked for something in its query string.
    pub(crate) fn parameter(mut self, asked: Asked) -> Self {
        self.operation = self.operation.parameter(asked.parameter());
        self
    }

    /// It shows a list.
    pub(crate) fn asked(mut self, asked: Vec<Asked>) -> Self {
        for parameter in asked.into_iter().map(Asked::parameter) {
            self.operation = self.operation.parameter(parameter);
        }
        self.schemas.extend(lists::schemas());
        self.refuses_all([Invalid::QueryParameters, Invalid::LimitSize])
    }

    /// It reads a body, which must be there.
    pub(crate) fn body<T: ToSchema>(self, example: Value) -> Self {
        let schema = Ref::from_schema_name(T::name());
        self.knows::<T>().reads("application/json", schema.into(), Required::True, example)
    }

    /// The same of one that may be missing.
    pub(crate) fn maybe_body<T: ToSchema>(self, example: Value) -> Self {
        let schema = Ref::from_schema_name(T::name());
        self.knows::<T>().reads("application/json", schema.into(), Required::False, example)
    }

    /// The same in another content type.
    pub(crate) fn body_as<T: ToSchema>(self, content_type: &str, example: Value) -> Self {
        let schema = Ref::from_schema_name(T::name());
        self.knows::<T>().reads(content_type, schema.into(), Required::True, example)
    }

    /// It can be told a few things in the query.
    pub(crate) fn told<const N: usize>(mut self, told: [Asked; N]) -> Self {
        for parameter in told.map(Asked::parameter) {
            self.operation = self.operation.parameter(parameter);
        }
        self.refuses(Invalid::QueryParameters)
    }

    /// It reads a body of this shape, which may be missing.
    pub(crate) fn optional_body(
        mut self,
        name: &'static str,
        schema: Schema,
        example: Value,
    ) -> Self {
        self.schemas.push((name.to_owned(), schema.into()));
        self.schemas.extend(lists::schemas());
        let schema = Ref::from_schema_name(name).into();
        self.reads("application/json", schema, Required::False, example)
    }

    fn reads(
        mut self,
        content_type: &str,
        schema: RefOr<Schema>,
        required: Required,
        example: Value,
    ) -> Self {
        let content = ContentBuilder::new().schema(Some(schema)).example(Some(example)).build();
        let body = RequestBodyBuilder::new()
            .required(Some(required))
            .content(content_type, content)
            .build();
        self.operation = self.operation.request_body(Some(body));
        self.refuses(Error::malformed("body", "must be one JSON document and nothing else"))
            .refuses_all([Transport::ContentType, Transport::BodySize, Transport::BodyIdle])
    }

    /// It answers with a view.
    pub(crate) fn answers<T: ToSchema>(
        self,
        status: StatusCode,
        about: &'static str,
        example: Value,
    ) -> Self {
        self.answers_as::<T>("application/json", status, about, example)
    }

    /// The same in another content type.
    pub(crate) fn answers_as<T: ToSchema>(
        mut self,
        content_type: &'static str,
        status: StatusCode,
        about: &'static str,
        example: Value,
    ) -> Self {
        let content = ContentBuilder::new()
            .schema(Some(Ref::from_schema_name(T::name())))
            .example(Some(example))
            .build();
        let answer = ResponseBuilder::new().description(about).content(content_type, content);
        self.operation = self.operation.response(status.as_str(), answer);
        self.knows::<T>()
    }

    /// It answers with nothing but a status.
    pub(crate) fn answers_empty(mut self, status: StatusCode, about: &'static str) -> Self {
        let answer = ResponseBuilder::new().description(about);
        self.operation = self.operation.response(status.as_str(), answer);
        self
    }

    /// It answers with nothing but where the new thing is.
    pub(crate) fn creates(mut self, about: &'static str, location: &'static str) -> Self {
        let reference = types::text()
            .format(Some(SchemaFormat::Custom("uri-reference".to_owned())))
            .examples([location])
            .build();
        let header = HeaderBuilder::new()
            .schema(Some(reference))
            .description(Some("The path of the new thing; its last segment is the id."))
            .build();
        let answer = ResponseBuilder::new().description(about).header("Location", header);
        self.operation = self.operation.response(StatusCode::CREATED.as_str(), answer);
        self
    }

    /// It can refuse for this reason.
    pub(crate) fn refuses(mut self, reason: impl Into<Problem>) -> Self {
        self.refusals.push(reason.into());
        self
    }

    /// It can refuse for each of these reasons.
    pub(crate) fn refuses_all<const N: usize>(mut self, reasons: [impl Into<Problem>; N]) -> Self {
        self.refusals.extend(reasons.into_iter().map(Into::into));
        self
    }

    /// The schema and all it refers to belong to the description.
    fn knows<T: ToSchema>(mut self) -> Self {
        T::schemas(&mut self.schemas);
        self.schemas.push((T::name().into_owned(), T::schema()));
        self
    }

    /// All of it, and what every route can refuse for.
    pub(super) fn finish(self) -> Described {
        let mut operation = self.operation;
        let mut responses = BTreeMap::new();
        for (status, response) in problems::responses(&self.refusals, &mut responses) {
            operation = operation.response(status.as_str(), response);
        }
        operation = operation.response("default", problems::others());
        Described {
            group: self.group,
            operation: operation.build(),
            refusals: self.refusals,
            responses,
            schemas: self.schemas,
        }
    }
}
