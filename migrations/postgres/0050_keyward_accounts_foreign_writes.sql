-- Whether an account is disabled decides checks, too: see 0032_keyward_foreign_writes.sql.
CREATE CONSTRAINT TRIGGER keyward_foreign_write AFTER INSERT OR UPDATE OF status OR DELETE ON keyward_accounts
    DEFERRABLE INITIALLY DEFERRED
    FOR EACH ROW WHEN (current_setting('keyward.writer', TRUE) IS DISTINCT FROM 'yes')
    EXECUTE FUNCTION keyward_note_foreign_write();
