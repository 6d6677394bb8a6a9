//! Measures the controller's memory on a large cluster that is at rest.
//!
//! Nodes, Leases and pods are objects alone, as large as those of real clusters: nobody runs behind them, and the controller does
//! not know. What is measured is a controller that starts when all of it is there, as after an upgrade.

use std::time::Duration;

use anyhow::{Context as _, Result};
use api::MachineConfigNode;
use api::names::{label, node as contract, node_state, ours};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use kube::Api;
use kube::api::ListParams;
use serde_json::{Value, json};

use super::fleet::{self, NAMESPACE, names};
use super::requests::Requests;
use super::stage::{self, Stage};
use super::{Figures, Scenario, Tools, mib};
use crate::control_plane::{Controllers, Options};
use crate::machines::clock;

/// So many objects are made at a time.
const AT_ONCE: usize = 32;
/// So many images a kubelet tells of, which are most of a Node.
const IMAGES: usize = 50;
/// MachineConfigNodes are made at this rate, so that making five thousand is no wait.
const REPORTS: u32 = 500;
/// For so long the controller is left alone before its memory is read.
const REST: Duration = Duration::from_secs(20);

/// Sets the stage, measures, and strikes it.
pub async fn memory(scenario: &Scenario, tools: &Tools) -> Result<Figures> {
    let options = Options {
        controllers: Controllers::None,
        ..Options::default()
    };
    let mut stage = Stage::set(options, tools).await?;
    let mut settings = stage.settings(false);
    settings["rates"] = json!({"reports": REPORTS});
    stage.start_controller(&settings).await?;
    stage.configure("first").await?;
    stage.pool(json!(1), None).await?;
    let config = stage.approve().await?;
    fill(&stage, scenario, &config).await?;
    let records = Api::<MachineConfigNode>::all(stage.admin.clone());
    let count = scenario.nodes;
    stage
        .until("every node has its MachineConfigNode", async || {
            let one = records.list_metadata(&ListParams::default().limit(1)).await;
            one.is_ok_and(|list| {
                let more = list.metadata.remaining_item_count.unwrap_or_default();
                usize::try_from(more).is_ok_and(|more| more + list.items.len() >= count)
            })
        })
        .await?;
    stage.until_quiet().await?;
    stage.end_controller()?;
    let log = stage.cluster.audit().from_now()?;
    stage.start_controller(&settings).await?;
    stage.until_leads().await?;
    stage.until_quiet().await?;
    tokio::time::sleep(REST).await;
    let controller = stage
        .controller
        .as_ref()
        .context("the controller is gone")?;
    let (rss, peak) = (controller.resident_kib(), controller.resident_peak_kib());
    let spent = controller.on_processor().context("it does not run")?;
    stage.alive()?;
    let events = log.events()?;
    let until = clock().now();
    stage.end_controller()?;
    Ok(Figures {
        scenario: scenario.name,
        nodes: scenario.nodes,
        max_unavailable: scenario.max_unavailable,
        pods_per_node: scenario.pods_per_node,
        total_seconds: None,
        ideal_seconds: None,
        first_target_seconds: None,
        controller_requests_per_node: None,
        evicted_pods_per_node: None,
        daemon_requests_per_node: None,
        controller_rss_mib: mib(rss),
        controller_rss_peak_mib: mib(peak),
        controller_cpu_seconds: spent.as_secs_f64(),
        visit_waiting_seconds: None,
        controller_requests: Requests::of(&events, &stage::controller(), until),
        daemon_requests: Requests::default(),
    })
}

/// Makes nodes that are Done with this config, their Leases and their pods.
async fn fill(stage: &Stage, scenario: &Scenario, config: &str) -> Result<()> {
    stage.namespace(NAMESPACE).await?;
    let owner = &fleet::owner(stage).await?;
    let names = names(scenario);
    let pods = format!("/api/v1/namespaces/{NAMESPACE}/pods");
    let leases = "/apis/coordination.k8s.io/v1/namespaces/kube-node-lease/leases";
    let (names, pods) = (&names, pods.as_str());
    let nodes = names
        .iter()
        .map(|name| ("/api/v1/nodes", node(name, config)));
    let leases = names.iter().map(|name| (leases, lease(name)));
    let pods = names.iter().flat_map(|name| {
        (0..scenario.pods_per_node).map(move |number| (pods, pod(name, number, owner)))
    });
    let all = nodes.chain(leases).chain(pods);
    stream::iter(all.map(|(path, object)| async move { stage.post(path, &object).await }))
        .buffer_unordered(AT_ONCE)
        .try_for_each(|_| std::future::ready(Ok(())))
        .await
}

fn lease(node: &str) -> Value {
    json!({
        "metadata": {"name": node},
        "spec": {"holderIdentity": node, "leaseDurationSeconds": 40,
            "renewTime": "2026-01-01T00:00:00.000000Z"},
    })
}

/// A Node as a kubelet of a cloud registers it, and as a daemon reports on it.
fn node(name: &str, config: &str) -> Value {
    let now = "2026-01-01T00:00:00Z";
    let conditions: Vec<Value> = ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"]
        .iter()
        .map(|kind| {
            let status = if *kind == "Ready" { "True" } else { "False" };
            json!({"type": kind, "status": status, "reason": format!("Kubelet{kind}"),
                "message": "kubelet tells how it is with this condition",
                "lastHeartbeatTime": now, "lastTransitionTime": now})
        })
        .collect();
    let images: Vec<Value> = (0..IMAGES)
        .map(|number| {
            let digest = format!("{number:064x}");
            json!({"names": [format!("registry.example.com/team/image-{number}@sha256:{digest}"),
                format!("registry.example.com/team/image-{number}:v1.{number}")], "sizeBytes": 100_000_000})
        })
        .collect();
    let capacity =
        json!({"cpu": "8", "memory": "32Gi", "pods": "250", "ephemeral-storage": "120Gi"});
    json!({
        "metadata": {
            "name": name,
            "labels": {label::NODE_ROLE_WORKER: "", label::HOSTNAME: name, label::OS: "linux",
                "kubernetes.io/arch": "amd64", "node.kubernetes.io/instance-type": "m5.2xlarge",
                "topology.kubernetes.io/region": "eu-west-1", label::ZONE: "eu-west-1a"},
            "annotations": {
                contract::CURRENT_CONFIG: config, contract::DESIRED_CONFIG: config,
                contract::STATE: node_state::DONE, contract::REASON: "",
                ours::INTENT: "1", ours::ACTED_INTENT: "1", ours::BOOT_ID: "1",
                ours::REPORTED_AT: now, ours::OS_ID: "debian", ours::PACKAGE_MODE: "true",
                ours::PACKAGE_VERSIONS: "{}", ours::CAPABILITIES: "files,units",
                "node.alpha.kubernetes.io/ttl": "0", "volumes.kubernetes.io/controller-managed-attach-detach": "true",
            },
        },
        "spec": {"podCIDR": "10.0.0.0/24", "providerID": format!("aws:///eu-west-1a/{name}")},
        "status": {
            "conditions": conditions, "images": images, "capacity": capacity, "allocatable": capacity,
            "addresses": [{"type": "InternalIP", "address": "10.0.0.1"}, {"type": "Hostname", "address": name}],
            "nodeInfo": {"architecture": "amd64", "bootID": "1", "containerRuntimeVersion": "containerd://2.0.0",
                "kernelVersion": "6.12.0", "kubeProxyVersion": "", "kubeletVersion": "v1.36.3",
                "machineID": "1", "operatingSystem": "linux", "osImage": "Debian 12", "systemUUID": "1"},
        },
    })
}

/// A pod as a Deployment makes it, of one container.
fn pod(node: &str, number: usize, owner: &Value) -> Value {
    let env: Vec<Value> = (0..10)
        .map(|number| json!({"name": format!("SETTING_{number}"), "value": "some value of some length"}))
        .collect();
    json!({
        "metadata": {
            "generateName": format!("service-{number:02}-6d4b75cb6d-"), "ownerReferences": owner,
            "labels": {"app.kubernetes.io/name": format!("service-{number:02}"), "app.kubernetes.io/part-of": "shop",
                "pod-template-hash": "6d4b75cb6d", "team": "shop"},
            "annotations": {"prometheus.io/scrape": "true", "prometheus.io/port": "8080"},
        },
        "spec": {
            "nodeName": node,
            "volumes": [{"name": "config", "configMap": {"name": "config"}}],
            "containers": [{
                "name": "main", "image": "registry.example.com/team/service:v1.0.0", "env": env,
                "ports": [{"containerPort": 8080}],
                "resources": {"requests": {"cpu": "100m", "memory": "128Mi"}, "limits": {"memory": "256Mi"}},
                "livenessProbe": {"httpGet": {"path": "/healthz", "port": 8080}},
                "readinessProbe": {"httpGet": {"path": "/ready", "port": 8080}},
                "volumeMounts": [{"name": "config", "mountPath": "/etc/config"}],
            }],
        },
    })
}
