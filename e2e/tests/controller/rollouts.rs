//! Whole rollouts: slots, assignments, drains, and what is shown of them.

use crate::played::Habits;
use crate::server::Place;
use crate::support::{Cluster, machine_config, named, owned};
use crate::workers::{CURRENT, DESIRED, ROLLOUT, SOON, all_updated, cordoned, three_workers};
use serde_json::json;
use simulation::server::{Attempt, Fate};
use std::time::Duration;

pub(crate) async fn a_change_reaches_every_node_and_leaves_no_trace_of_its_drains(place: &Place) {
    let cluster = three_workers(place, Habits::default()).await;
    cluster.pod("web", "worker-1", owned()).await;
    let before = cluster.target("worker");

    cluster
        .create(machine_config("50-worker", "worker", "more"))
        .await;
    cluster
        .until(SOON, "the target moves", |it| it.target("worker") != before)
        .await;
    cluster.until(ROLLOUT, "all are updated", all_updated).await;

    assert!(
        cluster.get("pods", "shop", "web").is_none(),
        "it was evicted"
    );
    assert_eq!(cordoned(&cluster), [""; 0]);
    for number in 0..3 {
        let node = format!("worker-{number}");
        assert_eq!(
            cluster.annotation(&node, "karpenter.sh/do-not-disrupt"),
            None
        );
        assert_eq!(cluster.annotation(&node, "windlass.dev/cordoned"), None);
        let updated = |it: &Cluster| {
            let shown = it.condition("machineconfignodes", &node, "Updated");
            shown.is_some_and(|updated| updated["status"] == "True")
        };
        cluster.until(SOON, "it is shown as updated", updated).await;
    }
    let told = |it: &Cluster| it.events_on("worker").contains(&"Completed".to_owned());
    cluster.until(SOON, "the end is told", told).await;
}

pub(crate) async fn never_more_nodes_are_away_than_the_budget_allows(place: &Place) {
    let cluster = three_workers(place, Habits::default()).await;
    cluster.change().await;

    let within_budget = |it: &Cluster| {
        assert!(cordoned(it).len() <= 1, "{:?} are away", cordoned(it));
        assert!(it.holders().len() <= 1, "{:?} hold a slot", it.holders());
        all_updated(it)
    };
    cluster
        .until(ROLLOUT, "all are updated", within_budget)
        .await;
}

pub(crate) async fn a_slot_stays_with_a_node_whose_not_ready_the_watch_has_not_told_yet(
    place: &Place,
) {
    let habits = Habits {
        drains: false,
        works: Duration::ZERO,
        restarts_kubelet: Some(Duration::from_secs(20)),
    };
    let mut cluster = three_workers(place, habits).await;
    cluster.kill().await;
    cluster
        .server
        .in_memory()
        .set_faults(|attempt: &Attempt<'_>| {
            let late = attempt.actor.starts_with("controller") && attempt.resource == "nodes";
            Fate {
                watch_delay: Duration::from_secs(if late { 10 } else { 0 }),
                ..Fate::default()
            }
        });
    cluster.start_as("controller-1");

    cluster.change().await;
    let one_at_a_time = |it: &Cluster| {
        let away: Vec<String> = (0..3)
            .map(|number| format!("worker-{number}"))
            .filter(|node| {
                let target = it.target("worker");
                let taken = it.annotation(node, DESIRED) == target;
                taken && !it.is_ready(node)
            })
            .collect();
        let in_flight = (0..3).filter(|number| {
            let node = format!("worker-{number}");
            it.annotation(&node, DESIRED) != it.annotation(&node, CURRENT)
        });
        assert!(
            away.len() + in_flight.count() <= 1,
            "{away:?} is not Ready, and another one was taken"
        );
        all_updated(it)
    };
    cluster
        .until(ROLLOUT, "all are updated", one_at_a_time)
        .await;
}

pub(crate) async fn a_budget_at_zero_is_named_at_the_first_refusal_and_waited_for(place: &Place) {
    let cluster = three_workers(place, Habits::default()).await;
    for number in 0..3 {
        cluster
            .pod(
                &format!("web-{number}"),
                &format!("worker-{number}"),
                owned(),
            )
            .await;
        let label = json!({"apiVersion": "v1", "kind": "Pod", "metadata":
                {"name": format!("web-{number}"), "namespace": "shop", "labels": {"tier": "web"}}});
        cluster.merge(label).await;
    }
    let budget = |allowed: i32| {
        json!({
            "apiVersion": "policy/v1", "kind": "PodDisruptionBudget",
            "metadata": {"name": "web-pdb", "namespace": "shop"},
            "status": {"disruptionsAllowed": allowed, "currentHealthy": 3, "desiredHealthy": 3,
                "expectedPods": 3, "observedGeneration": 1},
        })
    };
    let mut new = budget(0);
    new["spec"] = json!({"minAvailable": 3, "selector": {"matchLabels": {"tier": "web"}}});
    cluster.create(new).await;
    cluster.merge(budget(0)).await;

    cluster
        .create(machine_config("50-worker", "worker", "more"))
        .await;
    let named = |it: &Cluster| {
        (0..3).any(|number| {
            let node = format!("worker-{number}");
            let drained = it
                .condition("machineconfignodes", &node, "Drained")
                .unwrap_or_default();
            let message = drained["message"].as_str().unwrap_or_default();
            message.contains("web-pdb") && message.contains("shop/web-")
        })
    };
    cluster.until(SOON, "pod and budget are named", named).await;
    cluster.pass(Duration::from_mins(30)).await;
    assert_eq!(cluster.list("pods").len(), 3, "nothing was forced");

    cluster.merge(budget(3)).await;
    cluster
        .until(ROLLOUT, "it goes on at once", all_updated)
        .await;
}

pub(crate) async fn a_controller_that_is_killed_in_mid_drain_goes_on_where_the_cluster_is(
    place: &Place,
) {
    let mut cluster = three_workers(place, Habits::default()).await;
    cluster.hold_drains().await;
    cluster
        .create(machine_config("50-worker", "worker", "more"))
        .await;
    cluster
        .until(SOON, "a drain is under way", |it| cordoned(it).len() == 1)
        .await;
    let (draining, holders) = (cordoned(&cluster), cluster.holders());

    cluster.kill().await;
    cluster.start_as("controller-1");
    cluster.pass(Duration::from_mins(2)).await;

    assert_eq!(cordoned(&cluster), draining, "no other node was taken");
    assert_eq!(cluster.holders(), holders);
    cluster.free_drains().await;
    cluster.until(ROLLOUT, "all are updated", all_updated).await;
}

pub(crate) async fn a_lost_ledger_is_rebuilt_from_the_nodes_before_anybody_is_taken(place: &Place) {
    let cluster = three_workers(place, Habits::default()).await;
    cluster.hold_drains().await;
    cluster
        .create(machine_config("50-worker", "worker", "more"))
        .await;
    cluster
        .until(SOON, "one is on its way", |it| cordoned(it).len() == 1)
        .await;
    let holders = cluster.holders();

    cluster
        .delete(named("windlass.dev/v1alpha1", "SlotLedger", "", "cluster"))
        .await;
    cluster
        .until(SOON, "it is rebuilt", |it| it.holders() == holders)
        .await;
    cluster.free_drains().await;

    let within_budget = |it: &Cluster| {
        assert!(cordoned(it).len() <= 1, "{:?} are away", cordoned(it));
        all_updated(it)
    };
    cluster
        .until(Duration::from_mins(30), "all are updated", within_budget)
        .await;
}

pub(crate) async fn a_desired_config_that_somebody_wrote_by_hand_is_put_back(place: &Place) {
    let cluster = three_workers(place, Habits::default()).await;
    let target = cluster.target("worker");
    let by_hand = json!({"apiVersion": "v1", "kind": "Node", "metadata":
            {"name": "worker-1", "annotations": {DESIRED: "rendered-worker-elsewhere"}}});

    cluster.merge(by_hand).await;
    let back = |it: &Cluster| it.annotation("worker-1", DESIRED) == target;
    cluster.until(SOON, "it is put back", back).await;

    let told = |it: &Cluster| {
        let reasons = it.events_on("worker-1");
        reasons.contains(&"DesiredConfigPutBack".to_owned())
    };
    cluster.until(SOON, "it is told", told).await;
}

pub(crate) async fn a_node_that_was_cordoned_by_somebody_is_left_as_it_was_found(place: &Place) {
    let cluster = three_workers(place, Habits::default()).await;
    let cordon = json!({"apiVersion": "v1", "kind": "Node", "metadata": {"name": "worker-0"},
            "spec": {"unschedulable": true}});
    cluster.merge(cordon).await;

    cluster.change().await;
    cluster.pass(Duration::from_mins(5)).await;

    assert_eq!(cordoned(&cluster), ["worker-0"]);
    assert_eq!(
        cluster.annotation("worker-0", "windlass.dev/cordoned"),
        None
    );
}

pub(crate) async fn a_person_may_force_a_node_through_the_ledger(place: &Place) {
    let cluster = three_workers(place, Habits::default()).await;
    let first = cluster.target("worker").unwrap();
    cluster
        .create(machine_config("50-worker", "worker", "more"))
        .await;
    cluster
        .until(SOON, "the target moves", |it| {
            it.target("worker").as_ref() != Some(&first)
        })
        .await;
    cluster.until(ROLLOUT, "all are updated", all_updated).await;
    let pause = json!({"apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfigPool",
            "metadata": {"name": "worker"}, "spec": {"paused": true}});
    cluster.merge(pause).await;
    let intent: u64 = cluster
        .annotation("worker-2", "windlass.dev/intent")
        .unwrap()
        .parse()
        .unwrap();

    let request = json!({"config": first, "reason": "to compare", "by": "me"}).to_string();
    let ask = json!({"apiVersion": "v1", "kind": "Node", "metadata":
            {"name": "worker-2", "annotations": {"windlass.dev/assign-request": request}}});
    cluster.merge(ask).await;

    let there = |it: &Cluster| it.annotation("worker-2", CURRENT).as_ref() == Some(&first);
    cluster.until(ROLLOUT, "the node has it", there).await;
    assert_eq!(
        cluster.annotation("worker-2", "windlass.dev/assign-request"),
        None
    );
    let raised: u64 = cluster
        .annotation("worker-2", "windlass.dev/intent")
        .unwrap()
        .parse()
        .unwrap();
    assert!(raised > intent);
}

pub(crate) async fn a_settled_cluster_is_left_alone(place: &Place) {
    let cluster = three_workers(place, Habits::default()).await;
    tokio::time::sleep(Duration::from_mins(2)).await;
    let trace = simulation::server::Lines::default();
    cluster.server.in_memory().set_trace(trace.clone());

    tokio::time::sleep(Duration::from_mins(30)).await;

    let lines = trace.taken();
    let asked: Vec<&String> = lines
        .iter()
        .filter(|line| line.contains(" controller-0 > "))
        .collect();
    assert!(
        asked.iter().any(|line| line.contains("/leases/")),
        "it is alive"
    );
    let is_allowed = |line: &str| {
        line.contains("/leases/windlass-controller")
            || line.contains("watch=true")
            || line.contains("GET /version")
    };
    let others: Vec<_> = asked.into_iter().filter(|line| !is_allowed(line)).collect();
    assert!(others.is_empty(), "{others:#?}");
}
