//! The verbs, one file per noun. Each operation is a struct run by [`crate::App::execute`].

pub mod access;
pub mod account_admin;
pub mod accounts;
pub mod addresses;
pub mod audit;
pub mod backup;
pub mod changes;
pub mod checks;
mod digests;
pub mod dormant_invites;
pub mod explain;
pub mod first_admin;
pub mod group_members;
pub mod group_roles;
pub mod groups;
pub mod introspection;
pub mod invite_lists;
pub mod invites;
pub mod keys;
pub mod mails;
pub mod member_backup;
pub mod members;
pub mod orgs;
pub mod paging;
pub mod passwords;
pub mod platform_invites;
pub mod roles;
pub mod sessions;
pub mod sign_ins;
pub mod signing_keys;
pub mod tickets;
pub mod user_import;
pub mod users_backup;

use crate::app::{Access, Operation};
use crate::model::PlatformRole;

/// Who asks for what is the platform's business.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum By {
    /// Somebody with a platform role, who signed in.
    Platform,
    /// Whoever operates the service, and can read and write its database anyway.
    Operator,
}

impl By {
    const fn access(self) -> Access {
        match self {
            Self::Platform => Access::OnPlatform(PlatformRole::Admin),
            Self::Operator => Access::Service,
        }
    }
}

/// The name of every operation, for whoever prepares something for each of them.
pub const NAMES: &[&str] = &[
    access::Identify::NAME,
    access::Authorize::NAME,
    checks::IdentifyAndAuthorize::NAME,
    checks::AuthorizeMany::NAME,
    explain::Explain::NAME,
    keys::IssueToken::NAME,
    keys::IssueKey::NAME,
    keys::ViewKey::NAME,
    keys::ListKeys::NAME,
    keys::RevokeKey::NAME,
    keys::ListKeysOf::NAME,
    keys::RevokeKeyOf::NAME,
    keys::PurgeKeys::NAME,
    sessions::EndSessions::NAME,
    sessions::EndSessionsOf::NAME,
    sessions::RevokeKeys::NAME,
    sessions::RevokeKeysOf::NAME,
    introspection::Introspect::NAME,
    introspection::RevokeToken::NAME,
    sign_ins::BeginSession::NAME,
    sign_ins::RefreshSession::NAME,
    sign_ins::ListSessions::NAME,
    sign_ins::ListSessionsOf::NAME,
    sign_ins::EndSession::NAME,
    sign_ins::PurgeSessions::NAME,
    signing_keys::ListPublicKeys::NAME,
    signing_keys::WithdrawSigningKey::NAME,
    signing_keys::IsWithdrawn::NAME,
    signing_keys::CountKeysMade::NAME,
    changes::PurgeChanges::NAME,
    mails::PrepareMail::NAME,
    mails::ListMails::NAME,
    mails::RetryMail::NAME,
    mails::PurgeMails::NAME,
    orgs::CreateOrg::NAME,
    orgs::ViewOrg::NAME,
    orgs::ListOrgs::NAME,
    orgs::UpdateOrg::NAME,
    orgs::RemoveOrgs::NAME,
    orgs::ViewOwner::NAME,
    members::AddMembers::NAME,
    members::ViewMember::NAME,
    members::ListMembers::NAME,
    members::UpdateMembers::NAME,
    members::RemoveMembers::NAME,
    members::LeaveOrg::NAME,
    members::TransferOwnership::NAME,
    invites::CreateInvite::NAME,
    invites::RespondInvite::NAME,
    invites::RevokeInvite::NAME,
    invite_lists::ViewInvite::NAME,
    invite_lists::ListInvitesByOrg::NAME,
    invite_lists::ListInvitesByUser::NAME,
    dormant_invites::CreateDormantInvite::NAME,
    dormant_invites::ViewDormantInvite::NAME,
    dormant_invites::ActivateInvites::NAME,
    groups::CreateGroup::NAME,
    groups::ViewGroup::NAME,
    groups::UpdateGroup::NAME,
    groups::MoveGroup::NAME,
    groups::RemoveGroup::NAME,
    groups::ListGroups::NAME,
    groups::ListChildren::NAME,
    groups::ListParents::NAME,
    group_members::AssignMembers::NAME,
    group_members::UnassignMembers::NAME,
    group_members::ListGroupMembers::NAME,
    group_members::ListGroupsOf::NAME,
    group_roles::GrantGroupRole::NAME,
    group_roles::RemoveGroupRole::NAME,
    group_roles::ListGroupRoles::NAME,
    roles::AssignRole::NAME,
    roles::RetrieveRole::NAME,
    roles::ListRoles::NAME,
    roles::GrantRole::NAME,
    roles::RemoveRole::NAME,
    first_admin::BootstrapAdmin::NAME,
    accounts::Register::NAME,
    addresses::VerifyEmail::NAME,
    accounts::Login::NAME,
    accounts::ViewProfile::NAME,
    accounts::FindByIds::NAME,
    accounts::FindByEmails::NAME,
    accounts::FindUser::NAME,
    account_admin::OpenAccount::NAME,
    account_admin::ViewAccount::NAME,
    account_admin::ListAccounts::NAME,
    account_admin::UpdateOwnMetadata::NAME,
    account_admin::EnableAccount::NAME,
    account_admin::DisableAccount::NAME,
    platform_invites::CreatePlatformInvite::NAME,
    platform_invites::ViewPlatformInvite::NAME,
    platform_invites::ListPlatformInvites::NAME,
    platform_invites::RevokePlatformInvite::NAME,
    platform_invites::RegisterByInvite::NAME,
    platform_invites::ExpirePlatformInvites::NAME,
    passwords::RequestReset::NAME,
    passwords::ResetPassword::NAME,
    passwords::ChangePassword::NAME,
    passwords::SetPasswordOf::NAME,
    tickets::PurgeTickets::NAME,
    backup::TakeBackup::NAME,
    backup::Restore::NAME,
    user_import::ImportUsers::NAME,
    users_backup::BackupUsers::NAME,
    users_backup::RestoreUsers::NAME,
    member_backup::BackupMembers::NAME,
    member_backup::RestoreMembers::NAME,
    audit::ListAudit::NAME,
    audit::ListOrgAudit::NAME,
    audit::ReadAudit::NAME,
    audit::VerifyAudit::NAME,
    audit::AcknowledgeAudit::NAME,
    audit::NoteAttempts::NAME,
    audit::TrimAudit::NAME,
];
