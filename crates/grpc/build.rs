//! Turns `proto/` into Rust, without protoc.

use std::error::Error;
use std::path::PathBuf;

use prost::Message;

const PROTO: &str = "../../proto";

/// Messages that carry a token: `src/lib.rs` gives them a `Debug` that does not show it.
const SECRET: [&str; 11] = [
    ".protomfx.Token",
    ".protomfx.AuthorizeReq",
    ".protomfx.ViewOrgReq",
    ".protomfx.CreateDormantOrgInviteReq",
    ".mainflux.Assignment",
    ".mainflux.MembersReq",
    ".auth.v1.IdentifyAndAuthorizeRequest",
    ".auth.v1.AuthorizeManyRequest",
    ".auth.v1.ExplainRequest",
    ".auth.v1.AssignRequest",
    ".auth.v1.MembersRequest",
];

/// Every file with a service in it.
const FILES: [&str; 6] = [
    "mainflux/auth.proto",
    "mainflux/users.proto",
    "mainflux/groups.proto",
    "keyward/checks.proto",
    "keyward/explain.proto",
    "keyward/groups.proto",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={PROTO}");
    let mut files = protox::compile(FILES, [PROTO])?;
    tonic_prost_build::configure().skip_debug(SECRET).compile_fds(files.clone())?;

    // For reflection: a copy without the comments, which clients have no use for.
    for file in &mut files.file {
        file.source_code_info = None;
    }
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    std::fs::write(out.join("descriptor.bin"), files.encode_to_vec())?;
    Ok(())
}
