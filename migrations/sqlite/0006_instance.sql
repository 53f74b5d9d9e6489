-- Which database this is: a backup says where it was taken, because revisions count in one database only.
CREATE TABLE keyward_instance (
    only_row INTEGER NOT NULL PRIMARY KEY CHECK (only_row = 1),
    id BLOB NOT NULL
) STRICT;

INSERT INTO keyward_instance (only_row, id) VALUES (1, randomblob(16));

-- For asking what was taken from somebody: a restore does for every row that it would bring back.
CREATE INDEX keyward_changes_removed ON keyward_changes (object, subject)
    WHERE kind IN ('key.revoke', 'membership.remove', 'platform_role.remove');
