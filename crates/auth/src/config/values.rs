//! How the values of settings are spelled.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use auth_domain::model::Email;
use auth_telemetry::BadNetwork;
use secrecy::{ExposeSecret, SecretString};

use super::rates::Networks;

/// A span of time as Go writes it: `10h`, `1h30m`, `1.5s`, `500ms`, or `0`.
pub(crate) fn duration(text: &str) -> Result<Duration, String> {
    let wrong = || "is not a span of time like 10h, 1h30m or 500ms".to_owned();
    if text == "0" {
        return Ok(Duration::ZERO);
    }
    let mut nanos: u128 = 0;
    let mut rest = text.strip_prefix('+').unwrap_or(text);
    if rest.is_empty() {
        return Err(wrong());
    }
    while !rest.is_empty() {
        let number_ends = rest.find(|c: char| !c.is_ascii_digit() && c != '.').ok_or_else(wrong)?;
        let (number, after) = rest.split_at(number_ends);
        let unit_ends = after.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(after.len());
        let (unit, after) = after.split_at(unit_ends);
        let unit = unit_nanos(unit).ok_or_else(wrong)?;
        let part = scaled(number, unit).ok_or_else(wrong)?;
        nanos = nanos.checked_add(part).ok_or_else(wrong)?;
        rest = after;
    }
    // What Go holds in 64 bits, about 292 years.
    i64::try_from(nanos).map_err(|_| wrong())?;
    u64::try_from(nanos).map(Duration::from_nanos).map_err(|_| wrong())
}

fn unit_nanos(unit: &str) -> Option<u128> {
    match unit {
        "ns" => Some(1),
        // U+00B5 and U+03BC look alike and both are typed.
        "us" | "\u{b5}s" | "\u{3bc}s" => Some(1_000),
        "ms" => Some(1_000_000),
        "s" => Some(1_000_000_000),
        "m" => Some(60_000_000_000),
        "h" => Some(3_600_000_000_000),
        _ => None,
    }
}

/// A decimal number of units, in nanoseconds; what is finer is dropped.
fn scaled(number: &str, unit: u128) -> Option<u128> {
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if whole.is_empty() && fraction.is_empty() {
        return None;
    }
    let digits = |text: &str| if text.is_empty() { Some(0) } else { text.parse::<u64>().ok() };
    let whole = u128::from(digits(whole)?).checked_mul(unit)?;
    let fraction = fraction.get(..fraction.len().min(18))?;
    let scale = 10_u128.checked_pow(u32::try_from(fraction.len()).ok()?)?;
    let part = u128::from(digits(fraction)?).checked_mul(unit)?.checked_div(scale)?;
    whole.checked_add(part)
}

/// A span of time that is not nothing.
pub(crate) fn positive_duration(text: &str) -> Result<Duration, String> {
    match duration(text)? {
        Duration::ZERO => Err("must be longer than nothing".to_owned()),
        span => Ok(span),
    }
}

/// Yes or no, in the spellings the original takes.
pub(crate) fn boolean(text: &str) -> Result<bool, String> {
    match text {
        "1" | "t" | "T" | "TRUE" | "true" | "True" => Ok(true),
        "0" | "f" | "F" | "FALSE" | "false" | "False" => Ok(false),
        _ => Err("is neither true nor false".to_owned()),
    }
}

/// On or off; the spellings of [`boolean`] do as well.
pub(crate) fn switch(text: &str) -> Result<bool, String> {
    match text {
        "on" => Ok(true),
        "off" => Ok(false),
        other => boolean(other).map_err(|_| "is neither on nor off".to_owned()),
    }
}

/// A count of at least one.
pub(crate) fn count(text: &str) -> Result<u32, String> {
    match text.parse() {
        Ok(0) => Err("must be at least 1".to_owned()),
        Ok(number) => Ok(number),
        Err(_) => Err("is not a whole number".to_owned()),
    }
}

/// A port; 0 means any that is free.
pub(crate) fn port(text: &str) -> Result<u16, String> {
    text.parse().map_err(|_| "is not a port from 0 to 65535".to_owned())
}

/// A whole number.
pub(crate) fn number(text: &str) -> Result<u32, String> {
    text.parse().map_err(|_| "is not a whole number".to_owned())
}

/// A number of bytes: plain, or with `KiB` or `MiB`.
pub(crate) fn bytes(text: &str) -> Result<usize, String> {
    let wrong = || "is not a number of bytes like 65536, 64KiB or 1MiB".to_owned();
    let (number, unit) = match (text.strip_suffix("KiB"), text.strip_suffix("MiB")) {
        (Some(number), _) => (number, 1024),
        (_, Some(number)) => (number, 1024 * 1024),
        _ => (text, 1),
    };
    let number: u32 = number.trim_end().parse().map_err(|_| wrong())?;
    let bytes = number.checked_mul(unit).filter(|bytes| *bytes > 0).ok_or_else(wrong)?;
    usize::try_from(bytes).map_err(|_| wrong())
}

/// The address to listen on.
pub(crate) fn host(text: &str) -> Result<IpAddr, String> {
    match text {
        "localhost" => Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)),
        other => other
            .trim_start_matches('[')
            .trim_end_matches(']')
            .parse()
            .map_err(|_| "is not an IP address like 127.0.0.1, 0.0.0.0 or ::".to_owned()),
    }
}

/// Where Redis is: `host:port`, or a URL as fleets with a shared env file write it.
pub(crate) fn redis(text: &str) -> Result<String, String> {
    let place = text.strip_prefix("redis://").or_else(|| text.strip_prefix("rediss://"));
    let host_and_port = match place {
        Some(place) => {
            let place = place.rsplit_once('@').map_or(place, |(_, after)| after);
            place.split_once('/').map_or(place, |(before, _)| before)
        }
        None => text,
    };
    match host_and_port.rsplit_once(':') {
        Some((host, port))
            if !host.is_empty() && !host.contains('/') && port.parse::<u16>().is_ok() =>
        {
            Ok(text.to_owned())
        }
        // A URL may leave the port out.
        None if place.is_some() && !host_and_port.is_empty() => Ok(text.to_owned()),
        _ => Err("is neither host:port nor redis://[:password@]host:port[/number]".to_owned()),
    }
}

/// Networks, separated by commas.
pub(crate) fn networks(text: &str) -> Result<Networks, String> {
    let network =
        |part: &str| part.trim().parse().map_err(|problem: BadNetwork| problem.to_string());
    text.split(',').map(network).collect::<Result<_, _>>().map(Networks)
}

/// The address of another service: `host:port`, with or without a scheme.
pub(crate) fn service_address(text: &str) -> Result<String, String> {
    let place = text.split_once("://").map_or(text, |(_, place)| place).trim_end_matches('/');
    match place.rsplit_once(':') {
        Some((host, port)) if !host.is_empty() && port.parse::<u16>().is_ok() => {
            Ok(text.to_owned())
        }
        _ => Err("is not an address like host:port".to_owned()),
    }
}

/// The e-mail address of an account, without white space around it: an env file may have been written elsewhere.
pub(crate) fn email(text: &str) -> Result<String, String> {
    match text.parse::<Email>() {
        Ok(email) => Ok(email.as_str().to_owned()),
        Err(_) => Err("is not an e-mail address like admin@example.com".to_owned()),
    }
}

/// The name of somebody mails come from.
pub(crate) fn bounded_name(text: &str) -> Result<String, String> {
    if text.chars().any(char::is_control) || text.len() > 254 {
        return Err("must be one line of at most 254 bytes".to_owned());
    }
    Ok(text.to_owned())
}

/// How the connection to the mail server is protected.
pub(crate) fn tls(text: &str) -> Result<auth_smtp::Tls, String> {
    text.parse()
}

/// The parts of a list separated by commas, blanks around them dropped, empty ones left out.
pub(crate) fn secret_list(list: &SecretString) -> Vec<SecretString> {
    list.expose_secret()
        .split(',')
        .map(str::trim)
        .filter(|part| !part.is_empty())
        .map(SecretString::from)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_read_as_go_reads_them() {
        for (text, millis) in [
            ("0", 0),
            ("0s", 0),
            ("10h", 36_000_000),
            ("1h30m", 5_400_000),
            ("500ms", 500),
            ("1.5s", 1_500),
            (".5s", 500),
            ("1.s", 1_000),
            ("+2m", 120_000),
            ("1m1m", 120_000),
            ("2000us", 2),
            ("2000µs", 2),
            ("2000μs", 2),
            ("5000000ns", 5),
            ("168h", 604_800_000),
        ] {
            assert_eq!(duration(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        for odd in [
            "",
            "+",
            "10",
            "h",
            "10 h",
            "-1s",
            "1d",
            "1hm",
            "1..5s",
            ".s",
            "ms",
            "1e3s",
            "10h ",
            "9999999h",
            "99999999999999999999h",
            "0x1s",
        ] {
            assert!(duration(odd).is_err(), "{odd:?}");
        }
        assert!(positive_duration("0s").is_err());
    }

    #[test]
    fn booleans_have_the_spellings_of_the_original_and_no_others() {
        for yes in ["1", "t", "T", "TRUE", "true", "True"] {
            assert_eq!(boolean(yes), Ok(true));
        }
        for no in ["0", "f", "F", "FALSE", "false", "False"] {
            assert_eq!(boolean(no), Ok(false));
        }
        for odd in ["", "yes", "no", "on", "off", "tRUE", "2", " true"] {
            assert!(boolean(odd).is_err(), "{odd:?}");
        }
        assert_eq!(switch("off"), Ok(false));
        assert_eq!(switch("on"), Ok(true));
        assert!(switch("maybe").is_err());
    }

    #[test]
    fn sizes_and_counts_are_never_nothing() {
        assert_eq!(bytes("16384"), Ok(16_384));
        assert_eq!(bytes("16KiB"), Ok(16_384));
        assert_eq!(bytes("2MiB"), Ok(2_097_152));
        for odd in ["", "0", "0KiB", "-1", "16KB", "KiB", "5000MiB", "1.5KiB"] {
            assert!(bytes(odd).is_err(), "{odd:?}");
        }
        assert_eq!(count("7"), Ok(7));
        assert!(count("0").is_err());
    }

    #[test]
    fn redis_is_named_in_either_form() {
        for fine in [
            "localhost:6379",
            "es-redis:6379",
            "[::1]:6379",
            "redis://localhost:6379",
            "redis://:pass@localhost:6379/0",
            "rediss://redis.example/3",
        ] {
            assert_eq!(redis(fine), Ok(fine.to_owned()));
        }
        for odd in ["", "localhost", ":6379", "localhost:x", "redis://", "http://localhost:6379"] {
            assert!(redis(odd).is_err(), "{odd:?}");
        }
    }

    #[test]
    fn an_address_to_listen_on_is_an_address() {
        assert_eq!(host("localhost"), Ok(IpAddr::V4(Ipv4Addr::LOCALHOST)));
        assert!(host("::").is_ok() && host("[::1]").is_ok() && host("0.0.0.0").is_ok());
        assert!(host("example.com").is_err());
    }
}
