//! What a call counts against before it is run.

use crate::app::{Actor, Cx, Operation};
use crate::error::{Error, Result};
use crate::model::{KeyId, UserId};
use crate::ports::{Attempt, Call, Class};

/// Counts a call that was admitted, or was refused, by whom it is known to be from: one too many is told so
/// whatever else it would be told. It is counted only now because who they are has to be proved, which costs less
/// than counting; and because an org is used up only by those who may act in it.
///
/// What siblings are meant to ask all the time is, of anybody else, one more read.
pub(super) async fn count<O: Operation>(cx: &Cx<'_>, admitted: Result<()>) -> Result<()> {
    let proved = match &cx.actor {
        // They are the fleet itself.
        Actor::Service(_) | Actor::Operator | Actor::System => return admitted,
        Actor::Anonymous => None,
        Actor::User(identity) => Some(identity),
    };
    // An outage is nobody's doing.
    if matches!(admitted, Err(Error::Unavailable(_) | Error::Internal(_))) {
        return admitted;
    }
    let org = if admitted.is_ok() { cx.org() } else { None };
    let call = Call {
        class: if O::HOT { Class::Reads } else { O::CLASS },
        source: cx.source(),
        user: proved.map(|identity| identity.user),
        key: proved.and_then(|identity| identity.key),
        org,
    };
    cx.throttle().enter(Attempt::Call(call)).await?;
    admitted
}

/// Counts a check of a token of this user, an API key if it is one, where checks are counted: without a limit it costs one question.
pub(crate) async fn count_check(cx: &Cx<'_>, user: UserId, key: Option<KeyId>) -> Result<()> {
    if !cx.throttle().counts(Class::Checks) {
        return Ok(());
    }
    let call = Call { class: Class::Checks, source: cx.source(), user: Some(user), key, org: None };
    cx.throttle().enter(Attempt::Call(call)).await
}
