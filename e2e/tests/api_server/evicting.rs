//! Evictions, with each case of a budget.

use serde_json::{Value, json};

use crate::cases;
use crate::listing::service_account;
use crate::server::{MERGE, Reply, Server};

cases![
    a_pod_without_a_budget_is_evicted,
    a_budget_that_nobody_computed_refuses,
    a_budget_allows_as_many_as_it_says_and_remembers_whom,
    a_budget_that_is_behind_its_spec_refuses,
    an_unready_pod_follows_the_budgets_policy,
    a_pod_that_does_not_run_is_evicted_whatever_its_budget,
    two_budgets_on_a_pod_refuse,
    an_empty_selector_guards_every_pod,
    an_eviction_assumes_the_pod_it_names,
    an_eviction_in_dry_run_spends_nothing,
    an_eviction_takes_the_grace_that_it_names,
    a_pod_that_ends_already_is_evicted_again,
    an_eviction_that_is_none_is_refused,
    a_budget_with_wrong_fields_is_refused,
];

async fn pod(server: &Server, name: &str) {
    let pod = json!({
        "metadata": { "name": name, "labels": { "app": "web" } },
        "spec": { "nodeName": "n1", "terminationGracePeriodSeconds": 30,
            "containers": [{ "name": "c", "image": "i" }] },
    });
    server.post(&server.core("pods"), pod).await.ok();
}

async fn status(server: &Server, pod: &str, status: Value) {
    let path = server.core(&format!("pods/{pod}/status"));
    let patch = json!({ "status": status });
    server.patch(&path, MERGE, patch).await.ok();
}

async fn running(server: &Server, pod: &str, ready: &str) {
    let conditions = json!([{ "type": "Ready", "status": ready }]);
    let running = json!({ "phase": "Running", "conditions": conditions });
    status(server, pod, running).await;
}

async fn pods(server: &Server, names: &[&str]) {
    service_account(server).await;
    for name in names {
        pod(server, name).await;
        running(server, name, "True").await;
    }
}

async fn budget(server: &Server, name: &str, spec: Value) -> Reply {
    let budgets = server.group("policy/v1", "poddisruptionbudgets");
    let body = json!({ "metadata": { "name": name }, "spec": spec });
    server.post(&budgets, body).await
}

async fn web(server: &Server, name: &str, more: Value) {
    let mut spec = json!({ "minAvailable": 1, "selector": { "matchLabels": { "app": "web" } } });
    for (field, value) in more.as_object().into_iter().flatten() {
        spec[field] = value.clone();
    }
    budget(server, name, spec).await.ok();
}

/// What the budget's controller would compute.
async fn computed(server: &Server, budget: &str, status: Value) {
    let mut whole = json!({ "observedGeneration": 1, "disruptionsAllowed": 0,
        "currentHealthy": 2, "desiredHealthy": 1, "expectedPods": 2 });
    for (field, value) in status.as_object().into_iter().flatten() {
        whole[field] = value.clone();
    }
    let path = server.group(
        "policy/v1",
        &format!("poddisruptionbudgets/{budget}/status"),
    );
    let patch = json!({ "status": whole });
    server.patch(&path, MERGE, patch).await.ok();
}

async fn evict(server: &Server, pod: &str, options: Value) -> Reply {
    let path = server.core(&format!("pods/{pod}/eviction"));
    let mut body =
        json!({ "apiVersion": "policy/v1", "kind": "Eviction", "metadata": { "name": pod } });
    if !options.is_null() {
        body["deleteOptions"] = options;
    }
    server.post(&path, body).await
}

async fn a_pod_without_a_budget_is_evicted(server: Server) {
    pods(&server, &["a"]).await;

    evict(&server, "a", Value::Null).await.ok();

    let evicted = server.get(&server.core("pods/a")).await.ok();
    assert_eq!(evicted["metadata"]["deletionGracePeriodSeconds"], 30);
}

async fn a_budget_that_nobody_computed_refuses(server: Server) {
    pods(&server, &["a"]).await;
    web(&server, "b", json!({})).await;

    let refused = evict(&server, "a", Value::Null).await;

    assert_eq!(
        refused.headers.get("retry-after").map(String::as_str),
        Some("10")
    );
    refused.refused(429);
}

async fn a_budget_allows_as_many_as_it_says_and_remembers_whom(server: Server) {
    pods(&server, &["a", "b"]).await;
    web(&server, "b", json!({})).await;
    computed(&server, "b", json!({ "disruptionsAllowed": 1 })).await;

    evict(&server, "a", Value::Null).await.ok();
    evict(&server, "b", Value::Null).await.refused(429);

    let path = server.group("policy/v1", "poddisruptionbudgets/b");
    let spent = server.get(&path).await.ok();
    assert_eq!(spent["status"]["disruptionsAllowed"], 0);
    assert!(spent["status"]["disruptedPods"].get("a").is_some());
}

async fn a_budget_that_is_behind_its_spec_refuses(server: Server) {
    pods(&server, &["a", "b"]).await;
    web(&server, "b", json!({})).await;
    computed(&server, "b", json!({ "disruptionsAllowed": 1 })).await;
    let path = server.group("policy/v1", "poddisruptionbudgets/b");
    let change = json!({ "spec": { "minAvailable": 2 } });
    let changed = server.patch(&path, MERGE, change).await.ok();

    evict(&server, "a", Value::Null).await.refused(429);

    assert_eq!(changed["metadata"]["generation"], 2);
}

async fn an_unready_pod_follows_the_budgets_policy(server: Server) {
    pods(&server, &["a", "b", "c"]).await;
    running(&server, "a", "False").await;
    web(&server, "b", json!({})).await;
    computed(&server, "b", json!({ "currentHealthy": 0 })).await;

    evict(&server, "a", Value::Null).await.refused(429);
    computed(&server, "b", json!({ "currentHealthy": 1 })).await;
    evict(&server, "a", Value::Null).await.ok();
    running(&server, "b", "False").await;
    let path = server.group("policy/v1", "poddisruptionbudgets/b");
    let always = json!({ "spec": { "unhealthyPodEvictionPolicy": "AlwaysAllow" } });
    server.patch(&path, MERGE, always).await.ok();
    let seen = json!({ "currentHealthy": 0, "observedGeneration": 2 });
    computed(&server, "b", seen).await;
    evict(&server, "b", Value::Null).await.ok();
    evict(&server, "c", Value::Null).await.refused(429);
}

async fn a_pod_that_does_not_run_is_evicted_whatever_its_budget(server: Server) {
    pods(&server, &["pending", "succeeded", "failed"]).await;
    status(&server, "pending", json!({ "phase": "Pending" })).await;
    status(&server, "succeeded", json!({ "phase": "Succeeded" })).await;
    status(&server, "failed", json!({ "phase": "Failed" })).await;
    web(&server, "b", json!({})).await;
    computed(&server, "b", json!({})).await;

    for pod in ["pending", "succeeded", "failed"] {
        evict(&server, pod, Value::Null).await.ok();
    }
}

async fn two_budgets_on_a_pod_refuse(server: Server) {
    pods(&server, &["a"]).await;
    for name in ["b", "c"] {
        web(&server, name, json!({})).await;
        computed(&server, name, json!({ "disruptionsAllowed": 1 })).await;
    }

    evict(&server, "a", Value::Null).await.refused(500);
}

async fn an_empty_selector_guards_every_pod(server: Server) {
    pods(&server, &["a"]).await;
    let everything = json!({ "maxUnavailable": 0, "selector": {} });
    budget(&server, "b", everything).await.ok();
    computed(&server, "b", json!({})).await;

    evict(&server, "a", Value::Null).await.refused(429);
}

async fn an_eviction_assumes_the_pod_it_names(server: Server) {
    pods(&server, &["a"]).await;
    let uid = server.get(&server.core("pods/a")).await.ok()["metadata"]["uid"].clone();
    let only = |preconditions: Value| json!({ "preconditions": preconditions });

    let other = only(json!({ "uid": "11111111-0000-0000-0000-000000000000" }));
    evict(&server, "a", other).await.refused(409);
    evict(&server, "a", only(json!({ "resourceVersion": "1" })))
        .await
        .refused(409);
    evict(&server, "a", only(json!({ "uid": uid }))).await.ok();
    evict(&server, "none", Value::Null).await.refused(404);
}

async fn an_eviction_in_dry_run_spends_nothing(server: Server) {
    pods(&server, &["a"]).await;
    web(&server, "b", json!({})).await;
    computed(&server, "b", json!({ "disruptionsAllowed": 1 })).await;

    evict(&server, "a", json!({ "dryRun": ["All"] })).await.ok();
    let path = server.core("pods/a/eviction?dryRun=All");
    let body = json!({ "metadata": { "name": "a" } });
    server.post(&path, body).await.ok();

    server.get(&server.core("pods/a")).await.ok();
    let path = server.group("policy/v1", "poddisruptionbudgets/b");
    let left = server.get(&path).await.ok();
    assert_eq!(left["status"]["disruptionsAllowed"], 1);
}

async fn an_eviction_takes_the_grace_that_it_names(server: Server) {
    pods(&server, &["a", "b"]).await;

    evict(&server, "a", json!({ "gracePeriodSeconds": 5 }))
        .await
        .ok();
    evict(&server, "b", json!({ "gracePeriodSeconds": 0 }))
        .await
        .ok();

    let ending = server.get(&server.core("pods/a")).await.ok();
    assert_eq!(ending["metadata"]["deletionGracePeriodSeconds"], 5);
    server.get(&server.core("pods/b")).await.refused(404);
}

async fn a_pod_that_ends_already_is_evicted_again(server: Server) {
    pods(&server, &["a"]).await;
    web(&server, "b", json!({})).await;
    computed(&server, "b", json!({ "disruptionsAllowed": 1 })).await;

    evict(&server, "a", Value::Null).await.ok();
    evict(&server, "a", Value::Null).await.ok();

    let path = server.group("policy/v1", "poddisruptionbudgets/b");
    server.get(&path).await.ok();
}

async fn an_eviction_that_is_none_is_refused(server: Server) {
    pods(&server, &["a"]).await;
    let path = server.core("pods/a/eviction");

    server
        .post(&path, json!({ "metadata": { "name": "b" } }))
        .await
        .refused(400);
    server.get(&path).await.refused(405);
    server.post(&path, json!({})).await;
}

async fn a_budget_with_wrong_fields_is_refused(server: Server) {
    for spec in [
        json!({ "minAvailable": 1, "maxUnavailable": 1 }),
        json!({ "minAvailable": -1 }),
        json!({ "maxUnavailable": "150%" }),
        json!({ "maxUnavailable": "x" }),
        json!({ "unhealthyPodEvictionPolicy": "Sometimes" }),
    ] {
        budget(&server, "b", spec).await.refused(422);
    }
    budget(&server, "b", json!({ "maxUnavailable": "50%" }))
        .await
        .ok();
}
