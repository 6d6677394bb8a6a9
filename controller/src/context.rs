//! What every reconciler has at hand, and what they tell each other.

use crate::config::{Config, Rates};
use crate::drain::fact::DrainFact;
use crate::events::Events;
use crate::gate::ask::AskVersion;
use crate::gate::heard::AllHeard;
use crate::metrics::Metrics;
use crate::rates::Rate;
use crate::render::verdict::Verdict;
use crate::rollout::decided::Decided;
use crate::rollout::wishes::Wishes;
use crate::stores::{Stores, Wakes};
use api::clock::Clock;
use jiff::Timestamp;
use kube::Client;
use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What every reconciler has at hand.
pub struct Context {
    /// The API server.
    pub client: Client,
    /// Settings of the process.
    pub config: Config,
    /// The one clock.
    pub clock: Clock,
    /// What was seen of the cluster.
    pub stores: Stores,
    /// The bells of the reconcilers.
    pub wakes: Wakes,
    /// What they tell each other.
    pub board: Board,
    /// Taints that are still to be written.
    pub taints: Wishes,
    /// Where events are told.
    pub events: Events,
    /// What is counted.
    pub metrics: Arc<Metrics>,
    /// How often things may be done.
    pub limits: Limits,
    /// Who asks the API server instances.
    pub ask: Arc<dyn AskVersion>,
}

impl Context {
    /// Sleeps until this instant, or for ever.
    pub async fn sleep_until(&self, at: Option<Timestamp>) {
        match at {
            None => std::future::pending().await,
            Some(at) => {
                let wait = at.duration_since(self.clock.now());
                tokio::time::sleep(Duration::try_from(wait).unwrap_or_default()).await;
            }
        }
    }
}

/// How often things may be done.
#[derive(Debug)]
pub struct Limits {
    /// Evictions.
    pub evictions: Rate,
    /// UpdateInProgress taints.
    pub taints: Rate,
    /// Other writes on nodes.
    pub node_writes: Rate,
    /// What is shown on MachineConfigNodes.
    pub reports: Rate,
}

impl Limits {
    /// Limits at these rates; twice a second's worth may go at once.
    pub fn new(rates: &Rates) -> Self {
        let rate = |per_second: NonZeroU32| Rate::new(per_second, per_second.saturating_mul(TWICE));
        Self {
            evictions: rate(rates.evictions),
            taints: rate(rates.taints),
            node_writes: rate(rates.node_writes),
            reports: rate(rates.reports),
        }
    }
}

const TWICE: NonZeroU32 = match NonZeroU32::new(2) {
    Some(two) => two,
    None => NonZeroU32::MIN,
};

/// What the reconcilers tell each other. None of it is a promise: after a restart it is empty, and each
/// of them finds out anew.
#[derive(Debug, Default)]
pub struct Board(Mutex<Notes>);

/// The notes on the board.
#[derive(Debug, Default)]
pub struct Notes {
    /// What came of rendering each pool.
    pub rendered: BTreeMap<String, Verdict>,
    /// What each API server instance last answered.
    pub heard: AllHeard,
    /// How each drain goes.
    pub drains: BTreeMap<String, DrainFact>,
    /// What the last planning round decided; none before the first.
    pub decided: Option<Arc<Decided>>,
}

impl Board {
    /// Reads or writes the notes. Never held across an await.
    pub fn notes(&self) -> MutexGuard<'_, Notes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
