//! A pod's row: what its containers do, in the words that people know.

use jiff::Timestamp;
use serde_json::Value;

use super::super::value;
use super::NONE;
use super::age::age;
use super::columns::{AGE, Column, always, at, wide};

/// The columns after the name.
pub(super) const COLUMNS: &[Column] = &[
    always("Ready", "Containers that are ready, of all.", |pod, _| {
        let total = value::list(pod, &["spec", "containers"]).len();
        let ready = containers(pod)
            .filter(|container| is_ready(container))
            .count();
        format!("{ready}/{total}").into()
    }),
    always(
        "Status",
        "What the pod does, as its containers tell it.",
        |pod, _| status(pod).into(),
    ),
    always(
        "Restarts",
        "How often containers have been started again, and when that last happened.",
        |pod, now| restarts(pod, now).into(),
    ),
    AGE,
    wide("IP", "The pod's address.", |pod, _| {
        at(pod, &["status", "podIP"], NONE)
    }),
    wide("Node", "Where the pod runs.", |pod, _| {
        at(pod, &["spec", "nodeName"], NONE)
    }),
    wide(
        "Nominated Node",
        "Where room is being made for the pod.",
        |pod, _| at(pod, &["status", "nominatedNodeName"], NONE),
    ),
    wide(
        "Readiness Gates",
        "Conditions that must hold besides, of all.",
        |pod, _| gates(pod).into(),
    ),
];

fn containers(pod: &Value) -> impl Iterator<Item = &Value> {
    value::list(pod, &["status", "containerStatuses"]).iter()
}

fn is_ready(container: &Value) -> bool {
    value::get(container, &["ready"]) == Some(&Value::Bool(true))
        && value::get(container, &["state", "running"]).is_some()
}

fn status(pod: &Value) -> String {
    if value::get(pod, &["metadata", "deletionTimestamp"]).is_some() {
        return match value::text(pod, &["status", "reason"]) {
            "NodeLost" => "Unknown".to_owned(),
            _ => "Terminating".to_owned(),
        };
    }
    let phase = match value::text(pod, &["status", "reason"]) {
        "" => value::text(pod, &["status", "phase"]),
        reason => reason,
    };
    // The first container counts that has something to say.
    containers(pod)
        .find_map(|container| {
            let of = |state: &str| value::get(container, &["state", state, "reason"]);
            of("waiting").or_else(|| of("terminated"))
        })
        .and_then(Value::as_str)
        .filter(|reason| !reason.is_empty())
        .unwrap_or(phase)
        .to_owned()
}

fn restarts(pod: &Value, now: Timestamp) -> String {
    let count: i64 = containers(pod)
        .map(|container| value::integer(container, &["restartCount"]))
        .sum();
    let last = containers(pod)
        .map(|container| value::text(container, &["lastState", "terminated", "finishedAt"]))
        .filter(|at| !at.is_empty())
        .max();
    match last {
        Some(at) if count > 0 => format!("{count} ({} ago)", age(at, now)),
        _ => count.to_string(),
    }
}

fn gates(pod: &Value) -> String {
    let gates = value::list(pod, &["spec", "readinessGates"]);
    if gates.is_empty() {
        return NONE.to_owned();
    }
    let holds = |gate: &&Value| {
        let wanted = value::text(gate, &["conditionType"]);
        value::list(pod, &["status", "conditions"])
            .iter()
            .any(|condition| {
                value::text(condition, &["type"]) == wanted
                    && value::text(condition, &["status"]) == "True"
            })
    };
    format!("{}/{}", gates.iter().filter(holds).count(), gates.len())
}
