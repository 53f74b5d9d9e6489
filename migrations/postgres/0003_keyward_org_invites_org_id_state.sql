-- For the invites of an org, and for deleting one.
CREATE INDEX CONCURRENTLY IF NOT EXISTS keyward_org_invites_org_id_state ON org_invites (org_id, state);
