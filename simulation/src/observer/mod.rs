//! Watches the API server's store and says which promises were kept, which were broken, and what came of it.
//!
//! # Guarantees
//! It shares no code with planner, checker and controller: it counts in its own words from stored versions of objects, in
//! the order in which they were stored, and so sees what no stale cache can hide.
//! # Assumptions
//! It is shown every stored version of nodes, pools, configs, MachineConfigNodes, the ledger and Leases.
//!
//! A node is **taken** from the moment it is given a configuration until it has carried it out, is free of our cordon,
//! and has been Ready since. It is **away because of us** while it bears our cordon, or is taken and not Ready.

mod driver;
mod facts;
mod holds;
mod promises;
mod summary;

pub use driver::{follow, passed};
pub use holds::HoldSummary;
pub use promises::{Promise, Violation};
pub use summary::{PoolSummary, PromiseSummary, RhelSummary, Summary};

use crate::pace::Pace;
use crate::version::Version;
use api::names::config;
use facts::{NodeFacts, PoolFacts, primary_pool, text};
use holds::Holds;
use jiff::{SignedDuration, Timestamp};
use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use tokio::sync::watch;

/// Everything that is known of the run so far.
#[derive(Debug)]
pub struct Observer {
    begun: Timestamp,
    /// How long a node that has reported may take to be Ready before its config counts as what broke it.
    patience: SignedDuration,
    nodes: BTreeMap<String, Watched>,
    pools: BTreeMap<String, PoolFacts>,
    peaks: BTreeMap<String, usize>,
    /// Configs that withhold a part, and the API servers' oldest version.
    withholding: BTreeSet<String>,
    oldest_api: Option<Version>,
    holders: BTreeSet<String>,
    renewals: BTreeMap<String, Timestamp>,
    holds: Holds,
    not_ready_peak: usize,
    external_etcd: bool,
    checked: BTreeMap<Promise, u64>,
    violations: Vec<Violation>,
    looks: watch::Sender<u64>,
}

/// One node and its history.
#[derive(Clone, Debug, Default)]
#[allow(
    clippy::struct_excessive_bools,
    reason = "independent facts of one node, each with its own life"
)]
struct Watched {
    facts: NodeFacts,
    taken: bool,
    /// Since when it is down for reasons of others.
    down_since: Option<Timestamp>,
    was_ready: bool,
    ever_withheld: bool,
    broken: bool,
}

/// How many violations are kept; a run that breaks more is no more broken.
const VIOLATIONS_MAX: usize = 1000;

impl Observer {
    /// Begins to observe at `now` a cluster whose durations are `pace`.
    pub fn new(now: Timestamp, pace: &Pace) -> Self {
        let patience =
            pace.node_grace + pace.kubelet_start + pace.kubelet_ready + pace.lease_renewal;
        Self {
            begun: now,
            patience: SignedDuration::try_from(patience).unwrap_or(SignedDuration::MAX),
            nodes: BTreeMap::new(),
            pools: BTreeMap::new(),
            peaks: BTreeMap::new(),
            withholding: BTreeSet::new(),
            oldest_api: None,
            holders: BTreeSet::new(),
            renewals: BTreeMap::new(),
            holds: Holds::default(),
            not_ready_peak: 0,
            external_etcd: false,
            checked: BTreeMap::new(),
            violations: Vec::new(),
            looks: watch::Sender::new(0),
        }
    }

    /// Takes in that the object of `resource` is now `object`, or is gone.
    pub fn stored(&mut self, resource: &str, object: &Value, gone: bool, now: Timestamp) {
        let name = text(object.pointer("/metadata/name"));
        match (resource, gone) {
            ("nodes", true) => {
                self.nodes.remove(&name);
            }
            ("nodes", false) => self.node(&name, NodeFacts::read(object), now),
            ("machineconfigpools", true) => {
                self.pools.remove(&name);
            }
            ("machineconfigpools", false) => {
                self.pools.insert(name, PoolFacts::read(object));
            }
            ("machineconfigs", false) => {
                let annotations = object.pointer("/metadata/annotations");
                if annotations
                    .and_then(|all| all.get(config::WITHHOLDS))
                    .is_some()
                {
                    self.withholding.insert(name);
                }
            }
            ("machineconfignodes", _) => self.holds.node(&name, object, gone, now),
            ("slotledgers", _) => {
                self.holders = if gone {
                    BTreeSet::new()
                } else {
                    holders(object)
                }
            }
            ("rolloutpolicies", false) => {
                let external = object.pointer("/spec/controlPlane/externalEtcd");
                self.external_etcd |= external.and_then(Value::as_bool).unwrap_or_default();
            }
            ("leases", false) => {
                let renewed = text(object.pointer("/spec/renewTime")).parse();
                if text(object.pointer("/metadata/namespace")) == "kube-node-lease"
                    && let Ok(renewed) = renewed
                {
                    self.renewals.insert(name.clone(), renewed);
                    self.release(&name);
                }
            }
            _ => {}
        }
        self.tally(now);
        self.looks.send_modify(|count| *count += 1);
    }

    /// Changes whenever something was stored.
    pub(crate) fn looks(&self) -> watch::Receiver<u64> {
        self.looks.subscribe()
    }

    /// How many nodes are Ready.
    pub fn ready_nodes(&self) -> usize {
        self.nodes
            .values()
            .filter(|node| node.facts.is_ready())
            .count()
    }

    /// Takes in which versions the API server's instances serve now.
    pub fn api_versions(&mut self, versions: impl IntoIterator<Item = Version>) {
        self.oldest_api = versions.into_iter().min();
    }

    /// Takes in a request that changes the cluster.
    pub fn requested(
        &mut self,
        actor: &str,
        verb: &str,
        resource: &str,
        subresource: &str,
        now: Timestamp,
    ) {
        let ours = actor.starts_with("controller") || actor.starts_with("daemon");
        if !ours || resource != "pods" {
            return;
        }
        self.check(Promise::Consent);
        if subresource.is_empty() && verb.starts_with("delete") {
            self.broke(
                Promise::Consent,
                now,
                format!("{actor} deleted a pod without asking for its eviction"),
            );
        }
    }

    /// The nodes that a pool counts, by name.
    pub fn pooled_nodes(&self) -> impl Iterator<Item = &str> {
        self.nodes
            .iter()
            .filter(|(_, node)| self.pool_of(&node.facts).is_some())
            .map(|(name, _)| name.as_str())
    }

    /// What was broken so far.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    /// Whether every node that belongs to a pool has that pool's configuration, is Ready and free of our cordon, and no slot
    /// is held.
    pub fn has_converged(&self) -> bool {
        let settled = self
            .nodes
            .values()
            .all(|node| match self.pool_of(&node.facts) {
                None => true,
                Some((_, pool)) => {
                    let facts = &node.facts;
                    !pool.target.is_empty()
                        && facts.current == pool.target
                        && facts.is_done()
                        && facts.is_ready()
                        && !facts.our_cordon
                }
            });
        let pools = self
            .pools
            .values()
            .all(|pool| !pool.target.is_empty() && pool.reached == pool.target);
        settled && pools && self.holders.is_empty()
    }

    fn node(&mut self, name: &str, facts: NodeFacts, now: Timestamp) {
        let before = self.nodes.get(name).cloned().unwrap_or_default();
        self.forward(name, &before.facts, &facts, now);
        self.kubelet_not_ahead(name, &before.facts, &facts, now);
        let assigned = facts.desired != before.facts.desired || facts.intent != before.facts.intent;
        let newly_taken = assigned && !before.taken && !facts.desired.is_empty();
        let ready = facts.is_ready();
        let withheld =
            self.withholding.contains(&facts.desired) || self.withholding.contains(&facts.current);
        let newly_cordoned = facts.our_cordon && !before.facts.our_cordon;
        let taken = before.taken || newly_taken;
        let down = !taken && before.was_ready && (!ready || facts.unschedulable);
        let watched = Watched {
            taken,
            down_since: down.then(|| before.down_since.unwrap_or(now)),
            was_ready: before.was_ready || ready,
            ever_withheld: before.ever_withheld || withheld,
            broken: before.broken,
            facts,
        };
        self.nodes.insert(name.to_owned(), watched);
        if newly_taken {
            self.budget(name, now);
            self.control_plane(name, now);
        }
        if newly_cordoned {
            self.cordon_under_slot(name, now);
        }
        self.release(name);
    }

    /// Ends the taking of a node that has carried out its assignment and has been Ready since.
    fn release(&mut self, name: &str) {
        let is_taken = self.nodes.get(name).is_some_and(|node| node.taken);
        if is_taken
            && self.lacks(name).is_none()
            && let Some(node) = self.nodes.get_mut(name)
        {
            node.taken = false;
        }
    }

    /// What a node lacks to be free again; none if nothing.
    fn lacks(&self, name: &str) -> Option<String> {
        let facts = &self.nodes.get(name)?.facts;
        let heard = facts.ready_heartbeat.max(self.renewals.get(name).copied());
        let reported = facts.reported_at;
        if !facts.is_done() {
            let (current, desired) = (&facts.current, &facts.desired);
            let (acted, intent) = (facts.acted, facts.intent);
            return Some(format!(
                "says {} of {current} (intent {acted}) and shall have {desired} (intent {intent})",
                facts.state
            ));
        }
        if !facts.is_ready() {
            return Some(format!("is Ready {}", facts.ready));
        }
        if facts.our_cordon {
            return Some("bears our cordon".to_owned());
        }
        if !facts.reported_boot.is_empty() && facts.boot != facts.reported_boot {
            let (boot, reported) = (&facts.boot, &facts.reported_boot);
            return Some(format!(
                "reported from boot {reported}, its kubelet from {boot}"
            ));
        }
        reported
            .filter(|reported| heard.is_none_or(|heard| heard < *reported))
            .map(|reported| format!("reported at {reported}, its kubelet was heard {heard:?}"))
    }

    fn pool_of(&self, facts: &NodeFacts) -> Option<(&str, &PoolFacts)> {
        let name = primary_pool(&self.pools, &facts.labels)?;
        Some((name, self.pools.get(name)?))
    }

    fn in_pool<'a>(&'a self, pool: &'a str) -> impl Iterator<Item = &'a Watched> {
        self.nodes
            .values()
            .filter(move |node| primary_pool(&self.pools, &node.facts.labels) == Some(pool))
    }

    /// Brings the peaks up to date.
    fn tally(&mut self, now: Timestamp) {
        let names: Vec<String> = self.pools.keys().cloned().collect();
        for pool in names {
            let away = self.in_pool(&pool).filter(|node| node.is_away()).count();
            let peak = self.peaks.entry(pool).or_default();
            *peak = (*peak).max(away);
        }
        let waiting = self
            .nodes
            .values()
            .filter(|node| self.withholding.contains(&node.facts.current) && !node.facts.is_ready())
            .count();
        self.not_ready_peak = self.not_ready_peak.max(waiting);
        let (patience, withholding) = (self.patience, &self.withholding);
        for node in self.nodes.values_mut() {
            let facts = &node.facts;
            let silent = node.taken
                && facts.is_done()
                && !facts.is_ready()
                && !withholding.contains(&facts.current)
                && facts
                    .reported_at
                    .is_some_and(|reported| now.duration_since(reported) > patience);
            let failed = matches!(facts.state.as_str(), "Degraded" | "Unreconcilable");
            node.broken |= silent || (failed && node.taken);
        }
    }
}

impl Watched {
    fn is_away(&self) -> bool {
        self.facts.our_cordon || (self.taken && !self.facts.is_ready())
    }
}

/// The nodes that hold a slot by the ledger.
fn holders(ledger: &Value) -> BTreeSet<String> {
    let holders = ledger.pointer("/spec/holders").and_then(Value::as_array);
    holders
        .into_iter()
        .flatten()
        .map(|holder| text(holder.get("node")))
        .collect()
}
