//! Turns the messages of `proto/` that a sibling needs into Rust, without protoc.

use std::error::Error;

const PROTO: &str = "../../proto";

const FILES: [&str; 2] = ["mainflux/auth.proto", "keyward/checks.proto"];

/// Messages that carry a token get no `Debug` that would show it: `src/proto.rs` writes theirs.
const SECRET: [&str; 5] = [
    ".protomfx.Token",
    ".protomfx.AuthorizeReq",
    ".protomfx.ViewOrgReq",
    ".auth.v1.IdentifyAndAuthorizeRequest",
    ".auth.v1.AuthorizeManyRequest",
];

/// Messages of calls that are for the users service only.
const NOT_NEEDED: [&str; 4] = [
    "CreateDormantOrgInviteReq",
    "ActivateOrgInviteReq",
    "GetDormantOrgInviteByPlatformInviteReq",
    "OrgInvite",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={PROTO}");
    let mut files = protox::compile(FILES, [PROTO])?;
    for file in &mut files.file {
        file.message_type.retain(|message| !NOT_NEEDED.contains(&message.name()));
    }
    tonic_prost_build::configure()
        .build_server(false)
        .build_client(false)
        .skip_debug(SECRET)
        .compile_fds(files)?;
    Ok(())
}
