-- Keyward's own tables. They stand beside the original's and refer to none of them, so that it can do with
-- its own what it likes.

-- Text is compared byte by byte, so that every order is the same on every server and store.
CREATE TABLE keyward_accounts (
    id uuid CONSTRAINT keyward_accounts_pkey PRIMARY KEY,
    -- As it was typed; in lower case, for searching and ordering; as addresses are compared.
    email text COLLATE "C" NOT NULL,
    email_lower text COLLATE "C" NOT NULL,
    email_key text COLLATE "C" NOT NULL CONSTRAINT keyward_accounts_email_key_key UNIQUE,
    password_hash text COLLATE "C" NOT NULL,
    status text COLLATE "C" NOT NULL
        CONSTRAINT keyward_accounts_status_check CHECK (status IN ('enabled', 'disabled')),
    metadata jsonb,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

-- One row: the newest revision of the change log. Advancing it locks it, which makes the order of
-- revisions the order of commits; a sequence would not.
CREATE TABLE keyward_revision (
    only_row boolean DEFAULT true CONSTRAINT keyward_revision_pkey PRIMARY KEY
        CONSTRAINT keyward_revision_only_row_check CHECK (only_row),
    value bigint NOT NULL
);

INSERT INTO keyward_revision (value) VALUES (0);

CREATE TABLE keyward_changes (
    revision bigint NOT NULL,
    ordinal integer NOT NULL,
    kind text COLLATE "C" NOT NULL,
    subject text COLLATE "C",
    object text COLLATE "C" NOT NULL,
    actor text COLLATE "C" NOT NULL,
    payload jsonb NOT NULL,
    occurred_at timestamptz NOT NULL,
    CONSTRAINT keyward_changes_pkey PRIMARY KEY (revision, ordinal)
);
