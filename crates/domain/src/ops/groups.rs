//! Groups: making, showing, changing, moving and deleting them, and lists of them.
//!
//! Whoever may see a group only because of a role in it or above it sees its tree from there down: paths,
//! levels and parents in every answer end where what they may see ends.

use crate::app::{Access, Cx, Operation};
use crate::change::{Change, Guard};
use crate::error::{Entity, Error, Invalid, Result};
use crate::model::{
    Action, Description, Group, GroupEdit, GroupId, GroupQuery, GroupRole, GroupStanding,
    GroupsFrom, MAX_DEPTH, Metadata, Name, OrgId, Placed, PlatformRole,
};
use crate::ops::paging::{Paged, PartAsked};
use crate::policy;
use crate::ports::Class;

/// A way through a tree as bytes, and back.
fn way(path: &[GroupId]) -> Vec<u8> {
    path.iter().flat_map(|id| id.uuid().into_bytes()).collect()
}

fn read_way(bytes: &[u8]) -> Option<Vec<GroupId>> {
    let (ids, rest) = bytes.as_chunks::<16>();
    let fits = rest.is_empty() && (1..=MAX_DEPTH).contains(&ids.len());
    fits.then(|| ids.iter().map(|id| GroupId::new(uuid::Uuid::from_bytes(*id))).collect())
}

/// Where a new group goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Home {
    /// Below this group, of this org if one is named.
    Below(GroupId, Option<OrgId>),
    /// It becomes a root of this org.
    Org(OrgId),
    /// It becomes a root of the caller's own.
    Own,
}

/// Makes a group.
#[derive(Debug)]
pub struct CreateGroup {
    /// Where.
    pub home: Home,
    /// Its name.
    pub name: Name,
    /// Its description.
    pub description: Description,
    /// Its metadata.
    pub metadata: Metadata,
}

impl Operation for CreateGroup {
    type Output = Group;
    const NAME: &'static str = "create_group";

    fn access(&self) -> Access {
        match self.home {
            Home::Below(parent, _) => Access::InGroup(parent, GroupRole::Editor),
            Home::Org(org) => Access::InOrg(org, Action::Editor),
            Home::Own => Access::SignedIn,
        }
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Group> {
        let user = cx.identity()?.user;
        let (parent, org, owner) = match self.home {
            Home::Below(parent, named) => {
                let above = cx.standing_in(parent)?;
                if named.is_some_and(|named| above.org != Some(named)) {
                    return Err(Invalid::GroupParent.into());
                }
                (Some(parent), above.org, above.org.map_or(above.owner, |_| user))
            }
            Home::Org(org) => (None, Some(org), user),
            Home::Own => (None, None, user),
        };
        let group = Group {
            id: GroupId::new(cx.new_id::<Group>().uuid()),
            owner,
            org,
            parent,
            name: self.name,
            description: self.description,
            metadata: self.metadata,
            created_at: cx.now,
            updated_at: cx.now,
        };
        cx.commit(vec![Change::InsertGroup(group.clone())]).await?;
        Ok(group)
    }
}

/// Shows a group to whoever may see it.
#[derive(Debug)]
pub struct ViewGroup {
    /// Which.
    pub id: GroupId,
}

impl Operation for ViewGroup {
    type Output = Placed;
    const NAME: &'static str = "view_group";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::InGroup(self.id, GroupRole::Viewer)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Placed> {
        let path = policy::visible_trail(cx.identity()?.user, cx.standing_in(self.id)?);
        let group = cx.store().groups(&[self.id]).await?.pop();
        Ok(placed(group.ok_or(Error::NotFound(Entity::Group))?, path))
    }
}

/// A group at the end of this path. Its parent is what the path says: the one it had when the path was
/// read, unless the caller may not see it.
fn placed(mut group: Group, path: Vec<GroupId>) -> Placed {
    group.parent = path.iter().rev().nth(1).copied();
    Placed { group, path }
}

/// Replaces a group's name, description and metadata.
#[derive(Debug)]
pub struct UpdateGroup {
    /// Which.
    pub id: GroupId,
    /// Its new name.
    pub name: Name,
    /// Its new description.
    pub description: Description,
    /// Its new metadata.
    pub metadata: Metadata,
}

impl Operation for UpdateGroup {
    type Output = ();
    const NAME: &'static str = "update_group";

    fn access(&self) -> Access {
        Access::InGroup(self.id, GroupRole::Editor)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        let edit = GroupEdit {
            id: self.id,
            name: self.name,
            description: self.description,
            metadata: self.metadata,
            updated_at: cx.now,
        };
        cx.commit(vec![Change::UpdateGroup(edit)]).await
    }
}

/// Puts a group and all that lies below it below another group of the same tree's owner, or makes it a
/// root. Takes the role `admin` in the group, and `editor` where it comes from and where it goes.
#[derive(Debug)]
pub struct MoveGroup {
    /// Which.
    pub id: GroupId,
    /// Below which; none makes it a root.
    pub parent: Option<GroupId>,
}

impl Operation for MoveGroup {
    type Output = ();
    const NAME: &'static str = "move_group";

    fn access(&self) -> Access {
        Access::InGroup(self.id, GroupRole::Admin)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        let standing = cx.standing_in(self.id)?.clone();
        let from = standing.trail.iter().rev().nth(1).map(|step| step.group);
        authorize_place(cx, &standing, from).await?;
        authorize_place(cx, &standing, self.parent).await?;
        cx.require(Guard::LiesBelow { group: self.id, parent: from });
        cx.commit(vec![Change::MoveGroup { id: self.id, parent: self.parent, at: cx.now }]).await
    }
}

/// Whether the caller may change what lies directly below this group, or which roots there are.
async fn authorize_place(
    cx: &mut Cx<'_>,
    standing: &GroupStanding,
    parent: Option<GroupId>,
) -> Result<()> {
    match (parent, standing.org) {
        (Some(parent), _) => cx.authorize(Access::InGroup(parent, GroupRole::Editor)).await,
        (None, Some(org)) => cx.authorize(Access::InOrg(org, Action::Editor)).await,
        // Whose a tree is never changes.
        (None, None) if standing.owner == cx.identity()?.user => Ok(()),
        (None, None) => cx.authorize(Access::OnPlatform(PlatformRole::Admin)).await,
    }
}

/// Deletes a group; with all that lies below it, if told to.
#[derive(Debug)]
pub struct RemoveGroup {
    /// Which.
    pub id: GroupId,
    /// Whether its members, its subgroups and theirs go with it.
    pub subtree: bool,
}

impl Operation for RemoveGroup {
    type Output = ();
    const NAME: &'static str = "remove_group";

    fn access(&self) -> Access {
        Access::InGroup(self.id, GroupRole::Admin)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<()> {
        cx.commit(vec![Change::RemoveGroup { id: self.id, subtree: self.subtree }]).await
    }
}

/// How many levels a list has, if a tree can have as many.
pub fn levels(level: u64) -> Result<usize> {
    let levels = usize::try_from(level).unwrap_or(usize::MAX);
    if (1..=MAX_DEPTH).contains(&levels) { Ok(levels) } else { Err(Invalid::GroupLevel.into()) }
}

/// Lists the groups the caller may see, from the highest ones down; all of them for somebody with a
/// platform role.
#[derive(Debug)]
pub struct ListGroups {
    /// Only those of this org.
    pub org: Option<OrgId>,
    /// How many levels: 1 is the highest ones alone.
    pub levels: usize,
    /// Only those whose metadata contains this.
    pub metadata: Metadata,
    /// Which part of them.
    pub part: PartAsked,
}

impl Operation for ListGroups {
    type Output = Paged<Placed>;
    const NAME: &'static str = "list_groups";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::SignedIn
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Paged<Placed>> {
        let user = cx.identity()?.user;
        let sees_all = cx.store().standing(user, None).await?.platform.is_some();
        let from =
            if sees_all { GroupsFrom::Roots(self.org) } else { GroupsFrom::SeenBy(user, self.org) };
        let list = format!("groups {user}");
        let query = GroupQuery { from, levels: self.levels, metadata: self.metadata };
        tree(cx, &list, query, &self.part, &[]).await
    }
}

/// A part of a tree. `above` is what the caller may see above where it begins.
async fn tree(
    cx: &Cx<'_>,
    list: &str,
    query: GroupQuery,
    asked: &PartAsked,
    above: &[GroupId],
) -> Result<Paged<Placed>> {
    let part = asked.part(cx, list, read_way)?;
    let found = cx.store().group_tree(&query, &part).await?;
    let page = asked.paged(cx, list, (found.items, found.total), |last| way(&last.path));
    let items = page.items.into_iter();
    let items =
        items.map(|Placed { group, path }| placed(group, [above, &path].concat())).collect();
    Ok(Paged { items, total: page.total, next: page.next })
}

/// Lists a group and what lies below it.
#[derive(Debug)]
pub struct ListChildren {
    /// Which group.
    pub id: GroupId,
    /// How many levels: 1 is the group alone.
    pub levels: usize,
    /// Only those whose metadata contains this.
    pub metadata: Metadata,
    /// Which part of them.
    pub part: PartAsked,
}

impl Operation for ListChildren {
    type Output = Paged<Placed>;
    const NAME: &'static str = "list_children";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::InGroup(self.id, GroupRole::Viewer)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Paged<Placed>> {
        let mut above = policy::visible_trail(cx.identity()?.user, cx.standing_in(self.id)?);
        above.pop();
        let list = format!("children {}", self.id);
        let from = GroupsFrom::Group(self.id);
        let query = GroupQuery { from, levels: self.levels, metadata: self.metadata };
        tree(cx, &list, query, &self.part, &above).await
    }
}

/// Lists a group and those above it that the caller may see, the highest first.
#[derive(Debug)]
pub struct ListParents {
    /// Which group.
    pub id: GroupId,
    /// How many levels above it.
    pub levels: usize,
    /// Only those whose metadata contains this.
    pub metadata: Metadata,
    /// Which part of them.
    pub part: PartAsked,
}

impl Operation for ListParents {
    type Output = Paged<Placed>;
    const NAME: &'static str = "list_parents";
    const CLASS: Class = Class::Reads;

    fn access(&self) -> Access {
        Access::InGroup(self.id, GroupRole::Viewer)
    }

    async fn run(self, cx: &mut Cx<'_>) -> Result<Paged<Placed>> {
        let list = format!("parents {}", self.id);
        let part = self.part.part(cx, &list, read_way)?;
        let trail = policy::visible_trail(cx.identity()?.user, cx.standing_in(self.id)?);
        let first = trail.len().saturating_sub(self.levels.saturating_add(1));
        let ids = trail.get(first..).unwrap_or_default();
        let mut found = cx.store().groups(ids).await?;
        found.retain(|group| group.metadata.contains(&self.metadata));
        let total = u64::try_from(found.len()).unwrap_or(u64::MAX);
        let places = (1..=trail.len()).filter_map(|length| trail.get(..length));
        let known = places.filter_map(|path| {
            let place = found.iter().position(|group| path.last() == Some(&group.id))?;
            Some(placed(found.swap_remove(place), path.to_vec()))
        });
        let number = |count| usize::try_from(count).unwrap_or(usize::MAX);
        let items = known
            .filter(|placed| part.after.as_ref().is_none_or(|after| placed.path > *after))
            .skip(number(part.offset))
            .take(number(part.limit))
            .collect();
        Ok(self.part.paged(cx, &list, (items, total), |last: &Placed| way(&last.path)))
    }
}
