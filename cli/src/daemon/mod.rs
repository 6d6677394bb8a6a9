//! `windlass daemon`: the service of the host that brings its node to its config, and what puts it there.
//!
//! # Guarantees
//! Wiring only: settings, logs, the machine's clock, and an orderly end. A daemon that is ended at any moment goes on where
//! it was when it is started again.
//! # Not here
//! All that it does: the crate `daemon`.

mod install;
mod journal;
mod layout;
mod settings;
mod uninstall;

#[cfg(test)]
mod tests;

use std::path::PathBuf;

use ::daemon::credential::{self, TokenFile};
use ::daemon::host::plain::{Options, PlainHost, Systemd};
use ::daemon::shell;
use anyhow::{Context as _, Result};
use jiff::SignedDuration;
use kube::Client;
use tracing::info;

use crate::clock;
use crate::cluster::Cluster;
use crate::logs::Logs;
use crate::signals::told_to_end;
use settings::{Flags, Settings};

/// Runs the node's side, as a service of its host.
#[derive(clap::Args, Debug)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Args {
    #[command(subcommand)]
    command: Option<Command>,
    /// Settings, as YAML; flags override them
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    flags: Flags,
    #[command(flatten)]
    logs: Logs,
}

#[derive(Debug, clap::Subcommand)]
enum Command {
    Install(install::Args),
    Uninstall(uninstall::Args),
    Journal(journal::Args),
}

pub(crate) fn run(args: Args) -> Result<()> {
    match args.command {
        Some(Command::Install(args)) => install::run(args),
        Some(Command::Uninstall(args)) => uninstall::run(&args),
        Some(Command::Journal(args)) => journal::run(&args),
        None => {
            args.logs.start()?;
            let settings = Settings::read(args.config.as_deref(), args.flags)?;
            runtime()?.block_on(serve(settings))
        }
    }
}

fn runtime() -> Result<tokio::runtime::Runtime> {
    tokio::runtime::Builder::new_multi_thread()
        // One node's watch and its work.
        .worker_threads(2)
        .enable_all()
        .build()
        .context("starting the runtime")
}

async fn serve(settings: Settings) -> Result<()> {
    let node = settings.node_name()?;
    let cluster = Cluster::of(settings.kubeconfig.clone());
    let client = Client::try_from(cluster.config().await?).context("making a client")?;
    let options = Options {
        root: settings.root.clone(),
        state_directory: settings.state_directory.clone(),
        kubelet_health: settings.kubelet_health.clone(),
    };
    let host = PlainHost::open(options, Systemd::of(&settings.root))?;
    let clock = clock::of_the_machine();
    info!(node, root = %settings.root.display(), "the daemon runs");
    let config = shell::Config {
        settings: ::daemon::core::Settings {
            way_back_after: SignedDuration::from_secs(settings.way_back_after_seconds),
        },
    };
    let run = shell::run(
        client.clone(),
        node.clone(),
        host,
        clock.clone(),
        config,
        told_to_end()?,
    );
    let Some(token) = &settings.token_file else {
        return Ok(run.await?);
    };
    let lifetime = SignedDuration::from_secs(settings.token_lifetime_seconds);
    let file = TokenFile::at(token)?;
    let fresh = credential::keep_fresh(client, node, file, lifetime, clock);
    tokio::select! {
        ended = run => Ok(ended?),
        () = fresh => Ok(()),
    }
}
