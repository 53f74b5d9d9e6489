//! Turns `proto/` into Rust, without protoc.

use std::error::Error;
use std::path::PathBuf;

use prost::Message;

const PROTO: &str = "../../proto";

/// Messages that carry a token: `src/lib.rs` gives them a `Debug` that does not show it.
const SECRET: [&str; 7] = [
    ".protomfx.Token",
    ".protomfx.AuthorizeReq",
    ".protomfx.ViewOrgReq",
    ".mainflux.Assignment",
    ".mainflux.MembersReq",
    ".auth.v1.AssignRequest",
    ".auth.v1.MembersRequest",
];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={PROTO}");
    let interfaces = [
        "mainflux/auth.proto",
        "mainflux/users.proto",
        "mainflux/groups.proto",
        "auth/v1/groups.proto",
    ];
    let mut files = protox::compile(interfaces, [PROTO])?;
    tonic_prost_build::configure().skip_debug(SECRET).compile_fds(files.clone())?;

    // For reflection: a copy without the comments, which clients have no use for.
    for file in &mut files.file {
        file.source_code_info = None;
    }
    let out = PathBuf::from(std::env::var_os("OUT_DIR").ok_or("cargo sets OUT_DIR")?);
    std::fs::write(out.join("descriptor.bin"), files.encode_to_vec())?;
    Ok(())
}
