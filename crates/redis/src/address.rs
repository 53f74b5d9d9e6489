//! Where Redis is, as the original's env files and later ones say it.

use redis::{ConnectionInfo, IntoConnectionInfo};
use secrecy::ExposeSecret;

use crate::{BadAddress, StreamConfig};

/// `host:port`, or a URL. What the URL says of password and database goes before what is said beside.
pub(crate) fn parse(config: &StreamConfig) -> Result<ConnectionInfo, BadAddress> {
    let text = config.address.expose_secret();
    let url = if text.contains("://") { text.to_owned() } else { format!("redis://{text}") };
    // What the library says of a bad URL may show its password.
    let info = url.as_str().into_connection_info().map_err(|_| BadAddress)?;
    let mut settings = info.redis_settings().clone();
    if let (None, Some(password)) = (settings.password(), &config.password) {
        settings = settings.set_password(password.expose_secret());
    }
    if !names_a_database(&url) {
        settings = settings.set_db(i64::from(config.database));
    }
    Ok(info.set_redis_settings(settings))
}

/// Whether something follows the slash after the host.
fn names_a_database(url: &str) -> bool {
    let place = url.split_once("://").map_or(url, |(_, place)| place);
    let place = place.rsplit_once('@').map_or(place, |(_, place)| place);
    place.split_once('/').is_some_and(|(_, path)| !path.is_empty())
}

#[cfg(test)]
mod tests {
    use auth_fuzz::Fuzz;

    use super::*;

    fn info(address: &str, password: Option<&str>, database: u32) -> ConnectionInfo {
        let password = password.map(Into::into);
        parse(&StreamConfig { address: address.into(), password, database, max_len: 1 }).unwrap()
    }

    #[test]
    fn both_forms_are_understood() {
        for (address, place) in [
            ("localhost:6379", "localhost:6379"),
            ("[::1]:6380", "::1:6380"),
            ("redis://es-redis:6381", "es-redis:6381"),
            ("redis://es-redis", "es-redis:6379"),
            ("rediss://es-redis:6382/0", "es-redis:6382"),
        ] {
            assert_eq!(info(address, None, 0).addr().to_string(), place);
        }
        let tls = info("rediss://es-redis:1", None, 0);
        assert!(matches!(tls.addr(), redis::ConnectionAddr::TcpTls { insecure: false, .. }));
    }

    #[test]
    fn a_url_goes_before_what_is_said_beside_it() {
        for (address, password, number) in [
            ("h:1", Some("beside"), 3),
            ("redis://h:1", Some("beside"), 3),
            ("redis://h:1/", Some("beside"), 3),
            ("redis://h:1/0", Some("beside"), 0),
            ("redis://:p%20w@h:1", Some("p w"), 3),
            ("redis://ada:pw@h:1/7", Some("pw"), 7),
        ] {
            let info = info(address, Some("beside"), 3);
            let settings = info.redis_settings();
            assert_eq!((settings.password(), settings.db()), (password, number), "{address}");
        }
        assert_eq!(info("redis://ada:pw@h:1", None, 0).redis_settings().username(), Some("ada"));
    }

    #[test]
    fn a_bad_address_is_refused_without_showing_it() {
        for odd in ["http://:hunter2@h:1", "redis://:hunter2@h:1/zero", "redis://", "", "a b:1"] {
            let config =
                StreamConfig { address: odd.into(), password: None, database: 0, max_len: 1 };
            let problem = parse(&config).unwrap_err();
            assert!(!format!("{problem} {problem:?} {config:?}").contains("hunter2"));
        }
    }

    /// No address makes it panic or shows what is in it, and a URL that names no database leaves the number
    /// beside it in force.
    #[test]
    fn fuzz_addresses() {
        Fuzz::new("redis/address", include_str!("../corpus/address.txt")).run(|input| {
            let address = std::str::from_utf8(input).ok()?;
            let config = StreamConfig {
                address: address.into(),
                password: Some("beside".into()),
                database: 3,
                max_len: 1,
            };
            assert!(!format!("{config:?}").contains("hunter2"));
            let Ok(info) = parse(&config) else {
                assert!(!format!("{BadAddress}").contains("hunter2"));
                return Some((false, 0));
            };
            let settings = info.redis_settings();
            assert!(settings.password().is_some());
            if !address.contains("://") && !address.contains(['/', '?']) {
                assert_eq!(settings.db(), 3, "{address}");
            }
            Some((true, settings.db().min(4)))
        });
    }
}
