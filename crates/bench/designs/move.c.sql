BEGIN;
SELECT max(distance) FROM designs.c_above, designs.places WHERE above = big;
DELETE FROM designs.c_above USING designs.places, designs.c_above AS inside
WHERE inside.above = big AND c_above.below = inside.below
    AND c_above.above IN (SELECT o.above FROM designs.c_above AS o WHERE o.below = big AND o.distance > 0);
INSERT INTO designs.c_above SELECT inside.below, outside.above, inside.distance + outside.distance + 1
FROM designs.places, designs.c_above AS inside, designs.c_above AS outside
WHERE inside.above = big AND outside.below = there;
UPDATE designs.c SET parent = there FROM designs.places WHERE id = big;
COMMIT;
