//! Drains: what blocks one, what goes and what stays, and when a refused eviction is asked again.

use crate::played::Habits;
use crate::server::Place;
use crate::support::{Cluster, on_requests, owned};
use crate::workers::{ROLLOUT, SOON, all_updated, cordoned, three_workers};
use serde_json::{Value, json};
use simulation::server::Outcome;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

/// A pod on each worker, with the parts in `more`.
async fn a_pod_each(cluster: &Cluster, name: &str, more: &Value) {
    for number in 0..3 {
        let mut more = more.clone();
        more["metadata"]["labels"]["tier"] = json!(name);
        let (pod, node) = (format!("{name}-{number}"), format!("worker-{number}"));
        cluster.pod(&pod, &node, more).await;
    }
}

fn budget(name: &str, tier: &str, allowed: i32) -> Value {
    json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
        "metadata": {"name": name, "namespace": "shop"},
        "spec": {"minAvailable": 3, "selector": {"matchLabels": {"tier": tier}}},
        "status": {"disruptionsAllowed": allowed, "currentHealthy": 3, "desiredHealthy": 3,
            "expectedPods": 3, "observedGeneration": 1},
    })
}

/// Creates a budget with its status.
async fn keep(cluster: &Cluster, name: &str, tier: &str) {
    cluster.create(budget(name, tier, 0)).await;
    cluster.merge(budget(name, tier, 0)).await;
}

/// Reason and message of what blocks a drain, on the node that is drained.
fn blocked(cluster: &Cluster) -> Option<(String, String)> {
    let node = cordoned(cluster).first()?.clone();
    let drained = cluster.condition("machineconfignodes", &node, "Drained")?;
    let text = |field: &str| drained[field].as_str().unwrap_or_default().to_owned();
    let reason = text("reason");
    (reason != "Draining" && drained["status"] == "Unknown").then(|| (reason, text("message")))
}

fn policy(drain: &Value) -> Value {
    json!({"apiVersion": "windlass.dev/v1alpha1", "kind": "RolloutPolicy", "metadata": {"name": "all"},
        "spec": {"poolSelector": {}, "drain": drain}})
}

pub(crate) async fn a_refused_eviction_is_asked_once_a_minute_and_at_once_when_its_budget_changes(
    place: &Place,
) {
    let cluster = three_workers(place, Habits::default()).await;
    a_pod_each(&cluster, "web", &owned()).await;
    keep(&cluster, "web-pdb", "web").await;
    let evictions = Arc::new(AtomicUsize::new(0));
    let counter = evictions.clone();
    cluster
        .server
        .in_memory()
        .set_faults(on_requests(move |attempt| {
            if attempt.subresource == "eviction" {
                counter.fetch_add(1, Ordering::Relaxed);
            }
            Outcome::Serve
        }));
    cluster.change().await;
    let named = |it: &Cluster| {
        blocked(it).is_some_and(|(reason, message)| {
            reason == "BlockedByPodDisruptionBudget"
                && message.contains("web-pdb")
                && message.contains("shop/web-")
        })
    };
    cluster.until(SOON, "pod and budget are named", named).await;

    evictions.store(0, Ordering::Relaxed);
    tokio::time::sleep(Duration::from_mins(10)).await;
    let asked = evictions.load(Ordering::Relaxed);
    assert!((9..=10).contains(&asked), "{asked} times in ten minutes");

    tokio::time::sleep(Duration::from_secs(10)).await;
    cluster.merge(budget("web-pdb", "web", 1)).await;
    let gone = |it: &Cluster| it.list("pods").len() == 2;
    cluster
        .until(Duration::from_secs(2), "one is let go", gone)
        .await;
}

pub(crate) async fn what_the_owner_has_not_allowed_blocks_the_drain_by_name_and_disturbs_nobody_else(
    place: &Place,
) {
    let annotated = |key: &str, value: &str| {
        let mut pod = owned();
        pod["metadata"]["annotations"] = json!({key: value});
        pod
    };
    let mut with_claim = owned();
    with_claim["spec"]["volumes"] =
        json!([{"name": "data", "persistentVolumeClaim": {"claimName": "data"}}]);
    for (pod, reason, setting) in [
        (
            json!({}),
            "UnmanagedPod",
            json!({"deleteUnmanagedPods": true}),
        ),
        (
            annotated("karpenter.sh/do-not-disrupt", "true"),
            "PodAsksNotToBeDisturbed",
            json!({"respectDoNotDisrupt": false}),
        ),
        (
            annotated("cluster-autoscaler.kubernetes.io/safe-to-evict", "false"),
            "PodAsksNotToBeDisturbed",
            json!({"respectDoNotDisrupt": false}),
        ),
        (
            with_claim,
            "PodHasLocalVolume",
            json!({"deleteLocalVolumes": true}),
        ),
    ] {
        let cluster = three_workers(place, Habits::default()).await;
        let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "disk"},
                "spec": {"capacity": {"storage": "1Gi"}, "accessModes": ["ReadWriteOnce"],
                    "local": {"path": "/mnt"}, "claimRef": {"namespace": "shop", "name": "data"},
                    "nodeAffinity": {"required": {"nodeSelectorTerms": [{"matchExpressions":
                        [{"key": "kubernetes.io/hostname", "operator": "Exists"}]}]}}}});
        cluster.create(volume).await;
        a_pod_each(&cluster, "odd", &pod).await;
        a_pod_each(&cluster, "web", &owned()).await;

        cluster.change().await;
        let named = |it: &Cluster| {
            blocked(it).is_some_and(|(why, message)| why == reason && message.contains("shop/odd-"))
        };
        cluster.until(SOON, reason, named).await;
        cluster.pass(Duration::from_mins(5)).await;
        assert_eq!(cluster.list("pods").len(), 6, "{reason}");

        cluster.create(policy(&setting)).await;
        cluster
            .until(ROLLOUT, "the owner lets them go", all_updated)
            .await;
        assert!(cluster.list("pods").is_empty(), "{reason}");
    }
}

pub(crate) async fn a_pod_with_two_budgets_is_named_with_both(place: &Place) {
    let cluster = three_workers(place, Habits::default()).await;
    a_pod_each(&cluster, "web", &owned()).await;
    keep(&cluster, "one", "web").await;
    keep(&cluster, "other", "web").await;

    cluster.change().await;

    let named = |it: &Cluster| {
        blocked(it).is_some_and(|(reason, message)| {
            reason == "TwoPodDisruptionBudgets" && message.contains("(one, other)")
        })
    };
    cluster.until(SOON, "both are named", named).await;
    let setting = json!({"leavePodsWithTwoBudgets": true});
    cluster.create(policy(&setting)).await;
    cluster
        .until(ROLLOUT, "the owner has them left", all_updated)
        .await;
    assert_eq!(cluster.list("pods").len(), 3);
}

pub(crate) async fn finalizers_that_keep_a_pod_are_named(place: &Place) {
    let cluster = three_workers(place, Habits::default()).await;
    let mut kept = owned();
    kept["metadata"]["finalizers"] = json!(["example.com/slow"]);
    a_pod_each(&cluster, "web", &kept).await;

    cluster.change().await;

    let named = |it: &Cluster| {
        blocked(it).is_some_and(|(reason, message)| {
            reason == "PodKeptByFinalizers" && message.contains("example.com/slow")
        })
    };
    cluster
        .until(Duration::from_mins(2), "they are named", named)
        .await;
    let setting = json!({"waitForFinalizers": false});
    cluster.create(policy(&setting)).await;
    cluster
        .until(ROLLOUT, "the owner does not wait for them", all_updated)
        .await;
}

pub(crate) async fn pods_of_daemon_sets_and_mirror_pods_stay_and_empty_dirs_go(place: &Place) {
    let cluster = three_workers(place, Habits::default()).await;
    let mut daemon = owned();
    daemon["metadata"]["ownerReferences"][0]["kind"] = json!("DaemonSet");
    let mirror = json!({"metadata": {"annotations": {"kubernetes.io/config.mirror": "x"}}});
    let mut scratch = owned();
    scratch["spec"]["volumes"] = json!([{"name": "tmp", "emptyDir": {}}]);
    a_pod_each(&cluster, "log", &daemon).await;
    a_pod_each(&cluster, "static", &mirror).await;
    a_pod_each(&cluster, "cache", &scratch).await;

    cluster.change().await;
    cluster.until(ROLLOUT, "all are updated", all_updated).await;

    let pods = cluster.list("pods");
    let names: Vec<&str> = pods
        .iter()
        .filter_map(|pod| pod["metadata"]["name"].as_str())
        .collect();
    assert_eq!(
        names,
        [
            "log-0", "log-1", "log-2", "static-0", "static-1", "static-2"
        ]
    );
}

pub(crate) async fn a_drain_that_takes_too_long_is_told_once_and_waited_for(place: &Place) {
    let cluster = three_workers(place, Habits::default()).await;
    a_pod_each(&cluster, "web", &owned()).await;
    keep(&cluster, "web-pdb", "web").await;
    cluster
        .create(policy(&json!({"timeoutSeconds": place.seconds(120)})))
        .await;

    cluster.change().await;
    let told = |it: &Cluster| {
        let mut drained = cordoned(it).into_iter();
        drained.any(|node| it.events_on(&node).contains(&"DrainFailed".to_owned()))
    };
    cluster.until(ROLLOUT, "it is told", told).await;
    cluster.pass(Duration::from_mins(30)).await;

    let drained = cordoned(&cluster);
    assert_eq!(drained.len(), 1, "it is waited for");
    let told = cluster.events_on(&drained[0]);
    let failed = told.iter().filter(|reason| *reason == "DrainFailed");
    assert_eq!(failed.count(), 1, "{told:?}");
}

pub(crate) async fn a_drain_that_takes_too_long_is_given_up_where_the_owner_says_so_and_others_go_first(
    place: &Place,
) {
    let cluster = three_workers(place, Habits::default()).await;
    cluster.pod("web", "worker-0", owned()).await;
    let tier = json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": "web", "namespace": "shop", "labels": {"tier": "web"}}});
    cluster.merge(tier).await;
    keep(&cluster, "web-pdb", "web").await;
    let setting = json!({"timeoutSeconds": place.seconds(120), "onTimeout": "Release"});
    cluster.create(policy(&setting)).await;

    cluster.change().await;
    let first = |it: &Cluster| cordoned(it) == ["worker-0"];
    cluster.until(SOON, "the first is drained", first).await;
    let target = cluster.target("worker");
    let others = |it: &Cluster| {
        let has = |node: &str| it.annotation(node, crate::workers::CURRENT) == target;
        has("worker-1") && has("worker-2")
    };
    cluster.until(ROLLOUT, "the others go", others).await;

    assert!(
        cluster.get("pods", "shop", "web").is_some(),
        "nothing was forced"
    );
    cluster.merge(budget("web-pdb", "web", 1)).await;
    cluster.until(ROLLOUT, "it follows", all_updated).await;
}
