//! What is understood, what is refused, and in which words.

use std::time::Duration;

use secrecy::ExposeSecret;

use super::{Command, Config, Environment, StoreKind, Unread};

mod fuzz;

fn environment(variables: &[(&str, &str)]) -> Environment {
    variables.iter().map(|(name, value)| (name.into(), value.into())).collect()
}

fn read(variables: &[(&str, &str)]) -> Config {
    match Config::read(&[], &environment(variables)) {
        Ok(config) => config,
        Err(refused) => panic!("{refused:?}"),
    }
}

/// The one line that says why it is not understood.
fn refused(variables: &[(&str, &str)]) -> String {
    match Config::read(&[], &environment(variables)) {
        Err(Unread::Setting(line)) => {
            assert!(!line.contains('\n'), "{line}");
            line
        }
        other => panic!("{other:?}"),
    }
}

fn with_flags(flags: &[&str], variables: &[(&str, &str)]) -> Result<Config, Unread> {
    let flags: Vec<_> = flags.iter().map(std::ffi::OsString::from).collect();
    Config::read(&flags, &environment(variables))
}

#[test]
fn nothing_set_means_the_defaults_and_no_warning() {
    let config = read(&[]);
    assert_eq!(config.command, None);
    assert_eq!(config.server.http_port, 8180);
    assert_eq!(config.server.grpc_port, 8181);
    assert_eq!(config.server.ops_port, 8186);
    assert!(config.server.ops_host.is_loopback());
    assert_eq!(config.tokens.login_token_duration, Duration::from_hours(10));
    assert_eq!(config.store_kind(), StoreKind::Embedded);
    assert!(config.has_accounts() && config.self_register() && config.rates.on);
    assert_eq!(config.warnings, [] as [String; 0]);
}

#[test]
fn every_default_is_refused_by_nobody() {
    let defaults: Vec<_> = super::command()
        .get_arguments()
        .filter_map(|setting| {
            let default = setting.get_default_values().first()?.to_str()?.to_owned();
            Some((super::environment::name(setting)?.to_owned(), default))
        })
        .filter(|(name, _)| !name.starts_with("MF_AUTH_DB"))
        .collect();
    assert!(defaults.len() > 30, "{defaults:?}");
    let defaults: Vec<_> =
        defaults.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
    assert_eq!(read(&defaults).store_kind(), StoreKind::Embedded);
}

#[test]
fn empty_counts_as_unset_for_every_setting() {
    let names: Vec<_> = super::command()
        .get_arguments()
        .filter_map(super::environment::name)
        .map(str::to_owned)
        .collect();
    let all: Vec<_> = names.iter().map(|name| (name.as_str(), "")).collect();
    let config = read(&all);
    assert_eq!(config.store_kind(), StoreKind::Embedded);
    assert_eq!(config.server.http_port, 8180);
    assert!(config.tokens.secret.is_none());
    assert_eq!(config.warnings, [] as [String; 0]);
}

#[test]
fn an_env_file_of_the_original_is_understood_whole() {
    let config = read(&[
        ("MF_AUTH_LOG_LEVEL", "DEBUG"),
        ("MF_AUTH_DB_HOST", "auth-db"),
        ("MF_AUTH_DB_PORT", "5432"),
        ("MF_AUTH_DB_USER", "mainflux"),
        ("MF_AUTH_DB_PASS", "hunter2"),
        ("MF_AUTH_DB", "auth"),
        ("MF_AUTH_DB_SSL_MODE", "disable"),
        ("MF_AUTH_DB_SSL_CERT", ""),
        ("MF_AUTH_DB_SSL_KEY", ""),
        ("MF_AUTH_DB_SSL_ROOT_CERT", ""),
        ("MF_AUTH_HTTP_PORT", "8189"),
        ("MF_AUTH_GRPC_PORT", "8181"),
        ("MF_AUTH_GRPC_URL", "auth:8181"),
        ("MF_AUTH_GRPC_TIMEOUT", "1s"),
        ("MF_AUTH_CA_CERTS", ""),
        ("MF_AUTH_CLIENT_TLS", "false"),
        ("MF_AUTH_SECRET", "secret"),
        ("MF_AUTH_LOGIN_TOKEN_DURATION", "10h"),
        ("MF_INVITE_DURATION", "168h"),
        ("MF_JAEGER_URL", "jaeger:6831"),
        ("MF_USERS_ADMIN_EMAIL", "admin@example.com"),
        ("MF_USERS_GRPC_URL", "users:8184"),
        ("MF_USERS_CLIENT_TLS", "false"),
        ("MF_THINGS_AUTH_GRPC_URL", "things:8183"),
        ("MF_THINGS_CLIENT_TLS", "F"),
        ("MF_AUTH_ES_URL", "es-redis:6379"),
        ("MF_AUTH_ES_PASS", ""),
        ("MF_AUTH_ES_DB", "0"),
        ("MF_EMAIL_HOST", "smtp.example.com"),
        ("MF_EMAIL_PORT", "2525"),
        ("MF_EMAIL_USERNAME", "18bf7f70705139"),
        ("MF_EMAIL_PASSWORD", "hunter2"),
        ("MF_EMAIL_FROM_ADDRESS", "from@example.com"),
        ("MF_EMAIL_FROM_NAME", "Example"),
        ("MF_EMAIL_BASE_TEMPLATE", "base.tmpl"),
        ("MF_HOST", "http://localhost"),
    ]);
    assert_eq!(config.store_kind(), StoreKind::Postgres);
    assert!(!config.has_accounts(), "the users service has them");
    let [warning] = &config.warnings[..] else { panic!("{:?}", config.warnings) };
    assert!(warning.starts_with("MF_EMAIL_BASE_TEMPLATE has no effect"), "{warning}");
}

#[test]
fn any_setting_of_postgres_chooses_it_unless_another_is_chosen() {
    for name in ["MF_AUTH_DB", "MF_AUTH_DB_HOST", "MF_AUTH_DB_PASS", "MF_AUTH_DB_PASSWORD"] {
        assert_eq!(read(&[(name, "x")]).store_kind(), StoreKind::Postgres, "{name}");
    }
    assert_eq!(read(&[("MF_AUTH_STORE", "postgres")]).store_kind(), StoreKind::Postgres);
    assert_eq!(read(&[("MF_AUTH_STORE", "Embedded")]).store_kind(), StoreKind::Embedded);
    let line = refused(&[("MF_AUTH_STORE", "embedded"), ("MF_AUTH_DB_HOST", "db")]);
    assert_eq!(line, "MF_AUTH_STORE is embedded and MF_AUTH_DB_HOST is set");
    assert_eq!(with_flags(&["--db-host", "db"], &[]).unwrap().store_kind(), StoreKind::Postgres);
}

#[test]
fn the_other_name_of_the_database_password_counts_less() {
    let password = |variables: &[(&str, &str)]| {
        let password = read(variables).db.password.unwrap();
        password.expose_secret().to_owned()
    };
    assert_eq!(password(&[("MF_AUTH_DB_PASSWORD", "other")]), "other");
    let both = [("MF_AUTH_DB_PASSWORD", "other"), ("MF_AUTH_DB_PASS", "one")];
    assert_eq!(password(&both), "one");
    assert_eq!(password(&[("MF_AUTH_DB_PASSWORD", "other"), ("MF_AUTH_DB_PASS", "")]), "other");
}

#[test]
fn a_flag_wins_over_a_variable() {
    let variables = [("MF_AUTH_HTTP_PORT", "1"), ("MF_AUTH_GRPC_REFLECTION", "true")];
    let config = with_flags(&["--http-port=2", "health"], &variables).unwrap();
    assert_eq!(config.server.http_port, 2);
    assert!(config.grpc.reflection);
    assert_eq!(config.command, Some(Command::Health(super::commands::Health { json: false })));
    for flags in [&["serve", "--http-port", "2"][..], &["--http-port=2", "serve"]] {
        assert_eq!(with_flags(flags, &variables).unwrap().server.http_port, 2, "{flags:?}");
    }
    assert_eq!(with_flags(&["serve"], &variables).unwrap().server.http_port, 1);
    assert!(matches!(with_flags(&["serve", "--htpp-port", "2"], &[]), Err(Unread::Flags(_))));
}

#[test]
fn every_command_says_what_it_does_as_json_too() {
    fn leaves(command: &clap::Command, path: &str, found: &mut Vec<(String, bool)>) {
        for below in command.get_subcommands() {
            let path = format!("{path} {}", below.get_name());
            let json = below.get_arguments().any(|argument| argument.get_id() == "json");
            if below.has_subcommands() {
                leaves(below, &path, found);
            } else {
                found.push((path, json));
            }
        }
    }
    let mut found = Vec::new();
    leaves(&super::command(), "auth", &mut found);
    let without: Vec<_> = found.iter().filter(|(_, json)| !json).map(|(path, _)| &**path).collect();
    // One logs for as long as it lives, and what the other prints is for a shell.
    assert_eq!((without, found.len() > 12), (vec!["auth serve", "auth completions"], true));
}

#[test]
fn a_value_that_cannot_be_read_is_named_with_its_variable() {
    for (name, value, problem) in [
        ("MF_AUTH_HTTP_PORT", "99999", "is not a port from 0 to 65535"),
        ("MF_AUTH_LOGIN_TOKEN_DURATION", "10", "is not a span of time like 10h, 1h30m or 500ms"),
        ("MF_AUTH_LOGIN_TOKEN_DURATION", "0s", "must be longer than nothing"),
        ("MF_AUTH_GRPC_REFLECTION", "yes", "is neither true nor false"),
        ("MF_AUTH_RATE_LIMITS", "perhaps", "is neither on nor off"),
        ("MF_AUTH_STORE", "mysql", "is none of embedded, postgres"),
        ("MF_AUTH_GRPC_TRUST", "everybody", "is none of network"),
        ("MF_AUTH_LOG_LEVEL", "loud", "must be one of trace, debug, info, warn, error"),
        ("MF_AUTH_OPS_HOST", "nowhere", "is not an IP address like 127.0.0.1, 0.0.0.0 or ::"),
        ("MF_AUTH_MAX_CONNECTIONS", "0", "must be at least 1"),
        ("MF_AUTH_ES_DB", "zero", "is not a whole number"),
        ("MF_USERS_PASS_REGEX", "(", "is not a regular expression in Go's syntax"),
        ("MF_AUTH_GRPC_ALLOW", "users", "`users` is not of the form name=Method,Method"),
        ("MF_USERS_GRPC_URL", "users", "is not an address like host:port"),
        ("MF_USERS_ADMIN_EMAIL", "ada", "is not an e-mail address like admin@example.com"),
    ] {
        assert_eq!(refused(&[(name, value)]), format!("{name}={value}: {problem}"));
    }
}

#[test]
fn what_contradicts_itself_stops_the_start() {
    let token = "t".repeat(32);
    let (one, tokens) = (format!("users={token}"), format!("users={token},users={token}"));
    for (variables, line) in [
        (
            &[("MF_AUTH_SERVER_CERT", "c.pem")][..],
            "MF_AUTH_SERVER_CERT is set and MF_AUTH_SERVER_KEY is not",
        ),
        (
            &[("MF_AUTH_SERVER_KEY", "k.pem")],
            "MF_AUTH_SERVER_KEY is set and MF_AUTH_SERVER_CERT is not",
        ),
        (
            &[("MF_AUTH_DB_SSL_KEY", "k.pem")],
            "MF_AUTH_DB_SSL_KEY is set and MF_AUTH_DB_SSL_CERT is not",
        ),
        (&[("MF_AUTH_GRPC_CLIENT_CA", "ca.pem")], "MF_AUTH_GRPC_CLIENT_CA needs TLS"),
        (&[("MF_AUTH_GRPC_ALLOW", "users=*")], "MF_AUTH_GRPC_ALLOW names services"),
        (&[("MF_AUTH_GRPC_TOKENS", "users")], "MF_AUTH_GRPC_TOKENS is not a list"),
        (&[("MF_AUTH_GRPC_TOKENS", ",")], "MF_AUTH_GRPC_TOKENS names nobody"),
        (&[("MF_AUTH_GRPC_TOKENS", &tokens)], "MF_AUTH_GRPC_TOKENS needs one name for each"),
        (
            &[("MF_AUTH_GRPC_TOKENS", "users=short")],
            "MF_AUTH_GRPC_TOKENS: the token of users has fewer than 32 bytes",
        ),
        (
            &[("MF_USERS_ADMIN_PASSWORD", "hunter22")],
            "MF_USERS_ADMIN_PASSWORD is set and MF_USERS_ADMIN_EMAIL is not",
        ),
        (
            &[("MF_USERS_SERVER_CERT", "c.pem")],
            "MF_USERS_SERVER_CERT is set and MF_USERS_SERVER_KEY is not",
        ),
        (
            &[("MF_AUTH_GRPC_TRUST", "network"), ("MF_AUTH_GRPC_TOKENS", &one)],
            "MF_AUTH_GRPC_TRUST=network trusts everybody and MF_AUTH_GRPC_TOKENS is set",
        ),
        (
            &[("MF_AUTH_GRPC_TRUST", "network"), ("MF_AUTH_GRPC_ALLOW", "users=*")],
            "MF_AUTH_GRPC_TRUST=network trusts everybody and MF_AUTH_GRPC_ALLOW is set",
        ),
        (
            &[
                ("MF_AUTH_GRPC_TRUST", "network"),
                ("MF_AUTH_GRPC_CLIENT_CA", "ca.pem"),
                ("MF_AUTH_SERVER_CERT", "c.pem"),
                ("MF_AUTH_SERVER_KEY", "k.pem"),
            ],
            "MF_AUTH_GRPC_TRUST=network trusts everybody and MF_AUTH_GRPC_CLIENT_CA is set",
        ),
        (&[("MF_AUTH_GRPC_PORT", "8180")], "MF_AUTH_HTTP_PORT and MF_AUTH_GRPC_PORT are both 8180"),
        (
            &[("MF_USERS_HTTP_PORT", "8180")],
            "MF_AUTH_HTTP_PORT and MF_USERS_HTTP_PORT are both 8180",
        ),
        (&[("MF_AUTH_HTTP_MAX_HEAD", "4KiB")], "MF_AUTH_HTTP_MAX_HEAD: must be at least 8KiB"),
    ] {
        assert!(refused(variables).starts_with(line), "{line}: {}", refused(variables));
    }
    let any = [("MF_AUTH_HTTP_PORT", "0"), ("MF_AUTH_GRPC_PORT", "0"), ("MF_AUTH_OPS_PORT", "0")];
    read(&any);
}

#[test]
fn what_is_said_of_accounts_does_not_matter_beside_a_users_service() {
    for (name, value) in [
        // Good for the original's users service, which has no rule for its first account.
        ("MF_USERS_ADMIN_EMAIL", "admin@localhost"),
        ("MF_USERS_ADMIN_PASSWORD_FILE", "/nowhere/password"),
        ("MF_USERS_PASS_REGEX", "("),
        ("MF_USERS_SELF_REGISTER_ENABLED", "perhaps"),
        ("MF_REQUIRE_EMAIL_VERIFICATION", "perhaps"),
        ("MF_USERS_SERVER_CERT", "/nowhere/cert.pem"),
        ("MF_USERS_SERVER_KEY", "/nowhere/key.pem"),
    ] {
        assert!(refused(&[(name, value)]).starts_with(name), "{name}");
        let elsewhere = read(&[(name, value), ("MF_USERS_GRPC_URL", "users:8184")]);
        assert_eq!(elsewhere.warnings, [] as [String; 0], "{name}");
        with_flags(&["--users-grpc-url=users:8184", "backup"], &[(name, value)]).unwrap();
        let line = refused(&[(name, value), ("MF_USERS_GRPC_URL", "")]);
        assert!(line.starts_with(name), "{name}: {line}");
    }
}

#[test]
fn go41_a_password_for_the_first_account_is_odd_and_stops_nothing() {
    let with = |password: &str, more: &[(&str, &str)]| {
        let account =
            [("MF_USERS_ADMIN_EMAIL", "a@b.example"), ("MF_USERS_ADMIN_PASSWORD", password)];
        read(&[&account, more].concat()).odd_admin_password()
    };
    assert_eq!(with("a long and good one", &[]), None);
    for odd in ["12345678", "tiny", &"x".repeat(73), "a@b.example"] {
        let line = with(odd, &[]).unwrap();
        assert!(
            line.starts_with("MF_USERS_ADMIN_PASSWORD: is too short") && !line.contains(odd),
            "{line}"
        );
        assert_eq!(with(odd, &[("MF_USERS_GRPC_URL", "users:8184")]), None, "{odd}");
    }
    assert!(with("no digit in here", &[("MF_USERS_PASS_REGEX", "[0-9]")]).is_some());
}

#[test]
fn s19_secrets_are_not_flags_and_are_never_shown() {
    let token = "hunter2-hunter2-hunter2-hunter2-hunter2";
    let tokens = format!("users={token}");
    let variables = [
        ("MF_AUTH_SECRET", token),
        ("MF_AUTH_VERIFY_SECRETS", token),
        ("MF_AUTH_DB_PASS", token),
        ("MF_AUTH_GRPC_TOKENS", &tokens),
        ("MF_USERS_ADMIN_EMAIL", "ada@example.com"),
        ("MF_USERS_ADMIN_PASSWORD", token),
        ("MF_AUTH_ES_URL", "redis://:hunter2@localhost:6379/0"),
        ("MF_AUTH_ES_PASS", token),
        ("MF_EMAIL_PASSWORD", token),
    ];
    let config = read(&variables);
    let shown = format!("{config:?} {:?}", config.grpc.callers().unwrap());
    assert!(!shown.contains("hunter2"), "{shown}");

    for setting in super::command().get_arguments().filter(|it| super::environment::is_secret(it)) {
        let flag = format!("--{}=hunter2", setting.get_long().unwrap());
        match with_flags(&[&flag], &[]) {
            Err(Unread::Setting(line)) => {
                assert!(
                    line.contains("is a secret") && !line.contains("hunter2"),
                    "{flag}: {line}"
                );
            }
            other => panic!("{other:?}"),
        }
    }
    let line = refused(&[("MF_AUTH_ES_URL", "http://:hunter2@localhost")]);
    assert!(line.starts_with("MF_AUTH_ES_URL: ") && !line.contains("hunter2"), "{line}");
    let line = refused(&[("MF_AUTH_GRPC_TOKENS", "users:hunter2")]);
    assert!(!line.contains("hunter2"), "{line}");
}

#[test]
fn a_secret_can_be_in_a_file() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret");
    let path = file.to_str().unwrap();
    std::fs::write(&file, " of the file \r\n").unwrap();
    let config = read(&[("MF_AUTH_SECRET_FILE", path)]);
    assert_eq!(config.tokens.secret.unwrap().expose_secret(), " of the file ");
    let line = refused(&[("MF_AUTH_SECRET_FILE", path), ("MF_AUTH_SECRET", "too")]);
    assert_eq!(line, "MF_AUTH_SECRET and MF_AUTH_SECRET_FILE are both set");
    std::fs::write(&file, "\n").unwrap();
    assert_eq!(
        refused(&[("MF_AUTH_SECRET_FILE", path)]),
        format!("MF_AUTH_SECRET_FILE: {path} is empty")
    );
    let line = refused(&[("MF_AUTH_SECRET_FILE", "/nowhere/secret")]);
    assert!(line.starts_with("MF_AUTH_SECRET_FILE: /nowhere/secret cannot be read: "), "{line}");
}

#[test]
fn s20_what_looks_like_a_setting_and_is_none_is_named() {
    let config = read(&[
        ("MF_AUTH_HTPP_PORT", "1"),
        ("MF_AUTH_DATA_DIR_FILE", "x"),
        ("MF_AUTH_UNSET", ""),
        ("MF_USERS_LOG_LEVEL", "error"),
        ("PATH", "/bin"),
    ]);
    assert_eq!(
        config.warnings,
        [
            "MF_AUTH_DATA_DIR_FILE is set and is no setting of this service",
            "MF_AUTH_HTPP_PORT is set and is no setting of this service",
        ]
    );
}

#[test]
fn what_should_not_stay_as_it_is_is_warned_of() {
    let config = read(&[("MF_AUTH_GRPC_TRUST", "network")]);
    assert!(config.warnings[0].starts_with("MF_AUTH_GRPC_TRUST=network"), "{:?}", config.warnings);
    let config = read(&[("MF_REQUIRE_EMAIL_VERIFICATION", "true")]);
    assert!(!config.self_register(), "an address that cannot be proved opens nothing");
    assert!(config.warnings[0].starts_with("MF_REQUIRE_EMAIL"), "{:?}", config.warnings);
    let config = read(&[
        ("MF_REQUIRE_EMAIL_VERIFICATION", "true"),
        ("MF_EMAIL_HOST", "localhost"),
        ("MF_EMAIL_FROM_ADDRESS", "keyward@example.com"),
    ]);
    assert!(config.self_register() && config.warnings.is_empty(), "{:?}", config.warnings);
    let pair = [("MF_USERS_SERVER_CERT", "c.pem"), ("MF_USERS_SERVER_KEY", "k.pem")];
    let config = read(&pair);
    assert!(
        config.warnings[0].starts_with("MF_USERS_SERVER_CERT has no effect"),
        "{:?}",
        config.warnings
    );
    let config = read(&[pair[0], pair[1], ("MF_USERS_GRPC_PORT", "8184")]);
    assert_eq!(config.warnings, [] as [String; 0]);
}

#[test]
fn a_variable_that_is_not_text_is_named_without_its_value() {
    use std::os::unix::ffi::OsStringExt;
    let odd = std::ffi::OsString::from_vec(vec![0xff, b'x']);
    let environment = [("MF_AUTH_SECRET".into(), odd)].into_iter().collect();
    match Config::read(&[], &environment) {
        Err(Unread::Setting(line)) => assert_eq!(line, "MF_AUTH_SECRET is not UTF-8"),
        other => panic!("{other:?}"),
    }
}

#[test]
fn help_names_every_setting_and_the_process_environment_is_left_alone() {
    let Err(Unread::Flags(help)) = with_flags(&["--help"], &[]) else { panic!("no help") };
    let help = help.to_string();
    for setting in super::command().get_arguments() {
        if let Some(name) = super::environment::name(setting) {
            assert!(help.contains(name), "{name} is not in the help");
        }
    }
}
