BEGIN;
SELECT max(length(p.path)) FROM designs.p, designs.p AS big, designs.places
WHERE big.id = places.big AND p.path >= big.path AND p.path < big.path || '/';
UPDATE designs.p SET path = target.path || '.' || substr(p.path, length(big.path) - 25),
    parent = CASE WHEN p.id = big.id THEN target.id ELSE p.parent END
FROM designs.p AS big, designs.p AS target, designs.places
WHERE big.id = places.big AND target.id = there AND p.path >= big.path AND p.path < big.path || '/';
COMMIT;
