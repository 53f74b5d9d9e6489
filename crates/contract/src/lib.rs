//! The promises every store must keep, as tests.
