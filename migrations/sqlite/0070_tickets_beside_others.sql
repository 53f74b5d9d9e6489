-- Several tickets for the same purpose and target are good at a time: whoever asks in a stranger's name takes nothing
-- from the link that its owner has. SQLite cannot take a constraint from a table.
ALTER TABLE keyward_tickets RENAME TO keyward_tickets_before;

CREATE TABLE keyward_tickets (
    id BLOB NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL,
    -- Whose: a user's id, or the key of an address.
    target TEXT NOT NULL,
    -- What it allows beyond that, as JSON: the account that it opens.
    payload TEXT,
    -- SHA-256 of the secret in the link; the secret is stored nowhere.
    digest BLOB NOT NULL UNIQUE,
    -- How many wrong secrets were shown for it.
    tries INTEGER NOT NULL DEFAULT 0,
    -- Microseconds since 1970.
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

INSERT INTO keyward_tickets (id, purpose, target, digest, tries, created_at, expires_at)
SELECT id, purpose, target, digest, tries, created_at, expires_at FROM keyward_tickets_before;

DROP TABLE keyward_tickets_before;

CREATE INDEX keyward_tickets_purpose_target ON keyward_tickets (purpose, target);

CREATE INDEX keyward_tickets_expires_at ON keyward_tickets (expires_at);
