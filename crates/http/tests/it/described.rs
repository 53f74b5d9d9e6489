//! Holds answers against the description: whatever a test gets must stand there.

use std::sync::LazyLock;

use http::{HeaderMap, Method};
use serde_json::Value;

/// The description, as clients read it.
pub static API: LazyLock<Value> =
    LazyLock::new(|| serde_json::to_value(auth_http::openapi(true, "0.0.0")).unwrap());

/// The operation behind a method and a path template.
pub fn operation(method: &Method, template: &str) -> Option<&'static Value> {
    API["paths"][template].get(method.as_str().to_ascii_lowercase())
}

/// What a reference points at, or the value itself.
pub fn resolved(value: &'static Value) -> &'static Value {
    match value.get("$ref") {
        Some(to) => resolved(API.pointer(&to.as_str().unwrap()[1..]).unwrap()),
        None => value,
    }
}

/// Whether null is one of the values of this schema.
pub fn takes_null(schema: &'static Value) -> bool {
    resolved(schema)["type"].as_array().is_some_and(|types| types.contains(&"null".into()))
}

/// Whether the answer to this request is one that the description gives; panics if not. What no
/// route matched is nothing the description speaks of, nor is what is neither accepting nor declining.
pub fn check(method: &Method, path: &str, status: u16, headers: &HeaderMap, body: &[u8]) {
    let media_type = headers.get("content-type").map_or("", |value| value.to_str().unwrap());
    let no_answer = |body| body_has_code(body, "invalid_invite_action");
    let unmatched = matches!(status, 302 | 405)
        || media_type.starts_with("text/plain")
        || status == 400 && no_answer(body);
    let Some(template) = template(path).filter(|_| !unmatched) else {
        // The head of a request is looked at before its route is.
        let is_head = status == 431
            || status == 400 && String::from_utf8_lossy(body).contains("must be sent once");
        assert!(unmatched || is_head, "{method} {path} is not described and answers {status}");
        return;
    };
    let name = format!("{method} {template} {status}");
    let head = method == Method::HEAD;
    let method = if head { &Method::GET } else { method };
    let responses = &operation(method, template).unwrap_or_else(|| panic!("{name}"))["responses"];
    let named = responses.get(status.to_string());
    let response = resolved(named.unwrap_or(&responses["default"]));
    for header in response["headers"].as_object().into_iter().flatten() {
        assert!(headers.contains_key(header.0), "{name} lacks {}", header.0);
    }
    if head {
        return;
    }
    // What the original wrote is restored with its answer, which is none.
    if name == "POST /restore 201" && body.is_empty() {
        return;
    }
    let Some(contents) = response["content"].as_object() else {
        assert!(named.is_some() && body.is_empty(), "{name} is not described");
        return;
    };
    let content = contents.get(media_type).unwrap_or_else(|| panic!("{name}: {media_type}"));
    let value: Value = serde_json::from_slice(body).unwrap();
    assert_eq!(fault(&value, &content["schema"]), None, "{name}: {value}");
    if status >= 400 {
        let code = value["code"].as_str().unwrap();
        assert!(content["examples"].get(code).is_some(), "{name} is not said to have code {code}");
    }
}

fn body_has_code(body: &[u8], code: &str) -> bool {
    let problem: Result<Value, _> = serde_json::from_slice(body);
    problem.is_ok_and(|problem| problem["code"] == code)
}

/// The template of a path: word for word if there is one, else with variable segments.
fn template(path: &str) -> Option<&'static str> {
    let paths = API["paths"].as_object().unwrap();
    let exact = paths.keys().find(|template| *template == path);
    let variable = || {
        paths.keys().find(|template| {
            let mut pairs = template.split('/').zip(path.split('/'));
            template.split('/').count() == path.split('/').count()
                && pairs.all(|(wanted, found)| wanted.starts_with('{') || wanted == found)
        })
    };
    exact.or_else(variable).map(String::as_str)
}

/// Why a value is not of this schema. Members the schema does not name are a fault.
pub fn fault(value: &Value, schema: &'static Value) -> Option<String> {
    let schema = resolved(schema);
    let limit = |name: &str| schema[name].as_f64();
    let outside = |size: f64, low: &str, high: &str| {
        limit(low).is_some_and(|low| size < low) || limit(high).is_some_and(|high| size > high)
    };
    let refused = |why: &str| Some(format!("{value} {why}"));
    if schema["enum"].as_array().is_some_and(|words| !words.contains(value)) {
        return refused("is no word of the list");
    }
    // Several types are one and null, which a member has to say if it means it.
    let kind = match &schema["type"] {
        Value::Array(types) if value.is_null() && types.contains(&"null".into()) => return None,
        Value::Array(types) => types.iter().find(|kind| *kind != "null").unwrap(),
        only => only,
    };
    match (kind.as_str().unwrap(), value) {
        ("string", Value::String(text)) => {
            let size = u32::try_from(text.chars().count()).unwrap();
            let formatted = match schema["format"].as_str() {
                Some("uuid") => uuid::Uuid::parse_str(text).is_ok(),
                Some("date-time") => text.len() >= 20 && text.ends_with('Z'),
                _ => true,
            };
            if formatted && !outside(size.into(), "minLength", "maxLength") {
                return None;
            }
            refused("is no such text")
        }
        ("boolean", Value::Bool(_)) => None,
        ("integer", Value::Number(number)) => {
            let fine = number.is_i64() || number.is_u64();
            if fine && !outside(number.as_f64().unwrap(), "minimum", "maximum") {
                return None;
            }
            refused("is no such number")
        }
        ("array", Value::Array(items)) => {
            let size = u32::try_from(items.len()).unwrap();
            if outside(size.into(), "minItems", "maxItems") {
                return refused("is of another length");
            }
            items.iter().find_map(|item| fault(item, &schema["items"]))
        }
        ("object", Value::Object(members)) => {
            let absent = schema["required"].as_array().into_iter().flatten();
            let mut absent = absent.filter(|name| !members.contains_key(name.as_str().unwrap()));
            if let Some(name) = absent.next() {
                return refused(&format!("lacks {name}"));
            }
            members.iter().find_map(|(name, member)| match schema["properties"].get(name) {
                Some(schema) => fault(member, schema),
                None if schema["additionalProperties"] == true => None,
                None => Some(format!("{name} is not described")),
            })
        }
        (other, _) => refused(&format!("is not of type {other}")),
    }
}
