-- How far the change log was passed on, sink by sink, and who may pass it on now.
CREATE TABLE keyward_sinks (
    name TEXT NOT NULL PRIMARY KEY,
    revision INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    holder BLOB NOT NULL,
    held_until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
