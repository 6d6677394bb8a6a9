//! `windlass daemon journal`: shows the service's log, by the host's own journalctl.
//!
//! It is started by the installer in a process of its own, which goes into the host's file system for good.

use std::os::unix::process::CommandExt as _;
use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result};

use super::layout::UNIT;

/// Lines of the past that are shown.
const LINES: &str = "100";

/// Shows the service's log, and what is added to it.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Where the host's file system is mounted
    #[arg(long, default_value = "/", value_name = "DIRECTORY")]
    pub(super) host_root: PathBuf,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    let root = &args.host_root;
    rustix::process::chroot(root)
        .with_context(|| format!("going into {}: this has to be root", root.display()))?;
    std::env::set_current_dir("/").context("going to the root")?;
    let unit = format!("--unit={UNIT}");
    let failed = Command::new("/usr/bin/journalctl")
        .args([&unit, "--lines", LINES, "--follow", "--no-pager"])
        .args(["--output", "cat"])
        .exec();
    Err(failed).context("running the host's /usr/bin/journalctl")
}
