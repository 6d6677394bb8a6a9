//! `windlass explain` on a cluster that the reference runs: its CRDs without our label, its annotations, and no intent, ledger
//! or policy of ours. The binary itself, over loopback.

#![allow(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod door;

use std::path::PathBuf;
use std::process::Command;

use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, PostParams};
use kube::{Client, Resource};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use door::Door;

const OLD: &str = "rendered-worker-4337601dc26e0b618913c8281e6b20c6";
const NEW: &str = "rendered-worker-895e864c9d45187bc1c8771425e6c826";

/// A cluster of the reference: three workers, of which one is on its way to the new config, one failed on it, one waits.
struct Cluster {
    _door: Door,
    kubeconfig: PathBuf,
}

async fn create<K>(client: &Client, object: Value)
where
    K: Resource<DynamicType = ()> + Clone + Serialize + DeserializeOwned + std::fmt::Debug,
{
    let api: Api<K> = Api::all(client.clone());
    let typed: K = serde_json::from_value(object).unwrap();
    api.create(&PostParams::default(), &typed).await.unwrap();
}

fn worker(name: &str, current: &str, desired: &str, state: &str, ready: &str) -> Value {
    json!({
        "metadata": {
            "name": name,
            "labels": {"node-role.kubernetes.io/worker": ""},
            "annotations": {
                "machineconfiguration.openshift.io/currentConfig": current,
                "machineconfiguration.openshift.io/desiredConfig": desired,
                "machineconfiguration.openshift.io/state": state,
                "machineconfiguration.openshift.io/reason": if state == "Degraded" { "disk is full" } else { "" },
            },
        },
        "status": {"conditions": [{"type": "Ready", "status": ready}]},
    })
}

async fn fill(client: &Client, max_unavailable: i64) {
    for mut crd in api::crds() {
        if crd.spec.group == "windlass.dev" {
            continue;
        }
        crd.metadata.labels = None;
        let crd = serde_json::to_value(crd).unwrap();
        create::<CustomResourceDefinition>(client, crd).await;
    }
    for name in [OLD, NEW] {
        let config = json!({
            "metadata": {"name": name, "annotations": {
                "machineconfiguration.openshift.io/generated-by-controller-version": "4.20.0"}},
            "spec": {"config": {"ignition": {"version": "3.5.0"}}, "kernelArguments": if name == NEW { vec!["nosmt"] } else { vec![] }},
        });
        create::<api::MachineConfig>(client, config).await;
    }
    let pool = json!({
        "metadata": {"name": "worker"},
        "spec": {
            "maxUnavailable": max_unavailable,
            "configuration": {"name": NEW},
            "machineConfigSelector": {"matchLabels": {"machineconfiguration.openshift.io/role": "worker"}},
            "nodeSelector": {"matchLabels": {"node-role.kubernetes.io/worker": ""}},
        },
    });
    create::<api::MachineConfigPool>(client, pool).await;
    for node in [
        worker("moving", OLD, NEW, "Working", "False"),
        worker("broken", OLD, NEW, "Degraded", "True"),
        worker("waiting", OLD, OLD, "Done", "True"),
        worker("ready", NEW, NEW, "Done", "True"),
    ] {
        create::<Node>(client, node).await;
    }
}

impl Cluster {
    fn of_the_reference(name: &str, max_unavailable: i64) -> Self {
        let door = Door::open(async |client: &Client| fill(client, max_unavailable).await);
        let kubeconfig = PathBuf::from(env!("CARGO_TARGET_TMPDIR")).join(name);
        std::fs::write(&kubeconfig, door.kubeconfig()).unwrap();
        Self {
            _door: door,
            kubeconfig,
        }
    }

    fn explain(&self, about: &[&str]) -> String {
        let ran = Command::new(env!("CARGO_BIN_EXE_windlass"))
            .arg("explain")
            .args(about)
            .env("KUBECONFIG", &self.kubeconfig)
            .output()
            .unwrap();
        assert!(ran.status.success(), "{ran:?}");
        String::from_utf8(ran.stdout).unwrap()
    }

    fn explained(&self, node: &str) -> Value {
        serde_json::from_str(&self.explain(&["node", node, "-o", "json"])).unwrap()
    }
}

#[test]
fn a_node_of_a_reference_cluster_waits_for_the_one_that_takes_the_budget() {
    let cluster = Cluster::of_the_reference("budget", 1);

    let told = cluster.explain(&["node", "waiting"]);

    assert!(
        told.starts_with("waiting waits: all 1 slots of its pool are taken by broken and moving"),
        "{told}"
    );
    assert!(
        told.contains("explained by the reference's rules"),
        "{told}"
    );
    assert!(told.contains("disturbs    a drain"), "{told}");
}

#[test]
fn a_failed_node_of_a_reference_cluster_is_told_in_its_daemons_words() {
    let cluster = Cluster::of_the_reference("failed", 1);

    let told = cluster.explained("broken");

    assert_eq!(told["reason"], "Failed");
    assert!(
        told["answer"].as_str().unwrap().contains("disk is full"),
        "{told}"
    );
}

#[test]
fn a_reference_cluster_with_room_says_who_is_next() {
    let cluster = Cluster::of_the_reference("room", 3);

    let next = cluster.explained("waiting");
    let ready = cluster.explained("ready");
    let pool = cluster.explain(&["pool", "worker"]);

    assert_eq!(next["reason"], "Assigned");
    assert_eq!(ready["reason"], "UpToDate");
    assert!(
        pool.starts_with("pool worker: 1 of 4 nodes updated"),
        "{pool}"
    );
}
