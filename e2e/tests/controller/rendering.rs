//! From MachineConfigs to a pool's target.

use crate::server::Place;
use crate::support::{Cluster, cluster, machine_config, named};
use controller::config::Quiet;
use jiff::SignedDuration;
use serde_json::{Value, json};
use std::time::Duration;

const SOON: Duration = Duration::from_secs(30);
const CONFIGS: &str = "machineconfigs.machineconfiguration.openshift.io";
const V1: &str = "machineconfiguration.openshift.io/v1";

fn rendered(cluster: &Cluster) -> Vec<String> {
    let configs = cluster.list(CONFIGS);
    let names = configs
        .iter()
        .filter_map(|config| config["metadata"]["name"].as_str());
    names
        .filter(|name| name.starts_with("rendered-"))
        .map(str::to_owned)
        .collect()
}

async fn pool_with_a_target(place: &Place) -> Cluster {
    let mut cluster = cluster(place).await;
    cluster.pool("worker", json!({})).await;
    cluster
        .create(machine_config("00-worker", "worker", "base"))
        .await;
    cluster.start();
    cluster
        .until(SOON, "the pool has a target", |it| {
            it.target("worker").is_some()
        })
        .await;
    cluster
}

pub(crate) async fn a_directory_that_is_applied_at_once_becomes_one_rendered_config(place: &Place) {
    let mut cluster = cluster(place).await;
    cluster.config.quiet = Quiet::default();
    cluster.pool("worker", json!({})).await;
    cluster.start();
    for number in 0..5 {
        cluster
            .create(machine_config(&format!("0{number}-worker"), "worker", "x"))
            .await;
        cluster.server.takes(Duration::from_millis(300)).await;
    }

    cluster
        .until(SOON, "the pool has a target", |it| {
            it.target("worker").is_some()
        })
        .await;

    assert_eq!(rendered(&cluster).len(), 1);
    let pools = "machineconfigpools.machineconfiguration.openshift.io";
    let pool = cluster.get(pools, "", "worker").unwrap();
    assert_eq!(
        pool["spec"]["configuration"]["source"]
            .as_array()
            .unwrap()
            .len(),
        5
    );
}

pub(crate) async fn a_revert_brings_the_former_name_back_and_makes_nothing_new(place: &Place) {
    let cluster = pool_with_a_target(place).await;
    let first = cluster.target("worker");
    cluster
        .create(machine_config("50-worker", "worker", "more"))
        .await;
    cluster
        .until(SOON, "the target moves", |it| it.target("worker") != first)
        .await;

    cluster
        .delete(named(V1, "MachineConfig", "", "50-worker"))
        .await;
    cluster
        .until(SOON, "the target is the first again", |it| {
            it.target("worker") == first
        })
        .await;

    assert_eq!(rendered(&cluster).len(), 2);
}

pub(crate) async fn a_config_that_does_not_render_leaves_the_target_and_is_named(place: &Place) {
    let cluster = pool_with_a_target(place).await;
    let before = cluster.target("worker");
    let mut broken = machine_config("99-broken", "worker", "x");
    broken["spec"]["kernelType"] = json!("bespoke");

    cluster.create(broken).await;
    let told = |it: &Cluster| it.events_on("worker").contains(&"RenderFailed".to_owned());
    cluster.until(SOON, "the refusal is told", told).await;

    assert_eq!(cluster.target("worker"), before);
}

pub(crate) async fn a_change_that_no_node_can_apply_is_stopped_before_any_node_sees_it(
    place: &Place,
) {
    let cluster = pool_with_a_target(place).await;
    let before = cluster.target("worker");
    let mut disks = machine_config("99-disks", "worker", "x");
    disks["spec"]["config"]["storage"] =
        json!({"disks": [{"device": "/dev/sda", "wipeTable": true}]});

    cluster.create(disks).await;
    let told = |it: &Cluster| {
        it.events_on("worker")
            .contains(&"Irreconcilable".to_owned())
    };
    cluster.until(SOON, "the refusal is told", told).await;

    assert_eq!(cluster.target("worker"), before);
    let events = cluster.list("events");
    let message = |event: &Value| event["message"].as_str().unwrap_or_default().to_owned();
    let said: Vec<String> = events.iter().map(|event| message(event)).collect();
    assert!(
        said.iter().any(|m| m.contains("MachineConfig 99-disks")),
        "{said:?}"
    );
}

pub(crate) async fn an_old_rendered_config_is_removed_once_nothing_names_it_and_not_before(
    place: &Place,
) {
    let mut cluster = cluster(place).await;
    cluster.config.pruning.keep = 1;
    cluster.config.pruning.min_age = place.age(SignedDuration::from_mins(10));
    cluster.pool("worker", json!({})).await;
    cluster
        .create(machine_config("00-worker", "worker", "base"))
        .await;
    cluster.node("worker-0", "infra").await;
    cluster.start();
    cluster
        .until(SOON, "the pool has a target", |it| {
            it.target("worker").is_some()
        })
        .await;
    let first = cluster.target("worker").unwrap();
    let bears = json!({"machineconfiguration.openshift.io/currentConfig": first});
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker-0", "annotations": bears}});
    cluster.merge(node).await;
    cluster
        .create(machine_config("50-worker", "worker", "more"))
        .await;
    cluster
        .until(SOON, "the target moves", |it| {
            it.target("worker").as_ref() != Some(&first)
        })
        .await;

    cluster.pass(Duration::from_mins(30)).await;
    assert_eq!(rendered(&cluster).len(), 2, "a node names it");
    cluster.delete(named("v1", "Node", "", "worker-0")).await;

    let gone = |it: &Cluster| rendered(it).len() == 1;
    cluster.until(SOON, "the old one goes", gone).await;
}

pub(crate) async fn deleting_a_pool_takes_its_config_from_no_node(place: &Place) {
    let cluster = pool_with_a_target(place).await;
    let target = cluster.target("worker").unwrap();
    cluster.node("worker-0", "worker").await;
    let bears = json!({"machineconfiguration.openshift.io/currentConfig": target});
    let node = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker-0", "annotations": bears}});
    cluster.merge(node).await;

    cluster
        .delete(named(V1, "MachineConfigPool", "", "worker"))
        .await;
    tokio::time::sleep(Duration::from_mins(10)).await;
    assert_eq!(rendered(&cluster), [target], "a node still has it");

    cluster.delete(named("v1", "Node", "", "worker-0")).await;
    let gone = |it: &Cluster| rendered(it).is_empty();
    cluster
        .until(
            Duration::from_hours(2),
            "it goes with the last that names it",
            gone,
        )
        .await;
}

pub(crate) async fn the_disruption_policy_is_published_where_there_is_something_to_publish_it_on(
    place: &Place,
) {
    let cluster = pool_with_a_target(place).await;

    cluster
            .create(json!({
                "apiVersion": "operator.openshift.io/v1", "kind": "MachineConfiguration",
                "metadata": {"name": "cluster"},
                "spec": {"nodeDisruptionPolicy": {"files": [
                    {"path": "/etc/chrony.conf", "actions": [{"type": "Restart", "restart": {"serviceName": "chronyd.service"}}]},
                ]}},
            }))
            .await;

    let files = |it: &Cluster| {
        let object = it
            .get("machineconfigurations.operator.openshift.io", "", "cluster")
            .unwrap();
        let policy = &object["status"]["nodeDisruptionPolicyStatus"]["clusterPolicies"];
        policy["files"].as_array().cloned().unwrap_or_default()
    };
    let has = |it: &Cluster| {
        files(it)
            .iter()
            .any(|file| file["path"] == "/etc/chrony.conf")
    };
    cluster.until(SOON, "it is published", has).await;
    assert!(
        files(&cluster).len() > 1,
        "the built-in entries are there too"
    );
}
