-- Sessions with refresh tokens. One that is ended is deleted, and with it what its tokens are good for.
CREATE TABLE keyward_sessions (
    id BLOB NOT NULL PRIMARY KEY,
    user_id BLOB NOT NULL,
    -- Microseconds since 1970, of a whole second, to be compared with keyward_cutoffs.
    began_at INTEGER NOT NULL,
    last_used_at INTEGER NOT NULL,
    -- When it is over unless it is refreshed, and in any case.
    expires_at INTEGER NOT NULL,
    ends_at INTEGER NOT NULL,
    address TEXT,
    device TEXT NOT NULL,
    -- SHA-256 of what all its refresh tokens share, and of the newest one; the tokens are stored nowhere.
    family BLOB NOT NULL UNIQUE,
    digest BLOB NOT NULL,
    -- The one before: its digest, what the newest can be found by for whoever has that one, and when it was used.
    used_digest BLOB,
    used_cover BLOB,
    used_at INTEGER
) STRICT;

CREATE INDEX keyward_sessions_user_id ON keyward_sessions (user_id);
CREATE INDEX keyward_sessions_expires_at ON keyward_sessions (expires_at);
