//! What Mainflux auth v0.33.0 leaves behind: a database, an env file, tokens. And what it would do
//! when it is back.

use aws_lc_rs::hmac;
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use serde_json::{Value, json};

/// Its database.
pub const DATABASE: &str = include_str!("../../../../postgres/tests/mainflux_v033.sql");
/// Who has a key there, and owns [`ORG`].
pub const ADA: &str = "00000000-0000-4000-8000-0000000000a1";
/// Somebody else who belongs to it.
pub const VIEWER: &str = "00000000-0000-4000-8000-0000000000a6";
pub const ORG: &str = "00000000-0000-4000-8000-0000000000b1";

/// How it signs in to the mail server.
pub const MAIL_USER: (&str, &str) = ("18bf7f70705139", "2b0d302e775b1e");

/// Every variable it reads, with the value of the file it ships or one that fits.
pub const VARIABLES: &[(&str, &str)] = &[
    ("MF_AUTH_LOG_LEVEL", "debug"),
    ("MF_AUTH_DB_HOST", "auth-db"),
    ("MF_AUTH_DB_PORT", "5432"),
    ("MF_AUTH_DB_USER", "mainflux"),
    ("MF_AUTH_DB_PASS", "mainflux"),
    ("MF_AUTH_DB", "auth"),
    ("MF_AUTH_DB_SSL_MODE", "disable"),
    ("MF_AUTH_DB_SSL_CERT", ""),
    ("MF_AUTH_DB_SSL_KEY", ""),
    ("MF_AUTH_DB_SSL_ROOT_CERT", ""),
    ("MF_AUTH_HTTP_PORT", "8189"),
    ("MF_AUTH_GRPC_PORT", "8181"),
    ("MF_AUTH_SERVER_CERT", ""),
    ("MF_AUTH_SERVER_KEY", ""),
    ("MF_AUTH_SECRET", "secret"),
    ("MF_AUTH_LOGIN_TOKEN_DURATION", "10h"),
    ("MF_INVITE_DURATION", "168h"),
    ("MF_AUTH_GRPC_TIMEOUT", "1s"),
    ("MF_JAEGER_URL", "jaeger:6831"),
    ("MF_USERS_ADMIN_EMAIL", "admin@example.com"),
    ("MF_USERS_GRPC_URL", "users:8184"),
    ("MF_USERS_CA_CERTS", ""),
    ("MF_USERS_CLIENT_TLS", "false"),
    ("MF_THINGS_AUTH_GRPC_URL", "things:8183"),
    ("MF_THINGS_CA_CERTS", ""),
    ("MF_THINGS_CLIENT_TLS", "false"),
    ("MF_AUTH_ES_URL", "es-redis:6379"),
    ("MF_AUTH_ES_PASS", ""),
    ("MF_AUTH_ES_DB", "0"),
    ("MF_EMAIL_HOST", "smtp.example.com"),
    ("MF_EMAIL_PORT", "2525"),
    ("MF_EMAIL_USERNAME", MAIL_USER.0),
    ("MF_EMAIL_PASSWORD", MAIL_USER.1),
    ("MF_EMAIL_FROM_ADDRESS", "from@example.com"),
    ("MF_EMAIL_FROM_NAME", "Example"),
    ("MF_EMAIL_BASE_TEMPLATE", "base.tmpl"),
    ("MF_HOST", "http://localhost"),
];

/// Every variable that its users service reads, with the value of the file it ships or one that fits.
pub const USERS_VARIABLES: &[(&str, &str)] = &[
    ("MF_USERS_LOG_LEVEL", "debug"),
    ("MF_USERS_DB_HOST", "users-db"),
    ("MF_USERS_DB_PORT", "5432"),
    ("MF_USERS_DB_USER", "mainflux"),
    ("MF_USERS_DB_PASS", "mainflux"),
    ("MF_USERS_DB", "users"),
    ("MF_USERS_DB_SSL_MODE", "disable"),
    ("MF_USERS_DB_SSL_CERT", ""),
    ("MF_USERS_DB_SSL_KEY", ""),
    ("MF_USERS_DB_SSL_ROOT_CERT", ""),
    ("MF_USERS_HTTP_PORT", "8180"),
    ("MF_USERS_GRPC_PORT", "8184"),
    ("MF_USERS_SERVER_CERT", ""),
    ("MF_USERS_SERVER_KEY", ""),
    ("MF_USERS_ADMIN_EMAIL", "admin@example.com"),
    ("MF_USERS_ADMIN_PASSWORD", "12345678"),
    ("MF_USERS_PASS_REGEX", r"^\S{8,}$"),
    ("MF_USERS_SELF_REGISTER_ENABLED", "true"),
    ("MF_REQUIRE_EMAIL_VERIFICATION", "false"),
    ("MF_INVITE_DURATION", "168h"),
    ("MF_AUTH_GRPC_URL", "auth:8181"),
    ("MF_AUTH_GRPC_TIMEOUT", "1s"),
    ("MF_AUTH_CLIENT_TLS", "false"),
    ("MF_AUTH_CA_CERTS", ""),
    ("MF_JAEGER_URL", "jaeger:6831"),
    ("MF_EMAIL_HOST", "smtp.example.com"),
    ("MF_EMAIL_PORT", "2525"),
    ("MF_EMAIL_USERNAME", MAIL_USER.0),
    ("MF_EMAIL_PASSWORD", MAIL_USER.1),
    ("MF_EMAIL_FROM_ADDRESS", "from@example.com"),
    ("MF_EMAIL_FROM_NAME", "Example"),
    ("MF_EMAIL_BASE_TEMPLATE", "base.tmpl"),
    ("MF_HOST", "http://localhost"),
];

/// Those of them that are no settings here.
pub const USERS_GONE: &[&str] = &[
    "MF_USERS_LOG_LEVEL",
    "MF_USERS_DB_HOST",
    "MF_USERS_DB_PORT",
    "MF_USERS_DB_USER",
    "MF_USERS_DB_PASS",
    "MF_USERS_DB",
    "MF_USERS_DB_SSL_MODE",
    "MF_USERS_DB_SSL_CERT",
    "MF_USERS_DB_SSL_KEY",
    "MF_USERS_DB_SSL_ROOT_CERT",
    "MF_AUTH_GRPC_URL",
    "MF_AUTH_CLIENT_TLS",
    "MF_AUTH_CA_CERTS",
];

/// A token as it signs them: no key id in the header, and its order of claims.
pub fn sign(secret: &str, claims: &str) -> String {
    let header = r#"{"alg":"HS256","typ":"JWT"}"#;
    let signed = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(claims));
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = hmac::sign(&key, signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

/// Ada's API key, of which the database has the row.
pub fn adas_key(secret: &str) -> String {
    sign(
        secret,
        &format!(
            r#"{{"jti":"00000000-0000-4000-8000-0000000000c1","iat":1709284211,"iss":"mainflux.auth","sub":"ada@example.com","issuer_id":"{ADA}","type":2}}"#
        ),
    )
}

/// The same for another address than the row has: whoever knows a weak secret can make it.
pub fn forged_key(secret: &str) -> String {
    sign(
        secret,
        &format!(
            r#"{{"jti":"00000000-0000-4000-8000-0000000000c1","iat":1709284211,"iss":"mainflux.auth","sub":"eve@example.com","issuer_id":"{ADA}","type":2}}"#
        ),
    )
}

/// A login token of Ada's, from before: without an id, as they all are.
pub fn adas_login(secret: &str, now: i64) -> String {
    let (iat, exp) = (now - 60, now - 60 + 36_000);
    sign(
        secret,
        &format!(
            r#"{{"exp":{exp},"iat":{iat},"iss":"mainflux.auth","sub":"ada@example.com","issuer_id":"{ADA}","type":0}}"#
        ),
    )
}

/// What the original would find in a token that it did not sign itself; panics where it would refuse.
pub fn accept(secret: &str, token: &str, now: i64) -> Value {
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (header, claims) = signed.split_once('.').unwrap();
    let read = |part: &str| -> Value {
        serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
    };
    assert_eq!(read(header)["alg"], "HS256");
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    let tag = URL_SAFE_NO_PAD.decode(signature).unwrap();
    hmac::verify(&key, signed.as_bytes(), &tag).unwrap();
    let claims = read(claims);
    assert_eq!(claims["iss"], json!("mainflux.auth"));
    assert!(claims["iat"].as_i64().unwrap() <= now, "it knows no leeway: {claims}");
    assert!(claims["exp"].as_i64().is_none_or(|exp| exp >= now));
    assert!(claims["type"].as_u64().unwrap() <= 2 && claims["aud"].is_null(), "{claims}");
    claims
}

/// The rows that it cannot read, for a null where it knows none.
pub const UNREADABLE: &str = "
    SELECT 'org ' || id FROM orgs
        WHERE num_nulls(id, owner_id, name, description, created_at, updated_at) > 0
    UNION ALL SELECT 'membership ' || member_id FROM org_memberships
        WHERE num_nulls(member_id, org_id, role, created_at, updated_at) > 0
    UNION ALL SELECT 'key ' || id FROM keys
        WHERE num_nulls(id, type, subject, issuer_id, issued_at) > 0
    UNION ALL SELECT 'role ' || user_id FROM users_roles WHERE num_nulls(user_id, role) > 0
    UNION ALL SELECT 'invite ' || id FROM org_invites
        WHERE num_nulls(id, inviter_id, org_id, invitee_role, created_at, expires_at, state) > 0
    ORDER BY 1";
