//! The store on PostgreSQL, which also takes over a database of the original.
