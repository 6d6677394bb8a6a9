//! Nodes that never had a config.

use crate::fleet::{Read, Told, ago, fleet, node, ready};
use rollout::snapshot::{AtFirst, Truth};

#[test]
fn a_living_node_without_a_config_is_taken_like_any_other() {
    let fleet = fleet().node(node("a")).node(node("b"));

    let plan = fleet.plan();

    assert_eq!(plan.given(), ["a: new"]);
    assert_eq!(plan.why("b"), "NoFreeSlot");
}

#[test]
fn the_first_config_over_living_nodes_waits_for_approval_by_name() {
    let held = fleet()
        .node(node("a"))
        .node(node("b"))
        .worker(|pool| pool.approved_first = None);
    let other = held
        .clone()
        .worker(|pool| pool.approved_first = Some("rendered-worker-other".into()));

    let plan = held.plan();

    assert_eq!(plan.steps, []);
    assert_eq!(
        plan.hold("a").to_string(),
        "rendered-worker-new is the first rendered config of its pool and waits for approval; it would go to 2 \
         living nodes, 1 at a time. Annotate the pool with windlass.dev/approve-first=rendered-worker-new"
    );
    assert_eq!(other.plan().why("a"), "AwaitingFirstApproval");
    let says = other.plan().hold("a").to_string();
    assert!(
        says.ends_with("; it says rendered-worker-other, which approves nothing here"),
        "{says}"
    );
}

#[test]
fn whoever_approves_is_told_what_the_first_config_does_to_a_node() {
    let fleet = fleet()
        .node(node("a"))
        .config("new", ("k1", "r2"), None)
        .first_visit(
            "new",
            AtFirst {
                paths: 12,
                units: 3,
                drains: true,
                reboots: true,
            },
        )
        .worker(|pool| pool.approved_first = None);

    let plan = fleet.plan();

    assert_eq!(
        plan.hold("a").to_string(),
        "rendered-worker-new is the first rendered config of its pool and waits for approval; it would go to 1 \
         living nodes, 1 at a time; it brings 12 files and 3 units, and drains and reboots a node that lacks them. \
         Annotate the pool with windlass.dev/approve-first=rendered-worker-new"
    );
}

#[test]
fn a_pool_that_was_let_go_once_needs_no_further_approval() {
    let fleet = fleet()
        .done(&["a"], "old")
        .node(node("b"))
        .worker(|pool| pool.approved_first = None);

    assert_eq!(fleet.plan().given(), ["a: new"]);
}

#[test]
fn a_person_s_request_for_one_node_approves_nothing_for_the_others() {
    let asked_for = node("a").done("new").with(|node| node.on_request = true);
    let fleet = fleet()
        .node(asked_for)
        .node(node("b"))
        .worker(|pool| pool.approved_first = None);

    assert_eq!(fleet.plan().why("b"), "AwaitingFirstApproval");
}

#[test]
fn nodes_that_come_from_another_pool_do_not_approve_this_one() {
    let mover = node("a")
        .done("old")
        .labelled("node-role.kubernetes.io/gpu", "");
    let fleet = fleet()
        .pool("gpu", "new")
        .of_pool("gpu", |pool| pool.approved_first = None)
        .node(mover);

    assert_eq!(fleet.plan().why("a"), "AwaitingFirstApproval");
}

#[test]
fn a_pool_of_nodes_that_never_lived_needs_no_approval() {
    let unborn = node("a").with(|node| {
        node.created = Some(ago(10));
        node.conditions = vec![ready(Truth::False, ago(10))];
    });
    let fleet = fleet()
        .node(unborn)
        .worker(|pool| pool.approved_first = None);

    assert_eq!(fleet.plan().why("a"), "NeverReady");
}

#[test]
fn the_reference_never_gets_to_a_node_without_a_config_by_its_only_slot() {
    let mut fleet = fleet().node(node("a"));
    fleet.policy = rollout::Policy::reference();

    assert_eq!(fleet.plan().given(), [""; 0]);
}
