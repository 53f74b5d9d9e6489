//! What Keyward does: its nouns, its verbs and who may do what.
//!
//! No I/O and no frameworks live here. Read in this order:
//!
//! 1. [`model`], the nouns: keys, orgs, roles, accounts and the values they are made of.
//! 2. [`policy`], who may do what: pure functions over a [`model::Standing`].
//! 3. [`app`], the pipeline every operation goes through, whoever asks for it.
//! 4. [`ops`], the verbs, one file per noun.
//! 5. [`change`], writes as values, and [`fact`], what the change log says of them.
//! 6. [`audit`], what the audit trail says of all that, and [`ports`], what the outside implements.
//! 7. [`directory`], who people are, and what becomes of what a directory says; [`checks`], what
//!    requests are decided on where nothing is remembered.
//! 8. [`backup`], everything as one document and the way back; [`json`], how strictly text is read; and
//!    [`user_import`], what is read of the users of another service.
//! 9. [`quota`], the arithmetic of rate limits.
//! 10. [`error`], the one error type, with the texts and codes clients see.

pub mod app;
pub mod audit;
pub mod backup;
pub mod change;
pub mod checks;
pub mod directory;
pub mod error;
pub mod fact;
pub mod id;
pub mod json;
pub mod model;
pub mod ops;
pub mod policy;
pub mod ports;
pub mod quota;
pub mod timestamp;
pub mod user_import;

pub use app::{Access, Actor, App, Caller, Cx, Operation, Rules};
pub use error::{Conflict, Entity, Error, Invalid, InviteClosed, Result, Unauthenticated};
pub use id::Id;
pub use timestamp::Timestamp;
