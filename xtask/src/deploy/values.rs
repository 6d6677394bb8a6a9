//! What whoever installs Windlass may set: one table for the chart's values, their schema, and what stands in the
//! kustomize base, which are the defaults.
//!
//! # Guarantees
//! A manifest names a setting by a mark; [`settled`] puts the default there, and `helm` an expression. A mark that
//! stands for no row is an error, and so is a row that no manifest names.

use anyhow::{Context as _, Result};
use serde_json::{Map, Value, json};
use sha2::{Digest as _, Sha256};

/// One setting.
pub(crate) struct Setting {
    /// Where it stands in the chart's values.
    pub(crate) path: &'static str,
    /// What holds if nobody says anything else.
    pub(crate) default: Value,
    /// What it is, for people.
    pub(crate) about: &'static str,
}

/// A mark for the setting at `path`, as the whole of a value.
pub(crate) fn setting(path: &str) -> Value {
    Value::String(mark(path))
}

/// A mark for the setting at `path`, as a part of a text.
pub(crate) fn mark(path: &str) -> String {
    format!("@{{{path}}}")
}

/// As a key: its setting's entries are put beside the others of the map.
pub(crate) const MERGE: &str = "@merge";

/// Marks that stand for no setting but for what follows from several.
pub(crate) const NAMESPACE: &str = "namespace";
/// See [`NAMESPACE`]: the image with its tag.
pub(crate) const IMAGE: &str = "image";
/// See [`NAMESPACE`]: the controller's settings as a text.
pub(crate) const CONFIG: &str = "controller.config.text";
/// See [`NAMESPACE`]: changes with them, so that a change replaces the pods.
pub(crate) const CONFIG_SUM: &str = "controller.config.sum";

/// The switch of the CRDs, for whoever brings them otherwise. They are always in the base.
pub(crate) const CRDS: &str = "crds.enabled";

/// Optional pieces, each a component of kustomize and a switch of the chart.
pub(crate) const SWITCHES: [(&str, &str, &str); 6] = [
    (
        "disruption-policy",
        "disruptionPolicy.enabled",
        "The CRD MachineConfiguration, for an own disruption policy. Operators take its group for OpenShift.",
    ),
    (
        "cluster-api",
        "clusterApi.enabled",
        "The right to keep a Machine of Cluster API from being remediated while its node is worked on.",
    ),
    (
        "network-policy",
        "networkPolicy.enabled",
        "Nothing may reach the controller but its metrics, and it reaches nothing but API servers.",
    ),
    (
        "service-monitor",
        "serviceMonitor.enabled",
        "A ServiceMonitor; needs the CRDs of the Prometheus operator.",
    ),
    (
        "alerts",
        "alerts.enabled",
        "Alerts as a PrometheusRule; needs the CRDs of the Prometheus operator.",
    ),
    (
        "dashboard",
        "dashboard.enabled",
        "A Grafana dashboard as a ConfigMap, for Grafana's sidecar.",
    ),
];

/// All settings, in the order in which they are listed.
pub(crate) fn table() -> Vec<Setting> {
    let row = |path, default, about| Setting {
        path,
        default,
        about,
    };
    let mut table = vec![
        row(
            "image.repository",
            json!("windlass"),
            "Where the image is pulled from.",
        ),
        row(
            "image.tag",
            json!(env!("CARGO_PKG_VERSION")),
            "Which image.",
        ),
        row(
            "image.pullPolicy",
            json!("IfNotPresent"),
            "When it is pulled.",
        ),
        row(
            "imagePullSecrets",
            json!([]),
            "Secrets of the namespace with which it is pulled.",
        ),
    ];
    table.extend(workloads(row));
    table.push(row(
        CRDS,
        json!(true),
        "The CRDs. They stay when the release is uninstalled, for pools and configs go with them.",
    ));
    for (_, path, about) in SWITCHES {
        table.push(row(path, json!(false), about));
    }
    table.extend([
        row(
            "networkPolicy.egress",
            json!([{"ports": [{"port": 443, "protocol": "TCP"}, {"port": 6443, "protocol": "TCP"}]}]),
            "What the controller may reach: the API server's service and its instances.",
        ),
        row(
            "serviceMonitor.labels",
            json!({}),
            "Labels by which the Prometheus operator selects the ServiceMonitor.",
        ),
        row(
            "alerts.labels",
            json!({}),
            "Labels by which the Prometheus operator selects the PrometheusRule.",
        ),
        row(
            "dashboard.labels",
            json!({"grafana_dashboard": "1"}),
            "Labels by which Grafana's sidecar finds the dashboard.",
        ),
    ]);
    table
}

fn workloads(row: impl Fn(&'static str, Value, &'static str) -> Setting) -> [Setting; 10] {
    [
        row(
            "controller.replicas",
            json!(2),
            "One works, the others stand by.",
        ),
        row(
            "controller.config",
            json!({}),
            "Settings of the process, as its file has them; an unknown one is refused.",
        ),
        row(
            "controller.log",
            json!("info"),
            "What is logged, as in `controller=debug,info`.",
        ),
        row(
            "controller.resources",
            json!({"requests": {"cpu": "50m", "memory": "96Mi"}}),
            "Its memory grows with nodes and pods.",
        ),
        row("controller.nodeSelector", json!({}), "Where it may run."),
        row(
            "controller.tolerations",
            json!([
                {"key": "node-role.kubernetes.io/control-plane", "operator": "Exists", "effect": "NoSchedule"},
            ]),
            "What it tolerates.",
        ),
        row("controller.affinity", json!({}), "Where it likes to run."),
        row(
            "daemon.resources",
            json!({"requests": {"cpu": "10m", "memory": "32Mi"}}),
            "Of the pod, which installs the host's service; the service itself is the host's.",
        ),
        row(
            "daemon.nodeSelector",
            json!({"kubernetes.io/os": "linux"}),
            "Nodes that have a daemon. Only these can be in a pool.",
        ),
        row(
            "daemon.tolerations",
            json!([{"operator": "Exists"}]),
            "Every node has one, whatever its taints.",
        ),
    ]
}

/// Settings of the controller's process, but for those that its pod tells it: their names, nested as in the file.
pub(crate) fn config_keys() -> Value {
    json!({
        "lease": {"name": "", "duration": "", "renewDeadline": "", "retryPeriod": ""},
        "rates": {"evictions": "", "taints": "", "nodeWrites": "", "reports": ""},
        "quiet": {"period": "", "atMost": ""},
        "pruning": {"keep": "", "minAge": ""},
        "instances": {"addresses": "", "balancerCounts": "", "period": "", "patience": ""},
        "approveFirst": "",
        "statusPeriod": "",
    })
}

/// What a mark stands for if nobody set anything.
pub(crate) fn default_of(path: &str) -> Result<Value> {
    let of = |path: &str| {
        let row = table().into_iter().find(|row| row.path == path);
        row.map(|row| row.default)
            .with_context(|| format!("no setting is called {path}"))
    };
    let text = |value: Value| value.as_str().unwrap_or_default().to_owned();
    match path {
        NAMESPACE => Ok(json!(api::names::install::NAMESPACE)),
        IMAGE => Ok(json!(format!(
            "{}:{}",
            text(of("image.repository")?),
            text(of("image.tag")?)
        ))),
        CONFIG => Ok(json!(config_text(&of("controller.config")?))),
        CONFIG_SUM => {
            let sum = Sha256::digest(config_text(&of("controller.config")?));
            let hex: String = sum.iter().map(|byte| format!("{byte:02x}")).collect();
            Ok(json!(hex))
        }
        path => of(path),
    }
}

/// Helm's `toYaml` of the same.
fn config_text(config: &Value) -> String {
    config.to_string()
}

/// The manifest as it is if nobody set anything.
pub(crate) fn settled(value: &Value) -> Result<Value> {
    Ok(match value {
        Value::String(text) => settled_text(text)?,
        Value::Array(items) => Value::Array(items.iter().map(settled).collect::<Result<_>>()?),
        Value::Object(entries) => {
            let mut all = Map::new();
            for (key, entry) in entries {
                let entry = settled(entry)?;
                match entry {
                    Value::Object(more) if key == MERGE => all.extend(more),
                    entry => drop(all.insert(key.clone(), entry)),
                }
            }
            Value::Object(all)
        }
        other => other.clone(),
    })
}

fn settled_text(text: &str) -> Result<Value> {
    let Some((before, rest)) = text.split_once("@{") else {
        return Ok(json!(text));
    };
    let (path, after) = rest
        .split_once('}')
        .with_context(|| format!("a mark without an end: {text}"))?;
    let default = default_of(path)?;
    if before.is_empty() && after.is_empty() {
        return Ok(default);
    }
    let default = default
        .as_str()
        .with_context(|| format!("{path} is no text, and stands in one: {text}"))?;
    let Value::String(after) = settled_text(after)? else {
        anyhow::bail!("{text} ends in what is no text");
    };
    Ok(json!(format!("{before}{default}{after}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mark_gives_way_to_its_default_wherever_it_stands() {
        let manifest = json!({
            "who": "system:@{namespace}:x",
            "replicas": setting("controller.replicas"),
            "labels": {"a": "b", MERGE: setting("dashboard.labels")},
        });

        let settled = settled(&manifest).unwrap();

        assert_eq!(
            settled,
            json!({"who": "system:windlass:x", "replicas": 2,
                "labels": {"a": "b", "grafana_dashboard": "1"}})
        );
    }

    #[test]
    fn a_mark_of_no_setting_is_named() {
        let error = settled(&setting("controller.replcas")).unwrap_err();

        assert!(error.to_string().contains("controller.replcas"), "{error}");
    }
}
