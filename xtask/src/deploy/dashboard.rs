//! The Grafana dashboard: how far rollouts are, what nodes wait for, and how the controller does.

use serde_json::{Value, json};

/// One panel: its title, how it is drawn, its queries with their legends, and what it says.
struct Panel {
    title: &'static str,
    kind: &'static str,
    width: u32,
    queries: &'static [(&'static str, &'static str)],
    about: &'static str,
}

const STAT: &str = "stat";
const SERIES: &str = "timeseries";

/// Grafana's grid is so wide.
const GRID: u32 = 24;
/// So high is a panel in it.
const HEIGHT: u32 = 8;

const PANELS: [Panel; 11] = [
    Panel {
        title: "Updated",
        kind: STAT,
        width: 6,
        queries: &[(
            "sum(mco_updated_machine_count) / sum(mco_machine_count)",
            "",
        )],
        about: "Share of nodes that are as their pool wants them.",
    },
    Panel {
        title: "Slots held",
        kind: STAT,
        width: 6,
        queries: &[("max(windlass_slots_held)", "")],
        about: "Nodes that are being updated, over all pools.",
    },
    Panel {
        title: "Degraded",
        kind: STAT,
        width: 6,
        queries: &[("sum(mco_degraded_machine_count)", "")],
        about: "Nodes that report a failure.",
    },
    Panel {
        title: "Leading",
        kind: STAT,
        width: 6,
        queries: &[("sum(windlass_leading)", "")],
        about: "Controllers that lead: one.",
    },
    Panel {
        title: "Updated nodes of each pool",
        kind: SERIES,
        width: 12,
        queries: &[
            (
                "max by (pool) (mco_updated_machine_count)",
                "{{pool}} updated",
            ),
            ("max by (pool) (mco_machine_count)", "{{pool}} all"),
        ],
        about: "How far each rollout is.",
    },
    Panel {
        title: "Unavailable and degraded nodes",
        kind: SERIES,
        width: 12,
        queries: &[
            (
                "max by (pool) (mco_unavailable_machine_count)",
                "{{pool}} unavailable",
            ),
            (
                "max by (pool) (mco_degraded_machine_count)",
                "{{pool}} degraded",
            ),
        ],
        about: "What counts against the budget, and what failed.",
    },
    Panel {
        title: "What nodes wait for",
        kind: SERIES,
        width: 24,
        queries: &[(
            "max by (pool, reason) (windlass_held_nodes)",
            "{{pool}} {{reason}}",
        )],
        about: "Nodes by the reason of their hold; the book explains each.",
    },
    Panel {
        title: "Drains that take too long, and nodes that no pool can claim",
        kind: SERIES,
        width: 12,
        queries: &[
            ("max by (node) (mcc_drain_err)", "{{node}} drain"),
            ("max by (node) (mcc_pool_alert)", "{{node}} pool"),
        ],
        about: "Nodes that somebody should look at.",
    },
    Panel {
        title: "Evictions a second",
        kind: SERIES,
        width: 12,
        queries: &[(
            "sum by (reason) (rate(windlass_evictions_total[5m]))",
            "{{reason}}",
        )],
        about: "By the API server's answer.",
    },
    Panel {
        title: "Planning rounds a second",
        kind: SERIES,
        width: 12,
        queries: &[("sum(rate(windlass_planning_rounds_total[5m]))", "rounds")],
        about: "Rounds that had something to write.",
    },
    Panel {
        title: "What went wrong in the controller",
        kind: SERIES,
        width: 12,
        queries: &[
            (
                "sum by (reason) (increase(windlass_reconcile_failures_total[5m]))",
                "{{reason}} failed",
            ),
            (
                "sum by (reason) (increase(windlass_plans_refused_total[5m]))",
                "{{reason}} refused",
            ),
            (
                "sum by (reason) (increase(windlass_plan_mistakes_total[5m]))",
                "{{reason}} mistaken",
            ),
            (
                "sum(increase(windlass_events_dropped_total[5m]))",
                "events dropped",
            ),
        ],
        about: "All of these should be zero.",
    },
];

/// The dashboard as Grafana imports it.
pub(super) fn text() -> String {
    let source = json!({"type": "prometheus", "uid": "${source}"});
    let (mut x, mut y) = (0, 0);
    let panels: Vec<Value> = (1_u32..)
        .zip(&PANELS)
        .map(|(id, panel)| {
            if x + panel.width > GRID {
                (x, y) = (0, y + HEIGHT);
            }
            let at = json!({"h": HEIGHT, "w": panel.width, "x": x, "y": y});
            x += panel.width;
            drawn(id, panel, &at, &source)
        })
        .collect();
    let dashboard = json!({
        "title": "Windlass", "uid": "windlass", "tags": ["windlass"], "schemaVersion": 39, "version": 1,
        "editable": true, "refresh": "30s", "time": {"from": "now-6h", "to": "now"},
        "templating": {"list": [{"name": "source", "label": "Prometheus", "type": "datasource", "query": "prometheus"}]},
        "panels": panels,
    });
    format!("{dashboard:#}\n")
}

fn drawn(id: u32, panel: &Panel, at: &Value, source: &Value) -> Value {
    let targets: Vec<Value> = ('A'..='Z')
        .zip(panel.queries)
        .map(|(letter, (query, legend))| {
            json!({"refId": letter, "datasource": source, "expr": query, "legendFormat": legend})
        })
        .collect();
    let unit = if panel.title == "Updated" {
        "percentunit"
    } else {
        "none"
    };
    json!({
        "id": id, "title": panel.title, "description": panel.about, "type": panel.kind, "gridPos": at,
        "datasource": source, "targets": targets, "fieldConfig": {"defaults": {"unit": unit, "min": 0}, "overrides": []},
    })
}

/// What is asked of Prometheus.
#[cfg(test)]
pub(super) fn queries() -> Vec<&'static str> {
    let all = PANELS.iter().flat_map(|panel| panel.queries);
    all.map(|(query, _)| *query).collect()
}
