//! Carries out what a plan says of nodes, once the ledger has it.
//!
//! # Guarantees
//! Each step is one JSON patch that tests the node's uid and what the plan expected, so that a stale step
//! changes nothing. The record on the MachineConfigNode follows in the same round.
//! # Not here
//! Taints that are not taken off with an assignment: they are advice, see [`super::taints`].

use super::control_plane::{is_alone, is_control_plane};
use super::record::{self, OwnPods, own_pods};
use crate::context::Context;
use crate::drain::request::Request;
use crate::error::{ApiError, Chain, Meaning};
use crate::events::{self, Tone};
use crate::patch::{NodePatch, Written};
use api::names::{node as contract, ours, taint};
use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::{Node, Taint};
use kube::ResourceExt;
use rollout::names::{ConfigName, Intent, NodeName, Uid};
use rollout::plan::{Assign, Expects, Slot};
use rollout::{Plan, Step};
use std::collections::BTreeMap;
use tracing::{debug, info, warn};

/// So many nodes are written at a time: enough to fill the rate, few enough for one connection.
const AT_ONCE: usize = 16;

/// The watch should show a write within this; after that a plan that repeats it is carried out.
const SHOWN_AFTER: SignedDuration = SignedDuration::from_secs(5);

/// Assignments that took effect and that the watch may not show yet: a plan that is made from its view repeats them.
#[derive(Debug, Default)]
pub struct Unshown(BTreeMap<NodeName, (Written, Timestamp)>);

impl Unshown {
    /// Whether this step took effect already. Looking again is all that it costs to be wrong.
    pub fn has(&self, context: &Context, step: &Step) -> bool {
        let Step::Assign(assign) = step else {
            return false;
        };
        let kept = context.stores.nodes.get(assign.node.as_str());
        let written = self.0.get(&assign.node);
        kept.zip(written).is_some_and(|(kept, (written, until))| {
            context.clock.now() < *until && !written.is_shown_by(&kept.node)
        })
    }

    fn note(&mut self, now: Timestamp, written: Vec<(NodeName, Written)>) {
        self.0.retain(|_, (_, until)| now < *until);
        let until = now.saturating_add(SHOWN_AFTER).unwrap_or(Timestamp::MAX);
        let written = written.into_iter();
        self.0
            .extend(written.map(|(node, written)| (node, (written, until))));
    }
}

/// Carries out all steps on nodes but those that took effect already; returns whether all of them took effect.
pub async fn steps(context: &Context, plan: &Plan, unshown: &mut Unshown) -> bool {
    let due = plan.steps.iter();
    let writes: Vec<_> = due
        .filter(|step| !unshown.has(context, step))
        .map(|step| carry_out(context, step))
        .collect();
    let done: Vec<_> = stream::iter(writes)
        .buffer_unordered(AT_ONCE)
        .collect()
        .await;
    let complete = done.iter().all(Option::is_some);
    let written = done.into_iter().flatten().flatten().collect();
    unshown.note(context.clock.now(), written);
    complete
}

/// Which assignment took effect, if the step was one; none if the step did not take effect.
async fn carry_out(context: &Context, step: &Step) -> Option<Option<(NodeName, Written)>> {
    let done = match step {
        Step::Assign(assign) => assign_node(context, assign).await,
        Step::PutBack {
            node,
            uid,
            config,
            expects,
        } => put_back(context, node.as_str(), uid, config, expects)
            .await
            .map(|()| None),
        Step::SetTaint { .. } | Step::RemoveTaint { .. } => Ok(None),
    };
    match done {
        Ok(written) => Some(written.map(|written| (step.node().clone(), written))),
        Err(error) if error.meaning() == Meaning::Stale => {
            debug!(node = %step.node(), error = %Chain(&error), "the node is not as it was seen");
            None
        }
        Err(error) => {
            warn!(node = %step.node(), error = %Chain(&error), "a step was not carried out");
            None
        }
    }
}

async fn assign_node(context: &Context, assign: &Assign) -> Result<Option<Written>, ApiError> {
    let Some(kept) = context.stores.nodes.get(assign.node.as_str()) else {
        return Ok(None);
    };
    let node = &kept.node;
    let mut patch = NodePatch::of(node);
    if !is_as_expected(node, &assign.uid, &assign.expects) {
        return Ok(None);
    }
    patch.assume(contract::DESIRED_CONFIG).assume(ours::INTENT);
    patch.annotate(contract::DESIRED_CONFIG, assign.config.as_str());
    patch.annotate(ours::INTENT, assign.intent.to_string());
    if is_control_plane(node) {
        let alone = is_alone(context, node);
        let topology = if alone {
            contract::TOPOLOGY_SINGLE_REPLICA
        } else {
            contract::TOPOLOGY_HIGHLY_AVAILABLE
        };
        patch.annotate(contract::CONTROL_PLANE_TOPOLOGY, topology);
    }
    if assign.request.is_some() && node.annotations().contains_key(ours::ASSIGN_REQUEST) {
        patch
            .assume(ours::ASSIGN_REQUEST)
            .strip(ours::ASSIGN_REQUEST);
    }
    if assign.request.is_some() {
        patch.annotate(ours::ASSIGNED_ON_REQUEST, assign.intent.to_string());
    } else if node.annotations().contains_key(ours::ASSIGNED_ON_REQUEST) {
        patch.strip(ours::ASSIGNED_ON_REQUEST);
    }
    remember_release(context, node, assign, &mut patch);
    if context.taints.is_unsettled(node) {
        // Its taint may be there although it is not seen: who wrote it is waited for.
        patch.assume_untouched();
    }
    if assign.removes_taint {
        remove_taint(node, &mut patch);
    }
    context.limits.node_writes.ready().await;
    let written = patch
        .send(&context.client, "assigning a config to the node")
        .await?;
    info!(node = %assign.node, config = %assign.config, intent = %assign.intent, slot = %assign.slot, "assigned");
    let why = assign
        .request
        .as_ref()
        .map(|why| format!(" on request: {why}"))
        .unwrap_or_default();
    let message = format!(
        "assigned {} (intent {}) in {}{why}",
        assign.config, assign.intent, assign.slot
    );
    context.events.tell(
        &events::about(node),
        Tone::Normal,
        "SetDesiredConfig",
        &message,
    );
    record_assignment(context, node, assign).await?;
    Ok(Some(written))
}

/// Records the assignment before the next round plans: once the slot is back, the record alone says that what the node is told
/// to have is ours.
async fn record_assignment(
    context: &Context,
    node: &Node,
    assign: &Assign,
) -> Result<(), ApiError> {
    let pods = own_pods(context, node);
    let pods = match assign.slot {
        Slot::Granted => OwnPods::AsTaken(pods),
        // The node is away already: what it lacks now it may have had when it was taken.
        Slot::Held | Slot::Repair => OwnPods::AndThese(pods),
    };
    let (pool, config) = (assign.pool.as_str(), assign.config.as_str());
    record::write(context, node, pool, Some(config), &pods).await
}

/// A node that is told in mid-drain to stay as it is has its drain given up: others go before it. What
/// another assignment finds of that has had its effect.
fn remember_release(context: &Context, node: &Node, assign: &Assign, patch: &mut NodePatch<'_>) {
    let current = node
        .annotations()
        .get(contract::CURRENT_CONFIG)
        .map(String::as_str);
    let draining = Request::of(node).is_some_and(|request| request.is_drain());
    if draining && current == Some(assign.config.as_str()) {
        patch.annotate(ours::DRAIN_RELEASED_AT, context.clock.now().to_string());
    } else if node.annotations().contains_key(ours::DRAIN_RELEASED_AT) {
        patch.strip(ours::DRAIN_RELEASED_AT);
    }
}

async fn put_back(
    context: &Context,
    name: &str,
    uid: &Uid,
    config: &ConfigName,
    expects: &Expects,
) -> Result<(), ApiError> {
    let Some(kept) = context.stores.nodes.get(name) else {
        return Ok(());
    };
    let node = &kept.node;
    if !is_as_expected(node, uid, expects) {
        return Ok(());
    }
    let mut patch = NodePatch::of(node);
    patch.assume(contract::DESIRED_CONFIG).assume(ours::INTENT);
    patch.annotate(contract::DESIRED_CONFIG, config.as_str());
    context.limits.node_writes.ready().await;
    patch
        .send(&context.client, "putting back the config of the node")
        .await?;
    let found = expects
        .desired
        .as_ref()
        .map_or("nothing", ConfigName::as_str);
    let message = format!(
        "desiredConfig was {found}, which somebody else wrote; it is {config} again. To force a node, use \
         `windlass assign`"
    );
    context.events.tell(
        &events::about(node),
        Tone::Warning,
        "DesiredConfigPutBack",
        &message,
    );
    Ok(())
}

/// Whether the node as the cache has it is the one that the plan was made for. The patch tests it again.
fn is_as_expected(node: &Node, uid: &Uid, expects: &Expects) -> bool {
    let Expects { desired, intent } = expects;
    let value = |key| {
        node.annotations()
            .get(key)
            .map(String::as_str)
            .filter(|v| !v.is_empty())
    };
    let seen = value(ours::INTENT)
        .and_then(|intent| intent.parse().ok())
        .map(Intent);
    node.uid().as_deref() == Some(uid.as_str())
        && value(contract::DESIRED_CONFIG) == desired.as_ref().map(ConfigName::as_str)
        && seen.unwrap_or(Intent::NONE) == *intent
}

/// Takes the taint off, at the place where it was seen.
pub(crate) fn remove_taint(node: &Node, patch: &mut NodePatch<'_>) {
    let taints = taints(node);
    let Some(at) = taints
        .iter()
        .position(|taint| taint.key == taint::UPDATE_IN_PROGRESS)
    else {
        return;
    };
    let at = at.to_string();
    patch.test(
        &["spec", "taints", &at, "key"],
        taint::UPDATE_IN_PROGRESS.into(),
    );
    patch.remove(&["spec", "taints", &at]);
}

/// The node's taints.
pub(super) fn taints(node: &Node) -> &[Taint] {
    node.spec
        .as_ref()
        .and_then(|spec| spec.taints.as_deref())
        .unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_taint_is_taken_off_only_where_it_was_seen() {
        let node: Node = serde_json::from_value(json!({
            "metadata": {"name": "a", "uid": "1"},
            "spec": {"taints": [
                {"key": "other", "effect": "NoSchedule"},
                {"key": "UpdateInProgress", "effect": "PreferNoSchedule"},
            ]},
        }))
        .expect("a node");
        let mut patch = NodePatch::of(&node);
        remove_taint(&node, &mut patch);

        let after = patch.applied_to(&node).expect("it applies");
        let mut moved = node.clone();
        moved
            .spec
            .as_mut()
            .and_then(|spec| spec.taints.as_mut())
            .expect("taints")
            .reverse();

        assert_eq!(taints(&after).len(), 1);
        assert!(patch.applied_to(&moved).is_err());
    }
}
