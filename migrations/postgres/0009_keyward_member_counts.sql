-- How many members each org has in each role, whoever writes memberships: triggers count, so that what the
-- original writes is counted as well when it is back. A count is the sum of its rows.

-- What is counted at the end has to be seen as it is once nobody else can write it.
SET TRANSACTION ISOLATION LEVEL READ COMMITTED;

CREATE TABLE keyward_member_counts (
    org_id uuid NOT NULL,
    role text COLLATE "C" NOT NULL,
    members bigint NOT NULL,
    -- The transaction that wrote the row.
    written_by bigint NOT NULL
);

CREATE INDEX keyward_member_counts_org_id_written_by ON keyward_member_counts (org_id, written_by);

-- Merges the rows of these orgs, except those that somebody else is merging: nobody waits for anybody, so
-- counting causes no deadlock.
CREATE FUNCTION keyward_merge_member_counts(orgs uuid[]) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    WITH merged AS (
        DELETE FROM keyward_member_counts
        WHERE ctid = ANY (ARRAY(
            SELECT ctid FROM keyward_member_counts WHERE org_id = ANY (orgs)
            FOR UPDATE SKIP LOCKED))
        RETURNING org_id, role, members)
    INSERT INTO keyward_member_counts (org_id, role, members, written_by)
    SELECT org_id, role, sum(members), pg_current_xact_id()::text::bigint
    FROM merged GROUP BY org_id, role HAVING sum(members) <> 0;
END $$;

-- Each statement adds its rows; an org's are merged at a transaction's first one, so that few remain. Not at
-- each, because what a transaction replaces stays in its way until it ends: ten thousand statements
-- that replaced one row each would walk past fifty million.
--
-- It runs with the rights of whoever made it: others who write memberships need none on the counts. When
-- somebody has dropped those, it does nothing.
CREATE FUNCTION keyward_count_members() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    me CONSTANT bigint := pg_current_xact_id()::text::bigint;
    first uuid[];
BEGIN
    IF to_regclass('keyward_member_counts') IS NULL THEN
        RETURN NULL;
    END IF;
    CASE TG_OP
        WHEN 'INSERT' THEN
            first := ARRAY(
                SELECT DISTINCT org_id FROM keyward_after AS joined WHERE NOT EXISTS (
                    SELECT FROM keyward_member_counts AS mine
                    WHERE mine.org_id = joined.org_id AND mine.written_by = me));
            INSERT INTO keyward_member_counts (org_id, role, members, written_by)
            SELECT org_id, role, count(*), me FROM keyward_after GROUP BY org_id, role;
        WHEN 'DELETE' THEN
            first := ARRAY(
                SELECT DISTINCT org_id FROM keyward_before AS gone WHERE NOT EXISTS (
                    SELECT FROM keyward_member_counts AS mine
                    WHERE mine.org_id = gone.org_id AND mine.written_by = me));
            INSERT INTO keyward_member_counts (org_id, role, members, written_by)
            SELECT org_id, role, -count(*), me FROM keyward_before GROUP BY org_id, role;
        WHEN 'UPDATE' THEN
            first := ARRAY(
                SELECT org_id
                FROM (SELECT org_id FROM keyward_after UNION SELECT org_id FROM keyward_before)
                    AS changed
                WHERE NOT EXISTS (
                    SELECT FROM keyward_member_counts AS mine
                    WHERE mine.org_id = changed.org_id AND mine.written_by = me));
            INSERT INTO keyward_member_counts (org_id, role, members, written_by)
            SELECT org_id, role, sum(one), me
            FROM (SELECT org_id, role, 1 AS one FROM keyward_after
                UNION ALL SELECT org_id, role, -1 FROM keyward_before) AS moved
            GROUP BY org_id, role HAVING sum(one) <> 0;
        WHEN 'TRUNCATE' THEN
            DELETE FROM keyward_member_counts;
    END CASE;
    -- At other levels a row that somebody else has just merged would make this fail.
    IF first <> '{}' AND current_setting('transaction_isolation') = 'read committed' THEN
        PERFORM keyward_merge_member_counts(first);
    END IF;
    RETURN NULL;
END $$;

-- Counts from the start: here, and by hand after memberships were written with triggers switched off.
CREATE FUNCTION keyward_recount_members() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- Keeps others from writing, not from reading.
    LOCK TABLE org_memberships IN SHARE ROW EXCLUSIVE MODE;
    DELETE FROM keyward_member_counts;
    INSERT INTO keyward_member_counts (org_id, role, members, written_by)
    SELECT org_id, role, count(*), pg_current_xact_id()::text::bigint
    FROM org_memberships GROUP BY org_id, role;
END $$;

CREATE TRIGGER keyward_members_joined AFTER INSERT ON org_memberships
    REFERENCING NEW TABLE AS keyward_after
    FOR EACH STATEMENT EXECUTE FUNCTION keyward_count_members();
CREATE TRIGGER keyward_members_gone AFTER DELETE ON org_memberships
    REFERENCING OLD TABLE AS keyward_before
    FOR EACH STATEMENT EXECUTE FUNCTION keyward_count_members();
CREATE TRIGGER keyward_members_changed AFTER UPDATE ON org_memberships
    REFERENCING OLD TABLE AS keyward_before NEW TABLE AS keyward_after
    FOR EACH STATEMENT EXECUTE FUNCTION keyward_count_members();
CREATE TRIGGER keyward_members_truncated AFTER TRUNCATE ON org_memberships
    FOR EACH STATEMENT EXECUTE FUNCTION keyward_count_members();

SELECT keyward_recount_members();
