//! Query strings, and the part of a list they ask for.

use std::str::FromStr;

use auth_domain::model::{Direction, Metadata, Page};
use auth_domain::ops::paging::PartAsked;
use auth_domain::{Error, Invalid, Result, json};
use axum::extract::FromRequestParts;
use http::request::Parts;

use crate::body::Members;
use crate::problem::Problem;

/// How many elements a page has when nobody says.
pub(crate) const DEFAULT_LIMIT: u64 = 10;

/// What a query string can be read into.
pub(crate) trait FromParameters: Sized {
    /// Takes what it knows; other parameters are ignored.
    fn from_parameters(parameters: &Parameters) -> Result<Self>;
}

/// A query string, read.
pub(crate) struct Query<T>(pub T);

impl<T: FromParameters, S: Sync> FromRequestParts<S> for Query<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &S) -> Result<Self, Problem> {
        let parameters = Parameters::parse(parts.uri.query().unwrap_or_default())?;
        Ok(Self(T::from_parameters(&parameters)?))
    }
}

/// The parameters of a query string, decoded, in order.
#[derive(Debug)]
pub(crate) struct Parameters(Vec<(String, String)>);

impl Parameters {
    /// Reads `name=value` pairs joined by `&` (WHATWG URL, form encoding), more strictly than most:
    /// a `;`, a broken escape, text that is not UTF-8 and NUL are refused instead of guessed at.
    pub(crate) fn parse(query: &str) -> Result<Self> {
        query
            .split('&')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
                Some((decode(name)?, decode(value)?))
            })
            .collect::<Option<_>>()
            .map(Self)
            .ok_or(Invalid::QueryParameters.into())
    }

    /// The parameter with this name. Twice the same is refused, because nobody can tell which one
    /// the next reader takes.
    fn get(&self, name: &str) -> Result<Option<&str>> {
        let mut named = self.0.iter().filter(|(other, _)| other == name);
        let first = named.next().map(|(_, value)| value.as_str());
        match named.next() {
            None => Ok(first),
            Some(_) => Err(Invalid::QueryParameters.into()),
        }
    }

    /// A text; empty when absent.
    pub(crate) fn text(&self, name: &str) -> Result<String> {
        Ok(self.get(name)?.unwrap_or_default().to_owned())
    }

    /// A text, if there is one, also an empty one.
    pub(crate) fn stated(&self, name: &str) -> Result<Option<String>> {
        Ok(self.get(name)?.map(str::to_owned))
    }

    /// Yes or no; no when absent.
    pub(crate) fn flag(&self, name: &str) -> Result<bool> {
        match self.get(name)? {
            None | Some("" | "false") => Ok(false),
            Some("true") => Ok(true),
            Some(_) => Err(Invalid::QueryParameters.into()),
        }
    }

    /// One of these words; the first when absent.
    pub(crate) fn word<const N: usize>(
        &self,
        name: &str,
        words: [&'static str; N],
    ) -> Result<&'static str> {
        let asked = self.get(name)?.filter(|text| !text.is_empty());
        let found = words.into_iter().find(|word| asked.is_none_or(|asked| asked == *word));
        found.ok_or(Invalid::QueryParameters.into())
    }

    /// A whole number that is not negative.
    pub(crate) fn whole(&self, name: &str, absent: u64) -> Result<u64> {
        self.get(name)?.map_or(Ok(absent), number)
    }

    /// A JSON object to filter by; none when absent.
    pub(crate) fn metadata(&self) -> Result<Metadata> {
        let Some(text) = self.get("metadata")? else { return Ok(Metadata::default()) };
        json::parse(text.as_bytes())
            .ok()
            .and_then(|value| Metadata::from_value(value).ok())
            .ok_or(Invalid::QueryParameters.into())
    }
}

fn decode(text: &str) -> Option<String> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut bytes = text.bytes();
    while let Some(byte) = bytes.next() {
        decoded.push(match byte {
            b';' => return None,
            b'+' => b' ',
            b'%' => {
                let high = hex(bytes.next()?)?;
                let low = hex(bytes.next()?)?;
                (high << 4) | low
            }
            other => other,
        });
    }
    String::from_utf8(decoded).ok().filter(|text| !text.contains('\0'))
}

fn hex(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).and_then(|value| u8::try_from(value).ok())
}

fn number(text: &str) -> Result<u64> {
    let digits = !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    digits.then(|| text.parse().ok()).flatten().ok_or(Invalid::QueryParameters.into())
}

/// Which part of a list is asked for, as it was written: read before the token is looked for,
/// judged by [`PageAsked::page`] after.
#[derive(Debug)]
pub(crate) struct PageAsked {
    offset: u64,
    limit: u64,
    order: String,
    direction: String,
}

impl FromParameters for PageAsked {
    fn from_parameters(parameters: &Parameters) -> Result<Self> {
        let limit = match parameters.get("limit")? {
            None => DEFAULT_LIMIT,
            Some(text) => match number(text.strip_prefix('+').unwrap_or(text))? {
                0 => return Err(Invalid::QueryParameters.into()),
                limit => limit,
            },
        };
        Ok(Self {
            offset: parameters.get("offset")?.map_or(Ok(0), number)?,
            limit,
            order: parameters.text("order")?,
            direction: parameters.text("dir")?,
        })
    }
}

impl PageAsked {
    /// The same from a body, where zero means the default.
    pub(crate) fn from_members(members: &mut Members) -> Result<Self> {
        Ok(Self {
            offset: members.count("offset")?,
            limit: match members.count("limit")? {
                0 => DEFAULT_LIMIT,
                limit => limit,
            },
            order: members.text("order")?,
            direction: members.text("dir")?,
        })
    }

    /// The page, if the list has it.
    pub(crate) fn page<O: FromStr<Err = Error>>(&self) -> Result<Page<O>> {
        Page::new(self.offset, self.limit, self.order.parse()?, self.direction.parse()?)
    }

    /// The page of a list that has one order and one direction.
    pub(crate) fn unordered(&self) -> Result<Page<()>> {
        Page::new(self.offset, self.limit, (), Direction::Ascending)
    }
}

/// Which part of a list is asked for: by number, or by the cursor of the page before.
pub(crate) struct PageOrCursor {
    page: PageAsked,
    cursor: String,
}

impl FromParameters for PageOrCursor {
    fn from_parameters(parameters: &Parameters) -> Result<Self> {
        let page = PageAsked::from_parameters(parameters)?;
        Ok(Self { page, cursor: parameters.text("cursor")? })
    }
}

impl PageOrCursor {
    pub(crate) fn part(&self) -> Result<PartAsked> {
        let page = self.page.unordered()?;
        Ok(PartAsked { page, cursor: (!self.cursor.is_empty()).then(|| self.cursor.clone()) })
    }
}

#[cfg(test)]
mod tests {
    use auth_domain::model::OrgOrder;
    use proptest::prelude::*;
    use serde_json::json;

    use super::*;

    fn asked(query: &str) -> Result<Page<OrgOrder>> {
        PageAsked::from_parameters(&Parameters::parse(query)?)?.page()
    }

    fn refusal(query: &str) -> &'static str {
        match asked(query) {
            Err(Error::Invalid(reason)) => reason.text(),
            other => panic!("{query}: {other:?}"),
        }
    }

    #[test]
    fn nothing_asked_is_the_first_ten() {
        let page = asked("").unwrap();
        assert_eq!((page.offset, page.limit), (0, 10));
        assert_eq!((page.order.as_str(), page.direction.as_str()), ("id", "desc"));
        assert_eq!(asked("order=&dir=&foo=bar&foo=baz").unwrap(), page);
    }

    #[test]
    fn r31_numbers_are_decimal_digits() {
        for odd in [
            "limit=0",
            "limit=-1",
            "limit=",
            "limit=x",
            "limit",
            "limit=1.5",
            "limit=1,2",
            "limit=%2B%2B5",
            "limit=0x10",
            "limit=99999999999999999999",
            "limit=٣",
            "limit= 5",
            "offset=-1",
            "offset=",
            "offset=x",
            "offset=%2B5",
            "offset=1000001",
            "offset=18446744073709551616",
        ] {
            assert_eq!(refusal(odd), "invalid query parameters", "{odd}");
        }
        assert_eq!(asked("limit=%2B5&offset=1000000").unwrap().limit, 5);
        assert_eq!(refusal("limit=201"), "invalid limit size");
    }

    #[test]
    fn r33_order_and_direction_are_closed_lists() {
        assert_eq!(refusal("order=foo"), "invalid list order provided");
        assert_eq!(refusal("order=id;drop"), "invalid query parameters");
        assert_eq!(refusal("dir=ASC"), "invalid list direction provided");
        assert_eq!(asked("order=created_at&dir=asc").unwrap().order, OrgOrder::CreatedAt);
    }

    #[test]
    fn d39_what_cannot_be_read_is_refused_as_a_whole() {
        for odd in ["a=1;b=2", "a=%", "a=%4", "a=%zz", "%ff=1", "a=%c0%af", "a=%00", ";"] {
            assert_eq!(refusal(odd), "invalid query parameters", "{odd}");
        }
        let query = Parameters::parse("name=a,b&&x=%26+%2B%3B%C3%A9&flag").unwrap();
        assert_eq!(query.text("name").unwrap(), "a,b");
        assert_eq!(query.text("x").unwrap(), "& +;é");
        assert_eq!(query.text("flag").unwrap(), "");
    }

    #[test]
    fn s72_a_repeated_parameter_is_refused_when_it_counts() {
        assert_eq!(refusal("limit=1&limit=1"), "invalid query parameters");
        assert_eq!(refusal("dir=asc&%64ir=asc"), "invalid query parameters");
    }

    #[test]
    fn d82_r35_a_metadata_filter_is_an_object() {
        let metadata = |query: &str| Parameters::parse(query).unwrap().metadata();
        assert_eq!(
            metadata("metadata={\"a\":1,\"b\":2}").unwrap(),
            Metadata::from_value(json!({"a": 1, "b": 2})).unwrap()
        );
        assert!(metadata("metadata={}").unwrap().is_empty());
        assert!(metadata("metadata=null").unwrap().is_empty());
        for odd in ["x", "", "[]", "1", "{\"a\":1,\"a\":1}", "{}{}"] {
            assert!(metadata(&format!("metadata={odd}")).is_err(), "{odd}");
        }
    }

    fn encoded(text: &str) -> String {
        text.bytes().fold(String::new(), |encoded, byte| format!("{encoded}%{byte:02X}"))
    }

    proptest! {
        #[test]
        fn no_text_makes_it_panic(query in ".{0,64}", pieces in "[%&=;+0-9a-f]{0,32}") {
            let _ = asked(&query);
            let _ = asked(&pieces);
        }

        #[test]
        fn what_was_encoded_comes_back(name in "[^\0]{1,8}", value in "[^\0]{0,16}") {
            let query = format!("{}={}", encoded(&name), encoded(&value));
            prop_assert_eq!(Parameters::parse(&query).unwrap().text(&name).unwrap(), value);
        }

        #[test]
        fn s73_no_number_wraps(offset in any::<u64>(), limit in any::<u64>()) {
            let page = asked(&format!("offset={offset}&limit={limit}"));
            let fine = offset <= 1_000_000 && (1..=200).contains(&limit);
            prop_assert_eq!(page.is_ok(), fine);
            if let Ok(page) = page {
                prop_assert_eq!((page.offset, page.limit), (offset, limit));
            }
        }

        #[test]
        fn every_repeated_scalar_is_refused(
            name in prop::sample::select(vec!["offset", "limit", "order", "dir"]),
            between in "[a-z]{1,4}",
        ) {
            let query = format!("{name}=1&x{between}=1&{}=1", encoded(name));
            prop_assert!(asked(&query).is_err());
        }
    }
}
