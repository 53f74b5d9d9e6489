//! Makes inputs from others.

use std::collections::BTreeSet;

use crate::random::Random;

/// What decoders have stumbled over, here or elsewhere.
const ODD: &[&[u8]] = &[
    b"",
    b"\0",
    b"\xff",
    b"\x80",
    // Overlong, a surrogate and beyond the last character, as no UTF-8 is.
    b"\xc0\xaf",
    b"\xed\xa0\x80",
    b"\xf4\x90\x80\x80",
    b"%",
    b"%00",
    b"%2f",
    b"%ff",
    b"%25",
    b"..",
    b"../",
    b"//",
    b";",
    b"&",
    b"=",
    b"'",
    b"\"",
    b"\\",
    b"\r\n",
    b"\r\n\r\n",
    b"\xef\xbb\xbf",
    // Letters whose other case is ASCII, or longer; what turns text around; what joins and what is not seen.
    "\u{212a}".as_bytes(),
    "\u{17f}".as_bytes(),
    "\u{130}".as_bytes(),
    "\u{131}".as_bytes(),
    "\u{df}".as_bytes(),
    "\u{fb01}".as_bytes(),
    "\u{202e}".as_bytes(),
    "\u{200d}".as_bytes(),
    "\u{ad}".as_bytes(),
    "\u{301}".as_bytes(),
    "\u{3002}".as_bytes(),
    "\u{2028}".as_bytes(),
    "\u{fffd}".as_bytes(),
    "\u{10ffff}".as_bytes(),
    b"xn--",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b"\\u0000",
    b"\\ud800",
    b"{{",
    b"{%",
    b"00000000-0000-0000-0000-000000000000",
];

const NUMBERS: &[&str] = &[
    "0",
    "-0",
    "1",
    "-1",
    "1.5",
    "1e309",
    "-1e400",
    "255",
    "256",
    "65535",
    "65536",
    "2147483647",
    "2147483648",
    "4294967296",
    "9223372036854775807",
    "9223372036854775808",
    "-9223372036854775808",
    "18446744073709551615",
    "18446744073709551616",
    "253402300799",
    "253402300800",
    "99999999999999999999999999999999999999",
];

const BRACKETS: &[&[u8]] = &[b"[", b"{\"a\":", b"(", b"<", b"[{\"a\":", b"]", b"}"];

/// Knows the words of a corpus.
pub(crate) struct Mutator {
    words: Vec<Vec<u8>>,
    longest: usize,
}

impl Mutator {
    pub(crate) fn new(seeds: &[Vec<u8>], longest: usize) -> Self {
        let words = |seed: &Vec<u8>| -> Vec<Vec<u8>> {
            let is_part = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-');
            let words = seed.split(|byte| !is_part(byte));
            words.filter(|word| (1..=64).contains(&word.len())).map(<[u8]>::to_vec).collect()
        };
        let words: BTreeSet<Vec<u8>> = seeds.iter().flat_map(words).collect();
        Self { words: words.into_iter().collect(), longest }
    }

    /// An input made from one of these, changed in a few ways.
    pub(crate) fn make(&self, pool: &[Vec<u8>], random: &mut Random) -> Vec<u8> {
        let mut input = random.pick(pool).cloned().unwrap_or_default();
        // One change most often, seldom many.
        loop {
            self.change(&mut input, pool, random);
            if random.below(2) == 0 {
                break;
            }
        }
        input.truncate(self.longest);
        input
    }

    fn change(&self, input: &mut Vec<u8>, pool: &[Vec<u8>], random: &mut Random) {
        let (from, to) = random.span(input.len());
        let at = random.below(input.len());
        match random.below(13) {
            0 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte ^= 1_u8.rotate_left(u32::from(random.byte()));
                }
            }
            1 => {
                if let Some(byte) = input.get_mut(at) {
                    *byte = random.byte();
                }
            }
            2 => drop(input.drain(from..to)),
            3 => input.truncate(from),
            // The same again, a few times or many.
            4 => {
                let part: Vec<u8> = input.drain(from..to).collect();
                let most = if random.below(8) == 0 { 1_000 } else { 4 };
                let times = random.below(most).saturating_add(2);
                let room = self.longest.checked_div(part.len()).unwrap_or_default();
                splice(input, from, from, &part.repeat(times.min(room.max(1))));
            }
            5 => {
                if let Some(odd) = random.pick(ODD) {
                    splice(input, from, to, odd);
                }
            }
            6 => {
                let (from, to) = digits(input, at).unwrap_or((from, to));
                if let Some(number) = random.pick(NUMBERS) {
                    splice(input, from, to, number.as_bytes());
                }
            }
            7 => {
                let (from, to) = word(input, at).unwrap_or((from, to));
                if let Some(word) = random.pick(&self.words) {
                    splice(input, from, to, word);
                }
            }
            8 => {
                if let Some(word) = random.pick(&self.words) {
                    splice(input, from, from, word);
                }
            }
            // A part of another input.
            9 => {
                if let Some(other) = random.pick(pool) {
                    let (begin, end) = random.span(other.len());
                    splice(input, from, to, other.get(begin..end).unwrap_or_default());
                }
            }
            // The beginning of one, the end of the other.
            10 => {
                if let Some(other) = random.pick(pool) {
                    let begin = random.below(other.len());
                    input.truncate(from);
                    input.extend_from_slice(other.get(begin..).unwrap_or_default());
                }
            }
            11 => {
                if let Some(part) = input.get_mut(from..to) {
                    for byte in part {
                        *byte ^= if byte.is_ascii_alphabetic() { 0x20 } else { 0 };
                    }
                }
            }
            _ => {
                let deep = random.below(200);
                if let Some(bracket) = random.pick(BRACKETS) {
                    splice(input, from, from, &bracket.repeat(deep));
                }
            }
        }
    }
}

/// Puts this in the place of that part.
fn splice(input: &mut Vec<u8>, from: usize, to: usize, with: &[u8]) {
    let (from, to) = (from.min(input.len()), to.min(input.len()));
    drop(input.splice(from..to, with.iter().copied()));
}

/// The number that this place is in.
fn digits(input: &[u8], at: usize) -> Option<(usize, usize)> {
    around(input, at, |byte| byte.is_ascii_digit())
}

/// The word that this place is in.
fn word(input: &[u8], at: usize) -> Option<(usize, usize)> {
    around(input, at, |byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-'))
}

fn around(input: &[u8], at: usize, is_part: impl Fn(u8) -> bool) -> Option<(usize, usize)> {
    let (before, after) = input.split_at_checked(at)?;
    let back = before.iter().rev().take_while(|byte| is_part(**byte)).count();
    let on = after.iter().take_while(|byte| is_part(**byte)).count();
    (on > 0).then(|| (at.saturating_sub(back), at.saturating_add(on)))
}
