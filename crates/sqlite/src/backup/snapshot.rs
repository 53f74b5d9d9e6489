//! One read transaction: in WAL mode it sees what was there when it began, and holds up nobody.

use std::collections::HashMap;

use async_trait::async_trait;
use auth_domain::backup::odd::{StoredInvite, StoredMembership, Tally};
use auth_domain::backup::ports::PART;
use auth_domain::backup::{DormantInvite, Part, Rows, Section, Snapshot, Taken};
use auth_domain::error::Result;
use auth_domain::model::{
    Account, EntityId, Group, GroupGrant, GroupId, GroupMember, InviteId, Key, Org,
    PlatformInviteId, RoleHolder, UserId,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Sqlite, SqlitePool, Transaction, query_as, query_scalar};
use uuid::Uuid;

use crate::accounts::AccountRow;
use crate::failure::failure;
use crate::group_members::{GrantRow, MemberRow};
use crate::groups::{GroupRow, list_of};
use crate::keys::KeyRow;
use crate::orgs::OrgRow;
use crate::rows::moment;

/// A place in a list as SQLite compares it: no bytes come before all others.
type Place = (Vec<u8>, Vec<u8>);

#[derive(Debug)]
pub(crate) struct SqliteSnapshot {
    tx: Transaction<'static, Sqlite>,
    taken: Taken,
    section: Option<Section>,
    after: Place,
    /// The last member of a group that was given.
    after_member: String,
    /// The groups that are still to be given, the last first.
    groups: Vec<GroupId>,
}

#[derive(FromRow)]
struct MembershipRow {
    org_id: Uuid,
    member_id: Uuid,
    owner_id: Uuid,
    role: String,
    created_at: i64,
    updated_at: i64,
}

#[derive(FromRow)]
struct InviteRow {
    id: Uuid,
    org_id: Uuid,
    inviter_id: Uuid,
    invitee_id: Option<Uuid>,
    invitee_role: String,
    state: String,
    created_at: i64,
    expires_at: i64,
}

impl SqliteSnapshot {
    pub(crate) async fn take(db: &SqlitePool) -> Result<Self> {
        let mut tx = db.begin().await.map_err(failure)?;
        // The first statement is what fixes what all of them see.
        let (instance, revision): (Uuid, i64) = query_as(
            "SELECT keyward_instance.id, keyward_revision.value \
             FROM keyward_instance, keyward_revision",
        )
        .fetch_one(&mut *tx)
        .await
        .map_err(failure)?;
        let taken = Taken { instance, revision };
        Ok(Self {
            tx,
            taken,
            section: None,
            after: Place::default(),
            after_member: String::new(),
            groups: Vec::new(),
        })
    }

    async fn read<R>(&mut self, statement: &'static str) -> Result<Vec<R>>
    where
        R: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        let rows: Vec<R> = query_as(statement)
            .bind(&self.after.0)
            .bind(&self.after.1)
            .bind(i64::try_from(PART).unwrap_or(i64::MAX))
            .fetch_all(&mut *self.tx)
            .await
            .map_err(failure)?;
        Ok(rows)
    }

    /// Finds out in which order groups come: each after the one above it.
    async fn order_groups(&mut self) -> Result<()> {
        let ids: Vec<Uuid> = query_scalar(
            "WITH RECURSIVE tree (id, level) AS (\
             SELECT id, 1 FROM keyward_groups WHERE parent_id IS NULL UNION ALL \
             SELECT below.id, level + 1 FROM tree JOIN keyward_groups AS below \
             ON below.parent_id = tree.id) SELECT id FROM tree ORDER BY level DESC, id DESC",
        )
        .fetch_all(&mut *self.tx)
        .await
        .map_err(failure)?;
        self.groups = ids.into_iter().map(GroupId::new).collect();
        Ok(())
    }

    /// Some groups, and how many were to be read.
    async fn groups(&mut self) -> Result<(Rows, usize)> {
        let kept = self.groups.len().saturating_sub(PART);
        let mut wanted = self.groups.split_off(kept);
        wanted.reverse();
        let rows: Vec<GroupRow> = query_as(
            "SELECT id, parent_id, owner_id, org_id, name, description, metadata, created_at, \
             updated_at FROM keyward_groups WHERE id IN (SELECT unhex(value) FROM json_each(?1))",
        )
        .bind(list_of(&wanted))
        .fetch_all(&mut *self.tx)
        .await
        .map_err(failure)?;
        let mut found: HashMap<GroupId, Group> = HashMap::with_capacity(rows.len());
        for row in rows {
            let group = Group::try_from(row)?;
            found.insert(group.id, group);
        }
        let rows = wanted.iter().filter_map(|id| found.remove(id)).collect();
        Ok((Rows::Groups(rows), wanted.len()))
    }

    async fn group_members(&mut self) -> Result<(Rows, usize)> {
        let rows: Vec<MemberRow> = query_as(
            "SELECT group_id, member_id, type, created_at FROM keyward_group_members \
             WHERE (group_id, member_id) > (?1, ?2) ORDER BY group_id, member_id LIMIT ?3",
        )
        .bind(&self.after.0)
        .bind(&self.after_member)
        .bind(i64::try_from(PART).unwrap_or(i64::MAX))
        .fetch_all(&mut *self.tx)
        .await
        .map_err(failure)?;
        let read = rows.len();
        let rows: Vec<GroupMember> =
            rows.into_iter().map(GroupMember::try_from).collect::<Result<_>>()?;
        if let Some(last) = rows.last() {
            self.pass(Some((last.group.uuid(), Uuid::nil())));
            EntityId::as_str(&last.member).clone_into(&mut self.after_member);
        }
        Ok((Rows::GroupMembers(rows), read))
    }

    fn pass(&mut self, place: Option<(Uuid, Uuid)>) {
        if let Some((one, other)) = place {
            self.after = (one.as_bytes().to_vec(), other.as_bytes().to_vec());
        }
    }
}

/// `?2` is only for lists with two columns of place.
const ORGS: &str = "SELECT id, owner_id, name, description, metadata, created_at, updated_at \
    FROM orgs WHERE id > ?1 AND ?2 IS NOT NULL ORDER BY id LIMIT ?3";
const MEMBERSHIPS: &str = "SELECT org_id, member_id, owner_id, role, part.created_at, \
    part.updated_at FROM (SELECT org_id, member_id, role, created_at, updated_at \
    FROM org_memberships WHERE (org_id, member_id) > (?1, ?2) \
    ORDER BY org_id, member_id LIMIT ?3) AS part JOIN orgs ON orgs.id = org_id \
    ORDER BY org_id, member_id";
const INVITES: &str = "SELECT id, org_id, inviter_id, invitee_id, invitee_role, state, created_at, \
    expires_at FROM org_invites WHERE id > ?1 AND ?2 IS NOT NULL ORDER BY id LIMIT ?3";
const DORMANT: &str = "SELECT org_invite_id, platform_invite_id FROM dormant_org_invites \
    WHERE (org_invite_id, platform_invite_id) > (?1, ?2) \
    ORDER BY org_invite_id, platform_invite_id LIMIT ?3";
const KEYS: &str = "SELECT id, issuer_id, subject, issued_at, expires_at FROM keys \
    WHERE id > ?1 AND ?2 IS NOT NULL ORDER BY id LIMIT ?3";
const ROLES: &str = "SELECT user_id, role FROM users_roles \
    WHERE user_id > ?1 AND ?2 IS NOT NULL ORDER BY user_id LIMIT ?3";
const ACCOUNTS: &str = "SELECT id, email, password_hash, status, metadata, created_at, updated_at \
    FROM keyward_accounts WHERE id > ?1 AND ?2 IS NOT NULL ORDER BY id LIMIT ?3";
const GROUP_ROLES: &str = "SELECT group_id, user_id, role, created_at, updated_at \
    FROM keyward_group_roles WHERE (group_id, user_id) > (?1, ?2) \
    ORDER BY group_id, user_id LIMIT ?3";

#[async_trait]
impl Snapshot for SqliteSnapshot {
    fn taken(&self) -> Taken {
        self.taken
    }

    async fn part(&mut self, section: Section) -> Result<Part> {
        if self.section != Some(section) {
            self.section = Some(section);
            self.after = Place::default();
            if section == Section::Groups {
                self.order_groups().await?;
            }
        }
        let mut tally = Tally::default();
        let (rows, read) = match section {
            Section::Orgs => {
                let rows: Vec<OrgRow> = self.read(ORGS).await?;
                let read = rows.len();
                let rows: Vec<Org> = rows.into_iter().map(Org::try_from).collect::<Result<_>>()?;
                self.pass(rows.last().map(|row| (row.id.uuid(), Uuid::nil())));
                (Rows::Orgs(rows), read)
            }
            Section::Memberships => {
                let rows: Vec<MembershipRow> = self.read(MEMBERSHIPS).await?;
                self.pass(rows.last().map(|row| (row.org_id, row.member_id)));
                let read = rows.len();
                let rows = rows.into_iter().filter_map(|row| {
                    let stored = StoredMembership {
                        org: row.org_id,
                        member: row.member_id,
                        owner: row.owner_id,
                        role: row.role,
                        created_at: Some(moment(row.created_at)),
                        updated_at: Some(moment(row.updated_at)),
                    };
                    stored.understand(&mut tally)
                });
                (Rows::Memberships(rows.collect()), read)
            }
            Section::Invites => {
                let rows: Vec<InviteRow> = self.read(INVITES).await?;
                self.pass(rows.last().map(|row| (row.id, Uuid::nil())));
                let read = rows.len();
                let rows = rows.into_iter().filter_map(|row| {
                    let stored = StoredInvite {
                        id: row.id,
                        org: row.org_id,
                        inviter: row.inviter_id,
                        invitee: row.invitee_id,
                        role: row.invitee_role,
                        state: row.state,
                        created_at: Some(moment(row.created_at)),
                        expires_at: Some(moment(row.expires_at)),
                    };
                    stored.understand(&mut tally)
                });
                (Rows::Invites(rows.collect()), read)
            }
            Section::Dormant => {
                let rows: Vec<(Uuid, Uuid)> = self.read(DORMANT).await?;
                self.pass(rows.last().copied());
                let read = rows.len();
                let rows = rows.into_iter().map(|(invite, platform_invite)| DormantInvite {
                    invite: InviteId::new(invite),
                    platform_invite: PlatformInviteId::new(platform_invite),
                });
                (Rows::Dormant(rows.collect()), read)
            }
            Section::Keys => {
                let rows: Vec<KeyRow> = self.read(KEYS).await?;
                let read = rows.len();
                let rows: Vec<Key> = rows.into_iter().map(Key::try_from).collect::<Result<_>>()?;
                self.pass(rows.last().map(|row| (row.id.uuid(), Uuid::nil())));
                (Rows::Keys(rows), read)
            }
            Section::PlatformRoles => {
                let rows: Vec<(Uuid, String)> = self.read(ROLES).await?;
                self.pass(rows.last().map(|(user, _)| (*user, Uuid::nil())));
                let read = rows.len();
                let mut holders = Vec::with_capacity(read);
                for (user, role) in rows {
                    match role.parse() {
                        Ok(role) => holders.push(RoleHolder { user: UserId::new(user), role }),
                        Err(_) => tally.leave_out(),
                    }
                }
                (Rows::PlatformRoles(holders), read)
            }
            Section::Accounts => {
                let rows: Vec<AccountRow> = self.read(ACCOUNTS).await?;
                let read = rows.len();
                let rows: Vec<Account> =
                    rows.into_iter().map(Account::try_from).collect::<Result<_>>()?;
                self.pass(rows.last().map(|row| (row.id.uuid(), Uuid::nil())));
                (Rows::Accounts(rows), read)
            }
            Section::Groups => self.groups().await?,
            Section::GroupMembers => self.group_members().await?,
            Section::GroupRoles => {
                let rows: Vec<GrantRow> = self.read(GROUP_ROLES).await?;
                let read = rows.len();
                let rows: Vec<GroupGrant> =
                    rows.into_iter().map(GroupGrant::try_from).collect::<Result<_>>()?;
                self.pass(rows.last().map(|row| (row.group.uuid(), row.user.uuid())));
                (Rows::GroupRoles(rows), read)
            }
        };
        let Tally { left_out, normalised } = tally;
        Ok(Part { rows, more: read >= PART, left_out, normalised })
    }
}
