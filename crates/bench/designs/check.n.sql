\set place random(1, :deep)
SELECT above.id, role FROM designs.n JOIN designs.n AS above
    ON above.tree = n.tree AND above.low <= n.low AND above.high >= n.low
    LEFT JOIN designs.roles ON group_id = above.id AND user_id = designs.gid(-1)
WHERE n.id = (SELECT id FROM designs.deep WHERE place = :place);
