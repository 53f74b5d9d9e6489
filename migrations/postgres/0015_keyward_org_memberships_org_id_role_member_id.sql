-- For a page of the members of an org who have one role.
CREATE INDEX CONCURRENTLY IF NOT EXISTS keyward_org_memberships_org_id_role_member_id
    ON org_memberships (org_id, role, member_id);
