//! One transaction that sees what was there when it began.

mod groups;

use async_trait::async_trait;
use auth_domain::backup::odd::{StoredInvite, StoredMembership, Tally};
use auth_domain::backup::ports::PART;
use auth_domain::backup::{DormantInvite, Part, Rows, Section, Snapshot, Taken};
use auth_domain::error::Result;
use auth_domain::model::{
    Account, InviteId, Key, KeyId, Org, PlatformInviteId, RoleHolder, UserId,
};
use sqlx::postgres::PgRow;
use sqlx::{FromRow, query_as, query_scalar};
use uuid::Uuid;

use super::transaction::{Held, READ};
use crate::accounts::AccountRow;
use crate::connections::Connections;
use crate::failure::failure;
use crate::keys::KeyRow;
use crate::moment::Moment;
use crate::orgs::OrgRow;

pub(crate) struct PgSnapshot {
    held: Held,
    taken: Taken,
    section: Option<Section>,
    after: (Uuid, Uuid),
    /// The last member of a group that was given.
    after_member: String,
    /// The groups that are still to be given, the last first.
    groups: Vec<Uuid>,
}

#[derive(FromRow)]
struct MembershipRow {
    org_id: Uuid,
    member_id: Uuid,
    owner_id: Uuid,
    role: String,
    created_at: Option<Moment>,
    updated_at: Option<Moment>,
}

#[derive(FromRow)]
struct InviteRow {
    id: Uuid,
    org_id: Uuid,
    inviter_id: Uuid,
    invitee_id: Option<Uuid>,
    invitee_role: String,
    state: String,
    created_at: Option<Moment>,
    expires_at: Option<Moment>,
}

/// `$2` is only for lists with two columns of place. The nil id comes before all others and is nobody's.
const ORGS: &str = "SELECT id, owner_id, name, description, metadata::text AS metadata, created_at, \
    updated_at FROM orgs WHERE id > $1 AND $2::uuid IS NOT NULL ORDER BY id LIMIT $3";
const MEMBERSHIPS: &str = "SELECT part.org_id, member_id, owner_id, role, part.created_at, \
    part.updated_at FROM (SELECT org_id, member_id, role, created_at, updated_at \
    FROM org_memberships WHERE (org_id, member_id) > ($1, $2) \
    ORDER BY org_id, member_id LIMIT $3) AS part JOIN orgs ON orgs.id = part.org_id \
    ORDER BY part.org_id, member_id";
const INVITES: &str = "SELECT id, org_id, inviter_id, invitee_id, invitee_role, state, created_at, \
    expires_at FROM org_invites WHERE id > $1 AND $2::uuid IS NOT NULL ORDER BY id LIMIT $3";
const DORMANT: &str = "SELECT org_invite_id, platform_invite_id FROM dormant_org_invites \
    WHERE (org_invite_id, platform_invite_id) > ($1, $2) \
    ORDER BY org_invite_id, platform_invite_id LIMIT $3";
/// The original's column takes any text; only a UUID in its one spelling is a key that can be used. With the
/// same id for two users, which the original's table allows, the first is kept.
const KEYS: &str = "SELECT DISTINCT ON (id COLLATE \"C\") id, issuer_id, subject, issued_at, expires_at \
    FROM keys WHERE type = 2 AND id COLLATE \"C\" > $1::text AND $2::uuid IS NOT NULL \
    AND id ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$' \
    ORDER BY id COLLATE \"C\", issuer_id LIMIT $3";
const ODD_KEYS: &str = "SELECT count(*) - count(DISTINCT id) FILTER (WHERE type = 2 \
    AND id ~ '^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$') FROM keys";
const ROLES: &str = "SELECT user_id, role FROM users_roles \
    WHERE user_id > $1 AND $2::uuid IS NOT NULL ORDER BY user_id LIMIT $3";
const ACCOUNTS: &str = "SELECT id, email, password_hash, email_verified_at, status, metadata::text AS metadata, \
    created_at, updated_at FROM keyward_accounts \
    WHERE id > $1 AND $2::uuid IS NOT NULL ORDER BY id LIMIT $3";

impl PgSnapshot {
    pub(crate) async fn take(database: &Connections) -> Result<Self> {
        let mut held = Held::begin(database, READ).await?;
        // The first statement is what fixes what all of them see.
        let (instance, revision): (Uuid, i64) = held
            .run(async |db| {
                query_as(
                    "SELECT keyward_instance.id, keyward_revision.value \
                     FROM keyward_instance, keyward_revision",
                )
                .fetch_one(db)
                .await
                .map_err(failure)
            })
            .await?;
        let taken = Taken { instance, revision };
        Ok(Self {
            held,
            taken,
            section: None,
            after: (Uuid::nil(), Uuid::nil()),
            after_member: String::new(),
            groups: Vec::new(),
        })
    }

    async fn read<R>(&mut self, statement: &'static str) -> Result<Vec<R>>
    where
        R: for<'r> FromRow<'r, PgRow> + Send + Unpin,
    {
        let (one, other) = self.after;
        self.held
            .run(async |db| {
                query_as(statement)
                    .bind(one)
                    .bind(other)
                    .bind(limit())
                    .fetch_all(db)
                    .await
                    .map_err(failure)
            })
            .await
    }

    async fn read_keys(&mut self) -> Result<Vec<KeyRow>> {
        let (one, other) = self.after;
        // No text comes before none.
        let after = if one.is_nil() { String::new() } else { KeyId::new(one).to_string() };
        self.held
            .run(async |db| {
                query_as(KEYS)
                    .bind(after)
                    .bind(other)
                    .bind(limit())
                    .fetch_all(db)
                    .await
                    .map_err(failure)
            })
            .await
    }

    /// Some orgs, and how many rows were read.
    async fn orgs(&mut self, tally: &mut Tally) -> Result<(Rows, usize)> {
        let rows: Vec<OrgRow> = self.read(ORGS).await?;
        let read = rows.len();
        let mut orgs: Vec<Org> = Vec::with_capacity(read);
        for row in rows {
            let odd = row.is_without_times();
            let org = Org::try_from(row)?;
            self.pass(Some((org.id.uuid(), Uuid::nil())));
            if org.owner.is_nil() {
                tally.leave_out();
            } else {
                tally.normalise(odd);
                orgs.push(org);
            }
        }
        Ok((Rows::Orgs(orgs), read))
    }

    /// Some invites, and how many rows were read.
    async fn invites(&mut self, tally: &mut Tally) -> Result<(Rows, usize)> {
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
                created_at: row.created_at.map(|moment| moment.0),
                expires_at: row.expires_at.map(|moment| moment.0),
            };
            stored.understand(tally)
        });
        Ok((Rows::Invites(rows.collect()), read))
    }

    async fn memberships(&mut self, tally: &mut Tally) -> Result<(Rows, usize)> {
        let rows: Vec<MembershipRow> = self.read(MEMBERSHIPS).await?;
        self.pass(rows.last().map(|row| (row.org_id, row.member_id)));
        let read = rows.len();
        let rows = rows.into_iter().filter_map(|row| {
            let stored = StoredMembership {
                org: row.org_id,
                member: row.member_id,
                owner: row.owner_id,
                role: row.role,
                created_at: row.created_at.map(|moment| moment.0),
                updated_at: row.updated_at.map(|moment| moment.0),
            };
            stored.understand(tally)
        });
        Ok((Rows::Memberships(rows.collect()), read))
    }

    async fn dormant(&mut self, tally: &mut Tally) -> Result<(Rows, usize)> {
        let rows: Vec<(Uuid, Uuid)> = self.read(DORMANT).await?;
        self.pass(rows.last().copied());
        let read = rows.len();
        let mut waiting = Vec::with_capacity(read);
        for (invite, platform_invite) in rows {
            if platform_invite.is_nil() || invite.is_nil() {
                tally.leave_out();
                continue;
            }
            waiting.push(DormantInvite {
                invite: InviteId::new(invite),
                platform_invite: PlatformInviteId::new(platform_invite),
            });
        }
        Ok((Rows::Dormant(waiting), read))
    }

    async fn keys(&mut self) -> Result<(Rows, usize)> {
        let rows = self.read_keys().await?;
        let read = rows.len();
        let keys: Vec<Key> = rows.into_iter().map(Key::try_from).collect::<Result<_>>()?;
        self.pass(keys.last().map(|key| (key.id.uuid(), Uuid::nil())));
        Ok((Rows::Keys(keys), read))
    }

    async fn platform_roles(&mut self, tally: &mut Tally) -> Result<(Rows, usize)> {
        let rows: Vec<(Uuid, Option<String>)> = self.read(ROLES).await?;
        self.pass(rows.last().map(|(user, _)| (*user, Uuid::nil())));
        let read = rows.len();
        let mut holders = Vec::with_capacity(read);
        for (user, role) in rows {
            match role.and_then(|role| role.parse().ok()) {
                Some(role) => holders.push(RoleHolder { user: UserId::new(user), role }),
                None => tally.leave_out(),
            }
        }
        Ok((Rows::PlatformRoles(holders), read))
    }

    async fn accounts(&mut self) -> Result<(Rows, usize)> {
        let rows: Vec<AccountRow> = self.read(ACCOUNTS).await?;
        let read = rows.len();
        let rows: Vec<Account> = rows.into_iter().map(Account::try_from).collect::<Result<_>>()?;
        self.pass(rows.last().map(|row| (row.id.uuid(), Uuid::nil())));
        Ok((Rows::Accounts(rows), read))
    }

    async fn odd_keys(&mut self) -> Result<u64> {
        let count: i64 = self
            .held
            .run(async |db| query_scalar(ODD_KEYS).fetch_one(db).await.map_err(failure))
            .await?;
        Ok(u64::try_from(count).unwrap_or(0))
    }

    const fn pass(&mut self, place: Option<(Uuid, Uuid)>) {
        if let Some(place) = place {
            self.after = place;
        }
    }
}

fn limit() -> i64 {
    i64::try_from(PART).unwrap_or(i64::MAX)
}

#[async_trait]
impl Snapshot for PgSnapshot {
    fn taken(&self) -> Taken {
        self.taken
    }

    async fn part(&mut self, section: Section) -> Result<Part> {
        let begins = self.section != Some(section);
        if begins {
            self.section = Some(section);
            self.after = (Uuid::nil(), Uuid::nil());
            if section == Section::Groups {
                self.order_groups().await?;
            }
        }
        let mut tally = Tally::default();
        let (rows, read) = match section {
            Section::Orgs => self.orgs(&mut tally).await?,
            Section::Memberships => self.memberships(&mut tally).await?,
            Section::Invites => self.invites(&mut tally).await?,
            Section::Dormant => self.dormant(&mut tally).await?,
            Section::Keys => {
                if begins {
                    tally.left_out = self.odd_keys().await?;
                }
                self.keys().await?
            }
            Section::PlatformRoles => self.platform_roles(&mut tally).await?,
            Section::Accounts => self.accounts().await?,
            Section::Groups => self.groups().await?,
            Section::GroupMembers => self.group_members().await?,
            Section::GroupRoles => self.group_roles().await?,
        };
        let Tally { left_out, normalised } = tally;
        Ok(Part { rows, more: read >= PART, left_out, normalised })
    }
}
