//! Which nodes are of the control plane, and which pods are its API.

use crate::context::Context;
use crate::drain::pod::PodView;
use api::names::label;
use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt;
use std::collections::BTreeMap;
use std::sync::Arc;

/// Labels by which the control plane's own static pods say what they are.
pub const API_COMPONENTS: [&str; 2] = ["kube-apiserver", "etcd"];

/// Whether the node is of the control plane.
pub fn is_control_plane(node: &Node) -> bool {
    label::CONTROL_PLANE
        .iter()
        .any(|label| node.labels().contains_key(*label))
}

/// Whether the node is the only one of the control plane.
pub fn is_alone(context: &Context, node: &Node) -> bool {
    if !is_control_plane(node) {
        return false;
    }
    let nodes = context.stores.nodes.all();
    nodes
        .iter()
        .filter(|kept| is_control_plane(&kept.node))
        .count()
        == 1
}

/// The API server and etcd pods among these, and whether they are Ready.
pub fn api_pod_names(pods: &[Arc<PodView>]) -> BTreeMap<String, bool> {
    let is_api = |pod: &&Arc<PodView>| {
        let component = pod
            .labels
            .get("component")
            .or_else(|| pod.labels.get("k8s-app"));
        pod.mirror && component.is_some_and(|name| API_COMPONENTS.contains(&name.as_str()))
    };
    pods.iter()
        .filter(is_api)
        .map(|pod| (pod.pod.name.to_string(), pod.ready))
        .collect()
}
