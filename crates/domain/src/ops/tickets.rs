//! What mailed links prove: one way in and one way out for all of them (`docs/adr/0016-tickets.md`).

use std::time::Duration;

use super::digests;
use crate::app::{Access, Cx, Operation};
use crate::change::Change;
use crate::error::{Error, Result, Unauthenticated};
use crate::model::{
    AccountId, Email, Grant, Mail, Message, Purpose, StoredTicket, Ticket, TicketId, TicketSecret,
};
use crate::ports::Attempt;

/// How long a ticket is kept whose time is over, so that whoever comes late is told that they do.
const KEEP: Duration = Duration::from_hours(1);

/// Whether another link may be mailed to this address: nobody but who asks is refused. Who is asked about too often
/// has mails already, of which the newest can be used; they get no more of them, and nobody is told.
///
/// Fails with `RateLimited` for somebody who asks too much, whoever it is about.
pub(super) async fn may_mail(cx: &Cx<'_>, purpose: Purpose, address: &str) -> Result<bool> {
    let source = cx.source();
    cx.throttle().enter(Attempt::AskingForLink { source, purpose }).await?;
    let mailed = Attempt::BeingSentLink { source, purpose, address };
    let sent = cx.throttle().enter(mailed).await;
    Ok(sent.is_ok() && cx.rules().mail)
}

/// A ticket that allows this, and the mail with its link.
pub(super) fn mailed(
    cx: &Cx<'_>,
    grant: Grant,
    message: impl FnOnce(TicketId) -> Message,
) -> Vec<Change> {
    let (id, life) = (cx.new_id(), grant.purpose().life(cx.rules().invite_life));
    let digest = cx.ticket_secrets().digest(&cx.ticket_secrets().secret(id));
    let mail = Mail {
        id: cx.new_id(),
        message: message(id),
        created_at: cx.now,
        expires_at: cx.now.plus(life),
    };
    vec![Change::PutTicket(Ticket { id, grant, digest, life }), Change::QueueMail(mail)]
}

/// The ticket for one of these purposes whose secret somebody shows, also one whose time is over. A wrong secret counts
/// against the ticket it names. Fails with `Unauthenticated`.
pub(super) async fn shown(
    cx: &Cx<'_>,
    purposes: &[Purpose],
    secret: &TicketSecret,
) -> Result<StoredTicket> {
    let refused = || Error::from(Unauthenticated::NotHonoured);
    let id = secret.ticket().ok_or_else(refused)?;
    let found = cx.store().ticket(id).await?;
    let fits = |found: &StoredTicket| purposes.contains(&found.grant.purpose());
    let ticket = found.filter(fits).ok_or_else(refused)?;
    if !digests::are_same(&cx.ticket_secrets().digest(secret), &ticket.digest) {
        cx.commit(vec![Change::CountTry(id)]).await?;
        return Err(refused());
    }
    Ok(ticket)
}

/// The same for the mail that is to be written: with its secret, if it can still be used.
pub(super) async fn unused(
    cx: &Cx<'_>,
    id: TicketId,
) -> Result<Option<(StoredTicket, TicketSecret)>> {
    let secret = cx.ticket_secrets().secret(id);
    let found = cx.store().ticket(id).await?.filter(|ticket| !ticket.is_over);
    // Made under a signing secret that is another one by now: nobody knows its own any more.
    let digest = cx.ticket_secrets().digest(&secret);
    Ok(found
        .filter(|ticket| digests::are_same(&digest, &ticket.digest))
        .map(|ticket| (ticket, secret)))
}

/// What makes links void by which this user could set a new password.
pub(super) fn forget_links(user: AccountId) -> Change {
    forget(&Grant::PasswordReset(user))
}

/// What makes links void by which an account with this address could be opened.
pub(super) fn forget_registrations(email: &Email) -> Change {
    Change::DropTickets { purpose: Purpose::Registration, target: email.key().to_owned() }
}

/// What makes every link void that is for the same.
pub(super) fn forget(grant: &Grant) -> Change {
    Change::DropTickets { purpose: grant.purpose(), target: grant.target() }
}

/// Deletes tickets whose time has been over for a while.
#[derive(Debug)]
pub struct PurgeTickets;

impl Operation for PurgeTickets {
    type Output = ();
    const NAME: &'static str = "purge_tickets";

    fn access(&self) -> Access {
        Access::Service
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        cx.commit(vec![Change::PurgeTickets { over_for: KEEP }]).await
    }
}
