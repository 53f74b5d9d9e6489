//! What the types on the wire look like: one schema each, its limits taken from the domain.

use std::borrow::Cow;

use auth_domain::model;
use utoipa::openapi::schema::{AdditionalProperties, SchemaType};
use utoipa::openapi::{KnownFormat, ObjectBuilder, RefOr, Schema, SchemaFormat, Type};
use utoipa::{PartialSchema, ToSchema};

/// Declares a schema by name, as nothing but itself.
macro_rules! wire_type {
    ($(#[$about:meta])* $name:ident = $schema:expr) => {
        $(#[$about])*
        pub(crate) struct $name;

        impl PartialSchema for $name {
            fn schema() -> RefOr<Schema> {
                $schema.into()
            }
        }

        impl ToSchema for $name {
            fn name() -> Cow<'static, str> {
                stringify!($name).into()
            }
        }
    };
}

wire_type! {
    /// An id.
    Id = text()
        .format(Some(SchemaFormat::Custom("uuid".to_owned())))
        .description(Some("A UUID (RFC 9562). Every spelling is read; this one is written."))
        .examples(["01932f6c-8a40-7c3e-9d51-6b0a4f2e7c18"])
}

wire_type! {
    /// A group's id.
    GroupId = text()
        .min_length(Some(model::GroupId::LENGTH))
        .max_length(Some(model::GroupId::LENGTH))
        .description(Some("A ULID. It is read in either case and written in upper case."))
        .examples(["01JCSQRGKG9V66VC5RMRZA6Z7T"])
}

wire_type! {
    /// Where a group goes.
    NewParent = text()
        .schema_type(SchemaType::from_iter([Type::String, Type::Null]))
        .description(Some("A group's id, or null for nowhere: the group becomes a root."))
        .examples(["01JCSQRGKG9V66VC5RMRZA6Z7T"])
}

wire_type! {
    /// A member's id.
    EntityId = text()
        .min_length(Some(1))
        .description(Some(
            "The id of a user, or of whatever another service has: at most 254 bytes, no control \
             characters.",
        ))
        .examples(["01932f5a-1f00-7b9a-8c3d-2e5f7a9b1c4d"])
}

wire_type! {
    /// What members of a group are.
    EntityType = text()
        .min_length(Some(1))
        .description(Some(
            "What kind of thing members are: `users`, or any other word of at most 254 bytes.",
        ))
        .examples(["things"])
}

wire_type! {
    /// A role in a group.
    GroupRole = words(model::GroupRole::ALL.map(model::GroupRole::as_str))
        .description(Some(
            "What somebody is in a group and all that lies below it: a `viewer` sees, an `editor` changes \
             it, its members and what lies below it, an `admin` also moves and deletes it and says who has \
             which role.",
        ))
}

wire_type! {
    /// A moment.
    Moment = text()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::DateTime)))
        .description(Some("A moment (RFC 3339), UTC, with as many fractional digits as it needs."))
        .examples(["2026-11-22T16:30:00.25Z"])
}

wire_type! {
    /// Whether an account may be used.
    AccountStatus = words(model::AccountStatus::ALL.map(model::AccountStatus::as_str))
        .description(Some(
            "Whether the account may be used. Nothing of one that is disabled is honoured: no password, no login \
             token, no API key.",
        ))
}

wire_type! {
    /// A trail.
    Trail = words(auth_domain::audit::Trail::ALL.map(auth_domain::audit::Trail::as_str))
        .description(Some(
            "What was changed (`changes`), or sign-ins and calls that were refused (`attempts`).",
        ))
}

wire_type! {
    /// How somebody proved who they are.
    ActorKind = words(auth_domain::audit::ACTOR_KINDS)
        .description(Some(
            "How whoever asked proved who they are: by a login token (`session`), by an API key (`key`), as a \
             sibling service, from the command line on the server (`operator`), as the server itself (`system`), \
             or not at all.",
        ))
}

wire_type! {
    /// What else a record says.
    Details = ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::FreeForm(true)))
        .description(Some("Members that depend on what happened."))
        .examples([serde_json::json!({ "role": "admin", "role_before": "editor" })])
}

wire_type! {
    /// The name of an org or of a group.
    Name = text()
        .min_length(Some(1))
        .max_length(Some(model::Name::MAX))
        .description(Some("A name with something to see: no control characters and none that turn text around (bidirectional overrides). Orgs may have the same one; a group's is unique among its siblings."))
        .examples(["Acme"])
}

wire_type! {
    /// An org's description.
    Description = text()
        .max_length(Some(model::Description::MAX))
        .description(Some("Free text; of the control characters only tab and line breaks."))
        .examples(["Makes everything."])
}

wire_type! {
    /// Metadata.
    Metadata = ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(AdditionalProperties::FreeForm(true)))
        .description(Some(
            "Whatever clients attach: an object of at most 16 KiB as JSON, nested at most 8 deep, \
             itself included. Numbers that are whole come back without a fraction.",
        ))
}

wire_type! {
    /// An e-mail address.
    Email = text()
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::IdnEmail)))
        .max_length(Some(model::Email::MAX))
        .description(Some(
            "One address like `name@example.com`; at most 254 bytes. Upper and lower case make no \
             difference. The domain may be internationalised, the part before the `@` is ASCII.",
        ))
        .examples(["ada@example.com"])
}

wire_type! {
    /// A platform role.
    PlatformRole = words(model::PlatformRole::ALL.map(model::PlatformRole::as_str))
        .description(Some(
            "What somebody is on the whole platform. An `admin` may do everything in every org; a \
             `root` may do that and say who else may.",
        ))
}

wire_type! {
    /// A role in an org.
    OrgRole = words(model::OrgRole::ALL.map(model::OrgRole::as_str))
        .description(Some(
            "What a member is in an org: a `viewer` sees, an `editor` changes what it holds, an `admin` \
             changes it and its members, the `owner` disposes of it.",
        ))
}

wire_type! {
    /// Where a mail stands.
    MailState = words(model::MailState::ALL.map(model::MailState::as_str))
        .description(Some(
            "Where a mail stands: a `queued` one will be tried, a `dead` one was given up. One that was \
             sent is not in the list any more.",
        ))
}

wire_type! {
    /// A role that is given to members.
    GivenRole = words(model::OrgRole::GIVEN.map(model::OrgRole::as_str))
        .description(Some("A role that members are given: every one but `owner`."))
}

wire_type! {
    /// Where a link leads.
    RedirectPath = text()
        .min_length(Some(1))
        .max_length(Some(model::RedirectPath::MAX))
        .pattern(Some("^/([A-Za-z0-9._~-]+(/[A-Za-z0-9._~-]+)*/?)?$"))
        .description(Some(
            "A path on the front end: a slash, then plain segments of letters, digits and `-._~`, none of \
             dots only.",
        ))
        .examples(["/invites"])
}

wire_type! {
    /// What became of an invite.
    InviteState = words(model::InviteState::ALL.map(model::InviteState::as_str))
        .description(Some("What became of an invite. Only one that is `pending` can be accepted."))
}

wire_type! {
    /// What a check is about.
    Subject = words(["root", "org", "group"]).description(Some("What a check is about."))
}

wire_type! {
    /// What may be asked of an org.
    Action = words(model::Action::ALL.map(model::Action::as_str))
        .description(Some("What may be asked of an org: each needs the role of that name or a greater one."))
}

wire_type! {
    /// Which way a list is ordered.
    Direction = words(model::Direction::ALL.map(model::Direction::as_str))
        .description(Some("Which way a list is ordered."))
}

/// A text.
pub(crate) fn text() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::String)
}

/// Yes or no.
pub(crate) fn boolean() -> ObjectBuilder {
    ObjectBuilder::new().schema_type(Type::Boolean)
}

/// A whole number.
pub(crate) fn integer() -> ObjectBuilder {
    ObjectBuilder::new()
        .schema_type(Type::Integer)
        .format(Some(SchemaFormat::KnownFormat(KnownFormat::Int64)))
}

/// One word out of a closed list.
pub(crate) fn words<const N: usize>(words: [&'static str; N]) -> ObjectBuilder {
    text().enum_values(Some(words))
}
