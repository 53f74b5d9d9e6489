//! Tickets: what mailed links prove, once.

use std::time::Duration;

use auth_domain::change::Change;
use auth_domain::error::{Entity, Error, Unauthenticated};
use auth_domain::model::{
    Account, AccountStatus, LiveTicket, PasswordHash, Purpose, Ticket, TicketId, UserId,
};
use uuid::Uuid;

use crate::AnyStore;
use crate::races::at_once;
use crate::sample::{account, apply, commit, given, moment, user};

const LIFE: Duration = Duration::from_mins(15);

const fn id(number: u8) -> TicketId {
    TicketId::new(Uuid::from_u128(0x0190_0000_0000_7000_8000_0000_0000_0000 | number as u128))
}

fn ticket(number: u8, user: UserId, life: Duration) -> Ticket {
    Ticket { id: id(number), purpose: Purpose::PasswordReset, user, digest: [number; 32], life }
}

fn drop_of(user: UserId) -> Change {
    Change::DropTicket { purpose: Purpose::PasswordReset, user }
}

fn set(user: UserId, password: &str, replacing: Option<&str>) -> Change {
    let hash = |text: &str| PasswordHash::new(text.to_owned());
    let (password, replacing) = (hash(password), replacing.map(hash));
    Change::SetPassword { id: user, password, replacing, at: moment(50) }
}

async fn password(store: &AnyStore, user: UserId) -> String {
    store.account(user).await.unwrap().unwrap().password.expose().to_owned()
}

async fn by_digest(store: &AnyStore, number: u8) -> Option<LiveTicket> {
    store.ticket_by_digest(Purpose::PasswordReset, [number; 32]).await.unwrap()
}

async fn is_void(store: &AnyStore, number: u8) {
    assert_eq!(store.ticket(id(number)).await.unwrap(), None);
    assert_eq!(by_digest(store, number).await, None);
    let error = apply(store, vec![Change::UseTicket(id(number))]).await.unwrap_err();
    let refused = matches!(error, Error::Unauthenticated(Unauthenticated::NotHonoured));
    assert!(refused, "{number}: {error:?}");
}

/// By its id and by the digest of its secret, and it says until when by the store's clock.
pub async fn a_ticket_is_found_by_id_and_digest(store: AnyStore) {
    given(&store, vec![Change::PutTicket(ticket(1, user(1), LIFE))]).await;
    let found = store.ticket(id(1)).await.unwrap().unwrap();
    assert_eq!((found.id, found.user, found.digest), (id(1), user(1), [1; 32]));
    assert_eq!(by_digest(&store, 1).await, Some(found));
    is_void(&store, 2).await;
}

/// A new one for the same user makes the old one void, and nobody else's.
pub async fn fw8_there_is_one_ticket_for_each_purpose_and_user(store: AnyStore) {
    let (one, other) = (ticket(1, user(1), LIFE), ticket(2, user(2), LIFE));
    given(&store, vec![Change::PutTicket(one), Change::PutTicket(other)]).await;
    given(&store, vec![Change::PutTicket(ticket(3, user(1), LIFE))]).await;
    is_void(&store, 1).await;
    for (number, whose) in [(2, user(2)), (3, user(1))] {
        assert_eq!(by_digest(&store, number).await.unwrap().user, whose);
    }
    given(&store, vec![drop_of(user(1)), drop_of(user(9))]).await;
    is_void(&store, 3).await;
    assert!(by_digest(&store, 2).await.is_some());
}

/// Nor is it found once its time is over, which its purge only tidies away.
pub async fn fw8_fpw10_a_ticket_that_is_over_is_void(store: AnyStore) {
    let (over, live) = (ticket(1, user(1), Duration::ZERO), ticket(2, user(2), LIFE));
    given(&store, vec![Change::PutTicket(over), Change::PutTicket(live)]).await;
    is_void(&store, 1).await;
    given(&store, vec![Change::PurgeTickets]).await;
    is_void(&store, 1).await;
    assert!(by_digest(&store, 2).await.is_some());
}

/// With what it allows; when that fails, it can be used again.
pub async fn go47_a_ticket_is_used_up_by_what_it_allows_or_not_at_all(store: AnyStore) {
    let opened = Change::InsertAccount(account(1, "one@example.com"));
    given(&store, vec![opened, Change::PutTicket(ticket(1, user(1), LIFE))]).await;
    let nobody = set(user(9), "new", None);
    let error = apply(&store, vec![Change::UseTicket(id(1)), nobody]).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(Entity::Account)), "{error:?}");
    assert!(by_digest(&store, 1).await.is_some());
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
