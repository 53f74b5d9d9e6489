-- Groups: trees of them, what is in them, and who has which role in them. Nothing is derived from where a
-- group is: its parent says it, and moving a subtree changes one row (docs/adr/0010-group-trees.md).

CREATE TABLE keyward_groups (
    id uuid CONSTRAINT keyward_groups_pkey PRIMARY KEY,
    parent_id uuid CONSTRAINT keyward_groups_parent_id_fkey REFERENCES keyward_groups (id)
        CONSTRAINT keyward_groups_parent_id_check CHECK (parent_id <> id),
    -- Whose tree it is when it is no org's; who made the group when it is.
    owner_id uuid NOT NULL,
    org_id uuid,
    name text COLLATE "C" NOT NULL,
    description text COLLATE "C" NOT NULL,
    metadata jsonb,
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL
);

-- A name is taken once among siblings; the siblings of a root are the other roots of the same org or user.
CREATE UNIQUE INDEX keyward_groups_parent_id_name ON keyward_groups (parent_id, name)
    WHERE parent_id IS NOT NULL;
CREATE UNIQUE INDEX keyward_groups_org_id_name ON keyward_groups (org_id, name)
    WHERE parent_id IS NULL AND org_id IS NOT NULL;
CREATE UNIQUE INDEX keyward_groups_owner_id_name ON keyward_groups (owner_id, name)
    WHERE parent_id IS NULL AND org_id IS NULL;
-- For deleting the groups of an org.
CREATE INDEX keyward_groups_org_id ON keyward_groups (org_id) WHERE org_id IS NOT NULL;

CREATE TABLE keyward_group_members (
    group_id uuid NOT NULL
        CONSTRAINT keyward_group_members_group_id_fkey REFERENCES keyward_groups (id),
    member_id text COLLATE "C" NOT NULL,
    type text COLLATE "C" NOT NULL,
    created_at timestamptz NOT NULL,
    CONSTRAINT keyward_group_members_pkey PRIMARY KEY (group_id, member_id)
);

-- For the groups something is in.
CREATE INDEX keyward_group_members_member_id ON keyward_group_members (member_id, group_id);

CREATE TABLE keyward_group_roles (
    user_id uuid NOT NULL,
    group_id uuid NOT NULL
        CONSTRAINT keyward_group_roles_group_id_fkey REFERENCES keyward_groups (id),
    role text COLLATE "C" NOT NULL
        CONSTRAINT keyward_group_roles_role_check CHECK (role IN ('viewer', 'editor', 'admin')),
    created_at timestamptz NOT NULL,
    updated_at timestamptz NOT NULL,
    CONSTRAINT keyward_group_roles_pkey PRIMARY KEY (user_id, group_id)
);

-- For the roles in a group.
CREATE INDEX keyward_group_roles_group_id ON keyward_group_roles (group_id, user_id);

-- For asking what was taken from groups: a restore does for every row that it would bring back.
CREATE INDEX IF NOT EXISTS keyward_changes_groups ON keyward_changes (object, kind) WHERE kind IN
    ('group.move', 'group.remove', 'group.unassign', 'group_role.remove');

-- A row to lock for each org or user that has groups: whoever changes the shape of a tree, or who has a
-- role in it, holds it alone.
CREATE TABLE keyward_group_scopes (
    id uuid NOT NULL,
    is_org boolean NOT NULL,
    CONSTRAINT keyward_group_scopes_pkey PRIMARY KEY (id, is_org)
);
