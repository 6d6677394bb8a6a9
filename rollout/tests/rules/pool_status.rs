//! What a pool says of itself.

use crate::fleet::{Fleet, NOW, Told, ago, config, fleet, node, worker};
use rollout::snapshot::{NodeView, PoolCondition};
use rollout::status::{PoolStatus, own_conditions, pool_status, set};

fn status(fleet: &Fleet) -> PoolStatus {
    let nodes: Vec<&NodeView> = fleet.snapshot.nodes.values().collect();
    pool_status(
        &fleet.snapshot.pools["worker"],
        &nodes,
        &[],
        &fleet.policy.defaults,
        NOW,
    )
}

fn condition<'a>(conditions: &'a [PoolCondition], kind: &str) -> &'a PoolCondition {
    conditions
        .iter()
        .find(|condition| condition.kind == kind)
        .expect("a condition")
}

fn own(fleet: &Fleet, kind: &str) -> PoolCondition {
    condition(
        &own_conditions(&fleet.snapshot, &fleet.plan(), &worker()),
        kind,
    )
    .clone()
}

#[test]
fn a_pool_is_updated_when_all_have_the_target_and_are_there() {
    let status = status(&fleet().done(&["a", "b"], "new"));

    assert_eq!(
        (
            status.machines,
            status.updated,
            status.ready,
            status.unavailable
        ),
        (2, 2, 2, 0)
    );
    assert!(condition(&status.conditions, "Updated").is_true());
    assert_eq!(status.configuration, Some(config("new")));
}

#[test]
fn a_pool_that_was_never_rendered_is_not_updated_though_it_has_no_node() {
    let fleet = fleet().worker(|pool| pool.target = None);

    let status = status(&fleet);

    let updating = condition(&status.conditions, "Updating");
    assert!(!condition(&status.conditions, "Updated").is_true());
    assert_eq!(
        (updating.is_true(), updating.message.as_str()),
        (true, "The first MachineConfig is being rendered")
    );
}

#[test]
fn a_paused_pool_that_was_never_rendered_names_no_machine_config() {
    let fleet = fleet().worker(|pool| {
        pool.target = None;
        pool.paused = true;
    });

    let status = status(&fleet);

    assert_eq!(
        condition(&status.conditions, "Updating").message,
        "Pool is paused; its first MachineConfig is not rendered"
    );
}

#[test]
fn a_pool_keeps_its_former_configuration_while_a_part_is_withheld() {
    let fleet = fleet()
        .config("mix", ("k33", "r2"), None)
        .withholding("mix", "new")
        .done(&["a"], "mix")
        .worker(|pool| pool.reached = Some(config("old")));

    let status = status(&fleet);

    assert!(!condition(&status.conditions, "Updated").is_true());
    assert_eq!(status.configuration, Some(config("old")));
}

#[test]
fn degraded_nodes_are_counted_and_named_by_their_own_words() {
    let status = status(
        &fleet()
            .node(node("a").failed("old", "new"))
            .done(&["b"], "new"),
    );

    let degraded = condition(&status.conditions, "NodeDegraded");
    assert_eq!(status.degraded, 1);
    assert_eq!(
        degraded.reason,
        "1 nodes are reporting degraded status on sync"
    );
    assert_eq!(
        degraded.message,
        "Node a is reporting: \"it does not boot\""
    );
    assert!(condition(&status.conditions, "Degraded").is_true());
}

#[test]
fn the_waiting_nodes_are_summed_up_by_reason() {
    let fleet = fleet()
        .done(&["a", "b", "c", "d", "e"], "old")
        .node(node("z").done("old").with(|node| node.unschedulable = true))
        .slots(2);

    let held = own(&fleet, "Held");

    assert_eq!(held.reason, "NoFreeSlot");
    assert_eq!(
        held.message,
        "4 NoFreeSlot (b, c, d and 1 more): all 2 slots of its pool are taken by z and a; 1 Cordoned (z): \
         somebody else cordoned it"
    );
}

#[test]
fn a_pause_says_since_when_and_what_is_pending() {
    let fleet = fleet()
        .done(&["a"], "old")
        .done(&["b"], "new")
        .worker(|pool| pool.paused = true);
    let mut conditions = vec![PoolCondition {
        since: Some(ago(60)),
        ..own(&fleet, "Paused")
    }];

    set(&mut conditions, own(&fleet, "Paused"), NOW);
    let later = fleet.worker(|pool| pool.conditions.clone_from(&conditions));

    assert_eq!(
        conditions[0].message,
        "1 of 2 nodes wait for rendered-worker-new"
    );
    assert_eq!(conditions[0].since, Some(ago(60)));
    let hold = later.plan().answers["a"]
        .hold()
        .map(ToString::to_string)
        .unwrap_or_default();
    assert_eq!(
        hold,
        format!("its pool is paused since {}, with 1 nodes pending", ago(60))
    );
}

#[test]
fn a_pool_that_selects_nobody_says_what_it_looked_for_and_what_there_is() {
    let fleet = fleet().pool("gpu", "new").done(&["a"], "new");

    let gpu = own_conditions(&fleet.snapshot, &fleet.plan(), &"gpu".into());

    let held = condition(&gpu, "Held");
    assert_eq!(held.reason, "SelectsNothing");
    assert_eq!(
        held.message,
        "no node belongs to it: it looks for node-role.kubernetes.io/gpu; nodes have node-role.kubernetes.io/worker"
    );
}

#[test]
fn a_pool_says_which_api_server_its_kubelets_wait_for_and_when_none_is_missing() {
    let held = crate::gate::held_by_the_gate();

    let behind = own(&held, "KubeletWithheld");

    assert!(behind.is_true());
    assert_eq!(behind.reason, "ApiServerBehind");
    assert!(behind.message.contains("serves 1.33"), "{}", behind.message);

    let nothing = own(&fleet().done(&["a"], "new"), "KubeletWithheld");

    assert!(!nothing.is_true());
    assert_eq!(nothing.reason, "NothingWithheld");
}

#[test]
fn a_pool_whose_label_has_another_value_on_the_nodes_says_which() {
    let looks = |value: &str| {
        let selector = serde_json::json!({"matchLabels": {"tier": value}});
        let selector = serde_json::from_value(selector).expect("a selector");
        rollout::membership::Selector::read(Some(&selector))
    };
    let fleet = fleet()
        .pool("gpu", "new")
        .of_pool("gpu", |pool| pool.selector = looks("gold"))
        .node(node("a").done("new").labelled("tier", "silver"));

    let gpu = own_conditions(&fleet.snapshot, &fleet.plan(), &"gpu".into());

    assert_eq!(
        condition(&gpu, "Held").message,
        "no node belongs to it: it looks for tier=gold; nodes have node-role.kubernetes.io/worker, tier=silver"
    );
}

#[test]
fn a_pool_whose_nodes_all_belong_to_another_says_to_which() {
    let both = node("a")
        .done("new")
        .labelled("node-role.kubernetes.io/gpu", "");
    let fleet = fleet().pool("gpu", "new").node(both);

    let own = own_conditions(&fleet.snapshot, &fleet.plan(), &worker());

    let held = condition(&own, "Held");
    assert_eq!(held.reason, "SelectsNothing");
    assert!(
        held.message
            .ends_with("; those that it selects belong to gpu"),
        "{}",
        held.message
    );
}
