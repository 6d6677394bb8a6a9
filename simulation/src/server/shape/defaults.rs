//! Defaults of built-in kinds, and what the server's own admission adds to new objects.
//!
//! As much as Windlass, its simulated workloads and kubectl's tables see of it. Not here: cluster IPs, priorities by class, quotas.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Map, Value, json};

use crate::server::resource::Resource;
use crate::server::store::Key;
use crate::server::{State, custom, events, value};

fn or_set(object: &mut Value, path: &[&str], default: impl Into<Value>) {
    if value::get(object, path).is_none() {
        value::set(object, path, default);
    }
}

/// Fills in the defaults of a built-in kind.
pub(crate) fn default_object(resource: &Resource, object: &mut Value) {
    if resource.custom.is_some() {
        return;
    }
    match (resource.group.as_str(), resource.plural.as_str()) {
        ("apiextensions.k8s.io", "customresourcedefinitions") => {
            custom::default_definition(object);
        }
        ("", "events") => events::fill(object),
        ("", "namespaces") => {
            let name = value::text(object, &["metadata", "name"]).to_owned();
            value::set(
                object,
                &["metadata", "labels", "kubernetes.io/metadata.name"],
                name,
            );
        }
        ("", "secrets") => default_secret(object),
        ("", "services") => default_service(object),
        ("", "pods") => {
            if let Some(spec) = object.get_mut("spec") {
                default_pod_spec(spec);
                or_set(spec, &["enableServiceLinks"], true);
            }
        }
        ("apps", plural) => default_workload(plural, object),
        ("batch", "jobs") => {
            or_set(object, &["spec", "completions"], 1);
            or_set(object, &["spec", "parallelism"], 1);
            or_set(object, &["spec", "backoffLimit"], 6);
            or_set(object, &["spec", "completionMode"], "NonIndexed");
            or_set(object, &["spec", "suspend"], false);
            default_template(object);
        }
        _ => {}
    }
}

/// Texts may be written as they are; they are kept encoded.
fn default_secret(object: &mut Value) {
    or_set(object, &["type"], "Opaque");
    let plain = object
        .as_object_mut()
        .and_then(|fields| fields.remove("stringData"));
    for (name, text) in plain.iter().filter_map(Value::as_object).flatten() {
        let encoded = STANDARD.encode(text.as_str().unwrap_or_default());
        value::set(object, &["data", name], encoded);
    }
}

fn default_service(object: &mut Value) {
    or_set(object, &["spec", "type"], "ClusterIP");
    or_set(object, &["spec", "sessionAffinity"], "None");
    or_set(object, &["spec", "internalTrafficPolicy"], "Cluster");
    if let Some(Value::Array(ports)) = object
        .get_mut("spec")
        .and_then(|spec| spec.get_mut("ports"))
    {
        for port in ports {
            or_set(port, &["protocol"], "TCP");
            let number = value::get(port, &["port"]).cloned().unwrap_or_default();
            or_set(port, &["targetPort"], number);
        }
    }
}

fn default_workload(plural: &str, object: &mut Value) {
    match plural {
        "deployments" => {
            or_set(object, &["spec", "replicas"], 1);
            or_set(object, &["spec", "revisionHistoryLimit"], 10);
            or_set(object, &["spec", "progressDeadlineSeconds"], 600);
            or_set(object, &["spec", "strategy", "type"], "RollingUpdate");
            if value::text(object, &["spec", "strategy", "type"]) == "RollingUpdate" {
                or_set(
                    object,
                    &["spec", "strategy", "rollingUpdate", "maxSurge"],
                    "25%",
                );
                or_set(
                    object,
                    &["spec", "strategy", "rollingUpdate", "maxUnavailable"],
                    "25%",
                );
            }
        }
        "replicasets" => or_set(object, &["spec", "replicas"], 1),
        "statefulsets" => {
            or_set(object, &["spec", "replicas"], 1);
            or_set(object, &["spec", "revisionHistoryLimit"], 10);
            or_set(object, &["spec", "podManagementPolicy"], "OrderedReady");
            or_set(object, &["spec", "updateStrategy", "type"], "RollingUpdate");
            or_set(
                object,
                &["spec", "updateStrategy", "rollingUpdate", "partition"],
                0,
            );
        }
        "daemonsets" => {
            or_set(object, &["spec", "revisionHistoryLimit"], 10);
            or_set(object, &["spec", "updateStrategy", "type"], "RollingUpdate");
            or_set(
                object,
                &["spec", "updateStrategy", "rollingUpdate", "maxUnavailable"],
                1,
            );
            or_set(
                object,
                &["spec", "updateStrategy", "rollingUpdate", "maxSurge"],
                0,
            );
        }
        _ => return,
    }
    default_template(object);
}

fn default_template(object: &mut Value) {
    let spec = object
        .get_mut("spec")
        .and_then(|spec| spec.get_mut("template"))
        .and_then(|template| template.get_mut("spec"));
    if let Some(spec) = spec {
        default_pod_spec(spec);
    }
}

fn default_pod_spec(spec: &mut Value) {
    or_set(spec, &["restartPolicy"], "Always");
    or_set(spec, &["dnsPolicy"], "ClusterFirst");
    or_set(spec, &["schedulerName"], "default-scheduler");
    or_set(spec, &["securityContext"], Map::new());
    or_set(spec, &["terminationGracePeriodSeconds"], 30);
    // One name stands for the other.
    let account = value::get(spec, &["serviceAccountName"]).cloned();
    if let Some(account) = account {
        or_set(spec, &["serviceAccount"], account);
    }
    for list in ["containers", "initContainers"] {
        if let Some(Value::Array(containers)) = spec.get_mut(list) {
            for container in containers {
                default_container(container);
            }
        }
    }
    if let Some(Value::Array(volumes)) = spec.get_mut("volumes") {
        for volume in volumes {
            default_volume(volume);
        }
    }
}

fn default_container(container: &mut Value) {
    or_set(
        container,
        &["terminationMessagePath"],
        "/dev/termination-log",
    );
    or_set(container, &["terminationMessagePolicy"], "File");
    let image = value::text(container, &["image"]);
    let last = image.rsplit('/').next().unwrap_or_default();
    let floating = !image.contains('@') && (!last.contains(':') || last.ends_with(":latest"));
    or_set(
        container,
        &["imagePullPolicy"],
        if floating { "Always" } else { "IfNotPresent" },
    );
    if let Some(Value::Array(ports)) = container.get_mut("ports") {
        for port in ports {
            or_set(port, &["protocol"], "TCP");
        }
    }
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        if let Some(probe) = container.get_mut(probe) {
            or_set(probe, &["timeoutSeconds"], 1);
            or_set(probe, &["periodSeconds"], 10);
            or_set(probe, &["successThreshold"], 1);
            or_set(probe, &["failureThreshold"], 3);
        }
    }
}

fn default_volume(volume: &mut Value) {
    // 0644, as the API writes it.
    const MODE: i64 = 420;
    for source in ["configMap", "secret", "projected", "downwardAPI"] {
        if let Some(source) = volume.get_mut(source) {
            or_set(source, &["defaultMode"], MODE);
        }
    }
    if let Some(path) = volume.get_mut("hostPath") {
        or_set(path, &["type"], "");
    }
}

/// The status that a new object has.
pub(crate) fn fresh_status(resource: &Resource, object: &Value) -> Option<Value> {
    let zero = value::get(&super::zero(resource), &["status"]).cloned();
    match (resource.group.as_str(), resource.plural.as_str()) {
        _ if resource.custom.is_some() => None,
        ("apiextensions.k8s.io", "customresourcedefinitions") => Some(custom::fresh_status(object)),
        ("", "namespaces") => Some(json!({ "phase": "Active" })),
        ("", "pods") => Some(json!({ "phase": "Pending", "qosClass": quality(object) })),
        ("", "persistentvolumeclaims") => Some(json!({ "phase": "Pending" })),
        _ => zero,
    }
}

/// The quality of service that a pod's resources give it.
fn quality(pod: &Value) -> &'static str {
    let mut any = false;
    let mut all = true;
    for container in value::list(pod, &["spec", "containers"]) {
        for resource in ["cpu", "memory"] {
            let limit = value::get(container, &["resources", "limits", resource]);
            let request = value::get(container, &["resources", "requests", resource]);
            any |= limit.is_some() || request.is_some();
            all &= limit.is_some() && request.is_none_or(|request| Some(request) == limit);
        }
    }
    match (any, all) {
        (false, _) => "BestEffort",
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
    }
}

/// What the server's admission adds to new objects of some kinds.
pub(crate) fn admit_new(state: &mut State, resource: &Resource, object: &mut Value) {
    match (resource.group.as_str(), resource.plural.as_str()) {
        _ if resource.custom.is_some() => {}
        ("", "nodes") => taint_new_node(object),
        ("", "pods") => admit_pod(state, object),
        ("", "namespaces") => or_set(
            object,
            &["spec", "finalizers"],
            vec![Value::from("kubernetes")],
        ),
        _ => {}
    }
}

/// A new node takes no pods until somebody has found it ready (admission plugin TaintNodesByCondition).
fn taint_new_node(node: &mut Value) {
    const NOT_READY: &str = "node.kubernetes.io/not-ready";
    let mut taints = value::list(node, &["spec", "taints"]).to_vec();
    let there = taints.iter().any(|taint| {
        value::text(taint, &["key"]) == NOT_READY && value::text(taint, &["effect"]) == "NoSchedule"
    });
    if !there {
        taints.push(json!({ "key": NOT_READY, "effect": "NoSchedule" }));
        value::set(node, &["spec", "taints"], taints);
    }
}

fn admit_pod(state: &mut State, pod: &mut Value) {
    or_set(pod, &["spec", "priority"], 0);
    or_set(pod, &["spec", "preemptionPolicy"], "PreemptLowerPriority");
    tolerate_lost_node(pod);
    let namespace = value::text(pod, &["metadata", "namespace"]).to_owned();
    let account = match value::text(pod, &["spec", "serviceAccountName"]) {
        "" => "default".to_owned(),
        account => account.to_owned(),
    };
    let key = Key {
        namespace,
        name: account.clone(),
    };
    let is_static = value::get(
        pod,
        &["metadata", "annotations", "kubernetes.io/config.mirror"],
    )
    .is_some();
    // Without the account the real server refuses the pod; here the pod goes without a token, so that nobody must play the
    // controller that makes accounts.
    if is_static || state.store.get("serviceaccounts", &key).is_none() {
        return;
    }
    value::set(pod, &["spec", "serviceAccountName"], account.as_str());
    value::set(pod, &["spec", "serviceAccount"], account);
    if value::get(pod, &["spec", "automountServiceAccountToken"]) != Some(&Value::Bool(false)) {
        mount_token(
            pod,
            &format!("kube-api-access-{}", state.store.draw_suffix()),
        );
    }
}

/// Pods stay for a while on a node that is lost (admission plugin DefaultTolerationSeconds).
fn tolerate_lost_node(pod: &mut Value) {
    const PATIENCE: i64 = 300;
    let mut tolerations = value::list(pod, &["spec", "tolerations"]).to_vec();
    for key in [
        "node.kubernetes.io/not-ready",
        "node.kubernetes.io/unreachable",
    ] {
        let tolerated = tolerations.iter().any(|toleration| {
            let (of, effect) = (
                value::text(toleration, &["key"]),
                value::text(toleration, &["effect"]),
            );
            (of == key || of.is_empty()) && (effect == "NoExecute" || effect.is_empty())
        });
        if !tolerated {
            tolerations.push(json!({
                "key": key,
                "operator": "Exists",
                "effect": "NoExecute",
                "tolerationSeconds": PATIENCE,
            }));
        }
    }
    value::set(pod, &["spec", "tolerations"], tolerations);
}

/// Gives each container the token of the pod's account (admission plugin ServiceAccount).
fn mount_token(pod: &mut Value, volume: &str) {
    const PLACE: &str = "/var/run/secrets/kubernetes.io/serviceaccount";
    let Some(spec) = pod.get_mut("spec") else {
        return;
    };
    for list in ["containers", "initContainers"] {
        let Some(Value::Array(containers)) = spec.get_mut(list) else {
            continue;
        };
        for container in containers {
            let mut mounts = value::list(container, &["volumeMounts"]).to_vec();
            if mounts
                .iter()
                .any(|mount| value::text(mount, &["mountPath"]) == PLACE)
            {
                continue;
            }
            mounts.push(json!({ "name": volume, "readOnly": true, "mountPath": PLACE }));
            value::set(container, &["volumeMounts"], mounts);
        }
    }
    let mut volumes = value::list(spec, &["volumes"]).to_vec();
    volumes.push(json!({
        "name": volume,
        "projected": {
            "defaultMode": 420,
            "sources": [
                { "serviceAccountToken": { "expirationSeconds": 3607, "path": "token" } },
                { "configMap": { "name": "kube-root-ca.crt", "items": [{ "key": "ca.crt", "path": "ca.crt" }] } },
                { "downwardAPI": { "items": [{
                    "path": "namespace",
                    "fieldRef": { "apiVersion": "v1", "fieldPath": "metadata.namespace" },
                }] } },
            ],
        },
    }));
    value::set(spec, &["volumes"], volumes);
}
