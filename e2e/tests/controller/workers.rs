//! A pool of three workers, as most stories begin.

use crate::played::Habits;
use crate::server::Place;
use crate::support::{Cluster, cluster, machine_config, owned};
use serde_json::json;
use std::time::Duration;

/// Within this something that nothing keeps has happened.
pub(crate) const SOON: Duration = Duration::from_secs(30);
/// Within this three nodes are updated.
pub(crate) const ROLLOUT: Duration = Duration::from_mins(10);
pub(crate) const CURRENT: &str = "machineconfiguration.openshift.io/currentConfig";
pub(crate) const DESIRED: &str = "machineconfiguration.openshift.io/desiredConfig";

/// Three workers whose daemons are played, all on the first config.
pub(crate) async fn three_workers(place: &Place, habits: Habits) -> Cluster {
    let mut cluster = cluster(place).await;
    cluster.pool("worker", json!({})).await;
    cluster
        .create(machine_config("00-worker", "worker", "base"))
        .await;
    for number in 0..3 {
        let name = format!("worker-{number}");
        cluster.node(&name, "worker").await;
        cluster.play_daemon(&name, habits);
    }
    cluster.start();
    cluster
        .until(SOON, "the pool has a target", |it| {
            it.target("worker").is_some()
        })
        .await;
    cluster.until(ROLLOUT, "all have it", all_updated).await;
    cluster
}

pub(crate) fn all_updated(cluster: &Cluster) -> bool {
    let updated = cluster.condition("machineconfigpools", "worker", "Updated");
    let target = cluster.target("worker");
    let have = (0..3).all(|n| cluster.annotation(&format!("worker-{n}"), CURRENT) == target);
    have && updated.is_some_and(|it| it["status"] == "True") && cluster.holders().is_empty()
}

pub(crate) fn cordoned(cluster: &Cluster) -> Vec<String> {
    let nodes = cluster.list("nodes");
    let cordoned = nodes
        .iter()
        .filter(|node| node["spec"]["unschedulable"] == true);
    cordoned
        .map(|node| node["metadata"]["name"].as_str().unwrap().to_owned())
        .collect()
}

impl Cluster {
    /// A pod on each worker that a finalizer keeps: a drain lasts until it is let go.
    pub(crate) async fn hold_drains(&self) {
        let mut slow = owned();
        slow["metadata"]["finalizers"] = json!(["example.com/slow"]);
        for number in 0..3 {
            let (pod, node) = (format!("web-{number}"), format!("worker-{number}"));
            self.pod(&pod, &node, slow.clone()).await;
        }
    }

    /// Lets every pod go that a finalizer keeps.
    pub(crate) async fn free_drains(&self) {
        for pod in self.list("pods") {
            let freed = json!({"apiVersion": "v1", "kind": "Pod", "metadata":
                {"name": pod["metadata"]["name"], "namespace": "shop", "finalizers": null}});
            self.merge(freed).await;
        }
    }

    /// A person changes what the workers should be.
    pub(crate) async fn change(&self) {
        let before = self.target("worker");
        self.create(machine_config("50-worker", "worker", "more"))
            .await;
        self.until(SOON, "the target moves", |it| it.target("worker") != before)
            .await;
    }
}
