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

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-changed={PROTO}");
    let files = protox::compile(FILES, [PROTO])?;
    tonic_prost_build::configure()
        .build_server(false)
        .build_client(false)
        .skip_debug(SECRET)
        .compile_fds(files)?;
    Ok(())
}
