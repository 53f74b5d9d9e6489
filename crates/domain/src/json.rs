//! Strict JSON (RFC 8259, and RFC 7493 on top of it): what two parsers could read differently is
//! refused.
//!
//! Limits hold while reading, so that nothing larger is ever built.

use std::cell::Cell;
use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Number, Value};

/// How deep objects and arrays nest, the outermost included.
pub const MAX_DEPTH: usize = 32;
/// The most members one object has.
pub const MAX_MEMBERS: usize = 256;
/// The most bytes one string or member name has.
pub const MAX_STRING: usize = 16 * 1024;

/// Reads exactly one document. The error says what is wrong with it, to be read after its name.
pub fn parse(bytes: &[u8]) -> Result<Value, &'static str> {
    let refusal = Cell::new("must be one JSON document and nothing else");
    let mut reader = serde_json::Deserializer::from_slice(bytes);
    Strict { depth_left: MAX_DEPTH, refusal: &refusal }
        .deserialize(&mut reader)
        .and_then(|value| reader.end().map(|()| value))
        .map_err(|_| refusal.get())
}

/// Whether a member's name is this one in another case: the original reads it as this one, other parsers on
/// the way do not, and what two readers see differently is how checks are slipped.
#[must_use]
pub fn differs_by_case(name: &str, known: &str) -> bool {
    name != known && folded(name).eq(folded(known))
}

/// Both ways, because some letters have an ASCII partner in one direction only: the Kelvin sign is
/// a `k` only in lower case, the long s an `s` only in upper case.
fn folded(text: &str) -> impl Iterator<Item = char> {
    text.chars().flat_map(char::to_uppercase).flat_map(char::to_lowercase)
}

/// Builds a value, and leaves in `refusal` why it did not.
#[derive(Clone, Copy)]
struct Strict<'a> {
    depth_left: usize,
    refusal: &'a Cell<&'static str>,
}

impl Strict<'_> {
    fn refuse<T, E: Error>(self, reason: &'static str) -> Result<T, E> {
        self.refusal.set(reason);
        Err(E::custom(reason))
    }

    fn deeper<E: Error>(self) -> Result<Self, E> {
        match self.depth_left.checked_sub(1) {
            Some(depth_left) => Ok(Self { depth_left, ..self }),
            None => self.refuse("nests at most 32 deep"),
        }
    }

    fn text<E: Error>(self, text: &str) -> Result<String, E> {
        if text.len() > MAX_STRING {
            return self.refuse("has a text of more than 16 KiB");
        }
        if text.contains('\0') {
            return self.refuse("has a NUL character in a text");
        }
        Ok(text.to_owned())
    }
}

impl<'de> DeserializeSeed<'de> for Strict<'_> {
    type Value = Value;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Strict<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a JSON value")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::from(value))
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        match i64::try_from(value) {
            Ok(value) => Ok(Value::from(value)),
            Err(_) => self.refuse("has a number that is too large"),
        }
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        match Number::from_f64(value) {
            Some(number) => Ok(Value::Number(number)),
            None => self.refuse("has a number that is too large"),
        }
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        self.text(text).map(Value::String)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let inside = self.deeper()?;
        let mut list = Vec::new();
        while let Some(item) = items.next_element_seed(inside)? {
            list.push(item);
        }
        Ok(Value::Array(list))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Value, A::Error> {
        let inside = self.deeper()?;
        let mut object = Map::new();
        while let Some(name) = members.next_key::<String>()? {
            let name = self.text(&name)?;
            if object.contains_key(&name) {
                return self.refuse("has a member twice");
            }
            if object.len() >= MAX_MEMBERS {
                return self.refuse("has an object of more than 256 members");
            }
            object.insert(name, members.next_value_seed(inside)?);
        }
        Ok(Value::Object(object))
    }
}

#[cfg(test)]
mod tests {
    use proptest::collection::vec;
    use proptest::prelude::*;

    use super::*;

    fn refusal(text: &str) -> &'static str {
        parse(text.as_bytes()).unwrap_err()
    }

    #[test]
    fn s67_one_document_and_nothing_else() {
        for odd in [
            "",
            " ",
            "{",
            "{}{}",
            "{} x",
            "[1,]",
            "{\"a\":1,}",
            "{'a':1}",
            "nul",
            "\u{feff}{}",
            "{} // comment",
            "01",
            "+1",
            ".5",
            "NaN",
            "\"a\tb\"",
            "\"\\ud800\"",
            "1e400",
        ] {
            assert!(parse(odd.as_bytes()).is_err(), "{odd:?}");
        }
        assert!(parse(b"\"\xff\"").is_err());
        assert!(parse(b"{\"\xc0\xaf\":1}").is_err());
        assert_eq!(parse(b" {\"a\": [1]}\r\n\t ").unwrap(), serde_json::json!({"a": [1]}));
    }

    #[test]
    fn s67_a_member_twice_is_refused_at_every_level() {
        assert_eq!(refusal(r#"{"a":1,"a":1}"#), "has a member twice");
        assert_eq!(refusal(r#"{"a":{"b":1,"\u0062":2}}"#), "has a member twice");
        assert_eq!(refusal(r#"[[{"a":null,"a":null}]]"#), "has a member twice");
    }

    #[test]
    fn s67_depth_members_and_strings_are_bounded() {
        let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
        assert!(parse(nested(MAX_DEPTH).as_bytes()).is_ok());
        assert_eq!(refusal(&nested(MAX_DEPTH + 1)), "nests at most 32 deep");
        assert_eq!(refusal(&"[".repeat(100_000)), "nests at most 32 deep");

        let members = |count: usize| {
            let members: Vec<_> = (0..count).map(|n| format!("\"{n}\":0")).collect();
            format!("{{{}}}", members.join(","))
        };
        assert!(parse(members(MAX_MEMBERS).as_bytes()).is_ok());
        assert_eq!(refusal(&members(MAX_MEMBERS + 1)), "has an object of more than 256 members");

        let long = "x".repeat(MAX_STRING);
        assert!(parse(format!("\"{long}\"").as_bytes()).is_ok());
        assert_eq!(refusal(&format!("\"{long}x\"")), "has a text of more than 16 KiB");
        assert_eq!(refusal(&format!("{{\"{long}x\":1}}")), "has a text of more than 16 KiB");
    }

    #[test]
    fn s67_numbers_beyond_64_bits_are_refused() {
        assert_eq!(parse(b"9223372036854775807").unwrap(), Value::from(i64::MAX));
        assert_eq!(parse(b"-9223372036854775808").unwrap(), Value::from(i64::MIN));
        assert_eq!(refusal("9223372036854775808"), "has a number that is too large");
        assert_eq!(refusal("18446744073709551615"), "has a number that is too large");
        assert!(parse(b"-1e999").is_err());
    }

    #[test]
    fn s68_nul_is_refused_in_names_and_texts() {
        assert_eq!(refusal(r#"{"a":"\u0000"}"#), "has a NUL character in a text");
        assert_eq!(refusal(r#"{"\u0000":1}"#), "has a NUL character in a text");
    }

    fn any_json() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i64>().prop_map(Value::from),
            any::<f64>().prop_filter_map("finite", |n| Number::from_f64(n).map(Value::Number)),
            "[^\0]{0,12}".prop_map(Value::from),
        ];
        leaf.prop_recursive(6, 48, 6, |inner| {
            prop_oneof![
                vec(inner.clone(), 0..6).prop_map(Value::from),
                vec(("[^\0]{0,6}", inner), 0..6)
                    .prop_map(|m| Value::Object(m.into_iter().collect())),
            ]
        })
    }

    /// Text that is nearly JSON, so that the interesting branches are reached.
    fn nearly_json() -> impl Strategy<Value = Vec<u8>> {
        let piece = prop::sample::select(vec![
            "{",
            "}",
            "[",
            "]",
            ",",
            ":",
            "\"a\"",
            "\"A\"",
            "\"\\u0061\"",
            "1",
            "-0",
            "1e5",
            "null",
            "true",
            " ",
            "\\",
            "\"",
            "\0",
            "\u{feff}",
            "9223372036854775808",
        ]);
        vec(piece, 0..24).prop_map(|pieces| pieces.concat().into_bytes())
    }

    proptest! {
        #[test]
        fn no_bytes_make_it_panic(bytes in vec(any::<u8>(), 0..256)) {
            let _ = parse(&bytes);
        }

        #[test]
        fn what_it_accepts_is_what_everybody_reads(bytes in nearly_json()) {
            if let Ok(value) = parse(&bytes) {
                prop_assert_eq!(value, serde_json::from_slice::<Value>(&bytes).unwrap());
            }
        }

        #[test]
        fn it_accepts_every_document_within_the_limits(value in any_json()) {
            let text = value.to_string();
            prop_assert_eq!(parse(text.as_bytes()).unwrap().to_string(), text);
        }

        #[test]
        fn every_repeated_member_is_refused(value in any_json(), name in "[^\0]{0,6}") {
            let name = Value::from(name);
            let text = format!("{{{name}:{value},\"x y z\":0,{name}:{value}}}");
            prop_assert!(parse(text.as_bytes()).is_err());
        }
    }
}
