//! `NodeDegraded` and `Degraded`: which nodes cannot take their config, and why.

use super::Conditions;
use crate::hold::NAMES_SHOWN;
use crate::names::NodeName;
use crate::policy::PoolPolicy;
use crate::snapshot::NodeView;
use api::MachineConfigNode;
use api::conditions::{node as node_types, pool as types};
use std::sync::Arc;

/// What a MachineConfigNode says of its node, as far as the reference counts it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NodeReport {
    /// The node.
    pub node: NodeName,
    /// Whether it has any condition at all.
    pub has_conditions: bool,
    /// The message of `NodeDegraded`, if that is True.
    pub degraded: Option<Arc<str>>,
}

impl NodeReport {
    /// Reads a MachineConfigNode.
    pub fn from_object(object: &MachineConfigNode) -> Self {
        let status = object.status.as_ref();
        let conditions = status
            .map(|status| status.conditions.as_slice())
            .unwrap_or_default();
        let degraded = conditions
            .iter()
            .find(|condition| condition.type_ == node_types::NODE_DEGRADED && condition.is_true());
        Self {
            node: object.metadata.name.as_deref().unwrap_or_default().into(),
            has_conditions: !conditions.is_empty(),
            degraded: degraded.map(|condition| condition.message.as_str().into()),
        }
    }
}

/// Sets `NodeDegraded` and `Degraded`, and clears what layering may have left behind.
///
/// A pool is degraded if a node is, or if its machine configs do not render; `RenderDegraded` itself is the renderer's.
pub(super) fn put(
    conditions: &mut Conditions,
    nodes: &[&NodeView],
    reports: &[NodeReport],
    policy: &PoolPolicy,
) {
    let degraded: Vec<&NodeView> = nodes
        .iter()
        .copied()
        .filter(|node| node.says_failed())
        .collect();
    let (count, message) = if policy.reference_degraded {
        by_reports(nodes, reports)
    } else {
        (degraded.len(), by_nodes(&degraded))
    };
    let is_degraded = !degraded.is_empty();
    let reason = format!("{count} nodes are reporting degraded status on sync");
    let (reason, message) = if is_degraded {
        (reason, message)
    } else {
        Default::default()
    };
    conditions.put(types::NODE_DEGRADED, is_degraded, &reason, &message);
    if conditions.is_true(types::IMAGE_BUILD_DEGRADED) {
        let message = "No layered pool objects found, clearing stale build degraded condition";
        conditions.put(
            types::IMAGE_BUILD_DEGRADED,
            false,
            "NoLayeredObjects",
            message,
        );
    }
    let any = is_degraded || conditions.is_true(types::RENDER_DEGRADED);
    conditions.put(types::DEGRADED, any, "", &message);
}

/// Each failed node once, in the words of its own report.
fn by_nodes(degraded: &[&NodeView]) -> String {
    let shown = degraded
        .iter()
        .take(NAMES_SHOWN)
        .map(|node| says(&node.name, &node.reason));
    let more = degraded.len().saturating_sub(NAMES_SHOWN);
    let more = (more > 0).then(|| format!("and {more} more"));
    shown.chain(more).collect::<Vec<_>>().join(", ")
}

/// As the reference counts (2.7): by MachineConfigNodes, up to the first that has no conditions or no node; a node that says
/// something in its annotation too is told of twice.
fn by_reports(nodes: &[&NodeView], reports: &[NodeReport]) -> (usize, String) {
    let node_of = |name: &NodeName| nodes.iter().find(|node| node.name == *name);
    let looked_at = reports.iter().map_while(|report| {
        Some((
            report,
            node_of(&report.node).filter(|_| report.has_conditions)?,
        ))
    });
    let degraded: Vec<(&NodeView, &str)> = looked_at
        .filter_map(|(report, node)| Some((*node, report.degraded.as_deref()?)))
        .collect();
    let first = degraded
        .iter()
        .map(|(node, message)| says(&node.name, message));
    let second = degraded.iter().filter(|(node, _)| !node.reason.is_empty());
    let second = second.map(|(node, _)| says(&node.name, &node.reason));
    (
        degraded.len(),
        first.chain(second).collect::<Vec<_>>().join(", "),
    )
}

fn says(node: &NodeName, words: &str) -> String {
    format!("Node {node} is reporting: {words:?}")
}
