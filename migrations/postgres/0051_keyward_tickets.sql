-- What mailed links prove. A ticket is deleted by what it allows.
CREATE TABLE keyward_tickets (
    id uuid CONSTRAINT keyward_tickets_pkey PRIMARY KEY,
    purpose text COLLATE "C" NOT NULL,
    -- Whose: a user's id.
    target text COLLATE "C" NOT NULL,
    -- SHA-256 of the secret in the link; the secret is stored nowhere.
    digest bytea NOT NULL CONSTRAINT keyward_tickets_digest_key UNIQUE,
    -- How often somebody guessed wrong, for codes that are typed. Nobody guesses what is in a link.
    tries smallint NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    -- One for each purpose and target.
    CONSTRAINT keyward_tickets_purpose_target_key UNIQUE (purpose, target)
);

CREATE INDEX keyward_tickets_expires_at ON keyward_tickets (expires_at);
