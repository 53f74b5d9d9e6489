-- Groups: trees of them, what is in them, and who has which role in them.
CREATE TABLE keyward_groups (
    id BLOB NOT NULL PRIMARY KEY,
    parent_id BLOB REFERENCES keyward_groups (id) CHECK (parent_id <> id),
    -- Whose tree it is when it is no org's; who made the group when it is.
    owner_id BLOB NOT NULL,
    org_id BLOB,
    name TEXT NOT NULL,
    description TEXT NOT NULL,
    metadata TEXT,
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL
) STRICT;

-- A name is taken once among siblings; the siblings of a root are the other roots of the same org or user.
CREATE UNIQUE INDEX keyward_groups_parent_id_name ON keyward_groups (parent_id, name)
    WHERE parent_id IS NOT NULL;
CREATE UNIQUE INDEX keyward_groups_org_id_name ON keyward_groups (org_id, name)
    WHERE parent_id IS NULL AND org_id IS NOT NULL;
CREATE UNIQUE INDEX keyward_groups_owner_id_name ON keyward_groups (owner_id, name)
    WHERE parent_id IS NULL AND org_id IS NULL;
CREATE INDEX keyward_groups_org_id ON keyward_groups (org_id) WHERE org_id IS NOT NULL;

CREATE TABLE keyward_group_members (
    group_id BLOB NOT NULL REFERENCES keyward_groups (id),
    member_id TEXT NOT NULL,
    type TEXT NOT NULL,
    created_at INTEGER NOT NULL,
    PRIMARY KEY (group_id, member_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX keyward_group_members_member_id ON keyward_group_members (member_id, group_id);

CREATE TABLE keyward_group_roles (
    user_id BLOB NOT NULL,
    group_id BLOB NOT NULL REFERENCES keyward_groups (id),
    role TEXT NOT NULL CHECK (role IN ('viewer', 'editor', 'admin')),
    created_at INTEGER NOT NULL,
    updated_at INTEGER NOT NULL,
    PRIMARY KEY (user_id, group_id)
) STRICT, WITHOUT ROWID;

CREATE INDEX keyward_group_roles_group_id ON keyward_group_roles (group_id, user_id);

-- For asking what was taken from groups: a restore does for every row that it would bring back.
CREATE INDEX keyward_changes_groups ON keyward_changes (object, kind) WHERE kind IN
    ('group.move', 'group.remove', 'group.unassign', 'group_role.remove');
