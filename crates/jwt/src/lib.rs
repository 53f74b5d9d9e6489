//! Signs and checks tokens.
