-- For the invites somebody has sent.
CREATE INDEX CONCURRENTLY IF NOT EXISTS keyward_org_invites_inviter_id ON org_invites (inviter_id);
