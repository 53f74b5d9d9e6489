BEGIN;
WITH RECURSIVE down AS (
    SELECT big AS id, 1 AS depth FROM designs.places
    UNION ALL SELECT a.id, depth + 1 FROM down JOIN designs.a ON a.parent = down.id WHERE depth < 33)
SELECT max(depth), count(*) FROM down;
UPDATE designs.a SET parent = there FROM designs.places WHERE id = big;
COMMIT;
