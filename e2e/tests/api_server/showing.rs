//! Tables, as kubectl prints them.

use serde_json::json;

use crate::cases;
use crate::listing::service_account;
use crate::server::{MERGE, Server};

cases![
    nodes_are_shown_with_status_and_roles,
    pods_budgets_and_workloads_are_shown,
];

async fn nodes_are_shown_with_status_and_roles(server: Server) {
    let name = server.namespace().to_owned();
    let made =
        json!({ "metadata": { "name": name, "labels": { "node-role.kubernetes.io/worker": "" } } });
    server.post("/api/v1/nodes", made).await.ok();
    let node = format!("/api/v1/nodes/{name}");

    server.table(&node).await.ok();
    for status in ["True", "False", "Unknown"] {
        let ready = json!({ "status": { "conditions": [{ "type": "Ready", "status": status }],
            "nodeInfo": { "kubeletVersion": "v1.36.3" },
            "addresses": [{ "type": "InternalIP", "address": "10.0.0.1" }] } });
        server
            .patch(&format!("{node}/status"), MERGE, ready)
            .await
            .ok();
        server.table(&node).await.ok();
    }
    let cordon = json!({ "spec": { "unschedulable": true } });
    server.patch(&node, MERGE, cordon).await.ok();
    server.table(&node).await.ok();
}

async fn pods_budgets_and_workloads_are_shown(server: Server) {
    service_account(&server).await;
    let pod = json!({ "metadata": { "name": "p", "labels": { "app": "web" } },
        "spec": { "nodeName": "n1", "containers": [{ "name": "c", "image": "i" }] } });
    server.post(&server.core("pods"), pod).await.ok();
    let running = json!({ "status": { "phase": "Running", "podIP": "10.0.0.1", "podIPs": [{ "ip": "10.0.0.1" }],
        "containerStatuses": [{ "name": "c", "image": "i", "imageID": "", "ready": true, "restartCount": 2,
            "state": { "running": { "startedAt": "2020-01-01T00:00:00Z" } } }] } });
    server
        .patch(&server.core("pods/p/status"), MERGE, running)
        .await
        .ok();
    let budgets = server.group("policy/v1", "poddisruptionbudgets");
    let budget = json!({ "metadata": { "name": "b" },
        "spec": { "maxUnavailable": "50%", "selector": { "matchLabels": { "app": "web" } } } });
    server.post(&budgets, budget).await.ok();
    let deployments = server.group("apps/v1", "deployments");
    let deployment = json!({ "metadata": { "name": "d" }, "spec": {
        "selector": { "matchLabels": { "app": "web" } },
        "template": { "metadata": { "labels": { "app": "web" } },
            "spec": { "containers": [{ "name": "c", "image": "i" }] } } } });
    server.post(&deployments, deployment).await.ok();

    for path in [
        server.core("pods"),
        budgets,
        deployments,
        server.core("serviceaccounts"),
    ] {
        server.table(&path).await.ok();
    }
    server.delete(&server.core("pods/p")).await.ok();
    server.table(&server.core("pods")).await.ok();
}
