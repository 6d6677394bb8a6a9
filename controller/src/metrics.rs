//! What Prometheus may ask.
//!
//! Names that the reference has are used where they mean the same, so that its alerts and dashboards
//! carry over (`mcc_…`, `mco_…`); the rest is ours (`windlass_…`). Labels come from closed sets and from names of
//! pools. A node's name stands on the two gauges where the reference has it, and is removed with the trouble.

use prometheus_client::encoding::EncodeLabelSet;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

/// Of one pool.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfPool {
    /// The pool's name.
    pub pool: String,
}

/// Of one node, for gauges that are removed with the trouble.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfNode {
    /// The node's name.
    pub node: String,
}

/// Nodes of a pool that are held for one reason.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfHold {
    /// The pool's name.
    pub pool: String,
    /// `Hold::reason()`: a closed set.
    pub reason: String,
}

/// With a reason out of a closed set.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub struct OfReason {
    /// The stable name of the reason.
    pub reason: &'static str,
}

/// All that the controller counts.
#[derive(Clone, Debug, Default)]
pub struct Metrics {
    /// 1 for a node whose drain has taken longer than the owner allows.
    pub drain_err: Family<OfNode, Gauge>,
    /// 1 for a node that no single pool can claim.
    pub pool_alert: Family<OfNode, Gauge>,
    /// Nodes of the pool.
    pub machine_count: Family<OfPool, Gauge>,
    /// Those that are as the pool wants them.
    pub updated_machine_count: Family<OfPool, Gauge>,
    /// Those that report a failure.
    pub degraded_machine_count: Family<OfPool, Gauge>,
    /// Those that are away.
    pub unavailable_machine_count: Family<OfPool, Gauge>,
    /// Nodes that are held, by reason.
    pub holds: Family<OfHold, Gauge>,
    /// Slots taken, over all pools.
    pub slots_held: Gauge,
    /// Whether this process leads.
    pub leading: Gauge,
    /// Planning rounds.
    pub rounds: Counter,
    /// Plans that broke a promise and were not executed, by promise.
    pub plans_refused: Family<OfReason, Counter>,
    /// Plans that were executed though they left somebody idle or said what is not so, by promise.
    pub plan_mistakes: Family<OfReason, Counter>,
    /// Evictions, by answer.
    pub evictions: Family<OfReason, Counter>,
    /// Reconciles that failed, by reconciler.
    pub failures: Family<OfReason, Counter>,
    /// Events that did not fit into the queue.
    pub events_dropped: Counter,
}

impl Metrics {
    /// Forgets all that only a leader knows: what it said last would stand for ever beside what its successor says.
    pub fn step_down(&self) {
        // All are named, so that a new one is decided about here.
        let Self {
            drain_err,
            pool_alert,
            machine_count: _,
            updated_machine_count: _,
            degraded_machine_count: _,
            unavailable_machine_count: _,
            holds,
            slots_held,
            leading,
            rounds: _,
            plans_refused: _,
            plan_mistakes: _,
            evictions: _,
            failures: _,
            events_dropped: _,
        } = self;
        for of_nodes in [drain_err, pool_alert] {
            of_nodes.clear();
        }
        for of_pools in self.of_pools() {
            of_pools.clear();
        }
        holds.clear();
        slots_held.set(0);
        leading.set(0);
    }

    /// What is counted of each pool.
    const fn of_pools(&self) -> [&Family<OfPool, Gauge>; 4] {
        [
            &self.machine_count,
            &self.updated_machine_count,
            &self.degraded_machine_count,
            &self.unavailable_machine_count,
        ]
    }

    /// Forgets a pool that is gone.
    pub fn forget_pool(&self, pool: &str) {
        let labels = OfPool {
            pool: pool.to_owned(),
        };
        for of_pools in self.of_pools() {
            of_pools.remove(&labels);
        }
    }

    /// Registers all of them.
    pub fn register(&self, registry: &mut Registry) {
        let Self {
            drain_err,
            pool_alert,
            machine_count,
            updated_machine_count,
            degraded_machine_count,
            unavailable_machine_count,
            holds,
            slots_held,
            leading,
            rounds,
            plans_refused,
            plan_mistakes,
            evictions,
            failures,
            events_dropped,
        } = self.clone();
        let r = registry;
        r.register(
            "mcc_drain_err",
            "Drain takes longer than allowed",
            drain_err,
        );
        r.register(
            "mcc_pool_alert",
            "Node that no single pool can claim",
            pool_alert,
        );
        r.register("mco_machine_count", "Nodes of the pool", machine_count);
        r.register(
            "mco_updated_machine_count",
            "Nodes that are as the pool wants",
            updated_machine_count,
        );
        r.register(
            "mco_degraded_machine_count",
            "Nodes that report a failure",
            degraded_machine_count,
        );
        r.register(
            "mco_unavailable_machine_count",
            "Nodes that are away",
            unavailable_machine_count,
        );
        r.register(
            "windlass_held_nodes",
            "Nodes that are held, by reason",
            holds,
        );
        r.register(
            "windlass_slots_held",
            "Slots taken, over all pools",
            slots_held,
        );
        r.register("windlass_leading", "Whether this process leads", leading);
        r.register("windlass_planning_rounds", "Planning rounds", rounds);
        r.register(
            "windlass_plans_refused",
            "Plans that broke a promise and were not executed",
            plans_refused,
        );
        r.register(
            "windlass_plan_mistakes",
            "Plans that were executed though they left a node idle or said what is not so",
            plan_mistakes,
        );
        r.register("windlass_evictions", "Evictions, by answer", evictions);
        r.register(
            "windlass_reconcile_failures",
            "Reconciles that failed",
            failures,
        );
        r.register(
            "windlass_events_dropped",
            "Events that did not fit into the queue",
            events_dropped,
        );
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scraped(metrics: &Metrics) -> String {
        let (mut registry, mut text) = (Registry::default(), String::new());
        metrics.register(&mut registry);
        prometheus_client::encoding::text::encode(&mut text, &registry).expect("it encodes");
        text
    }

    fn counted() -> Metrics {
        let metrics = Metrics::default();
        let (pool, node) = ("worker".to_owned(), "worker-0".to_owned());
        for of_pools in metrics.of_pools() {
            let labels = OfPool { pool: pool.clone() };
            of_pools.get_or_create(&labels).set(3);
        }
        for of_nodes in [&metrics.drain_err, &metrics.pool_alert] {
            let labels = OfNode { node: node.clone() };
            of_nodes.get_or_create(&labels).set(1);
        }
        metrics
    }

    #[test]
    fn the_reference_s_names_are_kept_where_they_mean_the_same() {
        let text = scraped(&counted());

        for line in [
            r#"mco_machine_count{pool="worker"} 3"#,
            r#"mco_updated_machine_count{pool="worker"} 3"#,
            r#"mco_degraded_machine_count{pool="worker"} 3"#,
            r#"mco_unavailable_machine_count{pool="worker"} 3"#,
            r#"mcc_drain_err{node="worker-0"} 1"#,
            r#"mcc_pool_alert{node="worker-0"} 1"#,
        ] {
            assert!(text.contains(line), "{line} is not in\n{text}");
        }
    }

    #[test]
    fn a_replica_that_no_longer_leads_says_nothing_about_pools_and_nodes() {
        let metrics = counted();

        metrics.step_down();

        let text = scraped(&metrics);
        assert!(!text.contains("worker"), "{text}");
    }

    #[test]
    fn a_pool_that_is_gone_is_counted_no_longer() {
        let metrics = counted();

        metrics.forget_pool("worker");

        let text = scraped(&metrics);
        assert!(!text.contains(r#"pool="worker""#), "{text}");
    }
}
