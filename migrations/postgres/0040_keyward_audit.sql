-- The audit trail: who did what. Two trails, each a chain of its own: what was changed, and attempts.
CREATE TABLE keyward_audit (
    trail text COLLATE "C" NOT NULL
        CONSTRAINT keyward_audit_trail_check CHECK (trail IN ('changes', 'attempts')),
    place bigint NOT NULL,
    occurred_at timestamptz NOT NULL,
    actor text COLLATE "C" NOT NULL,
    peer text COLLATE "C",
    request_id text COLLATE "C",
    trace_id text COLLATE "C",
    operation text COLLATE "C" NOT NULL,
    action text COLLATE "C" NOT NULL,
    subject text COLLATE "C",
    object text COLLATE "C" NOT NULL,
    org text COLLATE "C",
    outcome text COLLATE "C" NOT NULL,
    count bigint NOT NULL,
    -- JSON, to the letter: the digest is of this text.
    details text COLLATE "C" NOT NULL,
    hash bytea NOT NULL,
    CONSTRAINT keyward_audit_pkey PRIMARY KEY (trail, place)
);

CREATE INDEX keyward_audit_org ON keyward_audit (org, trail, place) WHERE org IS NOT NULL;
CREATE INDEX keyward_audit_object ON keyward_audit (object, trail, place);
CREATE INDEX keyward_audit_actor ON keyward_audit (actor, trail, place);

-- Where each trail begins and ends. Whoever appends holds the row, for the rest of their transaction.
CREATE TABLE keyward_audit_heads (
    trail text COLLATE "C" CONSTRAINT keyward_audit_heads_pkey PRIMARY KEY,
    first bigint NOT NULL,
    anchor bytea NOT NULL,
    place bigint NOT NULL,
    hash bytea NOT NULL,
    seal bytea
);

INSERT INTO keyward_audit_heads (trail, first, anchor, place, hash)
SELECT trail, 1, decode(repeat('00', 32), 'hex'), 0, decode(repeat('00', 32), 'hex')
FROM (VALUES ('changes'), ('attempts')) AS trails (trail);

-- Nobody changes a record, and only those go that the head has let go of: whoever owns the tables can drop this,
-- and then the digests tell.
CREATE FUNCTION keyward_audit_refuse() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION 'the audit trail is append-only' USING ERRCODE = 'insufficient_privilege';
END $$;

CREATE FUNCTION keyward_audit_delete() RETURNS trigger
LANGUAGE plpgsql SET search_path FROM CURRENT AS $$
BEGIN
    IF OLD.place >= (SELECT first FROM keyward_audit_heads WHERE trail = OLD.trail) THEN
        RAISE EXCEPTION 'the audit trail is append-only' USING ERRCODE = 'insufficient_privilege';
    END IF;
    RETURN OLD;
END $$;

CREATE TRIGGER keyward_audit_update BEFORE UPDATE ON keyward_audit
    FOR EACH ROW EXECUTE FUNCTION keyward_audit_refuse();
CREATE TRIGGER keyward_audit_truncate BEFORE TRUNCATE ON keyward_audit
    FOR EACH STATEMENT EXECUTE FUNCTION keyward_audit_refuse();
CREATE TRIGGER keyward_audit_delete BEFORE DELETE ON keyward_audit
    FOR EACH ROW EXECUTE FUNCTION keyward_audit_delete();
CREATE TRIGGER keyward_audit_heads_back BEFORE UPDATE ON keyward_audit_heads
    FOR EACH ROW WHEN (NEW.place < OLD.place OR NEW.first < OLD.first)
    EXECUTE FUNCTION keyward_audit_refuse();
CREATE TRIGGER keyward_audit_heads_delete BEFORE DELETE ON keyward_audit_heads
    FOR EACH ROW EXECUTE FUNCTION keyward_audit_refuse();
CREATE TRIGGER keyward_audit_heads_truncate BEFORE TRUNCATE ON keyward_audit_heads
    FOR EACH STATEMENT EXECUTE FUNCTION keyward_audit_refuse();
