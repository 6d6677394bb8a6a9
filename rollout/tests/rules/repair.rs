//! A node that we broke is repaired by us (promise 4).

use crate::fleet::{Read, Told, ago, fleet, node};
use rollout::names::Intent;
use rollout::plan::Slot;

#[test]
fn a_broken_node_takes_the_corrected_config_first_and_without_another_slot() {
    let fleet = fleet()
        .node(node("b").failed("old", "bad").not_ready(60))
        .done(&["a"], "old");

    let plan = fleet.plan();

    assert_eq!(plan.given(), ["b: new"]);
    assert_eq!(plan.slot_of("b"), Some(Slot::Repair));
    assert_eq!(
        plan.hold("a").to_string(),
        "all 1 slots of its pool are taken by b"
    );
}

#[test]
fn a_node_whose_kubelet_the_config_killed_is_repaired_too() {
    let killed = node("b")
        .done("bad")
        .not_ready(120)
        .with(|node| node.reported_at = Some(ago(130)));
    let fleet = fleet().node(killed).holds("b", "bad").done(&["a"], "old");

    let plan = fleet.plan();

    assert_eq!(plan.given(), ["b: new"]);
}

#[test]
fn a_corrected_config_reaches_all_broken_nodes_at_once_and_one_healthy_node_waits() {
    let fleet = fleet()
        .node(node("b").failed("old", "bad"))
        .node(node("c").failed("old", "bad"))
        .done(&["a"], "old")
        .slots(3)
        .settings(|settings| settings.first_alone = 1);

    let plan = fleet.plan();

    assert_eq!(plan.given(), ["b: new", "c: new"]);
    assert_eq!(plan.why("a"), "FirstAlone");
}

#[test]
fn a_node_that_failed_on_the_target_waits_by_the_daemons_words() {
    let fleet = fleet()
        .node(node("a").failed("old", "new"))
        .holds("a", "new");

    let plan = fleet.plan();

    assert_eq!(
        plan.hold("a").to_string(),
        "rendered-worker-new failed on it: it does not boot"
    );
    assert_eq!(plan.holders(), ["a"]);
}

#[test]
fn a_broken_node_of_a_paused_pool_is_not_repaired() {
    let fleet = fleet()
        .node(node("a").failed("old", "bad"))
        .worker(|pool| pool.paused = true);

    assert_eq!(fleet.plan().given(), [""; 0]);
}

#[test]
fn the_reference_leaves_a_broken_node_where_it_is() {
    let mut fleet = fleet()
        .node(node("a").failed("old", "bad").not_ready(60))
        .done(&["b"], "old");
    fleet.policy = rollout::Policy::reference();

    assert_eq!(fleet.plan().given(), [""; 0]);
}

#[test]
fn a_daemon_that_ended_up_with_another_config_is_told_again() {
    let odd = node("a").done("old").with(|node| {
        node.desired = Some(crate::fleet::config("new"));
        node.intent = Intent(2);
        node.acted_intent = Intent(2);
    });
    let fleet = fleet().node(odd).holds("a", "new");

    let plan = fleet.plan();

    assert_eq!(plan.given(), ["a: new"]);
    assert_eq!(plan.assign("a").expect("an assignment").intent, Intent(3));
}
