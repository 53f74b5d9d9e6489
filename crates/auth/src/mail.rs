//! From the queue to the mail server: nothing that is no longer true, and nothing lost, whatever stops
//! on the way (`docs/adr/0008-mail.md`).
//!
//! Every replica has a postman; each takes what is due and holds it while it sends it. Nothing here is
//! on the way of a request. [`templates`] has the words, [`link`] where they lead.

pub(crate) mod link;
pub(crate) mod templates;

use std::collections::HashSet;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use auth_domain::model::{ClaimedMail, MailDepth, MailId, MailState, Message, Settled, Verdict};
use auth_domain::ops::mails::{PrepareMail, Prepared};
use auth_domain::ports::{Clock, Ids, Mailer, Undelivered};
use auth_domain::{App, Caller, Error};
use tokio::sync::Notify;
use tokio::task::{JoinHandle, JoinSet};
use tokio::time::{Instant, sleep, timeout};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use self::templates::Writer;
use crate::clock::{RandomIds, SystemClock};
use crate::relay::Status;

/// How many mails are sent at once.
const CONCURRENCY: usize = 4;
/// How long a mail is held, and so how long it waits if its holder died. Noting that it was sent may
/// have to wait for the store, too.
const HOLD: Duration = Duration::from_mins(5);
/// How long it must still be held to be sent: longer than sending may take.
const MARGIN: Duration = Duration::from_mins(2);
/// How often to look when nobody says that there is something.
const POLL: Duration = Duration::from_secs(1);
/// How long to wait for a store that is away, at first and at most.
const FIRST_PAUSE: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(30);
/// How long a mail is put off after the first failure, and at most after later ones.
const FIRST_RETRY: Duration = Duration::from_secs(30);
const LAST_RETRY: Duration = Duration::from_hours(1);
/// How long the end of the process waits for mails that are under way.
const END: Duration = Duration::from_secs(3);

/// Sends what is queued.
pub(crate) struct Postman {
    app: App,
    mailer: Arc<dyn Mailer>,
    writer: Writer,
    /// Another one for each process.
    holder: Uuid,
    queued: Arc<Notify>,
    status: Status,
    /// What this process is sending, or has sent and could not note yet: a hold that ended meanwhile
    /// must not make it send it again.
    under_way: Mutex<HashSet<MailId>>,
}

/// A postman at work.
pub(crate) struct Running {
    stop: CancellationToken,
    task: JoinHandle<()>,
}

impl Running {
    /// Sends what is under way, if that is quickly done, and ends.
    pub(crate) async fn stop(self) {
        self.stop.cancel();
        if self.task.await.is_err() {
            tracing::warn!("the postman ended badly; what is queued goes on at the next start");
        }
    }
}

/// What became of a mail.
enum Outcome {
    Sent,
    /// It need not be sent, for this reason.
    Dropped(&'static str),
    /// It could not be told whether or to whom.
    Unknown(Error),
    Failed(Undelivered),
    /// It cannot be sent, for this reason.
    Unsendable(&'static str),
    /// There is not enough time left to be sure that nobody else sends it, too.
    HeldTooShort,
    Panicked,
}

impl Outcome {
    /// What the queue is told, for a mail that failed so often before.
    fn verdict(&self, attempts: u32) -> Verdict {
        let later = |counts, problem| Verdict::Later { after: put_off(attempts), counts, problem };
        match self {
            Self::Sent | Self::Dropped(_) => Verdict::Done,
            Self::Unknown(_) => later(false, "lookup"),
            Self::Failed(Undelivered::Later { problem, .. }) => later(true, problem),
            Self::Failed(Undelivered::Never { problem, .. }) | Self::Unsendable(problem) => {
                Verdict::Dead { problem }
            }
            Self::HeldTooShort => {
                Verdict::Later { after: Duration::ZERO, counts: false, problem: "interrupted" }
            }
            Self::Panicked => later(true, "panic"),
        }
    }
}

/// How long a mail is put off that failed so often before: twice as long each time, and a little
/// longer, so that those that failed together do not come together.
fn put_off(attempts: u32) -> Duration {
    let doubled = 2_u32.checked_pow(attempts).and_then(|times| FIRST_RETRY.checked_mul(times));
    let after = doubled.unwrap_or(LAST_RETRY).min(LAST_RETRY);
    // The standard library seeds every such state with randomness; that is enough here.
    let random = u16::try_from(RandomState::new().hash_one(()) & 0xffff).unwrap_or(0);
    after.saturating_add(after.mul_f64(f64::from(random) / 65_536.0 / 4.0))
}

impl Postman {
    /// From this service's queue through this mailer.
    pub(crate) fn new(
        app: App,
        mailer: Arc<dyn Mailer>,
        writer: Writer,
        queued: Arc<Notify>,
    ) -> Self {
        Self {
            app,
            mailer,
            writer,
            holder: RandomIds.next(),
            queued,
            status: Status::default(),
            under_way: Mutex::default(),
        }
    }

    /// Whether the mail server can be used.
    pub(crate) fn status(&self) -> Status {
        self.status.clone()
    }

    /// Begins.
    pub(crate) fn start(self) -> Running {
        let stop = CancellationToken::new();
        let task = tokio::spawn(Arc::new(self).run(stop.clone()));
        Running { stop, task }
    }

    async fn run(self: Arc<Self>, stop: CancellationToken) {
        let mut sending = JoinSet::new();
        let mut pause = FIRST_PAUSE;
        while !stop.is_cancelled() {
            let claimed_at = Instant::now();
            let wait = match self.claim(sending.len()).await {
                Ok(claimed) => {
                    for mail in claimed {
                        sending.spawn(Arc::clone(&self).handle(mail, claimed_at));
                    }
                    pause = FIRST_PAUSE;
                    POLL
                }
                Err(error) => {
                    let cause = std::error::Error::source(&error).map(ToString::to_string);
                    tracing::warn!(%error, cause, "the queue of mails cannot be read; trying again");
                    let wait = pause;
                    pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
                    wait
                }
            };
            tokio::select! {
                () = self.queued.notified() => {}
                Some(_) = sending.join_next() => {}
                () = sleep(wait) => {}
                () = stop.cancelled() => {}
            }
        }
        let all = async { while sending.join_next().await.is_some() {} };
        if timeout(END, all).await.is_err() {
            tracing::warn!(mails = sending.len(), "mails under way are tried again in a while");
        }
    }

    /// What may be sent beside this many others.
    async fn claim(&self, sending: usize) -> Result<Vec<ClaimedMail>, Error> {
        let depth = self.app.store().mail_depth().await?;
        measure(depth);
        // One is enough to find out whether the server is back.
        let room = if self.status.is_down() { 1 } else { CONCURRENCY };
        let free = room.saturating_sub(sending);
        if !depth.due || free == 0 {
            return Ok(Vec::new());
        }
        let limit = u32::try_from(free).unwrap_or(1);
        let claimed = self.app.store().claim_mails(self.holder, HOLD, limit).await?;
        let mut under_way = self.under_way.lock().unwrap_or_else(PoisonError::into_inner);
        Ok(claimed.into_iter().filter(|claimed| under_way.insert(claimed.mail.id)).collect())
    }

    /// Sends one and notes what became of it.
    async fn handle(self: Arc<Self>, claimed: ClaimedMail, claimed_at: Instant) {
        let (id, attempts) = (claimed.mail.id, claimed.mail.attempts);
        let kind = claimed.mail.kind.clone();
        // On its own, so that a panic ends this mail's turn only; the panic hook logs it.
        let sent = tokio::spawn(Arc::clone(&self).send(claimed, claimed_at)).await;
        let outcome = sent.unwrap_or(Outcome::Panicked);
        self.note_status(&outcome);
        let verdict = outcome.verdict(attempts);
        let settled = self.settle(id, verdict).await;
        self.under_way.lock().unwrap_or_else(PoisonError::into_inner).remove(&id);
        report(id, &kind, &outcome, verdict, settled);
    }

    async fn send(self: Arc<Self>, claimed: ClaimedMail, claimed_at: Instant) -> Outcome {
        let mail = claimed.mail;
        let Some(message) = mail.message else { return Outcome::Unsendable("unreadable") };
        let method = method(&message);
        let prepared = self.app.execute(Caller::System, PrepareMail { message }).await;
        let draft = match prepared {
            Ok(Prepared::Ready(draft)) => draft,
            Ok(Prepared::Untrue) => return Outcome::Dropped("untrue"),
            Ok(Prepared::Nobody) => return Outcome::Dropped("nobody"),
            Ok(Prepared::NoAddress) => return Outcome::Unsendable("address"),
            Err(error) => return Outcome::Unknown(error),
        };
        if claimed.is_late {
            return Outcome::Unsendable("expired");
        }
        let letter = match self.writer.write(mail.id, mail.created_at, draft) {
            Ok(letter) => letter,
            Err(problem) => {
                tracing::error!(mail = %mail.id, %problem, "a mail cannot be written");
                return Outcome::Unsendable("unwritable");
            }
        };
        if claimed_at.elapsed() > HOLD.saturating_sub(MARGIN) {
            return Outcome::HeldTooShort;
        }
        let begun = Instant::now();
        let sent = self.mailer.send(&letter).await;
        auth_telemetry::mail_tried(method, begun.elapsed());
        match sent {
            Ok(()) => Outcome::Sent,
            Err(problem) => Outcome::Failed(problem),
        }
    }

    /// Notes what became of it, however long the store is away: a mail that was sent and not noted is
    /// sent again.
    async fn settle(&self, id: MailId, verdict: Verdict) -> Settled {
        let mut pause = FIRST_PAUSE;
        loop {
            match self.app.store().settle_mail(id, self.holder, verdict).await {
                Ok(settled) => return settled,
                Err(error) => {
                    tracing::warn!(mail = %id, %error, "what became of a mail is not noted yet");
                }
            }
            sleep(pause).await;
            pause = pause.saturating_mul(2).min(LONGEST_PAUSE);
        }
    }

    fn note_status(&self, outcome: &Outcome) {
        let is_down = match outcome {
            Outcome::Failed(Undelivered::Later { is_down, .. }) => *is_down,
            // It answered.
            Outcome::Sent | Outcome::Failed(Undelivered::Never { .. }) => false,
            _ => return,
        };
        match (self.status.set_down(is_down), is_down) {
            (false, true) => tracing::warn!("the mail server cannot be used; mails wait"),
            (true, false) => tracing::info!("the mail server can be used again"),
            _ => {}
        }
    }
}

fn measure(depth: MailDepth) {
    let now = SystemClock.now().micros();
    let age = depth.since.map_or(0, |since| now.saturating_sub(since.micros()));
    let age = Duration::from_micros(u64::try_from(age).unwrap_or(0));
    auth_telemetry::mails(depth.queued, depth.dead, age);
}

/// One line and one number for what became of a mail. Nobody's address is in either.
/// What the metrics call it, as the original does where it has it.
const fn method(message: &Message) -> &'static str {
    match message {
        Message::OrgInvite { .. } => "send_org_invite",
        Message::PlatformInvite { .. } => "send_platform_invite",
        Message::EmailVerification { .. } => "send_email_verification",
        Message::AccountVerification { .. } => "send_account_verification",
        Message::PasswordReset { .. } => "send_password_reset",
    }
}

fn report(id: MailId, kind: &str, outcome: &Outcome, verdict: Verdict, settled: Settled) {
    if settled == Settled::Lost {
        tracing::warn!(mail = %id, kind, "a mail was held for too long and may be sent again");
    }
    let problem = match verdict {
        Verdict::Later { problem, .. } | Verdict::Dead { problem } => problem,
        Verdict::Done => {
            if let Outcome::Dropped(reason) = outcome {
                auth_telemetry::mail_dropped(reason);
                tracing::info!(mail = %id, kind, reason, "mail not sent: it is not needed");
            } else {
                auth_telemetry::mail_sent();
                tracing::info!(mail = %id, kind, "mail sent");
            }
            return;
        }
    };
    auth_telemetry::mail_failed(problem);
    let cause = match outcome {
        Outcome::Unknown(Error::Unavailable(cause) | Error::Internal(cause))
        | Outcome::Failed(Undelivered::Later { cause, .. } | Undelivered::Never { cause, .. }) => {
            Some(cause.to_string())
        }
        Outcome::Unknown(error) => Some(error.to_string()),
        _ => None,
    };
    match (settled, verdict) {
        (Settled::Is(MailState::Dead), _) => {
            auth_telemetry::mail_died(problem);
            tracing::warn!(mail = %id, kind, problem, cause, "mail not sent, for good");
        }
        (_, Verdict::Later { after, .. }) => {
            let retry_s = after.as_secs();
            tracing::info!(mail = %id, kind, problem, cause, retry_s, "mail not sent yet");
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mail_is_put_off_longer_each_time_up_to_an_hour() {
        for (attempts, seconds) in [(0, 30), (1, 60), (2, 120), (6, 1_920), (7, 3_600), (99, 3_600)]
        {
            let after = put_off(attempts);
            let least = Duration::from_secs(seconds);
            assert!(after >= least && after < least * 5 / 4, "{attempts}: {after:?}");
        }
        let different: HashSet<_> = (0..20).map(|_| put_off(0)).collect();
        assert!(different.len() > 10, "they come together");
    }
}
