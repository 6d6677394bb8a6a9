//! The objects of a described fleet, as manifests.

use super::StartError;
use super::description::{Budget, Description, Pool, Workload};
use crate::kubelet::STOP_SECONDS;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use std::collections::BTreeSet;

/// The namespaces that the fleet's workloads live in, beside those that every cluster has.
pub(super) fn namespaces(description: &Description) -> Vec<Value> {
    let names: BTreeSet<&str> = description
        .deployments
        .iter()
        .chain(&description.daemon_sets)
        .map(|workload| workload.namespace.as_str())
        .filter(|name| !["default", "kube-system", "kube-public", "kube-node-lease"].contains(name))
        .collect();
    names
        .into_iter()
        .map(
            |name| json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } }),
        )
        .collect()
}

fn namespace(name: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } })
}

/// The manifest of one pool.
pub(super) fn pool(pool: &Pool) -> Value {
    let roles: Vec<&str> = if pool.inherits_worker {
        vec!["worker", &pool.name]
    } else {
        vec![&pool.name]
    };
    let role_label = format!("node-role.kubernetes.io/{}", pool.name);
    let mut spec = json!({
        "machineConfigSelector": { "matchExpressions": [
            { "key": "machineconfiguration.openshift.io/role", "operator": "In", "values": roles },
        ]},
        "nodeSelector": { "matchLabels": { role_label: "" } },
    });
    if let Some(most) = &pool.max_unavailable {
        spec["maxUnavailable"] = json!(most);
    }
    json!({
        "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfigPool",
        "metadata": {
            "name": pool.name,
            "labels": { format!("pools.operator.machineconfiguration.openshift.io/{}", pool.name): "" },
        },
        "spec": spec,
    })
}

/// The manifest of one Deployment.
pub(super) fn deployment(workload: &Workload) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "Deployment",
        "metadata": { "name": workload.name, "namespace": workload.namespace, "labels": labels(workload) },
        "spec": {
            "replicas": workload.replicas,
            "selector": { "matchLabels": labels(workload) },
            "template": template(workload),
        },
    })
}

/// The manifest of one DaemonSet.
pub(super) fn daemon_set(workload: &Workload) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "DaemonSet",
        "metadata": { "name": workload.name, "namespace": workload.namespace, "labels": labels(workload) },
        "spec": { "selector": { "matchLabels": labels(workload) }, "template": template(workload) },
    })
}

/// The manifest of the budget of `workload`, if it has one.
pub(super) fn budget(workload: &Workload) -> Option<Value> {
    let mut spec = json!({ "selector": { "matchLabels": labels(workload) } });
    match workload.budget.as_ref()? {
        Budget::MinAvailable(least) => spec["minAvailable"] = json!(least),
        Budget::MaxUnavailable(most) => spec["maxUnavailable"] = json!(most),
    }
    Some(json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": { "name": workload.name, "namespace": workload.namespace },
        "spec": spec,
    }))
}

fn labels(workload: &Workload) -> Value {
    json!({ "app": workload.name })
}

fn template(workload: &Workload) -> Value {
    let mut annotations = json!({});
    if let Some(seconds) = workload.stop_seconds {
        annotations[STOP_SECONDS] = json!(seconds.to_string());
    }
    let mut tolerations = Vec::new();
    if workload.tolerates_control_plane {
        for role in ["control-plane", "master"] {
            tolerations.push(
                json!({ "key": format!("node-role.kubernetes.io/{role}"), "operator": "Exists" }),
            );
        }
    }
    let volumes = if workload.empty_dir {
        json!([{ "name": "scratch", "emptyDir": {} }])
    } else {
        json!([])
    };
    json!({
        "metadata": { "labels": labels(workload), "annotations": annotations },
        "spec": {
            "containers": [{ "name": "main", "image": format!("registry.example/{}:1", workload.name) }],
            "terminationGracePeriodSeconds": workload.grace_seconds.unwrap_or(30),
            "nodeSelector": workload.node_selector,
            "tolerations": tolerations,
            "volumes": volumes,
        },
    })
}

/// Creates what machines and the controller need: the definitions of Windlass's own kinds, the controller's namespace, and
/// the pools.
pub(super) async fn create_cluster(
    client: &Client,
    description: &Description,
    controller_namespace: &str,
) -> Result<(), StartError> {
    create(client, &namespace(controller_namespace)).await?;
    for definition in &api::crds() {
        create(client, &json!(definition)).await?;
    }
    for manifest in description.pools.iter().map(pool) {
        create(client, &manifest).await?;
    }
    Ok(())
}

/// Creates the workloads and their budgets.
pub(super) async fn create_workloads(
    client: &Client,
    description: &Description,
) -> Result<(), StartError> {
    let budgets = description
        .deployments
        .iter()
        .chain(&description.daemon_sets)
        .filter_map(budget);
    let all = namespaces(description)
        .into_iter()
        .chain(description.deployments.iter().map(deployment))
        .chain(description.daemon_sets.iter().map(daemon_set))
        .chain(budgets);
    for manifest in all {
        create(client, &manifest).await?;
    }
    Ok(())
}

async fn create(client: &Client, manifest: &Value) -> Result<(), StartError> {
    let text = |pointer: &str| {
        manifest
            .pointer(pointer)
            .and_then(Value::as_str)
            .unwrap_or_default()
    };
    let what = format!("{} `{}`", text("/kind"), text("/metadata/name"));
    let refused = |source: kube::Error| StartError::Object {
        what: what.clone(),
        source: Box::new(source),
    };
    let object: DynamicObject = serde_json::from_value(manifest.clone())
        .map_err(|error| refused(kube::Error::SerdeError(error)))?;
    let (group, version) = text("/apiVersion")
        .split_once('/')
        .unwrap_or(("", text("/apiVersion")));
    // The plurals of all kinds that are made here are regular.
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, text("/kind")));
    let all: Api<DynamicObject> = match text("/metadata/namespace") {
        "" => Api::all_with(client.clone(), &kind),
        namespace => Api::namespaced_with(client.clone(), namespace, &kind),
    };
    all.create(&PostParams::default(), &object)
        .await
        .map(drop)
        .map_err(refused)
}
