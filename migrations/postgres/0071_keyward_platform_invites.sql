-- Invites to the platform, where the accounts are built in. Org invites wait for them in dormant_org_invites.
CREATE TABLE keyward_platform_invites (
    id uuid CONSTRAINT keyward_platform_invites_pkey PRIMARY KEY,
    invitee_email text COLLATE "C" NOT NULL,
    -- In lower case, for filters.
    email_lower text COLLATE "C" NOT NULL,
    -- What addresses are compared by.
    email_key text COLLATE "C" NOT NULL,
    inviter_id uuid NOT NULL,
    state text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    expires_at timestamptz NOT NULL
);

-- One to each address can be answered.
CREATE UNIQUE INDEX keyward_platform_invites_pending ON keyward_platform_invites (email_key) WHERE state = 'pending';
