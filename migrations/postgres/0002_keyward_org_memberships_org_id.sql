-- For the members of an org, and for deleting one. Each index on a table of the original is built while
-- others read and write, which one statement can do only outside a transaction: one file each.
CREATE INDEX CONCURRENTLY IF NOT EXISTS keyward_org_memberships_org_id ON org_memberships (org_id);
