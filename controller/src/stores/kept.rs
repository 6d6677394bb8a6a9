//! What is kept of each kind.

use super::cache::Kept;
use api::MachineConfigNode;
use api::conditions::node as types;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{NodeSelectorTerm, PersistentVolume, PersistentVolumeSpec};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use kube::{Resource, ResourceExt};
use std::fmt::Debug;
use std::ops::Deref;

/// A whole object; every write of it matters.
#[derive(Clone, Debug)]
pub struct Whole<K>(pub K);

impl<K> Deref for Whole<K> {
    type Target = K;
    fn deref(&self) -> &K {
        &self.0
    }
}

impl<K: Resource + Send + Sync + 'static> Kept for Whole<K> {
    type Object = K;
    fn keep(object: K) -> Self {
        Self(object)
    }
    fn differs(&self, before: &Self) -> bool {
        self.0.meta().resource_version != before.0.meta().resource_version
    }
}

/// A MachineConfigNode, without what its daemon says there to people: nobody here decides by that.
#[derive(Clone, Debug)]
pub struct Record(pub MachineConfigNode);

/// The conditions that the controller writes, and so has to compare.
const OF_CONTROLLER: [&str; 5] = [
    types::UPDATED,
    types::CORDONED,
    types::DRAINED,
    types::UNCORDONED,
    types::HELD,
];

impl Deref for Record {
    type Target = MachineConfigNode;
    fn deref(&self) -> &MachineConfigNode {
        &self.0
    }
}

impl Kept for Record {
    type Object = MachineConfigNode;
    fn keep(mut record: MachineConfigNode) -> Self {
        if let Some(status) = &mut record.status {
            let conditions = &mut status.conditions;
            conditions.retain(|condition| OF_CONTROLLER.contains(&condition.type_.as_str()));
            conditions.shrink_to_fit();
        }
        Self(record)
    }
    /// What its daemon writes there is no difference.
    fn differs(&self, before: &Self) -> bool {
        let (now, before) = (&self.0, &before.0);
        let stands = |record: &MachineConfigNode| {
            let metadata = &record.metadata;
            (
                metadata.uid.clone(),
                metadata.generation,
                metadata.deletion_timestamp.clone(),
            )
        };
        stands(now) != stands(before)
            || now.metadata.annotations != before.metadata.annotations
            || now.metadata.owner_references != before.metadata.owner_references
            || now.spec != before.spec
            || now.status != before.status
    }
}

/// When a kubelet last said that it lives.
#[derive(Clone, Debug)]
pub struct KubeletLease {
    /// Its node.
    pub node: String,
    /// By the machine's own clock.
    pub renewed: Option<Timestamp>,
}

impl Kept for KubeletLease {
    type Object = Lease;
    fn keep(lease: Lease) -> Self {
        let node = lease.name_any();
        let renewed = lease
            .spec
            .and_then(|spec| spec.renew_time)
            .map(|time| time.0);
        Self { node, renewed }
    }
    fn differs(&self, before: &Self) -> bool {
        self.renewed != before.renewed
    }
}

/// A PersistentVolume, if it exists on one node only.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalVolume {
    /// The claim (namespace, name) that is bound to it; none if the volume is not local.
    pub claim: Option<(String, String)>,
}

impl Kept for LocalVolume {
    type Object = PersistentVolume;
    fn keep(volume: PersistentVolume) -> Self {
        let spec = volume.spec.unwrap_or_default();
        let local = spec.local.is_some() || spec.host_path.is_some() || is_of_one_node(&spec);
        let claim = spec.claim_ref.filter(|_| local);
        Self {
            claim: claim.and_then(|claim| Some((claim.namespace?, claim.name?))),
        }
    }
    fn differs(&self, before: &Self) -> bool {
        self != before
    }
}

/// Whether its node affinity names nodes one by one, as drivers for disks of a node do.
fn is_of_one_node(spec: &PersistentVolumeSpec) -> bool {
    let required = spec
        .node_affinity
        .as_ref()
        .and_then(|affinity| affinity.required.as_ref());
    let terms = required.map(|required| required.node_selector_terms.as_slice());
    let names_nodes = |term: &NodeSelectorTerm| {
        let expressions = term.match_expressions.iter().flatten();
        let by_label = expressions
            .filter(|it| it.key == HOSTNAME && it.operator == "In")
            .count();
        by_label > 0 || term.match_fields.is_some()
    };
    terms.is_some_and(|terms| !terms.is_empty() && terms.iter().all(names_nodes))
}

/// The label that is a node's own.
const HOSTNAME: &str = "kubernetes.io/hostname";

/// Addresses of the API server instances.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Slice {
    /// `host:port` of each, ready or not: one that is not has to be named.
    pub addresses: Vec<String>,
}

impl Kept for Slice {
    type Object = EndpointSlice;
    fn keep(slice: EndpointSlice) -> Self {
        let ports = slice.ports.unwrap_or_default();
        let secure = |port: &&k8s_openapi::api::discovery::v1::EndpointPort| {
            port.name.as_deref() == Some("https")
        };
        let port = ports
            .iter()
            .find(secure)
            .or(ports.first())
            .and_then(|port| port.port);
        let port = port.unwrap_or(443);
        let hosts = slice
            .endpoints
            .into_iter()
            .flat_map(|endpoint| endpoint.addresses);
        let six = slice.address_type == "IPv6";
        let mut addresses: Vec<String> = hosts
            .map(|host| {
                if six {
                    format!("[{host}]:{port}")
                } else {
                    format!("{host}:{port}")
                }
            })
            .collect();
        addresses.sort();
        Self { addresses }
    }
    fn differs(&self, before: &Self) -> bool {
        self != before
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::{Value, json};

    fn kept(spec: &Value) -> LocalVolume {
        let mut volume = json!({"metadata": {"name": "v"}, "spec": spec});
        volume["spec"]["claimRef"] = json!({"namespace": "shop", "name": "data"});
        LocalVolume::keep(serde_json::from_value(volume).expect("a volume"))
    }

    fn of_label(label: &str) -> Value {
        let term = json!({"matchExpressions": [{"key": label, "operator": "In", "values": ["x"]}]});
        json!({"csi": {"driver": "d", "volumeHandle": "h"},
            "nodeAffinity": {"required": {"nodeSelectorTerms": [term]}}})
    }

    #[test]
    fn a_volume_of_one_node_is_local_however_it_is_provided() {
        for spec in [
            json!({"local": {"path": "/mnt"}}),
            json!({"hostPath": {"path": "/mnt"}}),
            of_label("kubernetes.io/hostname"),
        ] {
            assert!(kept(&spec).claim.is_some(), "{spec}");
        }
    }

    #[test]
    fn a_volume_of_a_zone_or_of_everywhere_is_not_local() {
        for spec in [
            json!({"nfs": {"server": "s", "path": "/"}}),
            of_label("topology.kubernetes.io/zone"),
        ] {
            assert_eq!(kept(&spec).claim, None, "{spec}");
        }
    }
}
