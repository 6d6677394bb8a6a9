//! The control plane: quorum, the single node, two of them, and the leader's own.

use crate::fleet::{Fleet, Read, Told, config_of, fleet, node};
use rollout::names::Intent;
use rollout::snapshot::{ApiPod, MaxUnavailable, NodeState, NodeView};

fn master(name: &str) -> NodeView {
    node(name).master().done("old").with(|node| {
        node.current = Some(config_of("master", "old"));
        node.desired = Some(config_of("master", "old"));
    })
}

fn masters(names: &[&str]) -> Fleet {
    let fleet = fleet().pool("master", "new").of_pool("master", |pool| {
        pool.max_unavailable = MaxUnavailable::Number(9);
    });
    names
        .iter()
        .fold(fleet, |fleet, name| fleet.node(master(name)))
}

#[test]
fn one_control_plane_node_goes_at_a_time_whatever_the_pool_allows() {
    let fleet = masters(&["a", "b", "c"]);

    let plan = fleet.plan();

    assert_eq!(plan.given(), ["a: new"]);
    assert_eq!(
        plan.hold("b").to_string(),
        "of 3 control-plane nodes 1 may be away at a time, and a already are"
    );
}

#[test]
fn a_control_plane_node_of_another_pool_counts_too() {
    let away = node("z")
        .done("old")
        .labelled("node-role.kubernetes.io/etcd", "")
        .not_ready(60);
    let fleet = masters(&["a", "b"]).node(away);

    assert_eq!(fleet.plan().why("a"), "ControlPlaneQuorum");
}

#[test]
fn five_nodes_may_lose_two_where_the_owner_says_so_and_never_three() {
    let fleet = masters(&["a", "b", "c", "d", "e"])
        .settings(|settings| settings.control_plane.max_unavailable = Some(4));

    assert_eq!(fleet.plan().given(), ["a: new", "b: new"]);
}

/// A control-plane node in its drain.
fn draining(name: &str) -> NodeView {
    master(name).with(|node| {
        let target = config_of("master", "new");
        node.desired_drain = Some(format!("drain-{target}").into());
        node.desired = Some(target);
        node.state = Some(NodeState::Working);
        node.intent = Intent(2);
        node.cordoned_by_us = true;
        node.unschedulable = true;
    })
}

#[test]
fn a_node_that_is_emptied_keeps_running_while_another_has_failed_meanwhile() {
    let fleet = masters(&["c"])
        .node(draining("a"))
        .holds_for("a", "new", Intent(1));
    let failed = fleet.clone().node(master("b").not_ready(60));
    let back = fleet.clone().node(master("b"));
    let cordoned = fleet.node(master("b").with(|node| node.unschedulable = true));

    assert_eq!(
        failed.plan().hold("a").to_string(),
        "of 3 control-plane nodes 1 may be away at a time, and b already are"
    );
    assert_eq!(back.plan().why("a"), "InFlight");
    assert_eq!(cordoned.plan().why("a"), "InFlight", "its etcd serves");
}

#[test]
fn of_two_that_are_emptied_under_a_budget_that_was_lowered_one_goes_on() {
    let fleet = masters(&["c", "d", "e"])
        .node(draining("a"))
        .node(draining("b"))
        .holds_for("a", "new", Intent(1))
        .holds_for("b", "new", Intent(1))
        .settings(|settings| settings.control_plane.max_unavailable = Some(1));

    let plan = fleet.plan();

    assert_eq!(
        (plan.why("a"), plan.why("b")),
        ("InFlight", "ControlPlaneQuorum")
    );
}

#[test]
fn a_single_control_plane_node_is_updated() {
    assert_eq!(masters(&["a"]).plan().given(), ["a: new"]);
}

#[test]
fn two_control_plane_nodes_wait_until_etcd_is_elsewhere() {
    let held = masters(&["a", "b"]);
    let lifted = held
        .clone()
        .settings(|settings| settings.control_plane.external_etcd = true);

    assert_eq!(held.plan().why("a"), "TwoControlPlaneNodes");
    assert_eq!(lifted.plan().given(), ["a: new"]);
}

#[test]
fn the_leaders_own_node_goes_last() {
    let mut fleet = masters(&["a", "b", "c"]);
    fleet.snapshot.leader_node = Some("a".into());

    let plan = fleet.plan();

    assert_eq!(plan.given(), ["b: new"]);
    assert_eq!(
        plan.hold("a").to_string(),
        "the controller runs on it, so it goes after b and c"
    );
}

#[test]
fn the_slot_returns_when_the_nodes_own_api_server_and_etcd_are_ready() {
    let back = |ready| {
        let node = master("a").with(|node| {
            node.current = Some(config_of("master", "new"));
            node.desired = Some(config_of("master", "new"));
            node.cordoned_by_us = false;
            node.api_pods = vec![ApiPod {
                name: "etcd-a".into(),
                ready,
                exists: true,
            }];
        });
        let mut fleet = masters(&["b", "c"]).node(node).holds("a", "new");
        if let Some(holder) = fleet
            .snapshot
            .ledger
            .as_mut()
            .and_then(|l| l.holders.get_mut("a"))
        {
            holder.pool = "master".into();
            holder.config = config_of("master", "new");
        }
        fleet
    };

    assert_eq!(
        back(false).plan().hold("a").to_string(),
        "its own pods etcd-a are not Ready yet"
    );
    assert_eq!(back(true).plan().given(), ["b: new"]);
}

#[test]
fn a_node_whose_own_etcd_is_not_ready_is_away() {
    let pod = |ready, exists| {
        move |node: &mut NodeView| {
            node.current = Some(config_of("master", "new"));
            node.desired = Some(config_of("master", "new"));
            node.api_pods = vec![ApiPod {
                name: "etcd-c".into(),
                ready,
                exists,
            }];
        }
    };
    let with = |ready, exists| masters(&["a", "b"]).node(master("c").with(pod(ready, exists)));

    assert_eq!(
        with(false, true).plan().hold("a").to_string(),
        "of 3 control-plane nodes 1 may be away at a time, and c already are"
    );
    assert_eq!(with(true, true).plan().given(), ["a: new"]);
    // One that was moved off the node for good is missed by nobody.
    assert_eq!(with(false, false).plan().given(), ["a: new"]);
}

#[test]
fn a_node_of_any_of_the_three_labels_is_of_the_control_plane() {
    for label in ["control-plane", "master", "etcd"] {
        let key = format!("node-role.kubernetes.io/{label}");
        let node = node("a").labelled(&key, "");

        assert!(node.is_control_plane(), "{label}");
    }
}
