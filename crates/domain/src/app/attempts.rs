//! What the audit trail says of calls that changed nothing: sign-ins and refusals.

use std::sync::Arc;

use crate::app::{Access, Actor, App, Cx, Operation};
use crate::audit::attempts::{Attempt, SIGN_INS};
use crate::error::{Error, Invalid};
use crate::ops::passwords::ChangePassword;

impl App {
    /// Hears from a transport that it refused somebody a call itself, for the audit trail: the service whose
    /// name it knows, or somebody unknown.
    pub fn note_refusal(&self, known: Option<Arc<str>>, operation: &'static str, error: &Error) {
        let mut cx = Cx::new(&self.0, self.0.ports.clock.now(), operation);
        cx.actor = known.map_or(Actor::Anonymous, Actor::Service);
        self.count_attempt(&cx, Access::Service, operation, Some(error));
    }

    /// Notes in memory what the audit trail will say of it.
    pub(super) fn count_attempt(
        &self,
        cx: &Cx<'_>,
        access: Access,
        operation: &'static str,
        error: Option<&Error>,
    ) {
        // Only those who belong to an org are told that they may not, so the org is not made up.
        let org = match (access, error) {
            (Access::InOrg(org, _), Some(Error::Forbidden)) => Some(org),
            _ => None,
        };
        let origin = self.0.ports.observer.origin();
        let attempt = Attempt {
            actor: cx.actor.to_string(),
            peer: origin.peer,
            operation,
            outcome: error.map_or("ok", Error::code),
            subject: cx.about,
            org,
        };
        self.0.attempts.count(attempt, cx.now, origin);
    }
}

/// Whether the audit trail has it although nothing was changed: every sign-in, and what was refused to whoever
/// asked. At the gate, what they may not know of counts as well.
pub(super) fn is_one(operation: &str, admitted: bool, error: Option<&Error>) -> bool {
    let signs_in = SIGN_INS.contains(&operation);
    match error {
        None => signs_in,
        Some(Error::RateLimited(_)) => signs_in || operation == ChangePassword::NAME,
        // Whoever has somebody's session may guess at their password.
        Some(
            Error::Unauthenticated(_) | Error::Forbidden | Error::Invalid(Invalid::CurrentPassword),
        ) => true,
        Some(Error::NotFound(_)) => !admitted,
        Some(_) => false,
    }
}
