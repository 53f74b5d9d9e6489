BEGIN;
-- Opens a gap in the tree it goes to, and puts it there.
UPDATE designs.n SET low = CASE WHEN n.low > target.low THEN n.low + big.high - big.low + 1 ELSE n.low END,
    high = n.high + big.high - big.low + 1
FROM designs.places, designs.n AS big, designs.n AS target
WHERE big.id = places.big AND target.id = there AND n.tree = target.tree AND n.high >= target.low;
UPDATE designs.n SET tree = target.tree, low = n.low - big.low + target.low + 1, high = n.high - big.low + target.low + 1,
    parent = CASE WHEN n.id = big.id THEN target.id ELSE n.parent END
FROM designs.places, designs.n AS big, designs.n AS target
WHERE big.id = places.big AND target.id = there AND n.tree = big.tree AND n.low BETWEEN big.low AND big.high;
COMMIT;
