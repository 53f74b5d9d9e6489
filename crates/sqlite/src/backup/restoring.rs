//! A commit that is put together bit by bit.

use std::sync::Arc;

use async_trait::async_trait;
use auth_domain::audit::Told;
use auth_domain::backup::{GroupRecord, Restoring, Rows};
use auth_domain::change::{Change, Commit, Guard};
use auth_domain::error::{Error, Result};
use auth_domain::model::{GroupId, InviteId, OrgId, UserId};
use serde_json::Value;
use sqlx::{Sqlite, SqlitePool, Transaction, query_as, query_scalar};
use uuid::Uuid;

use super::bulk::hex;
use super::present::{find, pair, present};
use crate::failure::failure;
use crate::replicas::Registry;
use crate::{apply, guards, log};

/// How many facts are held before they are written.
const HELD: usize = 10_000;

#[derive(Debug)]
pub(crate) struct SqliteRestoring {
    tx: Transaction<'static, Sqlite>,
    replicas: Arc<Registry>,
    /// Who asked for it, and from where; its guards and changes are done with.
    commit: Commit,
    told: Vec<Told>,
    /// The revision of this commit, once some of its facts are written, and how many of them are.
    revision: Option<i64>,
    written: i32,
}

impl SqliteRestoring {
    pub(crate) async fn begin(
        db: &SqlitePool,
        replicas: Arc<Registry>,
        commit: Commit,
    ) -> Result<Self> {
        let tx = db.begin_with("BEGIN IMMEDIATE").await.map_err(failure)?;
        let mut commit = commit;
        let guards = std::mem::take(&mut commit.guards);
        let changes = std::mem::take(&mut commit.changes);
        let told = Vec::new();
        let mut this = Self { tx, replicas, commit, told, revision: None, written: 0 };
        for guard in &guards {
            this.hold(guard).await?;
        }
        for change in &changes {
            this.apply(change).await?;
        }
        Ok(this)
    }

    async fn write_facts(&mut self) -> Result<()> {
        if self.told.is_empty() {
            return Ok(());
        }
        let revision = match self.revision {
            Some(revision) => revision,
            None => log::advance(&mut self.tx).await?,
        };
        self.revision = Some(revision);
        let told = std::mem::take(&mut self.told);
        let place = (revision, self.written);
        log::write(&mut self.tx, place, &told, &self.commit).await?;
        self.written = self.written.saturating_add(i32::try_from(told.len()).unwrap_or(i32::MAX));
        Ok(())
    }
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
        present(&mut self.tx, rows).await
    }

    async fn owners(&mut self, orgs: &[OrgId]) -> Result<Vec<(OrgId, UserId)>> {
        let found: Vec<(Uuid, Uuid)> = find(
            &mut self.tx,
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
        let found: Vec<(Uuid, Option<Uuid>)> = find(
            &mut self.tx,
            "SELECT id, org_id FROM keyward_groups \
             WHERE id IN (SELECT unhex(value) FROM json_each(?1))",
            ids.iter().map(|id| hex(id.uuid())).collect(),
        )
        .await?;
        Ok(found.into_iter().map(|(id, org)| (GroupId::new(id), org.map(OrgId::new))).collect())
    }

    async fn hold_members(&mut self, these: &[(OrgId, UserId)]) -> Result<Vec<(OrgId, UserId)>> {
        let found: Vec<(Uuid, Uuid)> = find(
            &mut self.tx,
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
        let role_before = apply(&mut self.tx, &self.replicas, change).await?;
        self.told.extend(Told::of(change, role_before.as_deref()));
        if self.told.len() >= HELD { self.write_facts().await } else { Ok(()) }
    }

    async fn commit(mut self: Box<Self>) -> Result<Option<i64>> {
        self.write_facts().await?;
        self.tx.commit().await.map_err(failure)?;
        Ok(self.revision)
    }
}
