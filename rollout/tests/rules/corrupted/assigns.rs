//! Corrupted assignments: backwards, past the gate, past the owner's limits.

use super::*;

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
fn a_rollout_that_goes_past_killed_kubelets_is_seen() {
    let killed = node("b")
        .done("new")
        .not_ready(900)
        .with(|node| node.reported_at = Some(ago(1000)));
    let fleet = fleet()
        .node(killed)
        .holds("b", "new")
        .done(&["a"], "old")
        .slots(4);

    forbidden(&fleet, "a", Forbidden::Stopped);
}

#[test]
fn a_leader_that_goes_while_another_of_the_control_plane_could_is_seen() {
    let master = |name: &str| {
        node(name).master().done("old").with(|node| {
            node.current = Some(config_of("master", "old"));
            node.desired = Some(config_of("master", "old"));
        })
    };
    let mut fleet = fleet().pool("master", "new");
    fleet = fleet.node(master("a")).node(master("b")).node(master("c"));
    fleet.snapshot.leader_node = Some("a".into());
    let leader = fleet.snapshot.nodes["a"].clone();

    let violations = judged(&fleet, |plan| {
        plan.steps.clear();
        plan.ledger.next.holders.clear();
        force(plan, &leader, "master", "new", Slot::Granted);
    });

    sees(
        &violations,
        Promise::OwnersLimits,
        &Breach::Forbidden(Forbidden::LeaderLast),
    );
}
