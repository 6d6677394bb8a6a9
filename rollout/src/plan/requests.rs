//! What persons ask for by name: `windlass assign` (design, section 3).
//!
//! A request is carried out once, through the ledger, with a higher intent. It goes past what only slows a rollout down
//! (pause, first node alone, stop after failures, approval: a person decided), and past nothing that keeps nodes
//! alive: budget, control plane, kubelet gate. Afterwards the node is its pool's again: who wants it to keep another
//! config than the target pauses the pool.

use super::round::Round;
use super::step::Slot;
use crate::budget;
use crate::hold::{Hold, Names};
use crate::names::{NodeName, PoolName};
use crate::snapshot::{AssignRequest, NodeView, Snapshot};
use std::collections::BTreeSet;

/// Carries out the requests on nodes that hold a slot, before they are served otherwise: a request goes before whatever
/// the node would be given in its slot.
pub(super) fn of_holders(round: &mut Round<'_>) {
    for node in asked(round.snapshot) {
        if round.holdings.contains_key(&node.name) {
            // Where it may not go, a holder has a better answer: how far it is.
            serve(round, node).ok();
        }
    }
}

/// Carries out the requests on all others, once it is known which slots are given back; or says why one waits.
pub(super) fn of_others(round: &mut Round<'_>) {
    for node in asked(round.snapshot) {
        if !round.answers.contains_key(&node.name)
            && let Err(hold) = serve(round, node)
        {
            round.hold(&node.name, hold);
        }
    }
}

fn asked(snapshot: &Snapshot) -> impl Iterator<Item = &NodeView> {
    let nodes = snapshot.nodes.values();
    nodes.filter(|node| node.request.is_some())
}

fn serve(round: &mut Round<'_>, node: &NodeView) -> Result<(), Hold> {
    let Some(request) = &node.request else {
        return Ok(());
    };
    let (pool, slot) = may_go(round, node, request)?;
    let held = round
        .holdings
        .get(&node.name)
        .map(|holding| &holding.holder);
    let intent = match held {
        // Granted, and not written yet.
        Some(held) if held.intent > node.intent && held.config == request.config => held.intent,
        held => held
            .map_or(node.intent, |held| held.intent.max(node.intent))
            .next(),
    };
    let what = (&request.config, intent);
    round.assign_as_requested(node, &pool, what, slot, &request.reason);
    Ok(())
}

fn may_go(
    round: &Round<'_>,
    node: &NodeView,
    request: &AssignRequest,
) -> Result<(PoolName, Slot), Hold> {
    let pool = round.pool_of(&node.name)?;
    if let Some(by) = node.taken_away {
        return Err(Hold::TakenAway(by));
    }
    match &pool.hold {
        None | Some(Hold::Paused { .. } | Hold::AwaitingFirstApproval { .. } | Hold::NoTarget) => {}
        Some(hold) => return Err(hold.clone()),
    }
    if round.snapshot.ledger.is_none() {
        return Err(Hold::LedgerUnread);
    }
    if let Some(hold) = round
        .gate
        .forbids(node, &request.config, pool.policy.kubelet_gate.as_ref())
    {
        return Err(hold);
    }
    let name = pool.view.name.clone();
    if round.holdings.contains_key(&node.name) {
        return Ok((name, Slot::Held));
    }
    // One that is not well by its own word costs nothing beside others like it, but beside those that are really gone.
    let unwell =
        pool.policy.reuse_slots && node.is_ready() && budget::is_unavailable(node, pool.policy);
    let counts = |other: &&&NodeView| {
        budget::is_unavailable(other, pool.policy) && !(unwell && other.is_ready())
    };
    let down = pool.members.iter().filter(counts);
    let mut taken: BTreeSet<&NodeName> = down.map(|other| &other.name).collect();
    let holders = round
        .holdings
        .iter()
        .filter(|(_, holding)| holding.holder.pool == name);
    taken.extend(holders.map(|(other, _)| other));
    taken.remove(&node.name);
    let max = pool.slots();
    if max == 0 {
        return Err(Hold::BudgetZero);
    }
    if taken.len() >= max {
        return Err(Hold::NoFreeSlot {
            max,
            taken: Names::of(taken),
        });
    }
    if node.is_control_plane()
        && let Some(hold) = round.plane.refuses(&node.name)
    {
        return Err(hold);
    }
    if round.ledger_is_full() {
        return Err(Hold::LedgerFull);
    }
    Ok((name, Slot::Granted))
}
