//! One read transaction: in WAL mode it sees what was there when it began, and holds up nobody.

mod groups;

use async_trait::async_trait;
use auth_domain::backup::odd::{StoredInvite, StoredMembership, Tally};
use auth_domain::backup::ports::PART;
use auth_domain::backup::{DormantInvite, Part, Rows, Section, Snapshot, Taken};
use auth_domain::error::Result;
use auth_domain::model::{
    Account, GroupId, InviteId, Key, Org, PlatformInviteId, RoleHolder, UserId,
};
use sqlx::sqlite::SqliteRow;
use sqlx::{FromRow, Sqlite, SqlitePool, Transaction, query_as};
use uuid::Uuid;

use crate::accounts::AccountRow;
use crate::failure::failure;
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

    async fn orgs(&mut self) -> Result<(Rows, usize)> {
        let rows: Vec<OrgRow> = self.read(ORGS).await?;
        let read = rows.len();
        let rows: Vec<Org> = rows.into_iter().map(Org::try_from).collect::<Result<_>>()?;
        self.pass(rows.last().map(|row| (row.id.uuid(), Uuid::nil())));
        Ok((Rows::Orgs(rows), read))
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
                created_at: Some(moment(row.created_at)),
                updated_at: Some(moment(row.updated_at)),
            };
            stored.understand(tally)
        });
        Ok((Rows::Memberships(rows.collect()), read))
    }

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
                created_at: Some(moment(row.created_at)),
                expires_at: Some(moment(row.expires_at)),
            };
            stored.understand(tally)
        });
        Ok((Rows::Invites(rows.collect()), read))
    }

    async fn dormant(&mut self) -> Result<(Rows, usize)> {
        let rows: Vec<(Uuid, Uuid)> = self.read(DORMANT).await?;
        self.pass(rows.last().copied());
        let read = rows.len();
        let rows = rows.into_iter().map(|(invite, platform_invite)| DormantInvite {
            invite: InviteId::new(invite),
            platform_invite: PlatformInviteId::new(platform_invite),
        });
        Ok((Rows::Dormant(rows.collect()), read))
    }

    async fn keys(&mut self) -> Result<(Rows, usize)> {
        let rows: Vec<KeyRow> = self.read(KEYS).await?;
        let read = rows.len();
        let rows: Vec<Key> = rows.into_iter().map(Key::try_from).collect::<Result<_>>()?;
        self.pass(rows.last().map(|row| (row.id.uuid(), Uuid::nil())));
        Ok((Rows::Keys(rows), read))
    }

    async fn platform_roles(&mut self, tally: &mut Tally) -> Result<(Rows, usize)> {
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
        Ok((Rows::PlatformRoles(holders), read))
    }

    async fn accounts(&mut self) -> Result<(Rows, usize)> {
        let rows: Vec<AccountRow> = self.read(ACCOUNTS).await?;
        let read = rows.len();
        let rows: Vec<Account> = rows.into_iter().map(Account::try_from).collect::<Result<_>>()?;
        self.pass(rows.last().map(|row| (row.id.uuid(), Uuid::nil())));
        Ok((Rows::Accounts(rows), read))
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
const ACCOUNTS: &str = "SELECT id, email, password_hash, email_verified_at, status, metadata, created_at, updated_at \
    FROM keyward_accounts WHERE id > ?1 AND ?2 IS NOT NULL ORDER BY id LIMIT ?3";

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
            Section::Orgs => self.orgs().await?,
            Section::Memberships => self.memberships(&mut tally).await?,
            Section::Invites => self.invites(&mut tally).await?,
            Section::Dormant => self.dormant().await?,
            Section::Keys => self.keys().await?,
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
