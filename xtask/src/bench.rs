//! `cargo xtask bench cluster`: builds what is measured and what measures, and runs it.

use std::process::Command;

use anyhow::{Result, bail};

use crate::tools;

/// Runs the bench that is named, with the flags that follow.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    match arguments.split_first() {
        Some((what, flags)) if what == "cluster" => cluster(flags),
        _ => bail!("usage: cargo xtask bench cluster [--scenario NAME]... [-o json]"),
    }
}

/// The controller that is measured is the release build of the binary.
fn cluster(flags: &[String]) -> Result<()> {
    let built = ["--release", "--package", "cli", "--package", "e2e"];
    let bins = ["--bin", "windlass", "--bin", "bench-cluster"];
    tools::run(cargo().arg("build").args(built).args(bins))?;
    tools::run(
        cargo()
            .args(["run", "--quiet", "--release", "--package", "e2e"])
            .args(["--bin", "bench-cluster", "--"])
            .args(flags),
    )
}

fn cargo() -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(tools::root());
    command
}
