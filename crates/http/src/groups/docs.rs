//! What the description says of the routes of groups.

use auth_domain::{Conflict, Entity, Error, Invalid};
use http::StatusCode;
use serde_json::{Value, json};

use super::{EditBody, GroupBody, GroupView, GroupsView, MoveBody};
use crate::openapi::lists::{self, Asked};
use crate::openapi::{Docs, Group};

pub(crate) const GROUP: Group = Group {
    name: "Groups",
    about: "Trees of groups, up to 32 levels deep. A tree belongs to an org, whose viewers see it, whose \
            editors change it and whose admins and owner may do everything in it; or to the user who made \
            it. Roles can be given in any group and hold in all that lies below it. To whoever has no role \
            in a group it looks as if it did not exist, and a tree is shown from the highest group the \
            caller has a role in.",
};

/// A route of one group.
pub(crate) fn of_group(id: &'static str, summary: &'static str, about: &'static str) -> Docs {
    Docs::new(&GROUP, id, summary, about)
        .group_segment()
        .signed_in()
        .refuses(Error::NotFound(Entity::Group))
}

pub(super) fn create() -> Docs {
    Docs::new(
        &GROUP,
        "createGroup",
        "Make a group",
        "Below a group, for its editors; as a root of an org, for the org's editors; or as a root of one's \
         own. A parent of another org than the one named is refused, and one the caller has no role in is \
         not found.",
    )
    .signed_in()
    .body::<GroupBody>(json!({
        "name": "Pumps",
        "parent_id": PARENT,
        "org_id": "01932f70-2b10-7d4f-a6e8-9c1b3d5f7a20",
        "description": "All that pumps.",
        "metadata": { "floor": 1 },
    }))
    .refuses_all([Invalid::NameSize, Invalid::GroupParent, Invalid::GroupDepth])
    .refuses_all([Error::Forbidden, Error::NotFound(Entity::Group)])
    .refuses(Error::AlreadyExists(Entity::Group))
    .refuses(Conflict::Contention)
    .creates("The group is made.", "/groups/01JCSQRGKG9V66VC5RMRZA6Z7T")
}

pub(super) fn list() -> Docs {
    Docs::new(
        &GROUP,
        "listGroups",
        "List the groups the caller may see",
        "From the highest ones down. Whoever has a platform role sees all there are.",
    )
    .signed_in()
    .asked(asked("How many levels, from the highest groups the caller may see down."))
    .refuses_all([Invalid::GroupLevel, Invalid::Cursor])
    .answers::<GroupsView<'_>>(StatusCode::OK, "A page of them.", page())
}

pub(super) fn view() -> Docs {
    of_group("viewGroup", "Show a group", "For whoever has a role in it.").answers::<GroupView<'_>>(
        StatusCode::OK,
        "The group.",
        example(true),
    )
}

pub(super) fn update() -> Docs {
    of_group(
        "updateGroup",
        "Change a group",
        "For its editors. Name, description and metadata are replaced as a whole: what is left out is \
         gone.",
    )
    .body::<EditBody>(json!({
        "name": "Pumps", "description": "All that pumps.", "metadata": { "floor": 1 }
    }))
    .refuses(Invalid::NameSize)
    .refuses(Error::Forbidden)
    .refuses(Error::AlreadyExists(Entity::Group))
    .refuses(Conflict::Contention)
    .answers_empty(StatusCode::OK, "The group is changed.")
}

pub(super) fn remove() -> Docs {
    of_group(
        "removeGroup",
        "Delete a group",
        "For its admins. One that has subgroups or members is refused, unless the whole subtree is to go, \
         and a subtree of more than 10,000 groups, which has to go part by part.",
    )
    .parameter(Asked::subtree())
    .refuses(Invalid::QueryParameters)
    .refuses(Error::Forbidden)
    .refuses_all([Conflict::GroupNotEmpty, Conflict::TooManyGroups, Conflict::Contention])
    .answers_empty(StatusCode::NO_CONTENT, "The group is gone.")
}

pub(super) fn relocate() -> Docs {
    of_group(
        "moveGroup",
        "Move a group",
        "For its admins, if they are also editors of where it comes from and of where it goes. All that \
         lies below it goes with it. A tree does not leave its org, or its user.",
    )
    .body::<MoveBody>(json!({ "parent_id": PARENT }))
    .refuses_all([Invalid::GroupParent, Invalid::GroupDepth])
    .refuses(Error::Forbidden)
    .refuses(Error::AlreadyExists(Entity::Group))
    .refuses_all([Conflict::GroupCycle, Conflict::Contention])
    .answers_empty(StatusCode::NO_CONTENT, "The group is moved.")
}

pub(super) fn children() -> Docs {
    of_group("listChildren", "List a group and what lies below it", "For whoever has a role in it.")
        .asked(asked("How many levels: 1 is the group alone."))
        .refuses_all([Invalid::GroupLevel, Invalid::Cursor])
        .answers::<GroupsView<'_>>(StatusCode::OK, "A page of them.", page())
}

pub(super) fn parents() -> Docs {
    of_group(
        "listParents",
        "List a group and those above it",
        "For whoever has a role in it: as far up as they have one.",
    )
    .asked(asked("How many levels above the group."))
    .refuses_all([Invalid::GroupLevel, Invalid::Cursor])
    .answers::<GroupsView<'_>>(StatusCode::OK, "A page of them.", page())
}

/// What a list of groups can be asked for.
fn asked(level: &'static str) -> Vec<Asked> {
    let mut asked = lists::part();
    asked.extend([
        Asked::cursor(),
        Asked::level(level),
        Asked::tree(),
        Asked::org(),
        Asked::metadata(
            "Only groups whose metadata contains this: every member, at every depth, and for a list \
             every element.",
        ),
    ]);
    asked
}

const PARENT: &str = "01JCSQREZZX5T2ZR6QJ4N6T3YB";

fn example(above: bool) -> Value {
    let child = json!({
        "id": "01JCSQT2M0RB5GEN3Y4Y0Q1V9C",
        "name": "Inlet",
        "owner_id": "01932f5a-1f00-7b9a-8c3d-2e5f7a9b1c4d",
        "level": 3,
        "path": "01JCSQREZZX5T2ZR6QJ4N6T3YB.01JCSQRGKG9V66VC5RMRZA6Z7T.01JCSQT2M0RB5GEN3Y4Y0Q1V9C",
        "created_at": "2026-11-22T16:31:00Z",
        "updated_at": "2026-11-22T16:31:00Z",
    });
    let mut group = json!({
        "id": "01JCSQRGKG9V66VC5RMRZA6Z7T",
        "name": "Pumps",
        "owner_id": "01932f5a-1f00-7b9a-8c3d-2e5f7a9b1c4d",
        "org_id": "01932f70-2b10-7d4f-a6e8-9c1b3d5f7a20",
        "parent_id": PARENT,
        "description": "All that pumps.",
        "metadata": { "floor": 1 },
        "level": 2,
        "path": "01JCSQREZZX5T2ZR6QJ4N6T3YB.01JCSQRGKG9V66VC5RMRZA6Z7T",
        "created_at": "2026-11-22T16:30:00Z",
        "updated_at": "2026-11-22T16:42:07.125Z",
    });
    if above && let Some(members) = group.as_object_mut() {
        members.insert("children".to_owned(), json!([child]));
    }
    group
}

pub(crate) fn page() -> Value {
    json!({
        "limit": 1,
        "offset": 0,
        "total": 2,
        "level": 1,
        "name": "",
        "groups": [example(true)],
        "next_cursor": "q83vASNFZ4mrze8BI0VniWdyb3VwcyAw",
    })
}
