-- The audit trail: who did what. Two trails, each a chain of its own: what was changed, and attempts.
CREATE TABLE keyward_audit (
    trail TEXT NOT NULL CHECK (trail IN ('changes', 'attempts')),
    place INTEGER NOT NULL,
    occurred_at INTEGER NOT NULL,
    actor TEXT NOT NULL,
    peer TEXT,
    request_id TEXT,
    trace_id TEXT,
    operation TEXT NOT NULL,
    action TEXT NOT NULL,
    subject TEXT,
    object TEXT NOT NULL,
    org TEXT,
    outcome TEXT NOT NULL,
    count INTEGER NOT NULL,
    -- JSON, to the letter: the digest is of this text.
    details TEXT NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (trail, place)
) STRICT, WITHOUT ROWID;

CREATE INDEX keyward_audit_org ON keyward_audit (org, trail, place) WHERE org IS NOT NULL;

-- Where each trail begins and ends.
CREATE TABLE keyward_audit_heads (
    trail TEXT NOT NULL PRIMARY KEY,
    first INTEGER NOT NULL,
    anchor BLOB NOT NULL,
    place INTEGER NOT NULL,
    hash BLOB NOT NULL,
    seal BLOB
) STRICT, WITHOUT ROWID;

INSERT INTO keyward_audit_heads (trail, first, anchor, place, hash)
VALUES ('changes', 1, zeroblob(32), 0, zeroblob(32)), ('attempts', 1, zeroblob(32), 0, zeroblob(32));

-- Nobody changes a record, and only those go that the head has let go of: whoever has the file can drop this, and
-- then the digests tell.
CREATE TRIGGER keyward_audit_update BEFORE UPDATE ON keyward_audit
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
CREATE TRIGGER keyward_audit_delete BEFORE DELETE ON keyward_audit
WHEN old.place >= (SELECT first FROM keyward_audit_heads WHERE trail = old.trail)
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
CREATE TRIGGER keyward_audit_heads_back BEFORE UPDATE ON keyward_audit_heads
WHEN new.place < old.place OR new.first < old.first
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
CREATE TRIGGER keyward_audit_heads_delete BEFORE DELETE ON keyward_audit_heads
BEGIN
    SELECT RAISE(ABORT, 'the audit trail is append-only');
END;
