CREATE INDEX CONCURRENTLY IF NOT EXISTS keyward_org_invites_invitee_id ON org_invites (invitee_id);
