//! Lists of orgs: who sees which, filters, order, pages.

use auth_domain::change::Change;
use auth_domain::model::{
    Direction, MAX_LIMIT, Metadata, Org, OrgOrder, OrgQuery, OrgRole, UserId,
};
use serde_json::{Value, json};

use crate::AnyStore;
use crate::sample::{given, membership, metadata, moment, org, org_id, page, user};

async fn names(store: &AnyStore, query: OrgQuery) -> Vec<String> {
    let page = page(0, MAX_LIMIT, OrgOrder::Id, Direction::Ascending);
    let listing = store.orgs(&query, page).await.unwrap();
    assert_eq!(listing.total, listing.items.len() as u64);
    listing.items.into_iter().map(|org| org.name.as_str().to_owned()).collect()
}

fn named(name: &str) -> OrgQuery {
    OrgQuery { name: name.into(), ..OrgQuery::default() }
}

fn of(member: UserId) -> OrgQuery {
    OrgQuery { member: Some(member), ..OrgQuery::default() }
}

fn with(value: Value) -> OrgQuery {
    OrgQuery { metadata: metadata(value), ..OrgQuery::default() }
}

async fn found(store: &AnyStore, named: &[&str]) {
    for (number, name) in (1..).zip(named) {
        given(store, vec![Change::InsertOrg(org(number, name))]).await;
    }
}

/// Owning an org is not belonging to it: the membership counts.
pub async fn everybody_sees_all_or_only_their_own(store: AnyStore) {
    found(&store, &["a", "b", "c"]).await;
    for (org, member) in [(1, 5), (3, 5), (3, 6)] {
        let joined = membership(org_id(org), user(member), OrgRole::Viewer);
        given(&store, vec![Change::InsertMembership(joined)]).await;
    }
    assert_eq!(names(&store, OrgQuery::default()).await, ["a", "b", "c"]);
    assert_eq!(names(&store, of(user(5))).await, ["a", "c"]);
    assert_eq!(names(&store, of(user(6))).await, ["c"]);
    assert!(names(&store, of(user(1))).await.is_empty());
}

/// Any part of the name, in any case.
pub async fn names_match_in_any_case(store: AnyStore) {
    found(&store, &["Acme Works", "ACME", "other"]).await;
    for needle in ["acme", "ACME", "Cm"] {
        assert_eq!(names(&store, named(needle)).await, ["Acme Works", "ACME"], "{needle}");
    }
    assert_eq!(names(&store, named("e w")).await, ["Acme Works"]);
    assert_eq!(names(&store, named("")).await.len(), 3);
    assert!(names(&store, named("acme works ltd")).await.is_empty());
}

/// What is a pattern or a quote in SQL is a character here.
pub async fn wildcards_in_names_mean_themselves(store: AnyStore) {
    let all = ["100%", "under_score", r"back\slash", "it's", "plain", "100"];
    found(&store, &all).await;
    for (needle, expected) in [
        ("%", vec!["100%"]),
        ("_", vec!["under_score"]),
        (r"\", vec![r"back\slash"]),
        ("'", vec!["it's"]),
        (r"\_", vec![]),
        ("1%", vec![]),
        ("r_s", vec!["under_score"]),
        ("0%", vec!["100%"]),
        ("' OR 1=1 --", vec![]),
    ] {
        assert_eq!(names(&store, named(needle)).await, expected, "{needle}");
    }
}

/// At least as they are written.
pub async fn names_are_searched_beyond_ascii(store: AnyStore) {
    found(&store, &["日本支社", "naïve café", "\u{1f980} crabs"]).await;
    for (needle, expected) in
        [("本支", "日本支社"), ("ïve CAF", "naïve café"), ("\u{1f980}", "\u{1f980} crabs")]
    {
        assert_eq!(names(&store, named(needle)).await, [expected], "{needle}");
    }
}

/// Everything in the filter is in the org's metadata, at the same place.
pub async fn metadata_filters_by_containment(store: AnyStore) {
    let all = [
        ("none", json!({})),
        ("flat", json!({ "a": 1, "b": "x", "n": null })),
        ("deep", json!({ "a": 2, "o": { "p": [1, { "q": true }], "r": "s" } })),
        ("text", json!({ "a": "1" })),
    ];
    for (number, (name, value)) in (1..).zip(all) {
        let founded = Org { metadata: metadata(value), ..org(number, name) };
        given(&store, vec![Change::InsertOrg(founded)]).await;
    }
    for (filter, expected) in [
        (json!({}), vec!["none", "flat", "deep", "text"]),
        (json!({ "a": 1 }), vec!["flat"]),
        (json!({ "a": 1.0 }), vec!["flat"]),
        (json!({ "a": "1" }), vec!["text"]),
        (json!({ "n": null }), vec!["flat"]),
        (json!({ "x": null }), vec![]),
        (json!({ "o": {} }), vec!["deep"]),
        (json!({ "o": { "p": [{ "q": true }] } }), vec!["deep"]),
        (json!({ "o": { "p": [{ "q": false }] } }), vec![]),
        (json!({ "o": { "p": [] } }), vec!["deep"]),
        (json!({ "p": [1] }), vec![]),
        (json!({ "b": "' OR 1=1" }), vec![]),
    ] {
        assert_eq!(names(&store, with(filter.clone())).await, expected, "{filter}");
    }
}

/// All of them must match, and the total counts what matches.
pub async fn filters_combine(store: AnyStore) {
    for number in 1..=8 {
        let name = if number % 2 == 0 { "even" } else { "odd" };
        let tag = metadata(json!({ "small": number < 5 }));
        given(
            &store,
            vec![
                Change::InsertOrg(Org { metadata: tag, ..org(number, name) }),
                Change::InsertMembership(membership(org_id(number), user(1), OrgRole::Owner)),
            ],
        )
        .await;
    }
    let only = membership(org_id(2), user(2), OrgRole::Viewer);
    given(&store, vec![Change::InsertMembership(only)]).await;
    let query = |member, metadata| OrgQuery { member, name: "EVEN".into(), metadata };
    let small = metadata(json!({ "small": true }));
    for (query, offset, expected, total) in [
        (query(Some(user(1)), small.clone()), 0, vec![2, 4], 2),
        (query(Some(user(1)), small.clone()), 1, vec![4], 2),
        (query(Some(user(1)), small.clone()), 2, vec![], 2),
        (query(Some(user(2)), small.clone()), 0, vec![2], 1),
        (query(Some(user(3)), small.clone()), 0, vec![], 0),
        (query(None, small), 0, vec![2, 4], 2),
        (query(Some(user(1)), Metadata::default()), 3, vec![8], 4),
    ] {
        let page = page(offset, 10, OrgOrder::Id, Direction::Ascending);
        let listing = store.orgs(&query, page).await.unwrap();
        let ids: Vec<_> = listing.items.iter().map(|org| org.id).collect();
        let expected: Vec<_> = expected.into_iter().map(org_id).collect();
        assert_eq!((ids, listing.total), (expected, total), "{query:?} {offset}");
    }
}

/// Every order both ways, whether or not there are filters.
pub async fn lists_are_ordered_and_ties_broken_by_id(store: AnyStore) {
    let all = [("beta", 4, 40), ("Alpha", 3, 30), ("alpha", 3, 50), ("_", 5, 30), ("Zeta", 1, 10)];
    for (number, (name, created, updated)) in (1..).zip(all) {
        let founded = Org {
            created_at: moment(created),
            updated_at: moment(updated),
            metadata: metadata(json!({ "all": true })),
            ..org(number, name)
        };
        let joined = membership(founded.id, user(1), OrgRole::Owner);
        given(&store, vec![Change::InsertOrg(founded), Change::InsertMembership(joined)]).await;
    }
    for (order, ascending) in [
        (OrgOrder::Id, [1, 2, 3, 4, 5]),
        // In lower case, byte by byte: the underscore is before the letters.
        (OrgOrder::Name, [4, 2, 3, 1, 5]),
        (OrgOrder::CreatedAt, [5, 2, 3, 1, 4]),
        (OrgOrder::UpdatedAt, [5, 2, 4, 1, 3]),
    ] {
        let ascending = ascending.map(org_id);
        let mut descending = ascending;
        descending.reverse();
        for (direction, expected) in
            [(Direction::Ascending, ascending), (Direction::Descending, descending)]
        {
            for query in [OrgQuery::default(), of(user(1)), with(json!({ "all": true }))] {
                let listing = store.orgs(&query, page(0, 10, order, direction)).await.unwrap();
                let ids: Vec<_> = listing.items.iter().map(|org| org.id).collect();
                assert_eq!(ids, expected, "{order:?} {direction:?} {query:?}");
            }
        }
    }
}

/// Nothing twice, nothing left out, and the total does not depend on the page.
pub async fn pages_are_parts_of_the_list(store: AnyStore) {
    found(&store, &["a"; 7]).await;
    for query in [OrgQuery::default(), named("A")] {
        let mut seen = Vec::new();
        for offset in [0, 3, 6] {
            let page = page(offset, 3, OrgOrder::Name, Direction::Descending);
            let listing = store.orgs(&query, page).await.unwrap();
            assert_eq!(listing.total, 7);
            seen.extend(listing.items.into_iter().map(|org| org.id));
        }
        let expected: Vec<_> = (1..=7).rev().map(org_id).collect();
        assert_eq!(seen, expected);
        for offset in [7, 1_000_000] {
            let page = page(offset, 3, OrgOrder::Name, Direction::Descending);
            let beyond = store.orgs(&query, page).await.unwrap();
            assert_eq!((beyond.items.len(), beyond.total), (0, 7), "{offset}");
        }
    }
}

/// And the rest is counted.
pub async fn the_largest_page_is_served(store: AnyStore) {
    let count = u32::try_from(MAX_LIMIT).unwrap() + 5;
    given(&store, (1..=count).map(|n| Change::InsertOrg(org(n, "many"))).collect()).await;
    for query in [OrgQuery::default(), named("many")] {
        let page = page(0, MAX_LIMIT, OrgOrder::Id, Direction::Ascending);
        let listing = store.orgs(&query, page).await.unwrap();
        assert_eq!((listing.items.len() as u64, listing.total), (MAX_LIMIT, MAX_LIMIT + 5));
    }
}
