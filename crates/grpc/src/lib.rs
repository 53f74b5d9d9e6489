//! The gRPC transport: the same operations as HTTP offers, for sibling services.
//!
//! Read in this order: `proto/`, the interface; `auth.rs`, `users.rs`, `groups.rs`, `checks.rs` and
//! `explain.rs`, one method each call, which understands, executes and answers; [`callers`], who may
//! make which call;
//! `status.rs`, what an error looks like on the wire; `limits.rs`, what is too large or too slow.
//! [`directory`] is the other way round: a client, of a users service elsewhere.

mod auth;
pub mod callers;
mod checks;
pub mod directory;
mod explain;
mod groups;
mod health;
mod limits;
mod status;
mod users;

use std::sync::Arc;
use std::time::Duration;

use auth_domain::App;
use tonic::server::NamedService;
use tonic::service::Routes;
use tonic_reflection::server::Builder;

use crate::auth::AuthRpc;
use crate::callers::Gate;
pub use crate::callers::{AllowList, Callers, PeerNames, ServiceTokens, Trust};
use crate::checks::ChecksRpc;
use crate::explain::ExplainRpc;
use crate::groups::GroupsRpc;
pub use crate::health::Health;
use crate::proto::auth_service_server::AuthServiceServer;
use crate::proto::mainflux::auth_service_server::AuthServiceServer as OlderServer;
use crate::proto::users_service_server::UsersServiceServer;
use crate::proto::v1::checks_server::ChecksServer;
use crate::proto::v1::explanations_server::ExplanationsServer;
use crate::proto::v1::groups_server::GroupsServer;
pub use crate::status::code;
use crate::users::UsersRpc;

/// What `proto/` says, in Rust: messages, servers and clients.
pub mod proto {
    #![expect(
        clippy::allow_attributes,
        clippy::pedantic,
        reason = "generated; the comments are in proto/"
    )]

    use std::fmt;

    tonic::include_proto!("protomfx");

    /// What is served of Mainflux 0.13.
    pub mod mainflux {
        tonic::include_proto!("mainflux");
    }

    /// Describes every service here, for reflection: an encoded `FileDescriptorSet`.
    pub const DESCRIPTOR: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/descriptor.bin"));

    impl fmt::Debug for Token {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Token").finish_non_exhaustive()
        }
    }

    impl fmt::Debug for AuthorizeReq {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("AuthorizeReq")
                .field("object", &self.object)
                .field("subject", &self.subject)
                .field("action", &self.action)
                .finish_non_exhaustive()
        }
    }

    impl fmt::Debug for CreateDormantOrgInviteReq {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("CreateDormantOrgInviteReq")
                .field("org_id", &self.org_id)
                .field("invitee_role", &self.invitee_role)
                .field("platform_invite_id", &self.platform_invite_id)
                .finish_non_exhaustive()
        }
    }

    impl fmt::Debug for ViewOrgReq {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("ViewOrgReq").field("org_id", &self.org_id).finish_non_exhaustive()
        }
    }

    /// Our own package, `auth.v1`.
    pub mod v1 {
        use std::fmt;

        tonic::include_proto!("auth.v1");

        impl fmt::Debug for IdentifyAndAuthorizeRequest {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("IdentifyAndAuthorizeRequest")
                    .field("check", &self.check)
                    .finish_non_exhaustive()
            }
        }

        impl fmt::Debug for AuthorizeManyRequest {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("AuthorizeManyRequest")
                    .field("checks", &self.checks)
                    .finish_non_exhaustive()
            }
        }

        impl fmt::Debug for ExplainRequest {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("ExplainRequest")
                    .field("user_id", &self.user_id)
                    .field("subject", &self.subject)
                    .field("object", &self.object)
                    .field("action", &self.action)
                    .finish_non_exhaustive()
            }
        }
        impl fmt::Debug for AssignRequest {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("AssignRequest")
                    .field("group_id", &self.group_id)
                    .field("type", &self.r#type)
                    .finish_non_exhaustive()
            }
        }

        impl fmt::Debug for MembersRequest {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.debug_struct("MembersRequest")
                    .field("group_id", &self.group_id)
                    .field("type", &self.r#type)
                    .finish_non_exhaustive()
            }
        }
    }

    impl fmt::Debug for mainflux::Assignment {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("Assignment")
                .field("group_id", &self.group_id)
                .field("member_id", &self.member_id)
                .finish_non_exhaustive()
        }
    }

    impl fmt::Debug for mainflux::MembersReq {
        fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.debug_struct("MembersReq")
                .field("group_id", &self.group_id)
                .field("type", &self.r#type)
                .finish_non_exhaustive()
        }
    }
}

/// How the services are served.
#[derive(Debug)]
pub struct Options {
    /// Whether to serve the directory of the built-in accounts, `protomfx.UsersService`.
    pub accounts: bool,
    /// Whether to describe the services to whoever asks (`grpc.reflection.v1` and `v1alpha`).
    pub reflection: bool,
    /// Who may make the calls that are not open.
    pub callers: Callers,
    /// The most bytes a message has.
    pub max_message: usize,
    /// The most bytes the path and all metadata of a call have together.
    pub max_metadata: usize,
    /// How long a call may take, when the client does not ask for less.
    pub deadline: Duration,
    /// What `grpc.health.v1` answers; keep a clone to change it.
    pub health: Health,
}

impl Default for Options {
    /// With accounts, without reflection, privileged calls on loopback only, messages of
    /// 256 KiB, metadata of 16 KiB, 30 seconds.
    fn default() -> Self {
        Self {
            accounts: true,
            reflection: false,
            callers: Callers::default(),
            max_message: 256 * 1024,
            max_metadata: 16 * 1024,
            deadline: Duration::from_secs(30),
            health: Health::default(),
        }
    }
}

/// Serves `protomfx.UsersService` alone, for clients that expect it at an address of its own: with the same callers and
/// limits, and like the original's without health and reflection.
pub fn users_router(app: App, options: Options) -> axum::Router {
    let Options { callers, max_message, max_metadata, deadline, .. } = options;
    let gate = Arc::new(Gate::new(callers, app.clone()));
    let users = UsersServiceServer::new(UsersRpc { app, gate });
    let routes = Routes::new(users.max_decoding_message_size(max_message));
    limits::apply(routes.into_axum_router(), max_metadata, deadline)
}

/// Serves the app over gRPC, HTTP/2 with or without TLS.
///
/// The accept loop provides two request extensions: `ConnectInfo<SocketAddr>`, the peer's address,
/// and [`PeerNames`], the names in its verified client certificate.
pub fn router(app: App, options: Options) -> axum::Router {
    let Options { accounts, reflection, callers, max_message, max_metadata, deadline, health } =
        options;
    let gate = Arc::new(Gate::new(callers, app.clone()));
    let auth = AuthServiceServer::new(AuthRpc { app: app.clone(), gate: Arc::clone(&gate) })
        .max_decoding_message_size(max_message);
    let checks = ChecksServer::new(ChecksRpc { app: app.clone() });
    let explanations = ExplanationsServer::new(ExplainRpc { app: app.clone() });
    let groups = GroupsRpc { app: app.clone() };
    let older = OlderServer::new(groups.clone());
    let groups = GroupsServer::new(groups);
    let mut routes = Routes::new(auth)
        .add_service(checks.max_decoding_message_size(max_message))
        .add_service(explanations.max_decoding_message_size(max_message))
        .add_service(groups.max_decoding_message_size(max_message))
        .add_service(older.max_decoding_message_size(max_message))
        .add_service(health.server().max_decoding_message_size(max_message));
    if accounts {
        let users = UsersServiceServer::new(UsersRpc { app, gate });
        routes = routes.add_service(users.max_decoding_message_size(max_message));
    }
    if reflection {
        routes = reflect(routes, accounts, max_message);
    }
    limits::apply(routes.into_axum_router(), max_metadata, deadline)
}

/// The names of the services that a client may ask the health of.
pub(crate) fn service_names(accounts: bool) -> impl Iterator<Item = &'static str> {
    let users = accounts.then_some(UsersServiceServer::<UsersRpc>::NAME);
    let always = [
        AuthServiceServer::<AuthRpc>::NAME,
        ChecksServer::<ChecksRpc>::NAME,
        ExplanationsServer::<ExplainRpc>::NAME,
        GroupsServer::<GroupsRpc>::NAME,
        OlderServer::<GroupsRpc>::NAME,
    ];
    always.into_iter().chain(users)
}

fn reflect(routes: Routes, accounts: bool, max_message: usize) -> Routes {
    let builder = || {
        let empty = Builder::configure()
            .register_encoded_file_descriptor_set(proto::DESCRIPTOR)
            .register_encoded_file_descriptor_set(tonic_health::pb::FILE_DESCRIPTOR_SET)
            .with_service_name("grpc.health.v1.Health");
        service_names(accounts).fold(empty, Builder::with_service_name)
    };
    match (builder().build_v1(), builder().build_v1alpha()) {
        (Ok(v1), Ok(v1alpha)) => routes
            .add_service(v1.max_decoding_message_size(max_message))
            .add_service(v1alpha.max_decoding_message_size(max_message)),
        (Err(error), _) | (_, Err(error)) => {
            // The descriptor is built into the binary and a test reads it: nobody sees this line.
            tracing::error!(%error, "reflection is not served");
            routes
        }
    }
}
