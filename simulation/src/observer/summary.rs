//! The numbers of a run.

use super::holds::HoldSummary;
use super::{Observer, Promise};
use jiff::Timestamp;
use serde::Serialize;

/// What came of a run.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Summary {
    /// How many nodes there are.
    pub nodes: usize,
    /// Each pool, by name.
    pub pools: Vec<PoolSummary>,
    /// Each reason for which nodes waited.
    pub holds: Vec<HoldSummary>,
    /// Workers whose kubelet waited for its API.
    pub rhel: RhelSummary,
    /// Nodes that a config made fail; workers waiting for their kubelet are not among them.
    pub nodes_broken: usize,
    /// Whether every node has its pool's config, and nothing is under way.
    pub converged: bool,
    /// How many times a promise was broken.
    pub violations: usize,
    /// For how long the observer has watched.
    pub duration_seconds: f64,
    /// How often each promise was checked.
    pub promises: Vec<PromiseSummary>,
}

/// What came of one pool.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PoolSummary {
    /// Its name.
    pub name: String,
    /// How many of its nodes may be away at once.
    pub max_unavailable: usize,
    /// How many were away because of us at the worst moment.
    pub peak_unavailable: usize,
    /// Whether all its nodes have its config.
    pub updated: bool,
    /// How many nodes it has.
    pub nodes: usize,
    /// How many of them have its config.
    pub done: usize,
    /// How many are away because of us now.
    pub unavailable: usize,
}

/// Workers whose kubelet waited for its API.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub struct RhelSummary {
    /// Nodes that ever had a part withheld.
    pub withheld: usize,
    /// How many of them were not Ready at the worst moment.
    pub not_ready_peak: usize,
    /// How many of them have that part at the end.
    pub released: usize,
}

/// How often one promise was checked.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct PromiseSummary {
    /// Its name.
    pub name: &'static str,
    /// How often.
    pub checked: u64,
}

impl Observer {
    /// The numbers as of `now`.
    pub fn summary(&self, now: Timestamp) -> Summary {
        Summary {
            nodes: self.nodes.len(),
            pools: self
                .pools
                .keys()
                .map(|pool| self.pool_summary(pool))
                .collect(),
            holds: self.holds.summary(now),
            rhel: self.rhel_summary(),
            nodes_broken: self.nodes.values().filter(|node| node.broken).count(),
            converged: self.has_converged(),
            violations: self.violations.len(),
            duration_seconds: now.duration_since(self.begun).as_secs_f64(),
            promises: Promise::ALL
                .iter()
                .map(|promise| PromiseSummary {
                    name: promise.name(),
                    checked: self.checked.get(promise).copied().unwrap_or_default(),
                })
                .collect(),
        }
    }

    fn pool_summary(&self, name: &str) -> PoolSummary {
        let pool = self.pools.get(name).cloned().unwrap_or_default();
        let nodes = self.in_pool(name).count();
        let done = self
            .in_pool(name)
            .filter(|node| node.facts.is_done() && node.facts.current == pool.target);
        let done = done.count();
        PoolSummary {
            name: name.to_owned(),
            max_unavailable: pool.most_away(nodes),
            peak_unavailable: self.peaks.get(name).copied().unwrap_or_default(),
            updated: done == nodes && !pool.target.is_empty() && pool.reached == pool.target,
            nodes,
            done,
            unavailable: self.in_pool(name).filter(|node| node.is_away()).count(),
        }
    }

    fn rhel_summary(&self) -> RhelSummary {
        let withheld = self.nodes.values().filter(|node| node.ever_withheld);
        let released = withheld.clone().filter(|node| {
            let facts = &node.facts;
            let target = self.pool_of(facts).map(|(_, pool)| pool.target.clone());
            !self.withholding.contains(&facts.current) && Some(&facts.current) == target.as_ref()
        });
        RhelSummary {
            withheld: withheld.clone().count(),
            not_ready_peak: self.not_ready_peak,
            released: released.count(),
        }
    }
}
