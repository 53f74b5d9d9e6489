//! How much is begun at a time.

use std::any::Any;

use async_trait::async_trait;

use crate::error::Result;

/// What goes first when not everything can be done.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Priority {
    /// Who somebody is and what they may do: never held up.
    Check,
    /// What hashes a password: whoever hashes bounds it.
    Password,
    /// What people and siblings read and write.
    Management,
    /// Reading or writing all there is of something: only while nothing else waits.
    Bulk,
}

/// A place among what is under way, free again when it is dropped.
pub type Admitted = Box<dyn Any + Send>;

/// Begins no more than can be done, so that what was begun is done in time.
#[async_trait]
pub trait Admission: Send + Sync {
    /// Waits for a place, briefly. Fails with `Unavailable` where none is free soon.
    async fn admit(&self, priority: Priority) -> Result<Admitted>;

    /// Whether whoever asks for a place now is refused at once, which counts as a refusal: so that nothing has to be
    /// read or understood first.
    fn refuses(&self, priority: Priority) -> bool;
}

/// Begins everything at once: for commands, which nobody else uses.
#[derive(Debug, Default)]
pub struct Unbounded;

#[async_trait]
impl Admission for Unbounded {
    async fn admit(&self, _: Priority) -> Result<Admitted> {
        Ok(Box::new(()))
    }

    fn refuses(&self, _: Priority) -> bool {
        false
    }
}
