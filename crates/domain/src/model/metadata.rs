//! Metadata: what clients attach to their things, opaque to us.

use serde_json::{Map, Number, Value};

use crate::error::{Error, Result};

/// A JSON object, bounded in size, whose content decides nothing.
///
/// Numbers are held the way PostgreSQL's `jsonb` gives them back: a fraction that is none becomes an
/// integer, so both stores answer alike.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Metadata(Map<String, Value>);

impl Metadata {
    /// The most bytes it has when serialised.
    pub const MAX_BYTES: usize = 16 * 1024;
    /// How deep objects and arrays nest, the outermost object included.
    pub const MAX_DEPTH: usize = 8;

    /// Accepts an object within the limits.
    pub fn new(mut object: Map<String, Value>) -> Result<Self> {
        for (key, value) in &mut object {
            check_text(key)?;
            normalise(value, Self::MAX_DEPTH.saturating_sub(1))?;
        }
        let metadata = Self(object);
        if metadata.to_json().len() > Self::MAX_BYTES {
            return Err(Error::malformed("metadata", "has at most 16 KiB"));
        }
        Ok(metadata)
    }

    /// Accepts a JSON value: an object, or null for none.
    pub fn from_value(value: Value) -> Result<Self> {
        match value {
            Value::Null => Ok(Self::default()),
            Value::Object(object) => Self::new(object),
            _ => Err(Error::malformed("metadata", "must be an object")),
        }
    }

    /// Metadata read back from a store, which may hold more than today's limits allow.
    #[must_use]
    pub const fn stored(object: Map<String, Value>) -> Self {
        Self(object)
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// The object.
    #[must_use]
    pub const fn object(&self) -> &Map<String, Value> {
        &self.0
    }

    /// The object as compact JSON text, its keys sorted.
    #[must_use]
    pub fn to_json(&self) -> String {
        Value::Object(self.0.clone()).to_string()
    }

    /// Whether everything in `filter` is in here too: what `@>` means in PostgreSQL.
    #[must_use]
    pub fn contains(&self, filter: &Self) -> bool {
        object_contains(&self.0, &filter.0)
    }
}

/// Nesting is bounded by [`Metadata::MAX_DEPTH`] when values come in, so recursion is too.
fn contains(value: &Value, filter: &Value) -> bool {
    match (value, filter) {
        (Value::Object(object), Value::Object(part)) => object_contains(object, part),
        (Value::Array(items), Value::Array(parts)) => {
            parts.iter().all(|part| items.iter().any(|item| contains(item, part)))
        }
        (Value::Number(a), Value::Number(b)) => same_number(a, b),
        _ => value == filter,
    }
}

fn object_contains(object: &Map<String, Value>, part: &Map<String, Value>) -> bool {
    part.iter().all(|(key, wanted)| object.get(key).is_some_and(|value| contains(value, wanted)))
}

/// Integers are compared exactly: beyond 2^53 two of them can be the same `f64`.
fn same_number(a: &Number, b: &Number) -> bool {
    a == b || (!(a.is_i64() && b.is_i64()) && a.as_f64() == b.as_f64())
}

/// One more than the largest `i64`, which no float between them is.
const TWO_TO_63: f64 = 9_223_372_036_854_775_808.0;

fn check_text(text: &str) -> Result<()> {
    if text.contains('\0') {
        return Err(Error::malformed("metadata", "must not contain NUL characters"));
    }
    Ok(())
}

fn normalise(value: &mut Value, depth_left: usize) -> Result<()> {
    let deeper =
        || depth_left.checked_sub(1).ok_or(Error::malformed("metadata", "nests at most 8 deep"));
    match value {
        Value::Null | Value::Bool(_) => Ok(()),
        Value::String(text) => check_text(text),
        Value::Number(number) => {
            *number = whole(number)?;
            Ok(())
        }
        Value::Array(items) => {
            let left = deeper()?;
            items.iter_mut().try_for_each(|item| normalise(item, left))
        }
        Value::Object(object) => {
            let left = deeper()?;
            object.iter_mut().try_for_each(|(key, item)| {
                check_text(key)?;
                normalise(item, left)
            })
        }
    }
}

/// `1.0` becomes `1`; what neither an `i64` nor an `f64` holds was refused while parsing.
fn whole(number: &Number) -> Result<Number> {
    let beyond = || Error::malformed("metadata", "has a number that is too large");
    if number.is_i64() {
        return Ok(number.clone());
    }
    if number.is_u64() {
        return Err(beyond());
    }
    let float = number.as_f64().filter(|float| float.is_finite()).ok_or_else(beyond)?;
    // `jsonb` prints every digit, and what has the digits of an integer is read back as one.
    if float.fract() == 0.0 {
        #[expect(clippy::cast_possible_truncation, reason = "whole and within the range")]
        if (-TWO_TO_63..TWO_TO_63).contains(&float) {
            return Ok(Number::from(float as i64));
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "whole and within the range"
        )]
        if (TWO_TO_63..TWO_TO_63 * 2.0).contains(&float) {
            return Ok(Number::from(float as u64));
        }
    }
    Number::from_f64(float).ok_or_else(beyond)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn metadata(value: Value) -> Metadata {
        Metadata::from_value(value).unwrap()
    }

    #[test]
    fn containment_is_what_jsonb_does() {
        let stored = metadata(json!({"a": 1, "b": {"c": [1, {"d": 2}], "e": "x"}, "n": null}));
        for part in [
            json!({}),
            json!({"a": 1}),
            json!({"a": 1.0}),
            json!({"b": {}}),
            json!({"b": {"c": [{"d": 2}]}}),
            json!({"b": {"c": []}, "n": null}),
        ] {
            assert!(stored.contains(&metadata(part.clone())), "{part}");
        }
        let large = metadata(json!({"a": 9_007_199_254_740_993_i64}));
        assert!(large.contains(&large));
        assert!(!large.contains(&metadata(json!({"a": 9_007_199_254_740_992_i64}))));
        for other in
            [json!({"a": 2}), json!({"z": null}), json!({"b": {"c": [2]}}), json!({"a": "1"})]
        {
            assert!(!stored.contains(&metadata(other.clone())), "{other}");
        }
    }

    #[test]
    fn numbers_come_back_the_way_they_went_in() {
        assert_eq!(metadata(json!({"a": 1.0, "b": -0.0})).to_json(), r#"{"a":1,"b":0}"#);
        assert!(Metadata::from_value(json!({"a": u64::MAX})).is_err());
        assert_eq!(metadata(json!({"a": 1e17})).to_json(), r#"{"a":100000000000000000}"#);
        assert_eq!(metadata(json!({"a": 1e19})).to_json(), r#"{"a":10000000000000000000}"#);
        assert_eq!(metadata(json!({"a": 1e300})).to_json(), r#"{"a":1e+300}"#);
    }

    #[test]
    fn the_limits_hold() {
        let nested = |depth: usize| (1..depth).fold(json!({}), |inner, _| json!({ "a": inner }));
        assert!(Metadata::from_value(nested(8)).is_ok());
        assert!(Metadata::from_value(nested(9)).is_err());
        assert!(Metadata::from_value(json!({"a": "x".repeat(16 * 1024)})).is_err());
        assert!(Metadata::from_value(json!({"a\0": 1})).is_err());
        assert!(Metadata::from_value(json!({"a": ["b\0"]})).is_err());
        assert!(Metadata::from_value(json!([])).is_err());
    }
}
