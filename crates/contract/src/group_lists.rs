//! Lists of groups and of what is in them.

use auth_domain::change::Change;
use auth_domain::model::{
    EntityId, EntityType, Group, GroupId, GroupRole, GroupsFrom, MAX_DEPTH, UserId,
};
use serde_json::json;

use crate::AnyStore;
use crate::groups::{assigned, planted};
use crate::sample::{
    given, grant, group, group_edit, group_id, metadata, moment, org, org_id, own_group, user,
};

/// Their tops: what they belong to, what they own, and where they were given a role.
pub async fn s46_everybody_sees_their_part_of_the_forest(store: AnyStore) {
    planted(&store).await;
    let theirs = |id, parent| Group { owner: user(2), ..own_group(id, parent) };
    given(
        &store,
        vec![
            Change::InsertGroup(theirs(10, None)),
            Change::InsertGroup(theirs(11, Some(10))),
            Change::InsertGroup(theirs(12, Some(11))),
            Change::InsertGroup(theirs(13, Some(12))),
            Change::InsertGroup(own_group(20, None)),
            Change::PutGroupRole(grant(11, user(4), GroupRole::Viewer)),
            Change::PutGroupRole(grant(13, user(4), GroupRole::Admin)),
            Change::PutGroupRole(grant(12, user(9), GroupRole::Admin)),
            Change::InsertOrg(org(2, "other")),
            Change::InsertGroup(Group { org: Some(org_id(2)), ..group(30, None) }),
        ],
    )
    .await;
    let seen = async |who: UserId, org| {
        crate::trees::listed(&store, GroupsFrom::SeenBy(who, org), MAX_DEPTH).await
    };
    let acme = ["1", "1.2", "1.2.4", "1.3"];
    let own = [&acme[..], &["20"]].concat();
    assert_eq!(seen(user(1), None).await, own);
    assert_eq!(
        seen(user(2), None).await,
        [&acme[..], &["10", "10.11", "10.11.12", "10.11.12.13"]].concat()
    );
    assert_eq!(seen(user(4), None).await, [&acme[..], &["11", "11.12", "11.12.13"]].concat());
    assert_eq!(seen(user(9), None).await, ["12", "12.13"]);
    assert_eq!(seen(user(7), None).await, Vec::<String>::new());
    assert_eq!(seen(user(4), Some(org_id(1))).await, acme);
    assert_eq!(seen(user(4), Some(org_id(2))).await, Vec::<String>::new());
    let roots = |org| crate::trees::listed(&store, GroupsFrom::Roots(org), 1);
    assert_eq!(roots(None).await, ["1", "10", "20", "30"]);
    assert_eq!(roots(Some(org_id(2))).await, ["30"]);
    assert_eq!(roots(Some(org_id(3))).await, Vec::<String>::new());
}

/// By what is above and by age, in parts, as deep as asked, by what they hold.
pub async fn trees_are_listed_in_order_and_in_parts(store: AnyStore) {
    planted(&store).await;
    let marked = auth_domain::model::GroupEdit {
        metadata: metadata(json!({ "a": { "b": 1 } })),
        ..group_edit(4, "group 4")
    };
    given(&store, vec![Change::UpdateGroup(marked)]).await;
    let from = GroupsFrom::Group(group_id(1));
    for (levels, expected) in
        [(1, vec!["1"]), (2, vec!["1", "1.2", "1.3"]), (32, vec!["1", "1.2", "1.2.4", "1.3"])]
    {
        assert_eq!(crate::trees::listed(&store, from.clone(), levels).await, expected);
    }
    crate::trees::check_parts(&store, &from).await;
    crate::trees::check_parts(&store, &GroupsFrom::SeenBy(user(1), None)).await;
    let below = crate::trees::listed(&store, GroupsFrom::Group(group_id(2)), 32).await;
    assert_eq!(below, ["2", "2.4"]);
    let nothing = crate::trees::listed(&store, GroupsFrom::Group(group_id(99)), 32).await;
    assert_eq!(nothing, Vec::<String>::new());
    let found = crate::trees::filtered(&store, from, json!({ "a": {} })).await;
    assert_eq!(found, ["1.2.4"]);
}

/// D-G5: by id, in parts, of one type, all of them counted.
pub async fn d_g5_members_are_listed_by_id_and_type(store: AnyStore) {
    planted(&store).await;
    let changes = vec![
        assigned(2, "things", &["c", "a", "B", "\u{e9}"]),
        assigned(2, "rooms", &["b"]),
        assigned(3, "things", &["z"]),
    ];
    given(&store, changes).await;
    let listed = async |kind: Option<&str>, offset, limit, after: Option<&str>| {
        let kind = kind.map(|kind| EntityType::stored(kind.into()));
        let after = after.map(|id| EntityId::stored(id.into()));
        let part = auth_domain::model::Part { offset, limit, after };
        let found = store.group_members(group_id(2), kind.as_ref(), &part).await.unwrap();
        let ids: Vec<_> = found.items.iter().map(|item| item.member.as_str().to_owned()).collect();
        (ids.join(" "), found.total)
    };
    assert_eq!(listed(None, 0, 10, None).await, ("B a b c \u{e9}".into(), 5));
    assert_eq!(listed(Some("things"), 0, 10, None).await, ("B a c \u{e9}".into(), 4));
    assert_eq!(listed(Some("cars"), 0, 10, None).await, (String::new(), 0));
    assert_eq!(listed(None, 1, 2, None).await, ("a b".into(), 5));
    assert_eq!(listed(None, 9, 2, None).await, (String::new(), 5));
    assert_eq!(listed(None, 0, 2, Some("a")).await, ("b c".into(), 5));
    assert_eq!(listed(Some("things"), 0, 2, Some("b")).await, ("c \u{e9}".into(), 4));
    let written = auth_domain::model::GroupMember {
        group: group_id(2),
        kind: EntityType::stored("rooms".into()),
        member: EntityId::stored("b".into()),
        created_at: moment(60),
    };
    let part = auth_domain::model::Part { offset: 0, limit: 1, after: None };
    let kind = EntityType::stored("rooms".into());
    let found = store.group_members(group_id(2), Some(&kind), &part).await.unwrap();
    assert_eq!(found.items, [written]);
}

/// Those that somebody may see, wherever the right comes from.
pub async fn the_groups_of_a_member_are_listed_to_whoever_may_see_them(store: AnyStore) {
    planted(&store).await;
    let theirs = |id, parent| Group { owner: user(2), ..own_group(id, parent) };
    let mark = auth_domain::model::GroupEdit {
        metadata: metadata(json!({ "a": 1 })),
        ..group_edit(4, "group 4")
    };
    given(
        &store,
        vec![
            Change::InsertGroup(theirs(10, None)),
            Change::InsertGroup(theirs(11, Some(10))),
            Change::InsertGroup(own_group(20, None)),
            Change::InsertOrg(org(2, "other")),
            Change::InsertGroup(Group { org: Some(org_id(2)), ..group(30, None) }),
            Change::PutGroupRole(grant(10, user(9), GroupRole::Viewer)),
            Change::UpdateGroup(mark),
        ],
    )
    .await;
    let everywhere = [1, 4, 10, 11, 20, 30].map(|id| assigned(id, "things", &["t"]));
    given(&store, everywhere.into()).await;
    let listed = async |who: Option<UserId>, filter, offset, limit, after: Option<u32>| {
        let query = auth_domain::model::GroupsOfQuery {
            member: EntityId::stored("t".into()),
            seen_by: who,
            metadata: metadata(filter),
        };
        let part = auth_domain::model::Part { offset, limit, after: after.map(group_id) };
        let found = store.groups_of(&query, &part).await.unwrap();
        let ids: Vec<GroupId> = found.items.iter().map(|group| group.id).collect();
        (ids, found.total)
    };
    let expect =
        |ids: &[u32], total| (ids.iter().copied().map(group_id).collect::<Vec<_>>(), total);
    assert_eq!(listed(None, json!({}), 0, 10, None).await, expect(&[1, 4, 10, 11, 20, 30], 6));
    assert_eq!(listed(Some(user(1)), json!({}), 0, 10, None).await, expect(&[1, 4, 20], 3));
    assert_eq!(listed(Some(user(2)), json!({}), 0, 10, None).await, expect(&[1, 4, 10, 11], 4));
    assert_eq!(listed(Some(user(9)), json!({}), 0, 10, None).await, expect(&[10, 11], 2));
    assert_eq!(listed(Some(user(7)), json!({}), 0, 10, None).await, expect(&[], 0));
    assert_eq!(listed(None, json!({}), 1, 2, None).await, expect(&[4, 10], 6));
    assert_eq!(listed(None, json!({}), 0, 2, Some(11)).await, expect(&[20, 30], 6));
    assert_eq!(listed(None, json!({ "a": 1 }), 0, 2, None).await, expect(&[4], 1));
    assert_eq!(listed(None, json!({ "a": 1 }), 0, 2, Some(4)).await, expect(&[], 1));
}
