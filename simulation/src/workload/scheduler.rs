//! A small scheduler: pods go where they fit, spread over zones and nodes, and the same pods to the same nodes each time.

use super::{Workloads, is_active, node_of};
use crate::follow::key;
use crate::kubelet::ready_condition;
use k8s_openapi::api::core::v1::{Binding, Node, ObjectReference, Pod, PodSpec, Taint, Toleration};
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use std::collections::BTreeMap;

/// Pods that a node takes at most, as its capacity says.
const PODS_MAX: usize = 250;
const ZONE: &str = "topology.kubernetes.io/zone";

impl Workloads {
    /// Binds each pod that waits to the best node that it fits; one that fits nowhere goes on waiting.
    pub(super) async fn bind_pods(&mut self) -> kube::Result<()> {
        let waiting: Vec<Pod> = self
            .pods
            .iter()
            .filter(|pod| is_active(pod) && node_of(pod).is_none())
            .cloned()
            .collect();
        for pod in waiting {
            let Some(node) = self.choose(&pod) else {
                continue;
            };
            self.bind(&pod, &node).await?;
        }
        Ok(())
    }

    /// The node for `pod`: where fewest of its kind are, in node and zone, then where fewest pods are, then by name.
    fn choose(&self, pod: &Pod) -> Option<String> {
        let kind = controller_uid(pod);
        let mut on_node: BTreeMap<&str, usize> = BTreeMap::new();
        let mut kin_on_node: BTreeMap<&str, usize> = BTreeMap::new();
        for other in self.pods.iter().filter(|other| is_active(other)) {
            let Some(node) = node_of(other) else { continue };
            *on_node.entry(node).or_default() += 1;
            let kin = kind.is_some() && controller_uid(other) == kind;
            *kin_on_node.entry(node).or_default() += usize::from(kin);
        }
        let mut kin_in_zone: BTreeMap<&str, usize> = BTreeMap::new();
        for node in self.nodes.iter() {
            let kin = kin_on_node.get(node.metadata.name.as_deref().unwrap_or_default());
            *kin_in_zone.entry(zone(node)).or_default() += kin.copied().unwrap_or_default();
        }
        self.nodes
            .iter()
            .filter(|node| is_open(node) && fits(pod.spec.as_ref(), node))
            .filter_map(|node| {
                let name = node.metadata.name.as_deref()?;
                let pods = on_node.get(name).copied().unwrap_or_default();
                let kin = kin_on_node.get(name).copied().unwrap_or_default();
                let in_zone = kin_in_zone.get(zone(node)).copied().unwrap_or_default();
                (pods < PODS_MAX).then_some((avoided(pod, node), kin, in_zone, pods, name))
            })
            .min()
            .map(|best| best.4.to_owned())
    }

    async fn bind(&mut self, pod: &Pod, node: &str) -> kube::Result<()> {
        let mut binding = Binding {
            target: ObjectReference {
                api_version: Some("v1".to_owned()),
                kind: Some("Node".to_owned()),
                name: Some(node.to_owned()),
                ..ObjectReference::default()
            },
            ..Binding::default()
        };
        binding.metadata.name = Some(pod.name_any());
        let pods: Api<Pod> =
            Api::namespaced(self.scheduler.clone(), &pod.namespace().unwrap_or_default());
        let answer: kube::Result<serde_json::Value> = pods
            .create_subresource("binding", &pod.name_any(), &PostParams::default(), &binding)
            .await;
        match answer {
            Ok(_) => {
                // The answer does not hold the pod; what it now says is known all the same.
                let mut bound = pod.clone();
                bound.spec.get_or_insert_default().node_name = Some(node.to_owned());
                self.pods.wrote(bound);
                Ok(())
            }
            Err(kube::Error::Api(status)) if status.code == 404 => {
                self.pods.removed(&key(pod));
                Ok(())
            }
            // Bound already: the watch brings it.
            Err(kube::Error::Api(status)) if status.code == 409 => Ok(()),
            Err(error) => Err(error),
        }
    }
}

/// Whether a pod of `spec` may be placed on `node`, for its labels and taints alone.
pub(super) fn fits(spec: Option<&PodSpec>, node: &Node) -> bool {
    let labels = node.labels();
    let selected = spec
        .and_then(|spec| spec.node_selector.as_ref())
        .is_none_or(|wanted| {
            wanted
                .iter()
                .all(|(key, value)| labels.get(key) == Some(value))
        });
    let tolerations = spec
        .and_then(|spec| spec.tolerations.as_deref())
        .unwrap_or_default();
    let repelled = taints(node)
        .iter()
        .filter(|taint| matches!(taint.effect.as_str(), "NoSchedule" | "NoExecute"))
        .any(|taint| {
            !tolerations
                .iter()
                .any(|toleration| tolerates(toleration, taint))
        });
    selected && !repelled
}

/// Whether the scheduler places anything on `node` at all.
fn is_open(node: &Node) -> bool {
    let cordoned = node
        .spec
        .as_ref()
        .and_then(|spec| spec.unschedulable)
        .unwrap_or_default();
    let ready = ready_condition(node).is_some_and(|ready| ready.status == "True");
    ready && !cordoned && node.metadata.deletion_timestamp.is_none()
}

/// How many taints ask `pod` to prefer another node.
fn avoided(pod: &Pod, node: &Node) -> usize {
    let tolerations = pod
        .spec
        .as_ref()
        .and_then(|spec| spec.tolerations.as_deref())
        .unwrap_or_default();
    taints(node)
        .iter()
        .filter(|taint| taint.effect == "PreferNoSchedule")
        .filter(|taint| {
            !tolerations
                .iter()
                .any(|toleration| tolerates(toleration, taint))
        })
        .count()
}

fn tolerates(toleration: &Toleration, taint: &Taint) -> bool {
    let effect = toleration
        .effect
        .as_deref()
        .is_none_or(|effect| effect.is_empty() || effect == taint.effect);
    let any_value = toleration.operator.as_deref() == Some("Exists");
    let key = match toleration.key.as_deref() {
        None | Some("") => any_value,
        Some(key) => key == taint.key,
    };
    let value = any_value
        || toleration.value.as_deref().unwrap_or_default()
            == taint.value.as_deref().unwrap_or_default();
    effect && key && value
}

fn taints(node: &Node) -> &[Taint] {
    node.spec
        .as_ref()
        .and_then(|spec| spec.taints.as_deref())
        .unwrap_or_default()
}

fn zone(node: &Node) -> &str {
    node.labels().get(ZONE).map_or("", String::as_str)
}

fn controller_uid(pod: &Pod) -> Option<&str> {
    let owner = pod
        .owner_references()
        .iter()
        .find(|owner| owner.controller == Some(true))?;
    Some(owner.uid.as_str())
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, from_value, json};

    fn node(taints: &Value) -> Node {
        from_value(json!({ "metadata": { "name": "a", "labels": { "disk": "fast" } }, "spec": { "taints": taints } }))
            .unwrap()
    }

    fn spec(mut value: Value) -> PodSpec {
        value["containers"] = json!([]);
        from_value(value).unwrap()
    }

    #[test]
    fn a_pod_stays_away_from_a_taint_that_it_does_not_tolerate() {
        let tainted = node(&json!([{ "key": "gpu", "value": "a", "effect": "NoSchedule" }]));

        assert!(!fits(Some(&spec(json!({}))), &tainted));
        let tolerant = json!({ "tolerations": [{ "key": "gpu", "operator": "Exists" }] });
        assert!(fits(Some(&spec(tolerant)), &tainted));
    }

    #[test]
    fn a_preference_repels_nobody() {
        let disliked = node(&json!([{ "key": "soon", "effect": "PreferNoSchedule" }]));

        assert!(fits(Some(&spec(json!({}))), &disliked));
    }

    #[test]
    fn a_pod_goes_only_where_its_selector_matches() {
        let wanting = spec(json!({ "nodeSelector": { "disk": "slow" } }));

        assert!(!fits(Some(&wanting), &node(&json!([]))));
    }
}
