//! What to do next about one node's request.
//!
//! # Guarantees
//! [`next`] is pure. A node is cordoned and emptied only while the ledger names it as a holder. A single
//! control-plane node is neither cordoned nor emptied. On a node whose kubelet is silent nothing is waited
//! for: it could not end a pod anyway. Nothing is done to a node that somebody else is taking away. An
//! uncordon waits until the last planning round has nothing more for the node.

use super::cordon;
use super::pod::PodView;
use super::request::Request;
use super::round::Round;
use api::names::foreign;
use k8s_openapi::api::core::v1::Node;
use std::sync::Arc;

/// One thing to do about a node.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Step {
    /// Make it unschedulable.
    Cordon,
    /// Ask for the eviction of these.
    Evict(Vec<Arc<PodView>>),
    /// Say that it is empty; whether that rests on its cordon.
    Acknowledge {
        /// The cordon must still be there when it is said.
        cordoned: bool,
    },
    /// Undo our cordon, and say so.
    Uncordon,
    /// Nothing, until something changes.
    Wait,
}

/// What else is known of the node.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Standing {
    /// The ledger names it as a holder.
    pub holds_slot: bool,
    /// What the control plane loses with it.
    pub in_plane: InPlane,
    /// The last planning round has nothing more for it.
    pub may_be_uncordoned: bool,
}

/// What a node is to the control plane.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InPlane {
    /// It is not of it, or can be spared.
    Spared,
    /// It is the only node of it.
    Alone,
    /// Others of it are down: it is emptied, and its drain not acknowledged.
    Needed,
}

/// What to do next about an open request; `round` looks at the node's pods, and is asked only if they matter.
pub fn next(
    node: &Node,
    request: &Request,
    standing: Standing,
    round: impl FnOnce() -> Round,
) -> (Step, Round) {
    let nothing = Round::default;
    if is_taken_away(node) {
        return (Step::Wait, nothing());
    }
    if !request.is_drain() {
        let step = if standing.may_be_uncordoned {
            Step::Uncordon
        } else {
            Step::Wait
        };
        return (step, nothing());
    }
    if !standing.holds_slot {
        return (Step::Wait, nothing());
    }
    if standing.in_plane == InPlane::Alone {
        return (Step::Acknowledge { cordoned: false }, nothing());
    }
    if !cordon::is_cordoned(node) || cordon::is_of_another(node, request) {
        return (Step::Cordon, nothing());
    }
    if is_silent(node) {
        return (Step::Acknowledge { cordoned: true }, nothing());
    }
    let round = round();
    let step = if round.is_done() && standing.in_plane == InPlane::Needed {
        Step::Wait
    } else if round.is_done() {
        Step::Acknowledge { cordoned: true }
    } else if round.evict.is_empty() {
        Step::Wait
    } else {
        Step::Evict(round.evict.clone())
    };
    (step, round)
}

/// Somebody else is taking the node away.
pub fn is_taken_away(node: &Node) -> bool {
    let taints = node.spec.as_ref().and_then(|spec| spec.taints.as_ref());
    let mut taints = taints.into_iter().flatten();
    node.metadata.deletion_timestamp.is_some()
        || taints.any(|taint| foreign::TAKEN_AWAY_TAINTS.contains(&taint.key.as_str()))
}

/// The control plane has not heard of the kubelet for the node lifecycle's grace period.
pub fn is_silent(node: &Node) -> bool {
    let conditions = node
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    conditions
        .into_iter()
        .flatten()
        .any(|c| c.type_ == "Ready" && c.status == "Unknown")
}

#[cfg(test)]
mod tests {
    use super::*;
    use api::requests::DrainRequest;
    use serde_json::json;

    const HOLDER: Standing = Standing {
        holds_slot: true,
        in_plane: InPlane::Spared,
        may_be_uncordoned: false,
    };

    fn node(spec: &serde_json::Value, ready: &str) -> Node {
        let status = json!({"conditions": [{"type": "Ready", "status": ready}]});
        serde_json::from_value(json!({"metadata": {"name": "a"}, "spec": spec, "status": status}))
            .expect("a node")
    }

    fn drain() -> Request {
        Request {
            wish: DrainRequest::Drain("x".to_owned()),
            intent: 1,
        }
    }

    fn uncordon() -> Request {
        Request {
            wish: DrainRequest::Uncordon("x".to_owned()),
            intent: 1,
        }
    }

    fn busy() -> Round {
        Round {
            going: 1,
            ..Round::default()
        }
    }

    #[test]
    fn a_node_without_a_slot_is_not_drained() {
        let standing = Standing {
            holds_slot: false,
            ..HOLDER
        };

        assert_eq!(
            next(&node(&json!({}), "True"), &drain(), standing, busy).0,
            Step::Wait
        );
    }

    #[test]
    fn a_node_is_cordoned_before_any_pod_is_touched() {
        assert_eq!(
            next(&node(&json!({}), "True"), &drain(), HOLDER, busy).0,
            Step::Cordon
        );
    }

    #[test]
    fn a_drain_is_acknowledged_once_the_node_is_empty() {
        let cordoned = node(&json!({"unschedulable": true}), "True");

        assert_eq!(next(&cordoned, &drain(), HOLDER, busy).0, Step::Wait);
        assert_eq!(
            next(&cordoned, &drain(), HOLDER, Round::default).0,
            Step::Acknowledge { cordoned: true }
        );
    }

    #[test]
    fn an_empty_node_that_the_control_plane_needs_keeps_running() {
        let cordoned = node(&json!({"unschedulable": true}), "True");
        let needed = Standing {
            in_plane: InPlane::Needed,
            ..HOLDER
        };

        assert_eq!(
            next(&cordoned, &drain(), needed, Round::default).0,
            Step::Wait
        );
    }

    #[test]
    fn the_only_control_plane_node_is_neither_cordoned_nor_drained() {
        let standing = Standing {
            in_plane: InPlane::Alone,
            ..HOLDER
        };

        assert_eq!(
            next(&node(&json!({}), "True"), &drain(), standing, busy).0,
            Step::Acknowledge { cordoned: false }
        );
    }

    #[test]
    fn nothing_is_waited_for_where_the_kubelet_is_silent() {
        let silent = node(&json!({"unschedulable": true}), "Unknown");

        assert_eq!(
            next(&silent, &drain(), HOLDER, busy).0,
            Step::Acknowledge { cordoned: true }
        );
    }

    #[test]
    fn a_node_that_somebody_else_takes_away_is_left_alone() {
        let leaving = node(
            &json!({"taints": [{"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}]}),
            "True",
        );
        let standing = Standing {
            may_be_uncordoned: true,
            ..HOLDER
        };

        assert_eq!(next(&leaving, &drain(), standing, busy).0, Step::Wait);
        assert_eq!(next(&leaving, &uncordon(), standing, busy).0, Step::Wait);
    }

    #[test]
    fn an_uncordon_waits_until_the_plan_has_nothing_more_for_the_node() {
        let cordoned = node(&json!({"unschedulable": true}), "True");
        let standing = Standing {
            may_be_uncordoned: true,
            ..HOLDER
        };

        assert_eq!(next(&cordoned, &uncordon(), HOLDER, busy).0, Step::Wait);
        assert_eq!(
            next(&cordoned, &uncordon(), standing, busy).0,
            Step::Uncordon
        );
    }
}
