-- Fills four designs of a tree with the same groups. psql -v n=1000000: n groups, of which a tenth is one
-- tree with ten children each; the rest is trees of a hundred groups, a chain down to level 32 with the
-- others hanging from it. The same n gives the same rows.
\set ON_ERROR_STOP on
DROP SCHEMA IF EXISTS designs CASCADE;
CREATE SCHEMA designs;
SET search_path = designs;
SET synchronous_commit = off;
SET max_parallel_workers_per_gather = 0;

CREATE FUNCTION gid(i bigint) RETURNS uuid LANGUAGE sql IMMUTABLE AS
$$ SELECT (lpad(to_hex(i), 12, '0') || substr(md5('seed' || i), 1, 20))::uuid $$;

-- The same tree in numbers: 1 to n, parents before children.
CREATE UNLOGGED TABLE shape AS
SELECT i::bigint AS i,
    CASE
        WHEN i > :n - :n / 10 THEN -- the big tree
            CASE WHEN i = :n - :n / 10 + 1 THEN NULL
                 ELSE (i - (:n - :n / 10) - 2) / 10 + :n - :n / 10 + 1 END
        WHEN (i - 1) % 100 = 0 THEN NULL
        WHEN (i - 1) % 100 < 32 THEN i - 1
        ELSE i - (i - 1) % 100 + abs(hashint8(i)) % 30
    END::bigint AS parent
FROM generate_series(1, :n) AS i;
CREATE UNIQUE INDEX ON shape (i);
CREATE INDEX ON shape (parent);
ANALYZE shape;

-- 1. Adjacency: the parent, and nothing derived.
CREATE TABLE a (id uuid PRIMARY KEY, parent uuid REFERENCES a, name text COLLATE "C" NOT NULL);
INSERT INTO a SELECT gid(i), gid(parent), 'group ' || i FROM shape ORDER BY i;
CREATE UNIQUE INDEX ON a (parent, name) WHERE parent IS NOT NULL;

-- 2. Materialised path: the ids from the root down, 26 letters each, compared byte by byte.
CREATE TABLE p (id uuid PRIMARY KEY, parent uuid, name text COLLATE "C" NOT NULL, path text COLLATE "C");
INSERT INTO p
WITH RECURSIVE t AS (
    SELECT i, parent, upper(substr(replace(gid(i)::text, '-', ''), 1, 26)) AS path FROM shape WHERE parent IS NULL
    UNION ALL
    SELECT s.i, s.parent, t.path || '.' || upper(substr(replace(gid(s.i)::text, '-', ''), 1, 26)) FROM t JOIN shape s ON s.parent = t.i)
SELECT gid(i), gid(parent), 'group ' || i, path FROM t;
CREATE UNIQUE INDEX ON p (parent, name) WHERE parent IS NOT NULL;
CREATE INDEX ON p (path);

-- 3. Closure table: every pair of a group and one above it.
CREATE TABLE c (id uuid PRIMARY KEY, parent uuid, name text COLLATE "C" NOT NULL);
INSERT INTO c SELECT id, parent, name FROM a;
CREATE UNIQUE INDEX ON c (parent, name) WHERE parent IS NOT NULL;
CREATE TABLE c_above (below uuid, above uuid, distance integer NOT NULL);
INSERT INTO c_above
WITH RECURSIVE t AS (
    SELECT i AS below, i AS above, parent, 0 AS distance FROM shape
    UNION ALL
    SELECT t.below, s.i, s.parent, distance + 1 FROM t JOIN shape s ON s.i = t.parent)
SELECT gid(below), gid(above), distance FROM t;
ALTER TABLE c_above ADD PRIMARY KEY (below, above);
CREATE INDEX ON c_above (above, distance);

-- 4. Nested intervals: each group's interval holds those of all below it. Numbers in depth-first order,
-- one tree after the other, with the tree's number in front so that trees do not share a number line.
CREATE TABLE n (id uuid PRIMARY KEY, parent uuid, name text COLLATE "C" NOT NULL, tree bigint, low bigint, high bigint);
INSERT INTO n
WITH RECURSIVE t AS (
    SELECT i, parent, i AS tree, ARRAY[i] AS path FROM shape WHERE parent IS NULL
    UNION ALL
    SELECT s.i, s.parent, t.tree, t.path || s.i FROM t JOIN shape s ON s.parent = t.i),
placed AS (SELECT *, row_number() OVER (PARTITION BY tree ORDER BY path) AS low FROM t),
sizes AS (SELECT unnest(path) AS i, count(*) AS size FROM t GROUP BY 1)
SELECT gid(placed.i), gid(parent), 'group ' || placed.i, tree, low, low + size - 1
FROM placed JOIN sizes ON sizes.i = placed.i;
CREATE UNIQUE INDEX ON n (parent, name) WHERE parent IS NOT NULL;
CREATE INDEX ON n (tree, low);

-- One assignment for each group, and one role at each root.
CREATE TABLE members (group_id uuid, member text COLLATE "C", PRIMARY KEY (group_id, member));
INSERT INTO members SELECT gid(i), 'member ' || abs(hashint8(i * 7)) FROM shape;
CREATE TABLE roles (user_id uuid, group_id uuid, role text, PRIMARY KEY (user_id, group_id));
INSERT INTO roles SELECT gid(-1), gid(i), 'viewer' FROM shape WHERE parent IS NULL;
-- Nodes on level 32, to ask about.
CREATE TABLE deep AS SELECT row_number() OVER (ORDER BY i) AS place, gid(i) AS id FROM shape
WHERE i <= :n - :n / 10 AND (i - 1) % 100 = 31;
CREATE UNIQUE INDEX ON deep (place);
-- Where the big tree is moved to.
CREATE TABLE places AS SELECT gid(:n - :n / 10 + 1) AS big, gid(20) AS there;
VACUUM ANALYZE;
SELECT relname, pg_size_pretty(pg_total_relation_size(oid)) FROM pg_class
WHERE relnamespace = 'designs'::regnamespace AND relkind = 'r' AND relname IN ('a', 'p', 'c', 'c_above', 'n');
