//! What people see of a rollout: conditions, taints, and how often any of it is written.

use crate::played::Habits;
use crate::server::Place;
use crate::support::{Cluster, cluster, machine_config, named, on_requests};
use crate::workers::{CURRENT, DESIRED, ROLLOUT, SOON, all_updated, three_workers};
use serde_json::{Value, json};
use simulation::server::observe::Changes;
use simulation::server::{Event, Outcome};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

const POOLS: &str = "machineconfigpools.machineconfiguration.openshift.io";

fn has_taint(node: &Value) -> bool {
    let taints = node["spec"]["taints"].as_array();
    taints
        .into_iter()
        .flatten()
        .any(|taint| taint["key"] == "UpdateInProgress" && taint["effect"] == "PreferNoSchedule")
}

/// What was written on a node, for a failing test.
fn story(versions: &[Event], name: &Value) -> String {
    let of_node = versions
        .iter()
        .filter(|it| it.object["metadata"]["name"] == *name);
    let one = |it: &Event| {
        let node = &it.object;
        let desired = &node["metadata"]["annotations"][DESIRED];
        format!(
            "{}: desired {desired}, tainted {}\n",
            it.version,
            has_taint(node)
        )
    };
    of_node.map(one).collect()
}

/// What was stored since the last look.
fn events(changes: &mut Changes) -> Vec<Event> {
    let events = changes.drain().unwrap().into_iter();
    events.map(|(_, event)| event).collect()
}

pub(crate) async fn a_node_that_is_still_to_come_bears_the_taint_and_loses_it_with_its_assignment(
    place: &Place,
) {
    let cluster = three_workers(place, Habits::default()).await;
    let mut changes = cluster.server.in_memory().observer().subscribe(&["nodes"]);
    cluster.change().await;
    let target = cluster.target("worker").unwrap();
    cluster.until(ROLLOUT, "all are updated", all_updated).await;

    let versions = events(&mut changes);
    let tainted = versions.iter().filter(|it| has_taint(&it.object));
    let mut names = BTreeSet::new();
    for change in tainted {
        let node = &change.object["metadata"];
        names.insert(node["name"].to_string());
        let assigned = node["annotations"][DESIRED] == target;
        assert!(!assigned, "{}", story(&versions, &node["name"]));
    }
    assert!(names.len() >= 2, "those that wait bear it: {names:?}");
    for number in 0..3 {
        let node = cluster
            .get("nodes", "", &format!("worker-{number}"))
            .unwrap();
        assert!(!has_taint(&node));
    }
}

pub(crate) async fn taints_are_written_at_a_limited_rate_and_no_assignment_waits_for_them(
    place: &Place,
) {
    let mut cluster = cluster(place).await;
    cluster.config.rates.taints = std::num::NonZeroU32::MIN;
    cluster.pool("worker", json!({"maxUnavailable": 1})).await;
    cluster
        .create(machine_config("00-worker", "worker", "base"))
        .await;
    for number in 0..30 {
        cluster.node(&format!("worker-{number:02}"), "worker").await;
    }
    let mut changes = cluster.server.in_memory().observer().subscribe(&["nodes"]);
    cluster.start();

    let assigned = |it: &Cluster| it.annotation("worker-00", DESIRED).is_some();
    cluster
        .until(Duration::from_secs(3), "the first is assigned", assigned)
        .await;
    // For the first five seconds nobody waits for long enough.
    tokio::time::sleep(Duration::from_secs(15)).await;

    let versions = events(&mut changes);
    let set = versions.iter().filter(|it| {
        has_taint(&it.object)
            && it
                .previous
                .as_ref()
                .is_some_and(|before| !has_taint(before))
    });
    // Two at once, and one a second.
    let count = set.count();
    assert!((9..=16).contains(&count), "{count} in about 13 s");
}

pub(crate) async fn a_pool_s_changing_facts_are_written_at_most_once_a_second(place: &Place) {
    let cluster = three_workers(
        place,
        Habits {
            works: Duration::from_millis(300),
            drains: false,
            ..Habits::default()
        },
    )
    .await;
    let mut changes = cluster.server.in_memory().observer().subscribe(&[POOLS]);
    let mut last: Option<(Value, tokio::time::Instant)> = None;
    cluster.change().await;

    let end = tokio::time::Instant::now() + Duration::from_mins(1);
    while tokio::time::Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(50)).await;
        for change in events(&mut changes) {
            let edges = edges(&change.object);
            let now = tokio::time::Instant::now();
            if let Some((before, at)) = &last {
                let apart = now.duration_since(*at) >= Duration::from_millis(900);
                assert!(apart || *before != edges, "twice within a second: {edges}");
            }
            last = Some((edges, now));
        }
    }

    assert!(all_updated(&cluster), "{}", cluster.state());
}

/// What somebody may wait for.
fn edges(pool: &Value) -> Value {
    let conditions = pool["status"]["conditions"].as_array();
    let edges: BTreeMap<String, Value> = conditions
        .into_iter()
        .flatten()
        .map(|c| (c["type"].to_string(), json!([c["status"], c["reason"]])))
        .collect();
    json!([
        edges,
        pool["spec"]["configuration"]["name"],
        pool["status"]["configuration"]["name"],
        pool["status"]["observedGeneration"]
    ])
}

pub(crate) async fn a_config_that_does_not_render_degrades_the_pool_until_it_is_mended(
    place: &Place,
) {
    let cluster = three_workers(place, Habits::default()).await;
    let mut broken = machine_config("99-broken", "worker", "x");
    broken["spec"]["kernelType"] = json!("bespoke");

    cluster.create(broken).await;
    let degraded = |status: &'static str| {
        move |it: &Cluster| {
            let is = |kind: &str| {
                let condition = it.condition("machineconfigpools", "worker", kind);
                condition.is_some_and(|condition| condition["status"] == status)
            };
            is("RenderDegraded") && is("Degraded")
        }
    };
    cluster
        .until(SOON, "it is degraded", degraded("True"))
        .await;
    let condition = cluster
        .condition("machineconfigpools", "worker", "RenderDegraded")
        .unwrap();
    let message = condition["message"].as_str().unwrap();
    assert!(message.contains("99-broken"), "{message}");

    let v1 = "machineconfiguration.openshift.io/v1";
    cluster
        .delete(named(v1, "MachineConfig", "", "99-broken"))
        .await;
    cluster.until(SOON, "it is mended", degraded("False")).await;
}

pub(crate) async fn a_change_that_only_some_hosts_can_apply_is_held_on_those_by_name(
    place: &Place,
) {
    let cluster = three_workers(place, Habits::default()).await;
    let poor = json!({"windlass.dev/capabilities": "Files,Units"});
    cluster
        .merge(json!({"apiVersion": "v1", "kind": "Node",
                "metadata": {"name": "worker-1", "annotations": poor}}))
        .await;
    let before = cluster.target("worker");
    let mut arguments = machine_config("50-arguments", "worker", "x");
    arguments["spec"]["kernelArguments"] = json!(["nosmt"]);
    cluster.create(arguments).await;
    cluster
        .until(SOON, "the target moves", |it| it.target("worker") != before)
        .await;

    let target = cluster.target("worker");
    let others = |it: &Cluster| {
        let has = |node: &str| it.annotation(node, CURRENT) == target;
        has("worker-0") && has("worker-2")
    };
    cluster.until(ROLLOUT, "the others have it", others).await;
    cluster.pass(Duration::from_mins(5)).await;

    assert_eq!(cluster.annotation("worker-1", DESIRED), before);
    let held = cluster
        .condition("machineconfignodes", "worker-1", "Held")
        .unwrap();
    assert_eq!(held["reason"], "UnsupportedChange");
    assert!(
        held["message"].to_string().contains("KernelArguments"),
        "{held}"
    );
}

pub(crate) async fn a_status_that_cannot_be_written_keeps_no_other_pool_from_being_shown(
    place: &Place,
) {
    let cluster = three_workers(place, Habits::default()).await;
    cluster
        .server
        .in_memory()
        .set_faults(on_requests(|attempt| {
            if attempt.subresource == "status" && attempt.name == "a-first" {
                Outcome::Refuse(500)
            } else {
                Outcome::Serve
            }
        }));
    cluster.pool("a-first", json!({})).await;

    cluster.change().await;

    cluster
        .until(ROLLOUT, "the other pool is shown", all_updated)
        .await;
}
