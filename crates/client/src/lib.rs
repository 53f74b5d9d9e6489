//! A client of Keyward's `auth` for its sibling services, and a tower layer that guards a service with
//! it. It works against the `auth` of Mainflux v0.33, too.
//!
//! ```no_run
//! use auth_client::{Action, AuthClient, Check};
//!
//! # async fn ask() -> Result<(), Box<dyn std::error::Error>> {
//! let auth = AuthClient::builder("http://auth:8181").build()?;
//! let who = auth.identify("a token").await?;
//! let org = "01932f6c-8a40-7c3e-9d51-6b0a4f2e7c18";
//! auth.authorize("a token", &Check::org(org, Action::Editor)).await?;
//! println!("{} may edit", who.user_id);
//! # Ok(())
//! # }
//! ```
//!
//! # A service behind it
//!
//! [`AuthLayer`] goes around an axum router or a tonic server. Handlers find the verified [`Identity`]
//! in the request's extensions; whoever must not get through is answered 401, 403 or 503, or the gRPC
//! status, by the layer. `examples/notes.rs` is a whole service in 60 lines.
//!
//! # What it takes care of
//!
//! * **Deadlines.** Every call ends after one second, or what [`Builder::timeout`] and
//!   [`AuthClient::within`] say, connecting and retries included. The server is told (`grpc-timeout`).
//!   The layer gives no call longer than the caller of the service gives that service.
//! * **One connection**, made by the first call, kept alive, and made again when it was lost. No restart
//!   is needed, of either side, in any order.
//! * **Retries** of calls that only read: `identify`, `authorize`, `identify_and_authorize`,
//!   `authorize_many`, `retrieve_role`, `org_owner`, `view_org`; when auth is unavailable or the
//!   connection breaks; at most twice, after random pauses, or when the server says (`grpc-retry-pushback-ms`); and at
//!   most one for every ten calls, so that a server in trouble is not asked much more than in good
//!   times. `issue` and `assign_role` are never tried twice. Do not retry around it: that would
//!   multiply.
//! * **Errors by what to do about them**, [`Error`]. What is neither a yes nor a no says so
//!   ([`Error::is_no_answer`]): never turn that into a 401, which would sign everybody out.
//! * **Traces.** The layer passes on the `traceparent` of the request; elsewhere
//!   [`AuthClient::traced`] and [`Builder::trace_with`] do.
//! * **Secrets.** No token is in any `Debug`, error or log line.
//! * **Versions.** `identify_and_authorize` and `authorize_many` are one call each where the server has
//!   the package `auth.v1`, and several of the old ones where not; a server is asked for it again after
//!   a minute.
//!
//! # Without asking every time
//!
//! [`OfflineVerifier`] verifies access tokens of sessions by the keys that auth publishes, and asks about each session
//! only now and then: what was taken away since is followed within a bound that it states.
//!
//! # TLS
//!
//! With an address of `https`, [`Builder::authorities`] names who must have signed the server's
//! certificate, and [`Builder::certificate`] proves who this service is. Where certificates are not
//! used, [`Builder::service_token`] does. Calls about users' tokens need neither.

mod builder;
mod client;
mod error;
mod layer;
mod model;
mod offline;
mod proto;
mod retry;
mod trace;

pub use builder::{BuildError, Builder};
pub use client::{AuthClient, MAX_CHECKS, Token};
pub use error::{Error, Result};
pub use layer::{AuthLayer, Guarded, Need};
pub use model::{Action, Check, GroupRole, Identity, Org, PlatformRole, TokenKind, Verdict};
pub use offline::{FetchError, OfflineVerifier};
pub use trace::TraceContext;
