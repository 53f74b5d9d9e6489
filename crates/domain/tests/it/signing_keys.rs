//! Keys of pairs, as use cases meet them.

use auth_domain::app::{Access, Cx};
use auth_domain::change::Change;
use auth_domain::model::{KeyKind, SigningKeyId};
use auth_domain::ops::access::Identify;
use auth_domain::ops::keys::IssueToken;
use auth_domain::ops::signing_keys::{CountKeysMade, ListPublicKeys, WithdrawSigningKey};
use auth_domain::ports::Tokens;
use auth_domain::{Caller, Error, Id, Operation, Timestamp, Unauthenticated};
use auth_jwt::{Algorithm, RingKey, SigningKey};
use secrecy::ExposeSecret;
use uuid::Uuid;

use crate::world::{World, world};

/// Two keys, of which the second signs.
fn two_keys(world: &World) -> [SigningKeyId; 2] {
    let made = [0, 1].map(|signs_from| {
        let key = Algorithm::EdDsa.generate().unwrap();
        let key = SigningKey::from_pkcs8(key.expose_secret()).unwrap();
        RingKey { key: key.into(), signs_from }
    });
    let ids = made.each_ref().map(|one| one.key.id());
    world.tokens.ring().replace(made.into());
    ids
}

async fn issue(world: &World) -> auth_domain::model::Token {
    let user = Id::new(Uuid::from_u128(1));
    let email = "ada@example.com".to_owned();
    let issue = IssueToken { user, email, kind: KeyKind::Login };
    world.app.execute(Caller::System, issue).await.unwrap()
}

#[tokio::test]
async fn s17_what_a_withdrawn_key_signed_is_refused_and_it_signs_no_more() {
    let world = world().await;
    let [first, second] = two_keys(&world);
    let token = issue(&world).await;
    assert_eq!(world.tokens.verify(&token).unwrap().signed_by, Some(second));
    let identify = || world.app.execute(Caller::Anonymous, Identify { token: token.clone() });
    identify().await.unwrap();

    for caller in [Caller::Anonymous, Caller::Bearer(token.clone())] {
        let refused = world.app.execute(caller, WithdrawSigningKey { key: second }).await;
        assert!(matches!(refused, Err(Error::Unauthenticated(Unauthenticated::UnknownService))));
    }
    let published = || world.app.execute(Caller::Anonymous, ListPublicKeys);
    assert_eq!(published().await.unwrap().len(), 2);
    for (key, then, left) in [(second, Some(first), 1), (first, None, 0)] {
        for _ in 0..2 {
            world.app.execute(Caller::System, WithdrawSigningKey { key }).await.unwrap();
        }
        let refused = identify().await;
        assert!(matches!(refused, Err(Error::Unauthenticated(Unauthenticated::BadToken))));
        let fresh = issue(&world).await;
        assert_eq!(world.tokens.verify(&fresh).unwrap().signed_by, then);
        world.app.execute(Caller::Anonymous, Identify { token: fresh }).await.unwrap();
        assert_eq!(published().await.unwrap().len(), left);
    }
}

/// Has the key withdrawn that proves who asks, once that is proved, and goes on to write.
struct Late(auth_domain::App, SigningKeyId);

impl Operation for Late {
    type Output = ();
    const NAME: &'static str = "late";

    fn access(&self) -> Access {
        Access::SignedIn
    }

    async fn run(self, cx: &mut Cx<'_>) -> auth_domain::Result<()> {
        let Self(app, key) = self;
        app.execute(Caller::System, WithdrawSigningKey { key }).await?;
        let user = Id::new(Uuid::from_u128(1));
        cx.commit(vec![Change::EndSessions { user, until: cx.now }]).await
    }
}

#[tokio::test]
async fn s17_whoever_began_before_a_key_was_withdrawn_writes_nothing_after_that() {
    let world = world().await;
    let [_, second] = two_keys(&world);
    let token = issue(&world).await;
    let late = world.app.execute(Caller::Bearer(token), Late(world.app.clone(), second)).await;
    assert!(matches!(late, Err(Error::Unauthenticated(Unauthenticated::BadToken))), "{late:?}");
    assert_eq!(world.facts().await, ["signing_key.withdraw"]);
}

#[tokio::test]
async fn only_the_operator_counts_keys() {
    let world = world().await;
    let (from, before) = (Timestamp::from_seconds(0), Timestamp::from_seconds(1));
    let count = || CountKeysMade { from, before };
    let refused = world.app.execute(Caller::Anonymous, count()).await;
    assert!(matches!(refused, Err(Error::Unauthenticated(_))), "{refused:?}");
    assert_eq!(world.app.execute(Caller::System, count()).await.unwrap(), 0);
}
