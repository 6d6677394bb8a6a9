//! For each promise that a plan can break: a plan is corrupted, and the checker says so.

mod answers;
mod assigns;
mod slots;

use crate::fleet::{Fleet, NOW, Told, ago, config, config_of, fleet, node, record};
use rollout::check::{Breach, Forbidden, Promise, Violation};
use rollout::hold::Names;
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

fn rhel() -> Fleet {
    fleet()
        .config("old", ("k33", "r1"), Some("1.33"))
        .config("new", ("k34", "r2"), Some("1.34"))
        .node(node("a").done("old").package_mode())
}
