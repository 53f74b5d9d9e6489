//! Tickets: what mailed links prove, once.

use std::time::Duration;

use auth_domain::change::Change;
use auth_domain::error::{Entity, Error, Unauthenticated};
use auth_domain::model::{
    Account, AccountStatus, Grant, Metadata, PasswordHash, Registration, Ticket, TicketId, UserId,
};
use serde_json::json;
use uuid::Uuid;

use crate::AnyStore;
use crate::races::at_once;
use crate::sample::{account, apply, commit, given, moment, user};

const LIFE: Duration = Duration::from_mins(15);

const fn id(number: u8) -> TicketId {
    TicketId::new(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | number as u128))
}

fn ticket(number: u8, user: UserId, life: Duration) -> Ticket {
    Ticket { id: id(number), grant: Grant::PasswordReset(user), digest: [number; 32], life }
}

fn registration(number: u8, email: &str, password: &str) -> Ticket {
    let registration = Registration {
        email: email.parse().unwrap(),
        password: PasswordHash::new(password.to_owned()),
        metadata: Metadata::from_value(json!({ "said": [1, "x"] })).unwrap(),
    };
    let grant = Grant::Registration(Box::new(registration));
    Ticket { id: id(number), grant, digest: [number; 32], life: LIFE }
}

fn drop_of(grant: &Grant) -> Change {
    Change::DropTickets { purpose: grant.purpose(), target: grant.target() }
}

fn set(user: UserId, password: &str, replacing: Option<&str>) -> Change {
    let hash = |text: &str| PasswordHash::new(text.to_owned());
    let (password, replacing) = (hash(password), replacing.map(hash));
    Change::SetPassword { id: user, password, replacing, at: moment(50) }
}

async fn password(store: &AnyStore, user: UserId) -> String {
    store.account(user).await.unwrap().unwrap().password.expose().to_owned()
}

async fn is_there(store: &AnyStore, number: u8) -> bool {
    store.ticket(id(number)).await.unwrap().is_some()
}

async fn cannot_be_used(store: &AnyStore, number: u8) {
    let error = apply(store, vec![Change::UseTicket(id(number))]).await.unwrap_err();
    let refused = matches!(error, Error::Unauthenticated(Unauthenticated::NotHonoured));
    assert!(refused, "{number}: {error:?}");
}

async fn is_void(store: &AnyStore, number: u8) {
    assert!(!is_there(store, number).await, "{number}");
    cannot_be_used(store, number).await;
}

/// With all it allows, and from when until when by the store's clock.
pub async fn a_ticket_is_found_as_it_was_stored(store: AnyStore) {
    let (reset, opening) =
        (ticket(1, user(1), LIFE), registration(2, "One@example.com", "$argon2id$x"));
    for ticket in [&reset, &opening] {
        given(&store, vec![Change::PutTicket(ticket.clone())]).await;
        let found = store.ticket(ticket.id).await.unwrap().unwrap();
        assert_eq!((found.id, found.digest, found.is_over), (ticket.id, ticket.digest, false));
        assert_eq!(found.grant.purpose(), ticket.grant.purpose());
        assert_eq!(found.grant.target(), ticket.grant.target());
        assert_eq!(found.grant.payload(), ticket.grant.payload());
        assert_eq!(found.created_at.plus(LIFE), found.expires_at);
    }
    is_void(&store, 3).await;
}

/// A new one takes nothing from those before, until there are many: then it is the new one that is not stored.
pub async fn fw8_tickets_are_beside_each_other_up_to_a_number(store: AnyStore) {
    let most = Ticket::MOST_ALIVE;
    for number in 1..=most + 3 {
        given(&store, vec![Change::PutTicket(ticket(number, user(1), LIFE))]).await;
    }
    for number in 1..=most + 3 {
        assert_eq!(is_there(&store, number).await, number <= most, "{number}");
    }
    let others = [ticket(100, user(2), LIFE), registration(101, "one@example.com", "x")];
    given(&store, others.map(Change::PutTicket).into()).await;
    assert!(is_there(&store, 100).await && is_there(&store, 101).await);
    given(&store, vec![Change::UseTicket(id(1))]).await;
    given(&store, vec![Change::PutTicket(ticket(102, user(1), LIFE))]).await;
    assert!(is_there(&store, 102).await, "there is room again");
    given(&store, vec![drop_of(&Grant::PasswordReset(user(1)))]).await;
    for number in (2..=most).chain([102]) {
        is_void(&store, number).await;
    }
    assert!(is_there(&store, 100).await && is_there(&store, 101).await);
    given(&store, vec![drop_of(&registration(0, "ONE@example.com", "").grant)]).await;
    is_void(&store, 101).await;
}

/// However many come at once, all are stored that there is room for.
pub async fn fw8_tickets_that_come_at_once_are_beside_each_other(store: AnyStore) {
    let put = |number: u8| commit(vec![Change::PutTicket(ticket(number, user(1), LIFE))]);
    let outcomes = at_once(&store, (1..=4).map(put).collect()).await;
    assert_eq!(outcomes, ["ok"; 4]);
    for number in 1..=4 {
        assert!(is_there(&store, number).await, "{number}");
    }
}

/// It says so until it is tidied away, or until its room is needed, which it makes at once.
pub async fn fw8_fpw10_a_ticket_that_is_over_is_good_for_nothing(store: AnyStore) {
    given(&store, vec![Change::PutTicket(ticket(1, user(1), Duration::ZERO))]).await;
    assert!(store.ticket(id(1)).await.unwrap().unwrap().is_over);
    cannot_be_used(&store, 1).await;
    given(&store, vec![Change::PutTicket(ticket(60, user(1), LIFE))]).await;
    assert!(is_there(&store, 1).await, "there is room for both");
    given(&store, vec![Change::PurgeTickets { over_for: Duration::from_hours(1) }]).await;
    assert!(is_there(&store, 1).await, "not long enough");
    given(&store, vec![Change::PurgeTickets { over_for: Duration::ZERO }]).await;
    is_void(&store, 1).await;
    for number in 1..=Ticket::MOST_ALIVE {
        given(&store, vec![Change::PutTicket(ticket(number, user(1), Duration::ZERO))]).await;
    }
    given(&store, vec![Change::PutTicket(ticket(50, user(1), LIFE))]).await;
    given(&store, vec![Change::PurgeTickets { over_for: Duration::ZERO }]).await;
    assert!(is_there(&store, 50).await);
}

/// Five, whatever is shown after that.
pub async fn fw8_a_ticket_has_five_tries(store: AnyStore) {
    given(&store, vec![Change::PutTicket(ticket(1, user(1), LIFE))]).await;
    given(&store, vec![Change::PutTicket(ticket(2, user(1), LIFE))]).await;
    for tries in 0..Ticket::TRIES {
        assert!(is_there(&store, 1).await, "{tries}");
        given(&store, vec![Change::CountTry(id(1)), Change::CountTry(id(9))]).await;
    }
    is_void(&store, 1).await;
    assert!(is_there(&store, 2).await);
}

/// With what it allows; when that fails, it can be used again.
pub async fn go47_a_ticket_is_used_up_by_what_it_allows_or_not_at_all(store: AnyStore) {
    let opened = Change::InsertAccount(account(1, "one@example.com"));
    given(&store, vec![opened, Change::PutTicket(ticket(1, user(1), LIFE))]).await;
    let nobody = set(user(9), "new", None);
    let error = apply(&store, vec![Change::UseTicket(id(1)), nobody]).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(Entity::Account)), "{error:?}");
    assert!(is_there(&store, 1).await);
    given(&store, vec![Change::UseTicket(id(1)), set(user(1), "new", None)]).await;
    assert_eq!(password(&store, user(1)).await, "new");
    is_void(&store, 1).await;
    let again = vec![Change::UseTicket(id(1)), set(user(1), "newer", None)];
    assert!(apply(&store, again).await.is_err());
    assert_eq!(password(&store, user(1)).await, "new");
}

/// However many come at once, one of them sets its password.
pub async fn go47_of_several_at_once_one_uses_a_ticket(store: AnyStore) {
    given(&store, vec![Change::InsertAccount(account(1, "one@example.com"))]).await;
    for round in 1..=10_u8 {
        given(&store, vec![Change::PutTicket(ticket(round, user(1), LIFE))]).await;
        let attempt = |number: u8| {
            let password = set(user(1), &format!("{round} {number}"), None);
            commit(vec![Change::UseTicket(id(round)), password])
        };
        let outcomes = at_once(&store, (0..4).map(attempt).collect()).await;
        let winners: Vec<_> = (0..4).filter(|number| outcomes[*number] == "ok").collect();
        assert_eq!(winners.len(), 1, "{outcomes:?}");
        assert_eq!(password(&store, user(1)).await, format!("{round} {}", winners[0]));
        let refused = outcomes.iter().filter(|outcome| **outcome == "token_not_honoured");
        assert_eq!(refused.count(), 3, "{outcomes:?}");
    }
}

/// Of an enabled account, and if it is said which one it replaces, of none that has another by now.
pub async fn a_password_is_set_of_an_account_that_is_enabled(store: AnyStore) {
    given(&store, vec![Change::InsertAccount(account(1, "one@example.com"))]).await;
    given(&store, vec![set(user(1), "second", None)]).await;
    let refused = async |change: Change| {
        let error = apply(&store, vec![change]).await.unwrap_err();
        assert!(matches!(error, Error::NotFound(Entity::Account)), "{error:?}");
        assert_eq!(password(&store, user(1)).await, "second");
    };
    refused(set(user(1), "third", Some("first"))).await;
    let status = AccountStatus::Disabled;
    given(&store, vec![Change::SetAccountStatus { id: user(1), status, at: moment(1) }]).await;
    refused(set(user(1), "third", Some("second"))).await;
    let status = AccountStatus::Enabled;
    given(&store, vec![Change::SetAccountStatus { id: user(1), status, at: moment(1) }]).await;
    given(&store, vec![set(user(1), "third", Some("second"))]).await;
    assert_eq!(password(&store, user(1)).await, "third");
}

/// Of whoever has the one it replaces, disabled or not, and it is no change of the password: nobody is told.
pub async fn a_hash_is_renewed_of_whoever_still_has_the_old_one(store: AnyStore) {
    const OLD: &str = "$2a$10$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.";
    assert!(!store.has_bcrypt().await.unwrap());
    let opened =
        Account { password: PasswordHash::new(OLD.to_owned()), ..account(1, "one@example.com") };
    given(&store, vec![Change::InsertAccount(opened.clone())]).await;
    given(&store, vec![Change::InsertAccount(account(2, "two@example.com"))]).await;
    assert!(store.has_bcrypt().await.unwrap());
    let renewed = |from: &str| {
        let (from, to) =
            (PasswordHash::new(from.into()), PasswordHash::new("$argon2id$new".into()));
        Change::RenewHash { id: user(1), from, to }
    };
    let error = apply(&store, vec![renewed("another")]).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(Entity::Account)), "{error:?}");
    assert_eq!(password(&store, user(1)).await, OLD);
    let before = store.revision().await.unwrap();
    apply(&store, vec![renewed(OLD)]).await.unwrap();
    assert_eq!(store.revision().await.unwrap(), before);
    assert_eq!(password(&store, user(1)).await, "$argon2id$new");
    assert!(!store.has_bcrypt().await.unwrap());
    let now = store.account(user(1)).await.unwrap().unwrap();
    assert_eq!(now.updated_at, opened.updated_at);
    assert!(apply(&store, vec![renewed(OLD)]).await.is_err(), "and once only");
}
