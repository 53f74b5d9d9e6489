-- What somebody else writes: the original, while both run or when it is back, or an operator with psql. They write
-- no change log, and replicas answer from memory; so a transaction that writes what checks are decided on, and
-- does not say that it keeps the log, advances the revision. Replicas find no record of that one and forget
-- everything.

-- Once a transaction, at its end: whoever locked the revision earlier would hold up all others, and lock in another
-- order than they do. It runs with the rights of whoever made it, because others who write need none on
-- the revision; when somebody has dropped that, it does nothing.
CREATE FUNCTION keyward_note_foreign_write() RETURNS trigger
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
    me CONSTANT text := pg_current_xact_id()::text;
BEGIN
    IF current_setting('keyward.noted', TRUE) IS NOT DISTINCT FROM me
        OR to_regclass('keyward_revision') IS NULL THEN
        RETURN NULL;
    END IF;
    UPDATE keyward_revision SET value = value + 1;
    PERFORM set_config('keyward.noted', me, TRUE), pg_notify('keyward_changes', '');
    RETURN NULL;
END $$;

CREATE CONSTRAINT TRIGGER keyward_foreign_write AFTER INSERT OR UPDATE OR DELETE ON keys
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (current_setting('keyward.writer', TRUE) IS DISTINCT FROM 'yes')
    EXECUTE FUNCTION keyward_note_foreign_write();
CREATE CONSTRAINT TRIGGER keyward_foreign_write AFTER INSERT OR UPDATE OR DELETE ON orgs
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (current_setting('keyward.writer', TRUE) IS DISTINCT FROM 'yes')
    EXECUTE FUNCTION keyward_note_foreign_write();
CREATE CONSTRAINT TRIGGER keyward_foreign_write AFTER INSERT OR UPDATE OR DELETE ON org_memberships
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (current_setting('keyward.writer', TRUE) IS DISTINCT FROM 'yes')
    EXECUTE FUNCTION keyward_note_foreign_write();
CREATE CONSTRAINT TRIGGER keyward_foreign_write AFTER INSERT OR UPDATE OR DELETE ON users_roles
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (current_setting('keyward.writer', TRUE) IS DISTINCT FROM 'yes')
    EXECUTE FUNCTION keyward_note_foreign_write();
CREATE CONSTRAINT TRIGGER keyward_foreign_write AFTER INSERT OR UPDATE OR DELETE ON keyward_groups
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (current_setting('keyward.writer', TRUE) IS DISTINCT FROM 'yes')
    EXECUTE FUNCTION keyward_note_foreign_write();
CREATE CONSTRAINT TRIGGER keyward_foreign_write AFTER INSERT OR UPDATE OR DELETE ON keyward_group_roles
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (current_setting('keyward.writer', TRUE) IS DISTINCT FROM 'yes')
    EXECUTE FUNCTION keyward_note_foreign_write();
CREATE CONSTRAINT TRIGGER keyward_foreign_write AFTER INSERT OR UPDATE OR DELETE ON keyward_cutoffs
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (current_setting('keyward.writer', TRUE) IS DISTINCT FROM 'yes')
    EXECUTE FUNCTION keyward_note_foreign_write();
