//! What must hold when several writers meet.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use auth_domain::change::{Change, Commit, Guard};
use auth_domain::error::Result;
use auth_domain::model::{
    AccountStatus, Action, Direction, Invite, InviteState, Org, OrgOrder, OrgQuery, OrgRole,
    PlatformRole, Settlement, UserId,
};
use tokio::sync::Barrier;
use tokio::task::JoinSet;

use crate::AnyStore;
use crate::member_lists::counted;
use crate::sample::{
    account, commit, edit, given, guarded, invite, invite_id, key, key_id, membership, moment, org,
    org_id, outcome, page, user,
};

/// Commits everything at once; gives the outcomes in the order of the commits.
pub(crate) async fn at_once(store: &AnyStore, commits: Vec<Commit>) -> Vec<&'static str> {
    let start = Arc::new(Barrier::new(commits.len()));
    let tasks: Vec<_> = commits
        .into_iter()
        .map(|commit| {
            let (store, start) = (store.clone(), start.clone());
            tokio::spawn(async move {
                start.wait().await;
                store.commit(commit).await
            })
        })
        .collect();
    let mut outcomes = Vec::new();
    for task in tasks {
        outcomes.push(outcome(&task.await.unwrap()));
    }
    outcomes
}

/// Whoever has read the log up to a revision never meets an older record later.
pub async fn revisions_are_given_in_commit_order_without_gaps(store: AnyStore) {
    const WRITERS: u32 = 6;
    const EACH: u32 = 15;
    let done = Arc::new(AtomicBool::new(false));
    let reader = tokio::spawn({
        let (store, done) = (store.clone(), done.clone());
        async move {
            let mut seen: Vec<(i64, i32)> = Vec::new();
            loop {
                let last = done.load(Ordering::SeqCst);
                let revision = store.revision().await.unwrap();
                let after = seen.last().map_or(0, |(revision, _)| *revision);
                let records = store.records(after, 1_000).await.unwrap();
                seen.extend(records.iter().map(|record| (record.revision, record.ordinal)));
                let reached = seen.last().map_or(0, |(revision, _)| *revision);
                assert!(reached >= revision, "revision {revision} without its records");
                if last {
                    return seen;
                }
            }
        }
    });
    let mut writers = JoinSet::new();
    for writer in 0..WRITERS {
        let store = store.clone();
        writers.spawn(async move {
            for number in 0..EACH {
                let id = 1 + writer * EACH + number;
                let owner = membership(org_id(id), user(1), OrgRole::Owner);
                let changes =
                    vec![Change::InsertOrg(org(id, "acme")), Change::InsertMembership(owner)];
                store.commit(commit(changes)).await.unwrap();
            }
        });
    }
    while let Some(written) = writers.join_next().await {
        written.unwrap();
    }
    done.store(true, Ordering::SeqCst);
    let seen = reader.await.unwrap();
    let expected: Vec<_> = (1..=i64::from(WRITERS * EACH)).flat_map(|r| [(r, 0), (r, 1)]).collect();
    assert_eq!(seen, expected);
}

/// Removed or demoted, at the same moment: one of two goes, one stays.
pub async fn the_last_root_stays_whoever_races(store: AnyStore) {
    let root = |user| Change::PutPlatformRole { user, role: PlatformRole::Root };
    let demote = |user| Change::PutPlatformRole { user, role: PlatformRole::Admin };
    let remove = |user| Change::RemovePlatformRole { user };
    // Each is asked for by the other one, as the service does it.
    let by = |user, change| {
        commit_guarded(Guard::OnPlatform { user, needed: PlatformRole::Root }, change)
    };
    let (a, b) = (user(1), user(2));
    for round in 0..24 {
        given(&store, vec![root(a), root(b)]).await;
        let commits = match round % 4 {
            0 => vec![commit(vec![remove(a)]), commit(vec![remove(b)])],
            1 => vec![commit(vec![remove(a)]), commit(vec![demote(b)])],
            2 => vec![commit(vec![demote(a)]), commit(vec![demote(b)])],
            _ => vec![by(b, remove(a)), by(a, remove(b))],
        };
        let mut outcomes = at_once(&store, commits).await;
        outcomes.sort_unstable();
        // The loser's own role may be gone before its guard is checked.
        let refusal = if round % 4 == 3 { "forbidden" } else { "last_root" };
        let fair = [vec!["last_root", "ok"], vec![refusal, "ok"]];
        assert!(fair.contains(&outcomes), "round {round}: {outcomes:?}");
        let roles = [role(&store, a).await, role(&store, b).await];
        let roots = roles.iter().filter(|role| **role == Some(PlatformRole::Root)).count();
        assert_eq!(roots, 1, "round {round}: {roles:?}");
    }
}

fn commit_guarded(guard: Guard, change: Change) -> Commit {
    guarded(vec![guard], vec![change])
}

async fn role(store: &AnyStore, user: UserId) -> Option<PlatformRole> {
    store.standing(user, None).await.unwrap().platform
}

/// The others are told that it exists; nothing is half-written.
pub async fn one_of_many_inserts_wins(store: AnyStore) {
    let org_by = |owner: u32| Org { owner: user(owner), ..org(1, "acme") };
    let joined = |owner: u32| membership(org_id(1), user(owner), OrgRole::Owner);
    let founding = |owner: u32| {
        commit(vec![Change::InsertOrg(org_by(owner)), Change::InsertMembership(joined(owner))])
    };
    let opening = |number: u32| {
        let address = if number.is_multiple_of(2) { "ada@example.com" } else { "ADA@example.com" };
        commit(vec![Change::InsertAccount(account(number, address))])
    };
    let joining = |_| {
        commit(vec![Change::InsertMembership(membership(org_id(1), user(99), OrgRole::Viewer))])
    };
    for race in [
        (1..=8).map(founding).collect::<Vec<_>>(),
        (1..=8).map(opening).collect(),
        (1..=8).map(joining).collect(),
    ] {
        let mut outcomes = at_once(&store, race).await;
        outcomes.sort_unstable();
        assert_eq!(outcomes[..7], ["already_exists"; 7]);
        assert_eq!(outcomes[7], "ok");
    }
    let owner = store.org(org_id(1)).await.unwrap().unwrap().owner;
    let all = OrgQuery { member: Some(owner), ..OrgQuery::default() };
    let listing = store.orgs(&all, page(0, 10, OrgOrder::Id, Direction::Ascending)).await.unwrap();
    assert_eq!(listing.total, 1, "the winner is the member, too");
}

/// The other finds nothing.
pub async fn one_of_two_removals_wins(store: AnyStore) {
    for round in 1..=8 {
        let owner = membership(org_id(round), user(1), OrgRole::Owner);
        given(
            &store,
            vec![
                Change::InsertKey(key(round, user(1))),
                Change::InsertOrg(org(round, "acme")),
                Change::InsertMembership(owner),
            ],
        )
        .await;
        let org = org_id(round);
        let guard = Guard::InOrg { user: user(1), org, action: Action::Owner };
        for removal in [
            commit(vec![Change::RemoveKey { id: key_id(round), issuer: user(1) }]),
            commit_guarded(guard, Change::RemoveOrg(org)),
        ] {
            let mut outcomes = at_once(&store, vec![removal.clone(), removal]).await;
            outcomes.sort_unstable();
            assert_eq!(outcomes, ["not_found", "ok"], "round {round}");
        }
    }
}

/// The log shows which commit came first.
pub async fn nothing_is_written_with_a_key_after_it_is_revoked(store: AnyStore) {
    for round in 1..=20 {
        let (issuer, key_id) = (user(1), key_id(round));
        given(&store, vec![Change::InsertKey(key(round, issuer))]).await;
        let revocation = commit(vec![Change::RemoveKey { id: key_id, issuer }]);
        let guard = Guard::KeyExists { key: key_id, issuer };
        let revoked = ("key.revoke", key_id.to_string());
        used_before_taken(&store, round, revocation, &revoked, guard, "token_not_honoured").await;
    }
}

/// As with a key, if it is not the key that goes but its owner's right to use it.
pub async fn go40_nothing_is_written_for_an_account_after_it_is_disabled(store: AnyStore) {
    for round in 1..=20 {
        let (issuer, key_id) = (user(round), key_id(round));
        let opened = account(round, &format!("u{round}@example.com"));
        given(&store, vec![Change::InsertAccount(opened), Change::InsertKey(key(round, issuer))])
            .await;
        let (status, at) = (AccountStatus::Disabled, moment(1));
        let disabling = commit(vec![Change::SetAccountStatus { id: issuer, status, at }]);
        let guard = if round.is_multiple_of(2) {
            Guard::KeyExists { key: key_id, issuer }
        } else {
            Guard::SessionLives { user: issuer, issued_at: moment(9).seconds() }
        };
        let disabled = ("account.disable", issuer.to_string());
        used_before_taken(&store, round, disabling, &disabled, guard, "token_not_honoured").await;
    }
}

/// As with a key.
pub async fn nothing_is_written_with_a_role_after_it_is_taken(store: AnyStore) {
    given(&store, vec![Change::InsertOrg(org(1_000, "acme"))]).await;
    for round in 1..=20 {
        let admin = user(round);
        let role = PlatformRole::Admin;
        given(&store, vec![Change::PutPlatformRole { user: admin, role }]).await;
        let taking = commit(vec![Change::RemovePlatformRole { user: admin }]);
        let (guard, refusal) = if round.is_multiple_of(2) {
            (Guard::OnPlatform { user: admin, needed: role }, "forbidden")
        } else {
            let org = org_id(1_000);
            (Guard::InOrg { user: admin, org, action: Action::Owner }, "not_found")
        };
        let taken = ("platform_role.remove", admin.to_string());
        used_before_taken(&store, round, taking, &taken, guard, refusal).await;
    }
}

/// Whoever becomes a root while somebody writes who must not touch one: the write came first, or is refused.
pub async fn nothing_is_written_of_somebody_who_is_a_root_by_now(store: AnyStore) {
    for round in 1..=20 {
        let user = user(round);
        let giving = commit(vec![Change::PutPlatformRole { user, role: PlatformRole::Root }]);
        let gave = ("platform_role.assign", user.to_string());
        let guard = Guard::IsNoRoot { user };
        used_before_taken(&store, round, giving, &gave, guard, "forbidden").await;
    }
}

/// As with a key, even if what is written does not touch the org: by a member, and by an admin of the
/// platform.
pub async fn nothing_is_written_for_an_org_after_it_is_removed(store: AnyStore) {
    let (member, admin) = (user(1), user(2));
    given(&store, vec![Change::PutPlatformRole { user: admin, role: PlatformRole::Admin }]).await;
    for round in 1..=20 {
        let org_id = org_id(1_000 + round);
        let owner = membership(org_id, member, OrgRole::Owner);
        let founding =
            vec![Change::InsertOrg(org(1_000 + round, "acme")), Change::InsertMembership(owner)];
        given(&store, founding).await;
        let removal = commit(vec![Change::RemoveOrg(org_id)]);
        let user = if round.is_multiple_of(2) { member } else { admin };
        let guard = Guard::InOrg { user, org: org_id, action: Action::Viewer };
        let removed = ("org.remove", org_id.to_string());
        used_before_taken(&store, round, removal, &removed, guard, "not_found").await;
    }
}

/// Takes away what a guard asks for while somebody founds an org under this guard.
pub(crate) async fn used_before_taken(
    store: &AnyStore,
    round: u32,
    taking: Commit,
    taken: &(&'static str, String),
    guard: Guard,
    refusal: &str,
) {
    let used = commit_guarded(guard, Change::InsertOrg(org(round, "written")));
    let outcomes = at_once(store, vec![taking, used]).await;
    assert_eq!(outcomes[0], "ok", "round {round}");
    if outcomes[1] == "ok" {
        let places = places(store).await;
        let place = |kind: &str, object: &str| places[&(kind.to_owned(), object.to_owned())];
        let written = place("org.create", &org_id(round).to_string());
        assert!(written < place(taken.0, &taken.1), "round {round}: written afterwards");
    } else {
        assert_eq!(outcomes[1], refusal, "round {round}");
    }
}

/// By what happened to what: at which revision.
async fn places(store: &AnyStore) -> BTreeMap<(String, String), i64> {
    let records = store.records(0, 10_000).await.unwrap();
    records.into_iter().map(|record| ((record.kind, record.object), record.revision)).collect()
}

/// Either they joined first, or there was no org to join.
pub async fn nobody_joins_an_org_after_it_is_removed(store: AnyStore) {
    for round in 1..=20 {
        let org_id = org_id(round);
        let owner = membership(org_id, user(1), OrgRole::Owner);
        given(&store, vec![Change::InsertOrg(org(round, "acme")), Change::InsertMembership(owner)])
            .await;
        let guard = |action| Guard::InOrg { user: user(1), org: org_id, action };
        let joined = membership(org_id, user(2), OrgRole::Viewer);
        let outcomes = at_once(
            &store,
            vec![
                commit_guarded(guard(Action::Owner), Change::RemoveOrg(org_id)),
                commit_guarded(guard(Action::Admin), Change::InsertMembership(joined)),
            ],
        )
        .await;
        assert_eq!(outcomes[0], "ok", "round {round}");
        assert!(["ok", "not_found"].contains(&outcomes[1]), "round {round}: {outcomes:?}");
        let standing = store.standing(user(2), Some(org_id)).await.unwrap();
        assert_eq!((standing.org_exists, standing.org), (false, None), "round {round}");
    }
}

/// R-26, S-38: whoever demotes, removes, leaves or gives away at the same time, the org names the one
/// member with the role, and whoever loses is told so.
pub async fn an_org_has_one_owner_whoever_races(store: AnyStore) {
    let org = org_id(1);
    let at = moment(9);
    for round in 1..=50 {
        given(&store, vec![Change::InsertOrg(crate::sample::org(1, "acme"))]).await;
        let members = (1..).zip([OrgRole::Owner, OrgRole::Admin, OrgRole::Admin, OrgRole::Viewer]);
        let joined = members.map(|(number, role)| membership(org, user(number), role));
        given(&store, joined.map(Change::InsertMembership).collect()).await;
        let by = |number, action, change| {
            commit_guarded(Guard::InOrg { user: user(number), org, action }, change)
        };
        let transfer = |to| Change::TransferOrg { org, from: user(1), to: user(to), at };
        let demote = |member| Change::UpdateMembership { org, member, role: OrgRole::Viewer, at };
        let remove = |number| Change::RemoveMembership { org, member: user(number) };
        let outcomes = at_once(
            &store,
            vec![
                by(1, Action::Owner, transfer(2)),
                by(1, Action::Owner, transfer(3)),
                by(2, Action::Admin, demote(user(3))),
                by(3, Action::Admin, demote(user(2))),
                by(2, Action::Admin, remove(3)),
                by(3, Action::Admin, remove(2)),
                by(4, Action::Viewer, remove(4)),
                by(2, Action::Admin, Change::UpdateOrg(edit(org, "busy"))),
            ],
        )
        .await;
        for outcome in &outcomes {
            let told = ["ok", "forbidden", "not_found", "contention"].contains(outcome);
            assert!(told, "round {round}: {outcomes:?}");
        }
        let named = store.org(org).await.unwrap().unwrap().owner;
        let listed = store
            .memberships(org, Some(OrgRole::Owner), page(0, 10, (), Direction::Ascending))
            .await
            .unwrap();
        let owners: Vec<_> = listed.items.iter().map(|owner| owner.member).collect();
        assert_eq!(owners, [named], "round {round}: {outcomes:?}");
        given(&store, vec![Change::RemoveOrg(org)]).await;
    }
}

/// Accepted, declined, revoked, its inviter removed or demoted, the org deleted, all at the same moment:
/// it ends once, and whoever is a member is so by it.
pub async fn d25_r26_an_invite_ends_once_whoever_races(store: AnyStore) {
    let (org, invitee) = (org_id(1), user(8));
    let admin = |user| Guard::InOrg { user, org, action: Action::Admin };
    for round in 1..=40_u32 {
        given(
            &store,
            vec![
                Change::InsertOrg(crate::sample::org(1, "acme")),
                Change::InsertMembership(membership(org, user(1), OrgRole::Owner)),
                Change::InsertMembership(membership(org, user(2), OrgRole::Admin)),
                Change::InsertInvite(Invite {
                    inviter: user(2),
                    ..invite(round, org, Some(invitee), OrgRole::Editor)
                }),
            ],
        )
        .await;
        let id = invite_id(round);
        let settle = |to| Change::SettleInvite { id, org, invitee: Some(invitee), to };
        let joined = membership(org, invitee, OrgRole::Editor);
        let accept = vec![settle(Settlement::Accepted), Change::InsertMembership(joined)];
        let may_invite = Guard::MayInvite { user: user(2), org };
        let demoted =
            Change::UpdateMembership { org, member: user(2), role: OrgRole::Viewer, at: moment(9) };
        let mut commits = vec![
            guarded(vec![may_invite], accept.clone()),
            guarded(vec![may_invite], accept),
            commit(vec![settle(Settlement::Declined)]),
            guarded(vec![admin(user(1))], vec![settle(Settlement::Revoked)]),
        ];
        match round % 4 {
            0 => commits.push(guarded(vec![admin(user(1))], vec![demoted])),
            1 => commits.push(guarded(
                vec![admin(user(1))],
                vec![Change::RemoveMembership { org, member: user(2) }],
            )),
            2 => commits.push(guarded(vec![admin(user(1))], vec![Change::RemoveOrg(org)])),
            _ => {}
        }
        let outcomes = at_once(&store, commits).await;
        let answered = outcomes.iter().take(4).filter(|outcome| **outcome == "ok").count();
        let refusals = ["ok", "invite_answered", "invite_void", "not_found"];
        assert!(outcomes.iter().all(|told| refusals.contains(told)), "{round}: {outcomes:?}");
        let member = store.membership(org, invitee).await.unwrap().is_some();
        match store.invite(id).await.unwrap() {
            None => assert!(round % 4 == 2 && !member, "{round}: {outcomes:?}"),
            Some(found) => {
                let ended = found.invite.state;
                assert_ne!(ended, InviteState::Pending, "{round}: {outcomes:?}");
                assert_eq!(ended == InviteState::Accepted, member, "{round}: {outcomes:?}");
                // The removal of the inviter revokes, too.
                let removed = round % 4 == 1 && ended == InviteState::Revoked;
                assert!(answered == 1 || removed && answered == 0, "{round}: {outcomes:?}");
                given(&store, vec![Change::RemoveOrg(org)]).await;
            }
        }
    }
}

/// Of two who invite somebody at the same moment, or of one who invites and one who adds them, both or one
/// may succeed, but there is never a second pending invite.
pub async fn d81_one_of_two_invites_wins(store: AnyStore) {
    let org = org_id(1);
    given(
        &store,
        vec![
            Change::InsertOrg(crate::sample::org(1, "acme")),
            Change::InsertMembership(membership(org, user(1), OrgRole::Owner)),
        ],
    )
    .await;
    let guard = Guard::InOrg { user: user(1), org, action: Action::Admin };
    for round in 0..20_u32 {
        let invitee = user(100 + round);
        let made = |number| {
            let invite = invite(number, org, Some(invitee), OrgRole::Viewer);
            guarded(vec![guard], vec![Change::InsertInvite(invite)])
        };
        let mut outcomes = at_once(&store, vec![made(2 * round), made(2 * round + 1)]).await;
        outcomes.sort_unstable();
        assert_eq!(outcomes, ["already_exists", "ok"], "{round}");
        let joins = membership(org, user(200 + round), OrgRole::Viewer);
        let offer = invite(1_000 + round, org, Some(user(200 + round)), OrgRole::Viewer);
        let outcomes = at_once(
            &store,
            vec![
                guarded(vec![guard], vec![Change::InsertInvite(offer)]),
                guarded(vec![guard], vec![Change::InsertMembership(joins)]),
            ],
        )
        .await;
        // Whoever was added first is not invited any more.
        let fair = [["ok", "ok"], ["already_exists", "ok"]];
        assert!(fair.iter().any(|fair| outcomes == fair), "{round}: {outcomes:?}");
    }
}

/// at whatever point the caller stops waiting, the store goes on working.
pub async fn a_caller_who_hangs_up_leaves_all_or_nothing(store: AnyStore) {
    for round in 1..=30 {
        let owner = membership(org_id(round), user(1), OrgRole::Owner);
        let changes = vec![Change::InsertOrg(org(round, "acme")), Change::InsertMembership(owner)];
        let patience = Duration::from_micros(u64::from(round) * 150);
        let answered = tokio::time::timeout(patience, store.commit(commit(changes))).await;
        let standing = store.standing(user(1), Some(org_id(round))).await.unwrap();
        assert_eq!(standing.org_exists, standing.org.is_some(), "round {round}");
        if let Ok(result) = answered {
            result.unwrap();
            assert!(standing.org_exists, "round {round}: answered and not there");
        }
    }
    let before = store.revision().await.unwrap();
    given(&store, vec![Change::InsertOrg(org(99, "after"))]).await;
    let after = store.revision().await.unwrap();
    let recorded: BTreeSet<_> =
        store.records(0, 1_000).await.unwrap().iter().map(|record| record.revision).collect();
    assert!(after > before && recorded == (1..=after).collect(), "no gap and no half");
}

/// everyday work on the same org succeeds, whatever else happens to it at the same time.
pub async fn writers_on_one_org_do_not_stop_each_other(store: AnyStore) {
    const WRITERS: u32 = 8;
    const EACH: u32 = 10;
    let owner = membership(org_id(1), user(1), OrgRole::Owner);
    given(&store, vec![Change::InsertOrg(org(1, "acme")), Change::InsertMembership(owner)]).await;
    let mut writers: JoinSet<Result<()>> = JoinSet::new();
    for writer in 0..WRITERS {
        let store = store.clone();
        writers.spawn(async move {
            let guard = Guard::InOrg { user: user(1), org: org_id(1), action: Action::Admin };
            for number in 0..EACH {
                let member = user(100 + writer * EACH + number);
                let joined = membership(org_id(1), member, OrgRole::Viewer);
                let renamed = edit(org_id(1), &format!("by writer {writer}"));
                let changes = vec![Change::InsertMembership(joined), Change::UpdateOrg(renamed)];
                store.commit(guarded(vec![guard], changes)).await?;
            }
            Ok(())
        });
    }
    while let Some(written) = writers.join_next().await {
        written.unwrap().unwrap();
    }
    assert_eq!(store.revision().await.unwrap(), i64::from(1 + WRITERS * EACH));
}

/// however many write memberships of the same orgs at the same time, in one commit or in several,
/// guarded or not, the totals are what there is.
pub async fn totals_are_right_whoever_races(store: AnyStore) {
    const WRITERS: u32 = 8;
    for round in 1..=3 {
        let orgs = [org_id(round * 10), org_id(round * 10 + 1), org_id(round * 10 + 2)];
        for org in orgs {
            let id = round * 10;
            let founded = Org { id: org, ..crate::sample::org(id, "acme") };
            let owner = membership(org, user(1), OrgRole::Owner);
            given(&store, vec![Change::InsertOrg(founded), Change::InsertMembership(owner)]).await;
        }
        let mut writers = JoinSet::new();
        for writer in 0..WRITERS {
            let store = store.clone();
            writers.spawn(async move {
                let at = moment(9);
                for number in 0..6 {
                    let member = user(100 + writer * 10 + number);
                    let mut changes = Vec::new();
                    for org in orgs {
                        let joined = membership(org, member, OrgRole::Viewer);
                        changes.push(Change::InsertMembership(joined));
                        let role = if number % 2 == 0 { OrgRole::Admin } else { OrgRole::Editor };
                        changes.push(Change::UpdateMembership { org, member, role, at });
                    }
                    // Half of them meet the others' orgs in another order, with nothing held before.
                    if writer % 2 == 0 {
                        changes.sort_by_key(|change| match change {
                            Change::InsertMembership(joined) => std::cmp::Reverse(joined.org),
                            Change::UpdateMembership { org, .. } => std::cmp::Reverse(*org),
                            _ => std::cmp::Reverse(orgs[0]),
                        });
                    }
                    store.commit(commit(changes)).await.unwrap();
                    if number % 3 == 0 {
                        let leave = |org| Change::RemoveMembership { org, member };
                        store.commit(commit(orgs.map(leave).into())).await.unwrap();
                    }
                }
            });
        }
        while let Some(written) = writers.join_next().await {
            written.unwrap();
        }
        for org in orgs {
            assert_eq!(counted(&store, org).await, 1 + u64::from(WRITERS) * 4);
        }
        given(&store, vec![Change::RemoveOrg(orgs[1])]).await;
        assert_eq!(counted(&store, orgs[1]).await, 0);
    }
}
