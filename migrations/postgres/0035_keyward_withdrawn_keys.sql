-- Signing keys that were withdrawn, by the SHA-256 thumbprint that is their name (RFC 7638): nothing they signed
-- counts, also where a copy of the key turns up again.
CREATE TABLE keyward_withdrawn_keys (
    thumbprint bytea CONSTRAINT keyward_withdrawn_keys_pkey PRIMARY KEY,
    withdrawn_at timestamptz NOT NULL
);
-- Checks are decided on it: see 0032.
CREATE CONSTRAINT TRIGGER keyward_foreign_write AFTER INSERT OR UPDATE OR DELETE ON keyward_withdrawn_keys
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (current_setting('keyward.writer', TRUE) IS DISTINCT FROM 'yes')
    EXECUTE FUNCTION keyward_note_foreign_write();
