//! Slots: when one is given back, what is rebuilt when the ledger is lost, and what is written again.

use crate::fleet::{Read, Told, ago, config, fleet, node, record};
use rollout::names::{BootId, Intent};
use rollout::plan::{Returned, Slot};
use rollout::snapshot::{AssignRequest, MaxUnavailable, NodeState, NodeView};

fn through(name: &str) -> NodeView {
    node(name).done("new").with(|node| {
        node.intent = Intent(2);
        node.acted_intent = Intent(2);
        node.reported_at = Some(ago(60));
    })
}

#[test]
fn a_slot_is_given_back_last_of_all_and_the_next_node_takes_it() {
    let fleet = fleet()
        .node(through("a"))
        .done(&["b"], "old")
        .holds("a", "new");

    let plan = fleet.plan();

    assert!(
        matches!(plan.ledger.returned.as_slice(), [(holder, Returned::Settled)] if holder.node == "a")
    );
    assert_eq!(plan.why("a"), "UpToDate");
    assert_eq!(plan.given(), ["b: new"]);
}

#[test]
fn a_slot_is_kept_while_any_of_its_ends_is_missing() {
    type Change = fn(&mut NodeView);
    let missing: [(&str, Change); 7] = [
        ("InFlight", |node| node.cordoned_by_us = true),
        ("InFlight", |node| node.acted_intent = Intent(1)),
        ("InFlight", |node| node.state = Some(NodeState::Working)),
        ("InFlight", |node| node.assigned = Some(record("old"))),
        ("AwaitingFreshReady", |node| {
            node.lease_renewed_at = Some(ago(61));
        }),
        ("AwaitingFreshReady", |node| {
            node.boot_id = Some(BootId::from("before"));
            node.reported_boot_id = Some(BootId::from("after"));
        }),
        ("AwaitingFreshReady", |node| {
            *node = node.clone().not_ready(10);
        }),
    ];
    for (why, change) in missing {
        let fleet = fleet()
            .node(through("a").with(change))
            .done(&["b"], "old")
            .holds("a", "new");
        // A foreign record of another config would be put back; this one only lags behind.
        let fleet = if why == "InFlight" {
            lagging(fleet)
        } else {
            fleet
        };

        let plan = fleet.plan();

        assert_eq!(plan.why("a"), why);
        assert_eq!(plan.holders(), ["a"]);
        assert_eq!(plan.why("b"), "NoFreeSlot");
    }
}

fn lagging(mut fleet: crate::fleet::Fleet) -> crate::fleet::Fleet {
    for node in fleet.snapshot.nodes.values_mut() {
        if let Some(record) = &mut node.assigned {
            record.intent = Some(Intent(1));
        }
    }
    fleet
}

#[test]
fn a_cordon_that_was_there_before_does_not_keep_the_slot() {
    let cordoned = through("a").with(|node| node.unschedulable = true);
    let fleet = fleet().node(cordoned).holds("a", "new");

    assert_eq!(fleet.plan().holders(), [""; 0]);
}

#[test]
fn the_slot_of_a_node_that_is_gone_or_another_one_by_now_is_given_back() {
    let mut fleet = fleet()
        .done(&["a", "b"], "old")
        .holds("a", "new")
        .holds("b", "new")
        .slots(0);
    fleet.snapshot.nodes.remove("a");
    fleet.snapshot.nodes.get_mut("b").expect("b").uid = "another".into();

    let plan = fleet.plan();

    assert_eq!(plan.holders(), [""; 0]);
    assert!(
        plan.ledger
            .returned
            .iter()
            .all(|(_, why)| *why == Returned::NodeGone)
    );
}

#[test]
fn a_lost_ledger_is_rebuilt_from_the_nodes_before_anything_is_granted() {
    let mut fleet = fleet()
        .done(&["a"], "old")
        .node(node("b").on_the_way("old", "new"))
        .node(node("c").failed("old", "new"))
        .node(
            node("d")
                .done("old")
                .with(|node| node.cordoned_by_us = true),
        )
        .node(through("e").with(|node| node.lease_renewed_at = Some(ago(61))))
        .slots(9);
    fleet.snapshot.ledger = None;

    let rebuilt = fleet.plan();

    assert_eq!(rebuilt.given(), [""; 0]);
    assert_eq!(rebuilt.why("a"), "LedgerUnread");
    assert!(rebuilt.ledger.differs);
    assert_eq!(rebuilt.holders(), ["b", "c", "d", "e"]);

    fleet.snapshot.ledger = Some(rebuilt.ledger.next);
    assert!(fleet.plan().given().contains(&"a: new".to_owned()));
}

#[test]
fn a_lost_ledger_is_not_written_before_the_nodes_were_listed() {
    let mut fleet = fleet().node(node("b").on_the_way("old", "new"));
    fleet.snapshot.ledger = None;
    fleet.snapshot.nodes_listed_consistently = false;

    assert!(!fleet.plan().ledger.differs);
}

#[test]
fn rebuilt_holders_are_recorded_above_the_limit_and_make_nobody_go() {
    let fleet = fleet()
        .done(&["a"], "old")
        .node(node("b").on_the_way("old", "new"))
        .node(node("c").on_the_way("old", "new"));

    let plan = fleet.plan();

    assert_eq!(plan.holders(), ["b", "c"]);
    assert_eq!(
        plan.hold("a").to_string(),
        "all 1 slots of its pool are taken by b and c"
    );
}

#[test]
fn a_report_by_itself_takes_no_slot() {
    let drifted = node("a")
        .done("new")
        .with(|node| node.state = Some(NodeState::Degraded));
    let fleet = fleet().node(drifted).done(&["b"], "old");

    let plan = fleet.plan();

    assert_eq!(plan.holders(), [""; 0]);
    assert_eq!(plan.why("a"), "Failed");
    assert_eq!(plan.why("b"), "NoFreeSlot");
}

#[test]
fn an_assignment_that_was_never_written_is_written_again_with_its_intent() {
    let fleet = fleet().done(&["a"], "old").holds_for("a", "new", Intent(2));

    let plan = fleet.plan();

    let assign = plan.assign("a").expect("an assignment");
    assert_eq!((assign.intent, assign.slot), (Intent(2), Slot::Held));
    assert!(!plan.ledger.differs);
}

#[test]
fn an_unwritten_assignment_to_a_former_target_becomes_one_to_the_present_with_a_higher_intent() {
    let fleet = fleet().done(&["a"], "old").holds_for("a", "bad", Intent(2));

    let plan = fleet.plan();

    assert_eq!(plan.given(), ["a: new"]);
    assert_eq!(plan.assign("a").expect("an assignment").intent, Intent(3));
}

#[test]
fn an_unwritten_assignment_of_a_paused_pool_is_fenced_off_with_what_the_node_has() {
    let fleet = fleet()
        .done(&["a"], "old")
        .holds_for("a", "new", Intent(2))
        .worker(|pool| pool.paused = true);

    let plan = fleet.plan();

    assert_eq!(plan.given(), ["a: old"]);
    assert_eq!(plan.assign("a").expect("an assignment").intent, Intent(3));
    assert_eq!(plan.holders(), ["a"]);
}

#[test]
fn a_node_in_flight_takes_a_newer_config_in_the_slot_that_it_has() {
    let fleet = fleet()
        .node(node("a").on_the_way("old", "bad"))
        .holds("a", "bad")
        .done(&["b"], "old");

    let plan = fleet.plan();

    assert_eq!(plan.given(), ["a: new"]);
    assert_eq!(plan.slot_of("a"), Some(Slot::Held));
}

#[test]
fn a_request_goes_past_a_pause_and_not_past_the_budget() {
    let asked = |node: &mut NodeView| {
        node.request = Some(AssignRequest {
            config: config("new"),
            reason: "canary".into(),
        });
    };
    let paused = fleet()
        .config("new", ("k", "r"), None)
        .node(node("a").done("old").with(asked))
        .worker(|pool| pool.paused = true);
    let busy = paused.clone().node(node("b").on_the_way("old", "new"));

    let granted = paused.plan();

    assert_eq!(granted.given(), ["a: new"]);
    assert_eq!(
        granted
            .assign("a")
            .and_then(|assign| assign.request.as_deref()),
        Some("canary")
    );
    assert_eq!(busy.plan().why("a"), "NoFreeSlot");
}

#[test]
fn a_request_takes_the_slot_that_another_node_gives_back_in_the_same_round() {
    let asked = through("b").with(|node| {
        node.request = Some(AssignRequest {
            config: config("new"),
            reason: "again".into(),
        });
    });
    let fleet = fleet()
        .config("new", ("k", "r"), None)
        .node(through("a"))
        .node(asked)
        .holds("a", "new");

    let plan = fleet.plan();

    assert!(
        matches!(plan.ledger.returned.as_slice(), [(holder, Returned::Settled)] if holder.node == "a")
    );
    assert_eq!(plan.given(), ["b: new"]);
}

#[test]
fn a_request_retries_the_same_config_with_a_higher_intent() {
    let failed = node("a").failed("old", "new").with(|node| {
        node.request = Some(AssignRequest {
            config: config("new"),
            reason: "mended".into(),
        });
    });
    let fleet = fleet()
        .config("new", ("k", "r"), None)
        .node(failed)
        .holds("a", "new");

    let plan = fleet.plan();

    assert_eq!(plan.given(), ["a: new"]);
    assert_eq!(plan.assign("a").expect("an assignment").intent, Intent(3));
}

#[test]
fn a_drain_that_takes_too_long_is_given_up_where_the_owner_wants_it() {
    use rollout::policy::OnDrainTimeout;
    use rollout::snapshot::DrainView;
    let draining = node("a").on_the_way("old", "new").with(|node| {
        node.desired_drain = Some("drain-rendered-worker-new".into());
        node.drain = Some(DrainView {
            since: Some(ago(700)),
            blocked_by: vec!["shop/cart-0 (PodDisruptionBudget shop/cart)".into()],
            blocked: 3,
        });
    });
    let waits = fleet().node(draining).holds("a", "new");
    let gives_up = waits.clone().settings(|settings| {
        settings.drain.timeout = Some(jiff::SignedDuration::from_mins(10));
        settings.drain.on_timeout = OnDrainTimeout::Release;
    });

    assert_eq!(
        waits.plan().hold("a").to_string(),
        "its drain waits for 3 pods: shop/cart-0 (PodDisruptionBudget shop/cart) and 2 more"
    );
    assert_eq!(gives_up.plan().given(), ["a: old"]);
    assert_eq!(gives_up.plan().holders(), ["a"]);
}

#[test]
fn a_node_whose_drain_was_given_up_goes_after_the_others() {
    let tried = node("a")
        .done("old")
        .with(|node| node.drain_released_at = Some(ago(5)));
    let fleet = fleet().node(tried).done(&["b"], "old");

    assert_eq!(fleet.plan().given(), ["b: new"]);
}

#[test]
fn rebuilt_holders_are_recorded_above_the_limit_and_stop_grants() {
    let holders = api::windlass::HOLDERS_LIMIT + 1;
    let names: Vec<String> = (0..holders).map(|at| format!("n{at:05}")).collect();
    let mut fleet = fleet().done(&["waits"], "old").worker(|pool| {
        pool.max_unavailable = MaxUnavailable::Number(i64::try_from(holders + 1).unwrap());
    });
    for name in &names {
        fleet = fleet.node(node(name).on_the_way("old", "new"));
    }

    let plan = fleet.plan();

    assert_eq!(plan.ledger.recorded.len(), holders);
    assert_eq!(plan.ledger.next.holders.len(), holders);
    assert_eq!(plan.why("waits"), "LedgerFull");
}

#[test]
fn rebuilt_holders_that_no_object_has_room_for_are_counted_and_not_written() {
    let holders = api::windlass::HOLDERS_RECORDED_MAX + 1;
    let mut fleet = fleet();
    for at in 0..holders {
        fleet = fleet.node(node(&format!("n{at:05}")).on_the_way("old", "new"));
    }

    let plan = fleet.plan();

    assert_eq!(
        plan.ledger.next.holders.len(),
        api::windlass::HOLDERS_RECORDED_MAX
    );
    assert_eq!(plan.why("n07500"), "InFlight");
}
