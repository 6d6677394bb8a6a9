//! An unmodified kube client and kube-runtime work against the server, in paused time.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "helpers of tests fail by panicking"
)]

use std::time::Duration;

use futures::{StreamExt, TryStreamExt};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::{ConfigMap, Node, Pod};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{
    Api, DeleteParams, EvictParams, ListParams, Patch, PatchParams, PostParams, WatchEvent,
    WatchParams,
};
use kube::runtime::{WatchStreamExt, watcher};
use serde_json::json;
use simulation::clock::starting_at;
use simulation::server::{ApiServer, Attempt, Fate, Lines, Options, Outcome, Verb};

fn server() -> ApiServer {
    let start: Timestamp = "2026-11-24T00:00:00Z".parse().unwrap();
    ApiServer::new(starting_at(start), Options::default())
}

fn node(name: &str) -> Node {
    serde_json::from_value(json!({ "metadata": { "name": name } })).unwrap()
}

fn pod(name: &str, node: &str) -> Pod {
    serde_json::from_value(json!({
        "metadata": { "name": name, "labels": { "app": "web" } },
        "spec": { "nodeName": node, "containers": [{ "name": "c", "image": "i" }], "terminationGracePeriodSeconds": 5 },
    }))
    .unwrap()
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn what_was_created_can_be_read_listed_and_deleted() {
    let nodes: Api<Node> = Api::all(server().client("test"));
    for name in ["b", "a"] {
        nodes
            .create(&PostParams::default(), &node(name))
            .await
            .unwrap();
    }

    let listed = nodes.list(&ListParams::default()).await.unwrap();
    nodes.delete("a", &DeleteParams::default()).await.unwrap();

    let names: Vec<_> = listed
        .items
        .into_iter()
        .filter_map(|node| node.metadata.name)
        .collect();
    assert_eq!(names, ["a", "b"]);
    assert!(nodes.get_opt("a").await.unwrap().is_none());
    assert!(nodes.get_opt("b").await.unwrap().is_some());
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_write_with_a_stale_version_is_a_conflict() {
    let nodes: Api<Node> = Api::all(server().client("test"));
    let old = nodes
        .create(&PostParams::default(), &node("a"))
        .await
        .unwrap();
    let patch = json!({ "metadata": { "annotations": { "x": "y" } } });
    nodes
        .patch("a", &PatchParams::default(), &Patch::Merge(&patch))
        .await
        .unwrap();

    let refused = nodes
        .replace("a", &PostParams::default(), &old)
        .await
        .unwrap_err();

    assert!(
        matches!(refused, kube::Error::Api(status) if status.code == 409 && status.reason == "Conflict")
    );
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_watcher_sees_the_start_and_every_change_after_it() {
    let server = server();
    let nodes: Api<Node> = Api::all(server.client("writer"));
    nodes
        .create(&PostParams::default(), &node("a"))
        .await
        .unwrap();
    for config in [
        watcher::Config::default(),
        watcher::Config::default().streaming_lists(),
    ] {
        let watched: Api<Node> = Api::all(server.client("watcher"));
        let mut changes = watcher(watched, config).applied_objects().boxed();
        let first = changes.try_next().await.unwrap().unwrap();
        assert_eq!(first.metadata.name.as_deref(), Some("a"));

        let patch = json!({ "spec": { "unschedulable": true } });
        nodes
            .patch("a", &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .unwrap();
        let second = changes.try_next().await.unwrap().unwrap();

        assert_eq!(second.spec.and_then(|spec| spec.unschedulable), Some(true));
        let undo = json!({ "spec": { "unschedulable": null } });
        nodes
            .patch("a", &PatchParams::default(), &Patch::Merge(&undo))
            .await
            .unwrap();
    }
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_watcher_goes_on_when_its_watch_ends_or_breaks() {
    let server = server();
    server.set_faults(|attempt: &Attempt<'_>| Fate {
        watch_breaks_after: (attempt.verb == Verb::Watch).then_some(Duration::from_secs(20)),
        ..Fate::default()
    });
    let maps: Api<ConfigMap> = Api::default_namespaced(server.client("writer"));
    let watched: Api<ConfigMap> = Api::default_namespaced(server.client("watcher"));
    let mut changes = watcher(watched, watcher::Config::default())
        .default_backoff()
        .applied_objects()
        .boxed();
    let mut seen = Vec::new();

    for step in 0..5 {
        let map: ConfigMap =
            serde_json::from_value(json!({ "metadata": { "name": format!("m{step}") } })).unwrap();
        maps.create(&PostParams::default(), &map).await.unwrap();
        while seen.last() != map.metadata.name.as_ref() {
            if let Some(Ok(map)) = changes.next().await {
                seen.extend(map.metadata.name);
            }
        }
        tokio::time::sleep(Duration::from_secs(30)).await;
    }

    seen.sort();
    seen.dedup();
    assert_eq!(seen, ["m0", "m1", "m2", "m3", "m4"]);
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_bookmark_that_is_due_waits_for_the_events_before_it() {
    let server = server();
    server.set_faults(|_: &Attempt<'_>| Fate {
        watch_delay: Duration::from_secs(50),
        ..Fate::default()
    });
    let maps: Api<ConfigMap> = Api::default_namespaced(server.client("writer"));
    let mut changes = maps
        .watch(&WatchParams::default().timeout(280), "0")
        .await
        .unwrap()
        .boxed();
    let map: ConfigMap = serde_json::from_value(json!({ "metadata": { "name": "late" } })).unwrap();
    tokio::time::sleep(Duration::from_secs(40)).await;
    maps.create(&PostParams::default(), &map).await.unwrap();

    let mut seen = Vec::new();
    while seen.len() < 3 {
        seen.push(match changes.try_next().await.unwrap().unwrap() {
            WatchEvent::Added(map) => map.metadata.name.unwrap(),
            WatchEvent::Bookmark(_) => "(bookmark)".to_owned(),
            other => panic!("{other:?}"),
        });
    }

    // The event of second 40 arrives in second 90; the bookmark of second 60 comes after it.
    assert_eq!(seen, ["late", "(bookmark)", "(bookmark)"]);
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn an_eviction_asks_the_budget_and_spends_it() {
    let server = server();
    let client = server.client("test");
    let pods: Api<Pod> = Api::default_namespaced(client.clone());
    let budgets: Api<PodDisruptionBudget> = Api::default_namespaced(client);
    for name in ["p1", "p2"] {
        pods.create(&PostParams::default(), &pod(name, "n1"))
            .await
            .unwrap();
        let ready = json!({ "status": { "phase": "Running", "conditions": [{ "type": "Ready", "status": "True" }] } });
        pods.patch_status(name, &PatchParams::default(), &Patch::Merge(&ready))
            .await
            .unwrap();
    }
    let budget = serde_json::from_value(json!({
        "metadata": { "name": "b" },
        "spec": { "selector": { "matchLabels": { "app": "web" } }, "maxUnavailable": 1 },
    }))
    .unwrap();
    budgets
        .create(&PostParams::default(), &budget)
        .await
        .unwrap();
    let computed = json!({ "status": {
        "observedGeneration": 1, "disruptionsAllowed": 1, "currentHealthy": 2, "desiredHealthy": 1, "expectedPods": 2
    } });
    budgets
        .patch_status("b", &PatchParams::default(), &Patch::Merge(&computed))
        .await
        .unwrap();

    pods.evict("p1", &EvictParams::default()).await.unwrap();
    let refused = pods.evict("p2", &EvictParams::default()).await.unwrap_err();

    assert!(matches!(refused, kube::Error::Api(status) if status.code == 429));
    let evicted = pods.get("p1").await.unwrap();
    assert_eq!(evicted.metadata.deletion_grace_period_seconds, Some(5));
    let spent = budgets.get("b").await.unwrap().status.unwrap();
    assert_eq!(spent.disruptions_allowed, 0);
    assert!(spent.disrupted_pods.unwrap().contains_key("p1"));
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn a_lost_answer_leaves_the_write_behind() {
    let server = server();
    server.set_faults(|attempt: &Attempt<'_>| Fate {
        outcome: if attempt.actor == "unlucky" {
            Outcome::LoseAnswer
        } else {
            Outcome::Serve
        },
        ..Fate::default()
    });
    let unlucky: Api<Node> = Api::all(server.client("unlucky"));
    let lucky: Api<Node> = Api::all(server.client("lucky"));

    assert!(
        unlucky
            .create(&PostParams::default(), &node("a"))
            .await
            .is_err()
    );

    assert!(lucky.get_opt("a").await.unwrap().is_some());
}

#[tokio::test(flavor = "current_thread", start_paused = true)]
async fn equal_runs_leave_equal_traces() {
    async fn run() -> Vec<String> {
        let server = server();
        let lines = Lines::default();
        server.set_trace(lines.clone());
        let nodes: Api<Node> = Api::all(server.client("test"));
        nodes
            .create(&PostParams::default(), &node("a"))
            .await
            .unwrap();
        assert!(nodes.get_opt("b").await.unwrap().is_none());
        lines.taken()
    }

    let first = run().await;

    assert_eq!(first.len(), 4);
    assert_eq!(first, run().await);
}
