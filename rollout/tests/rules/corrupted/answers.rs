//! Corrupted answers: repairs that are missing, names that are not true, slots that are left idle.

use super::*;

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
fn a_free_slot_that_is_left_idle_is_seen() {
    let fleet = fleet().done(&["a"], "old");

    let violations = judged(&fleet, |plan| {
        plan.steps.clear();
        plan.ledger.next.holders.clear();
        plan.ledger.differs = false;
        let taken = Names::of(["b"]);
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

#[test]
fn a_repair_that_is_withheld_from_a_node_whose_kubelet_was_killed_is_seen() {
    let killed = node("a")
        .done("bad")
        .not_ready(900)
        .with(|node| node.reported_at = Some(ago(1000)));
    let fleet = fleet().node(killed).holds("a", "bad");
    let before = fleet.snapshot.ledger.clone().expect("a ledger");

    let violations = judged(&fleet, |plan| {
        plan.steps.clear();
        plan.ledger.next = before;
        plan.ledger.differs = false;
        let waits = Hold::AwaitingFreshReady {
            config: config("bad"),
            since: None,
        };
        plan.answers.insert("a".into(), Answer::Held(waits));
    });

    sees(
        &violations,
        Promise::Repair,
        &Breach::RepairMissed(config("new")),
    );
}

#[test]
fn a_hold_that_names_the_wrong_nodes_is_seen() {
    let names = || Names::of(["b"]);
    let lies = [
        Hold::FirstAlone {
            config: config("new"),
            nodes: names(),
        },
        Hold::AfterSlotHolders(names()),
        Hold::RolloutStopped {
            config: config("new"),
            max: 1,
            failed: names(),
        },
        Hold::ControlPlaneQuorum {
            allowed: 1,
            members: 3,
            away: names(),
        },
        Hold::TwoControlPlaneNodes,
        Hold::LeaderLast { before: names() },
    ];
    let mut fleet = fleet()
        .settings(|settings| settings.first_alone = 1)
        .node(node("a").done("old").package_mode())
        .node(node("d").master())
        .done(&["b"], "new");
    fleet.snapshot.leader_node = Some("a".into());

    for lie in lies {
        let reason = lie.reason();
        let violations = judged(&fleet, |plan| {
            plan.answers.insert("a".into(), Answer::Held(lie));
        });

        sees(
            &violations,
            Promise::EveryWaitNamed,
            &Breach::FalseHold(reason),
        );
    }
}
