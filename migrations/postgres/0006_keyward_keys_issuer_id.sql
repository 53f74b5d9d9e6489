-- For the API keys of a user: the primary key starts with the key's id.
CREATE INDEX CONCURRENTLY IF NOT EXISTS keyward_keys_issuer_id ON keys (issuer_id);
