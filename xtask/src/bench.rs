//! `cargo xtask bench cluster` and `bench updates`: builds what is measured and what measures, and runs it.

use std::process::Command;

use anyhow::{Result, bail};

use crate::tools;

/// Runs the bench that is named, with the flags that follow.
pub(crate) fn run(arguments: &[String]) -> Result<()> {
    match arguments.split_first() {
        Some((what, flags)) if what == "cluster" => measure("bench-cluster", flags),
        Some((what, flags)) if what == "updates" => {
            let wrk = tools::wrk()?.display().to_string();
            let mut all = vec!["--wrk".to_owned(), wrk];
            all.extend_from_slice(flags);
            measure("bench-updates", &all)
        }
        _ => bail!(
            "usage: cargo xtask bench cluster [--scenario NAME]... [-o json] | updates [--data FOLDER] [-o json]"
        ),
    }
}

/// What is measured is the release build of the binary.
fn measure(bin: &str, flags: &[String]) -> Result<()> {
    let built = ["--release", "--package", "cli", "--package", "e2e"];
    let bins = ["--bin", "windlass", "--bin", bin];
    tools::run(cargo().arg("build").args(built).args(bins))?;
    tools::run(
        cargo()
            .args(["run", "--quiet", "--release", "--package", "e2e"])
            .args(["--bin", bin, "--"])
            .args(flags),
    )
}

fn cargo() -> Command {
    let mut command = Command::new(env!("CARGO"));
    command.current_dir(tools::root());
    command
}
