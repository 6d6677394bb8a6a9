//! How far a node on its way is: the hold of one that holds a slot and is let be.

use super::holders::{Holding, is_recorded, own_pods_ready};
use super::trial::has_failed;
use crate::hold::{Hold, Names, Phase, shown};
use crate::names::Intent;
use crate::policy::PoolPolicy;
use crate::snapshot::{NodeState, NodeView};
use api::requests::DrainRequest;

/// Why a holder that is not settled waits.
pub(super) fn hold(node: &NodeView, holding: &Holding, policy: &PoolPolicy) -> Hold {
    let config = holding.holder.config.clone();
    let in_flight = |phase| Hold::InFlight {
        config: config.clone(),
        phase,
    };
    if let Some(by) = node.taken_away {
        return Hold::TakenAway(by);
    }
    if !holding.is_written(node) {
        return in_flight(Phase::Unwritten);
    }
    if has_failed(node) {
        return failed(node, holding);
    }
    if let Some(phase) = visit(node) {
        return match &node.drain {
            Some(drain) if phase == Phase::Draining && drain.blocked > 0 => {
                Hold::DrainBlocked(drain.clone())
            }
            _ => in_flight(phase),
        };
    }
    if node.cordoned_by_us {
        return in_flight(Phase::Uncordoning);
    }
    if !node.fresh_ready() {
        return Hold::AwaitingFreshReady {
            config,
            since: node.reported_at,
        };
    }
    if !own_pods_ready(node, policy) {
        let pods = node.api_pods.iter().filter(|pod| !pod.ready);
        return Hold::OwnPodsNotReady(Names::of(pods.map(|pod| &pod.name)));
    }
    if is_recorded(node) {
        in_flight(Phase::Assigned)
    } else {
        in_flight(Phase::Recording)
    }
}

/// The hold of a node whose daemon reports a failure.
pub(super) fn failed(node: &NodeView, holding: &Holding) -> Hold {
    Hold::Failed {
        config: holding.holder.config.clone(),
        reason: shown(&node.reason),
    }
}

/// How far the visit is; `None` once it is over.
fn visit(node: &NodeView) -> Option<Phase> {
    let over = node.acted_intent >= node.intent && node.is_done();
    if over {
        return None;
    }
    if is_draining(node) {
        return Some(Phase::Draining);
    }
    if node.post_config_action.as_deref() == Some(api::names::node_state::REBOOTING) {
        return Some(Phase::Rebooting);
    }
    Some(if node.state == Some(NodeState::Working) {
        Phase::Working
    } else {
        Phase::Assigned
    })
}

/// Whether its daemon asked for a drain that was not acknowledged yet. It has touched nothing before.
pub(super) fn is_draining(node: &NodeView) -> bool {
    let Some(asked) = node.desired_drain.as_deref() else {
        return false;
    };
    let for_this = match DrainRequest::parse(asked) {
        Some(DrainRequest::Drain(config)) => {
            node.desired.as_ref().is_some_and(|d| *d == config.as_str())
        }
        _ => false,
    };
    let granted = node.last_applied_drain.as_deref() == Some(asked)
        && (node.intent == Intent::NONE || node.drained_intent == Some(node.intent));
    for_this && !granted
}
