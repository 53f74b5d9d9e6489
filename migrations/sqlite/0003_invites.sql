-- Invites to orgs, and those of them that wait for a platform invite, which the users service keeps.
CREATE TABLE org_invites (
    id BLOB NOT NULL PRIMARY KEY,
    invitee_id BLOB,
    inviter_id BLOB NOT NULL,
    org_id BLOB NOT NULL REFERENCES orgs (id) ON DELETE CASCADE,
    invitee_role TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    state TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE UNIQUE INDEX unique_org_invitee_pending
    ON org_invites (invitee_id, org_id) WHERE state = 'pending';
CREATE INDEX org_invites_org_id_state ON org_invites (org_id, state);
CREATE INDEX org_invites_inviter_id ON org_invites (inviter_id);
CREATE INDEX org_invites_invitee_id ON org_invites (invitee_id);

CREATE TABLE dormant_org_invites (
    org_invite_id BLOB NOT NULL REFERENCES org_invites (id) ON DELETE CASCADE,
    platform_invite_id BLOB NOT NULL,
    PRIMARY KEY (org_invite_id, platform_invite_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX dormant_org_invites_platform_invite_id ON dormant_org_invites (platform_invite_id);

-- Mails that wait to be sent, and those that could not be.
CREATE TABLE keyward_mails (
    id BLOB NOT NULL PRIMARY KEY,
    kind TEXT NOT NULL,
    payload TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    expires_at INTEGER NOT NULL,
    state TEXT NOT NULL CHECK (state IN ('queued', 'dead')),
    attempts INTEGER NOT NULL,
    -- When it is tried next; while somebody tries, when they are taken to have died.
    due_at INTEGER NOT NULL,
    holder BLOB,
    -- Why the last try failed.
    problem TEXT
) STRICT, WITHOUT ROWID;

CREATE INDEX keyward_mails_due_at ON keyward_mails (due_at) WHERE state = 'queued';
