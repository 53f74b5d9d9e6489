-- Signing keys that were withdrawn, by the SHA-256 thumbprint that is their name (RFC 7638): nothing they signed
-- counts, also where a copy of the key turns up again.
CREATE TABLE keyward_withdrawn_keys (
    thumbprint BLOB NOT NULL PRIMARY KEY,
    withdrawn_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
