//! The embedded store: SQLite, a file or in memory.
