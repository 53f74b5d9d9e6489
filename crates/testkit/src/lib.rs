//! Starts ephemeral PostgreSQL servers and the real binary, for tests.
