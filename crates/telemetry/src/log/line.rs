//! How a log line looks, and why text from outside cannot make it look like two.

use std::collections::BTreeMap;
use std::fmt::{self, Write};

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;
use tracing::Level;

/// Longer texts are cut, so that the lines waiting to be written stay small. In bytes.
const LONGEST_TEXT: usize = 4096;

/// JSON, or for humans.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    Json,
    Human { colour: bool },
}

/// A field's value.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    /// Anything that has to be escaped.
    Text(String),
    /// A number or a boolean, as JSON has it.
    Bare(String),
    /// A finite number.
    Float(f64),
}

impl Value {
    pub(crate) fn text(text: impl fmt::Display) -> Self {
        let mut short = Short(String::new());
        // A `Display` that gives up has said what it could; `Short` gives up when it is full.
        let _ = write!(short, "{text}");
        Self::Text(short.0)
    }

    pub(crate) fn float(number: f64) -> Self {
        if number.is_finite() { Self::Float(number) } else { Self::Text(number.to_string()) }
    }
}

/// Takes text until it is full, so that endless text is not even formatted.
struct Short(String);

impl Write for Short {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        let room = LONGEST_TEXT.saturating_sub(self.0.len());
        if text.len() <= room {
            self.0.push_str(text);
            return Ok(());
        }
        let end = text.floor_char_boundary(room);
        self.0.push_str(text.get(..end).unwrap_or_default());
        self.0.push('…');
        Err(fmt::Error)
    }
}

/// What one line says.
pub(crate) struct Line {
    pub(crate) level: Level,
    pub(crate) message: String,
    pub(crate) fields: BTreeMap<&'static str, Value>,
}

impl Line {
    /// The line, with its end.
    pub(crate) fn render(self, shape: Shape) -> String {
        #[expect(clippy::disallowed_methods, reason = "a line says when it was written")]
        let now = OffsetDateTime::now_utc();
        match shape {
            Shape::Json => self.json(now),
            Shape::Human { colour } => self.human(now, colour),
        }
    }

    fn json(mut self, now: OffsetDateTime) -> String {
        let ts = now.format(&Rfc3339).unwrap_or_default();
        let level = self.level.as_str().to_ascii_lowercase();
        self.fields.insert("level", Value::Text(level));
        self.fields.insert("message", Value::Text(self.message));
        self.fields.insert("ts", Value::Text(ts));
        let mut line = String::with_capacity(256);
        let mut before = '{';
        for (name, value) in &self.fields {
            line.push(before);
            push_quoted(&mut line, name);
            line.push(':');
            match value {
                Value::Text(text) => push_quoted(&mut line, text),
                Value::Bare(text) => line.push_str(text),
                Value::Float(number) => line.push_str(&number.to_string()),
            }
            before = ',';
        }
        line.push_str("}\n");
        line
    }

    fn human(self, now: OffsetDateTime, colour: bool) -> String {
        let time = format_description!("[hour]:[minute]:[second].[subsecond digits:3]");
        let mut line = now.format(time).unwrap_or_default();
        let (start, end) = if colour { (colour_of(self.level), "\u{1b}[0m") } else { ("", "") };
        let level = self.level.as_str();
        // Writing to a string cannot fail, here and below.
        let _ = write!(line, " {start}{level:<5}{end} ");
        // A message of several words reads well as it is, but it must not look like fields.
        if self.message.chars().any(|c| c == '=' || c == '"' || unsafe_to_show(c)) {
            push_quoted(&mut line, &self.message);
        } else {
            line.push_str(&self.message);
        }
        for (name, value) in &self.fields {
            line.push(' ');
            line.push_str(name);
            line.push('=');
            match value {
                Value::Text(text) if is_word(text) => line.push_str(text),
                Value::Text(text) => push_quoted(&mut line, text),
                Value::Bare(text) => line.push_str(text),
                Value::Float(number) => drop(write!(line, "{number:.3}")),
            }
        }
        line.push('\n');
        line
    }
}

const fn colour_of(level: Level) -> &'static str {
    match level {
        Level::ERROR => "\u{1b}[31m",
        Level::WARN => "\u{1b}[33m",
        Level::INFO => "\u{1b}[32m",
        Level::DEBUG | Level::TRACE => "\u{1b}[2m",
    }
}

/// Whether the text can stand after `name=` without quotes.
fn is_word(text: &str) -> bool {
    let odd = |c: char| c.is_whitespace() || c == '=' || c == '"' || unsafe_to_show(c);
    !text.is_empty() && !text.chars().any(odd)
}

/// A JSON string (RFC 8259), stricter than need be: whatever ends a line, moves a cursor, is
/// invisible or turns the reading direction is written as `\u` and four digits.
fn push_quoted(line: &mut String, text: &str) {
    line.push('"');
    for c in text.chars() {
        match c {
            '"' => line.push_str("\\\""),
            '\\' => line.push_str("\\\\"),
            '\n' => line.push_str("\\n"),
            '\r' => line.push_str("\\r"),
            '\t' => line.push_str("\\t"),
            // All of these are in the basic plane, so that four digits do.
            c if unsafe_to_show(c) => drop(write!(line, "\\u{:04x}", u32::from(c))),
            c => line.push(c),
        }
    }
    line.push('"');
}

fn unsafe_to_show(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{ad}' | '\u{61c}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}')
        || matches!(c, '\u{2060}'..='\u{206f}' | '\u{feff}')
}
