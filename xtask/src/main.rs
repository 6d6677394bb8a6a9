//! The house's own chores: `cargo xtask <chore>`.

mod conformance;

use std::env;
use std::path::{Path, PathBuf};

use anyhow::{Context, bail};

const USAGE: &str = "usage: cargo xtask conformance";

fn main() -> anyhow::Result<()> {
    let chore = env::args().nth(1).context(USAGE)?;
    match chore.as_str() {
        "conformance" => conformance::run(&root()?),
        other => bail!("there is no chore {other:?}; {USAGE}"),
    }
}

/// The workspace's root: the folder above this package.
fn root() -> anyhow::Result<PathBuf> {
    let here = Path::new(env!("CARGO_MANIFEST_DIR"));
    Ok(here
        .parent()
        .context("xtask lies in the workspace")?
        .to_owned())
}
