//! A commit that is put together bit by bit.

use async_trait::async_trait;
use auth_domain::audit::{Told, Trail};
use auth_domain::backup::{GroupRecord, Restoring, Rows};
use auth_domain::change::{Change, Commit, Guard};
use auth_domain::error::Result;
use auth_domain::model::{GroupId, InviteId, OrgId, UserId};
use serde_json::Value;
use sqlx::types::Json;
use sqlx::{query_as, query_scalar};
use uuid::Uuid;

use super::present::present;
use super::transaction::{Held, WRITE};
use crate::connections::Connections;
use crate::failure::failure;
use crate::transaction::apply;
use crate::{audit, guards, log};

/// How many facts are held before they are written, which holds up every other commit from then on: what
/// people restore over HTTP has fewer.
const HELD: usize = 20_000;

pub(crate) struct PgRestoring {
    held: Held,
    /// Who asked for it, and from where; its guards and changes are done with.
    commit: Commit,
    told: Vec<Told>,
    /// What is checked again in the end.
    last: Vec<Guard>,
    /// The revision of this commit, once some of its facts are written, and how many of them are.
    revision: Option<i64>,
    written: i32,
}

impl PgRestoring {
    pub(crate) async fn begin(database: &Connections, commit: Commit) -> Result<Self> {
        let held = Held::begin(database, WRITE).await?;
        let mut commit = commit;
        let guards = std::mem::take(&mut commit.guards);
        let changes = std::mem::take(&mut commit.changes);
        let (told, last) = (Vec::new(), Vec::new());
        let mut this = Self { held, commit, told, last, revision: None, written: 0 };
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
        let told = std::mem::take(&mut self.told);
        let (entries, notary) = (self.commit.entries(&told), &*self.commit.audit.notary);
        self.held.run(async |db| audit::append(db, Trail::Changes, entries, notary).await).await?;
        let revision = match self.revision {
            Some(revision) => revision,
            None => self.held.run(async |db| log::advance(db).await).await?,
        };
        self.revision = Some(revision);
        let count = i32::try_from(told.len()).unwrap_or(i32::MAX);
        let place = (revision, self.written);
        let (actor, at) = (&*self.commit.actor, self.commit.at);
        let facts = told.into_iter().map(|told| told.fact).collect();
        self.held.run(async |db| log::write(db, place, facts, actor, at).await).await?;
        self.written = self.written.saturating_add(count);
        Ok(())
    }
}

#[async_trait]
impl Restoring for PgRestoring {
    async fn origin(&mut self, revision: i64) -> Result<(Uuid, bool)> {
        self.held
            .run(async |db| {
                query_as(
                    "SELECT keyward_instance.id, keyward_revision.value <= $1 OR \
                     (SELECT count(*) FROM keyward_changes WHERE revision > $1 AND ordinal = 0) \
                     = keyward_revision.value - $1 FROM keyward_instance, keyward_revision",
                )
                .bind(revision)
                .fetch_one(db)
                .await
                .map_err(failure)
            })
            .await
    }

    async fn present(&mut self, rows: &Rows) -> Result<Rows> {
        self.held.run(async |db| present(db, rows).await).await
    }

    /// The orgs are there until the end.
    async fn owners(&mut self, orgs: &[OrgId]) -> Result<Vec<(OrgId, UserId)>> {
        let ids: Vec<Uuid> = orgs.iter().map(|org| org.uuid()).collect();
        let found: Vec<(Uuid, Uuid)> = self
            .held
            .run(async |db| {
                query_as(
                    "SELECT id, owner_id FROM orgs WHERE id = ANY ($1) ORDER BY id FOR KEY SHARE",
                )
                .bind(ids)
                .fetch_all(db)
                .await
                .map_err(failure)
            })
            .await?;
        Ok(found.into_iter().map(|(org, user)| (OrgId::new(org), UserId::new(user))).collect())
    }

    async fn invites(&mut self, ids: &[InviteId]) -> Result<Vec<InviteId>> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
        let found: Vec<Uuid> = self
            .held
            .run(async |db| {
                query_scalar("SELECT id FROM org_invites WHERE id = ANY ($1)")
                    .bind(ids)
                    .fetch_all(db)
                    .await
                    .map_err(failure)
            })
            .await?;
        Ok(found.into_iter().map(InviteId::new).collect())
    }

    async fn groups(&mut self, ids: &[GroupId]) -> Result<Vec<(GroupId, Option<OrgId>)>> {
        let ids: Vec<Uuid> = ids.iter().map(|id| id.uuid()).collect();
        let found: Vec<(Uuid, Option<Uuid>)> = self
            .held
            .run(async |db| {
                query_as("SELECT id, org_id FROM keyward_groups WHERE id = ANY ($1)")
                    .bind(ids)
                    .fetch_all(db)
                    .await
                    .map_err(failure)
            })
            .await?;
        Ok(found.into_iter().map(|(id, org)| (GroupId::new(id), org.map(OrgId::new))).collect())
    }

    async fn hold_members(&mut self, these: &[(OrgId, UserId)]) -> Result<Vec<(OrgId, UserId)>> {
        let (orgs, users): (Vec<Uuid>, Vec<Uuid>) =
            these.iter().map(|(org, user)| (org.uuid(), user.uuid())).unzip();
        let found: Vec<(Uuid, Uuid)> = self
            .held
            .run(async |db| {
                query_as(
                    "SELECT org_id, member_id FROM org_memberships WHERE (org_id, member_id) IN \
                     (SELECT * FROM unnest($1::uuid[], $2::uuid[])) \
                     ORDER BY org_id, member_id FOR SHARE",
                )
                .bind(orgs)
                .bind(users)
                .fetch_all(db)
                .await
                .map_err(failure)
            })
            .await?;
        Ok(found.into_iter().map(|(org, user)| (OrgId::new(org), UserId::new(user))).collect())
    }

    async fn group_records(
        &mut self,
        kind: &'static str,
        revision: i64,
        groups: &[GroupId],
    ) -> Result<Vec<GroupRecord>> {
        let objects: Vec<String> = groups.iter().map(ToString::to_string).collect();
        let found: Vec<(String, Option<String>, Json<Value>)> = self
            .held
            .run(async |db| {
                query_as(
                    // The kinds are named so that the index, which has no others, is used.
                    "SELECT change.object, change.subject, change.payload \
                     FROM unnest($1::text[]) AS wanted (object) \
                     JOIN keyward_changes AS change ON change.object = wanted.object COLLATE \"C\" \
                     WHERE change.kind IN \
                     ('group.move', 'group.remove', 'group.unassign', 'group_role.remove') \
                     AND change.kind = $2 AND change.revision > $3",
                )
                .bind(objects)
                .bind(kind)
                .bind(revision)
                .fetch_all(db)
                .await
                .map_err(failure)
            })
            .await?;
        let record = |(group, user, Json(payload)): (String, Option<String>, Json<Value>)| {
            let user = user.and_then(|user| user.parse().ok());
            Ok(GroupRecord { group: group.parse()?, user, payload })
        };
        found.into_iter().map(record).collect()
    }

    async fn removed(
        &mut self,
        kind: &'static str,
        revision: i64,
        these: &[(Uuid, Uuid)],
    ) -> Result<Vec<(Uuid, Uuid)>> {
        let objects: Vec<String> = these.iter().map(|(object, _)| object.to_string()).collect();
        let subjects: Vec<String> = these.iter().map(|(_, subject)| subject.to_string()).collect();
        let found: Vec<(String, String)> = self
            .held
            .run(async |db| {
                query_as(
                    // The kinds are named so that the index, which has no others, is used.
                    "SELECT DISTINCT change.object, change.subject \
                     FROM unnest($1::text[], $2::text[]) AS wanted (object, subject) \
                     JOIN keyward_changes AS change ON change.object = wanted.object COLLATE \"C\" \
                     AND change.subject = wanted.subject COLLATE \"C\" WHERE change.kind IN \
                     ('key.revoke', 'membership.remove', 'platform_role.remove') \
                     AND change.kind = $3 AND change.revision > $4",
                )
                .bind(objects)
                .bind(subjects)
                .bind(kind)
                .bind(revision)
                .fetch_all(db)
                .await
                .map_err(failure)
            })
            .await?;
        let ids = |(object, subject): (String, String)| {
            Some((Uuid::try_parse(&object).ok()?, Uuid::try_parse(&subject).ok()?))
        };
        Ok(found.into_iter().filter_map(ids).collect())
    }

    /// No index is for this: few open invites of a backup are not there any more.
    async fn revoked(&mut self, revision: i64, these: &[InviteId]) -> Result<Vec<InviteId>> {
        let these: Vec<String> = these.iter().map(ToString::to_string).collect();
        let found: Vec<String> = self
            .held
            .run(async |db| {
                query_scalar(
                    "SELECT DISTINCT object FROM keyward_changes \
                     WHERE kind = 'invite.revoke' AND revision > $1 AND object = ANY ($2)",
                )
                .bind(revision)
                .bind(these)
                .fetch_all(db)
                .await
                .map_err(failure)
            })
            .await?;
        Ok(found.iter().filter_map(|id| id.parse().ok()).collect())
    }

    /// Orgs that a guard is about are held so that nobody else changes their members meanwhile.
    async fn hold(&mut self, guard: &Guard) -> Result<()> {
        self.held.run(async |db| guards::check_before(db, guard).await).await?;
        self.last.extend(Some(*guard).filter(|guard| guards::comes_last(guard, &[])));
        Ok(())
    }

    async fn apply(&mut self, change: &Change) -> Result<()> {
        let role_before = self.held.run(async |db| apply(db, change).await).await?;
        self.told.extend(Told::of(change, role_before.as_deref()));
        if self.told.len() >= HELD { self.write_facts().await } else { Ok(()) }
    }

    async fn commit(mut self: Box<Self>) -> Result<Option<i64>> {
        self.write_facts().await?;
        for guard in std::mem::take(&mut self.last) {
            self.held.run(async |db| guards::check_before(db, &guard).await).await?;
        }
        self.held.commit().await?;
        Ok(self.revision)
    }
}
