//! What runs: the controller's Deployment with all that belongs to it, and the daemon's DaemonSet.
//!
//! # Guarantees
//! The controller runs as nobody, on a read-only root, with no capability, under the runtime's seccomp profile. The
//! daemon's pod is root on the host, because it installs the host's service: nothing less can.
//! # Assumptions
//! The image's entry point is `windlass`.

use api::names::install;
use serde_json::{Value, json};

use super::objects::{labels, selector, within};
use super::values::{CONFIG, CONFIG_SUM, IMAGE, MERGE, NAMESPACE, mark, setting};

/// Where the controller's metrics and health are served; `windlass controller --listen` has the same by default.
const DOOR: u16 = 8797;

/// Whoever is nobody, in images without a user database.
pub(crate) const NOBODY: u32 = 65_532;

/// The controller's component.
const CONTROLLER: &str = "controller";
/// The daemon's component.
const DAEMON: &str = "daemon";

/// The controller, its settings, its service, and its disruption budget.
pub(super) fn of_controller() -> Vec<Value> {
    let name = install::CONTROLLER;
    vec![
        json!({
            "apiVersion": "v1", "kind": "ConfigMap", "metadata": within(name, CONTROLLER),
            "data": {"controller.yaml": mark(CONFIG)},
        }),
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": within(name, CONTROLLER),
            "spec": {
                "clusterIP": "None",
                "ports": [{"name": "metrics", "port": DOOR, "targetPort": "metrics", "protocol": "TCP"}],
                "selector": selector(CONTROLLER),
            },
        }),
        json!({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": within(name, CONTROLLER),
            "spec": {"maxUnavailable": 1, "selector": {"matchLabels": selector(CONTROLLER)}},
        }),
        json!({
            "apiVersion": "apps/v1", "kind": "Deployment", "metadata": within(name, CONTROLLER),
            "spec": {
                "replicas": setting("controller.replicas"),
                "selector": {"matchLabels": selector(CONTROLLER)},
                // A replica that stands by costs nothing, and one that leads gives its lease back as it ends.
                "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}},
                "template": {
                    "metadata": {
                        "labels": labels(CONTROLLER),
                        "annotations": {"windlass.dev/controller-config": mark(CONFIG_SUM)},
                    },
                    "spec": controller_pod(),
                },
            },
        }),
    ]
}

fn controller_pod() -> Value {
    json!({
        "affinity": setting("controller.affinity"),
        "containers": [{
            "name": CONTROLLER,
            "image": mark(IMAGE),
            "imagePullPolicy": setting("image.pullPolicy"),
            "args": [
                "controller", "--config=/etc/windlass/controller.yaml", "--namespace=$(POD_NAMESPACE)",
                "--log-format=json", format!("--log={}", mark("controller.log")),
            ],
            "env": [of_pod("NODE_NAME", "spec.nodeName"), of_pod("POD_NAME", "metadata.name"),
                of_pod("POD_NAMESPACE", "metadata.namespace")],
            "livenessProbe": probe(10, 3),
            "readinessProbe": probe(5, 2),
            "ports": [{"name": "metrics", "containerPort": DOOR, "protocol": "TCP"}],
            "resources": setting("controller.resources"),
            "securityContext": {
                "allowPrivilegeEscalation": false, "capabilities": {"drop": ["ALL"]},
                "readOnlyRootFilesystem": true,
            },
            "volumeMounts": [{"name": "config", "mountPath": "/etc/windlass", "readOnly": true}],
        }],
        "imagePullSecrets": setting("imagePullSecrets"),
        "nodeSelector": setting("controller.nodeSelector"),
        "priorityClassName": "system-cluster-critical",
        "securityContext": {
            "runAsGroup": NOBODY, "runAsNonRoot": true, "runAsUser": NOBODY,
            "seccompProfile": {"type": "RuntimeDefault"},
        },
        "serviceAccountName": install::CONTROLLER,
        "tolerations": setting("controller.tolerations"),
        "topologySpreadConstraints": [{
            "labelSelector": {"matchLabels": selector(CONTROLLER)}, "maxSkew": 1,
            "topologyKey": "kubernetes.io/hostname", "whenUnsatisfiable": "ScheduleAnyway",
        }],
        "volumes": [{"name": "config", "configMap": {"name": install::CONTROLLER}}],
    })
}

fn of_pod(name: &str, field: &str) -> Value {
    json!({"name": name, "valueFrom": {"fieldRef": {"fieldPath": field}}})
}

fn probe(period: u32, failures: u32) -> Value {
    json!({
        "failureThreshold": failures,
        "httpGet": {"path": "/healthz", "port": "metrics"},
        "periodSeconds": period,
    })
}

/// The daemon's pods.
pub(super) fn of_daemon() -> Vec<Value> {
    vec![json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": within(install::DAEMON, DAEMON),
        "spec": {
            "selector": {"matchLabels": selector(DAEMON)},
            // The host's service goes on while the pod is replaced.
            "updateStrategy": {"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "10%"}},
            "template": {
                "metadata": {"labels": labels(DAEMON)},
                "spec": {
                    "containers": [{
                        "name": DAEMON,
                        "image": mark(IMAGE),
                        "imagePullPolicy": setting("image.pullPolicy"),
                        "args": ["daemon", "install"],
                        "env": [of_pod("NODE_NAME", "spec.nodeName"), of_pod("POD_NAMESPACE", "metadata.namespace")],
                        "resources": setting("daemon.resources"),
                        "securityContext": {"privileged": true, "readOnlyRootFilesystem": true, "runAsUser": 0},
                        "volumeMounts": [{"name": "host", "mountPath": "/host", "mountPropagation": "HostToContainer"}],
                    }],
                    "hostNetwork": true,
                    "imagePullSecrets": setting("imagePullSecrets"),
                    "nodeSelector": setting("daemon.nodeSelector"),
                    "priorityClassName": "system-node-critical",
                    "serviceAccountName": install::DAEMON,
                    "terminationGracePeriodSeconds": 10,
                    "tolerations": setting("daemon.tolerations"),
                    "volumes": [{"name": "host", "hostPath": {"path": "/", "type": "Directory"}}],
                },
            },
        },
    })]
}

/// Nothing reaches the controller but its metrics, and it reaches nothing but API servers.
pub(super) fn network_policy() -> Vec<Value> {
    vec![json!({
        "apiVersion": "networking.k8s.io/v1", "kind": "NetworkPolicy",
        "metadata": within(install::CONTROLLER, CONTROLLER),
        "spec": {
            "egress": setting("networkPolicy.egress"),
            "ingress": [{"ports": [{"port": "metrics", "protocol": "TCP"}]}],
            "podSelector": {"matchLabels": selector(CONTROLLER)},
            "policyTypes": ["Ingress", "Egress"],
        },
    })]
}

/// Who scrapes.
pub(super) fn service_monitor() -> Vec<Value> {
    let mut metadata = within(install::CONTROLLER, CONTROLLER);
    metadata["labels"][MERGE] = setting("serviceMonitor.labels");
    vec![json!({
        "apiVersion": "monitoring.coreos.com/v1", "kind": "ServiceMonitor", "metadata": metadata,
        "spec": {
            // `honorLabels` stays off: a scraped label `node` is the metric's own, and there is no target label of that name.
            "endpoints": [{"port": "metrics", "interval": "15s"}],
            "namespaceSelector": {"matchNames": [mark(NAMESPACE)]},
            "selector": {"matchLabels": selector(CONTROLLER)},
        },
    })]
}

/// The alerts.
pub(super) fn alerts(groups: &Value) -> Vec<Value> {
    let mut metadata = within("windlass", "alerts");
    metadata["labels"][MERGE] = setting("alerts.labels");
    vec![json!({
        "apiVersion": "monitoring.coreos.com/v1", "kind": "PrometheusRule", "metadata": metadata,
        "spec": {"groups": groups},
    })]
}

/// The dashboard where Grafana's sidecar finds it.
pub(super) fn dashboard(text: &str) -> Vec<Value> {
    let mut metadata = within("windlass-dashboard", "dashboard");
    metadata["labels"][MERGE] = setting("dashboard.labels");
    vec![json!({
        "apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata,
        "data": {"windlass.json": text},
    })]
}
