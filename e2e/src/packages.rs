//! Programs of the system that tests run.
//!
//! # Guarantees
//! A program that is missing is installed with apt as root, once however many tests need it; where that cannot be, the test
//! fails and names the package. Nothing is skipped.

use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, ensure};

static INSTALLING: Mutex<()> = Mutex::new(());

/// Makes sure that a program of a Debian package can be started.
pub fn need(program: &str, package: &str) -> Result<()> {
    // One installation at a time: apt locks its lists.
    let _one = INSTALLING.lock().unwrap_or_else(PoisonError::into_inner);
    if is_there(program) {
        return Ok(());
    }
    let wanted = format!("`{program}` is missing: install Debian's package {package}");
    ensure!(rustix::process::geteuid().is_root(), "{wanted}");
    eprintln!("installing {package} with apt");
    if install(package).is_err() {
        // Without lists of packages, as in a fresh container, apt finds nothing.
        apt(&["update"]).context(wanted.clone())?;
        install(package).context(wanted.clone())?;
    }
    ensure!(is_there(program), "{wanted}; apt brought no `{program}`");
    Ok(())
}

fn install(package: &str) -> Result<()> {
    apt(&["install", "--yes", "--no-install-recommends", package])
}

fn apt(arguments: &[&str]) -> Result<()> {
    let status = Command::new("apt-get")
        .arg("-qq")
        .args(arguments)
        .env("DEBIAN_FRONTEND", "noninteractive")
        .stdout(std::io::stderr())
        .status()
        .context("starting apt-get")?;
    ensure!(
        status.success(),
        "apt-get {arguments:?} ended with {status}"
    );
    Ok(())
}

fn is_there(program: &str) -> bool {
    std::env::var_os("PATH")
        .is_some_and(|paths| std::env::split_paths(&paths).any(|path| path.join(program).is_file()))
}
