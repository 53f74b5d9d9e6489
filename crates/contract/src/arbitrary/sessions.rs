//! Sessions in made-up histories.

use auth_domain::Timestamp;
use auth_domain::change::Change;
use auth_domain::model::{
    Device, Direction, NewSession, Page, RefreshDigests, Replaced, Rotation, Session, SessionEnd,
};
use proptest::prelude::{Strategy, any, prop_oneof};
use proptest::sample::select;

use super::{MANY, moments, numbers, users};
use crate::AnyStore;
use crate::sample::{account, moment, session_id, user};

fn sessions() -> impl Strategy<Value = Session> {
    (numbers(), users(), moments(), moments(), moments(), any::<bool>()).prop_map(
        |(number, user, began, last_used_at, expires_at, known)| Session {
            id: session_id(number),
            user,
            began_at: Timestamp::from_seconds(began.seconds()),
            last_used_at,
            expires_at,
            ends_at: expires_at,
            address: known.then(|| "2001:db8::7".parse().unwrap()),
            device: Device::cleaned(b"a browser"),
        },
    )
}

/// Few digests, so that they are taken, and used up.
fn digests() -> impl Strategy<Value = [u8; 32]> {
    (1..=MANY).prop_map(digest)
}

fn digest(number: u32) -> [u8; 32] {
    [u8::try_from(number).unwrap(); 32]
}

/// Every change there is to sessions.
pub(super) fn session_changes() -> impl Strategy<Value = Change> {
    let whys =
        vec![SessionEnd::ByUser, SessionEnd::Reuse, SessionEnd::Revoked, SessionEnd::Crowded];
    let rotations = (numbers(), digests(), digests(), moments(), moments());
    prop_oneof![
        4 => (sessions(), digests(), digests(), numbers()).prop_map(
            |(session, family, whole, proof)| Change::BeginSession {
                session: NewSession { session, refresh: RefreshDigests { family, whole } },
                proved: account(proof, "any@example.com").password,
            }
        ),
        2 => rotations.prop_map(|(number, digest, next, at, expires_at)| {
            let used = Replaced { digest, cover: [7; 32], at };
            let session = session_id(number);
            Change::RotateSession(Rotation { session, used, next, address: None, expires_at })
        }),
        1 => (numbers(), users(), select(whys))
            .prop_map(|(number, user, why)| Change::EndSession { id: session_id(number), user, why }),
        1 => moments()
            .prop_map(|expired_before| Change::PurgeSessions { expired_before }),
    ]
}

/// All that can be read of them, in words.
pub(super) async fn look(store: &AnyStore) -> Vec<String> {
    let mut seen = Vec::new();
    for number in 1..=MANY {
        seen.push(format!("{:?}", store.session_by_family(digest(number)).await.unwrap()));
        let owner = user(number);
        for other in 1..=MANY {
            let email = store.session_email(owner, session_id(other)).await.unwrap();
            seen.push(format!("{email:?}"));
        }
        let page = Page::new(1, 2, (), Direction::Ascending).unwrap();
        let listed = store.sessions(owner, moment(i64::from(number)), page).await.unwrap();
        seen.push(format!("{listed:?}"));
    }
    seen
}
