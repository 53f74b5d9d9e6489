-- Which database this is: a backup says where it was taken, because revisions count in one database only.
CREATE TABLE keyward_instance (
    only_row boolean DEFAULT true CONSTRAINT keyward_instance_pkey PRIMARY KEY
        CONSTRAINT keyward_instance_only_row_check CHECK (only_row),
    id uuid NOT NULL
);

INSERT INTO keyward_instance (id) VALUES (gen_random_uuid());

-- For asking what was taken from somebody: a restore does for every row that it would bring back.
CREATE INDEX IF NOT EXISTS keyward_changes_removed ON keyward_changes (object, subject)
    WHERE kind IN ('key.revoke', 'membership.remove', 'platform_role.remove');
