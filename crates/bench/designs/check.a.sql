\set place random(1, :deep)
WITH RECURSIVE up AS (
    SELECT id, parent, 1 AS distance FROM designs.a WHERE id = (SELECT id FROM designs.deep WHERE place = :place)
    UNION ALL
    SELECT a.id, a.parent, distance + 1 FROM up JOIN designs.a ON a.id = up.parent WHERE distance < 32)
SELECT up.id, role FROM up LEFT JOIN designs.roles ON group_id = up.id AND user_id = designs.gid(-1);
