-- For activating what waits for a platform invite.
CREATE INDEX CONCURRENTLY IF NOT EXISTS keyward_dormant_org_invites_platform_invite_id
    ON dormant_org_invites (platform_invite_id);
