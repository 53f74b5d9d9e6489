-- Who answers from memory, and how far they have read the change log.
CREATE TABLE keyward_replicas (
    id BLOB NOT NULL PRIMARY KEY,
    applied INTEGER NOT NULL,
    renewals INTEGER NOT NULL,
    lease_micros INTEGER NOT NULL,
    seen_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
