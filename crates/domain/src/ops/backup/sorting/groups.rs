//! What comes back of groups, what is in them, and the roles in them.

use serde_json::Value;
use std::collections::{HashMap, HashSet};

use super::{Pair, Sorting};
use crate::backup::{GroupRecord, Section};
use crate::error::{Entity, Error, Result};
use crate::model::{Group, GroupGrant, GroupId, GroupMember, OrgId, UserId};

impl Sorting<'_, '_> {
    pub(super) async fn groups(&mut self, rows: Vec<Group>) -> Result<()> {
        let owners = self.owners(rows.iter().filter_map(|row| row.org)).await?;
        if rows.iter().filter_map(|row| row.org).any(|org| !owners.contains_key(&org)) {
            return Err(Error::NotFound(Entity::Org));
        }
        let absent = self.absent(rows).await?;
        let ids: Vec<GroupId> = absent.iter().map(|row| row.id).collect();
        let removed: HashSet<GroupId> = self.group_ids("group.remove", &ids).await?;
        // What was moved and is not there went with where it was moved to; or with its org.
        let moved: HashSet<GroupId> = self.group_ids("group.move", &ids).await?;
        let mut back = Vec::with_capacity(absent.len());
        for row in absent {
            let org_went = row.org.is_some_and(|org| self.created.contains(&org));
            let gone = removed.contains(&row.id)
                || (moved.contains(&row.id) && !org_went)
                || row.parent.is_some_and(|parent| self.lost.contains(&parent));
            if gone {
                self.lost.insert(row.id);
                self.report.counts(Section::Groups).leave_out(row.id.to_string());
            } else {
                back.push(row);
            }
        }
        self.insert(back).await
    }

    /// Which of these groups have a record of this kind since, unless everything is to come back.
    async fn group_ids(&mut self, kind: &'static str, ids: &[GroupId]) -> Result<HashSet<GroupId>> {
        Ok(self.group_records(kind, ids).await?.into_iter().map(|record| record.group).collect())
    }

    async fn group_records(
        &mut self,
        kind: &'static str,
        ids: &[GroupId],
    ) -> Result<Vec<GroupRecord>> {
        if self.revive || ids.is_empty() {
            return Ok(Vec::new());
        }
        self.restoring.group_records(kind, self.since, ids).await
    }

    /// The orgs that those of these groups belong to that are there. Fails if one is missing that has not
    /// been left out.
    async fn orgs_of(
        &mut self,
        ids: impl Iterator<Item = GroupId>,
    ) -> Result<HashMap<GroupId, Option<OrgId>>> {
        let mut ids: Vec<GroupId> = ids.collect();
        ids.sort_unstable();
        ids.dedup();
        let found: HashMap<_, _> = self.restoring.groups(&ids).await?.into_iter().collect();
        if ids.iter().any(|id| !found.contains_key(id) && !self.lost.contains(id)) {
            return Err(Error::NotFound(Entity::Group));
        }
        Ok(found)
    }

    /// Who of these belongs to the org and has not left it since.
    async fn loyal(&mut self, pairs: Vec<(OrgId, UserId)>) -> Result<HashSet<(OrgId, UserId)>> {
        let left: Vec<Pair> = pairs.iter().map(|(org, user)| (org.uuid(), user.uuid())).collect();
        let left = self.removed("membership.remove", left).await?;
        let members = self.restoring.hold_members(&pairs).await?;
        let has_left = |org: OrgId, user: UserId| {
            left.contains(&(org.uuid(), user.uuid())) && (self.ours || !self.created.contains(&org))
        };
        Ok(members.into_iter().filter(|(org, user)| !has_left(*org, *user)).collect())
    }

    pub(super) async fn group_members(&mut self, rows: Vec<GroupMember>) -> Result<()> {
        let orgs = self.orgs_of(rows.iter().map(|row| row.group)).await?;
        let absent = self.absent(rows).await?;
        let user = |row: &GroupMember| {
            let org = orgs.get(&row.group).copied().flatten()?;
            row.kind.is_users().then(|| row.member.user()).flatten().map(|user| (org, user))
        };
        let loyal = self.loyal(absent.iter().filter_map(user).collect()).await?;
        let mut groups: Vec<GroupId> = absent.iter().map(|row| row.group).collect();
        groups.dedup();
        let mut unassigned: HashSet<(GroupId, String)> = HashSet::new();
        for record in self.group_records("group.unassign", &groups).await? {
            let members = record.payload.get("members").and_then(Value::as_array);
            let names = members.into_iter().flatten().filter_map(Value::as_str);
            unassigned.extend(names.map(|name| (record.group, name.to_owned())));
        }
        let mut back = Vec::with_capacity(absent.len());
        for row in absent {
            let place = (row.group, row.member.as_str().to_owned());
            let gone = self.lost.contains(&row.group)
                || unassigned.contains(&place)
                || user(&row).is_some_and(|pair| !loyal.contains(&pair));
            if gone {
                let name = format!("{}/{}", row.group, row.member.as_str());
                self.report.counts(Section::GroupMembers).leave_out(name);
            } else {
                back.push(row);
            }
        }
        self.insert(back).await
    }

    pub(super) async fn group_roles(&mut self, rows: Vec<GroupGrant>) -> Result<()> {
        let orgs = self.orgs_of(rows.iter().map(|row| row.group)).await?;
        let absent = self.absent(rows).await?;
        let user =
            |row: &GroupGrant| orgs.get(&row.group).copied().flatten().map(|org| (org, row.user));
        let loyal = self.loyal(absent.iter().filter_map(user).collect()).await?;
        let mut groups: Vec<GroupId> = absent.iter().map(|row| row.group).collect();
        groups.dedup();
        let records = self.group_records("group_role.remove", &groups).await?;
        let taken: HashSet<_> =
            records.into_iter().filter_map(|it| Some((it.group, it.user?))).collect();
        let mut back = Vec::with_capacity(absent.len());
        for row in absent {
            let gone = self.lost.contains(&row.group)
                || taken.contains(&(row.group, row.user))
                || user(&row).is_some_and(|pair| !loyal.contains(&pair));
            if gone {
                let name = format!("{}/{}", row.group, row.user);
                self.report.counts(Section::GroupRoles).leave_out(name);
            } else {
                back.push(row);
            }
        }
        self.insert(back).await
    }
}
