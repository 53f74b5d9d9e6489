//! Who may do what. Pure functions; every transport and both stores ask here.

use crate::error::{Entity, Error, InviteClosed, Result};
use crate::model::{
    Action, Evidence, Explanation, GroupId, GroupRole, GroupStanding, OrgRole, PlatformRole,
    Standing, Step, UserId,
};

/// The one table of roles and actions.
#[must_use]
pub const fn role_allows(role: OrgRole, action: Action) -> bool {
    match (role, action) {
        (OrgRole::Viewer, Action::Viewer)
        | (OrgRole::Editor, Action::Viewer | Action::Editor)
        | (OrgRole::Admin, Action::Viewer | Action::Editor | Action::Admin)
        | (OrgRole::Owner, _) => true,
        (OrgRole::Viewer | OrgRole::Editor, _) | (OrgRole::Admin, Action::Owner) => false,
    }
}

/// Whether somebody who stands there may do this in the org.
///
/// A platform role allows everything in every org that exists. To anybody else an org they do not
/// belong to looks as if it did not exist; a member with too small a role is told so.
pub const fn in_org(standing: &Standing, action: Action) -> Result<()> {
    match (standing.platform, standing.org_exists, standing.org) {
        (_, false, _) | (None, true, None) => Err(Error::NotFound(Entity::Org)),
        (Some(_), true, _) => Ok(()),
        (None, true, Some(role)) if role_allows(role, action) => Ok(()),
        (None, true, Some(_)) => Err(Error::Forbidden),
    }
}

/// Whether an invite by somebody who stands there can still be accepted: they may give every role that
/// an invite offers. Whoever accepts is not told what became of them.
pub fn may_invite(standing: &Standing) -> Result<()> {
    match in_org(standing, Action::Admin) {
        Err(_) if standing.org_exists => Err(Error::InviteClosed(InviteClosed::Void)),
        other => other,
    }
}

/// Whether somebody with this platform role may act for the whole platform.
pub const fn on_platform(role: Option<PlatformRole>, needed: PlatformRole) -> Result<()> {
    match (role, needed) {
        (Some(_), PlatformRole::Admin) | (Some(PlatformRole::Root), PlatformRole::Root) => Ok(()),
        (Some(PlatformRole::Admin), PlatformRole::Root) | (None, _) => Err(Error::Forbidden),
    }
}

/// The least role that allows this.
#[must_use]
pub const fn needed(action: Action) -> OrgRole {
    match action {
        Action::Viewer => OrgRole::Viewer,
        Action::Editor => OrgRole::Editor,
        Action::Admin => OrgRole::Admin,
        Action::Owner => OrgRole::Owner,
    }
}

/// Why [`in_org`] answers what it does, by which row.
#[must_use]
pub fn explain_in_org(evidence: Evidence, action: Action) -> Explanation {
    match evidence {
        Evidence { org_exists: false, platform, .. } => Explanation::NoOrg { platform },
        Evidence { platform: Some(role), .. } => Explanation::ByPlatformRole(role),
        Evidence { membership: None, .. } => Explanation::NotAMember { needed: needed(action) },
        Evidence { membership: Some(membership), .. } => {
            if role_allows(membership.role, action) {
                Explanation::ByMembership(membership)
            } else {
                Explanation::RoleTooSmall { membership, needed: needed(action) }
            }
        }
    }
}

/// Why [`on_platform`] answers what it does when any platform role will do.
#[must_use]
pub fn explain_on_platform(role: Option<PlatformRole>) -> Explanation {
    role.map_or(Explanation::NoPlatformRole, Explanation::ByPlatformRole)
}

/// The role in every group of an org that comes with a role in the org.
#[must_use]
pub const fn group_role_of(role: OrgRole) -> GroupRole {
    match role {
        OrgRole::Viewer => GroupRole::Viewer,
        OrgRole::Editor => GroupRole::Editor,
        OrgRole::Admin | OrgRole::Owner => GroupRole::Admin,
    }
}

/// The role a user has in all groups of the tree, if any: by a platform role, as a member of the org the
/// tree belongs to, or because the tree is theirs. In an org that is gone nobody has one.
fn everywhere(user: UserId, standing: &GroupStanding) -> Option<GroupRole> {
    match (standing.org, standing.platform) {
        (Some(_), _) if !standing.org_exists => None,
        (_, Some(_)) => Some(GroupRole::Admin),
        (Some(_), None) => standing.org_role.map(group_role_of),
        (None, None) => (standing.owner == user).then_some(GroupRole::Admin),
    }
}

/// Whether roles given in groups count: in those of an org only for its members.
const fn grants_count(standing: &GroupStanding) -> bool {
    standing.org.is_none() || (standing.org_exists && standing.org_role.is_some())
}

/// The greatest role a user has in a group, wherever it comes from: the whole tree, the group, or any
/// group above it.
#[must_use]
pub fn group_role(user: UserId, standing: &GroupStanding) -> Option<GroupRole> {
    let given = standing.trail.iter().filter_map(|step| step.role).max();
    everywhere(user, standing).max(given.filter(|_| grants_count(standing)))
}

/// Whether a user who stands there has this role in the group, or a greater one. No standing is no group.
///
/// To anybody without a role a group looks as if it did not exist; whoever has too small a role is told so.
pub fn in_group(user: UserId, standing: Option<&GroupStanding>, needed: GroupRole) -> Result<()> {
    match standing.and_then(|standing| group_role(user, standing)) {
        None => Err(Error::NotFound(Entity::Group)),
        Some(role) if role >= needed => Ok(()),
        Some(_) => Err(Error::Forbidden),
    }
}

/// Why [`in_group`] answers what it does, by which row.
#[must_use]
pub fn explain_in_group(
    user: UserId,
    standing: Option<&GroupStanding>,
    needed: GroupRole,
) -> Explanation {
    let Some(standing) = standing.filter(|found| found.org.is_none() || found.org_exists) else {
        return Explanation::NoGroup;
    };
    if everywhere(user, standing) >= Some(needed) {
        return match (standing.platform, standing.org, standing.org_role) {
            (Some(role), ..) => Explanation::ByPlatformRole(role),
            (None, Some(org), Some(role)) => Explanation::ByOrgRole { org, role },
            (None, ..) => Explanation::ByOwnTree,
        };
    }
    let counting = if grants_count(standing) { standing.trail.as_slice() } else { &[] };
    // Of several that would do, the nearest.
    let given =
        |step: &Step| step.role.filter(|role| *role >= needed).map(|role| (step.group, role));
    if let Some((group, role)) = counting.iter().rev().find_map(given) {
        return Explanation::ByGroupRole { group, role };
    }
    match group_role(user, standing) {
        Some(role) => Explanation::GroupRoleTooSmall { role, needed },
        None => Explanation::NoGroupRole { needed },
    }
}

/// The way to the group as far as the user may see it: from the highest group they have a role in. Empty
/// when they may not see the group.
#[must_use]
pub fn visible_trail(user: UserId, standing: &GroupStanding) -> Vec<GroupId> {
    let whole = everywhere(user, standing).is_some();
    let counts = grants_count(standing);
    let visible = |step: &Step| whole || (counts && step.role.is_some());
    standing.trail.iter().skip_while(|step| !visible(step)).map(|step| step.group).collect()
}

#[cfg(test)]
mod tests {
    use uuid::Uuid;

    use super::*;
    use crate::Id;

    fn user(number: u128) -> UserId {
        Id::new(Uuid::from_u128(number))
    }

    /// A tree of user 1 or of an org, seen by somebody with a role in the second of three groups.
    fn seen(org: bool, org_role: Option<OrgRole>, given: Option<GroupRole>) -> GroupStanding {
        let group = |number| GroupId::new(Uuid::from_u128(number));
        let step = |number, role| Step { group: group(number), role };
        GroupStanding {
            group: group(3),
            owner: user(1),
            org: org.then(|| Id::new(Uuid::from_u128(9))),
            org_exists: org,
            org_role,
            platform: None,
            trail: vec![step(1, None), step(2, given), step(3, None)],
        }
    }

    #[test]
    fn a_group_role_is_the_greatest_of_what_the_org_and_the_groups_above_give() {
        for org_role in OrgRole::ALL {
            for given in GroupRole::ALL.into_iter().map(Some).chain([None]) {
                let standing = seen(true, Some(org_role), given);
                let expected = Some(group_role_of(org_role)).max(given);
                assert_eq!(group_role(user(2), &standing), expected);
                assert_eq!(visible_trail(user(2), &standing).len(), 3, "members see it all");
            }
        }
    }

    #[test]
    fn s41_what_was_given_in_the_groups_of_an_org_is_void_for_others() {
        let standing = seen(true, None, Some(GroupRole::Admin));
        assert_eq!(group_role(user(1), &standing), None, "nor does having made it count");
        assert!(visible_trail(user(1), &standing).is_empty());
        let mut gone = seen(true, Some(OrgRole::Owner), Some(GroupRole::Admin));
        (gone.org_exists, gone.platform) = (false, Some(PlatformRole::Root));
        assert_eq!(group_role(user(2), &gone), None, "an org that is gone");
    }

    #[test]
    fn s46_a_guest_sees_a_tree_from_where_they_have_a_role() {
        let mine = seen(false, None, None);
        assert_eq!(group_role(user(1), &mine), Some(GroupRole::Admin));
        assert_eq!(visible_trail(user(1), &mine).len(), 3);
        let guest = seen(false, None, Some(GroupRole::Editor));
        assert_eq!(group_role(user(2), &guest), Some(GroupRole::Editor));
        assert_eq!(
            visible_trail(user(2), &guest),
            [2, 3].map(|n| GroupId::new(Uuid::from_u128(n)))
        );
        assert!(in_group(user(2), Some(&guest), GroupRole::Editor).is_ok());
        assert!(matches!(in_group(user(2), Some(&guest), GroupRole::Admin), Err(Error::Forbidden)));
        for stranger in [Some(&mine), None] {
            let refusal = in_group(user(2), stranger, GroupRole::Viewer);
            assert!(matches!(refusal, Err(Error::NotFound(Entity::Group))));
        }
    }

    fn member(role: OrgRole) -> Standing {
        Standing { platform: None, org_exists: true, org: Some(role) }
    }

    #[test]
    fn a_greater_role_never_loses_a_permission() {
        for pair in OrgRole::ALL.windows(2) {
            for action in Action::ALL {
                assert!(!role_allows(pair[0], action) || role_allows(pair[1], action));
            }
        }
    }

    #[test]
    fn each_action_needs_the_role_of_its_name() {
        for (role, action) in OrgRole::ALL.iter().zip(Action::ALL) {
            assert!(role_allows(*role, action));
            for greater in Action::ALL.into_iter().filter(|other| *other > action) {
                assert!(!role_allows(*role, greater), "{role} {greater:?}");
            }
        }
    }

    #[test]
    fn the_needed_role_is_the_least_that_allows() {
        for action in Action::ALL {
            let least = OrgRole::ALL.into_iter().find(|role| role_allows(*role, action));
            assert_eq!(Some(needed(action)), least);
        }
    }

    #[test]
    fn outsiders_cannot_tell_a_foreign_org_from_none() {
        let outsider = Standing { platform: None, org_exists: true, org: None };
        let nowhere = Standing { platform: None, org_exists: false, org: None };
        for action in Action::ALL {
            assert!(matches!(in_org(&outsider, action), Err(Error::NotFound(Entity::Org))));
            assert!(matches!(in_org(&nowhere, action), Err(Error::NotFound(Entity::Org))));
        }
        assert!(matches!(in_org(&member(OrgRole::Viewer), Action::Admin), Err(Error::Forbidden)));
    }

    #[test]
    fn s52_an_invite_is_worth_what_its_inviter_may_do_now() {
        for role in OrgRole::ALL {
            let allowed = role_allows(role, Action::Admin);
            assert_eq!(may_invite(&member(role)).is_ok(), allowed, "{role}");
        }
        let root = Standing { platform: Some(PlatformRole::Admin), org_exists: true, org: None };
        assert!(may_invite(&root).is_ok());
        for lost in [Some(OrgRole::Viewer), None] {
            let standing = Standing { platform: None, org_exists: true, org: lost };
            let refused = may_invite(&standing);
            assert!(matches!(refused, Err(Error::InviteClosed(InviteClosed::Void))), "{lost:?}");
        }
        let nowhere = Standing { platform: Some(PlatformRole::Root), ..Standing::default() };
        assert!(matches!(may_invite(&nowhere), Err(Error::NotFound(Entity::Org))));
    }

    #[test]
    fn a_platform_role_allows_everything_that_exists() {
        for role in PlatformRole::ALL {
            let here = Standing { platform: Some(role), org_exists: true, org: None };
            let nowhere = Standing { platform: Some(role), org_exists: false, org: None };
            for action in Action::ALL {
                assert!(in_org(&here, action).is_ok());
                assert!(in_org(&nowhere, action).is_err());
            }
        }
        assert!(on_platform(Some(PlatformRole::Admin), PlatformRole::Admin).is_ok());
        assert!(on_platform(Some(PlatformRole::Admin), PlatformRole::Root).is_err());
        assert!(on_platform(None, PlatformRole::Admin).is_err());
    }
}
