//! The rows of workloads: how many there should be, and how many there are.

use serde_json::Value;

use super::super::value;
use super::NONE;
use super::columns::{AGE, Column, always, number, wide};

/// The columns of a Deployment after the name.
pub(super) const DEPLOYMENTS: &[Column] = &[
    always(
        "Ready",
        "Pods that are ready, of those wanted.",
        |object, _| ready(object),
    ),
    always("Up-to-date", "Pods of the newest template.", |object, _| {
        count(object, &["status", "updatedReplicas"])
    }),
    always(
        "Available",
        "Pods that have been ready for long enough.",
        |object, _| count(object, &["status", "availableReplicas"]),
    ),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

/// The columns of a ReplicaSet after the name.
pub(super) const REPLICA_SETS: &[Column] = &[
    number("Desired", "Pods that there should be.", |object, _| {
        count(object, &["spec", "replicas"])
    }),
    number("Current", "Pods that there are.", |object, _| {
        count(object, &["status", "replicas"])
    }),
    number("Ready", "Pods that are ready.", |object, _| {
        count(object, &["status", "readyReplicas"])
    }),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

/// The columns of a StatefulSet after the name.
pub(super) const STATEFUL_SETS: &[Column] = &[
    always(
        "Ready",
        "Pods that are ready, of those wanted.",
        |object, _| ready(object),
    ),
    AGE,
    CONTAINERS,
    IMAGES,
];

/// The columns of a DaemonSet after the name.
pub(super) const DAEMON_SETS: &[Column] = &[
    number("Desired", "Nodes that should run a pod.", |object, _| {
        count(object, &["status", "desiredNumberScheduled"])
    }),
    number(
        "Current",
        "Nodes that run a pod and should.",
        |object, _| count(object, &["status", "currentNumberScheduled"]),
    ),
    number("Ready", "Nodes whose pod is ready.", |object, _| {
        count(object, &["status", "numberReady"])
    }),
    number(
        "Up-to-date",
        "Nodes with a pod of the newest template.",
        |object, _| count(object, &["status", "updatedNumberScheduled"]),
    ),
    number(
        "Available",
        "Nodes whose pod has been ready for long enough.",
        |object, _| count(object, &["status", "numberAvailable"]),
    ),
    always(
        "Node Selector",
        "Labels of the nodes that run a pod.",
        |object, _| labels(object, &["spec", "template", "spec", "nodeSelector"]),
    ),
    AGE,
    CONTAINERS,
    IMAGES,
    SELECTOR,
];

const CONTAINERS: Column = wide("Containers", "Names of the containers.", |object, _| {
    of_containers(object, "name")
});
const IMAGES: Column = wide("Images", "Images of the containers.", |object, _| {
    of_containers(object, "image")
});
const SELECTOR: Column = wide(
    "Selector",
    "Labels of the pods that belong to it.",
    |object, _| labels(object, &["spec", "selector", "matchLabels"]),
);

fn count(object: &Value, path: &[&str]) -> Value {
    value::integer(object, path).into()
}

fn ready(object: &Value) -> Value {
    let ready = value::integer(object, &["status", "readyReplicas"]);
    let wanted = value::get(object, &["spec", "replicas"]).and_then(Value::as_i64);
    format!("{ready}/{}", wanted.unwrap_or(1)).into()
}

fn of_containers(object: &Value, field: &str) -> Value {
    let containers = value::list(object, &["spec", "template", "spec", "containers"]);
    let all: Vec<&str> = containers
        .iter()
        .map(|container| value::text(container, &[field]))
        .collect();
    all.join(",").into()
}

/// Labels as a selector has them.
pub(super) fn labels(object: &Value, path: &[&str]) -> Value {
    let labels = value::map(object, path).into_iter().flatten();
    let all: Vec<String> = labels
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    if all.is_empty() {
        NONE.into()
    } else {
        all.join(",").into()
    }
}
