//! What is read from Kubernetes objects, and that a hold stays small whatever stands on them.

use crate::fleet::{Fleet, Read, Told, config, fleet, node};
use api::RolloutPolicy;
use k8s_openapi::api::core::v1::Node;
use rollout::Policy;
use rollout::hold::NAMES_SHOWN;
use rollout::policy::{InvalidPolicy, PoolPolicy, PoolRule};
use rollout::snapshot::{MaxUnavailable, NodeView};
use serde_json::{Value, json};

fn read(mut object: Value) -> NodeView {
    object["metadata"]["name"] = json!("a");
    object["metadata"]["uid"] = json!("uid-a");
    let object: Node = serde_json::from_value(object).expect("a Node");
    NodeView::from_node(&object)
}

#[test]
fn each_of_those_who_take_nodes_away_is_told_by_name_and_left_alone() {
    let tainted = |key: &str| {
        read(json!({"metadata": {}, "spec": {"taints": [{"key": key, "effect": "NoSchedule"}]}}))
    };
    let deleted = read(json!({"metadata": {"deletionTimestamp": "2026-01-01T00:00:00Z"}}));
    let takers = [
        (
            tainted("ToBeDeletedByClusterAutoscaler"),
            "the cluster autoscaler is removing it",
        ),
        (
            tainted("karpenter.sh/disrupted"),
            "Karpenter is disrupting it",
        ),
        (tainted("medik8s.io/drain"), "medik8s is draining it"),
        (deleted, "it is being deleted"),
    ];
    for (taken, words) in takers {
        let fleet = fleet().node(
            node("a")
                .done("old")
                .with(|node| node.taken_away = taken.taken_away),
        );

        let plan = fleet.plan();

        assert_eq!(plan.given(), [""; 0]);
        assert_eq!(plan.hold("a").to_string(), words);
    }
}

fn policy(name: &str, spec: &Value) -> RolloutPolicy {
    let object = json!({
        "apiVersion": "windlass.dev/v1alpha1",
        "kind": "RolloutPolicy",
        "metadata": {"name": name},
        "spec": spec,
    });
    serde_json::from_value(object).expect("a RolloutPolicy")
}

fn under(policies: &[RolloutPolicy]) -> Fleet {
    let mut fleet = fleet().done(&["a"], "old").worker(|pool| {
        let labels = std::sync::Arc::make_mut(&mut pool.labels);
        labels.insert("tier".to_owned(), "one".to_owned());
    });
    fleet.policy = Policy::read(PoolPolicy::default(), policies, &fleet.snapshot.pools);
    fleet
}

#[test]
fn two_policies_that_select_one_pool_hold_it_and_both_are_named() {
    let one = policy(
        "one",
        &json!({"poolSelector": {"matchLabels": {"tier": "one"}}}),
    );
    let all = policy("all", &json!({"poolSelector": {}}));
    let other = policy(
        "other",
        &json!({"poolSelector": {"matchLabels": {"tier": "two"}}}),
    );

    let torn = under(&[one.clone(), all]);
    let clear = under(&[one, other]);

    assert_eq!(
        torn.plan().hold("a").to_string(),
        "RolloutPolicies all and one select its pool; let one"
    );
    assert_eq!(clear.plan().given(), ["a: new"]);
}

#[test]
fn what_a_policy_leaves_out_is_the_default() {
    let one = policy("one", &json!({"poolSelector": {}, "firstAlone": 3}));

    let fleet = under(&[one]);

    let expected = PoolPolicy {
        first_alone: 3,
        ..PoolPolicy::default()
    };
    assert_eq!(*fleet.policy.of(&"worker".into()), expected);
}

#[test]
fn a_hold_stays_small_whatever_stands_on_the_objects() {
    let long = "long ".repeat(10_000);
    let names: Vec<String> = (0..500).map(|at| format!("node-{at:03}")).collect();
    let many: Vec<&str> = names.iter().map(String::as_str).collect();
    let waits = fleet().slots(100).done(&many, "old");
    let mut torn = fleet().done(&["node-499"], "old");
    let policies = many.iter().map(|name| (*name).into()).collect();
    torn.policy
        .pools
        .insert("worker".into(), PoolRule::Conflict(policies));
    let mut unread = fleet().done(&["node-499"], "old");
    let invalid = InvalidPolicy {
        policy: "one".into(),
        field: "spec.maxFailures",
        error: long.as_str().into(),
    };
    unread
        .policy
        .pools
        .insert("worker".into(), PoolRule::Invalid(invalid));
    let odd = fleet().done(&["node-499"], "old").worker(|pool| {
        pool.max_unavailable = MaxUnavailable::Text(long.as_str().into());
    });
    let failed = fleet().node(
        node("node-499")
            .failed("old", "new")
            .with(|node| node.reason = long.as_str().into()),
    );
    let cannot = fleet().node(node("node-499").done("old").with(|node| {
        node.cannot_apply
            .insert(config("new"), long.as_str().into());
    }));

    for fleet in [waits, torn, unread, odd, failed, cannot] {
        let plan = fleet.plan();
        let hold = plan.hold("node-499");
        let named = many.iter().filter(|name| hold.to_string().contains(*name));

        assert!(hold.to_string().len() < 400, "{}", hold.reason());
        assert!(named.count() <= NAMES_SHOWN, "{}", hold.reason());
    }
}
