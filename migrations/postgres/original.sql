-- What Mainflux auth v0.33.0 finds or makes in its database, name by name, with its migration ledger: so
-- that it can take over a database that Keyward has started. Nothing of Keyward's own belongs here.

CREATE TABLE users_roles (
    role varchar(12),
    user_id uuid NOT NULL,
    CONSTRAINT users_roles_pkey PRIMARY KEY (user_id),
    CONSTRAINT users_roles_role_check CHECK (role IN ('root', 'admin'))
);

CREATE TABLE keys (
    id varchar(254) NOT NULL,
    type smallint,
    subject varchar(254) NOT NULL,
    issuer_id uuid NOT NULL,
    -- Both hold UTC.
    issued_at timestamp NOT NULL,
    expires_at timestamp,
    CONSTRAINT keys_pkey PRIMARY KEY (id, issuer_id)
);

CREATE TABLE orgs (
    id uuid NOT NULL,
    owner_id uuid NOT NULL,
    name varchar(254) NOT NULL,
    description varchar(1024),
    metadata jsonb,
    created_at timestamptz,
    updated_at timestamptz,
    CONSTRAINT orgs_id_key UNIQUE (id),
    CONSTRAINT orgs_pkey PRIMARY KEY (id, owner_id)
);

CREATE TABLE org_memberships (
    member_id uuid NOT NULL,
    org_id uuid NOT NULL,
    role varchar(10) NOT NULL,
    created_at timestamptz,
    updated_at timestamptz,
    CONSTRAINT org_memberships_pkey PRIMARY KEY (member_id, org_id),
    CONSTRAINT org_memberships_org_id_fkey
        FOREIGN KEY (org_id) REFERENCES orgs (id) ON DELETE CASCADE
);

CREATE TABLE org_invites (
    id uuid NOT NULL,
    invitee_id uuid,
    inviter_id uuid NOT NULL,
    org_id uuid NOT NULL,
    invitee_role varchar(12) NOT NULL,
    created_at timestamptz,
    expires_at timestamptz,
    state varchar DEFAULT 'pending' NOT NULL,
    CONSTRAINT org_invites_pkey PRIMARY KEY (id),
    CONSTRAINT org_invites_org_id_fkey
        FOREIGN KEY (org_id) REFERENCES orgs (id) ON DELETE CASCADE
);

CREATE UNIQUE INDEX unique_org_invitee_pending
    ON org_invites (invitee_id, org_id) WHERE state = 'pending';

CREATE TABLE dormant_org_invites (
    org_invite_id uuid NOT NULL,
    platform_invite_id uuid NOT NULL,
    CONSTRAINT dormant_org_invites_pkey PRIMARY KEY (org_invite_id, platform_invite_id),
    CONSTRAINT dormant_org_invites_org_invite_id_fkey
        FOREIGN KEY (org_invite_id) REFERENCES org_invites (id) ON DELETE CASCADE
);

CREATE TABLE gorp_migrations (
    id text NOT NULL,
    applied_at timestamptz,
    CONSTRAINT gorp_migrations_pkey PRIMARY KEY (id)
);

INSERT INTO gorp_migrations (id, applied_at) VALUES
    ('auth_1', now()), ('auth_2', now()), ('auth_3', now()), ('auth_4', now());
