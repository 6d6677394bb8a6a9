//! Takes off a cluster what Windlass put on objects that are not its own, once nobody of it works there any more.
//!
//! # Guarantees
//! Our cordon is undone as after an update: only ours, only what went with it, and not where a person keeps it. The taint,
//! every annotation of ours and of the reference's contract, the mark on a Machine, and the finalizer on rendered configs go.
//! A second run finds what a first one left. Whatever a person put there besides stays.
//! # Assumes
//! The controller does not lead ([`led_by`] tells), and the admission policy that keeps what a daemon acts by from everybody
//! else is gone.
//! # Not here
//! Windlass's own objects: they go with their definitions. The hosts: `windlass daemon uninstall`.

use crate::drain::{cordon, machine};
use crate::error::{ApiError, Attempt, Meaning};
use crate::lease::shell::record;
use crate::patch::NodePatch;
use crate::render::{publish::FINALIZER, sweep};
use crate::rollout::execute::remove_taint;
use api::MachineConfig;
use api::names::{node as contract, ours};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use kube::{Api, Client, ResourceExt};

/// So often a Node is read again that others write meanwhile, as its kubelet does.
const TRIES: u32 = 5;

/// What was cleaned, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Removed {
    /// Nodes.
    pub nodes: Vec<String>,
    /// Rendered configs.
    pub configs: Vec<String>,
}

/// Who leads now, if anybody does.
pub async fn led_by(
    client: &Client,
    namespace: &str,
    lease: &str,
    now: Timestamp,
) -> Result<Option<String>, ApiError> {
    let leases = Api::<Lease>::namespaced(client.clone(), namespace);
    let found = leases
        .get_opt(lease)
        .await
        .attempt("reading the lease", lease)?;
    Ok(found.and_then(|lease| holder(&lease, now)))
}

/// The holder of a lease that is not over.
fn holder(lease: &Lease, now: Timestamp) -> Option<String> {
    let renewed = lease.spec.as_ref()?.renew_time.as_ref()?.0;
    let record = record(lease);
    record
        .holder
        .filter(|_| now.duration_since(renewed) < record.duration)
}

/// Takes all of it off.
pub async fn remove(client: &Client) -> Result<Removed, ApiError> {
    let mut removed = Removed::default();
    let nodes = Api::<Node>::all(client.clone());
    let list = nodes.list(&ListParams::default()).await;
    for node in list.attempt("listing the", "nodes")? {
        machine::release(client, &node).await?;
        if clean(client, &nodes, node.clone()).await? {
            removed.nodes.push(node.name_any());
        }
    }
    let configs = Api::<MachineConfig>::all(client.clone());
    let list = configs.list(&ListParams::default()).await;
    let list = match list.attempt("listing the", "machine configs") {
        // The definitions are gone already, and with them all that they defined.
        Err(error) if error.meaning() == Meaning::NotFound => return Ok(removed),
        list => list?,
    };
    for config in list {
        if config.finalizers().iter().any(|name| name == FINALIZER) {
            sweep::release(client, &config).await?;
            removed.configs.push(config.name_any());
        }
    }
    Ok(removed)
}

/// Whether there was anything to clean.
async fn clean(client: &Client, nodes: &Api<Node>, mut node: Node) -> Result<bool, ApiError> {
    let name = node.name_any();
    let mut tries = TRIES;
    loop {
        let patch = cleaned(&node);
        if patch.is_empty() {
            return Ok(false);
        }
        tries -= 1;
        match patch.send(client, "cleaning the node").await {
            Err(error) if error.meaning() == Meaning::Stale && tries > 0 => {}
            Err(error) if error.meaning() == Meaning::NotFound => return Ok(false),
            written => return written.map(|_| true),
        }
        let again = nodes
            .get_opt(&name)
            .await
            .attempt("reading the node", &name)?;
        let Some(again) = again else {
            return Ok(false);
        };
        node = again;
    }
}

/// The patch that takes everything of ours off a Node; empty where there is nothing.
fn cleaned(node: &Node) -> NodePatch<'_> {
    let mut patch = NodePatch::of(node);
    cordon::undo(node, &mut patch);
    remove_taint(node, &mut patch);
    let ours: Vec<&str> = [
        &contract::OF_DAEMON[..],
        &contract::ACTED_BY[..],
        &ours::OF_DAEMON[..],
        &ours::ACTED_BY[..],
        &ours::OF_PEOPLE[..],
        &[ours::DRAIN_RELEASED_AT],
    ]
    .concat();
    for key in ours {
        if node.annotations().contains_key(key) {
            patch.strip(key);
        }
    }
    patch
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn after(node: &Value) -> Value {
        let node: Node = serde_json::from_value(node.clone()).expect("a node");
        let cleaned = cleaned(&node).applied_to(&node).expect("it applies");
        serde_json::to_value(cleaned).expect("JSON")
    }

    fn in_mid_update() -> Value {
        json!({
            "metadata": {"name": "a", "uid": "1", "annotations": {
                "machineconfiguration.openshift.io/desiredConfig": "x",
                "machineconfiguration.openshift.io/state": "Working",
                "windlass.dev/intent": "3",
                "windlass.dev/assigned-on-request": "3",
                "windlass.dev/drain-released-at": "2026-11-24T08:00:00Z",
                "windlass.dev/cordoned": "3;2026-11-24T08:00:00Z;karpenter.sh/do-not-disrupt",
                "karpenter.sh/do-not-disrupt": "true",
                "cluster-autoscaler.kubernetes.io/scale-down-disabled": "true",
                "example.com/other": "stays",
            }},
            "spec": {"unschedulable": true, "taints": [
                {"key": "UpdateInProgress", "effect": "PreferNoSchedule"},
                {"key": "example.com/other", "effect": "NoSchedule"},
            ]},
        })
    }

    #[test]
    fn nothing_of_ours_stays_on_a_node_in_mid_update_and_nothing_else_goes() {
        let node = after(&in_mid_update());

        let stays = json!({
            "cluster-autoscaler.kubernetes.io/scale-down-disabled": "true",
            "example.com/other": "stays",
        });
        assert_eq!(node["metadata"]["annotations"], stays);
        assert!(node["spec"]["unschedulable"].is_null());
        assert_eq!(node["spec"]["taints"][0]["key"], "example.com/other");
        assert_eq!(node["spec"]["taints"].as_array().map(Vec::len), Some(1));
    }

    #[test]
    fn a_cordon_that_a_person_keeps_or_set_stays() {
        let mut kept = in_mid_update();
        kept["metadata"]["annotations"]["windlass.dev/keep-cordoned"] = json!("");
        let mut theirs = in_mid_update();
        theirs["metadata"]["annotations"]["windlass.dev/cordoned"] = Value::Null;
        theirs["metadata"]["annotations"]
            .as_object_mut()
            .expect("a map")
            .remove("windlass.dev/cordoned");

        for node in [kept, theirs] {
            assert_eq!(after(&node)["spec"]["unschedulable"], true);
        }
    }

    #[test]
    fn a_node_that_bears_nothing_of_ours_is_not_written() {
        let node =
            json!({"metadata": {"name": "a", "annotations": {"example.com/other": "stays"}}});
        let node: Node = serde_json::from_value(node).expect("a node");

        assert!(cleaned(&node).is_empty());
    }

    #[test]
    fn a_lease_that_was_given_back_or_is_over_has_no_holder() {
        let lease = |holder: &str| -> Lease {
            serde_json::from_value(json!({"spec": {"holderIdentity": holder,
                "leaseDurationSeconds": 15, "renewTime": "2026-11-24T08:00:00.000000Z"}}))
            .expect("a lease")
        };
        let at = |time: &str| time.parse().expect("a time");

        assert_eq!(
            holder(&lease("a"), at("2026-11-24T08:00:10Z")),
            Some("a".to_owned())
        );
        assert_eq!(holder(&lease("a"), at("2026-11-24T08:00:15Z")), None);
        assert_eq!(holder(&lease(""), at("2026-11-24T08:00:10Z")), None);
    }
}
