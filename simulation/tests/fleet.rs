//! The cluster around Windlass behaves as a real one does where Windlass depends on it.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{DeleteParams, EvictParams, ListParams, Patch, PatchParams};
use kube::{Api, ResourceExt};
use serde_json::json;
use simulation::clock;
use simulation::faults::Faults;
use simulation::fleet::{Description, Fleet, Programs, Setup};
use simulation::machine::Process;
use simulation::pace::Pace;
use std::time::Duration;

const THREE_WORKERS: &str = "
apiServers: [{ address: 198.18.200.1, version: 1.33.4 }]
pools: [{ name: worker, maxUnavailable: 1 }]
machines:
- { name: worker, count: 3, roles: [worker], zones: [a, b, c], os: [rhel, '9.6'], mode: package, kubelet: 1.33.4 }
deployments:
- { name: shop, namespace: prod, replicas: 3, budget: { minAvailable: 2 } }
";

async fn fleet(description: &str) -> Fleet {
    let description: Description = serde_saphyr::from_str(description).unwrap();
    let fleet = Fleet::start(Setup {
        description,
        seed: 1,
        pace: Pace::real(),
        clock: clock::starting_at("2026-11-24T08:00:00Z".parse().unwrap()),
        faults: Faults::none(),
        trace: None,
        directory: None,
        programs: Programs::default(),
    })
    .await
    .unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    fleet
}

async fn ready(fleet: &Fleet, node: &str) -> String {
    let nodes: Api<Node> = Api::all(fleet.client("test"));
    let conditions = nodes
        .get(node)
        .await
        .unwrap()
        .status
        .unwrap()
        .conditions
        .unwrap();
    conditions
        .into_iter()
        .find(|condition| condition.type_ == "Ready")
        .unwrap()
        .status
}

async fn shop(fleet: &Fleet) -> Vec<Pod> {
    let pods: Api<Pod> = Api::namespaced(fleet.client("test"), "prod");
    let all = pods.list(&ListParams::default()).await.unwrap().items;
    all.into_iter()
        .filter(|pod| pod.metadata.deletion_timestamp.is_none())
        .collect()
}

fn node_of(pod: &Pod) -> String {
    pod.spec
        .as_ref()
        .and_then(|spec| spec.node_name.clone())
        .unwrap_or_default()
}

async fn budget(fleet: &Fleet) -> (i32, i32, i32) {
    let budgets: Api<PodDisruptionBudget> = Api::namespaced(fleet.client("test"), "prod");
    let status = budgets.get("shop").await.unwrap().status.unwrap();
    (
        status.expected_pods,
        status.current_healthy,
        status.disruptions_allowed,
    )
}

#[tokio::test(start_paused = true)]
async fn nodes_become_ready_and_pods_are_spread_over_them() {
    let fleet = fleet(THREE_WORKERS).await;

    for node in ["worker-0", "worker-1", "worker-2"] {
        assert_eq!(ready(&fleet, node).await, "True", "{node}");
    }
    let mut on: Vec<String> = shop(&fleet).await.iter().map(node_of).collect();
    on.sort();
    assert_eq!(on, ["worker-0", "worker-1", "worker-2"]);
    assert_eq!(budget(&fleet).await, (3, 3, 1));
}

#[tokio::test(start_paused = true)]
async fn an_evicted_pod_comes_back_on_a_node_that_is_not_cordoned() {
    let fleet = fleet(THREE_WORKERS).await;
    let nodes: Api<Node> = Api::all(fleet.client("test"));
    nodes.cordon("worker-1").await.unwrap();
    let victim = shop(&fleet)
        .await
        .into_iter()
        .find(|pod| node_of(pod) == "worker-1")
        .unwrap();

    let pods: Api<Pod> = Api::namespaced(fleet.client("test"), "prod");
    pods.evict(&victim.name_any(), &EvictParams::default())
        .await
        .unwrap();

    assert_eq!(budget(&fleet).await.2, 0, "a second eviction has to wait");
    tokio::time::sleep(Duration::from_secs(20)).await;
    let on: Vec<String> = shop(&fleet).await.iter().map(node_of).collect();
    assert_eq!(on.len(), 3);
    assert!(!on.contains(&"worker-1".to_owned()), "{on:?}");
    assert_eq!(budget(&fleet).await, (3, 3, 1));
}

#[tokio::test(start_paused = true)]
async fn a_power_cut_gives_a_new_boot_id_and_the_old_ready_stands_meanwhile() {
    let fleet = fleet(THREE_WORKERS).await;
    let machine = fleet.machine("worker-0").unwrap();
    let before = machine.boot_id();

    machine.cut_power();
    tokio::time::sleep(Duration::from_secs(20)).await;
    assert_eq!(ready(&fleet, "worker-0").await, "True", "nobody knows yet");
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(
        ready(&fleet, "worker-0").await,
        "Unknown",
        "the grace is over"
    );
    tokio::time::sleep(Duration::from_secs(80)).await;

    assert_eq!(ready(&fleet, "worker-0").await, "True");
    let nodes: Api<Node> = Api::all(fleet.client("test"));
    let reported = nodes
        .get("worker-0")
        .await
        .unwrap()
        .status
        .unwrap()
        .node_info
        .unwrap()
        .boot_id;
    assert_eq!(reported, machine.boot_id());
    assert_ne!(reported, before);
    assert_eq!(budget(&fleet).await, (3, 3, 1), "its pods run again");
}

#[tokio::test(start_paused = true)]
async fn a_configuration_that_kills_the_kubelet_shows_after_its_next_start_and_can_be_taken_back() {
    let fleet = fleet(THREE_WORKERS).await;
    let machine = fleet.machine("worker-2").unwrap();

    machine
        .files()
        .write("/etc/kubernetes/kubelet.conf", "maxPodz: 1\n")
        .unwrap();
    tokio::time::sleep(Duration::from_secs(120)).await;
    assert_eq!(
        ready(&fleet, "worker-2").await,
        "True",
        "a running kubelet does not read it again"
    );
    machine.cut_power();
    tokio::time::sleep(Duration::from_secs(200)).await;
    assert!(matches!(machine.kubelet_process(), Process::Exited(_)));
    assert_eq!(ready(&fleet, "worker-2").await, "Unknown");

    machine
        .files()
        .remove("/etc/kubernetes/kubelet.conf")
        .unwrap();
    tokio::time::sleep(Duration::from_secs(60)).await;
    assert_eq!(ready(&fleet, "worker-2").await, "True");
}

#[tokio::test(start_paused = true)]
async fn a_deleted_pod_is_gone_when_its_containers_have_ended() {
    let fleet = fleet(THREE_WORKERS).await;
    let pods: Api<Pod> = Api::namespaced(fleet.client("test"), "prod");
    let pod = shop(&fleet).await.remove(0);

    pods.delete(&pod.name_any(), &DeleteParams::default())
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(1)).await;
    assert!(
        pods.get_opt(&pod.name_any()).await.unwrap().is_some(),
        "its containers still run"
    );
    tokio::time::sleep(Duration::from_secs(5)).await;

    assert!(pods.get_opt(&pod.name_any()).await.unwrap().is_none());
}

#[tokio::test(start_paused = true)]
async fn a_scaled_deployment_keeps_its_budget_true() {
    let fleet = fleet(THREE_WORKERS).await;
    let deployments: Api<k8s_openapi::api::apps::v1::Deployment> =
        Api::namespaced(fleet.client("test"), "prod");

    let patch = Patch::Merge(json!({ "spec": { "replicas": 5 } }));
    deployments
        .patch("shop", &PatchParams::default(), &patch)
        .await
        .unwrap();
    tokio::time::sleep(Duration::from_secs(20)).await;

    assert_eq!(budget(&fleet).await, (5, 5, 3));
}
