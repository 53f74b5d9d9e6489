//! What is sent: headers the library has encoded, a part for readers and one for those who see.

use std::time::{Duration, SystemTime};

use auth_domain::model::{Email, Letter};
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart};
use lettre::{Address, Message};

use crate::BadConfig;

/// Says that no human wrote it, so that nothing answers it by itself (RFC 3834).
const AUTO_SUBMITTED: HeaderName = HeaderName::new_from_ascii_str("Auto-Submitted");

/// A letter that cannot be a mail.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unwritable {
    #[error("the address has no form that can be sent to")]
    Address,
    #[error(transparent)]
    Message(#[from] lettre::error::Error),
}

/// From whom mails are.
pub(crate) struct Sender(Mailbox);

impl Sender {
    pub(crate) fn new(address: &str, name: Option<&str>) -> Result<Self, BadConfig> {
        let bad = || BadConfig::From(address.to_owned());
        let email: Address = address.parse().map_err(|_| bad())?;
        if !address.is_ascii() {
            return Err(bad());
        }
        Ok(Self(Mailbox::new(name.map(one_line), email)))
    }

    pub(crate) const fn address(&self) -> &Address {
        &self.0.email
    }

    pub(crate) fn domain(&self) -> &str {
        self.0.email.domain()
    }

    /// The one address it goes to, and the message as it is sent.
    pub(crate) fn write(&self, letter: &Letter) -> Result<(Address, Vec<u8>), Unwritable> {
        let to = recipient(&letter.to)?;
        let since_1970 = Duration::from_secs(u64::try_from(letter.at.seconds()).unwrap_or(0));
        let date = SystemTime::UNIX_EPOCH.checked_add(since_1970).unwrap_or(SystemTime::UNIX_EPOCH);
        let message = Message::builder()
            .from(self.0.clone())
            .to(Mailbox::new(None, to.clone()))
            .subject(one_line(&letter.subject))
            .date(date)
            .message_id(Some(format!("<{}@{}>", letter.id, self.domain())))
            .raw_header(HeaderValue::new(AUTO_SUBMITTED, "auto-generated".to_owned()))
            .multipart(MultiPart::alternative_plain_html(
                letter.text.clone(),
                letter.html.clone(),
            ))?;
        Ok((to, message.formatted()))
    }
}

/// The local part as it was typed and the domain as A-labels, which every server takes.
fn recipient(to: &Email) -> Result<Address, Unwritable> {
    let local = to.as_str().split('@').next().unwrap_or_default();
    let domain = to.key().split('@').next_back().unwrap_or_default();
    Address::new(local, domain).map_err(|_| Unwritable::Address)
}

/// Every run of blanks and of characters that are none to look at as one blank. Nothing in it begins an
/// encoded word (RFC 2047): the library leaves ASCII as it is, and whoever reads the mail would find in it
/// what was never there, line breaks included.
fn one_line(text: &str) -> String {
    let words = text.split(|c: char| c.is_whitespace() || c.is_control());
    let line = words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    line.replace("=?", "= ?")
}

#[cfg(test)]
mod tests {
    use auth_domain::Timestamp;
    use auth_domain::model::MailId;
    use proptest::prelude::*;
    use uuid::Uuid;

    use super::*;

    fn letter(subject: &str) -> Letter {
        Letter {
            id: MailId::new(Uuid::from_u128(7)),
            to: "Ada.L@b\u{fc}cher.example".parse().unwrap(),
            at: Timestamp::from_seconds(784_887_151),
            subject: subject.to_owned(),
            text: "Grüße\n.\nend".to_owned(),
            html: "<p>Gr\u{fc}\u{df}e</p>".to_owned(),
        }
    }

    fn sender() -> Sender {
        Sender::new("keyward@example.com", Some("Key\r\nBcc: x@example.org")).unwrap()
    }

    /// The names of the headers, folded lines joined.
    fn headers(message: &[u8]) -> Vec<String> {
        let text = std::str::from_utf8(message).unwrap();
        let block = text.split("\r\n\r\n").next().unwrap();
        let starts = block.split("\r\n").filter(|line| !line.starts_with([' ', '\t']));
        starts.map(|line| line.split(':').next().unwrap().to_owned()).collect()
    }

    const NAMES: [&str; 8] = [
        "From",
        "To",
        "Subject",
        "Date",
        "Message-ID",
        "Auto-Submitted",
        "MIME-Version",
        "Content-Type",
    ];

    #[test]
    fn a_message_says_who_when_and_which() {
        let (to, message) = sender().write(&letter("Hello")).unwrap();
        assert_eq!(to.to_string(), "Ada.L@xn--bcher-kva.example");
        let text = String::from_utf8(message.clone()).unwrap();
        assert_eq!(headers(&message), NAMES, "{text}");
        assert!(text.contains("\r\nDate: Tue, 15 Nov 1994 08:12:31 +0000\r\n"), "{text}");
        let id = "\r\nMessage-ID: <00000000-0000-0000-0000-000000000007@example.com>\r\n";
        assert!(text.contains(id), "{text}");
        assert!(text.contains("\r\nAuto-Submitted: auto-generated\r\n"), "{text}");
        let (text_at, html_at) = (text.find("text/plain"), text.find("text/html"));
        assert!(text_at.unwrap() < html_at.unwrap());
    }

    #[test]
    fn s60_text_that_looks_encoded_is_not_read_as_if_it_were() {
        for subject in [
            "Join =?utf-8?q?x=0D=0ABcc:_eve@example.org?= now",
            "=?utf-8?b?ZXZpbA==?=",
            "=\u{200b}?utf-8?q?x?=",
            "==??utf-8?q?=0D=0A?=",
            "=\r\n?utf-8?q?=0D=0A?=",
        ] {
            let (_, message) = sender().write(&letter(subject)).unwrap();
            let text = String::from_utf8(message).unwrap();
            let line = text.split("\r\n").find(|line| line.starts_with("Subject: ")).unwrap();
            assert!(subject.contains('\u{200b}') || !line.contains("=?"), "{line}");
            assert!(!line.contains("=?utf-8?q?"), "{line}");
        }
    }

    #[test]
    fn a_sender_is_one_address() {
        for odd in ["", "x", "a@b, c@d", "A <a@b.io>", "a@b.io\r\nRCPT TO:<c@d.io>", "ä@b.io"] {
            assert!(Sender::new(odd, None).is_err(), "{odd:?}");
        }
        assert_eq!(Sender::new("root@localhost", None).unwrap().domain(), "localhost");
    }

    proptest! {
        #[test]
        fn s60_no_subject_makes_another_header(
            subject in prop_oneof![".{0,300}", "(?s).{0,300}", "[\r\n\0:A-Za-z ]{0,80}"],
        ) {
            let (_, message) = sender().write(&letter(&subject)).unwrap();
            prop_assert_eq!(headers(&message), NAMES);
            prop_assert!(message.is_ascii());
            prop_assert!(!message.contains(&0));
            for line in std::str::from_utf8(&message).unwrap().split("\r\n") {
                prop_assert!(!line.contains(['\r', '\n']) && line.len() < 998, "{:?}", line);
            }
        }
    }
}
