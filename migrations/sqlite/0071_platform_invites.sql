-- Invites to the platform. Org invites wait for them in dormant_org_invites.
CREATE TABLE keyward_platform_invites (
    id BLOB NOT NULL PRIMARY KEY,
    invitee_email TEXT NOT NULL,
    -- In lower case, for filters.
    email_lower TEXT NOT NULL,
    -- What addresses are compared by.
    email_key TEXT NOT NULL,
    inviter_id BLOB NOT NULL,
    state TEXT NOT NULL,
    -- Microseconds since 1970.
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL
) STRICT;

-- One to each address can be answered.
CREATE UNIQUE INDEX keyward_platform_invites_pending ON keyward_platform_invites (email_key) WHERE state = 'pending';
