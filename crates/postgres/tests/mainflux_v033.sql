-- A database as Mainflux auth v0.33.0 leaves it behind after a while: its schema name by name, grown
-- through its four migrations, and rows with everything that its columns allow.

CREATE TABLE users_roles (
    role varchar(12) CHECK (role IN ('root', 'admin')),
    user_id uuid NOT NULL PRIMARY KEY
);

CREATE TABLE keys (
    id varchar(254) NOT NULL,
    type smallint,
    subject varchar(254) NOT NULL,
    issuer_id uuid NOT NULL,
    issued_at timestamp NOT NULL,
    expires_at timestamp,
    PRIMARY KEY (id, issuer_id)
);

CREATE TABLE orgs (
    id uuid UNIQUE NOT NULL,
    owner_id uuid NOT NULL,
    name varchar(254) NOT NULL,
    description varchar(1024),
    metadata jsonb,
    created_at timestamptz,
    updated_at timestamptz,
    PRIMARY KEY (id, owner_id)
);

CREATE TABLE member_relations (
    member_id uuid NOT NULL,
    org_id uuid NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    role varchar(10) NOT NULL,
    created_at timestamptz,
    updated_at timestamptz,
    PRIMARY KEY (member_id, org_id)
);

ALTER TABLE member_relations RENAME TO org_memberships;
ALTER TABLE org_memberships RENAME CONSTRAINT member_relations_pkey TO org_memberships_pkey;
ALTER TABLE org_memberships
    RENAME CONSTRAINT member_relations_org_id_fkey TO org_memberships_org_id_fkey;

CREATE TABLE org_invites (
    id uuid NOT NULL PRIMARY KEY,
    invitee_id uuid NOT NULL,
    inviter_id uuid NOT NULL,
    org_id uuid NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    invitee_role varchar(12) NOT NULL,
    created_at timestamptz,
    expires_at timestamptz,
    state varchar NOT NULL DEFAULT 'pending'
);

CREATE UNIQUE INDEX unique_org_invitee_pending
    ON org_invites (invitee_id, org_id) WHERE state = 'pending';

ALTER TABLE org_invites ALTER COLUMN invitee_id DROP NOT NULL;

CREATE TABLE dormant_org_invites (
    org_invite_id uuid NOT NULL REFERENCES org_invites (id) ON DELETE CASCADE,
    platform_invite_id uuid NOT NULL,
    PRIMARY KEY (org_invite_id, platform_invite_id)
);

CREATE TABLE gorp_migrations (
    id text NOT NULL PRIMARY KEY,
    applied_at timestamptz
);

INSERT INTO gorp_migrations VALUES
    ('auth_1', '2024-03-01 08:00:00.000001+00'),
    ('auth_2', '2024-03-01 08:00:00.000002+00'),
    ('auth_3', '2024-06-01 08:00:00+00'),
    ('auth_4', '2024-06-01 08:00:00+00');

-- Ids end in what they are: a0.. users, b0.. orgs, c0.. keys, d0.. invites, e0.. platform invites.

INSERT INTO users_roles VALUES
    ('root', '00000000-0000-4000-8000-0000000000a1'),
    ('admin', '00000000-0000-4000-8000-0000000000a2'),
    (NULL, '00000000-0000-4000-8000-0000000000a3');

INSERT INTO keys VALUES
    ('00000000-0000-4000-8000-0000000000c1', 2, 'ada@example.com',
     '00000000-0000-4000-8000-0000000000a1', '2024-03-01 09:10:11.123456', NULL),
    ('00000000-0000-4000-8000-0000000000c2', 2, 'ada@example.com',
     '00000000-0000-4000-8000-0000000000a1', '2024-03-01 09:10:12', '2024-03-01 10:10:12.5'),
    ('00000000-0000-4000-8000-0000000000c3', 2, 'bob@example.com',
     '00000000-0000-4000-8000-0000000000a2', '2024-03-02 00:00:00', 'infinity');

INSERT INTO orgs VALUES
    ('00000000-0000-4000-8000-0000000000b1', '00000000-0000-4000-8000-0000000000a1', 'Acme', 'makes things',
     '{"a": 1.0, "nested": {"list": [1, "two", null]}}',
     '2024-03-01 08:30:00.123456+00', '2024-03-01 08:31:00.654321+00'),
    ('00000000-0000-4000-8000-0000000000b2', '00000000-0000-4000-8000-0000000000a2', 'bare', '', NULL,
     '2024-03-01 10:30:00+02', '2024-03-01 10:30:00+02'),
    -- Restored from a backup file without times, and with metadata that is no object.
    ('00000000-0000-4000-8000-0000000000b3', '00000000-0000-4000-8000-0000000000a2', 'Restored', NULL, 'null',
     NULL, NULL),
    ('00000000-0000-4000-8000-0000000000b4', '00000000-0000-4000-8000-0000000000a2', '%_\', '', '[1]',
     '0001-01-01 00:00:00+00', 'infinity');

INSERT INTO org_memberships VALUES
    ('00000000-0000-4000-8000-0000000000a1', '00000000-0000-4000-8000-0000000000b1', 'owner',
     '2024-03-01 08:30:00.123456+00', '2024-03-01 08:30:00.123456+00'),
    -- A second owner, and a role that does not exist: restoring did not check them.
    ('00000000-0000-4000-8000-0000000000a4', '00000000-0000-4000-8000-0000000000b1', 'owner', NULL, NULL),
    ('00000000-0000-4000-8000-0000000000a5', '00000000-0000-4000-8000-0000000000b1', 'boss', NULL, NULL),
    ('00000000-0000-4000-8000-0000000000a6', '00000000-0000-4000-8000-0000000000b1', 'viewer',
     '2024-04-01 00:00:00+00', '2024-04-01 00:00:00+00'),
    ('00000000-0000-4000-8000-0000000000a2', '00000000-0000-4000-8000-0000000000b2', 'owner',
     '2024-03-01 08:30:00+00', '2024-03-01 08:30:00+00');

INSERT INTO org_invites VALUES
    ('00000000-0000-4000-8000-0000000000d1', '00000000-0000-4000-8000-0000000000a7',
     '00000000-0000-4000-8000-0000000000a1', '00000000-0000-4000-8000-0000000000b1', 'editor',
     '2024-05-01 00:00:00+00', '2024-05-08 00:00:00+00', 'pending'),
    ('00000000-0000-4000-8000-0000000000d2', NULL,
     '00000000-0000-4000-8000-0000000000a1', '00000000-0000-4000-8000-0000000000b1', 'viewer',
     '2024-05-01 00:00:00+00', NULL, 'pending'),
    ('00000000-0000-4000-8000-0000000000d3', NULL,
     '00000000-0000-4000-8000-0000000000a2', '00000000-0000-4000-8000-0000000000b2', 'viewer',
     '2024-05-01 00:00:00+00', NULL, 'pending');

INSERT INTO dormant_org_invites VALUES
    ('00000000-0000-4000-8000-0000000000d2', '00000000-0000-4000-8000-0000000000e1'),
    ('00000000-0000-4000-8000-0000000000d3', '00000000-0000-4000-8000-0000000000e1');
