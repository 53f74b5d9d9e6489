//! Takes a document apart as it comes: no more of it is held than one element of a list.
//!
//! This finds out where values begin and end and whether the document around them is well-formed; what
//! is in a value is judged by whoever reads it.

use std::ops::Range;

/// What comes next in a document.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Piece {
    /// A member of the document, which is an object, whose value is no list: its name, and its value as
    /// text.
    Member(Vec<u8>, Vec<u8>),
    /// A member whose value is a list begins: its name. In a document that is a list itself, nothing.
    List(Vec<u8>),
    /// An element of that list, as text.
    Element(Vec<u8>),
    /// That list ends.
    ListEnd,
    /// The document ends.
    End,
}

/// What is wrong with a document, to be read after its name.
pub type Problem = &'static str;

const NOT_ONE: Problem = "must be one JSON document and nothing else";
const TOO_LARGE: Problem = "has a value that is too large";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Before the document.
    Start,
    /// In the object; `true` if a comma must come before the next member.
    Object(bool),
    /// In a list; `true` if a comma must come before the next element.
    List(bool),
    /// After the document.
    Done,
}

/// A document on its way in.
#[derive(Debug)]
pub struct Splitter {
    held: Vec<u8>,
    /// How much of `held` was dealt with.
    at: usize,
    state: State,
    /// Whether the document is a list itself.
    is_list: bool,
    /// Whether all of it is here.
    whole: bool,
    /// The most bytes one value has.
    most: usize,
}

impl Splitter {
    /// Of an object, of whose values none but lists is larger than this, and no element of a list.
    #[must_use]
    pub const fn object(most: usize) -> Self {
        Self { held: Vec::new(), at: 0, state: State::Start, is_list: false, whole: false, most }
    }

    /// Of a list, of which no element is larger than this.
    #[must_use]
    pub fn list(most: usize) -> Self {
        Self { is_list: true, ..Self::object(most) }
    }

    /// Takes some more of it.
    pub fn feed(&mut self, bytes: &[u8]) {
        self.held.drain(..self.at.min(self.held.len()));
        self.at = 0;
        self.held.extend_from_slice(bytes);
    }

    /// Says that this is all.
    pub const fn end(&mut self) {
        self.whole = true;
    }

    /// The next piece; nothing when more has to come first.
    pub fn next_piece(&mut self) -> Result<Option<Piece>, Problem> {
        let piece = self.look()?;
        if piece.is_none() {
            if self.whole {
                return Err(NOT_ONE);
            }
            if self.held.len().saturating_sub(self.at) > self.most {
                return Err(TOO_LARGE);
            }
        }
        Ok(piece)
    }

    fn look(&mut self) -> Result<Option<Piece>, Problem> {
        match self.state {
            State::Start => {
                let Some(opening) = self.skip_blanks(self.at) else { return Ok(None) };
                match (self.byte(opening), self.is_list) {
                    (Some(b'{'), false) => {
                        self.at = opening.saturating_add(1);
                        self.state = State::Object(false);
                        self.look()
                    }
                    (Some(b'['), true) => {
                        self.at = opening.saturating_add(1);
                        self.state = State::List(false);
                        Ok(Some(Piece::List(Vec::new())))
                    }
                    (_, false) => Err("must be an object"),
                    (_, true) => Err("must be a list"),
                }
            }
            State::Object(later) => self.member(later),
            State::List(later) => self.element(later),
            State::Done => {
                match self.skip_blanks(self.at) {
                    Some(_) => Err(NOT_ONE),
                    // Only then is it certain that nothing follows.
                    None if self.whole => Ok(Some(Piece::End)),
                    None => Ok(None),
                }
            }
        }
    }

    fn member(&mut self, later: bool) -> Result<Option<Piece>, Problem> {
        let Some(mut at) = self.skip_blanks(self.at) else { return Ok(None) };
        if self.byte(at) == Some(b'}') {
            self.at = at.saturating_add(1);
            self.state = State::Done;
            return self.look();
        }
        if later {
            match self.after(at, b',')? {
                Some(next) => at = next,
                None => return Ok(None),
            }
        }
        let Some(name) = self.value(at)? else { return Ok(None) };
        if self.byte(name.start) != Some(b'"') {
            return Err(NOT_ONE);
        }
        let Some(colon) = self.skip_blanks(name.end) else { return Ok(None) };
        let Some(at) = self.after(colon, b':')? else { return Ok(None) };
        if self.byte(at) == Some(b'[') {
            self.at = at.saturating_add(1);
            self.state = State::List(false);
            return Ok(Some(Piece::List(self.text(name))));
        }
        let Some(value) = self.value(at)? else { return Ok(None) };
        self.at = value.end;
        self.state = State::Object(true);
        Ok(Some(Piece::Member(self.text(name), self.text(value))))
    }

    fn element(&mut self, later: bool) -> Result<Option<Piece>, Problem> {
        let Some(mut at) = self.skip_blanks(self.at) else { return Ok(None) };
        if self.byte(at) == Some(b']') {
            self.at = at.saturating_add(1);
            self.state = if self.is_list { State::Done } else { State::Object(true) };
            return Ok(Some(Piece::ListEnd));
        }
        if later {
            match self.after(at, b',')? {
                Some(next) => at = next,
                None => return Ok(None),
            }
        }
        let Some(value) = self.value(at)? else { return Ok(None) };
        self.at = value.end;
        self.state = State::List(true);
        Ok(Some(Piece::Element(self.text(value))))
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.held.get(at).copied()
    }

    fn text(&self, range: Range<usize>) -> Vec<u8> {
        self.held.get(range).unwrap_or_default().to_vec()
    }

    /// The first place from here on that is no blank, if it is here yet.
    fn skip_blanks(&self, from: usize) -> Option<usize> {
        let rest = self.held.get(from..)?;
        let blanks = rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\n' | b'\r'))?;
        Some(from.saturating_add(blanks))
    }

    /// The first place after this byte that is no blank.
    fn after(&self, at: usize, wanted: u8) -> Result<Option<usize>, Problem> {
        match self.byte(at) {
            Some(byte) if byte == wanted => Ok(self.skip_blanks(at.saturating_add(1))),
            Some(_) => Err(NOT_ONE),
            None => Ok(None),
        }
    }

    /// Where the value that begins here is, once all of it is here.
    fn value(&self, start: usize) -> Result<Option<Range<usize>>, Problem> {
        let rest = self.held.get(start..).unwrap_or_default();
        let end = match rest.first() {
            None => None,
            Some(b'"' | b'{' | b'[') => closing(rest),
            // A number or a word ends where something else begins.
            Some(b'-' | b'0'..=b'9' | b't' | b'f' | b'n') => rest.iter().position(|byte| {
                matches!(byte, b',' | b']' | b'}' | b':' | b' ' | b'\t' | b'\n' | b'\r')
            }),
            Some(_) => return Err(NOT_ONE),
        };
        match end {
            Some(length) if length > self.most => Err(TOO_LARGE),
            Some(length) => Ok(Some(start..start.saturating_add(length))),
            None => Ok(None),
        }
    }
}

/// How long the text, object or list at the beginning is, if its end is here.
fn closing(text: &[u8]) -> Option<usize> {
    let (mut depth, mut in_text, mut escaped) = (0_usize, false, false);
    for (place, byte) in text.iter().enumerate() {
        match (in_text, byte) {
            (true, _) if escaped => escaped = false,
            (true, b'\\') => escaped = true,
            (true, b'"') => in_text = false,
            (false, b'"') => in_text = true,
            (false, b'{' | b'[') => depth = depth.saturating_add(1),
            (false, b'}' | b']') => depth = depth.saturating_sub(1),
            _ => {}
        }
        if depth == 0 && !in_text {
            return Some(place.saturating_add(1));
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use serde_json::{Value, json};

    use super::*;

    fn pieces(mut splitter: Splitter, text: &[u8], step: usize) -> Result<Vec<Piece>, Problem> {
        let mut pieces = Vec::new();
        let mut parts = text.chunks(step);
        loop {
            match splitter.next_piece()? {
                Some(Piece::End) => return Ok(pieces),
                Some(piece) => pieces.push(piece),
                None => match parts.next() {
                    Some(part) => splitter.feed(part),
                    None => splitter.end(),
                },
            }
        }
    }

    /// The document that the pieces make.
    fn joined(pieces: &[Piece]) -> Value {
        let read = |text: &Vec<u8>| serde_json::from_slice::<Value>(text).unwrap();
        let mut object = serde_json::Map::new();
        let mut list = None;
        for piece in pieces {
            match piece {
                Piece::Member(name, value) => {
                    object.insert(read(name).as_str().unwrap().to_owned(), read(value));
                }
                Piece::List(name) => list = Some((read(name), Vec::new())),
                Piece::Element(value) => list.as_mut().unwrap().1.push(read(value)),
                Piece::ListEnd => {
                    let (name, items) = list.take().unwrap();
                    object.insert(name.as_str().unwrap().to_owned(), Value::Array(items));
                }
                Piece::End => {}
            }
        }
        Value::Object(object)
    }

    #[test]
    fn what_is_no_document_is_refused_wherever_it_is_cut() {
        for odd in [
            "",
            " ",
            "{",
            "[]",
            "1",
            "{}{}",
            "{} x",
            "{\"a\":[1,]}",
            "{\"a\":[,1]}",
            "{,}",
            "{\"a\":[1 2]}",
            "{\"a\":1,}",
            "{\"a\":1 \"b\":2}",
            "{\"a\"}",
            "{a:1}",
            "{1:1}",
            "{\"a\":[}",
            "{\"a\":[1}",
            "{\"a\":'x'}",
            "{\"a\" 1}",
            "{\"a\":}",
            "{\"a\":\"x}",
        ] {
            for step in 1..=odd.len().max(1) {
                assert!(
                    pieces(Splitter::object(100), odd.as_bytes(), step).is_err(),
                    "{odd} {step}"
                );
            }
        }
        assert!(pieces(Splitter::list(100), b"{}", 1).is_err());
        assert!(pieces(Splitter::list(100), b"[1]]", 1).is_err());
    }

    #[test]
    fn a_list_is_a_document_too() {
        let found = pieces(Splitter::list(100), b" [ {\"a\":[1]} , \"]\" ] \n", 1).unwrap();
        let text = |text: &str| Piece::Element(text.as_bytes().to_vec());
        let expected = [Piece::List(vec![]), text("{\"a\":[1]}"), text("\"]\""), Piece::ListEnd];
        assert_eq!(found, expected);
    }

    #[test]
    fn a_value_that_is_too_large_is_refused_before_it_is_there() {
        let long = format!("{{\"a\":[\"{}", "x".repeat(200));
        let mut splitter = Splitter::object(100);
        splitter.feed(long.as_bytes());
        assert!(matches!(splitter.next_piece(), Ok(Some(Piece::List(_)))));
        assert_eq!(splitter.next_piece(), Err(TOO_LARGE));
    }

    fn values() -> impl Strategy<Value = Value> {
        let leaf = prop_oneof![
            Just(Value::Null),
            any::<bool>().prop_map(Value::from),
            any::<i32>().prop_map(Value::from),
            "[a\\\\\"{}\\[\\],:é ]{0,6}".prop_map(Value::from),
        ];
        leaf.prop_recursive(3, 16, 3, |inner| {
            prop_oneof![
                proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::Array),
                proptest::collection::btree_map("[a\"\\\\]{0,3}", inner, 0..3)
                    .prop_map(|map| Value::Object(map.into_iter().collect())),
            ]
        })
    }

    proptest! {
        #[test]
        fn documents_come_back_whole_however_they_are_cut(
            members in proptest::collection::btree_map("[ab\"\\\\]{1,3}", values(), 0..4),
            step in 1_usize..40,
            pretty in any::<bool>(),
        ) {
            let document = json!(members);
            let text = if pretty {
                serde_json::to_vec_pretty(&document).unwrap()
            } else {
                serde_json::to_vec(&document).unwrap()
            };
            let found = pieces(Splitter::object(10_000), &text, step).unwrap();
            prop_assert_eq!(joined(&found), document);
        }

        #[test]
        fn nothing_panics(text in "[{}\\[\\]\",:1a\\\\ ]{0,40}", step in 1_usize..10) {
            let found = pieces(Splitter::object(50), text.as_bytes(), step);
            // What it takes for a document is taken for one by other readers, as far as it looks.
            if serde_json::from_str::<Value>(&text).is_ok_and(|value| value.is_object()) {
                prop_assert!(found.is_ok(), "{}", text);
            }
        }
    }
}
