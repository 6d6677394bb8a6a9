//! Our own definitions: defaults, pruning, schemas, CEL, status and columns.

use serde_json::{Value, json};

use crate::cases;
use crate::server::{APPLY, MERGE, STRATEGIC, Server};

cases![our_own_definitions_are_served_and_judge_what_is_written];

const NODES: &str = "/apis/machineconfiguration.openshift.io/v1";
const OURS: &str = "/apis/windlass.dev/v1alpha1";

/// One case, because the definitions belong to the whole server.
async fn our_own_definitions_are_served_and_judge_what_is_written(server: Server) {
    define(&server).await;
    pools(&server).await;
    nodes(&server).await;
    ledgers(&server).await;
    configs(&server).await;
}

async fn define(server: &Server) {
    const DEFINITIONS: &str = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
    for definition in api::crds() {
        let mut definition = serde_json::to_value(definition).unwrap();
        definition["apiVersion"] = json!("apiextensions.k8s.io/v1");
        definition["kind"] = json!("CustomResourceDefinition");
        let text = |path: &str| definition.pointer(path).and_then(Value::as_str).unwrap();
        let group = text("/spec/group");
        let version = text("/spec/versions/0/name");
        let plural = text("/spec/names/plural");
        let served = format!("/apis/{group}/{version}/{plural}");
        let made = server.post(DEFINITIONS, definition.clone()).await;
        assert_eq!(made.status, 201, "{served}: {}", made.body);
        server.until(&served, |list| list["items"].is_array()).await;
    }
}

async fn pools(server: &Server) {
    let pools = format!("{NODES}/machineconfigpools");
    let pool = |name: &str, spec: Value| {
        json!({ "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfigPool",
            "metadata": { "name": name }, "spec": spec })
    };
    let selectors = json!({ "nodeSelector": { "matchLabels": { "a": "" } } });
    server.post(&pools, pool("worker", selectors)).await.ok();
    for spec in [
        json!({ "maxUnavailable": true }),
        json!({ "maxUnavailable": "10%" }),
        json!({ "paused": "yes" }),
        json!({ "unknown": { "field": 1 } }),
        json!([]),
    ] {
        let name = format!("p{}", spec.to_string().len());
        server.post(&pools, pool(&name, spec)).await;
    }
    let strict = format!("{pools}?fieldValidation=Strict");
    let unknown = pool("strict", json!({ "unknown": 1 }));
    server.post(&strict, unknown).await.refused(400);
    let worker = format!("{pools}/worker");
    let paused = json!({ "spec": { "paused": true }, "status": { "machineCount": 7 } });
    let paused = server.patch(&worker, MERGE, paused).await.ok();
    assert!(paused["status"].get("machineCount").is_none());
    let status = json!({ "status": { "machineCount": 3 } });
    server
        .patch(&format!("{worker}/status"), MERGE, status)
        .await;
    server
        .patch(&worker, STRATEGIC, json!({}))
        .await
        .refused(415);
    let applied = format!("{worker}?fieldManager=one");
    let wish = pool("worker", json!({ "maxUnavailable": 2 }));
    server.patch(&applied, APPLY, wish).await.ok();
    server.table(&pools).await.ok();
}

async fn nodes(server: &Server) {
    let nodes = format!("{NODES}/machineconfignodes");
    for (name, node) in [("n1", "n1"), ("n2", "other")] {
        let body = json!({
            "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfigNode",
            "metadata": { "name": name },
            "spec": { "node": { "name": node }, "pool": { "name": "worker" }, "configVersion": { "desired": "a" } },
        });
        server.post(&nodes, body).await;
    }
    let conditions = json!({ "status": { "observedGeneration": 1, "conditions": [
        { "type": "Updated", "status": "True", "reason": "A", "message": "",
          "lastTransitionTime": "2020-01-01T00:00:00Z" },
    ] } });
    server
        .patch(&format!("{nodes}/n1/status"), MERGE, conditions)
        .await;
    let wrong = json!({ "status": { "conditions": [{ "type": "Updated", "status": "Maybe",
        "reason": "A", "message": "", "lastTransitionTime": "2020-01-01T00:00:00Z" }] } });
    server
        .patch(&format!("{nodes}/n1/status"), MERGE, wrong)
        .await
        .refused(422);
    server.table(&nodes).await.ok();
}

async fn ledgers(server: &Server) {
    let ledgers = format!("{OURS}/slotledgers");
    for name in ["cluster", "other"] {
        let body = json!({ "apiVersion": "windlass.dev/v1alpha1", "kind": "SlotLedger",
            "metadata": { "name": name }, "spec": { "holders": [] } });
        server.post(&ledgers, body).await;
    }
    let cluster = format!("{ledgers}/cluster");
    let mut ledger = server.get(&cluster).await.ok();
    ledger["spec"]["holders"] = json!([{ "node": "n1" }]);
    server.put(&cluster, ledger).await;
    server.table(&ledgers).await.ok();
}

async fn configs(server: &Server) {
    let configs = format!("{NODES}/machineconfigs");
    for spec in [
        Value::Null,
        json!({}),
        json!({ "config": { "ignition": { "version": "3.4.0" }, "any": { "thing": [1] } } }),
        json!({ "kernelArguments": "quiet" }),
        json!({ "fips": "no" }),
    ] {
        let name = format!("c{}", spec.to_string().len());
        let mut body = json!({ "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfig",
            "metadata": { "name": name } });
        if !spec.is_null() {
            body["spec"] = spec;
        }
        server.post(&configs, body).await;
    }
    server.table(&configs).await.ok();
}
