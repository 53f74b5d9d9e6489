//! Identify and Authorize in one, and many checks at once.

use auth_domain::model::{Action, GroupId, GroupRole, KeyKind, Metadata, OrgRole, PlatformRole};
use auth_domain::ops::access::{Authorize, Question};
use auth_domain::ops::checks::{AuthorizeMany, IdentifyAndAuthorize, MAX_CHECKS, Verdict};
use auth_domain::ops::groups::{CreateGroup, Home};
use auth_domain::ops::keys::RevokeKey;
use auth_domain::{Error, Invalid, Unauthenticated};

use crate::world::{World, user, world};

/// Every question about orgs and groups that there are, that there are not, and none.
fn questions(orgs: &[auth_domain::model::OrgId], groups: &[GroupId]) -> Vec<Question> {
    let nowhere = [None, "0192d3f0-1111-7abc-8def-000000000001".parse().ok()];
    let all = orgs.iter().copied().map(Some).chain(nowhere);
    let about = all.flat_map(|org| Action::ALL.map(|action| Question::Org(org, action)));
    let nowhere = [None, "01ARZ3NDEKTSV4RRFFQ69G5FAV".parse().ok()];
    let groups = groups.iter().copied().map(Some).chain(nowhere);
    let in_groups =
        groups.flat_map(|group| GroupRole::ALL.map(|needed| Question::Group(group, needed)));
    std::iter::once(Question::Root).chain(about).chain(in_groups).collect()
}

async fn peopled() -> (World, Vec<Question>) {
    let world = world().await;
    let (first, second) = (world.org(1, "one").await, world.org(2, "two").await);
    world.join(first, 2, OrgRole::Admin).await;
    world.join(second, 3, OrgRole::Viewer).await;
    world.promote(6, PlatformRole::Root).await;
    world.promote(5, PlatformRole::Admin).await;
    let mut groups = Vec::new();
    for (by, home) in [(1, Home::Org(first)), (3, Home::Own)] {
        let (name, description) = ("group".parse().unwrap(), "".parse().unwrap());
        let group = CreateGroup { home, name, description, metadata: Metadata::default() };
        groups.push(world.as_user(by, group).await.unwrap().id);
    }
    let questions = questions(&[first, second], &groups);
    (world, questions)
}

#[tokio::test]
async fn many_checks_say_what_each_says_alone() {
    let (world, questions) = peopled().await;
    for number in [1, 2, 3, 5, 6, 9] {
        let token = world.token(number, KeyKind::Login);
        let many = AuthorizeMany { token: token.clone(), questions: questions.clone() };
        let verdicts = world.as_anyone(many).await.unwrap();
        assert_eq!(verdicts.len(), questions.len());
        for (question, verdict) in questions.iter().zip(verdicts) {
            let alone = Authorize { token: token.clone(), question: *question };
            let expected = match world.as_anyone(alone).await {
                Ok(()) => Verdict::Allowed,
                Err(Error::Forbidden) => Verdict::Denied,
                Err(Error::NotFound(_)) => Verdict::NotFound,
                Err(other) => panic!("{other:?}"),
            };
            assert_eq!(verdict, expected, "user {number}, {question:?}");
        }
    }
}

#[tokio::test]
async fn one_call_says_who_it_is_only_if_they_may() {
    let (world, questions) = peopled().await;
    for number in [1, 3, 5, 9] {
        for question in &questions {
            for token in [world.token(number, KeyKind::Login), world.key(number, None).await.token]
            {
                let alone = Authorize { token: token.clone(), question: *question };
                let alone = world.as_anyone(alone).await;
                let both = IdentifyAndAuthorize { token, question: *question };
                match (world.as_anyone(both).await, alone) {
                    (Ok(identity), Ok(())) => assert_eq!(identity.user, user(number)),
                    (Err(ours), Err(theirs)) => assert_eq!(ours.code(), theirs.code()),
                    other => panic!("{question:?}: {other:?}"),
                }
            }
        }
    }
}

#[tokio::test]
async fn s39_a_list_has_one_to_two_hundred_checks() {
    let (world, _) = peopled().await;
    for (length, reason) in [
        (0, Some(Invalid::EmptyList)),
        (1, None),
        (MAX_CHECKS, None),
        (MAX_CHECKS + 1, Some(Invalid::ListTooLong)),
    ] {
        let token = world.token(1, KeyKind::Login);
        let asked = AuthorizeMany { token, questions: vec![Question::Root; length] };
        match (world.as_anyone(asked).await, reason) {
            (Ok(verdicts), None) => assert_eq!(verdicts, vec![Verdict::Denied; length]),
            (Err(Error::Invalid(found)), Some(expected)) => assert_eq!(found, expected),
            other => panic!("{length}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn s8_no_recovery_or_revoked_token_is_answered() {
    let (world, questions) = peopled().await;
    let revoked = world.key(6, None).await;
    world.as_user(6, RevokeKey { id: revoked.key.id }).await.unwrap();
    for token in [world.token(6, KeyKind::Recovery), revoked.token] {
        let many = AuthorizeMany { token: token.clone(), questions: questions.clone() };
        let many = world.as_anyone(many).await.unwrap_err();
        let both = IdentifyAndAuthorize { token, question: Question::Root };
        let both = world.as_anyone(both).await.unwrap_err();
        for error in [many, both] {
            assert!(
                matches!(error, Error::Unauthenticated(Unauthenticated::NotHonoured)),
                "{error:?}"
            );
        }
    }
}
