-- For a page of the members of an org, and for counting them, without looking at the table.
CREATE INDEX CONCURRENTLY IF NOT EXISTS keyward_org_memberships_org_id_member_id
    ON org_memberships (org_id, member_id, role);
