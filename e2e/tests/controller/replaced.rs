//! Nodes that become others in the middle of a visit.

use crate::played::Habits;
use crate::server::Place;
use crate::support::{Cluster, machine_config, named};
use crate::workers::{CURRENT, DESIRED, ROLLOUT, SOON, cordoned, three_workers};
use serde_json::{Value, json};
use std::time::Duration;

const INTENT: &str = "windlass.dev/intent";

/// Three workers, one of which waits in its drain for a pod that a finalizer keeps.
async fn one_in_its_drain(place: &Place) -> (Cluster, String) {
    let cluster = three_workers(place, Habits::default()).await;
    cluster.hold_drains().await;
    cluster.change().await;
    let one = |it: &Cluster| cordoned(it).len() == 1;
    cluster.until(SOON, "a drain is under way", one).await;
    let node = cordoned(&cluster)[0].clone();
    (cluster, node)
}

fn holders(cluster: &Cluster) -> Vec<Value> {
    let ledger = cluster
        .get("slotledgers.windlass.dev", "", "cluster")
        .unwrap();
    ledger["spec"]["holders"]
        .as_array()
        .cloned()
        .unwrap_or_default()
}

fn have(cluster: &Cluster, nodes: &[&str], target: Option<&String>) -> bool {
    nodes
        .iter()
        .all(|node| cluster.annotation(node, CURRENT).as_ref() == target)
}

pub(crate) async fn a_node_replaced_under_its_name_in_its_visit_is_a_new_node(place: &Place) {
    let (cluster, node) = one_in_its_drain(place).await;
    let old = holders(&cluster)[0]["uid"].clone();

    cluster.delete(named("v1", "Node", "", &node)).await;
    let returned = |it: &Cluster| holders(it).iter().all(|holder| holder["uid"] != old);
    cluster
        .until(SOON, "the slot of the old one is given back", returned)
        .await;
    cluster.node(&node, "worker").await;
    cluster.free_drains().await;
    let target = cluster.target("worker");
    let all = |it: &Cluster| {
        have(it, &["worker-0", "worker-1", "worker-2"], target.as_ref()) && holders(it).is_empty()
    };
    cluster.until(ROLLOUT, "all have the target", all).await;

    assert_eq!(cordoned(&cluster), [""; 0]);
    assert_eq!(
        cluster.annotation(&node, INTENT).as_deref(),
        Some("1"),
        "nothing of the old one is known"
    );
}

pub(crate) async fn a_node_that_changes_pool_in_its_visit_keeps_its_slot_until_it_is_done(
    place: &Place,
) {
    let (cluster, node) = one_in_its_drain(place).await;
    let mut other = json!({"machineConfigSelector": {"matchLabels":
            {"machineconfiguration.openshift.io/role": "infra"}}});
    other["maxUnavailable"] = json!(1);
    cluster.pool("infra", other).await;
    cluster
        .create(machine_config("00-infra", "infra", "other"))
        .await;
    cluster
        .until(SOON, "the other pool has a target", |it| {
            it.target("infra").is_some()
        })
        .await;
    let asked = cluster.annotation(&node, DESIRED);

    let moved = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": node, "labels":
            {"node-role.kubernetes.io/worker": null, "node-role.kubernetes.io/infra": ""}}});
    cluster.merge(moved).await;
    let another = |it: &Cluster| it.holders().len() == 2;
    cluster
        .until(SOON, "another worker is taken", another)
        .await;
    cluster.pass(Duration::from_mins(2)).await;

    // It is away from the pool that it belongs to now, and no longer from the other.
    let kept = holders(&cluster).into_iter().find(|it| it["node"] == *node);
    assert_eq!(kept.map(|it| it["pool"].clone()), Some(json!("infra")));
    assert!(cordoned(&cluster).contains(&node));
    assert_eq!(cluster.holders().len(), 2, "one of each pool");
    assert!(asked.is_some());
    cluster.free_drains().await;
    let (workers, infra) = (cluster.target("worker"), cluster.target("infra"));
    let all = |it: &Cluster| {
        let others: Vec<String> = (0..3)
            .map(|n| format!("worker-{n}"))
            .filter(|it| *it != node)
            .collect();
        let others: Vec<&str> = others.iter().map(String::as_str).collect();
        have(it, &others, workers.as_ref())
            && have(it, &[&node], infra.as_ref())
            && holders(it).is_empty()
    };
    cluster
        .until(ROLLOUT, "each has the target of its pool", all)
        .await;
    assert_eq!(cordoned(&cluster), [""; 0]);
}
