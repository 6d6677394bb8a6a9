//! What others who take or heal nodes are told while one is drained.

use crate::played::Habits;
use crate::server::Place;
use crate::support::{Cluster, on_requests, owned};
use crate::workers::{ROLLOUT, SOON, all_updated, cordoned, three_workers};
use serde_json::{Value, json};
use simulation::server::Outcome;

const MACHINES: &str = "machines.cluster.x-k8s.io";
const SKIP: &str = "cluster.x-k8s.io/skip-remediation";

/// A Machine of Cluster API for each worker, with these annotations.
async fn machines(cluster: &Cluster, annotations: &Value) {
    cluster
        .create(json!({
            "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
            "metadata": {"name": MACHINES},
            "spec": {
                "group": "cluster.x-k8s.io", "scope": "Namespaced",
                "names": {"kind": "Machine", "plural": "machines", "singular": "machine", "listKind": "MachineList"},
                "versions": [{"name": "v1beta1", "served": true, "storage": true,
                    "schema": {"openAPIV3Schema": {"type": "object", "x-kubernetes-preserve-unknown-fields": true}}}],
            },
        }))
        .await;
    for number in 0..3 {
        let (machine, node) = (format!("m-{number}"), format!("worker-{number}"));
        cluster
            .create(
                json!({"apiVersion": "cluster.x-k8s.io/v1beta1", "kind": "Machine",
                "metadata": {"name": machine, "namespace": "shop", "annotations": annotations}}),
            )
            .await;
        let says = json!({"cluster.x-k8s.io/machine": machine, "cluster.x-k8s.io/cluster-namespace": "shop"});
        cluster
            .merge(json!({"apiVersion": "v1", "kind": "Node",
                "metadata": {"name": node, "annotations": says}}))
            .await;
    }
}

fn skips(cluster: &Cluster) -> Vec<String> {
    let machines = cluster.list(MACHINES);
    machines
        .iter()
        .filter_map(|machine| machine["metadata"]["annotations"][SKIP].as_str())
        .map(str::to_owned)
        .collect()
}

pub(crate) async fn cluster_api_heals_no_machine_while_its_node_is_drained_and_may_again_afterwards(
    place: &Place,
) {
    let cluster = three_workers(place, Habits::default()).await;
    machines(&cluster, &json!({})).await;
    cluster.pod("web", "worker-0", owned()).await;

    cluster.change().await;
    let one_skipped = |it: &Cluster| cordoned(it).len() == 1 && skips(it) == ["windlass.dev"];
    cluster
        .until(SOON, "its Machine is left alone", one_skipped)
        .await;
    cluster.until(ROLLOUT, "all are updated", all_updated).await;

    assert_eq!(skips(&cluster), [""; 0]);
}

pub(crate) async fn a_machine_that_somebody_else_protects_stays_protected(place: &Place) {
    let cluster = three_workers(place, Habits::default()).await;
    machines(&cluster, &json!({SKIP: "by-hand"})).await;

    cluster.change().await;
    cluster.until(ROLLOUT, "all are updated", all_updated).await;

    assert_eq!(skips(&cluster), ["by-hand"; 3]);
}

pub(crate) async fn a_controller_that_dies_between_the_machine_and_the_node_leaves_no_protection_behind(
    place: &Place,
) {
    let mut cluster = three_workers(place, Habits::default()).await;
    machines(&cluster, &json!({})).await;
    cluster.change().await;
    let one_skipped = |it: &Cluster| cordoned(it).len() == 1 && skips(it).len() == 1;
    cluster
        .until(SOON, "its Machine is left alone", one_skipped)
        .await;
    let node = cordoned(&cluster)[0].clone();
    // From now on no write on a Machine arrives: whatever the controller does first, it dies before the second.
    cluster
        .server
        .in_memory()
        .set_faults(on_requests(|attempt| {
            let writes = attempt.resource == "machines" && attempt.verb.as_str() == "patch";
            if writes {
                Outcome::Unreachable
            } else {
                Outcome::Serve
            }
        }));
    let applied = |it: &Cluster| {
        let wish = it.annotation(&node, "machineconfiguration.openshift.io/desiredDrain");
        wish.is_some_and(|wish| wish.starts_with("uncordon-"))
    };
    cluster
        .until(ROLLOUT, "the uncordon is asked", applied)
        .await;
    tokio::time::sleep(std::time::Duration::from_secs(5)).await;

    cluster.kill().await;
    cluster
        .server
        .in_memory()
        .set_faults(on_requests(|_| Outcome::Serve));
    cluster.start_as("controller-1");
    cluster.until(ROLLOUT, "all are updated", all_updated).await;

    assert_eq!(skips(&cluster), [""; 0]);
}
