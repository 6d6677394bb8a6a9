//! Nodes that hold a slot: they are let finish, given a newer config in the slot that they have, repaired, or let go.
//!
//! # Guarantees
//! A slot is given back last of all ([`holders::is_settled`]). An assignment whose slot is on record but which never
//! reached its Node is written again, or, where it may not be any more, is replaced by what the node has, with a higher
//! intent: a write of the former that is still under way then fails its test, and the slot cannot be left behind.

use super::gate::Wanted;
use super::holders::{self, Holding, assigned};
use super::order::rank;
use super::round::Round;
use super::step::{Answer, Slot};
use super::trial::{Class, has_failed, not_ready_until};
use super::way;
use crate::hold::Hold;
use crate::names::{ConfigName, Intent, PoolName};
use crate::policy::{OnDrainTimeout, PoolPolicy};
use crate::snapshot::{NodeState, NodeView};
use jiff::Timestamp;

/// Serves every holder: those that are down first, because they have the least to lose.
pub(super) fn holders(round: &mut Round<'_>) {
    let snapshot = round.snapshot;
    let holders = round
        .holdings
        .keys()
        .filter_map(|name| snapshot.nodes.get(name));
    let mut order: Vec<&NodeView> = holders.collect();
    order.sort_by_cached_key(|node| (!is_down(round, node), rank(node)));
    for node in order {
        if !round.answers.contains_key(&node.name)
            && let Some(holding) = round.holdings.get(&node.name).cloned()
        {
            serve(round, node, &holding);
        }
    }
}

/// Keeps the drains of control-plane nodes from being acknowledged while others of them are down that were not when these
/// were taken: they still serve, and etcd needs them.
pub(super) fn spare_the_quorum(round: &mut Round<'_>) {
    for (node, hold) in round.plane.keeps_waiting() {
        let answer = round.answers.get(&node).and_then(Answer::hold);
        // One that is given another config, or that somebody takes away, is not acknowledged anyway.
        if answer.is_some_and(|hold| !matches!(hold, Hold::TakenAway(_))) {
            round.hold(&node, hold);
        }
    }
}

fn serve(round: &mut Round<'_>, node: &NodeView, holding: &Holding) {
    let assigned = holding.assigned.clone();
    let (policy, name, pool_hold, target) = match round.pool_of(&node.name) {
        Ok(pool) => (
            pool.policy,
            pool.view.name.clone(),
            pool.hold.clone(),
            pool.target(),
        ),
        Err(hold) => {
            // The pool is gone or nobody's: the node finishes and is let go.
            if holders::is_settled(node, holding, &PoolPolicy::default()) {
                round.give_back(node);
            }
            round.hold(&node.name, hold);
            return;
        }
    };
    if node.taken_away.is_some() {
        round.hold(&node.name, way::hold(node, holding, policy));
        return;
    }
    if !holding.is_written(node) {
        write_again(round, node, holding, &name);
        return;
    }
    if let Some(config) = assigned
        .as_ref()
        .filter(|config| node.desired.as_ref() != Some(*config))
    {
        round.put_back(node, config);
        return;
    }
    let ledger_is_read = round.snapshot.ledger.is_some();
    if ledger_is_read && holders::is_settled(node, holding, policy) {
        // What comes next for it is asked like for any other node: see `candidates`.
        round.give_back(node);
        return;
    }
    if let Some(at) = not_ready_until(node) {
        round.wake(at, "NotReadyFails");
    }
    let (None, Some(target)) = (&pool_hold, target) else {
        round.hold(&node.name, way::hold(node, holding, policy));
        return;
    };
    if gives_up_drain(round, node, policy) {
        let config = node.current.clone().unwrap_or_else(|| target.clone());
        round.assign(node, &name, (&config, node.intent.next()), Slot::Held);
        return;
    }
    let target = target.clone();
    serve_open(round, node, (holding, assigned.as_ref()), &name, &target);
}

/// A holder on its way, in a pool that nothing holds.
fn serve_open(
    round: &mut Round<'_>,
    node: &NodeView,
    (holding, assigned): (&Holding, Option<&ConfigName>),
    pool: &PoolName,
    target: &ConfigName,
) {
    let Some(policy) = round.pools.get(pool).map(|pool| pool.policy) else {
        return;
    };
    let wanted = round
        .gate
        .wanted(node, assigned, target, policy.kubelet_gate.as_ref());
    let down = is_down(round, node);
    let way = || way::hold(node, holding, policy);
    match wanted {
        Wanted::Config { config, withheld } if assigned == Some(&config) => {
            if is_misfit(node) || (policy.reuse_slots && is_adopted(node)) {
                round.assign(node, pool, (&config, node.intent.next()), Slot::Held);
                return;
            }
            let over = node.is_done() && node.acted_intent >= node.intent;
            match withheld {
                Some(withheld) if over && !node.conditions_ready() => {
                    round.hold(&node.name, Hold::KubeletWithheld(withheld));
                }
                _ => round.hold(&node.name, way()),
            }
        }
        Wanted::Config { config, .. } => retarget(round, node, (holding, assigned), &config, down),
        Wanted::Nothing(hold) => round.hold(&node.name, if down { hold } else { way() }),
        Wanted::Compose(compose) => {
            let hold = Hold::AwaitingComposition {
                target: compose.rest_of.clone(),
            };
            round.compositions.insert(compose);
            round.hold(&node.name, if down { hold } else { way() });
        }
    }
}

/// Gives a holder a newer config in the slot that it has.
fn retarget(
    round: &mut Round<'_>,
    node: &NodeView,
    (holding, assigned): (&Holding, Option<&ConfigName>),
    config: &ConfigName,
    down: bool,
) {
    let pool_name = holding.holder.pool.clone();
    let Some(pool) = round.pools.get(&pool_name) else {
        return;
    };
    let policy = pool.policy;
    // One that was told to stay as it is (a drain given up, a grant taken back) finishes that first.
    let open = node.acted_intent < node.intent
        || (node.drain_released_at.is_some() && node.cordoned_by_us);
    let stays = assigned.is_some() && node.current.as_ref() == assigned && open && !down;
    if !policy.reuse_slots || stays {
        round.hold(&node.name, way::hold(node, holding, policy));
        return;
    }
    let class = Class::of(config, round.snapshot);
    let trials = round.trials.get(&pool_name);
    if let Some(stopped) = trials.and_then(|trials| trials.stopped(&class, config, pool)) {
        let hold = if down {
            stopped
        } else {
            way::hold(node, holding, policy)
        };
        round.hold(&node.name, hold);
        return;
    }
    // A node that is down is risked no more by the new config than by the one that it has.
    let alone = trials
        .and_then(|trials| trials.alone(&class, (config, &node.name), policy))
        .filter(|_| !down);
    if alone.is_some() {
        round.hold(&node.name, way::hold(node, holding, policy));
        return;
    }
    if withholds(round, &holding.holder.config) && !withholds(round, config) {
        round
            .released
            .entry(pool_name.clone())
            .or_default()
            .push(node.name.clone());
    }
    let slot = if down { Slot::Repair } else { Slot::Held };
    round.assign(node, &pool_name, (config, node.intent.next()), slot);
}

/// Writes an assignment whose slot is on record and which has not reached its Node.
fn write_again(round: &mut Round<'_>, node: &NodeView, holding: &Holding, pool_name: &PoolName) {
    let granted = &holding.holder;
    // Where it may not have it any more it is given what it has, so that a write that is still under way fails.
    let present = if node.intent == Intent::NONE {
        node.current.as_ref()
    } else {
        assigned(node, None)
    };
    let allowed = may_have(round, node, holding, pool_name);
    let config = match allowed.or_else(|hold| present.cloned().ok_or(hold)) {
        Ok(config) => config,
        Err(hold) => {
            round.hold(&node.name, hold);
            return;
        }
    };
    // An intent stands for one config.
    let same = config == granted.config && granted.intent > node.intent;
    let intent = if same {
        granted.intent
    } else {
        granted.intent.max(node.intent).next()
    };
    let slot = if is_down(round, node) {
        Slot::Repair
    } else {
        Slot::Held
    };
    round.assign(node, pool_name, (&config, intent), slot);
}

/// The config that a node with an unwritten assignment may have now.
fn may_have(
    round: &mut Round<'_>,
    node: &NodeView,
    holding: &Holding,
    pool_name: &PoolName,
) -> Result<ConfigName, Hold> {
    let pool = round.pools.get(pool_name).ok_or(Hold::NoPool)?;
    if let Some(hold) = &pool.hold {
        return Err(hold.clone());
    }
    let target = pool.target().ok_or(Hold::NoTarget)?;
    let gate = pool.policy.kubelet_gate.as_ref();
    let config = match round.gate.wanted(node, assigned(node, None), target, gate) {
        Wanted::Config { config, .. } => config,
        Wanted::Nothing(hold) => return Err(hold),
        Wanted::Compose(compose) => {
            let hold = Hold::AwaitingComposition {
                target: compose.rest_of.clone(),
            };
            round.compositions.insert(compose);
            return Err(hold);
        }
    };
    let class = Class::of(&config, round.snapshot);
    let trials = round.trials.get(pool_name);
    if let Some(stopped) = trials.and_then(|trials| trials.stopped(&class, &config, pool)) {
        return Err(stopped);
    }
    let again = holding.holder.intent > node.intent
        && class == Class::of(&holding.holder.config, round.snapshot);
    if !again
        && !is_down(round, node)
        && let Some(alone) =
            trials.and_then(|trials| trials.alone(&class, (&config, &node.name), pool.policy))
    {
        return Err(alone);
    }
    Ok(config)
}

/// Whether a holder is down on our account: its daemon says that the config failed; or it is through, and is not Ready for
/// longer than a start takes, or waits for a kubelet part that is withheld from it.
pub(super) fn is_down(round: &Round<'_>, node: &NodeView) -> bool {
    let waits_for_kubelet = || {
        let over = node.is_done() && node.acted_intent >= node.intent;
        let withheld = node
            .desired
            .as_ref()
            .is_some_and(|config| withholds(round, config));
        over && withheld && !node.conditions_ready()
    };
    has_failed(node)
        || not_ready_until(node).is_some_and(|until| until <= round.now)
        || waits_for_kubelet()
}

fn withholds(round: &Round<'_>, config: &ConfigName) -> bool {
    round
        .snapshot
        .configs
        .get(config)
        .is_some_and(|config| config.withholds.is_some())
}

/// Its daemon is through with its assignment, reports no failure, and has another config: it has to be told again.
fn is_misfit(node: &NodeView) -> bool {
    let working = node.state == Some(NodeState::Working);
    node.intent > Intent::NONE
        && node.acted_intent >= node.intent
        && !node.says_failed()
        && !working
        && node.current != node.desired
}

/// It was assigned by somebody who knew no intents, before us, and is not through: its daemon waits for an intent.
fn is_adopted(node: &NodeView) -> bool {
    node.intent == Intent::NONE && node.current != node.desired
}

/// Whether the owner wants a drain given up that has taken too long. Nothing was touched yet, so the node stays what it is.
fn gives_up_drain(round: &mut Round<'_>, node: &NodeView, policy: &PoolPolicy) -> bool {
    let (OnDrainTimeout::Release, Some(timeout)) = (policy.drain.on_timeout, policy.drain.timeout)
    else {
        return false;
    };
    let since = node.drain.as_ref().and_then(|drain| drain.since);
    let Some(since) = since.filter(|_| way::is_draining(node) && node.current.is_some()) else {
        return false;
    };
    let at = since.saturating_add(timeout).unwrap_or(Timestamp::MAX);
    round.wake(at, "DrainTimeout");
    at <= round.now
}
