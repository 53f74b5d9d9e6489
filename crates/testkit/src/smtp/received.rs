//! A mail as the server got it.

use base64::Engine;
use base64::engine::general_purpose::STANDARD as BASE64;

/// A mail it took.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Received {
    /// From whom, by the envelope.
    pub from: String,
    /// To whom, by the envelope: one for each RCPT.
    pub to: Vec<String>,
    /// Headers and body, with CRLF as line ends.
    pub data: String,
    /// Whether it came over TLS.
    pub tls: bool,
    /// Who had signed in.
    pub user: Option<String>,
}

impl Received {
    /// The header with this name, unfolded, as it was sent.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let block = self.data.split("\r\n\r\n").next()?.replace("\r\n ", " ");
        let named = |line: &str| {
            let (found, value) = line.split_once(':')?;
            found.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
        };
        block.split("\r\n").find_map(named)
    }

    /// The names of all headers, in order.
    #[must_use]
    pub fn headers(&self) -> Vec<String> {
        let block = self.data.split("\r\n\r\n").next().unwrap_or_default();
        let starts = block.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
        starts.map(|line| line.split(':').next().unwrap_or_default().to_owned()).collect()
    }

    /// The text of the part of this kind, such as `text/html`, decoded.
    #[must_use]
    pub fn part(&self, kind: &str) -> Option<String> {
        let starts = format!("Content-Type: {kind}");
        let part = self.data.split("\r\n--").find(|part| part.contains(&starts))?;
        let (headers, body) = part.split_once("\r\n\r\n")?;
        let encoding = headers.to_ascii_lowercase();
        let bytes = if encoding.contains("base64") {
            BASE64.decode(body.replace("\r\n", "")).ok()?
        } else if encoding.contains("quoted-printable") {
            from_quoted_printable(body)
        } else {
            body.as_bytes().to_vec()
        };
        Some(String::from_utf8_lossy(&bytes).replace("\r\n", "\n"))
    }
}

/// RFC 2045 section 6.7.
fn from_quoted_printable(text: &str) -> Vec<u8> {
    let joined = text.replace("=\r\n", "");
    let mut bytes = Vec::new();
    let mut rest = joined.as_bytes();
    while let Some((&byte, after)) = rest.split_first() {
        let hex = after.get(..2).and_then(|hex| std::str::from_utf8(hex).ok());
        let decoded = hex.and_then(|hex| u8::from_str_radix(hex, 16).ok());
        if let (b'=', Some(decoded)) = (byte, decoded) {
            bytes.push(decoded);
            rest = after.get(2..).unwrap_or_default();
        } else {
            bytes.push(byte);
            rest = after;
        }
    }
    bytes
}
