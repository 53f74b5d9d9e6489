-- Up to which whole second, in seconds since 1970, a user's login and recovery tokens are dead.
CREATE TABLE keyward_cutoffs (
    user_id BLOB NOT NULL PRIMARY KEY,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
