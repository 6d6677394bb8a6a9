//! The simulated machines of a measurement, and the pods on them.

use std::time::Duration;

use anyhow::{Context as _, Result};
use api::names::{install, label};
use futures::{StreamExt as _, TryStreamExt as _, stream};
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::api::ListParams;
use kube::{Api, ResourceExt as _};
use serde_json::{Value, json};
use simulation::machine;
use simulation::pace::Pace;
use tokio::task::JoinSet;

use super::Scenario;
use super::stage::Stage;
use crate::control_plane::BoundTo;
use crate::machines::{self, clock};

/// So many objects are made at a time.
const AT_ONCE: usize = 16;
/// Where the pods live.
pub(super) const NAMESPACE: &str = "bench";
/// As often as a real kubelet renews its Lease.
const RENEWAL: Duration = Duration::from_secs(10);

/// Machines that run. Dropping it ends them.
pub(super) struct Fleet(JoinSet<()>);

/// The names of a scenario's nodes.
pub(super) fn names(scenario: &Scenario) -> Vec<String> {
    (0..scenario.nodes)
        .map(|number| format!("worker-{number:04}"))
        .collect()
}

/// Everything at once but what the scenario measures against.
fn pace(scenario: &Scenario) -> Pace {
    Pace {
        boot: Duration::ZERO,
        daemon_start: Duration::ZERO,
        kubelet_start: Duration::ZERO,
        kubelet_ready: Duration::ZERO,
        package_install: Duration::ZERO,
        pod_start: Duration::ZERO,
        pod_stop: scenario.pod_end,
        lease_renewal: RENEWAL,
        ..Pace::real()
    }
}

impl Fleet {
    /// Starts a machine for each node, and waits until all are Ready.
    pub(super) async fn start(stage: &mut Stage, scenario: &Scenario) -> Result<Self> {
        let made = names(scenario)
            .into_iter()
            .map(|name| one(stage, scenario, name));
        let runs: Vec<_> = stream::iter(made.collect::<Vec<_>>())
            .buffer_unordered(AT_ONCE)
            .try_collect()
            .await?;
        let mut machines = JoinSet::new();
        for run in runs {
            machines.spawn(run);
        }
        let nodes = Api::<Node>::all(stage.admin.clone());
        let count = scenario.nodes;
        stage
            .until("all nodes are Ready", async || {
                let list = nodes.list(&ListParams::default()).await;
                list.is_ok_and(|list| {
                    list.items.iter().filter(|node| is_ready(node)).count() == count
                })
            })
            .await?;
        Ok(Self(machines))
    }

    /// Ends all machines.
    pub(super) async fn end(mut self) {
        self.0.shutdown().await;
    }
}

/// Makes a Node, and the machine for it.
async fn one(
    stage: &Stage,
    scenario: &Scenario,
    name: String,
) -> Result<impl Future<Output = ()> + Send + 'static> {
    let node = json!({"metadata": {"name": name, "labels": {label::NODE_ROLE_WORKER: ""}}});
    stage.post("/api/v1/nodes", &node).await?;
    let bound = BoundTo::node(&name);
    let token = stage
        .cluster
        .token_of(install::NAMESPACE, install::DAEMON, Some(&bound))
        .await?;
    let daemon = stage.cluster.client(0, &token).await?;
    let made = machines::made(machines::spec(&name), pace(scenario)).context("making a disk")?;
    // Nothing is measured of a kubelet: all of them speak through one client.
    let ended = |how| tracing::error!(how, "a daemon ended");
    let services = machines::services(&made, stage.admin.clone(), daemon, &clock(), ended);
    Ok(machine::run(made, services))
}

/// Whether the Node is Ready.
pub(super) fn is_ready(node: &Node) -> bool {
    let conditions = node.status.as_ref().and_then(|it| it.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition.type_ == "Ready" && condition.status == "True")
}

/// Puts the scenario's pods on every node, and waits until they are Ready. Nothing makes them anew once they were evicted.
pub(super) async fn populate(stage: &mut Stage, scenario: &Scenario) -> Result<()> {
    if scenario.pods_per_node == 0 {
        return Ok(());
    }
    stage.namespace(NAMESPACE).await?;
    let owner = owner(stage).await?;
    let grace = scenario.pod_end.as_secs();
    let pods = names(scenario).into_iter().flat_map(|node| {
        let owner = &owner;
        (0..scenario.pods_per_node).map(move |number| pod(&node, number, owner, grace))
    });
    let path = format!("/api/v1/namespaces/{NAMESPACE}/pods");
    let made = pods.map(|pod| {
        let (stage, path) = (&*stage, path.as_str());
        async move { stage.post(path, &pod).await }
    });
    stream::iter(made.collect::<Vec<_>>())
        .buffer_unordered(AT_ONCE)
        .try_for_each(|_| std::future::ready(Ok(())))
        .await?;
    let pods = Api::<Pod>::namespaced(stage.admin.clone(), NAMESPACE);
    stage
        .until("all pods are Ready", async || {
            let list = pods.list(&ListParams::default()).await;
            list.is_ok_and(|list| list.items.iter().all(runs))
        })
        .await
}

fn runs(pod: &Pod) -> bool {
    let status = pod.status.as_ref();
    status.and_then(|status| status.phase.as_deref()) == Some("Running")
}

/// A ReplicaSet that would make the pods again; no controller of its kind runs.
pub(super) async fn owner(stage: &Stage) -> Result<Value> {
    let template = json!({"metadata": {"labels": {"app": "bench"}},
        "spec": {"containers": [{"name": "main", "image": "main"}]}});
    let set = json!({"metadata": {"name": "bench"}, "spec": {
        "replicas": 1, "selector": {"matchLabels": {"app": "bench"}}, "template": template}});
    let path = format!("/apis/apps/v1/namespaces/{NAMESPACE}/replicasets");
    let set = stage.post(&path, &set).await?;
    Ok(
        json!([{"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "bench",
        "uid": set["metadata"]["uid"], "controller": true}]),
    )
}

fn pod(node: &str, number: usize, owner: &Value, grace: u64) -> Value {
    json!({
        "metadata": {"name": format!("{node}-{number:02}"), "labels": {"app": "bench"}, "ownerReferences": owner},
        "spec": {"nodeName": node, "terminationGracePeriodSeconds": grace,
            "containers": [{"name": "main", "image": "main"}]},
    })
}

/// The annotation of a Node; empty where there is none.
pub(super) fn note<'a>(node: &'a Node, key: &str) -> &'a str {
    node.annotations().get(key).map_or("", String::as_str)
}
