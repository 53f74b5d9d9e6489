-- What mailed links prove. A ticket is deleted by what it allows.
CREATE TABLE keyward_tickets (
    id BLOB NOT NULL PRIMARY KEY,
    purpose TEXT NOT NULL,
    -- Whose: a user's id.
    target TEXT NOT NULL,
    -- SHA-256 of the secret in the link; the secret is stored nowhere.
    digest BLOB NOT NULL UNIQUE,
    -- How often somebody guessed wrong, for codes that are typed. Nobody guesses what is in a link.
    tries INTEGER NOT NULL DEFAULT 0,
    -- Microseconds since 1970.
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    -- One for each purpose and target.
    UNIQUE (purpose, target)
) STRICT;

CREATE INDEX keyward_tickets_expires_at ON keyward_tickets (expires_at);
