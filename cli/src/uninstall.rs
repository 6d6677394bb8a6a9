//! `windlass uninstall`: takes off the cluster what Windlass put on Nodes and rendered configs.
//!
//! # Guarantees
//! It refuses while a controller leads, for that would put it on again. It may be run again.
//! # Not here
//! Windlass's own objects and the hosts: docs/install.md says in which order all of it goes.

use anyhow::{Context as _, Result, bail};
use api::names::install;
use controller::removal;
use kube::Client;

use crate::clock;
use crate::cluster::{Cluster, block_on};
use crate::output::print_text;

/// Takes cordons, taints, annotations and finalizers of Windlass off the cluster, once it is gone.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Where it was installed
    #[arg(long, default_value = install::NAMESPACE)]
    namespace: String,
    #[command(flatten)]
    cluster: Cluster,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    block_on(uninstall(args))
}

async fn uninstall(args: &Args) -> Result<()> {
    let client = Client::try_from(args.cluster.config().await?).context("making a client")?;
    let now = clock::of_the_machine().now();
    let leads = removal::led_by(&client, &args.namespace, install::CONTROLLER, now).await?;
    if let Some(leader) = leads {
        bail!(
            "the controller {leader} leads: delete the Deployment {} in {} first, and wait until its lease is over",
            install::CONTROLLER,
            args.namespace
        );
    }
    let removed = removal::remove(&client).await.with_context(|| {
        "cleaning the cluster: if admission refused it, delete the bindings first, as in \
         `kubectl delete validatingadmissionpolicybindings -l windlass.dev/owner=windlass`"
    })?;
    print_text(&format!(
        "{} nodes and {} rendered configs bear nothing of Windlass any more\n",
        removed.nodes.len(),
        removed.configs.len()
    ))
}
