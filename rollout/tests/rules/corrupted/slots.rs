//! Corrupted slots: budget, ledger, control plane.

use super::*;

#[test]
fn one_node_too_many_is_seen() {
    let fleet = fleet().done(&["a", "b"], "old");

    let violations = forced(&fleet, "b", "new");

    sees(
        &violations,
        Promise::Budget,
        &Breach::OverBudget { away: 2, max: 1 },
    );
}

#[test]
fn a_node_down_for_another_reason_is_counted() {
    let fleet = fleet()
        .done(&["a"], "old")
        .node(node("b").done("old").not_ready(600));

    let violations = forced(&fleet, "a", "new");

    sees(
        &violations,
        Promise::Budget,
        &Breach::OverBudget { away: 2, max: 1 },
    );
}

#[test]
fn an_assignment_without_a_record_is_seen() {
    let fleet = fleet().done(&["a"], "old");

    let violations = judged(&fleet, |plan| plan.ledger.next.holders.clear());

    sees(&violations, Promise::Budget, &Breach::NoSlot);
}

#[test]
fn a_ledger_that_is_not_to_be_swapped_though_it_differs_is_seen() {
    let fleet = fleet().done(&["a"], "old");

    let violations = judged(&fleet, |plan| plan.ledger.differs = false);

    sees(&violations, Promise::Budget, &Breach::LedgerNotSwapped);
}

#[test]
fn a_slot_that_is_claimed_and_not_held_is_seen() {
    let fleet = fleet().done(&["a"], "old");

    let violations = judged(&fleet, |plan| assign(plan).slot = Slot::Repair);

    sees(&violations, Promise::Budget, &Breach::SlotNotHeld);
}

#[test]
fn a_lost_slot_an_early_return_and_an_invented_holder_are_seen() {
    let fleet = fleet()
        .node(node("a").on_the_way("old", "new"))
        .holds("a", "new")
        .done(&["b"], "new");
    let holder = fleet.snapshot.ledger.as_ref().expect("a ledger").holders["a"].clone();

    let lost = judged(&fleet, |plan| {
        plan.ledger.next.holders.clear();
        plan.ledger.differs = true;
    });
    let early = judged(&fleet, |plan| {
        plan.ledger.next.holders.clear();
        plan.ledger.differs = true;
        plan.ledger
            .returned
            .push((holder.clone(), Returned::Settled));
    });
    let gone = judged(&fleet, |plan| {
        plan.ledger.next.holders.clear();
        plan.ledger.differs = true;
        plan.ledger
            .returned
            .push((holder.clone(), Returned::NodeGone));
    });
    let invented = judged(&fleet, |plan| {
        let ghost = Holder {
            node: "b".into(),
            uid: "uid-b".into(),
            ..holder.clone()
        };
        plan.ledger.next.holders.insert("b".into(), ghost);
        plan.ledger.differs = true;
    });

    sees(&lost, Promise::Budget, &Breach::SlotLost);
    sees(&early, Promise::Budget, &Breach::ReturnedTooEarly);
    sees(&gone, Promise::Budget, &Breach::ReturnedTooEarly);
    sees(&invented, Promise::Budget, &Breach::Invented);
}

#[test]
fn a_grant_without_a_ledger_is_seen() {
    let mut fleet = fleet().done(&["a"], "old");
    fleet.snapshot.ledger = None;

    let violations = forced(&fleet, "a", "new");

    sees(&violations, Promise::Budget, &Breach::LedgerUnread);
}

fn crowd(plan: &mut Plan, holders: usize) {
    for at in 0..holders {
        let name = format!("n{at}");
        let holder = Holder {
            node: name.as_str().into(),
            uid: "u".into(),
            pool: "worker".into(),
            intent: Intent(1),
            config: config("new"),
        };
        plan.ledger.next.holders.insert(name.into(), holder);
    }
}

#[test]
fn too_many_holders_for_one_object_are_seen() {
    let fleet = fleet();

    let violations = judged(&fleet, |plan| {
        crowd(plan, api::windlass::HOLDERS_RECORDED_MAX + 1);
    });

    sees(&violations, Promise::Budget, &Breach::LedgerOverflow);
}

#[test]
fn a_grant_above_the_limit_of_holders_is_seen() {
    let fleet = fleet().done(&["a"], "old");

    let violations = judged(&fleet, |plan| crowd(plan, api::windlass::HOLDERS_LIMIT));

    sees(&violations, Promise::Budget, &Breach::LedgerOverflow);
}

#[test]
fn a_second_control_plane_node_is_seen() {
    let master = |name: &str| {
        node(name).master().done("old").with(|node| {
            node.current = Some(config_of("master", "old"));
            node.desired = Some(config_of("master", "old"));
        })
    };
    let mut fleet = fleet()
        .pool("master", "new")
        .of_pool("master", |pool| {
            pool.max_unavailable = MaxUnavailable::Number(3);
        })
        .node(master("a"))
        .node(master("b"))
        .node(master("c"));
    fleet.snapshot.leader_node = Some("b".into());
    let second = fleet.snapshot.nodes["b"].clone();

    let violations = judged(&fleet, |plan| {
        force(plan, &second, "master", "new", Slot::Granted);
    });

    sees(
        &violations,
        Promise::Budget,
        &Breach::ControlPlane {
            away: 2,
            allowed: 1,
        },
    );
    sees(
        &violations,
        Promise::OwnersLimits,
        &Breach::Forbidden(Forbidden::LeaderLast),
    );
}
