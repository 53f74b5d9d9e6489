//! Bodies: a media type, strict JSON, and members taken out by name.

use auth_domain::model::Metadata;
use auth_domain::{Error, Invalid, Result, json};
use axum::extract::{FromRequest, Request};
use http::HeaderMap;
use http::header::CONTENT_TYPE;
use serde_json::{Map, Value};

use crate::problem::{Problem, Transport};
use crate::query::{FromParameters, Parameters};
use crate::{Api, limits};

/// What a body can be read into.
pub(crate) trait FromMembers: Sized {
    /// Takes what it knows; what nobody takes is ignored.
    fn from_members(members: &mut Members) -> Result<Self>;
}

/// A body that must be there.
pub(crate) struct Json<T>(pub T);

impl<T: FromMembers> FromRequest<Api> for Json<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        if !is_json(request.headers()) {
            return Err(Transport::ContentType.into());
        }
        let bytes = limits::read(request.into_body(), &api.options.limits).await?;
        Ok(Self(read(&bytes)?))
    }
}

/// A body that may be missing, which means every default.
pub(crate) struct MaybeJson<T>(pub T);

impl<T: FromMembers> FromRequest<Api> for MaybeJson<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        let is_json = is_json(request.headers());
        let bytes = limits::read(request.into_body(), &api.options.limits).await?;
        match (bytes.is_empty(), is_json) {
            (true, _) => Ok(Self(T::from_members(&mut Members(Map::new()))?)),
            (false, true) => Ok(Self(read(&bytes)?)),
            (false, false) => Err(Transport::ContentType.into()),
        }
    }
}

/// A form that must be there (RFC 6749 appendix B).
pub(crate) struct Form<T>(pub T);

impl<T: FromParameters> FromRequest<Api> for Form<T> {
    type Rejection = Problem;

    async fn from_request(request: Request, api: &Api) -> Result<Self, Problem> {
        if !is(request.headers(), "application/x-www-form-urlencoded") {
            return Err(Transport::ContentType.into());
        }
        let bytes = limits::read(request.into_body(), &api.options.limits).await?;
        let text = std::str::from_utf8(&bytes).map_err(|_| Error::from(Invalid::Form))?;
        let parameters = Parameters::parse(text).map_err(|_| Error::from(Invalid::Form))?;
        Ok(Self(T::from_parameters(&parameters)?))
    }
}

/// Whether the one content type is `application/json`, in whatever case and with any parameters.
pub(crate) fn is_json(headers: &HeaderMap) -> bool {
    is(headers, "application/json")
}

/// Whether the one content type is this one.
pub(crate) fn is(headers: &HeaderMap, wanted: &str) -> bool {
    let mut types = headers.get_all(CONTENT_TYPE).iter();
    let (Some(only), None) = (types.next(), types.next()) else { return false };
    only.to_str()
        .ok()
        .and_then(|text| text.split(';').next())
        .is_some_and(|media_type| media_type.trim_matches([' ', '\t']).eq_ignore_ascii_case(wanted))
}

fn read<T: FromMembers>(bytes: &[u8]) -> Result<T> {
    let value = json::parse(bytes).map_err(|problem| Error::malformed("body", problem))?;
    T::from_members(&mut Members::new("body", value)?)
}

/// The members of an object, each to be taken once.
///
/// Null is the same as absent, and both are the same as the empty value, as in the original.
pub(crate) struct Members(Map<String, Value>);

impl Members {
    fn new(field: &'static str, value: Value) -> Result<Self> {
        match value {
            Value::Null => Ok(Self(Map::new())),
            Value::Object(members) => Ok(Self(members)),
            _ => Err(Error::malformed(field, "must be an object")),
        }
    }

    /// A text; empty when absent.
    pub(crate) fn text(&mut self, name: &'static str) -> Result<String> {
        match self.take(name)? {
            Value::Null => Ok(String::new()),
            Value::String(text) => Ok(text),
            _ => Err(Error::malformed(name, "must be a text")),
        }
    }

    /// A text that has to be there, if only as null, which is the empty one: where leaving a member out, or
    /// misspelling it, would do something else.
    pub(crate) fn stated_text(&mut self, name: &'static str) -> Result<String> {
        if self.0.contains_key(name) {
            self.text(name)
        } else {
            Err(Error::malformed(name, "has to be given, if only as null"))
        }
    }

    /// A whole number.
    pub(crate) fn integer(&mut self, name: &'static str) -> Result<Option<i64>> {
        match self.take(name)? {
            Value::Null => Ok(None),
            value => match value.as_i64() {
                Some(number) => Ok(Some(number)),
                None => Err(Error::malformed(name, "must be a whole number")),
            },
        }
    }

    /// A whole number that is not negative; zero when absent.
    pub(crate) fn count(&mut self, name: &'static str) -> Result<u64> {
        u64::try_from(self.integer(name)?.unwrap_or(0))
            .map_err(|_| Error::malformed(name, "must not be negative"))
    }

    /// A list of texts; empty when absent.
    pub(crate) fn texts(&mut self, name: &'static str) -> Result<Vec<String>> {
        let refused = || Error::malformed(name, "must be a list of texts");
        match self.take(name)? {
            Value::Null => Ok(Vec::new()),
            Value::Array(items) => items
                .into_iter()
                .map(|item| match item {
                    Value::String(text) => Ok(text),
                    _ => Err(refused()),
                })
                .collect(),
            _ => Err(refused()),
        }
    }

    /// An object; empty when absent.
    pub(crate) fn object(&mut self, name: &'static str) -> Result<Self> {
        let value = self.take(name)?;
        Self::new(name, value)
    }

    /// A list of objects; empty when absent.
    pub(crate) fn objects(&mut self, name: &'static str) -> Result<Vec<Self>> {
        match self.take(name)? {
            Value::Null => Ok(Vec::new()),
            Value::Array(items) => items.into_iter().map(|item| Self::new(name, item)).collect(),
            _ => Err(Error::malformed(name, "must be a list of objects")),
        }
    }

    /// Metadata; none when absent.
    pub(crate) fn metadata(&mut self) -> Result<Metadata> {
        Metadata::from_value(self.take("metadata")?)
    }

    /// The member with this name, null when absent.
    ///
    /// One whose name differs only by case is refused: the original reads it as this one, other
    /// parsers on the way do not, and what two readers see differently is how checks are slipped.
    fn take(&mut self, name: &'static str) -> Result<Value> {
        let value = self.0.remove(name).unwrap_or(Value::Null);
        if self.0.keys().any(|other| json::differs_by_case(other, name)) {
            return Err(Error::malformed(name, "is spelled in lower case"));
        }
        Ok(value)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn members(value: Value) -> Members {
        Members::new("body", value).unwrap()
    }

    fn accepts(content_type: &'static str) -> bool {
        let mut headers = HeaderMap::new();
        headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
        is_json(&headers)
    }

    #[test]
    fn s72_the_media_type_is_matched_exactly() {
        for good in [
            "application/json",
            "Application/JSON",
            "application/json; charset=utf-8",
            "application/json ;x=y",
        ] {
            assert!(accepts(good), "{good}");
        }
        for bad in [
            "",
            "json",
            "text/plain",
            "x-application/json-foo",
            "application/json-patch",
            "application/json, text/plain",
            "application/problem+json",
            "text/plain; application/json",
        ] {
            assert!(!accepts(bad), "{bad}");
        }
        assert!(!is_json(&HeaderMap::new()));
        let mut twice = HeaderMap::new();
        twice.append(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        twice.append(CONTENT_TYPE, HeaderValue::from_static("text/plain"));
        assert!(!is_json(&twice));
    }

    #[test]
    fn null_is_the_same_as_absent() {
        let mut absent = members(Value::Null);
        let mut null =
            members(json!({"t": null, "i": null, "l": null, "o": null, "metadata": null}));
        for members in [&mut absent, &mut null] {
            assert_eq!(members.text("t").unwrap(), "");
            assert_eq!(members.integer("i").unwrap(), None);
            assert_eq!(members.texts("l").unwrap(), Vec::<String>::new());
            assert!(members.object("o").unwrap().0.is_empty());
            assert!(members.metadata().unwrap().is_empty());
        }
    }

    #[test]
    fn other_shapes_are_refused() {
        let odd = || members(json!({"n": 1.5, "big": 1e30, "t": "x", "l": ["a", null], "neg": -1}));
        assert!(odd().text("n").is_err());
        assert!(odd().integer("n").is_err());
        assert!(odd().integer("big").is_err());
        assert!(odd().integer("t").is_err());
        assert!(odd().texts("t").is_err());
        assert!(odd().texts("l").is_err());
        assert!(odd().object("t").is_err());
        assert!(odd().count("neg").is_err());
        assert!(Members::new("body", json!([])).is_err());
    }

    #[test]
    fn a_known_name_in_another_case_is_refused_even_beside_the_right_one() {
        for odd in ["NAME", "Name", "nAmE"] {
            assert!(members(json!({ odd: "x" })).text("name").is_err(), "{odd}");
            assert!(members(json!({ odd: "x", "name": "y" })).text("name").is_err(), "{odd}");
        }
        assert!(members(json!({ "\u{212a}ey": "x" })).text("key").is_err());
        assert!(members(json!({ "pa\u{17f}s": "x" })).text("pass").is_err());
        assert_eq!(members(json!({ "other": 1, "name": "y" })).text("name").unwrap(), "y");
    }

    proptest! {
        #[test]
        fn every_case_variant_is_refused(upper in prop::collection::vec(any::<bool>(), 8)) {
            prop_assume!(upper.contains(&true));
            let variant: String = "metadata"
                .chars()
                .zip(upper)
                .map(|(c, up)| if up { c.to_ascii_uppercase() } else { c })
                .collect();
            let mut members = members(json!({ variant: {} }));
            prop_assert!(members.metadata().is_err());
        }
    }
}
