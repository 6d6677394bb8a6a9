//! Who is taken: budget, order, pause, and what keeps a node from being a candidate.

use crate::fleet::{Fleet, Read, Told, ago, config, fleet, node};
use rollout::membership::Selector;
use rollout::policy::{InvalidPolicy, PoolRule};
use rollout::snapshot::{MaxUnavailable, TakenAway, Truth};

#[test]
fn a_second_node_waits_for_the_only_slot() {
    let fleet = fleet().done(&["a", "b"], "old");

    let plan = fleet.plan();

    assert_eq!(plan.given(), ["a: new"]);
    assert_eq!(
        plan.hold("b").to_string(),
        "all 1 slots of its pool are taken by a"
    );
    assert_eq!(plan.holders(), ["a"]);
}

#[test]
fn the_grant_of_a_slot_raises_the_intent_and_says_what_it_assumed() {
    let fleet = fleet().done(&["a"], "old");

    let plan = fleet.plan();

    let assign = plan.assign("a").expect("an assignment");
    assert_eq!((assign.intent.0, assign.expects.intent.0), (2, 1));
    assert_eq!(assign.expects.desired, Some(config("old")));
    assert_eq!(plan.ledger.next.holders["a"].intent, assign.intent);
    assert!(plan.ledger.differs);
}

#[test]
fn a_node_that_is_down_for_another_reason_uses_the_budget_up() {
    let fleet = fleet()
        .done(&["a", "b"], "old")
        .node(node("c").done("old").not_ready(600));

    let plan = fleet.plan();

    assert_eq!(plan.given(), [""; 0]);
    assert_eq!(
        plan.hold("a").to_string(),
        "all 1 slots of its pool are taken by c"
    );
    assert_eq!(plan.why("c"), "NotReady");
}

#[test]
fn a_node_that_was_never_ready_does_not_use_the_budget_up() {
    let unborn = node("c").with(|node| {
        node.created = Some(ago(30));
        node.conditions = vec![crate::fleet::ready(Truth::False, ago(30))];
    });
    let fleet = fleet().done(&["a"], "old").node(unborn);

    let plan = fleet.plan();

    assert_eq!(plan.given(), ["a: new"]);
    assert_eq!(plan.why("c"), "NeverReady");
}

#[test]
fn zones_go_one_after_the_other_and_the_oldest_node_of_a_zone_first() {
    let zone = "topology.kubernetes.io/zone";
    let aged = |name: &str, seconds| {
        node(name)
            .done("old")
            .with(|node| node.created = Some(ago(seconds)))
    };
    let fleet = fleet()
        .node(aged("a", 100))
        .node(aged("b", 100).labelled(zone, "north"))
        .node(aged("c", 900).labelled(zone, "north"))
        .node(aged("d", 100).labelled(zone, "east"))
        .slots(3);

    let plan = fleet.plan();

    assert_eq!(plan.given(), ["d: new", "c: new", "b: new"]);
}

#[test]
fn a_maximum_of_zero_takes_nobody() {
    for zero in [MaxUnavailable::Number(0), MaxUnavailable::Text("0%".into())] {
        let fleet = fleet()
            .done(&["a"], "old")
            .worker(|pool| pool.max_unavailable = zero);

        assert_eq!(fleet.plan().why("a"), "BudgetZero");
    }
}

#[test]
fn a_positive_percentage_takes_one_node_at_least() {
    let few = MaxUnavailable::Text("10%".into());
    let fleet = fleet()
        .done(&["a", "b"], "old")
        .worker(|pool| pool.max_unavailable = few);

    assert_eq!(fleet.plan().given(), ["a: new"]);
}

#[test]
fn a_budget_that_is_no_number_is_told_by_what_it_says() {
    let odd = MaxUnavailable::Text("some".into());
    let fleet = fleet()
        .done(&["a"], "old")
        .worker(|pool| pool.max_unavailable = odd);

    let plan = fleet.plan();

    assert_eq!(
        plan.hold("a").to_string(),
        "maxUnavailable `some` is neither a number nor a percentage such as 10%"
    );
}

#[test]
fn a_paused_pool_takes_nobody_and_lets_nodes_in_flight_finish() {
    let fleet = fleet()
        .done(&["a"], "old")
        .node(node("b").on_the_way("old", "new"))
        .slots(2)
        .worker(|pool| pool.paused = true);

    let plan = fleet.plan();

    assert_eq!(plan.given(), [""; 0]);
    assert_eq!(
        plan.hold("a").to_string(),
        "its pool is paused, with 1 nodes pending"
    );
    assert_eq!(plan.why("b"), "InFlight");
    assert_eq!(plan.holders(), ["b"]);
}

#[test]
fn a_node_that_somebody_else_takes_away_is_left_to_them() {
    let leaving = node("a")
        .done("old")
        .with(|node| node.taken_away = Some(TakenAway::Karpenter));
    let fleet = fleet().node(leaving);

    assert_eq!(
        fleet.plan().hold("a").to_string(),
        "Karpenter is disrupting it"
    );
}

#[test]
fn a_node_that_somebody_else_cordoned_is_left_as_it_is() {
    let fleet = fleet()
        .node(node("a").done("old").with(|node| node.unschedulable = true))
        .slots(2);

    assert_eq!(fleet.plan().why("a"), "Cordoned");
}

#[test]
fn a_node_whose_host_cannot_apply_the_config_is_held_by_name_and_others_go() {
    let odd = node("a").done("old").with(|node| {
        node.cannot_apply
            .insert(config("new"), "it has no kernel arguments".into());
    });
    let fleet = fleet().node(odd).done(&["b"], "old");

    let plan = fleet.plan();

    assert_eq!(plan.given(), ["b: new"]);
    assert_eq!(
        plan.hold("a").to_string(),
        "its host cannot apply rendered-worker-new: it has no kernel arguments"
    );
}

#[test]
fn a_node_of_no_pool_and_one_of_two_are_named_and_left() {
    let stranger = node("a").with(|node| node.labels = std::sync::Arc::default());
    let torn = node("b")
        .labelled("node-role.kubernetes.io/gpu", "")
        .labelled("node-role.kubernetes.io/infra", "");
    let fleet = fleet()
        .pool("gpu", "new")
        .pool("infra", "new")
        .node(stranger)
        .node(torn);

    let plan = fleet.plan();

    assert_eq!(plan.why("a"), "NoPool");
    assert_eq!(plan.why("b"), "SeveralPools");
}

#[test]
fn a_pool_without_a_rendered_config_a_deleted_one_and_an_unclear_policy_are_named() {
    let none = fleet()
        .done(&["a"], "old")
        .worker(|pool| pool.target = None);
    let deleted = fleet()
        .done(&["a"], "old")
        .worker(|pool| pool.deleting = true);
    let mut torn = fleet().done(&["a"], "old");
    let both = PoolRule::Conflict(vec!["one".into(), "two".into()]);
    torn.policy.pools.insert("worker".into(), both);
    let mut odd = fleet().done(&["a"], "old");
    let invalid = InvalidPolicy {
        policy: "one".into(),
        field: "spec.maxFailures",
        error: "odd".into(),
    };
    odd.policy
        .pools
        .insert("worker".into(), PoolRule::Invalid(invalid));
    let mut unread = fleet().done(&["a"], "old");
    let bad = serde_json::json!({"matchExpressions": [{"key": "a", "operator": "Odd"}]});
    let bad = serde_json::from_value(bad).expect("a selector");
    unread = unread.worker(|pool| pool.selector = Selector::read(Some(&bad)));

    let why = |fleet: &Fleet| fleet.plan().why("a");

    assert_eq!(why(&none), "NoTarget");
    assert_eq!(why(&deleted), "PoolDeleted");
    assert_eq!(why(&torn), "ConflictingPolicies");
    assert_eq!(why(&odd), "InvalidPolicy");
    assert_eq!(why(&unread), "InvalidSelector");
}

#[test]
fn a_desired_config_that_somebody_changed_by_hand_is_put_back_without_a_new_intent() {
    let touched = node("a").done("new").with(|node| {
        node.desired = Some(config("evil"));
        node.assigned = Some(crate::fleet::record("new"));
    });
    let fleet = fleet().node(touched);

    let plan = fleet.plan();

    assert!(matches!(
        plan.steps.as_slice(),
        [rollout::Step::PutBack { config: back, .. }] if *back == config("new")
    ));
    assert_eq!(plan.holders(), [""; 0]);
}

#[test]
fn the_update_taint_stands_on_those_that_wait_and_on_nobody_else() {
    let fleet = fleet()
        .done(&["a", "b"], "old")
        .node(node("c").done("new").with(|node| node.update_taint = true));

    let plan = fleet.plan();

    let taints: Vec<String> = plan
        .steps
        .iter()
        .filter_map(|step| match step {
            rollout::Step::SetTaint { node, .. } => Some(format!("+{node}")),
            rollout::Step::RemoveTaint { node, .. } => Some(format!("-{node}")),
            _ => None,
        })
        .collect();
    assert_eq!(taints, ["+b", "-c"]);
}

/// The reference counts one that failed on the target beside the unavailable, and once more if it is one of them.
#[test]
fn in_the_references_ways_a_node_that_failed_on_the_target_and_is_not_ready_takes_two_slots() {
    let two_slots = fleet()
        .node(node("a").failed("old", "new").not_ready(60))
        .done(&["b"], "old")
        .slots(2)
        .with_reference_policy();
    let three_slots = two_slots.clone().slots(3);

    let (two, three) = (two_slots.plan(), three_slots.plan());

    assert_eq!(two.given(), [""; 0]);
    assert_eq!(two.why("b"), "NoFreeSlot");
    assert_eq!(three.given(), ["b: new"]);
}
