//! `windlass controller`: the process in the cluster that renders, plans, drains and reports.
//!
//! # Guarantees
//! Wiring only: settings, logs, the machine's clock, a door for metrics, and an orderly end. SIGTERM and Ctrl-C give the
//! lease back, so that the next replica leads at once.
//! # Not here
//! All that it does: the crate `controller`.

mod door;

use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use ::controller::gate::AskOverNetwork;
use ::controller::metrics::Metrics;
use ::controller::{Config, Flags, Parts};
use anyhow::{Context as _, Result, bail};
use kube::Client;
use prometheus_client::registry::Registry;
use tokio::net::TcpListener;
use tracing::info;

use crate::clock;
use crate::cluster::Cluster;
use crate::logs::Logs;
use crate::signals::told_to_end;

/// Where a pod learns its own name and node, by the downward API.
const POD_NAME: &str = "POD_NAME";
const NODE_NAME: &str = "NODE_NAME";

/// Runs the controller.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Settings of the process, as YAML; flags override them
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    #[command(flatten)]
    flags: Flags,
    /// Where /metrics and /healthz are served; port 0 takes a free one
    #[arg(long, default_value = "0.0.0.0:8797", value_name = "ADDRESS")]
    listen: SocketAddr,
    #[command(flatten)]
    logs: Logs,
    #[command(flatten)]
    cluster: Cluster,
}

pub(crate) fn run(args: Args) -> Result<()> {
    args.logs.start()?;
    let config = settings(args.config.as_deref(), args.flags, |name| {
        std::env::var(name).ok().filter(|value| !value.is_empty())
    })?;
    tokio::runtime::Runtime::new()
        .context("starting the runtime")?
        .block_on(control(config, &args.cluster, args.listen))
}

async fn control(config: Config, cluster: &Cluster, listen: SocketAddr) -> Result<()> {
    let kubeconfig = cluster.config().await?;
    let client = Client::try_from(kubeconfig.clone()).context("making a client")?;
    let metrics = Arc::new(Metrics::default());
    let mut registry = Registry::default();
    metrics.register(&mut registry);
    let listener = TcpListener::bind(listen)
        .await
        .with_context(|| format!("listening on {listen} for metrics"))?;
    let address = listener.local_addr().context("asking for the own port")?;
    info!(%address, identity = config.identity, "metrics and health are served");
    let door = tokio::spawn(door::serve(listener, Arc::new(registry)));
    let parts = Parts {
        client,
        config,
        clock: clock::of_the_machine(),
        ask: Arc::new(AskOverNetwork::new(kubeconfig)),
        metrics,
    };
    let ended = controller::run(parts, told_to_end()?).await;
    door.abort();
    ended.context("running the controller")
}

/// The file's settings under the flags; who this replica is, if neither says so, is the pod's name.
fn settings(
    file: Option<&Path>,
    flags: Flags,
    environment: impl Fn(&str) -> Option<String>,
) -> Result<Config> {
    let nameless = Config::default().identity;
    let mut config = match file {
        None => Config::default(),
        Some(path) => {
            let text = std::fs::read_to_string(path)
                .with_context(|| format!("reading the settings {}", path.display()))?;
            serde_saphyr::from_str(&text)
                .with_context(|| format!("reading the settings {}", path.display()))?
        }
    };
    config = flags.over(config);
    if config.identity == nameless {
        let Some(pod) = environment(POD_NAME) else {
            bail!(
                "nobody says who this replica is, and two of one name would both lead: give --identity or set {POD_NAME}"
            );
        };
        config.identity = pod;
    }
    config.node = config.node.or_else(|| environment(NODE_NAME));
    config.validated().context("reading the settings")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_replica_is_called_as_its_pod() {
        let pod = |name: &str| (name == POD_NAME).then(|| "windlass-7d".to_owned());

        let config = settings(None, Flags::default(), pod).unwrap();

        assert_eq!(config.identity, "windlass-7d");
    }

    #[test]
    fn a_replica_without_a_name_does_not_start() {
        let error = settings(None, Flags::default(), |_| None).unwrap_err();

        assert!(error.to_string().contains("--identity"), "{error}");
    }

    #[test]
    fn the_command_line_names_the_replica_before_its_pod() {
        let flags = Flags {
            identity: Some("by-hand".to_owned()),
            ..Flags::default()
        };

        let config = settings(None, flags, |_| Some("pod".to_owned())).unwrap();

        assert_eq!(config.identity, "by-hand");
    }
}
