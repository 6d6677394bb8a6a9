//! One node first, and an early stop.

use crate::fleet::{Fleet, NOW, Read, Told, ago, config, fleet, node};
use jiff::SignedDuration;
use rollout::policy::MaxFailures;

fn careful() -> Fleet {
    fleet()
        .slots(8)
        .settings(|settings| settings.first_alone = 1)
}

#[test]
fn a_config_goes_to_one_node_first() {
    let fleet = careful().done(&["a", "b"], "old");

    let plan = fleet.plan();

    assert_eq!(plan.given(), ["a: new"]);
    assert_eq!(
        plan.hold("b").to_string(),
        "rendered-worker-new is tried alone first, by a"
    );
}

#[test]
fn the_others_wait_until_the_first_is_done_and_freshly_ready() {
    let rebooted = node("a")
        .done("new")
        .with(|node| node.lease_renewed_at = Some(ago(9000)));
    let waits = careful()
        .node(rebooted)
        .holds("a", "new")
        .done(&["b", "c"], "old");
    let proven = careful()
        .node(node("a").done("new"))
        .done(&["b", "c"], "old");

    assert_eq!(waits.plan().why("b"), "FirstAlone");
    assert_eq!(proven.plan().given(), ["b: new", "c: new"]);
}

#[test]
fn a_config_that_kills_nodes_kills_one() {
    let killed = node("a")
        .done("new")
        .not_ready(9000)
        .with(|node| node.reported_at = Some(ago(9100)));
    let fleet = careful().node(killed).holds("a", "new").done(&["b"], "old");

    let plan = fleet.plan();

    assert_eq!(plan.given(), [""; 0]);
    assert_eq!(plan.why("b"), "FirstAlone");
    assert_eq!(plan.holders(), ["a"]);
}

#[test]
fn a_rollout_stops_at_a_quarter_of_the_slots() {
    let one = careful()
        .settings(|settings| settings.first_alone = 0)
        .node(node("a").failed("old", "new"))
        .done(&["c"], "old");
    let two = one.clone().node(node("b").failed("old", "new"));

    assert_eq!(one.plan().given(), ["c: new"]);
    assert_eq!(two.plan().why("c"), "RolloutStopped");
    assert!(
        two.plan()
            .hold("c")
            .to_string()
            .contains("2 of at most 2 failures: a and b")
    );
}

#[test]
fn a_stopped_rollout_goes_on_with_approval_by_name() {
    let stopped = fleet()
        .slots(8)
        .settings(|settings| settings.max_failures = MaxFailures::AtMost(1))
        .node(node("a").failed("old", "new"))
        .done(&["b"], "old");
    let approved = stopped
        .clone()
        .worker(|pool| pool.approved_config = Some(config("new")));
    let other = stopped
        .clone()
        .worker(|pool| pool.approved_config = Some(config("old")));

    assert_eq!(stopped.plan().why("b"), "RolloutStopped");
    assert_eq!(other.plan().why("b"), "RolloutStopped");
    assert_eq!(approved.plan().given(), ["b: new"]);
}

#[test]
fn nodes_that_were_down_before_are_no_failures() {
    let fleet = fleet()
        .slots(4)
        .settings(|settings| settings.max_failures = MaxFailures::AtMost(1))
        .node(node("a").done("old").not_ready(600))
        .node(node("b").done("old").not_ready(600))
        .done(&["c"], "old");

    assert_eq!(fleet.plan().given(), ["c: new"]);
}

#[test]
fn a_node_that_is_not_ready_for_too_long_with_its_config_has_failed() {
    let slow = node("a")
        .done("new")
        .not_ready(300)
        .with(|node| node.reported_at = Some(ago(310)));
    let fleet = fleet()
        .slots(4)
        .settings(|settings| settings.max_failures = MaxFailures::AtMost(1))
        .node(slow)
        .holds("a", "new")
        .done(&["b"], "old");

    let early = fleet.plan();
    let (at, _) = early.wake_at.expect("somebody looks again");
    let late = fleet.plan_at(at);

    assert_eq!(early.given(), ["b: new"]);
    assert_eq!(at, NOW + SignedDuration::from_secs(300));
    assert_eq!(late.why("b"), "RolloutStopped");
}

#[test]
fn a_node_in_flight_waits_with_a_newer_config_until_another_has_proven_it() {
    let fleet = careful()
        .node(node("a").on_the_way("old", "bad"))
        .node(node("b").on_the_way("old", "bad"))
        .holds("a", "bad")
        .holds("b", "bad");

    let plan = fleet.plan();

    assert_eq!(plan.given(), ["a: new"]);
    assert_eq!(plan.why("b"), "InFlight");
}
