//! A commit that is put together bit by bit.

use async_trait::async_trait;
use auth_domain::Timestamp;
use auth_domain::backup::{DormantInvite, GroupRecord, Restoring, Rows};
use auth_domain::change::{Change, Commit, Guard};
use auth_domain::error::{Error, Result};
use auth_domain::fact::Fact;
use auth_domain::model::{
    Account, Group, GroupGrant, GroupId, GroupMember, Invite, InviteId, Key, Membership, Org,
    OrgId, PlatformInviteId, RoleHolder, UserId,
};
use serde_json::{Value, json};
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Sqlite, SqlitePool, Transaction, query_as, query_scalar};
use uuid::Uuid;

use super::bulk::hex;
use crate::accounts::AccountRow;
use crate::failure::failure;
use crate::group_members::{GrantRow, MemberRow};
use crate::groups::GroupRow;
use crate::invites::InviteRow;
use crate::keys::KeyRow;
use crate::members::MembershipRow;
use crate::orgs::OrgRow;
use crate::{apply, guards, log};

/// How many facts are held before they are written.
const HELD: usize = 10_000;

#[derive(Debug)]
pub(crate) struct SqliteRestoring {
    tx: Transaction<'static, Sqlite>,
    actor: String,
    at: Timestamp,
    facts: Vec<Fact>,
    /// The revision of this commit, once some of its facts are written, and how many of them are.
    revision: Option<i64>,
    written: i32,
}

impl SqliteRestoring {
    pub(crate) async fn begin(db: &SqlitePool, commit: Commit) -> Result<Self> {
        let tx = db.begin_with("BEGIN IMMEDIATE").await.map_err(failure)?;
        let Commit { actor, at, guards, changes } = commit;
        let facts = Vec::new();
        let mut this = Self { tx, actor, at, facts, revision: None, written: 0 };
        for guard in &guards {
            this.hold(guard).await?;
        }
        for change in &changes {
            this.apply(change).await?;
        }
        Ok(this)
    }

    async fn write_facts(&mut self) -> Result<()> {
        if self.facts.is_empty() {
            return Ok(());
        }
        let revision = match self.revision {
            Some(revision) => revision,
            None => log::advance(&mut self.tx).await?,
        };
        self.revision = Some(revision);
        let facts = std::mem::take(&mut self.facts);
        let place = (revision, self.written);
        log::write(&mut self.tx, place, &facts, &self.actor, self.at).await?;
        self.written = self.written.saturating_add(i32::try_from(facts.len()).unwrap_or(i32::MAX));
        Ok(())
    }

    /// The rows that a statement finds for a list of something.
    async fn find<R>(&mut self, statement: &'static str, wanted: Vec<Value>) -> Result<Vec<R>>
    where
        R: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
    {
        query_as(statement)
            .bind(Value::Array(wanted).to_string())
            .fetch_all(&mut *self.tx)
            .await
            .map_err(failure)
    }

    async fn nouns<R, T>(&mut self, statement: &'static str, wanted: Vec<Value>) -> Result<Vec<T>>
    where
        R: for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
        T: TryFrom<R, Error = Error>,
    {
        self.find(statement, wanted).await?.into_iter().map(T::try_from).collect()
    }
}

/// Both ids of something, in one text, so that they can be looked for by one index.
fn pair(one: Uuid, other: Uuid) -> Value {
    Value::Array(vec![hex(one), hex(other)])
}

#[async_trait]
impl Restoring for SqliteRestoring {
    async fn origin(&mut self, revision: i64) -> Result<(Uuid, bool)> {
        query_as(
            "SELECT keyward_instance.id, keyward_revision.value <= ?1 OR (SELECT count(*) \
             FROM keyward_changes WHERE revision > ?1 AND ordinal = 0) = keyward_revision.value - ?1 \
             FROM keyward_instance, keyward_revision",
        )
        .bind(revision)
        .fetch_one(&mut *self.tx)
        .await
        .map_err(failure)
    }

    async fn present(&mut self, rows: &Rows) -> Result<Rows> {
        Ok(match rows {
            Rows::Orgs(rows) => Rows::Orgs(
                self.nouns::<OrgRow, Org>(
                    "SELECT id, owner_id, name, description, metadata, created_at, updated_at \
                     FROM orgs WHERE id IN (SELECT unhex(value) FROM json_each(?1))",
                    rows.iter().map(|row| hex(row.id.uuid())).collect(),
                )
                .await?,
            ),
            Rows::Memberships(rows) => Rows::Memberships(
                self.nouns::<MembershipRow, Membership>(
                    "SELECT stored.member_id, stored.org_id, role, created_at, updated_at \
                     FROM json_each(?1) AS wanted CROSS JOIN org_memberships AS stored \
                     ON stored.member_id = unhex(wanted.value ->> 1) \
                     AND stored.org_id = unhex(wanted.value ->> 0)",
                    rows.iter().map(|row| pair(row.org.uuid(), row.member.uuid())).collect(),
                )
                .await?,
            ),
            Rows::Invites(rows) => Rows::Invites(
                self.nouns::<InviteRow, Invite>(
                    "SELECT id, invitee_id, inviter_id, org_id, invitee_role, created_at, \
                     expires_at, state FROM org_invites \
                     WHERE id IN (SELECT unhex(value) FROM json_each(?1))",
                    rows.iter().map(|row| hex(row.id.uuid())).collect(),
                )
                .await?,
            ),
            Rows::Dormant(rows) => {
                let found: Vec<(Uuid, Uuid)> = self
                    .find(
                        "SELECT org_invite_id, platform_invite_id FROM json_each(?1) AS wanted \
                         CROSS JOIN dormant_org_invites \
                         ON org_invite_id = unhex(wanted.value ->> 0) \
                         AND platform_invite_id = unhex(wanted.value ->> 1)",
                        rows.iter()
                            .map(|row| pair(row.invite.uuid(), row.platform_invite.uuid()))
                            .collect(),
                    )
                    .await?;
                let row = |(invite, platform_invite)| DormantInvite {
                    invite: InviteId::new(invite),
                    platform_invite: PlatformInviteId::new(platform_invite),
                };
                Rows::Dormant(found.into_iter().map(row).collect())
            }
            Rows::Keys(rows) => Rows::Keys(
                self.nouns::<KeyRow, Key>(
                    "SELECT id, issuer_id, subject, issued_at, expires_at FROM keys \
                     WHERE id IN (SELECT unhex(value) FROM json_each(?1))",
                    rows.iter().map(|row| hex(row.id.uuid())).collect(),
                )
                .await?,
            ),
            Rows::PlatformRoles(rows) => {
                let found: Vec<(Uuid, String)> = self
                    .find(
                        "SELECT user_id, role FROM users_roles \
                         WHERE user_id IN (SELECT unhex(value) FROM json_each(?1))",
                        rows.iter().map(|row| hex(row.user.uuid())).collect(),
                    )
                    .await?;
                let row = |(user, role): (Uuid, String)| {
                    let role = role.parse().map_err(Error::internal)?;
                    Ok(RoleHolder { user: UserId::new(user), role })
                };
                Rows::PlatformRoles(found.into_iter().map(row).collect::<Result<_>>()?)
            }
            Rows::Accounts(rows) => Rows::Accounts(
                self.nouns::<AccountRow, Account>(
                    "SELECT id, email, password_hash, status, metadata, created_at, updated_at \
                     FROM keyward_accounts WHERE id IN (SELECT unhex(value) FROM json_each(?1))",
                    rows.iter().map(|row| hex(row.id.uuid())).collect(),
                )
                .await?,
            ),
            Rows::Groups(rows) => Rows::Groups(
                self.nouns::<GroupRow, Group>(
                    "SELECT id, parent_id, owner_id, org_id, name, description, metadata, \
                     created_at, updated_at FROM keyward_groups \
                     WHERE id IN (SELECT unhex(value) FROM json_each(?1))",
                    rows.iter().map(|row| hex(row.id.uuid())).collect(),
                )
                .await?,
            ),
            Rows::GroupMembers(rows) => Rows::GroupMembers(
                self.nouns::<MemberRow, GroupMember>(
                    "SELECT stored.group_id, stored.member_id, stored.type, stored.created_at \
                     FROM json_each(?1) AS wanted CROSS JOIN keyward_group_members AS stored \
                     ON stored.group_id = unhex(wanted.value ->> 0) \
                     AND stored.member_id = wanted.value ->> 1",
                    rows.iter()
                        .map(|row| json!([hex(row.group.uuid()), row.member.as_str()]))
                        .collect(),
                )
                .await?,
            ),
            Rows::GroupRoles(rows) => Rows::GroupRoles(
                self.nouns::<GrantRow, GroupGrant>(
                    "SELECT stored.group_id, stored.user_id, role, created_at, updated_at \
                     FROM json_each(?1) AS wanted CROSS JOIN keyward_group_roles AS stored \
                     ON stored.group_id = unhex(wanted.value ->> 0) \
                     AND stored.user_id = unhex(wanted.value ->> 1)",
                    rows.iter().map(|row| pair(row.group.uuid(), row.user.uuid())).collect(),
                )
                .await?,
            ),
        })
    }

    async fn owners(&mut self, orgs: &[OrgId]) -> Result<Vec<(OrgId, UserId)>> {
        let found: Vec<(Uuid, Uuid)> = self
            .find(
                "SELECT id, owner_id FROM orgs \
                 WHERE id IN (SELECT unhex(value) FROM json_each(?1))",
                orgs.iter().map(|org| hex(org.uuid())).collect(),
            )
            .await?;
        Ok(found.into_iter().map(|(org, user)| (OrgId::new(org), UserId::new(user))).collect())
    }

    async fn invites(&mut self, ids: &[InviteId]) -> Result<Vec<InviteId>> {
        let wanted: Vec<Value> = ids.iter().map(|id| hex(id.uuid())).collect();
        let found: Vec<Uuid> = query_scalar(
            "SELECT id FROM org_invites WHERE id IN (SELECT unhex(value) FROM json_each(?1))",
        )
        .bind(Value::Array(wanted).to_string())
        .fetch_all(&mut *self.tx)
        .await
        .map_err(failure)?;
        Ok(found.into_iter().map(InviteId::new).collect())
    }

    async fn groups(&mut self, ids: &[GroupId]) -> Result<Vec<(GroupId, Option<OrgId>)>> {
        let found: Vec<(Uuid, Option<Uuid>)> = self
            .find(
                "SELECT id, org_id FROM keyward_groups \
                 WHERE id IN (SELECT unhex(value) FROM json_each(?1))",
                ids.iter().map(|id| hex(id.uuid())).collect(),
            )
            .await?;
        Ok(found.into_iter().map(|(id, org)| (GroupId::new(id), org.map(OrgId::new))).collect())
    }

    async fn hold_members(&mut self, these: &[(OrgId, UserId)]) -> Result<Vec<(OrgId, UserId)>> {
        let found: Vec<(Uuid, Uuid)> = self
            .find(
                "SELECT stored.org_id, stored.member_id \
                 FROM json_each(?1) AS wanted CROSS JOIN org_memberships AS stored \
                 ON stored.org_id = unhex(wanted.value ->> 0) \
                 AND stored.member_id = unhex(wanted.value ->> 1)",
                these.iter().map(|(org, user)| pair(org.uuid(), user.uuid())).collect(),
            )
            .await?;
        Ok(found.into_iter().map(|(org, user)| (OrgId::new(org), UserId::new(user))).collect())
    }

    async fn group_records(
        &mut self,
        kind: &'static str,
        revision: i64,
        groups: &[GroupId],
    ) -> Result<Vec<GroupRecord>> {
        let wanted: Vec<Value> = groups.iter().map(|id| id.to_string().into()).collect();
        let found: Vec<(String, Option<String>, String)> = query_as(
            // The kinds are named so that the index, which has no others, is used.
            "SELECT change.object, change.subject, change.payload FROM json_each(?1) AS wanted \
             CROSS JOIN keyward_changes AS change ON change.object = wanted.value \
             WHERE change.kind IN \
             ('group.move', 'group.remove', 'group.unassign', 'group_role.remove') \
             AND change.kind = ?2 AND change.revision > ?3",
        )
        .bind(Value::Array(wanted).to_string())
        .bind(kind)
        .bind(revision)
        .fetch_all(&mut *self.tx)
        .await
        .map_err(failure)?;
        let record = |(group, user, payload): (String, Option<String>, String)| {
            Ok(GroupRecord {
                group: group.parse()?,
                user: user.and_then(|user| user.parse().ok()),
                payload: serde_json::from_str(&payload).map_err(Error::internal)?,
            })
        };
        found.into_iter().map(record).collect()
    }

    async fn removed(
        &mut self,
        kind: &'static str,
        revision: i64,
        these: &[(Uuid, Uuid)],
    ) -> Result<Vec<(Uuid, Uuid)>> {
        let text = |(object, subject): &(Uuid, Uuid)| {
            Value::Array(vec![object.to_string().into(), subject.to_string().into()])
        };
        let wanted: Vec<Value> = these.iter().map(text).collect();
        let found: Vec<(String, String)> = query_as(
            // The kinds are named so that the index, which has no others, is used.
            "SELECT DISTINCT change.object, change.subject FROM json_each(?1) AS wanted \
             CROSS JOIN keyward_changes AS change ON change.object = wanted.value ->> 0 \
             AND change.subject = wanted.value ->> 1 \
             WHERE change.kind IN ('key.revoke', 'membership.remove', 'platform_role.remove') \
             AND change.kind = ?2 AND change.revision > ?3",
        )
        .bind(Value::Array(wanted).to_string())
        .bind(kind)
        .bind(revision)
        .fetch_all(&mut *self.tx)
        .await
        .map_err(failure)?;
        let ids = |(object, subject): (String, String)| {
            Some((Uuid::try_parse(&object).ok()?, Uuid::try_parse(&subject).ok()?))
        };
        Ok(found.into_iter().filter_map(ids).collect())
    }

    /// No index is for this: few open invites of a backup are not there any more.
    async fn revoked(&mut self, revision: i64, these: &[InviteId]) -> Result<Vec<InviteId>> {
        let wanted: Vec<Value> = these.iter().map(|id| id.to_string().into()).collect();
        let found: Vec<String> = query_scalar(
            "SELECT DISTINCT object FROM keyward_changes WHERE kind = 'invite.revoke' \
             AND revision > ?1 AND object IN (SELECT value FROM json_each(?2))",
        )
        .bind(revision)
        .bind(Value::Array(wanted).to_string())
        .fetch_all(&mut *self.tx)
        .await
        .map_err(failure)?;
        Ok(found.iter().filter_map(|id| id.parse().ok()).collect())
    }

    async fn hold(&mut self, guard: &Guard) -> Result<()> {
        guards::check(&mut self.tx, guard).await
    }

    async fn apply(&mut self, change: &Change) -> Result<()> {
        apply(&mut self.tx, change).await?;
        self.facts.extend(Fact::of(change));
        if self.facts.len() >= HELD { self.write_facts().await } else { Ok(()) }
    }

    async fn commit(mut self: Box<Self>) -> Result<Option<i64>> {
        self.write_facts().await?;
        self.tx.commit().await.map_err(failure)?;
        Ok(self.revision)
    }
}
