-- The embedded store. Tables without prefix have the names and columns they have in PostgreSQL, where
-- they are the original's; those with the prefix keyward_ are ours there too.
--
-- Times are whole microseconds since 1970, UTC. Ids are the 16 bytes of a UUID, so that they sort as
-- they do in PostgreSQL. Columns ending in _lower hold text in lower case, for searching and ordering:
-- SQLite itself folds ASCII only.

CREATE TABLE users_roles (
    user_id BLOB NOT NULL PRIMARY KEY,
    role TEXT NOT NULL CHECK (role IN ('root', 'admin'))
) STRICT, WITHOUT ROWID;

CREATE TABLE keys (
    id BLOB NOT NULL PRIMARY KEY,
    type INTEGER NOT NULL,
    subject TEXT NOT NULL,
    issuer_id BLOB NOT NULL,
    issued_at INTEGER NOT NULL,
    expires_at INTEGER
) STRICT, WITHOUT ROWID;

CREATE INDEX keys_issuer_id ON keys (issuer_id);
CREATE INDEX keys_expires_at ON keys (expires_at) WHERE expires_at IS NOT NULL;

CREATE TABLE orgs (
    id BLOB NOT NULL PRIMARY KEY,
    owner_id BLOB NOT NULL,
    name TEXT NOT NULL,
    name_lower TEXT NOT NULL,
    description TEXT NOT NULL,
    metadata TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

CREATE TABLE org_memberships (
    member_id BLOB NOT NULL,
    org_id BLOB NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    role TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (member_id, org_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX org_memberships_org_id ON org_memberships (org_id);

CREATE TABLE keyward_accounts (
    id BLOB NOT NULL PRIMARY KEY,
    email TEXT NOT NULL,
    email_lower TEXT NOT NULL,
    email_key TEXT NOT NULL UNIQUE,
    password_hash TEXT NOT NULL,
    status TEXT NOT NULL CHECK (status IN ('enabled', 'disabled')),
    metadata TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- One row: the newest revision of the change log.
CREATE TABLE keyward_revision (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    value INTEGER NOT NULL
) STRICT;

INSERT INTO keyward_revision (only_row, value) VALUES (1, 0);

CREATE TABLE keyward_changes (
    revision INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    kind TEXT NOT NULL,
    subject TEXT,
    object TEXT NOT NULL,
    actor TEXT NOT NULL,
    payload TEXT NOT NULL,
    occurred_at INTEGER NOT NULL,
    PRIMARY KEY (revision, ordinal)
) STRICT, WITHOUT ROWID;
