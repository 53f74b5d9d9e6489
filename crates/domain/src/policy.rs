//! Who may do what. Pure functions; every transport and both stores ask here.

use crate::error::{Entity, Error, InviteClosed, Result};
use crate::model::{Action, Evidence, Explanation, OrgRole, PlatformRole, Standing};

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

#[cfg(test)]
mod tests {
    use super::*;

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
