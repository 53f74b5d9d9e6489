//! What a list can be asked for.

use auth_domain::audit::Trail;
use auth_domain::model::{
    Direction, InviteState, MAX_DEPTH, MAX_LIMIT, MAX_OFFSET, MailState, OrgRole,
};
use utoipa::PartialSchema;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::{
    ContentBuilder, KnownFormat, ObjectBuilder, Ref, RefOr, Required, Schema, SchemaFormat, Type,
};

use super::types;
use crate::query::DEFAULT_LIMIT;

/// One thing a list can be asked for: a query parameter, or a member of a search.
pub(crate) struct Asked {
    name: &'static str,
    about: &'static str,
    schema: RefOr<Schema>,
}

/// Which part of the list.
pub(crate) fn part() -> Vec<Asked> {
    let limit = types::integer()
        .minimum(Some(1u64))
        .maximum(Some(MAX_LIMIT))
        .default(Some(DEFAULT_LIMIT.into()));
    let offset =
        types::integer().minimum(Some(0u64)).maximum(Some(MAX_OFFSET)).default(Some(0.into()));
    vec![
        Asked { name: "limit", about: "How many elements to give.", schema: limit.into() },
        Asked { name: "offset", about: "How many elements to pass over.", schema: offset.into() },
    ]
}

/// Which part of the list, ordered by one of these columns, the first unless told otherwise.
pub(crate) fn ordered_part<const N: usize>(columns: [&'static str; N]) -> Vec<Asked> {
    let default = columns.first().map(|column| (*column).into());
    let order = types::words(columns).default(default);
    let direction = types::words(Direction::ALL.map(Direction::as_str))
        .default(Some(Direction::default().as_str().into()));
    let mut asked = part();
    asked.extend([
        Asked {
            name: "order",
            about: "What to order by; the id breaks ties.",
            schema: order.into(),
        },
        Asked { name: "dir", about: "Which way to order.", schema: direction.into() },
    ]);
    asked
}

impl Asked {
    /// Only elements whose name contains a text.
    pub(crate) fn name(about: &'static str, longest: usize) -> Self {
        Self { name: "name", about, schema: types::text().max_length(Some(longest)).into() }
    }

    /// Only elements whose metadata contains an object.
    pub(crate) fn metadata(about: &'static str) -> Self {
        Self { name: "metadata", about, schema: Ref::from_schema_name("Metadata").into() }
    }

    /// Only elements whose e-mail address contains a text.
    pub(crate) fn email(about: &'static str, longest: usize) -> Self {
        Self { name: "email", about, schema: types::text().max_length(Some(longest)).into() }
    }

    /// Only accounts with a status.
    pub(crate) fn account_status(about: &'static str) -> Self {
        Self::word("status", ["enabled", "disabled", "all"], about)
    }

    /// Only elements with a role in an org.
    pub(crate) fn role(about: &'static str) -> Self {
        let schema = types::words(OrgRole::ALL.map(OrgRole::as_str)).into();
        Self { name: "role", about, schema }
    }

    /// Yes or no.
    pub(crate) fn flag(name: &'static str, about: &'static str) -> Self {
        let schema = ObjectBuilder::new().schema_type(Type::Boolean).default(Some(false.into()));
        Self { name, about, schema: schema.into() }
    }

    /// One of these words, the first unless told otherwise.
    pub(crate) fn word<const N: usize>(
        name: &'static str,
        words: [&'static str; N],
        about: &'static str,
    ) -> Self {
        let default = words.first().map(|word| (*word).into());
        Self { name, about, schema: types::words(words).default(default).into() }
    }

    /// Only mails in a state.
    pub(crate) fn mail_state(about: &'static str) -> Self {
        let schema = types::words(MailState::ALL.map(MailState::as_str)).into();
        Self { name: "state", about, schema }
    }

    /// Only invites of which something became.
    pub(crate) fn invite_state(about: &'static str) -> Self {
        let schema = types::words(InviteState::ALL.map(InviteState::as_str)).into();
        Self { name: "state", about, schema }
    }

    /// Where the page before ended.
    pub(crate) fn cursor() -> Self {
        let about = "The `next_cursor` of the page before, instead of an offset.";
        Self { name: "cursor", about, schema: types::text().build().into() }
    }

    /// Which records of the audit trail.
    pub(crate) fn audit() -> [Self; 6] {
        let text = |name, about| Self { name, about, schema: types::text().build().into() };
        [
            Self::word(
                "trail",
                Trail::ALL.map(Trail::as_str),
                "What was changed, or sign-ins and refusals.",
            ),
            text(
                "actor",
                "Only what these asked for: an `actor`, or `user:` and an id for all a user did.",
            ),
            text("action", "Only this `action`."),
            text("object", "Only what happened to this object or user: an id."),
            Self::moment("from", "Only what was asked for at this moment or later (RFC 3339)."),
            Self::moment("to", "Only what was asked for before this moment (RFC 3339)."),
        ]
    }

    fn moment(name: &'static str, about: &'static str) -> Self {
        let schema = types::text().format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)));
        Self { name, about, schema: schema.build().into() }
    }

    /// How many levels of a tree.
    pub(crate) fn level(about: &'static str) -> Self {
        let schema = types::integer()
            .minimum(Some(1u64))
            .maximum(Some(u64::try_from(MAX_DEPTH).unwrap_or(u64::MAX)))
            .default(Some(1.into()));
        Self { name: "level", about, schema: schema.into() }
    }

    /// Whether groups are shown below each other.
    pub(crate) fn tree() -> Self {
        let about = "Whether each group is shown in the `children` of the one above it, if that is on the \
                     same page; not unless told otherwise.";
        Self { name: "tree", about, schema: types::boolean().into() }
    }

    /// Only groups of one org.
    pub(crate) fn org() -> Self {
        let about = "Only groups of this org, in the list of all groups.";
        Self { name: "org_id", about, schema: types::text().build().into() }
    }

    /// Only members of one type.
    pub(crate) fn kind() -> Self {
        let about = "Only members of this type, like `users` or `things`.";
        Self { name: "type", about, schema: types::text().max_length(Some(254)).into() }
    }

    /// What the link in a mail says.
    pub(crate) fn token(about: &'static str) -> Self {
        Self { name: "token", about, schema: types::text().build().into() }
    }

    /// Where a link in a mail leads.
    pub(crate) fn redirect_path(about: &'static str) -> Self {
        Self { name: "redirect_path", about, schema: types::text().build().into() }
    }

    /// Whether a whole subtree goes.
    pub(crate) fn subtree() -> Self {
        let about =
            "Whether its members, its subgroups and theirs go too; not unless told otherwise.";
        Self { name: "subtree", about, schema: types::boolean().into() }
    }

    /// As a query parameter. An object is written there as JSON.
    pub(crate) fn parameter(self) -> Parameter {
        let parameter = ParameterBuilder::new()
            .name(self.name)
            .parameter_in(ParameterIn::Query)
            .required(Required::False)
            .description(Some(self.about));
        match self.schema {
            RefOr::Ref(_) => parameter
                .content("application/json", ContentBuilder::new().schema(Some(self.schema))),
            RefOr::T(_) => parameter.schema(Some(self.schema)),
        }
        .build()
    }
}

/// The same as the members of a body, none of them required.
pub(crate) fn search(about: &str, asked: Vec<Asked>) -> Schema {
    let members = asked.into_iter().fold(ObjectBuilder::new(), |object, asked| {
        let mut schema = asked.schema;
        match &mut schema {
            RefOr::Ref(reference) => asked.about.clone_into(&mut reference.description),
            RefOr::T(Schema::Object(object)) => object.description = Some(asked.about.to_owned()),
            RefOr::T(_) => {}
        }
        object.property(asked.name, schema)
    });
    members.description(Some(about)).build().into()
}

/// The components that what is asked for refers to.
pub(crate) fn schemas() -> [(String, RefOr<Schema>); 1] {
    [("Metadata".to_owned(), types::Metadata::schema())]
}
