//! Looking into the store while others write.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, PostParams};
use serde_json::json;
use simulation::clock::starting_at;
use simulation::server::{ApiServer, Options};

/// How many times each resource is written; enough that looks fall between most pairs of writes.
const WRITES: usize = 400;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn changes_of_several_resources_are_told_in_the_order_in_which_they_were_stored() {
    let start: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
    let server = ApiServer::new(starting_at(start), Options::default());
    let mut changes = server
        .observer()
        .subscribe(&["leases.coordination.k8s.io", "nodes"]);

    let looks = std::thread::spawn(move || {
        let mut versions = Vec::new();
        while versions.len() < 2 * WRITES {
            versions.extend(
                changes
                    .drain()
                    .unwrap()
                    .iter()
                    .map(|(_, event)| event.version),
            );
        }
        versions
    });
    let client = server.client("test");
    let nodes: Api<Node> = Api::all(client.clone());
    let leases: Api<Lease> = Api::namespaced(client, "kube-node-lease");
    for number in 0..WRITES {
        let object = json!({ "metadata": { "name": format!("node-{number}") } });
        let lease: Lease = serde_json::from_value(object.clone()).unwrap();
        let node: Node = serde_json::from_value(object).unwrap();
        leases.create(&PostParams::default(), &lease).await.unwrap();
        nodes.create(&PostParams::default(), &node).await.unwrap();
    }

    let versions = looks.join().unwrap();
    let late = versions.windows(2).find(|pair| pair[0] > pair[1]);
    assert_eq!(late, None, "a change was told after a newer one");
}
