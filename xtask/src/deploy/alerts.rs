//! When somebody should look: alerts over the metrics of the controller and the update service.
//!
//! # Guarantees
//! An alert that means what the reference's means has its name, so that runbooks carry over. Each has a test under
//! `deploy/alerts`, where promtool plays it.
//! # Assumptions
//! Replicas that do not lead say nothing of pools and nodes, so sums over replicas count nothing twice.

use serde_json::{Value, json};

/// One alert.
struct Alert {
    name: &'static str,
    expr: &'static str,
    after: &'static str,
    severity: &'static str,
    summary: &'static str,
    description: &'static str,
}

/// Whether a counter grew, by reason. It is born with its first event: of that, `increase` knows nothing.
macro_rules! grew {
    ($counter:literal) => {
        concat!(
            "sum by (reason) (increase(",
            $counter,
            "[15m])) > 0 or sum by (reason) (",
            $counter,
            " unless ",
            $counter,
            " offset 15m) > 0"
        )
    };
}

/// All alerts.
const ALERTS: [Alert; 11] = [
    Alert {
        name: "MCCDrainError",
        expr: "max by (node) (mcc_drain_err) > 0",
        after: "0m",
        severity: "warning",
        summary: "A node's drain takes longer than its owner allows.",
        description: "The drain of {{ $labels.node }} takes longer than its policy's timeout, and goes on. \
                      `windlass explain node {{ $labels.node }}` names the pod and the budget that it waits for.",
    },
    Alert {
        name: "MCCPoolAlert",
        expr: "max by (node) (mcc_pool_alert) > 0",
        after: "5m",
        severity: "warning",
        summary: "A node belongs to no single pool, and is not updated.",
        description: "Several pools claim {{ $labels.node }}. `windlass explain node {{ $labels.node }}` names them.",
    },
    Alert {
        name: "WindlassNodesDegraded",
        expr: "max by (pool) (mco_degraded_machine_count) > 0",
        after: "5m",
        severity: "warning",
        summary: "Nodes could not take their config.",
        description: "{{ $value }} nodes of pool {{ $labels.pool }} report a failure. A corrected config reaches them first, \
                      without another slot; `windlass explain pool {{ $labels.pool }}` says what failed.",
    },
    Alert {
        name: "WindlassRolloutStands",
        expr: "max(windlass_slots_held) > 0 and sum(changes(mco_updated_machine_count[2h])) == 0",
        after: "15m",
        severity: "warning",
        summary: "Slots are held, and no node was finished for two hours.",
        description: "{{ $value }} slots are held. `windlass explain pool POOL` names what each node waits for.",
    },
    Alert {
        name: "WindlassNobodyLeads",
        expr: "sum(windlass_leading) < 1 or absent(windlass_leading)",
        after: "5m",
        severity: "critical",
        summary: "No controller leads: nothing is rolled out, drained or uncordoned.",
        description: "Nodes in mid-update stay as they are; none starts a drain, and none reboots without an acknowledgement. \
                      Look at the Deployment windlass-controller and its Lease.",
    },
    Alert {
        name: "WindlassSeveralLead",
        expr: "sum(windlass_leading) > 1",
        after: "1m",
        severity: "warning",
        summary: "Several controllers believe that they lead.",
        description: "No promise breaks by it, for every write that spends a budget is a compare-and-swap, but work is done twice. \
                      Look at the clocks and at the API server's answers to the Lease.",
    },
    Alert {
        name: "WindlassPlanRefused",
        expr: grew!("windlass_plans_refused_total"),
        after: "0m",
        severity: "critical",
        summary: "A plan would have broken a promise, and was not carried out.",
        description: "The promise is {{ $labels.reason }}. This is a mistake in Windlass: keep the controller's log, and report it.",
    },
    Alert {
        name: "WindlassPlanMistaken",
        expr: grew!("windlass_plan_mistakes_total"),
        after: "0m",
        severity: "warning",
        summary: "A plan left a node idle, or said of one what is not so.",
        description: "The promise is {{ $labels.reason }}. It was carried out, for it does no harm. This is a mistake in Windlass: \
                      keep the controller's log, and report it.",
    },
    Alert {
        name: "WindlassReconcileFails",
        expr: "sum by (reason) (increase(windlass_reconcile_failures_total[15m])) > 3",
        after: "15m",
        severity: "warning",
        summary: "A part of the controller keeps failing.",
        description: "The part is {{ $labels.reason }}; the controller's log says what it attempted, and on what.",
    },
    Alert {
        name: "WindlassEvictionsFail",
        expr: "sum(increase(windlass_evictions_total{reason=\"Failed\"}[15m])) > 10",
        after: "15m",
        severity: "warning",
        summary: "The API server does not answer evictions.",
        description: "{{ $value }} evictions failed in 15 minutes for another reason than a budget.",
    },
    // The update service's: replicas count the same, so the largest is what each of them says.
    Alert {
        name: "UpdateAvailable",
        expr: "max by (channel, arch, version) (windlass_update_available) > 0",
        after: "5m",
        severity: "info",
        summary: "A cluster may be updated.",
        description: "{{ $value }} releases of {{ $labels.channel }} for {{ $labels.arch }} are recommended to who has \
                      {{ $labels.version }}. `windlass updates list --channel {{ $labels.channel }} --arch {{ $labels.arch }} \
                      --from {{ $labels.version }}` names them.",
    },
];

/// The groups, as Prometheus takes them.
pub(super) fn groups() -> Value {
    let rules: Vec<Value> = ALERTS.iter().map(rule).collect();
    json!([{"name": "windlass", "rules": rules}])
}

fn rule(alert: &Alert) -> Value {
    let Alert {
        name,
        expr,
        after,
        severity,
        summary,
        description,
    } = alert;
    json!({
        "alert": name, "expr": expr, "for": after, "labels": {"severity": severity},
        "annotations": {"summary": summary, "description": description},
    })
}

/// What is asked of Prometheus.
#[cfg(test)]
pub(super) fn queries() -> Vec<&'static str> {
    ALERTS.iter().map(|alert| alert.expr).collect()
}

/// What they are called.
#[cfg(test)]
pub(super) fn names() -> Vec<&'static str> {
    ALERTS.iter().map(|alert| alert.name).collect()
}
