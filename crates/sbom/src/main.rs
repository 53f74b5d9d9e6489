//! `make sbom`: writes `keyward.cdx.json` and `licences.md` into the directory it is told.

use std::path::Path;

use anyhow::{Context, Result};
use auth_sbom::Inventory;

fn main() -> Result<()> {
    let directory = std::env::args_os().nth(1).context("the directory to write to is missing")?;
    let directory = Path::new(&directory);
    let inventory = Inventory::of(Path::new("."), "auth")?;
    std::fs::create_dir_all(directory).with_context(|| directory.display().to_string())?;
    let documents = [
        ("keyward.cdx.json", format!("{:#}\n", inventory.cyclone_dx())),
        ("licences.md", inventory.report()?),
    ];
    for (name, text) in documents {
        let file = directory.join(name);
        std::fs::write(&file, text).with_context(|| file.display().to_string())?;
    }
    Ok(())
}
