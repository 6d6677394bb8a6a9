//! The tools that the checks need beyond the toolchain, in a cache outside the clone.
//!
//! # Guarantees
//! A tool is built or installed once per version and found again by every later run and clone.
//! A tool that cannot be had fails the check that needs it, and the error names the package.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

/// The book's builder, without its server and search.
const MDBOOK: Tool = Tool {
    name: "mdbook",
    version: "0.5.4",
    features: &["--no-default-features"],
};

/// The licence and duplicate check.
const CARGO_DENY: Tool = Tool {
    name: "cargo-deny",
    version: "0.20.2",
    features: &[],
};

/// A program built from its sources by `cargo install`, once per version.
struct Tool {
    name: &'static str,
    version: &'static str,
    features: &'static [&'static str],
}

/// Where built tools are kept: `WINDLASS_CACHE`, else the user's cache folder.
pub(crate) fn cache() -> Result<PathBuf> {
    let base = env::var_os("WINDLASS_CACHE")
        .map(PathBuf::from)
        .or_else(|| env::var_os("XDG_CACHE_HOME").map(|dir| PathBuf::from(dir).join("windlass")))
        .or_else(|| env::var_os("HOME").map(|dir| PathBuf::from(dir).join(".cache/windlass")))
        .context("finding a cache folder: set WINDLASS_CACHE")?;
    fs::create_dir_all(&base).with_context(|| format!("making the cache {}", base.display()))?;
    Ok(base)
}

/// The mdBook binary.
pub(crate) fn mdbook() -> Result<PathBuf> {
    MDBOOK.binary()
}

/// The cargo-deny binary.
pub(crate) fn cargo_deny() -> Result<PathBuf> {
    CARGO_DENY.binary()
}

impl Tool {
    fn binary(&self) -> Result<PathBuf> {
        let Self {
            name,
            version,
            features,
        } = self;
        let folder = cache()?.join(format!("{name}-{version}"));
        let binary = folder.join("bin").join(name);
        if !binary.exists() {
            eprintln!("building {name} {version} once, into {}", folder.display());
            run(Command::new(env!("CARGO"))
                // They run for a second: building them optimised takes longer than all their runs.
                .args([
                    "install",
                    name,
                    "--version",
                    version,
                    "--locked",
                    "--quiet",
                    "--debug",
                ])
                .args(*features)
                .arg("--root")
                .arg(&folder)
                // Its own target folder: the workspace's is locked by the build that runs this.
                .env("CARGO_TARGET_DIR", folder.join("target")))?;
            fs::remove_dir_all(folder.join("target")).ok();
        }
        Ok(binary)
    }
}

/// Runs a command to its end; its output is the reader's to see.
pub(crate) fn run(command: &mut Command) -> Result<()> {
    let shown = format!("{command:?}");
    let status = command
        .status()
        .with_context(|| format!("starting {shown}"))?;
    if !status.success() {
        bail!("{shown} ended with {status}");
    }
    Ok(())
}

/// The folder of the workspace: the one above this crate.
pub(crate) fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap_or_else(|| Path::new("."))
}

/// A started stopwatch.
#[expect(
    clippy::disallowed_methods,
    reason = "a task runner times real commands"
)]
pub(crate) fn stopwatch() -> std::time::Instant {
    std::time::Instant::now()
}
