//! The controller's process: watches, election, and the reconcilers of whoever leads.
//!
//! # Guarantees
//! Followers watch and write nothing but the lease. Losing the lead, or dropping the whole future, ends the
//! reconcilers wherever they are; none of them needs to be told. A reconciler that ends by itself ends the
//! process: somebody outside starts it again with everything in it.

use crate::config::{Config, ConfigError};
use crate::context::{Board, Context, Limits};
use crate::error::Chain;
use crate::events;
use crate::gate::{self, AskVersion};
use crate::guard::{self, GuardError};
use crate::lease::shell::{Election, release};
use crate::metrics::Metrics;
use crate::rollout::wishes::Wishes;
use crate::stores::{Stores, Wakes};
use crate::{drain, render, report, rollout as rollouts, status};
use api::clock::Clock;
use kube::Client;
use std::future::Future;
use std::sync::Arc;
use tokio::sync::watch;
use tokio::task::{JoinError, JoinSet};
use tracing::{info, warn};

/// What a controller is made of.
#[derive(Clone)]
pub struct Parts {
    /// The API server.
    pub client: Client,
    /// Settings of the process.
    pub config: Config,
    /// The one clock.
    pub clock: Clock,
    /// Who asks each API server instance for its version.
    pub ask: Arc<dyn AskVersion>,
    /// What is counted; register them where they are scraped.
    pub metrics: Arc<Metrics>,
}

/// Why a controller ended.
#[derive(Debug, thiserror::Error)]
pub enum RunError {
    /// A setting cannot be meant.
    #[error("the configuration is not usable")]
    Config(#[from] ConfigError),
    /// Somebody else owns the resources.
    #[error("the controller does not start")]
    Guard(#[from] GuardError),
    /// A part of it ended.
    #[error("a part of the controller ended unexpectedly")]
    Ended(#[source] Option<JoinError>),
}

/// Runs until `shutdown` is over, then gives the lease back.
pub async fn run(parts: Parts, shutdown: impl Future<Output = ()>) -> Result<(), RunError> {
    let config = parts.config.clone().validated()?;
    guard::nobody_else(&parts.client).await?;
    let mut tasks = JoinSet::new();
    let wakes = Wakes::default();
    let (stores, watches) = Stores::open(&parts.client, &config, &wakes);
    for watch in watches {
        tasks.spawn(watch);
    }
    let (client, clock) = (parts.client.clone(), parts.clock.clone());
    let (events, writer) = events::queue(client.clone(), clock.clone(), parts.metrics.clone());
    tasks.spawn(writer.run());
    let (election, mut leading) = Election::new(
        client.clone(),
        config.clone(),
        clock,
        stores.election.clone(),
        wakes.election.clone(),
    );
    tasks.spawn(election.run());
    let context = || Context {
        client: client.clone(),
        config: config.clone(),
        clock: parts.clock.clone(),
        stores: stores.clone(),
        wakes: wakes.clone(),
        board: Board::default(),
        taints: Wishes::default(),
        events: events.clone(),
        metrics: parts.metrics.clone(),
        limits: Limits::new(&config.rates),
        ask: parts.ask.clone(),
    };
    let ended = tokio::select! {
        biased;
        () = shutdown => Ok(()),
        ended = tasks.join_next() => Err(RunError::Ended(ended.and_then(Result::err))),
        ended = terms(&mut leading, context, &parts.metrics) => ended,
    };
    tasks.shutdown().await;
    if ended.is_ok()
        && let Err(error) = release(client, &config).await
    {
        warn!(error = %Chain(&error), "the lease runs out by itself");
    }
    ended
}

/// Works whenever this process leads; each time with nothing in mind.
async fn terms(
    leading: &mut watch::Receiver<bool>,
    context: impl Fn() -> Context,
    metrics: &Metrics,
) -> Result<(), RunError> {
    loop {
        if leading.wait_for(|leading| *leading).await.is_err() {
            return Err(RunError::Ended(None));
        }
        metrics.leading.set(1);
        info!("leading");
        let term = term(Arc::new(context()));
        tokio::select! {
            biased;
            lost = leading.wait_for(|leading| !leading) => {
                if lost.is_err() {
                    return Err(RunError::Ended(None));
                }
            }
            ended = term => return Err(ended),
        }
        metrics.step_down();
        info!("no longer leading");
    }
}

/// Runs all reconcilers; returns only if one of them ends.
async fn term(context: Arc<Context>) -> RunError {
    if let Err(error) = guard::nobody_else(&context.client).await {
        return RunError::Guard(error);
    }
    context.stores.synced().await;
    let mut tasks = JoinSet::new();
    macro_rules! reconcile {
        ($($reconciler:path),* $(,)?) => {$({
            let context = context.clone();
            tasks.spawn(async move { $reconciler(&context).await });
        })*};
    }
    reconcile!(
        render::run,
        rollouts::run,
        rollouts::taints::run,
        drain::run,
        report::run,
        status::run,
        gate::run,
    );
    RunError::Ended(tasks.join_next().await.and_then(Result::err))
}
