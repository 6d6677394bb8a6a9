//! For each promise that a plan can break: a plan is corrupted, and the checker says so.

use crate::fleet::{Fleet, NOW, Told, ago, config, config_of, fleet, node, record};
use rollout::check::{Breach, Forbidden, Promise, Violation};
use rollout::names::Intent;
use rollout::plan::{Answer, Plan, Returned, Slot, Step};
use rollout::snapshot::{Holder, MaxUnavailable, NodeView, TakenAway};
use rollout::{Hold, check, plan};

/// What the checker says of the fleet's plan after `corrupt`.
fn judged(fleet: &Fleet, corrupt: impl FnOnce(&mut Plan)) -> Vec<Violation> {
    let mut plan = plan(&fleet.snapshot, &fleet.policy, NOW);
    corrupt(&mut plan);
    check(&fleet.snapshot, &plan, &fleet.policy, NOW)
}

/// Asserts that the checker names this breach of this promise.
fn sees(violations: &[Violation], promise: Promise, breach: &Breach) {
    let seen = violations
        .iter()
        .any(|one| one.promise == promise && one.breach == *breach);
    assert!(seen, "not seen: {breach:?}; seen: {violations:?}");
}

fn assign(plan: &mut Plan) -> &mut rollout::plan::Assign {
    let found = plan.steps.iter_mut().find_map(|step| match step {
        Step::Assign(assign) => Some(assign),
        _ => None,
    });
    found.expect("an assignment")
}

/// Gives `word` to a node that the plan holds, slot and record and answer included.
fn force(plan: &mut Plan, node: &NodeView, pool: &str, word: &str, slot: Slot) {
    let (config, intent) = (config_of(pool, word), node.intent.next());
    let assign = rollout::plan::Assign {
        node: node.name.clone(),
        uid: node.uid.clone(),
        pool: pool.into(),
        config: config.clone(),
        intent,
        expects: rollout::plan::Expects {
            desired: node.desired.clone(),
            intent: node.intent,
        },
        slot,
        request: None,
        removes_taint: false,
    };
    let holder = Holder {
        node: node.name.clone(),
        uid: node.uid.clone(),
        pool: pool.into(),
        intent,
        config: config.clone(),
    };
    plan.steps.push(Step::Assign(assign));
    plan.ledger.next.holders.insert(node.name.clone(), holder);
    plan.ledger.differs = true;
    plan.answers
        .insert(node.name.clone(), Answer::Assigned(config));
}

fn forced(fleet: &Fleet, name: &str, word: &str) -> Vec<Violation> {
    let node = fleet.snapshot.nodes[name].clone();
    judged(fleet, |plan| {
        force(plan, &node, "worker", word, Slot::Granted);
    })
}

fn forbidden(fleet: &Fleet, name: &str, why: Forbidden) {
    sees(
        &forced(fleet, name, "new"),
        Promise::OwnersLimits,
        &Breach::Forbidden(why),
    );
}

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

#[test]
fn too_many_holders_for_one_object_are_seen() {
    let fleet = fleet();

    let violations = judged(&fleet, |plan| {
        for at in 0..=api::windlass::HOLDERS_LIMIT {
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
    });

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

#[test]
fn an_intent_that_does_not_rise_is_seen() {
    let fleet = fleet().done(&["a"], "old");

    let violations = judged(&fleet, |plan| {
        assign(plan).intent = Intent(1);
        plan.ledger
            .next
            .holders
            .values_mut()
            .for_each(|holder| holder.intent = Intent(1));
    });

    let breach = Breach::IntentNotRaised {
        from: Intent(1),
        to: Intent(1),
    };
    sees(&violations, Promise::Forward, &breach);
}

#[test]
fn an_intent_that_stands_for_two_configs_is_seen() {
    let fleet = fleet().done(&["a"], "old").holds_for("a", "bad", Intent(2));

    let violations = judged(&fleet, |plan| {
        assign(plan).intent = Intent(2);
        plan.ledger
            .next
            .holders
            .values_mut()
            .for_each(|holder| holder.intent = Intent(2));
    });

    sees(
        &violations,
        Promise::Forward,
        &Breach::IntentReused(config("bad")),
    );
}

#[test]
fn a_step_that_assumes_what_is_not_so_is_seen() {
    let fleet = fleet().done(&["a"], "old");

    let other = judged(&fleet, |plan| {
        assign(plan).expects.desired = Some(config("bad"));
    });
    let uid = judged(&fleet, |plan| assign(plan).uid = "another".into());

    sees(&other, Promise::Forward, &Breach::WrongAssumption);
    sees(&uid, Promise::Forward, &Breach::WrongAssumption);
}

#[test]
fn a_foreign_config_that_is_put_back_as_another_is_seen() {
    let touched = node("a").done("new").with(|node| {
        node.desired = Some(config("evil"));
        node.assigned = Some(record("new"));
    });
    let fleet = fleet().node(touched);

    let violations = judged(&fleet, |plan| {
        for step in &mut plan.steps {
            if let Step::PutBack { config: back, .. } = step {
                *back = config("bad");
            }
        }
    });

    sees(
        &violations,
        Promise::Forward,
        &Breach::NotPutBack(config("bad")),
    );
}

#[test]
fn a_repair_that_is_withheld_is_seen() {
    let fleet = fleet()
        .node(node("a").failed("old", "bad"))
        .holds("a", "bad");
    let before = fleet.snapshot.ledger.clone().expect("a ledger");

    let violations = judged(&fleet, |plan| {
        plan.steps.clear();
        plan.ledger.next = before;
        plan.ledger.differs = false;
        plan.answers.insert(
            "a".into(),
            Answer::Held(Hold::Failed {
                config: config("bad"),
                reason: "".into(),
            }),
        );
    });

    sees(
        &violations,
        Promise::Repair,
        &Breach::RepairMissed(config("new")),
    );
}

fn rhel() -> Fleet {
    fleet()
        .config("old", ("k33", "r1"), Some("1.33"))
        .config("new", ("k34", "r2"), Some("1.34"))
        .node(node("a").done("old").package_mode())
}

#[test]
fn a_kubelet_ahead_of_any_part_of_its_api_is_seen() {
    let upgraded = |fleet: Fleet| {
        fleet.node(
            node("a")
                .done("old")
                .package_mode()
                .with(|n| n.api_packages = "1.34.0".parse().ok()),
        )
    };
    let behind = rhel().api(&["v1.34.0", "v1.33.0"]);
    let silent = upgraded(rhel()).api(&["v1.34.0", ""]);
    let fresh = upgraded(rhel()).api_since(&["v1.34.0"], ago(30));
    let none = upgraded(rhel());
    let packages = rhel().api(&["v1.34.0"]);

    for fleet in [behind, silent, fresh, none, packages] {
        let violations = forced(&fleet, "a", "new");
        sees(
            &violations,
            Promise::KubeletAndApi,
            &Breach::GateAhead(config("new")),
        );
    }
}

#[test]
fn a_worker_that_goes_before_one_that_waits_in_a_slot_is_seen() {
    let ready = |node: NodeView| node.with(|node| node.api_packages = "1.34.0".parse().ok());
    let waiting = ready(node("b").done("mix").package_mode().not_ready(60));
    let fleet = rhel()
        .config("mix", ("k33", "r2"), Some("1.33"))
        .withholding("mix", "new")
        .node(ready(node("a").done("old").package_mode()))
        .node(waiting)
        .holds("b", "mix")
        .slots(4)
        .api(&["v1.34.0"]);

    let violations = forced(&fleet, "a", "new");

    sees(
        &violations,
        Promise::KubeletAndApi,
        &Breach::HoldersNotFirst("b".into()),
    );
}

#[test]
fn a_node_without_an_answer_with_a_wrong_one_or_with_two_steps_is_seen() {
    let fleet = fleet().done(&["a", "b"], "old");
    let named = Promise::EveryWaitNamed;

    let none = judged(&fleet, |plan| drop(plan.answers.remove("b")));
    let lie = judged(&fleet, |plan| {
        drop(
            plan.answers
                .insert("b".into(), Answer::Held(Hold::UpToDate)),
        );
    });
    let claim = judged(&fleet, |plan| {
        plan.answers
            .insert("b".into(), Answer::Assigned(config("new")));
    });
    let silent = judged(&fleet, |plan| {
        drop(
            plan.answers
                .insert("a".into(), Answer::Held(Hold::BudgetZero)),
        );
    });
    let twice = judged(&fleet, |plan| {
        let again = plan.steps[0].clone();
        plan.steps.push(again);
    });

    sees(&none, named, &Breach::NoAnswer);
    sees(&lie, named, &Breach::FalseHold("UpToDate"));
    sees(&claim, named, &Breach::AnswerWithoutStep);
    sees(&silent, named, &Breach::AnswerWithoutStep);
    sees(&twice, named, &Breach::TwoSteps);
}

#[test]
fn what_the_owner_has_not_allowed_is_seen() {
    let base = || fleet().done(&["a"], "old");
    let change = |change: fn(&mut NodeView)| fleet().node(node("a").done("old").with(change));

    forbidden(
        &base().worker(|pool| pool.paused = true),
        "a",
        Forbidden::Paused,
    );
    forbidden(
        &base().worker(|pool| pool.deleting = true),
        "a",
        Forbidden::NotItsPool,
    );
    let unclear = MaxUnavailable::Text("odd".into());
    forbidden(
        &base().worker(|pool| pool.max_unavailable = unclear),
        "a",
        Forbidden::PolicyUnclear,
    );
    let first = fleet()
        .node(node("a"))
        .worker(|pool| pool.approved_first = None);
    forbidden(&first, "a", Forbidden::NotApproved);
    forbidden(
        &change(|n| n.taken_away = Some(TakenAway::Deleted)),
        "a",
        Forbidden::TakenAway,
    );
    forbidden(
        &change(|n| n.unschedulable = true),
        "a",
        Forbidden::NotReady,
    );
    forbidden(
        &change(|n| drop(n.cannot_apply.insert(config("new"), "odd".into()))),
        "a",
        Forbidden::Unsupported,
    );
    let other = forced(&base(), "a", "bad");
    sees(
        &other,
        Promise::OwnersLimits,
        &Breach::Forbidden(Forbidden::NotTheTarget),
    );
}

#[test]
fn a_second_node_with_an_untried_config_is_seen() {
    let fleet = fleet()
        .done(&["a", "b"], "old")
        .slots(5)
        .settings(|settings| settings.first_alone = 1);

    forbidden(&fleet, "b", Forbidden::FirstAlone);
}

#[test]
fn a_rollout_that_goes_past_its_failures_is_seen() {
    let fleet = fleet()
        .node(node("b").failed("old", "new"))
        .done(&["a"], "old")
        .slots(4);

    forbidden(&fleet, "a", Forbidden::Stopped);
}

#[test]
fn a_free_slot_that_is_left_idle_is_seen() {
    let fleet = fleet().done(&["a"], "old");

    let violations = judged(&fleet, |plan| {
        plan.steps.clear();
        plan.ledger.next.holders.clear();
        plan.ledger.differs = false;
        let taken = rollout::hold::Names::of(["b"]);
        plan.answers
            .insert("a".into(), Answer::Held(Hold::NoFreeSlot { max: 1, taken }));
    });

    sees(
        &violations,
        Promise::Liveness,
        &Breach::LeftIdle("worker".into()),
    );
}

#[test]
fn a_wait_whose_end_nobody_looks_for_is_seen() {
    let fleet = rhel()
        .node(
            node("a")
                .done("old")
                .package_mode()
                .with(|n| n.api_packages = "1.34.0".parse().ok()),
        )
        .config("mix", ("k33", "r2"), Some("1.33"))
        .withholding("mix", "new")
        .node(
            node("c")
                .done("mix")
                .package_mode()
                .with(|n| n.api_packages = "1.34.0".parse().ok()),
        )
        .api_since(&["v1.34.0"], ago(30));

    let violations = judged(&fleet, |plan| plan.wake_at = None);

    sees(
        &violations,
        Promise::Liveness,
        &Breach::NoWake("KubeletWithheld"),
    );
}
