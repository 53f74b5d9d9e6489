-- A database as the users service of Mainflux v0.33.0 leaves it behind: its schema name by name. Who is in it, the tests
-- say.

CREATE TYPE user_status AS ENUM ('enabled', 'disabled');

CREATE TABLE users (
    id uuid CONSTRAINT users_pkey PRIMARY KEY,
    email varchar(254) NOT NULL CONSTRAINT users_email_key UNIQUE,
    password char(60) NOT NULL,
    metadata jsonb,
    status user_status NOT NULL DEFAULT 'enabled'
);

CREATE TABLE verifications (
    email varchar(254) NOT NULL,
    password char(60) NOT NULL,
    token uuid NOT NULL CONSTRAINT verifications_token_key UNIQUE,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

CREATE TABLE platform_invites (
    id uuid NOT NULL,
    invitee_email varchar NOT NULL,
    created_at timestamptz,
    expires_at timestamptz,
    state varchar NOT NULL DEFAULT 'pending'
);

CREATE UNIQUE INDEX unique_invitee_email_pending ON platform_invites (invitee_email) WHERE state = 'pending';

CREATE TABLE gorp_migrations (
    id text NOT NULL PRIMARY KEY,
    applied_at timestamptz
);

INSERT INTO gorp_migrations (id, applied_at) VALUES ('users_1', now()), ('users_2', now()), ('users_3', now());
