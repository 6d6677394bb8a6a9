//! Nodes, and who has to look at one that changed.
//!
//! # Guarantees
//! A Node is parsed once, when it arrives. Of the many writes on a Node (kubelets, cloud controllers, device
//! plugins) only those wake somebody that may change what he decides.

use super::cache::{Cache, Kept};
use super::{Attention, Wakes};
use crate::drain::request::Request;
use api::names::{foreign, node as contract, ours, taint};
use k8s_openapi::api::core::v1::{Node, NodeSpec, Taint};
use kube::ResourceExt;
use rollout::snapshot::NodeView;

/// A Node, without what nobody here reads.
#[derive(Clone, Debug)]
pub struct NodeKept {
    /// Its name.
    pub name: String,
    /// The object.
    pub node: Node,
    /// What the planner knows of it by itself.
    pub view: NodeView,
}

impl Kept for NodeKept {
    type Object = Node;

    fn keep(mut node: Node) -> Self {
        if let Some(status) = &mut node.status {
            // The names of its images are most of a Node, and say nothing about it; nor does the rest of this.
            status.images = None;
            status.capacity = None;
            status.allocatable = None;
            status.addresses = None;
            status.daemon_endpoints = None;
            status.runtime_handlers = None;
            status.volumes_attached = None;
            status.volumes_in_use = None;
        }
        let view = NodeView::from_node(&node);
        Self {
            name: node.name_any(),
            node,
            view,
        }
    }

    /// A heartbeat alone is no difference; who waits for one is told otherwise (see `Stores::awaited`).
    fn differs(&self, before: &Self) -> bool {
        let (now, before) = (&self.node, &before.node);
        now.metadata.uid != before.metadata.uid
            || now.metadata.labels != before.metadata.labels
            || now.metadata.deletion_timestamp != before.metadata.deletion_timestamp
            || !our_annotations(now).eq(our_annotations(before))
            || is_unschedulable(now) != is_unschedulable(before)
            || !foreign_taints(now).eq(foreign_taints(before))
            || boot(now) != boot(before)
            || !conditions(now).eq(conditions(before))
    }
}

/// The cache of all Nodes. It keeps note of the open requests of their daemons.
pub(super) fn cache(wakes: &Wakes, requests: &Attention, awaited: &Attention) -> Cache<NodeKept> {
    let (requests, awaited, wakes) = (requests.clone(), awaited.clone(), wakes.clone());
    Cache::new(vec![]).observed_by(move |before: Option<&NodeKept>, now: Option<&NodeKept>| {
        let Some(name) = now.or(before).map(|kept| kept.name.as_str()) else {
            return;
        };
        let asked = requests.is_on(name);
        let asks = now.is_some_and(|kept| Request::of(&kept.node).is_some());
        if asks {
            requests.also(name);
        } else {
            requests.not(name);
        }
        let differs = match (before, now) {
            (Some(before), Some(now)) => now.differs(before),
            _ => true,
        };
        if differs || awaited.is_on(name) {
            wakes.rollout.notify_one();
        }
        if differs {
            wakes.report.notify_one();
        }
        // A drain also looks at what does not matter to the others: the version that it writes on.
        if asked || asks {
            wakes.drain.notify_one();
        }
        if matters_to_rendering(before, now) {
            wakes.render.notify_one();
        }
    })
}

/// What a pool is rendered from depends on which nodes it has and what they can apply; which rendered
/// configs are kept depends on what nodes name.
fn matters_to_rendering(before: Option<&NodeKept>, now: Option<&NodeKept>) -> bool {
    let (Some(before), Some(now)) = (before, now) else {
        return true;
    };
    let value = |kept: &NodeKept, key: &str| kept.node.annotations().get(key).cloned();
    let keys = [
        ours::CAPABILITIES,
        contract::CURRENT_CONFIG,
        contract::DESIRED_CONFIG,
    ];
    before.node.metadata.labels != now.node.metadata.labels
        || keys.iter().any(|key| value(before, key) != value(now, key))
}

/// The annotations that anybody here reads.
fn our_annotations(node: &Node) -> impl Iterator<Item = (&String, &String)> {
    let ours = |key: &str| {
        key.starts_with("machineconfiguration.openshift.io/")
            || key.starts_with("windlass.dev/")
            || key.starts_with("cluster.x-k8s.io/")
            || key == foreign::SCALE_DOWN_DISABLED
            || key == foreign::KARPENTER_DO_NOT_DISRUPT
    };
    node.metadata
        .annotations
        .iter()
        .flatten()
        .filter(move |(key, _)| ours(key))
}

fn spec(node: &Node) -> Option<&NodeSpec> {
    node.spec.as_ref()
}

fn is_unschedulable(node: &Node) -> bool {
    spec(node)
        .and_then(|spec| spec.unschedulable)
        .unwrap_or(false)
}

/// All taints but our own: ten thousand of those are written without anybody having to plan again.
fn foreign_taints(node: &Node) -> impl Iterator<Item = &Taint> {
    let taints = spec(node).and_then(|spec| spec.taints.as_ref());
    taints
        .into_iter()
        .flatten()
        .filter(|taint| taint.key != taint::UPDATE_IN_PROGRESS)
}

fn boot(node: &Node) -> Option<(&str, &str)> {
    let info = node.status.as_ref()?.node_info.as_ref()?;
    Some((&info.boot_id, &info.kubelet_version))
}

fn conditions(node: &Node) -> impl Iterator<Item = (&str, &str)> {
    let all = node
        .status
        .as_ref()
        .and_then(|status| status.conditions.as_ref());
    all.into_iter()
        .flatten()
        .map(|c| (c.type_.as_str(), c.status.as_str()))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn kept(changes: &[(&str, Value)]) -> NodeKept {
        let mut node = json!({
            "metadata": {"name": "a", "uid": "1", "annotations": {"csi.example.com/id": "1"}},
            "spec": {"taints": []},
            "status": {"conditions": [{"type": "Ready", "status": "True", "lastHeartbeatTime": "2026-11-24T08:00:00Z"}]},
        });
        for (pointer, value) in changes {
            *node.pointer_mut(pointer).expect("it is there") = value.clone();
        }
        NodeKept::keep(serde_json::from_value(node).expect("a node"))
    }

    #[test]
    fn what_kubelets_and_others_write_for_ever_is_no_difference() {
        let beat = json!("2026-11-24T08:05:00Z");
        for noise in [
            ("/status/conditions/0/lastHeartbeatTime", beat),
            ("/metadata/annotations", json!({"csi.example.com/id": "2"})),
            (
                "/spec/taints",
                json!([{"key": "UpdateInProgress", "effect": "PreferNoSchedule"}]),
            ),
        ] {
            assert!(
                !kept(std::slice::from_ref(&noise)).differs(&kept(&[])),
                "{noise:?}"
            );
        }
    }

    #[test]
    fn what_decides_is_a_difference() {
        for change in [
            ("/status/conditions/0/status", json!("Unknown")),
            (
                "/metadata/annotations",
                json!({"windlass.dev/acted-intent": "2"}),
            ),
            (
                "/spec/taints",
                json!([{"key": "karpenter.sh/disrupted", "effect": "NoSchedule"}]),
            ),
            ("/metadata/uid", json!("2")),
        ] {
            assert!(
                kept(std::slice::from_ref(&change)).differs(&kept(&[])),
                "{change:?}"
            );
        }
    }
}
