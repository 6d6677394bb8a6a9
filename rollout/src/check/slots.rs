//! The budget: who is away after the plan, and whether the ledger knows.

use super::facts::Facts;
use super::violation::{Breach, Promise, Violations, note};
use crate::names::NodeName;
use crate::plan::{Assign, Plan, Returned, Slot, Step};
use crate::snapshot::{Ledger, NodeView};
use std::collections::{BTreeMap, BTreeSet};

pub(super) fn judge(facts: &Facts<'_>, plan: &Plan, violations: &mut Violations) {
    let assigns: BTreeMap<&NodeName, &Assign> =
        assigns(plan).map(|assign| (&assign.node, assign)).collect();
    judge_ledger(facts, plan, &assigns, violations);
    judge_returns(facts, plan, violations);
    judge_pools(facts, plan, &assigns, violations);
    judge_control_plane(facts, plan, &assigns, violations);
}

pub(super) fn assigns(plan: &Plan) -> impl Iterator<Item = &Assign> {
    plan.steps.iter().filter_map(|step| match step {
        Step::Assign(assign) => Some(assign),
        _ => None,
    })
}

fn judge_ledger(
    facts: &Facts<'_>,
    plan: &Plan,
    assigns: &BTreeMap<&NodeName, &Assign>,
    violations: &mut Violations,
) {
    let next = &plan.ledger.next;
    let read = facts.snapshot.ledger.as_ref();
    let writes = !assigns.is_empty() || read.is_some();
    if writes && !plan.ledger.differs && read != Some(next) {
        note(
            violations,
            Promise::Budget,
            "ledger",
            Breach::LedgerNotSwapped,
        );
    }
    let grants = assigns.values().any(|assign| assign.slot == Slot::Granted);
    let most = if grants {
        api::windlass::HOLDERS_LIMIT
    } else {
        api::windlass::HOLDERS_RECORDED_MAX
    };
    if next.holders.len() > most {
        note(
            violations,
            Promise::Budget,
            "ledger",
            Breach::LedgerOverflow,
        );
    }
    if read.is_none() && !assigns.is_empty() {
        note(violations, Promise::Budget, "ledger", Breach::LedgerUnread);
    }
    for (node, assign) in assigns {
        let agrees = next.holders.get(*node).is_some_and(|holder| {
            holder.uid == assign.uid
                && holder.intent == assign.intent
                && holder.config == assign.config
                && holder.pool == assign.pool
        });
        if !agrees {
            note(violations, Promise::Budget, node, Breach::NoSlot);
        }
        if assign.slot != Slot::Granted && !facts.holders.contains(*node) {
            note(violations, Promise::Budget, node, Breach::SlotNotHeld);
        }
    }
    for node in next.holders.keys() {
        if !facts.holders.contains(node) && !assigns.contains_key(node) {
            note(violations, Promise::Budget, node, Breach::Invented);
        }
    }
}

/// A slot ends only with its node, or when the node is through.
fn judge_returns(facts: &Facts<'_>, plan: &Plan, violations: &mut Violations) {
    let returned: BTreeMap<&NodeName, Returned> = plan
        .ledger
        .returned
        .iter()
        .map(|(holder, why)| (&holder.node, *why))
        .collect();
    let next = &plan.ledger.next;
    let full = next.holders.len() >= api::windlass::HOLDERS_RECORDED_MAX;
    let recorded: &Ledger = &facts.snapshot.ledger.clone().unwrap_or_default();
    let all: BTreeSet<&NodeName> = facts
        .holders
        .iter()
        .chain(recorded.holders.keys())
        .collect();
    for name in all {
        let node = facts.node(name);
        let record = recorded.holders.get(name);
        let same = record.is_none_or(|record| node.is_some_and(|node| node.uid == record.uid));
        let kept = next.holders.contains_key(name);
        match (returned.get(name), node) {
            (Some(Returned::NodeGone), Some(_)) if same => {
                note(violations, Promise::Budget, name, Breach::ReturnedTooEarly);
            }
            (Some(Returned::Settled), Some(node)) if !may_return(facts, node) => {
                note(violations, Promise::Budget, name, Breach::ReturnedTooEarly);
            }
            (None, Some(node)) if !kept && same => {
                // One that the ledger never named may be let go in silence, once it is through.
                let silent = record.is_none() && (full || may_return(facts, node));
                if !silent {
                    note(violations, Promise::Budget, name, Breach::SlotLost);
                }
            }
            (None, None) if !kept => note(violations, Promise::Budget, name, Breach::SlotLost),
            (Some(_) | None, _) => {}
        }
    }
}

fn may_return(facts: &Facts<'_>, node: &NodeView) -> bool {
    let written = facts
        .recorded(node)
        .is_none_or(|holder| holder.intent <= node.intent);
    let policy = facts
        .pool_of(&node.name)
        .map_or(&facts.policy.defaults, |(_, policy)| policy);
    written && Facts::is_through(node, policy)
}

/// No pool has more nodes away than may be, if any is taken from it.
fn judge_pools(
    facts: &Facts<'_>,
    plan: &Plan,
    assigns: &BTreeMap<&NodeName, &Assign>,
    violations: &mut Violations,
) {
    for (name, pool) in &facts.snapshot.pools {
        let granted: Vec<&&NodeName> = assigns
            .iter()
            .filter(|(_, assign)| assign.pool == *name && assign.slot == Slot::Granted)
            .map(|(node, _)| node)
            .collect();
        if granted.is_empty() {
            continue;
        }
        let mut away: BTreeSet<&NodeName> = facts.gone.get(name).into_iter().flatten().collect();
        // A node that is not well costs nothing more when it is taken itself; before another is taken, all of them count.
        let unwell: BTreeSet<&NodeName> = facts.unwell.get(name).into_iter().flatten().collect();
        let reuse = facts.policy.of(name).reuse_slots;
        if !reuse || granted.iter().any(|node| !unwell.contains(**node)) {
            away.extend(unwell);
        }
        away.extend(granted.into_iter().copied());
        if reuse {
            let holders = plan.ledger.next.holders.values();
            away.extend(
                holders
                    .filter(|holder| holder.pool == *name)
                    .map(|holder| &holder.node),
            );
        } else {
            // The reference counts a failure with the target, but none with a former config.
            let members = facts.membership.members.get(name).into_iter().flatten();
            away.extend(members.filter(|node| {
                facts
                    .node(node)
                    .is_some_and(|node| node.is_failing() && node.desired == pool.target)
            }));
        }
        let max = facts.max(pool).unwrap_or(0);
        if i64::try_from(away.len()).is_ok_and(|away| away > max) {
            let breach = Breach::OverBudget {
                away: away.len(),
                max,
            };
            note(violations, Promise::Budget, name, breach);
        }
    }
}

/// Never more of the control plane away than etcd's quorum leaves, over all pools.
fn judge_control_plane(
    facts: &Facts<'_>,
    plan: &Plan,
    assigns: &BTreeMap<&NodeName, &Assign>,
    violations: &mut Violations,
) {
    let plane = &facts.control_plane;
    let takes = plane.iter().any(|node| {
        assigns
            .get(node)
            .is_some_and(|assign| assign.slot == Slot::Granted)
    });
    if !takes {
        return;
    }
    let Some(allowed) = facts.control_plane_allows() else {
        return;
    };
    let is_away = |node: &&NodeName| {
        plan.ledger.next.holders.contains_key(*node) || !facts.serves_the_cluster(node)
    };
    let away = plane.iter().filter(is_away).count();
    if away > allowed {
        let breach = Breach::ControlPlane { away, allowed };
        note(violations, Promise::Budget, "control plane", breach);
    }
}
