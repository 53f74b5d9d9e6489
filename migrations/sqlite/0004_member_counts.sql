-- How many members each org has in each role, kept by triggers. Deletions that cascade run them too.
CREATE TABLE keyward_member_counts (
    org_id BLOB NOT NULL,
    role TEXT NOT NULL,
    members INTEGER NOT NULL,
    PRIMARY KEY (org_id, role)
) STRICT, WITHOUT ROWID;

INSERT INTO keyward_member_counts
SELECT org_id, role, count(*) FROM org_memberships GROUP BY org_id, role;

CREATE TRIGGER keyward_member_joined AFTER INSERT ON org_memberships BEGIN
    INSERT INTO keyward_member_counts VALUES (new.org_id, new.role, 1)
    ON CONFLICT DO UPDATE SET members = members + 1;
END;

CREATE TRIGGER keyward_member_gone AFTER DELETE ON org_memberships BEGIN
    UPDATE keyward_member_counts SET members = members - 1
    WHERE org_id = old.org_id AND role = old.role;
    DELETE FROM keyward_member_counts
    WHERE org_id = old.org_id AND role = old.role AND members = 0;
END;

CREATE TRIGGER keyward_member_changed AFTER UPDATE OF org_id, role ON org_memberships BEGIN
    UPDATE keyward_member_counts SET members = members - 1
    WHERE org_id = old.org_id AND role = old.role;
    DELETE FROM keyward_member_counts
    WHERE org_id = old.org_id AND role = old.role AND members = 0;
    INSERT INTO keyward_member_counts VALUES (new.org_id, new.role, 1)
    ON CONFLICT DO UPDATE SET members = members + 1;
END;

-- For a page of the members of an org who have one role.
CREATE INDEX org_memberships_org_id_role ON org_memberships (org_id, role);
