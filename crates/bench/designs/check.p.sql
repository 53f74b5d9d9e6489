\set place random(1, :deep)
SELECT path, (SELECT max(role) FROM designs.roles WHERE user_id = designs.gid(-1)
    AND group_id = ANY (SELECT above.id FROM designs.p AS above
        WHERE above.path = ANY (SELECT left(p.path, 27 * k - 1) FROM generate_series(1, 32) AS k)))
FROM designs.p WHERE id = (SELECT id FROM designs.deep WHERE place = :place);
