//! `cargo xtask conformance`: all corpora through the conformance program, and its self-check.
//!
//! The corpora are not part of the repository. Where they are missing this fails: a check that silently checks
//! nothing is worse than none.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, bail, ensure};

/// Names the folder of the corpora.
const FOLDER: &str = "WINDLASS_CORPORA";
/// Where the corpora lie beside a checkout, as seen from the workspace's root.
const BESIDE: &str = "../shared/data/corpora";

/// Runs both.
pub(crate) fn run(root: &Path) -> anyhow::Result<()> {
    let corpora = corpora(root)?;
    conformance(root, &["--self-check"], &corpora)?;
    conformance(root, &[], &corpora)
}

fn corpora(root: &Path) -> anyhow::Result<Vec<PathBuf>> {
    let folder = env::var_os(FOLDER).map_or_else(|| root.join(BESIDE), PathBuf::from);
    let entries = fs::read_dir(&folder).with_context(|| {
        format!(
            "no corpora in {}: set {FOLDER} to the folder that holds them",
            folder.display()
        )
    })?;
    let mut files = Vec::new();
    for entry in entries {
        let path = entry?.path();
        let unpacked = if path.extension() == Some(OsStr::new("gz")) {
            path.with_extension("")
        } else {
            path.clone()
        };
        if unpacked.extension() == Some(OsStr::new("jsonl")) {
            files.push(path);
        }
    }
    files.sort();
    ensure!(
        !files.is_empty(),
        "no corpora (.jsonl, .jsonl.gz) in {}",
        folder.display()
    );
    Ok(files)
}

fn conformance(root: &Path, flags: &[&str], corpora: &[PathBuf]) -> anyhow::Result<()> {
    let cargo = env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .current_dir(root)
        .args([
            "run",
            "--release",
            "--quiet",
            "-p",
            "e2e",
            "--bin",
            "conformance",
            "--",
        ])
        .args(flags)
        .args(corpora)
        .status()
        .context("cannot start cargo")?;
    if !status.success() {
        bail!("conformance failed ({status}); run it with --why to see where answers differ");
    }
    Ok(())
}
