\set place random(1, :deep)
SELECT above, role FROM designs.c_above LEFT JOIN designs.roles ON group_id = above AND user_id = designs.gid(-1)
WHERE below = (SELECT id FROM designs.deep WHERE place = :place);
