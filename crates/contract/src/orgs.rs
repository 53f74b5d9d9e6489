//! Orgs.

use auth_domain::Timestamp;
use auth_domain::change::Change;
use auth_domain::error::{Entity, Error};
use auth_domain::model::{
    Description, Direction, Metadata, Name, Org, OrgEdit, OrgOrder, OrgQuery, OrgRole,
};
use serde_json::json;

use crate::AnyStore;
use crate::sample::{apply, edit, given, membership, metadata, moment, org, org_id, page, user};

/// As long as they may be, in any script, with any metadata, at both ends of time.
pub async fn an_org_reads_back_as_written(store: AnyStore) {
    let plain = org(1, "acme");
    let full = Org {
        name: "日本 – ‘Zürich’ \u{1f980}".parse().unwrap(),
        description: "two\nlines\tand 'quotes' \"too\" \\ %_".parse().unwrap(),
        metadata: metadata(json!({
            "text": "\u{1f980} \u{202e} \\ \" é", "whole": -7, "large": 9_007_199_254_740_993_i64,
            "floats": [1e17, 1e19, -1e19, 1.5e25, 1e300, -1e300, 1e-300], "part": 0.1, "tiny": 1e-7, "yes": true, "none": null, "": "",
            "deep": { "list": [1, [2, {}], { "three": 3.5 }] },
        })),
        updated_at: moment(99),
        ..org(2, "full")
    };
    let extreme = Org {
        name: "é".repeat(Name::MAX).parse().unwrap(),
        description: "d".repeat(Description::MAX).parse().unwrap(),
        metadata: metadata(json!({ "x": "y".repeat(16_000) })),
        created_at: Timestamp::from_micros(i64::MIN),
        updated_at: Timestamp::from_micros(i64::MAX),
        ..org(3, "extreme")
    };
    for written in [plain, full, extreme] {
        given(&store, vec![Change::InsertOrg(written.clone())]).await;
        assert_eq!(store.org(written.id).await.unwrap(), Some(written.clone()));
        let query = OrgQuery { name: written.name.as_str().into(), ..OrgQuery::default() };
        let page = page(0, 10, OrgOrder::Id, Direction::Ascending);
        assert_eq!(store.orgs(&query, page).await.unwrap().items, [written]);
    }
    assert_eq!(store.org(org_id(9)).await.unwrap(), None);
}

/// Whoever owns it.
pub async fn a_taken_id_is_refused(store: AnyStore) {
    let first = org(1, "acme");
    given(&store, vec![Change::InsertOrg(first.clone())]).await;
    for owner in [user(1), user(2)] {
        let again = Org { owner, ..org(1, "again") };
        let error = apply(&store, vec![Change::InsertOrg(again)]).await.unwrap_err();
        assert!(matches!(error, Error::AlreadyExists(Entity::Org)), "{error:?}");
    }
    assert_eq!(store.org(first.id).await.unwrap(), Some(first));
}

/// Name, description, metadata and time; nothing else, and nothing is merged.
pub async fn an_update_replaces_what_may_change(store: AnyStore) {
    let before = Org { metadata: metadata(json!({ "a": 1, "b": 2 })), ..org(1, "before") };
    let neighbour = org(2, "neighbour");
    given(&store, vec![Change::InsertOrg(before.clone()), Change::InsertOrg(neighbour.clone())])
        .await;
    let edit = OrgEdit {
        description: "new".parse().unwrap(),
        metadata: metadata(json!({ "b": 3 })),
        ..edit(before.id, "After")
    };
    given(&store, vec![Change::UpdateOrg(edit.clone())]).await;
    let expected = Org {
        name: edit.name.clone(),
        description: edit.description.clone(),
        metadata: edit.metadata.clone(),
        updated_at: edit.updated_at,
        ..before
    };
    assert_eq!(store.org(org_id(1)).await.unwrap(), Some(expected));
    assert_eq!(store.org(org_id(2)).await.unwrap(), Some(neighbour));

    let cleared = OrgEdit { metadata: Metadata::default(), ..edit };
    given(&store, vec![Change::UpdateOrg(cleared)]).await;
    assert!(store.org(org_id(1)).await.unwrap().unwrap().metadata.is_empty());

    // It is found by its new name only.
    for (name, total) in [("after", 1), ("before", 0)] {
        let query = OrgQuery { name: name.into(), ..OrgQuery::default() };
        let page = page(0, 10, OrgOrder::Id, Direction::Ascending);
        assert_eq!(store.orgs(&query, page).await.unwrap().total, total, "{name}");
    }
}

/// An update never founds.
pub async fn an_update_needs_the_org(store: AnyStore) {
    let error = apply(&store, vec![Change::UpdateOrg(edit(org_id(1), "x"))]).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(Entity::Org)), "{error:?}");
    assert_eq!(store.org(org_id(1)).await.unwrap(), None);
}

/// Those in other orgs stay, and a new org with the same id starts without members.
pub async fn removing_an_org_takes_its_memberships(store: AnyStore) {
    for number in [1, 2] {
        let owner = membership(org_id(number), user(1), OrgRole::Owner);
        given(
            &store,
            vec![Change::InsertOrg(org(number, "acme")), Change::InsertMembership(owner)],
        )
        .await;
    }
    given(&store, vec![Change::RemoveOrg(org_id(1))]).await;
    assert_eq!(store.org(org_id(1)).await.unwrap(), None);
    given(&store, vec![Change::InsertOrg(org(1, "again"))]).await;
    let gone = store.standing(user(1), Some(org_id(1))).await.unwrap();
    assert_eq!((gone.org_exists, gone.org), (true, None));
    let kept = store.standing(user(1), Some(org_id(2))).await.unwrap();
    assert_eq!(kept.org, Some(OrgRole::Owner));
}

/// Also within one commit, of which nothing stays then.
pub async fn an_org_is_removed_once(store: AnyStore) {
    given(&store, vec![Change::InsertOrg(org(1, "acme"))]).await;
    let removal = || Change::RemoveOrg(org_id(1));
    let error = apply(&store, vec![removal(), removal()]).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(Entity::Org)), "{error:?}");
    assert!(store.org(org_id(1)).await.unwrap().is_some());
    given(&store, vec![removal()]).await;
    let error = apply(&store, vec![removal()]).await.unwrap_err();
    assert!(matches!(error, Error::NotFound(Entity::Org)), "{error:?}");
}
