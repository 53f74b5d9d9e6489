//! The messages of `proto/`. Those that carry a token print as nothing but their name.

#![expect(clippy::pedantic, reason = "generated; the comments are in proto/")]

use std::fmt;

tonic::include_proto!("protomfx");

/// Our own package, `auth.v1`.
pub(crate) mod v1 {
    tonic::include_proto!("auth.v1");
}

/// Hides whatever the message holds.
macro_rules! hidden {
    ($($name:ty),*) => {
        $(impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(stringify!($name))
            }
        })*
    };
}

hidden!(Token, AuthorizeReq, ViewOrgReq, v1::IdentifyAndAuthorizeRequest, v1::AuthorizeManyRequest);
