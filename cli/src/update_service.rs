//! `windlass update-service`: the process that answers where clusters may go.
//!
//! # Guarantees
//! Wiring only: settings, logs, the machine's clock, two ports and an orderly end. Both ports answer before the first graph.
//! # Not here
//! All that it does: the crate `updates`.

use std::net::SocketAddr;
use std::num::NonZeroU32;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ::updates::serve::available::Cluster;
use ::updates::serve::{
    Certificate, Door, Guards, House, Metrics, Rates, Served, serve, serve_guarded,
};
use ::updates::source::follow;
use anyhow::{Context as _, Result, ensure};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tracing::info;

use crate::clock;
use crate::logs::Logs;
use crate::signals::told_to_end;
use crate::update_sources;

/// Answers which releases are safe to go to, in the place of the reference's update service.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    #[command(flatten)]
    sources: update_sources::Args,
    /// What stands before every path of the answers
    #[arg(long, default_value = "/api/upgrades_info", value_name = "PREFIX")]
    path_prefix: String,
    /// Where answers are served; port 0 takes a free one
    #[arg(long, default_value = "0.0.0.0:8081", value_name = "ADDRESS")]
    listen: SocketAddr,
    /// Where liveness, readiness and metrics are served; port 0 takes a free one
    #[arg(long, default_value = "0.0.0.0:9081", value_name = "ADDRESS")]
    status_listen: SocketAddr,
    /// Serves release signatures from this folder: <FOLDER>/sha256=<digest>/signature-1
    #[arg(long, value_name = "FOLDER")]
    signatures: Option<PathBuf>,
    /// Serves answers over TLS, with this certificate chain in PEM; read again when it changes
    #[arg(long, value_name = "FILE", requires = "tls_key")]
    tls_cert: Option<PathBuf>,
    /// The certificate's key in PEM
    #[arg(long, value_name = "FILE", requires = "tls_cert")]
    tls_key: Option<PathBuf>,
    /// So many questions of one client in a second; by default as many as it likes
    #[arg(long, value_name = "NUMBER")]
    rate_limit: Option<NonZeroU32>,
    /// Tells in metrics whether there is an update for such a cluster, as stable-4.16/arm64=4.16.3; amd64 if no architecture
    /// is named
    #[arg(long, value_name = "CHANNEL[/ARCH]=VERSION")]
    tell_of: Vec<Cluster>,
    /// Told to end, it answers for so many seconds more, while it is no longer ready: load balancers take that long to notice
    #[arg(long, default_value_t = 5, value_name = "SECONDS")]
    end_after: u64,
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
    let clock = clock::of_the_machine();
    let sources = args.sources.sources(&clock)?;
    let metrics = Metrics::new(clock).telling_of(args.tell_of.clone());
    let house = House {
        served: Arc::new(Served::waiting("the sources have not been loaded yet")),
        metrics: Arc::new(metrics),
    };
    let guards = guards(&args)?;
    let (ending, ended) = watch::channel(false);
    let status = listen(args.status_listen, "status").await?;
    let status = tokio::spawn(serve(status, Door::Status, house.clone(), ended.clone()));
    let main = listen(args.listen, "answers").await?;
    let door = Door::Main {
        prefix: args.path_prefix.trim_end_matches('/').to_owned(),
        signatures: args.signatures,
    };
    let renewing = guards
        .certificate
        .clone()
        .map(|certificate| tokio::spawn(certificate.follow(Arc::clone(&house.metrics))));
    let main = tokio::spawn(serve_guarded(main, door, house.clone(), guards, ended));
    let following = tokio::spawn(follow(sources, house.clone()));
    end.await;
    house.served.end_soon();
    info!(seconds = args.end_after, "told to end");
    tokio::time::sleep(Duration::from_secs(args.end_after)).await;
    ending.send_replace(true);
    following.abort();
    if let Some(renewing) = renewing {
        renewing.abort();
    }
    main.await.context("serving answers")?;
    status.await.context("serving the status")
}

/// What the port of the answers asks of its clients.
fn guards(args: &Args) -> Result<Guards> {
    let certificate = match (&args.tls_cert, &args.tls_key) {
        (Some(chain), Some(key)) => {
            let loaded = Certificate::load(chain, key).context("loading the certificate")?;
            Some(Arc::new(loaded))
        }
        _ => None,
    };
    Ok(Guards {
        certificate,
        rates: args.rate_limit.map(|rate| Arc::new(Rates::new(rate))),
    })
}

async fn listen(address: SocketAddr, what: &'static str) -> Result<TcpListener> {
    let listener = TcpListener::bind(address)
        .await
        .with_context(|| format!("listening on {address} for {what}"))?;
    let address = listener.local_addr().context("asking for the own port")?;
    info!(%address, what, "listening");
    Ok(listener)
}
