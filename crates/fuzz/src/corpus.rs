//! Inputs as lines of text, so that a change of a corpus can be read like any other.
//!
//! One input a line, with the escapes `\n`, `\r`, `\t`, `\\`, `\xNN` for any byte, and `\(100*ab)` for a
//! hundred times `ab`. A line that begins with `#` says why the ones below it are there; empty lines count
//! for nothing. The empty input needs no line: it is always tried.

use std::fmt::Write;

/// The inputs of a corpus, in its order.
pub(crate) fn read(text: &str) -> Result<Vec<Vec<u8>>, String> {
    let lines = text.lines().enumerate();
    let inputs = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    inputs
        .map(|(n, line)| {
            let mut rest = line.as_bytes();
            unescape(&mut rest, false)
                .ok_or_else(|| format!("line {} of the corpus: an odd escape", n.saturating_add(1)))
        })
        .collect()
}

/// What is written in `rest`, up to its end or to the bracket that ends a repeated part.
fn unescape(rest: &mut &[u8], repeated: bool) -> Option<Vec<u8>> {
    let mut input = Vec::new();
    loop {
        let Some((first, after)) = rest.split_first() else { return (!repeated).then_some(input) };
        *rest = after;
        match first {
            b')' if repeated => return Some(input),
            b'\\' => {
                let (escape, after) = rest.split_first()?;
                *rest = after;
                match escape {
                    b'n' => input.push(b'\n'),
                    b'r' => input.push(b'\r'),
                    b't' => input.push(b'\t'),
                    b'\\' => input.push(b'\\'),
                    b'x' => {
                        let (digits, after) = rest.split_at_checked(2)?;
                        *rest = after;
                        let digits = std::str::from_utf8(digits).ok()?;
                        input.push(u8::from_str_radix(digits, 16).ok()?);
                    }
                    b'(' => {
                        let star = rest.iter().position(|byte| *byte == b'*')?;
                        let (times, after) = rest.split_at_checked(star)?;
                        let times: usize = std::str::from_utf8(times).ok()?.parse().ok()?;
                        *rest = after.split_first()?.1;
                        input.extend(unescape(rest, true)?.repeat(times));
                    }
                    _ => return None,
                }
            }
            byte => input.push(*byte),
        }
    }
}

/// The line for an input.
pub(crate) fn line(input: &[u8]) -> String {
    let mut line = String::new();
    for chunk in input.utf8_chunks() {
        for c in chunk.valid().chars() {
            match c {
                '\n' => line.push_str("\\n"),
                '\r' => line.push_str("\\r"),
                '\t' => line.push_str("\\t"),
                '\\' => line.push_str("\\\\"),
                // What would begin a comment, or is not seen in an editor.
                '#' if line.is_empty() => line.push_str("\\x23"),
                c if c.is_ascii_graphic() || c == ' ' || c.is_alphanumeric() => line.push(c),
                c => escape(&mut line, c.encode_utf8(&mut [0; 4]).as_bytes()),
            }
        }
        escape(&mut line, chunk.invalid());
    }
    line
}

fn escape(line: &mut String, bytes: &[u8]) {
    for byte in bytes {
        // Writing to a text does not fail.
        let _ = write!(line, "\\x{byte:02x}");
    }
}
