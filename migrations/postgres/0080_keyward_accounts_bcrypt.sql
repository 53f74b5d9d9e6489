-- Whether anybody's password is still a bcrypt hash, of which none is left in the end: asked at every sign-in.
CREATE INDEX CONCURRENTLY IF NOT EXISTS keyward_accounts_bcrypt
    ON keyward_accounts (password_hash) WHERE password_hash >= '$2' AND password_hash < '$3';
