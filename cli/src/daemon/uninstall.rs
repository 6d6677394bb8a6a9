//! `windlass daemon uninstall`: takes the service off a host, and leaves nothing of it behind.
//!
//! # Guarantees
//! It refuses while a visit is under way, for half a config would stay. What the last config wrote stays on the machine
//! unless the originals are asked for; they are put back before anything else is taken away, so that this can be asked
//! again after a failure.

use std::path::PathBuf;

use ::daemon::apply::{self, Content};
use ::daemon::host::UnitState;
use ::daemon::host::plain::{
    Options, PlainHost, Root, STATE_DIRECTORY, ServiceManager as _, Systemd,
};
use ::daemon::journal;
use anyhow::{Context as _, Result, bail};

use super::layout::{DIRECTORY, FILES, PROGRAM_DIRECTORIES, UNIT};
use super::runtime;
use crate::clock;

/// Takes the service off its host.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Where the host's file system is mounted
    #[arg(long, default_value = "/", value_name = "DIRECTORY")]
    pub(super) host_root: PathBuf,
    /// Put back what was on the machine before the first config
    #[arg(long)]
    pub(super) restore_originals: bool,
    /// Also while a visit is under way, which leaves half a config on the machine
    #[arg(long)]
    pub(super) in_mid_visit: bool,
    /// Stop no service: nothing runs below this root
    #[arg(long)]
    pub(super) offline: bool,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    runtime()?.block_on(uninstall(args))
}

pub(super) async fn uninstall(args: &Args) -> Result<()> {
    let root = Root::open(&args.host_root)?;
    let systemd = Systemd::of(&args.host_root);
    let runs = !args.offline && root.has_systemd();
    // A service that is stopped lets the state go; whoever refuses below starts it again.
    if runs && root.read(super::layout::UNIT_PATH)?.is_some() {
        systemd.stop_unit(UNIT).await?;
    }
    if let Err(refused) = put_back(args).await {
        if runs {
            let started = systemd.start_unit(UNIT).await;
            return Err(match started {
                Ok(()) => refused,
                Err(error) => refused.context(error.in_full()),
            });
        }
        return Err(refused);
    }
    root.set_unit(UNIT, UnitState::Disabled)?;
    for path in FILES {
        root.remove(path)?;
    }
    root.remove_directory(DIRECTORY)?;
    for directory in PROGRAM_DIRECTORIES {
        root.remove_directory(directory)?;
    }
    for name in root.list(STATE_DIRECTORY)? {
        root.remove(&format!("{STATE_DIRECTORY}/{name}"))?;
    }
    root.remove_directory(STATE_DIRECTORY)?;
    if runs {
        systemd.reload().await?;
    }
    println!("windlass-daemon is off this host");
    Ok(())
}

/// Looks whether the machine is at rest, and puts the originals back where they are asked for.
async fn put_back(args: &Args) -> Result<()> {
    let options = Options {
        root: args.host_root.clone(),
        ..Options::default()
    };
    let host = PlainHost::open(options, Systemd::of(&args.host_root))?;
    let now = clock::of_the_machine().now();
    let memory = journal::load(&host, now)
        .await
        .context("reading the journal")?;
    if memory.state.visit().is_some() && !args.in_mid_visit {
        bail!(
            "a visit is under way on this machine: let it end (windlass explain node says what it waits for), or give --in-mid-visit"
        );
    }
    if args.restore_originals {
        let restored = apply::apply(&host, &Content::default(), None).await;
        restored.map_err(|error| anyhow::anyhow!(error.in_full()))?;
    }
    Ok(())
}
