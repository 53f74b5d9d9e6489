-- Sessions with refresh tokens. One that is ended is deleted, and with it what its tokens are good for.
CREATE TABLE keyward_sessions (
    id uuid CONSTRAINT keyward_sessions_pkey PRIMARY KEY,
    user_id uuid NOT NULL,
    -- A whole second, to be compared with keyward_cutoffs.
    began_at timestamptz NOT NULL,
    last_used_at timestamptz NOT NULL,
    -- When it is over unless it is refreshed, and in any case.
    expires_at timestamptz NOT NULL,
    ends_at timestamptz NOT NULL,
    address text COLLATE "C",
    device text COLLATE "C" NOT NULL,
    -- SHA-256 of what all its refresh tokens share, and of the newest one; the tokens are stored nowhere.
    family bytea NOT NULL CONSTRAINT keyward_sessions_family_key UNIQUE,
    digest bytea NOT NULL,
    -- The one before: its digest, what the newest can be found by for whoever has that one, and when it was used.
    used_digest bytea,
    used_cover bytea,
    used_at timestamptz
);

CREATE INDEX keyward_sessions_user_id ON keyward_sessions (user_id);
CREATE INDEX keyward_sessions_expires_at ON keyward_sessions (expires_at);

-- Checks are decided on whether a session is there, and whose: see 0032_keyward_foreign_writes.sql.
CREATE CONSTRAINT TRIGGER keyward_foreign_write AFTER INSERT OR UPDATE OF id, user_id, began_at OR DELETE
    ON keyward_sessions
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (current_setting('keyward.writer', TRUE) IS DISTINCT FROM 'yes')
    EXECUTE FUNCTION keyward_note_foreign_write();
