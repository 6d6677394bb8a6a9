//! What all manifests have in common, and those that say where everything lives.

use api::names::{install, label};
use serde_json::{Value, json};

use super::values::{NAMESPACE, mark};

/// Labels of all that is installed.
pub(super) fn labels(component: &str) -> Value {
    json!({
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/name": "windlass",
        label::OWNER: label::OWNER_WINDLASS,
    })
}

/// The labels by which pods are selected; they may never change.
pub(super) fn selector(component: &str) -> Value {
    json!({
        "app.kubernetes.io/component": component,
        "app.kubernetes.io/name": "windlass",
    })
}

/// Metadata of what has no namespace.
pub(super) fn named(name: &str, component: &str) -> Value {
    json!({"name": name, "labels": labels(component)})
}

/// Metadata of what lives in our namespace.
pub(super) fn within(name: &str, component: &str) -> Value {
    json!({"name": name, "namespace": mark(NAMESPACE), "labels": labels(component)})
}

/// What the API server calls one of our ServiceAccounts.
pub(super) fn account(name: &str) -> String {
    format!("{}{}:{name}", install::ACCOUNT_PREFIX, mark(NAMESPACE))
}

/// The namespace. Its pods may do what the daemon's does: it writes the host's files.
pub(super) fn namespace() -> Value {
    let mut metadata = named(&mark(NAMESPACE), "namespace");
    metadata["labels"]["pod-security.kubernetes.io/enforce"] = json!("privileged");
    json!({"apiVersion": "v1", "kind": "Namespace", "metadata": metadata})
}
