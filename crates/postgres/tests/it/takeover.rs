//! What the original wrote we read, and what we write it could read.

use auth_contract::sample::audit;
use auth_domain::Timestamp;
use auth_domain::change::{Change, Commit};
use auth_domain::model::{
    Direction, Invite, InviteId, InviteOrder, InviteQuery, InviteState, InvitesOf, Key, KeyId,
    KeyOrder, Membership, Metadata, Org, OrgEdit, OrgId, OrgOrder, OrgQuery, OrgRole, Page,
    PlatformInviteId, PlatformRole, UserId,
};
use auth_domain::ports::{Invites, Keys, Memberships, Orgs, Standings, Store};
use auth_postgres::PgStore;
use auth_testkit::Database;
use serde_json::json;
use sqlx::query_scalar;
use uuid::Uuid;

use crate::schema::ORIGINAL;
use crate::world::{database, store};

async fn taken_over() -> (Database, PgStore) {
    let database = database().await;
    database.execute(ORIGINAL).await.unwrap();
    let store = store(&database).await;
    (database, store)
}

fn uuid(last: u128) -> Uuid {
    Uuid::from_u128(0x0000_0000_0000_4000_8000_0000_0000_0000 | last)
}

fn user(last: u128) -> UserId {
    UserId::new(uuid(last))
}

fn org(last: u128) -> OrgId {
    OrgId::new(uuid(last))
}

fn by_id<O>(order: O) -> Page<O> {
    Page::new(0, 100, order, Direction::Ascending).unwrap()
}

async fn org_times(store: &PgStore, id: OrgId) -> (String, String) {
    let org = store.org(id).await.unwrap().unwrap();
    (org.created_at.to_string(), org.updated_at.to_string())
}

#[tokio::test]
async fn platform_roles_are_read() {
    let (_database, store) = taken_over().await;
    for (last, role) in
        [(0xa1, Some(PlatformRole::Root)), (0xa2, Some(PlatformRole::Admin)), (0xa3, None)]
    {
        assert_eq!(store.standing(user(last), None).await.unwrap().platform, role);
    }
    assert_eq!(store.role_holders(by_id(())).await.unwrap().total, 2);
}

#[tokio::test]
async fn memberships_are_read_and_odd_roles_allow_nothing() {
    let (_database, store) = taken_over().await;
    for (last, role) in [
        (0xa1, Some(OrgRole::Owner)),
        (0xa4, Some(OrgRole::Owner)),
        (0xa5, None),
        (0xa6, Some(OrgRole::Viewer)),
        (0xa7, None),
    ] {
        let standing = store.standing(user(last), Some(org(0xb1))).await.unwrap();
        assert_eq!((standing.org_exists, standing.org), (true, role), "{last:x}");
    }
}

#[tokio::test]
async fn keys_are_read_to_the_microsecond_as_utc() {
    let (_database, store) = taken_over().await;
    let listing = store.keys(user(0xa1), by_id(KeyOrder::IssuedAt)).await.unwrap();
    let times: Vec<_> = listing
        .items
        .iter()
        .map(|key| (key.issued_at.to_string(), key.expires_at.map(|end| end.to_string())))
        .collect();
    assert_eq!(
        times,
        [
            ("2024-03-01T09:10:11.123456Z".into(), None),
            ("2024-03-01T09:10:12Z".into(), Some("2024-03-01T10:10:12.5Z".into())),
        ]
    );
    let endless = store.key(user(0xa2), KeyId::new(uuid(0xc3))).await.unwrap().unwrap();
    assert_eq!(endless.expires_at, Some(Timestamp::from_micros(i64::MAX)));
    assert_eq!(endless.subject, "bob@example.com");
}

#[tokio::test]
async fn orgs_are_read_whatever_their_columns_hold() {
    let (_database, store) = taken_over().await;
    let full = store.org(org(0xb1)).await.unwrap().unwrap();
    assert_eq!((full.name.as_str(), full.description.as_str()), ("Acme", "makes things"));
    assert_eq!(full.owner, user(0xa1));
    let metadata = json!({ "a": 1.0, "nested": { "list": [1, "two", null] } });
    assert_eq!(json!(full.metadata.object()), metadata);
    let time = |text: &str| text.to_owned();
    let year_1 = || time("0001-01-01T00:00:00Z");
    for (last, created, updated) in [
        (0xb1, time("2024-03-01T08:30:00.123456Z"), time("2024-03-01T08:31:00.654321Z")),
        (0xb2, time("2024-03-01T08:30:00Z"), time("2024-03-01T08:30:00Z")),
        (0xb3, year_1(), year_1()),
        (0xb4, year_1(), time("9999-12-31T23:59:59.999999Z")),
    ] {
        assert_eq!(org_times(&store, org(last)).await, (created, updated), "{last:x}");
    }
    for last in [0xb2, 0xb3, 0xb4] {
        let bare = store.org(org(last)).await.unwrap().unwrap();
        assert!(bare.metadata.is_empty() && bare.description.as_str().is_empty(), "{last:x}");
    }
}

#[tokio::test]
async fn lists_hold_every_org_and_show_no_time_as_the_first() {
    let (_database, store) = taken_over().await;
    for (order, expected) in [
        (OrgOrder::Id, [0xb1, 0xb2, 0xb3, 0xb4]),
        (OrgOrder::Name, [0xb4, 0xb1, 0xb2, 0xb3]),
        (OrgOrder::CreatedAt, [0xb3, 0xb4, 0xb2, 0xb1]),
    ] {
        let listing = store.orgs(&OrgQuery::default(), by_id(order)).await.unwrap();
        let ids: Vec<_> = listing.items.iter().map(|org| org.id).collect();
        assert_eq!(ids, expected.map(org), "{order:?}");
    }
    let filter = Metadata::from_value(json!({ "a": 1 })).unwrap();
    let query = OrgQuery { metadata: filter, ..OrgQuery::default() };
    assert_eq!(store.orgs(&query, by_id(OrgOrder::Id)).await.unwrap().total, 1);
}

#[tokio::test]
async fn what_we_write_the_original_could_read() {
    let (database, store) = taken_over().await;
    let now = Timestamp::from_seconds(1_700_000_000);
    let founded = Org {
        id: org(0xbb),
        owner: user(0xa9),
        name: "ours".parse().unwrap(),
        description: String::new().parse().unwrap(),
        metadata: Metadata::default(),
        created_at: now,
        updated_at: now,
    };
    let joined = |org| Membership {
        org,
        member: user(0xa9),
        role: OrgRole::Admin,
        created_at: now,
        updated_at: now,
    };
    let edited = OrgEdit {
        id: org(0xb3),
        name: founded.name.clone(),
        description: founded.description.clone(),
        metadata: Metadata::default(),
        updated_at: now,
    };
    let key = Key {
        id: KeyId::new(uuid(0xcc)),
        issuer: user(0xa9),
        subject: "ada@example.com".into(),
        issued_at: now,
        expires_at: Some(now),
    };
    let changes = vec![
        Change::InsertOrg(founded.clone()),
        Change::InsertMembership(joined(founded.id)),
        Change::InsertMembership(joined(org(0xb3))),
        Change::UpdateOrg(edited),
        Change::InsertKey(key),
        Change::PutPlatformRole { user: user(0xa9), role: PlatformRole::Admin },
    ];
    let commit =
        Commit { actor: "system".into(), at: now, guards: vec![], changes, audit: audit() };
    store.commit(commit).await.unwrap();

    let mut connection = database.connect().await.unwrap();
    for readable in [
        "SELECT description = '' AND metadata IS NULL AND created_at = to_timestamp(1700000000) \
         AND updated_at = created_at FROM orgs WHERE name = 'ours' AND created_at IS NOT NULL",
        "SELECT description = '' AND updated_at = to_timestamp(1700000000) FROM orgs \
         WHERE id = '00000000-0000-4000-8000-0000000000b3'",
        "SELECT count(*) = 2 AND bool_and(created_at = to_timestamp(1700000000)) \
         AND bool_and(updated_at IS NOT NULL) AND bool_and(role = 'admin') FROM org_memberships \
         WHERE member_id = '00000000-0000-4000-8000-0000000000a9'",
        "SELECT type = 2 AND issued_at = '2023-11-14 22:13:20' AND expires_at = issued_at \
         AND subject = 'ada@example.com' FROM keys WHERE id = '00000000-0000-4000-8000-0000000000cc'",
        "SELECT role = 'admin' FROM users_roles \
         WHERE user_id = '00000000-0000-4000-8000-0000000000a9'",
    ] {
        let readable_answer: bool =
            query_scalar(readable).fetch_one(&mut connection).await.unwrap();
        assert!(readable_answer, "{readable}");
    }
}

#[tokio::test]
async fn removing_an_org_takes_the_invites_of_the_original_along() {
    let (database, store) = taken_over().await;
    let changes = vec![Change::RemoveOrg(org(0xb1))];
    let at = Timestamp::from_seconds(0);
    store
        .commit(Commit { actor: "system".into(), at, guards: vec![], changes, audit: audit() })
        .await
        .unwrap();
    let mut connection = database.connect().await.unwrap();
    let left: i64 = query_scalar(
        "SELECT (SELECT count(*) FROM org_invites) * 10 + (SELECT count(*) FROM dormant_org_invites)",
    )
    .fetch_one(&mut connection)
    .await
    .unwrap();
    assert_eq!(left, 11);
}

#[tokio::test]
async fn s41_go16_a_member_who_goes_takes_their_unanswered_invites_along() {
    let (database, store) = taken_over().await;
    let pending = "UPDATE org_invites SET inviter_id = '00000000-0000-4000-8000-0000000000a6', \
        expires_at = '9999-01-01' WHERE id = '00000000-0000-4000-8000-0000000000d1'; \
        INSERT INTO org_invites SELECT '00000000-0000-4000-8000-0000000000d4', NULL, inviter_id, org_id, \
        invitee_role, created_at, expires_at, 'declined' FROM org_invites \
        WHERE id = '00000000-0000-4000-8000-0000000000d1'";
    database.execute(pending).await.unwrap();
    let changes = vec![Change::RemoveMembership { org: org(0xb1), member: user(0xa6) }];
    let at = Timestamp::from_seconds(0);
    store
        .commit(Commit { actor: "system".into(), at, guards: vec![], changes, audit: audit() })
        .await
        .unwrap();
    let mut connection = database.connect().await.unwrap();
    let states: String = query_scalar("SELECT string_agg(state, ' ' ORDER BY id) FROM org_invites")
        .fetch_one(&mut connection)
        .await
        .unwrap();
    assert_eq!(states, "revoked pending pending declined");
}

#[tokio::test]
async fn d09_d10_invites_of_the_original_are_read_and_odd_ones_harm_nobody() {
    let (database, store) = taken_over().await;
    let invite = |last: u128| InviteId::new(uuid(last));
    database
        .execute(
            "INSERT INTO org_invites (id, invitee_id, inviter_id, org_id, invitee_role, created_at, \
             expires_at, state) SELECT ('00000000-0000-4000-8000-0000000000' || odd.id)::uuid, \
             ('00000000-0000-4000-8000-0000000000' || invitee)::uuid, inviter_id, org_id, role, NULL, \
             expiry::timestamptz, odd.state FROM org_invites, (VALUES \
             ('d4', 'a8', 'boss', '9999-01-01', 'pending'), \
             ('d5', 'a9', 'viewer', '9999-01-01', 'asleep'), \
             ('d6', 'aa', 'owner', '9999-01-01', 'pending'), \
             ('d7', 'ab', 'viewer', NULL, 'pending'), \
             ('d8', 'ac', 'viewer', 'infinity', 'pending') \
             ) AS odd (id, invitee, role, expiry, state) \
             WHERE org_invites.id = '00000000-0000-4000-8000-0000000000d1'; \
             UPDATE org_invites SET invitee_role = 'owner' \
             WHERE id = '00000000-0000-4000-8000-0000000000d3'",
        )
        .await
        .unwrap();
    let now = Timestamp::from_seconds(1_800_000_000);
    let listed = async |states: &[InviteState]| -> Vec<_> {
        let of = InvitesOf::Org(org(0xb1));
        let query = InviteQuery { of, states: states.to_vec(), at: now };
        let listing = store.invites(&query, by_id(InviteOrder::Id)).await.unwrap();
        assert_eq!(listing.total, listing.items.len() as u64);
        let seen = listing.items.into_iter().map(|found| found.invite);
        seen.map(|invite| (invite.id, invite.role, invite.state_at(now))).collect()
    };
    let (d1, d6, d7, d8) = (invite(0xd1), invite(0xd6), invite(0xd7), invite(0xd8));
    let all = [
        (d1, OrgRole::Editor, InviteState::Expired),
        (d6, OrgRole::Owner, InviteState::Pending),
        (d7, OrgRole::Viewer, InviteState::Expired),
        (d8, OrgRole::Viewer, InviteState::Pending),
    ];
    assert_eq!(listed(&InviteState::ALL).await, all);
    assert_eq!(listed(&[InviteState::Pending]).await, [all[1], all[3]]);
    assert_eq!(listed(&[InviteState::Expired]).await, [all[0], all[2]]);
    for odd in [0xd4, 0xd5] {
        assert_eq!(store.invite(invite(odd)).await.unwrap(), None, "{odd:x}");
    }
    let ends = store.invite(d8).await.unwrap().unwrap().invite.expires_at;
    assert_eq!(ends.to_string(), "9999-12-31T23:59:59.999999Z");

    // What nobody can accept blocks no other, and what offers to own wakes up for nobody.
    for (last, invitee) in [(0xe4, 0xa8), (0xe6, 0xaa), (0xe7, 0xab)] {
        let made = Invite {
            id: invite(last),
            org: org(0xb1),
            inviter: user(0xa1),
            invitee: Some(user(invitee)),
            role: OrgRole::Viewer,
            state: InviteState::Pending,
            created_at: now,
            expires_at: ends,
        };
        let changes = vec![Change::InsertInvite(made)];
        let commit =
            Commit { actor: "system".into(), at: now, guards: vec![], changes, audit: audit() };
        store.commit(commit).await.unwrap();
    }
    let platform_invite = PlatformInviteId::new(uuid(0xe1));
    let waiting = store.waiting_invites(platform_invite, user(0xa9)).await.unwrap();
    let waiting: Vec<_> = waiting.iter().map(|one| one.invite.id).collect();
    assert_eq!(waiting, [invite(0xd2)]);
    assert_eq!(
        store.dormant_invite(platform_invite).await.unwrap().unwrap().invite.id,
        invite(0xd2)
    );
}

#[tokio::test]
async fn odd_memberships_are_not_listed_and_two_owners_become_one() {
    let (_database, store) = taken_over().await;
    let listing = store.memberships(org(0xb1), None, by_id(())).await.unwrap();
    let listed: Vec<_> = listing.items.iter().map(|member| (member.member, member.role)).collect();
    let (owner, viewer) = (OrgRole::Owner, OrgRole::Viewer);
    assert_eq!(listed, [(user(0xa1), owner), (user(0xa4), owner), (user(0xa6), viewer)]);
    assert_eq!(listing.total, 3);
    assert_eq!(store.membership(org(0xb1), user(0xa5)).await.unwrap(), None);
    let at = Timestamp::from_seconds(0);
    let (org, boss) = (org(0xb1), user(0xa5));
    let changes = vec![
        Change::TransferOrg { org, from: user(0xa1), to: user(0xa6), at },
        Change::UpdateMembership { org, member: boss, role: viewer, at },
    ];
    store
        .commit(Commit { actor: "system".into(), at, guards: vec![], changes, audit: audit() })
        .await
        .unwrap();
    for (last, role) in
        [(0xa1, OrgRole::Admin), (0xa4, OrgRole::Admin), (0xa5, viewer), (0xa6, owner)]
    {
        let standing = store.standing(user(last), Some(org)).await.unwrap();
        assert_eq!(standing.org, Some(role), "{last:x}");
    }
}
