//! What certificates say: whose they are, and until when they are good.

use auth_domain::Timestamp;
use auth_grpc::PeerNames;
use rustls::ServerConnection;
use rustls::pki_types::CertificateDer;
use webpki::EndEntityCert;

use crate::signing_keys::moment_of;

/// The object identifier of common names, 2.5.4.3 (X.520).
const COMMON_NAME: &[u8] = &[0x55, 0x04, 0x03];
/// The tags of the version of a certificate and of the two forms of a time (RFC 5280 section 4.1, X.690).
const VERSION: u8 = 0xa0;
const UTC_TIME: u8 = 0x17;
const GENERALIZED_TIME: u8 = 0x18;

/// The names in the certificate that the client of this connection has shown and that was
/// verified: DNS names and URIs, or else its common name.
pub(super) fn peer_names(connection: &ServerConnection) -> Option<PeerNames> {
    let certificate = connection.peer_certificates()?.first()?;
    let names = names(certificate)?;
    Some(PeerNames(names.into()))
}

fn names(certificate: &CertificateDer<'_>) -> Option<Vec<String>> {
    let certificate = EndEntityCert::try_from(certificate).ok()?;
    let alternative = certificate.valid_dns_names().chain(certificate.valid_uri_names());
    let names: Vec<String> = alternative.map(str::to_owned).collect();
    if names.is_empty() {
        return Some(common_name(certificate.subject()).into_iter().collect());
    }
    Some(names)
}

/// The last common name of a distinguished name (RFC 5280 section 4.1.2.4).
fn common_name(subject: &[u8]) -> Option<String> {
    let mut found = None;
    let mut sets = subject;
    while let Some((_, set, rest)) = der(sets) {
        sets = rest;
        let mut attributes = set;
        while let Some((_, attribute, rest)) = der(attributes) {
            attributes = rest;
            let Some((_, kind, value)) = der(attribute) else { continue };
            if kind == COMMON_NAME
                && let Some((_, text, _)) = der(value)
                && let Ok(text) = std::str::from_utf8(text)
                && !text.is_empty()
            {
                found = Some(text.to_owned());
            }
        }
    }
    found
}

/// The first element of DER text: its tag, its content, and what follows it (X.690).
fn der(text: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = text.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81 => {
            let (&length, rest) = rest.split_first()?;
            (usize::from(length), rest)
        }
        0x82 => {
            let (length, rest) = rest.split_first_chunk::<2>()?;
            (usize::from(u16::from_be_bytes(*length)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

/// The last second in which a certificate is good (RFC 5280 section 4.1.2.5).
pub(super) fn not_after(certificate: &[u8]) -> Option<Timestamp> {
    let (_, certificate, _) = der(certificate)?;
    let (_, mut rest, _) = der(certificate)?;
    if let Some((VERSION, _, behind)) = der(rest) {
        rest = behind;
    }
    // Its serial number, how it is signed, and who has issued it.
    for _ in 0..3 {
        rest = der(rest)?.2;
    }
    let (_, validity, _) = der(rest)?;
    let (_, _, rest) = der(validity)?;
    let (form, text, _) = der(rest)?;
    let text = std::str::from_utf8(text).ok()?;
    let text = match form {
        UTC_TIME if text.get(..2)? < "50" => format!("20{text}"),
        UTC_TIME => format!("19{text}"),
        GENERALIZED_TIME => text.to_owned(),
        _ => return None,
    };
    let (date, time) = text.split_at_checked(8)?;
    moment_of(&format!("{date}T{time}")).map(Timestamp::from_seconds)
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType};

    use super::*;

    fn certificate(names: &[SanType], common: Option<&str>) -> CertificateDer<'static> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names.to_vec();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(DnType::OrganizationName, "Acme");
        if let Some(common) = common {
            params.distinguished_name.push(DnType::CommonName, common);
        }
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().clone()
    }

    #[test]
    fn a_client_is_called_by_its_alternative_names_or_else_by_its_common_name() {
        let dns = SanType::DnsName("users.internal".try_into().unwrap());
        let uri = SanType::URI("spiffe://fleet/users".try_into().unwrap());
        let both = certificate(&[dns, uri], Some("somebody else"));
        assert_eq!(names(&both).unwrap(), ["users.internal", "spiffe://fleet/users"]);
        assert_eq!(names(&certificate(&[], Some("users"))).unwrap(), ["users"]);
        let long = "u".repeat(200);
        assert_eq!(names(&certificate(&[], Some(&long))).unwrap(), [long]);
        assert_eq!(names(&certificate(&[], None)).unwrap(), [] as [&str; 0]);
    }

    #[test]
    fn odd_bytes_are_no_name() {
        for odd in [&[][..], &[0x31], &[0x31, 0x05, 0x30], &[0x31, 0x84, 1, 1, 1, 1], &[0xff; 40]] {
            assert_eq!(common_name(odd), None);
        }
    }

    #[test]
    fn the_end_of_a_certificate_is_read_in_both_forms() {
        let until = |year: i32| {
            let mut params = CertificateParams::default();
            params.not_after = rcgen::date_time_ymd(year, 11, 30);
            let made = params.self_signed(&KeyPair::generate().unwrap()).unwrap();
            not_after(made.der()).map(|moment| moment.to_string())
        };
        assert_eq!(until(2026).unwrap(), "2026-11-30T00:00:00Z");
        assert_eq!(until(2049).unwrap(), "2049-11-30T00:00:00Z");
        assert_eq!(until(2050).unwrap(), "2050-11-30T00:00:00Z");
        assert_eq!(until(1999).unwrap(), "1999-11-30T00:00:00Z");
        for odd in [&[][..], &[0x30, 0x00], &[0x30, 0x02, 0x30, 0x00], &[0xff; 40]] {
            assert_eq!(not_after(odd), None);
        }
    }
}
