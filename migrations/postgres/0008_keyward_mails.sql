-- Mails that wait to be sent, and those that could not be.
CREATE TABLE keyward_mails (
    id uuid CONSTRAINT keyward_mails_pkey PRIMARY KEY,
    -- What it is about; its text is written when it is sent, and whom it goes to is looked up then.
    kind text COLLATE "C" NOT NULL,
    payload jsonb NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL,
    state text COLLATE "C" NOT NULL
        CONSTRAINT keyward_mails_state_check CHECK (state IN ('queued', 'dead')),
    attempts integer NOT NULL,
    -- When it is tried next; while somebody tries, when they are taken to have died.
    due_at timestamptz NOT NULL,
    holder uuid,
    -- Why the last try failed.
    problem text COLLATE "C"
);

CREATE INDEX keyward_mails_due_at ON keyward_mails (due_at) WHERE state = 'queued';
