//! What to ask of each gRPC method: one call each, by service.
//!
//! A new method needs a call here. Like a row of a route, it asks what would be served if the caller
//! may; then write the document again and read the difference.

use auth_domain::change::Change;
use auth_domain::model::{OrgRole, PlatformRole};
use auth_grpc::proto;
use prost::Message;

use super::rows::Later;
use super::scene::Scene;

/// A call of one method. Several may ask the same method for different things.
pub struct Call {
    /// The method, by its name in `proto/`.
    pub method: &'static str,
    /// What is asked of it, if the method alone does not say.
    pub of: &'static str,
    /// Which services may call it, in words.
    pub service: &'static str,
    /// For which users, in words, if the message has a place for their token.
    pub user: &'static str,
    /// Sets the scene and words the message, with the token of the user on whose behalf it is, if
    /// the message has a place for one.
    pub ask: Ask,
}

/// Sets a scene and words a message.
pub type Ask = for<'a> fn(&'a Scene, String) -> Later<'a, Vec<u8>>;

impl Call {
    const fn new(method: &'static str, service: &'static str, ask: Ask) -> Self {
        Self { method, of: "", service, user: "", ask }
    }

    const fn of(mut self, of: &'static str) -> Self {
        self.of = of;
        self
    }

    const fn on_behalf_of(mut self, user: &'static str) -> Self {
        self.user = user;
        self
    }
}

/// Every call.
pub const CALLS: &[Call] = &[
    Call::new("Issue", VOUCHED, |scene, _| {
        let (id, email) = (scene.caller.id.to_string(), scene.caller.email.clone());
        now(&proto::IssueReq { id, email, r#type: 0 })
    }),
    Call::new("Identify", ANYBODY, |_, value| now(&proto::Token { value }))
        .on_behalf_of("whoever has a good token"),
    Call::new("Authorize", ANYBODY, |_, token| {
        let subject = "root".to_owned();
        now(&proto::AuthorizeReq { token, subject, ..proto::AuthorizeReq::default() })
    })
    .of("subject `root`")
    .on_behalf_of("whoever has a platform role"),
    Call::new("Authorize", ANYBODY, |scene, token| may(scene, token, "viewer"))
        .of("action `viewer`")
        .on_behalf_of("viewer"),
    Call::new("Authorize", ANYBODY, |scene, token| may(scene, token, "editor"))
        .of("action `editor`")
        .on_behalf_of("editor"),
    Call::new("Authorize", ANYBODY, |scene, token| may(scene, token, "admin"))
        .of("action `admin`")
        .on_behalf_of("admin"),
    Call::new("Authorize", ANYBODY, |scene, token| may(scene, token, "owner"))
        .of("action `owner`")
        .on_behalf_of("owner"),
    Call::new("Authorize", ANYBODY, |scene, token| may_in_group(scene, token, "viewer"))
        .of("subject `group`, action `viewer`")
        .on_behalf_of("viewer of the group"),
    Call::new("Authorize", ANYBODY, |scene, token| may_in_group(scene, token, "editor"))
        .of("subject `group`, action `editor`")
        .on_behalf_of("editor of the group"),
    Call::new("Authorize", ANYBODY, |scene, token| may_in_group(scene, token, "admin"))
        .of("subject `group`, action `admin`")
        .on_behalf_of("admin of the group"),
    Call::new("GetOwnerIDByOrgID", KNOWN, |scene, _| {
        now(&proto::OrgId { value: scene.org.to_string() })
    }),
    Call::new("GetOwnerIDByOrg", KNOWN, |scene, _| {
        now(&proto::OrgId { value: scene.org.to_string() })
    }),
    Call::new("AssignRole", VOUCHED, |scene, _| {
        let (id, role) = (scene.newcomer.id.to_string(), PlatformRole::Admin.to_string());
        now(&proto::AssignRoleReq { id, role })
    }),
    Call::new("RetrieveRole", KNOWN, |scene, _| {
        now(&proto::RetrieveRoleReq { id: scene.caller.id.to_string() })
    }),
    Call::new("ViewOrg", KNOWN, |scene, token| {
        now(&proto::ViewOrgReq { token, org_id: scene.org.to_string() })
    })
    .on_behalf_of("viewer"),
    Call::new("CreateDormantOrgInvite", KNOWN, |scene, token| {
        now(&proto::CreateDormantOrgInviteReq {
            token,
            org_id: scene.org.to_string(),
            invitee_role: OrgRole::Admin.to_string(),
            platform_invite_id: PLATFORM_INVITE.to_owned(),
        })
    })
    .on_behalf_of("admin"),
    Call::new("ActivateOrgInvite", KNOWN, |scene, _| {
        Box::pin(async {
            sleep(scene).await;
            let message = proto::ActivateOrgInviteReq {
                platform_invite_id: PLATFORM_INVITE.to_owned(),
                user_id: scene.newcomer.id.to_string(),
                redirect_path: "/".to_owned(),
            };
            message.encode_to_vec()
        })
    }),
    Call::new("GetDormantOrgInviteByPlatformInvite", KNOWN, |scene, _| {
        Box::pin(async {
            sleep(scene).await;
            let platform_invite_id = PLATFORM_INVITE.to_owned();
            proto::GetDormantOrgInviteByPlatformInviteReq { platform_invite_id }.encode_to_vec()
        })
    }),
    Call::new("IdentifyAndAuthorize", ANYBODY, |scene, token| {
        let check = Some(is_viewer(scene));
        now(&proto::v1::IdentifyAndAuthorizeRequest { token, check })
    })
    .on_behalf_of("viewer"),
    Call::new("AuthorizeMany", ANYBODY, |scene, token| {
        now(&proto::v1::AuthorizeManyRequest { token, checks: vec![is_viewer(scene)] })
    })
    .on_behalf_of("whoever has a good token"),
    Call::new("Assign", ANYBODY, |scene, token| {
        Box::pin(async {
            let message = proto::v1::AssignRequest {
                token,
                group_id: scene.groups().await.leaf.to_string(),
                r#type: "things".to_owned(),
                member_ids: vec!["a-thing".to_owned()],
            };
            message.encode_to_vec()
        })
    })
    .on_behalf_of("editor of the group"),
    Call::new("Members", ANYBODY, |scene, token| {
        Box::pin(async {
            let group_id = scene.groups().await.leaf.to_string();
            let message = proto::v1::MembersRequest { token, group_id, ..Default::default() };
            message.encode_to_vec()
        })
    })
    .on_behalf_of("viewer of the group"),
    Call::new("mainflux.AuthService/Assign", ANYBODY, |scene, token| {
        Box::pin(async {
            let message = proto::mainflux::Assignment {
                token,
                group_id: scene.groups().await.leaf.to_string(),
                member_id: scene.member.id.to_string(),
            };
            message.encode_to_vec()
        })
    })
    .on_behalf_of("editor of the group"),
    Call::new("mainflux.AuthService/Members", ANYBODY, |scene, token| {
        Box::pin(async {
            let message = proto::mainflux::MembersReq {
                token,
                group_id: scene.groups().await.leaf.to_string(),
                r#type: "things".to_owned(),
                ..Default::default()
            };
            message.encode_to_vec()
        })
    })
    .on_behalf_of("viewer of the group"),
    Call::new("Explain", ANYBODY, |scene, token| {
        now(&proto::v1::ExplainRequest {
            token,
            user_id: scene.member.id.to_string(),
            subject: "org".to_owned(),
            object: scene.org.to_string(),
            action: "viewer".to_owned(),
        })
    })
    .on_behalf_of("whoever has a platform role, with a login token"),
    Call::new("GetUsersByIDs", KNOWN, |scene, _| {
        let ids = vec![scene.caller.id.to_string()];
        now(&proto::UsersByIDsReq { ids, page_metadata: None })
    }),
    Call::new("GetUsersByEmails", KNOWN, |scene, _| {
        now(&proto::UsersByEmailsReq { emails: vec![scene.caller.email.clone()] })
    }),
];

const PLATFORM_INVITE: &str = "0192d3f0-5555-7abc-8def-000000000000";

/// An invite waits for the platform invite.
async fn sleep(scene: &Scene) {
    let invite = scene.invite(scene.org, None);
    let platform_invite = PLATFORM_INVITE.parse().unwrap();
    scene.commit(vec![Change::InsertDormantInvite { invite, platform_invite }]).await;
}

const ANYBODY: &str = "anybody";
const KNOWN: &str = "those on the list; without a list every service that is known";
const VOUCHED: &str = "those on the list; without a list `users`";

fn is_viewer(scene: &Scene) -> proto::v1::Check {
    let (subject, action) = ("org".to_owned(), "viewer".to_owned());
    proto::v1::Check { subject, object: scene.org.to_string(), action }
}

fn may<'a>(scene: &Scene, token: String, action: &str) -> Later<'a, Vec<u8>> {
    let (object, subject) = (scene.org.to_string(), "org".to_owned());
    now(&proto::AuthorizeReq { token, object, subject, action: action.to_owned() })
}

fn may_in_group<'a>(scene: &'a Scene, token: String, action: &'static str) -> Later<'a, Vec<u8>> {
    Box::pin(async move {
        let (object, subject) = (scene.groups().await.leaf.to_string(), "group".to_owned());
        proto::AuthorizeReq { token, object, subject, action: action.to_owned() }.encode_to_vec()
    })
}

/// The message, for a scene that is set already.
fn now<'a>(message: &impl Message) -> Later<'a, Vec<u8>> {
    Box::pin(std::future::ready(message.encode_to_vec()))
}
