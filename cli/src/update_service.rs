//! `windlass update-service`: the process that answers where clusters may go.
//!
//! # Guarantees
//! Wiring only: settings, logs, the machine's clock, two ports and an orderly end. Both ports answer before the first graph.
//! # Not here
//! All that it does: the crate `updates`.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use ::updates::serve::{Door, House, Metrics, Served, serve};
use ::updates::source::{Files, follow};
use anyhow::{Context as _, Result, ensure};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::info;

use crate::clock;
use crate::logs::Logs;
use crate::signals::told_to_end;

/// Answers which releases are safe to go to, in the place of the reference's update service.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// Releases and edges: a raw graph, .json or .json.gz; read again when it changes
    #[arg(long, value_name = "FILE")]
    raw: PathBuf,
    /// Channels and blocked edges: a graph-data folder, .tar or .tar.gz; read again when it changes
    #[arg(long, value_name = "PATH")]
    graph_data: PathBuf,
    /// What stands before every path of the answers
    #[arg(long, default_value = "/api/upgrades_info", value_name = "PREFIX")]
    path_prefix: String,
    /// Where answers are served; port 0 takes a free one
    #[arg(long, default_value = "0.0.0.0:8081", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Where liveness, readiness and metrics are served; port 0 takes a free one
    #[arg(long, default_value = "0.0.0.0:9081", value_name = "ADDRESS")]
    status_listen: SocketAddr,
    #[command(flatten)]
    logs: Logs,
}

pub(crate) fn run(args: Args) -> Result<()> {
    args.logs.start()?;
    ensure!(
        args.path_prefix.is_empty() || args.path_prefix.starts_with('/'),
        "reading the settings: --path-prefix {} does not start with /",
        args.path_prefix
    );
    tokio::runtime::Runtime::new()
        .context("starting the runtime")?
        .block_on(answer(args))
}

async fn answer(args: Args) -> Result<()> {
    let end = told_to_end()?;
    let house = House {
        served: Arc::new(Served::waiting("the sources have not been loaded yet")),
        metrics: Arc::new(Metrics::new(clock::of_the_machine())),
    };
    let (ending, ended) = watch::channel(false);
    let status = listen(args.status_listen, "status").await?;
    let status = tokio::spawn(serve(status, Door::Status, house.clone(), ended.clone()));
    let main = listen(args.listen, "answers").await?;
    let door = Door::Main {
        prefix: args.path_prefix.trim_end_matches('/').to_owned(),
    };
    let main = tokio::spawn(serve(main, door, house.clone(), ended));
    let files = Files {
        raw: args.raw,
        graph_data: args.graph_data,
    };
    let following = tokio::spawn(follow(files, house));
    end.await;
    ending.send_replace(true);
    following.abort();
    main.await.context("serving answers")?;
    status.await.context("serving the status")
}

async fn listen(address: SocketAddr, what: &'static str) -> Result<TcpListener> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("listening on {address} for {what}"))?;
    let address = listener.local_addr().context("asking for the own port")?;
    info!(%address, what, "listening");
    Ok(listener)
}
