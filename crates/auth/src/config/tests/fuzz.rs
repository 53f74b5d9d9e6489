//! What is read of settings, whatever is in them.

use auth_fuzz::Fuzz;

use super::super::values;
use super::{Config, Environment, Unread, environment};

/// Variables, `NAME=value` each on a line of its own.
fn variables(input: &[u8]) -> Option<Environment> {
    let text = std::str::from_utf8(input).ok()?;
    let lines: Vec<(&str, &str)> = text.lines().filter_map(|line| line.split_once('=')).collect();
    // What nothing ever finds: the files of secrets are the machine's.
    let is_file = |name: &str| name.ends_with("_FILE") || name.ends_with("_CERTS");
    (!lines.iter().any(|(name, _)| is_file(name))).then(|| environment(&lines))
}

/// Settings are understood, or refused in one line that shows no secret.
#[test]
fn fuzz_settings() {
    const SECRET: &str = "hunter2";
    let fuzz = Fuzz::new("auth/settings", include_str!("../../../corpus/settings.txt"));
    fuzz.few(10).run(|input| {
        let variables = variables(input)?;
        let config = match Config::read(&[], &variables) {
            Ok(config) => config,
            Err(Unread::Setting(line)) => {
                let (name, problem) = line.split_once(": ").unwrap_or((&*line, ""));
                let name = name.split('=').next().unwrap_or_default();
                let is_secret = ["SECRET", "PASS", "TOKEN"].iter().any(|word| name.contains(word));
                assert!(!is_secret || !line.contains(SECRET), "{line}");
                return Some((name.to_owned(), problem.chars().take(12).collect::<String>()));
            }
            Err(Unread::Flags(error)) => panic!("{error}"),
        };
        assert!(!format!("{:?}", config.tokens).contains(SECRET));
        Some((String::new(), format!("{:?} {}", config.store_kind(), config.warnings.len())))
    });
}

/// Values have limits, and those that are numbers mean what they say.
#[test]
fn fuzz_values() {
    Fuzz::new("auth/value", include_str!("../../../corpus/value.txt")).run(|input| {
        let text = std::str::from_utf8(input).ok()?;
        let span = values::duration(text);
        if let Ok(span) = span {
            assert!(i64::try_from(span.as_nanos()).is_ok());
            let again = values::duration(&format!("{}ns", span.as_nanos()));
            assert_eq!(again, Ok(span));
        }
        let bytes = values::bytes(text);
        if let Ok(bytes) = bytes {
            assert!(bytes > 0);
            assert_eq!(values::bytes(&bytes.to_string()), Ok(bytes));
        }
        if let Ok(number) = values::number(text) {
            assert_eq!(
                text.trim_start_matches(['+', '0']),
                number.to_string().trim_start_matches('0')
            );
        }
        if let Ok(host) = values::host(text) {
            assert_eq!(values::host(&host.to_string()), Ok(host));
        }
        if let Ok(email) = values::email(text) {
            assert!(!email.contains(char::is_control));
        }
        Some([
            span.is_ok(),
            bytes.is_ok(),
            values::host(text).is_ok(),
            values::redis(text).is_ok(),
            values::service_address(text).is_ok(),
            values::email(text).is_ok(),
            values::bounded_name(text).is_ok(),
            values::boolean(text).is_ok(),
            values::tls(text).is_ok(),
        ])
    });
}
