//! What is stored at the places of some rows.

use auth_domain::backup::{DormantInvite, Rows};
use auth_domain::error::{Error, Result};
use auth_domain::model::{
    Account, Group, GroupGrant, GroupMember, InviteId, Key, Membership, Org, PlatformInviteId,
    RoleHolder, UserId,
};
use sqlx::{PgConnection, query_as};
use uuid::Uuid;

use crate::accounts::AccountRow;
use crate::failure::failure;
use crate::group_members::{GrantRow, MemberRow};
use crate::groups::GroupRow;
use crate::invites::InviteRow;
use crate::keys::KeyRow;
use crate::members::{MembershipRow, words};
use crate::orgs::OrgRow;

fn nouns<R, T: TryFrom<R, Error = Error>>(rows: Vec<R>) -> Result<Vec<T>> {
    rows.into_iter().map(T::try_from).collect()
}

pub(super) async fn present(db: &mut PgConnection, rows: &Rows) -> Result<Rows> {
    Ok(match rows {
        Rows::Orgs(rows) => {
            let ids: Vec<Uuid> = rows.iter().map(|row| row.id.uuid()).collect();
            let found = query_as::<_, OrgRow>(
                "SELECT id, owner_id, name, description, metadata::text AS metadata, created_at, \
                 updated_at FROM orgs WHERE id = ANY ($1)",
            )
            .bind(ids);
            Rows::Orgs(nouns::<_, Org>(found.fetch_all(db).await.map_err(failure)?)?)
        }
        Rows::Memberships(rows) => {
            let orgs: Vec<Uuid> = rows.iter().map(|row| row.org.uuid()).collect();
            let members: Vec<Uuid> = rows.iter().map(|row| row.member.uuid()).collect();
            let found = query_as::<_, MembershipRow>(
                "SELECT stored.member_id, stored.org_id, role, created_at, updated_at \
                 FROM unnest($1::uuid[], $2::uuid[]) AS wanted (org_id, member_id) \
                 JOIN org_memberships AS stored ON stored.org_id = wanted.org_id \
                 AND stored.member_id = wanted.member_id WHERE role = ANY ($3)",
            )
            .bind(orgs)
            .bind(members)
            .bind(words(None));
            Rows::Memberships(nouns::<_, Membership>(found.fetch_all(db).await.map_err(failure)?)?)
        }
        Rows::Invites(rows) => {
            let ids: Vec<Uuid> = rows.iter().map(|row| row.id.uuid()).collect();
            let found = query_as::<_, InviteRow>(
                "SELECT id, invitee_id, inviter_id, org_id, invitee_role, created_at, expires_at, \
                 state FROM org_invites WHERE id = ANY ($1)",
            )
            .bind(ids);
            let found = found.fetch_all(db).await.map_err(failure)?;
            // The original's tables can hold words that mean nothing; inserting over them says that they
            // are there.
            Rows::Invites(found.into_iter().filter_map(|row| row.try_into().ok()).collect())
        }
        Rows::Dormant(rows) => {
            let invites: Vec<Uuid> = rows.iter().map(|row| row.invite.uuid()).collect();
            let platform: Vec<Uuid> = rows.iter().map(|row| row.platform_invite.uuid()).collect();
            let found: Vec<(Uuid, Uuid)> = query_as(
                "SELECT org_invite_id, platform_invite_id FROM dormant_org_invites \
                 WHERE (org_invite_id, platform_invite_id) IN \
                 (SELECT * FROM unnest($1::uuid[], $2::uuid[]))",
            )
            .bind(invites)
            .bind(platform)
            .fetch_all(db)
            .await
            .map_err(failure)?;
            let row = |(invite, platform_invite)| DormantInvite {
                invite: InviteId::new(invite),
                platform_invite: PlatformInviteId::new(platform_invite),
            };
            Rows::Dormant(found.into_iter().map(row).collect())
        }
        Rows::Keys(rows) => {
            let ids: Vec<String> = rows.iter().map(|row| row.id.to_string()).collect();
            let found = query_as::<_, KeyRow>(
                "SELECT id, issuer_id, subject, issued_at, expires_at FROM keys \
                 WHERE id = ANY ($1) AND type = 2",
            )
            .bind(ids);
            Rows::Keys(nouns::<_, Key>(found.fetch_all(db).await.map_err(failure)?)?)
        }
        Rows::PlatformRoles(rows) => {
            let ids: Vec<Uuid> = rows.iter().map(|row| row.user.uuid()).collect();
            let found: Vec<(Uuid, String)> = query_as(
                "SELECT user_id, role FROM users_roles WHERE user_id = ANY ($1) AND role IS NOT NULL",
            )
            .bind(ids)
            .fetch_all(db)
            .await
            .map_err(failure)?;
            let row = |(user, role): (Uuid, String)| {
                let role = role.parse().map_err(Error::internal)?;
                Ok(RoleHolder { user: UserId::new(user), role })
            };
            Rows::PlatformRoles(found.into_iter().map(row).collect::<Result<_>>()?)
        }
        Rows::Accounts(rows) => {
            let ids: Vec<Uuid> = rows.iter().map(|row| row.id.uuid()).collect();
            let found = query_as::<_, AccountRow>(
                "SELECT id, email, password_hash, status, metadata::text AS metadata, created_at, \
                 updated_at FROM keyward_accounts WHERE id = ANY ($1)",
            )
            .bind(ids);
            Rows::Accounts(nouns::<_, Account>(found.fetch_all(db).await.map_err(failure)?)?)
        }
        Rows::Groups(rows) => {
            let ids: Vec<Uuid> = rows.iter().map(|row| row.id.uuid()).collect();
            let found = query_as::<_, GroupRow>(
                "SELECT id, parent_id, owner_id, org_id, name, description, \
                 metadata::text AS metadata, created_at, updated_at FROM keyward_groups \
                 WHERE id = ANY ($1)",
            )
            .bind(ids);
            Rows::Groups(nouns::<_, Group>(found.fetch_all(db).await.map_err(failure)?)?)
        }
        Rows::GroupMembers(rows) => {
            let groups: Vec<Uuid> = rows.iter().map(|row| row.group.uuid()).collect();
            let members: Vec<&str> = rows.iter().map(|row| row.member.as_str()).collect();
            let found = query_as::<_, MemberRow>(
                "SELECT stored.group_id, stored.member_id, stored.type, stored.created_at \
                 FROM unnest($1::uuid[], $2::text[]) AS wanted (group_id, member_id) \
                 JOIN keyward_group_members AS stored ON stored.group_id = wanted.group_id \
                 AND stored.member_id = wanted.member_id COLLATE \"C\"",
            )
            .bind(groups)
            .bind(members);
            let found = found.fetch_all(db).await.map_err(failure)?;
            Rows::GroupMembers(nouns::<_, GroupMember>(found)?)
        }
        Rows::GroupRoles(rows) => {
            let groups: Vec<Uuid> = rows.iter().map(|row| row.group.uuid()).collect();
            let users: Vec<Uuid> = rows.iter().map(|row| row.user.uuid()).collect();
            let found = query_as::<_, GrantRow>(
                "SELECT stored.group_id, stored.user_id, role, created_at, updated_at \
                 FROM unnest($1::uuid[], $2::uuid[]) AS wanted (group_id, user_id) \
                 JOIN keyward_group_roles AS stored ON stored.group_id = wanted.group_id \
                 AND stored.user_id = wanted.user_id",
            )
            .bind(groups)
            .bind(users);
            Rows::GroupRoles(nouns::<_, GroupGrant>(found.fetch_all(db).await.map_err(failure)?)?)
        }
    })
}
