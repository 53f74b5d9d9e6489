//! The nouns: plain data, and text with rules that can only be built by parsing.

mod account;
mod email;
mod evidence;
mod group;
mod invite;
mod key;
mod link;
mod mail;
mod member;
mod metadata;
mod org;
mod page;
mod password_hash;
mod platform_invite;
mod role;
mod session;
mod signing_key;
mod text;
mod ticket;
mod token;

pub use account::{
    Account, AccountEdit, AccountFilter, AccountId, AccountOrder, AccountQuery, AccountStatus,
};
pub use email::Email;
pub use evidence::{Evidence, Explanation};
pub use group::{
    EntityId, EntityType, Group, GroupEdit, GroupGrant, GroupId, GroupMember, GroupQuery,
    GroupRole, GroupStanding, GroupsFrom, GroupsOfQuery, MAX_DEPTH, MAX_REMOVED, Part, Placed,
    Step, USERS,
};
pub use invite::{
    Invite, InviteId, InviteOrder, InviteQuery, InviteState, InvitesOf, OrgInvite, Rival,
    Settlement, ShownInvite, WaitingInvite,
};
pub use key::{Key, KeyId, KeyKind, KeyOrder};
pub use link::RedirectPath;
pub use mail::{
    ClaimedMail, Content, Draft, Invitation, Letter, Mail, MailDepth, MailId, MailState, Message,
    QueuedMail, Settled, Verdict,
};
pub use member::{Member, MemberOrder, MemberQuery, Person};
pub use metadata::Metadata;
pub use org::{Membership, Org, OrgEdit, OrgId, OrgOrder, OrgQuery};
pub use page::{Direction, Listing, MAX_LIMIT, MAX_OFFSET, Page};
pub use password_hash::PasswordHash;
pub use platform_invite::{
    InviteProof, PlatformInvite, PlatformInviteId, PlatformInviteOrder, PlatformInviteQuery,
};
pub use role::{Action, OrgRole, PlatformRole, RoleHolder, Standing};
pub use session::{
    Device, FoundSession, MOST_SESSIONS, NewSession, NextRefresh, REFRESH_GRACE, RefreshDigests,
    RefreshToken, Replaced, Rotation, Session, SessionEnd, SessionId,
};
pub use signing_key::{BadSigningKeyId, Material, PublicKey, SigningKeyId};
pub use text::{Description, Name};
pub use ticket::{Grant, Purpose, Registration, StoredTicket, Ticket, TicketId, TicketSecret};
pub use token::{Claims, Proved, SessionClaims, Token, Trust};

/// A person, wherever the directory that knows them is.
#[derive(Debug)]
pub struct User;

/// Identifies a [`User`].
pub type UserId = crate::Id<User>;

impl crate::id::Noun for User {
    const ENTITY: crate::Entity = crate::Entity::Account;
}
