//! The audit trail.

use std::sync::Arc;

use auth_domain::audit::verify::{Acknowledged, Finding, Verdict, Verifier};
use auth_domain::audit::{AuditQuery, AuditRecord, Context, Entry, Origin, Trail};
use auth_domain::backup::Rows;
use auth_domain::change::{Change, Commit, Guard, Imported, Restored};
use auth_domain::fact::Fact;
use auth_domain::model::{
    EntityType, GroupRole, OrgRole, Part, PlatformRole, RoleHolder, SessionEnd, Settlement, UserId,
};
use serde_json::{Value, json};

use crate::AnyStore;
use crate::sample::{
    Toy, account, audit, commit, edit, given, grant, group, group_id, guarded, invite, invite_id,
    key, key_id, membership, moment, new_session, org, org_id, platform_invite, platform_invite_id,
    session_id, signing_key, user,
};

/// All records of a trail.
pub async fn records(store: &AnyStore, trail: Trail) -> Vec<AuditRecord> {
    store.audit_after(trail, i64::MIN, 100_000).await.unwrap()
}

/// What the verifier says of a trail.
pub async fn verdict(store: &AnyStore, trail: Trail) -> Verdict {
    let head = store.audit_head(trail).await.unwrap();
    let mut verifier = Verifier::new(&Toy, head, None);
    for record in &records(store, trail).await {
        verifier.read(record);
    }
    verifier.finish()
}

/// That the trail is as it was written.
pub async fn sound(store: &AnyStore, trail: Trail) -> Verdict {
    let verdict = verdict(store, trail).await;
    assert_eq!(verdict.findings, []);
    verdict
}

/// One change of every kind, each of which can be applied after those before it.
#[must_use]
pub fn every_kind() -> Vec<Change> {
    let (org1, member) = (org_id(1), user(2));
    vec![
        Change::InsertAccount(account(1, "one@example.com")),
        Change::PutPlatformRole { user: user(1), role: PlatformRole::Root },
        Change::PutPlatformRole { user: user(2), role: PlatformRole::Admin },
        Change::RemovePlatformRole { user: user(2) },
        Change::InsertKey(key(1, user(1))),
        Change::RemoveKey { id: key_id(1), issuer: user(1) },
        Change::BeginSession {
            session: new_session(1),
            proved: account(1, "one@example.com").password,
        },
        Change::EndSession { id: session_id(1), user: user(1), why: SessionEnd::ByUser },
        Change::EndSessions { user: user(1), until: moment(5) },
        Change::WithdrawSigningKey { key: signing_key(1), at: moment(5) },
        Change::InsertOrg(org(1, "acme")),
        Change::UpdateOrg(edit(org1, "other")),
        Change::InsertMembership(membership(org1, user(1), OrgRole::Owner)),
        Change::InsertMembership(membership(org1, member, OrgRole::Viewer)),
        Change::UpdateMembership { org: org1, member, role: OrgRole::Admin, at: moment(3) },
        Change::InsertInvite(invite(1, org1, Some(user(3)), OrgRole::Editor)),
        Change::SettleInvite {
            id: invite_id(1),
            org: org1,
            invitee: Some(user(3)),
            to: Settlement::Revoked,
        },
        Change::InsertPlatformInvite(platform_invite(1, "new@example.com")),
        Change::SettlePlatformInvite { id: platform_invite_id(1), to: Settlement::Revoked },
        Change::InsertGroup(group(1, None)),
        Change::InsertGroup(group(2, None)),
        Change::MoveGroup { id: group_id(2), parent: Some(group_id(1)), at: moment(4) },
        Change::AssignMembers {
            group: group_id(1),
            kind: "things".parse::<EntityType>().unwrap(),
            members: vec!["a-thing".parse().unwrap()],
            at: moment(4),
        },
        Change::UnassignMembers { group: group_id(1), members: vec!["a-thing".parse().unwrap()] },
        Change::PutGroupRole(grant(1, member, GroupRole::Viewer)),
        Change::PutGroupRole(grant(1, member, GroupRole::Editor)),
        Change::RemoveGroupRole { group: group_id(1), user: member },
        Change::RemoveGroup { id: group_id(1), subtree: true },
        Change::TransferOrg { org: org1, from: user(1), to: member, at: moment(4) },
        Change::RemoveMembership { org: org1, member: user(1) },
        Change::RemoveOrg(org1),
        Change::NoteRestore(Restored {
            instance: None,
            revision: None,
            created: 1,
            left_out: 0,
            revived: false,
        }),
        Change::NoteImport(Imported { created: 1, left_out: 0 }),
        Change::NotePasswordsRead,
        Change::RenumberAccount { from: user(1), to: user(9) },
    ]
}

/// Whatever the change log says, the trail says it as well, in the same order.
pub async fn every_fact_has_its_record(store: AnyStore) {
    let mut expected = Vec::new();
    for change in every_kind() {
        let facts = Fact::of(&change);
        // A sign-in is among the attempts; it is here for the session that is ended.
        let signs_in = matches!(change, Change::BeginSession { .. });
        assert_eq!(facts.is_empty(), signs_in, "{change:?}");
        expected.extend(facts);
        store.commit(commit(vec![change])).await.unwrap();
    }
    let records = records(&store, Trail::Changes).await;
    assert_eq!(records.len(), expected.len());
    for ((record, fact), place) in records.iter().zip(&expected).zip(1..) {
        let Entry { action, subject, object, outcome, count, details, .. } = &record.entry;
        assert_eq!((record.place, action.as_str()), (place, fact.kind));
        assert_eq!((subject, object), (&fact.subject, &fact.object));
        assert_eq!((outcome.as_str(), *count), ("ok", 1));
        let mut details: Value = serde_json::from_str(details).unwrap();
        details.as_object_mut().unwrap().remove("role_before");
        assert_eq!(details, fact.payload, "{}", fact.kind);
    }
    assert_eq!(sound(&store, Trail::Changes).await.records, 34);
}

/// The commit's own words, and for a group the org in which the operation was authorized.
pub async fn a_record_says_who_from_where_and_in_which_org(store: AnyStore) {
    let origin = Origin {
        peer: Some("192.0.2.7".parse().unwrap()),
        request: Some("a-request".to_owned()),
        trace: Some("a-trace".to_owned()),
    };
    let context = Context { operation: "an_operation", origin, org: Some(org_id(1)), ..audit() };
    let changes = vec![
        Change::InsertKey(key(1, user(1))),
        Change::InsertOrg(org(1, "acme")),
        Change::InsertMembership(membership(org_id(1), user(1), OrgRole::Owner)),
        Change::InsertInvite(invite(1, org_id(1), Some(user(3)), OrgRole::Editor)),
        Change::InsertGroup(group(1, None)),
        Change::RemoveGroup { id: group_id(1), subtree: false },
    ];
    let actor = format!("user:{}/key:{}", user(1), key_id(9));
    let commit = Commit { actor: actor.clone(), at: moment(7), audit: context, ..commit(changes) };
    store.commit(commit).await.unwrap();
    let records = records(&store, Trail::Changes).await;
    for AuditRecord { entry, .. } in &records {
        assert_eq!((&entry.actor, entry.actor_kind(), entry.at), (&actor, "key", moment(7)));
        assert_eq!(entry.operation, "an_operation");
        assert_eq!(entry.peer.as_deref(), Some("192.0.2.7"));
        assert_eq!(entry.request.as_deref(), Some("a-request"));
        assert_eq!(entry.trace.as_deref(), Some("a-trace"));
    }
    let orgs: Vec<_> = records.iter().map(|record| record.entry.org.clone()).collect();
    let one = Some(org_id(1).to_string());
    assert_eq!(orgs, [None, one.clone(), one.clone(), one.clone(), one.clone(), one]);
}

/// As they were when the change was made.
pub async fn roles_are_told_old_and_new(store: AnyStore) {
    given(&store, every_kind()).await;
    let told = |records: Vec<AuditRecord>, kind: &str| -> Vec<Value> {
        let of_kind = records.into_iter().filter(|record| record.entry.action == kind);
        of_kind.map(|record| serde_json::from_str(&record.entry.details).unwrap()).collect()
    };
    let all = records(&store, Trail::Changes).await;
    for (kind, expected) in [
        ("platform_role.assign", vec![json!({ "role": "root" }), json!({ "role": "admin" })]),
        ("platform_role.remove", vec![json!({ "role_before": "admin" })]),
        ("membership.update", vec![json!({ "role": "admin", "role_before": "viewer" })]),
        ("membership.remove", vec![json!({ "role_before": "admin" })]),
        (
            "group_role.assign",
            vec![json!({ "role": "viewer" }), json!({ "role": "editor", "role_before": "viewer" })],
        ),
        ("group_role.remove", vec![json!({ "role_before": "editor" })]),
        ("org.transfer", vec![json!({ "from": user(1).to_string(), "to": user(2).to_string() })]),
    ] {
        assert_eq!(told(all.clone(), kind), expected, "{kind}");
    }
    let again = vec![Change::PutPlatformRole { user: user(2), role: PlatformRole::Admin }];
    given(&store, again).await;
    given(&store, vec![Change::PutPlatformRole { user: user(2), role: PlatformRole::Root }]).await;
    let last = records(&store, Trail::Changes).await.pop().unwrap();
    assert_eq!(last.entry.details, r#"{"role":"root","role_before":"admin"}"#);
}

/// A change that fails, and a guard that does.
pub async fn a_failed_commit_leaves_no_record(store: AnyStore) {
    let failing = vec![
        Change::InsertOrg(org(1, "acme")),
        Change::InsertMembership(membership(org_id(9), user(1), OrgRole::Owner)),
    ];
    store.commit(commit(failing)).await.unwrap_err();
    let guards = vec![
        Guard::SessionLives { user: user(1), issued_at: 0 },
        Guard::OnPlatform { user: user(1), needed: PlatformRole::Root },
    ];
    let changes = vec![Change::InsertOrg(org(1, "acme"))];
    store.commit(guarded(guards, changes.clone())).await.unwrap_err();
    // This one is checked after the records were written.
    given(&store, vec![Change::EndSessions { user: user(1), until: moment(5) }]).await;
    let guards = vec![Guard::SessionLives { user: user(1), issued_at: 0 }];
    store.commit(guarded(guards, changes)).await.unwrap_err();
    assert_eq!(sound(&store, Trail::Changes).await.records, 1);
}

/// Nobody can tell that it happened.
pub async fn what_has_no_fact_has_no_record(store: AnyStore) {
    given(&store, vec![]).await;
    given(&store, vec![Change::PurgeKeys { expired_before: moment(0) }]).await;
    assert_eq!(records(&store, Trail::Changes).await, []);
    assert_eq!(sound(&store, Trail::Changes).await.end.0, 0);
}

/// Part by part, and all or nothing.
pub async fn a_restore_leaves_its_records_or_none(store: AnyStore) {
    let holders = |from: u32, to: u32| -> Change {
        let holder = |number| RoleHolder { user: user(number), role: PlatformRole::Admin };
        Change::InsertRows(Rows::PlatformRoles((from..to).map(holder).collect()))
    };
    let mut dropped = store.restoring(commit(vec![])).await.unwrap();
    for part in 0..25 {
        dropped.apply(&holders(part * 1_000, (part + 1) * 1_000)).await.unwrap();
    }
    drop(dropped);
    assert_eq!(records(&store, Trail::Changes).await, []);
    let mut kept = store.restoring(commit(vec![])).await.unwrap();
    for part in 0..21 {
        kept.apply(&holders(part * 1_000, (part + 1) * 1_000)).await.unwrap();
    }
    kept.commit().await.unwrap();
    assert_eq!(sound(&store, Trail::Changes).await.records, 21_000);
}

/// Whoever comes second chains to whoever came first.
pub async fn racing_commits_make_one_chain(store: AnyStore) {
    let writers = (0..8_u32).map(|writer| {
        let store = Arc::clone(&store);
        tokio::spawn(async move {
            for number in 0..10 {
                given(&store, vec![Change::InsertKey(key(writer * 100 + number, user(writer)))])
                    .await;
            }
        })
    });
    for writer in writers.collect::<Vec<_>>() {
        writer.await.unwrap();
    }
    let verdict = sound(&store, Trail::Changes).await;
    assert_eq!((verdict.records, verdict.end.0), (80, 80));
}

/// What was refused, and how often.
fn refusal(number: i64, times: i64) -> Entry {
    Entry {
        count: times,
        outcome: "forbidden".to_owned(),
        operation: "grant_role".to_owned(),
        ..Entry::own("", "refusal", moment(number), &json!({}))
    }
}

/// Two trails, each with its own places and its own end.
pub async fn attempts_are_a_chain_of_their_own(store: AnyStore) {
    given(&store, vec![Change::InsertOrg(org(1, "acme"))]).await;
    let entries = vec![refusal(1, 1), refusal(2, 900)];
    store.note(Trail::Attempts, entries.clone(), &Toy).await.unwrap();
    store.note(Trail::Attempts, vec![refusal(3, 1)], &Toy).await.unwrap();
    given(&store, vec![Change::InsertOrg(org(2, "other"))]).await;
    assert_eq!(sound(&store, Trail::Changes).await.records, 2);
    assert_eq!(sound(&store, Trail::Attempts).await.records, 3);
    let noted = records(&store, Trail::Attempts).await;
    assert_eq!(noted.iter().map(|record| record.place).collect::<Vec<_>>(), [1, 2, 3]);
    assert_eq!(noted[1].entry, entries[1]);
    assert_eq!(store.revision().await.unwrap(), 2, "it is no commit");
}

fn query(trail: Trail) -> AuditQuery {
    AuditQuery { trail, org: None, actor: None, action: None, object: None, from: None, to: None }
}

/// By every filter, and part by part.
pub async fn records_are_listed_newest_first_and_filtered(store: AnyStore) {
    let by =
        |actor: String, second, changes| Commit { actor, at: moment(second), ..commit(changes) };
    let founded = |number| {
        vec![
            Change::InsertOrg(org(number, "acme")),
            Change::InsertMembership(membership(org_id(number), user(number), OrgRole::Owner)),
        ]
    };
    let (one, ten) = (format!("user:{}", user(1)), format!("user:{}", user(10)));
    let key_of_one = format!("{one}/key:{}", key_id(1));
    for commit in [
        by(one.clone(), 1, founded(1)),
        by(ten.clone(), 2, founded(2)),
        by(key_of_one.clone(), 3, vec![Change::UpdateOrg(edit(org_id(1), "other"))]),
    ] {
        store.commit(commit).await.unwrap();
    }
    let all = Part { offset: 0, limit: 100, after: None };
    let place = |record: &AuditRecord| record.place;
    let wanted = |query: AuditQuery| {
        let (store, all) = (Arc::clone(&store), all.clone());
        async move { store.audit(&query, &all).await.unwrap().iter().map(place).collect::<Vec<_>>() }
    };
    let changes = || query(Trail::Changes);
    assert_eq!(wanted(changes()).await, [5, 4, 3, 2, 1]);
    assert_eq!(wanted(query(Trail::Attempts)).await, [0_i64; 0]);
    assert_eq!(wanted(AuditQuery { org: Some(org_id(1)), ..changes() }).await, [5, 2, 1]);
    assert_eq!(wanted(AuditQuery { org: Some(org_id(2)), ..changes() }).await, [4, 3]);
    assert_eq!(wanted(AuditQuery { actor: Some(one), ..changes() }).await, [5, 2, 1]);
    assert_eq!(wanted(AuditQuery { actor: Some(key_of_one), ..changes() }).await, [5]);
    assert_eq!(wanted(AuditQuery { actor: Some(ten), ..changes() }).await, [4, 3]);
    let action = Some("org.create".to_owned());
    assert_eq!(wanted(AuditQuery { action, ..changes() }).await, [3, 1]);
    let object = |id: UserId| Some(id.to_string());
    assert_eq!(wanted(AuditQuery { object: object(user(2)), ..changes() }).await, [4]);
    let object = Some(org_id(2).to_string());
    assert_eq!(wanted(AuditQuery { object, ..changes() }).await, [4, 3]);
    assert_eq!(wanted(AuditQuery { from: Some(moment(2)), ..changes() }).await, [5, 4, 3]);
    assert_eq!(wanted(AuditQuery { to: Some(moment(2)), ..changes() }).await, [2, 1]);

    let part = Part { offset: 0, limit: 2, after: Some(4) };
    let found = store.audit(&changes(), &part).await.unwrap();
    assert_eq!(found.iter().map(place).collect::<Vec<_>>(), [3, 2]);
    let part = Part { offset: 3, limit: 1, after: None };
    let found = store.audit(&changes(), &part).await.unwrap();
    assert_eq!(found.iter().map(place).collect::<Vec<_>>(), [2]);
}

/// The oldest go, the last stays whatever its age, and what is left begins with what was sealed.
pub async fn a_trimmed_trail_is_still_proved(store: AnyStore) {
    for number in 1..=6_u32 {
        let changes = vec![Change::InsertOrg(org(number, "acme"))];
        let old = Commit { at: moment(i64::from(number)), ..commit(changes) };
        store.commit(old).await.unwrap();
    }
    let before = sound(&store, Trail::Changes).await;
    let trim = async |older_than| {
        store.trim(Trail::Changes, moment(older_than), moment(10), &Toy).await.unwrap()
    };
    assert_eq!(trim(1).await, 0);
    assert_eq!(trim(4).await, 3);
    let verdict = sound(&store, Trail::Changes).await;
    assert_eq!((verdict.first, verdict.records, verdict.end.0), (4, 4, 7));
    let last = records(&store, Trail::Changes).await.pop().unwrap().entry;
    assert_eq!((last.action.as_str(), last.actor.as_str()), ("audit.trim", "system"));
    assert!(last.details.contains("\"up_to\":3"), "{}", last.details);
    assert_eq!(trim(100).await, 3);
    let verdict = sound(&store, Trail::Changes).await;
    assert_eq!((verdict.first, verdict.records, verdict.end.0), (7, 2, 8));
    given(&store, vec![Change::InsertOrg(org(9, "acme"))]).await;
    assert_eq!(sound(&store, Trail::Changes).await.end.0, 9);

    // What was kept of an earlier end is looked for, and gone.
    let head = store.audit_head(Trail::Changes).await.unwrap();
    let mut verifier = Verifier::new(&Toy, head, Some(before.end));
    for record in &records(&store, Trail::Changes).await {
        verifier.read(record);
    }
    assert_eq!(verifier.finish().findings, [], "it is what the trail begins after");
    store.note(Trail::Attempts, vec![refusal(1, 1), refusal(2, 1)], &Toy).await.unwrap();
    assert_eq!(store.trim(Trail::Attempts, moment(9), moment(10), &Toy).await.unwrap(), 1);
    assert_eq!(sound(&store, Trail::Attempts).await.first, 2);
}

/// A seal by nobody's key: the next record says so, for ever, and nothing is trimmed until it does.
pub async fn an_end_that_was_tampered_with_is_noted(store: AnyStore) {
    given(&store, vec![Change::InsertOrg(org(1, "acme"))]).await;
    store.note(Trail::Attempts, vec![refusal(1, 1), refusal(2, 1)], &Stranger).await.unwrap();
    assert_eq!(verdict(&store, Trail::Attempts).await.findings, [Finding::Unsealed(2)]);
    assert_eq!(store.trim(Trail::Attempts, moment(9), moment(10), &Toy).await.unwrap(), 0);
    store.note(Trail::Attempts, vec![refusal(3, 1)], &Toy).await.unwrap();
    let before = verdict(&store, Trail::Attempts).await;
    assert_eq!((before.records, before.findings), (4, vec![Finding::FoundUnsealed(3)]));

    // The operator explains it, in that trail and under its seal. What is not there cannot be explained.
    let mut said = Entry { action: "audit.acknowledge".to_owned(), ..refusal(5, 1) };
    (said.object, said.details) = ("3".to_owned(), json!({ "reason": "a new key" }).to_string());
    for object in ["2", "7", "x", ""] {
        let other = Entry { object: object.to_owned(), ..said.clone() };
        store.note(Trail::Attempts, vec![other], &Toy).await.unwrap();
    }
    let still = verdict(&store, Trail::Attempts).await;
    assert_eq!((still.findings, still.acknowledged), (vec![Finding::FoundUnsealed(3)], vec![]));
    store.note(Trail::Attempts, vec![said.clone()], &Toy).await.unwrap();
    let explained = sound(&store, Trail::Attempts).await.acknowledged;
    let by = Acknowledged { place: 3, by: 9, reason: "a new key".to_owned() };
    assert_eq!(explained, std::slice::from_ref(&by));
    // Whoever says it without the key is found out by the next seal, and that is not explained.
    store.note(Trail::Attempts, vec![said], &Stranger).await.unwrap();
    store.note(Trail::Attempts, vec![refusal(6, 1)], &Toy).await.unwrap();
    let forged = verdict(&store, Trail::Attempts).await;
    assert_eq!(
        (forged.findings, forged.acknowledged),
        (vec![Finding::FoundUnsealed(11)], vec![by])
    );
}

/// Seals by another key.
#[derive(Debug)]
struct Stranger;

impl auth_domain::audit::Notary for Stranger {
    fn digest(&self, bytes: &[u8]) -> auth_domain::audit::Digest {
        Toy.digest(bytes)
    }

    fn seal(&self, bytes: &[u8]) -> auth_domain::audit::Digest {
        Toy.seal(&[b"by a stranger ", bytes].concat())
    }

    fn is_seal(&self, _: &[u8], _: &[u8]) -> bool {
        true
    }
}
