//! The API server instances of the cluster: several addresses, each with its version, in front of one store.
//!
//! A kubelet may not be newer than the oldest instance, so who upgrades a cluster asks each of them. The store is one, so only
//! `/version` differs between them. The EndpointSlice `default/kubernetes` lists the addresses, as in a real cluster.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use super::store::Key;
use super::{ApiServer, State, value};

/// One instance.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Instance {
    /// What its `/version` says, such as `v1.34.1`.
    pub version: String,
    /// Whether it answers; if not, connections to it break.
    pub answers: bool,
}

/// The instances by address.
#[derive(Debug, Default)]
pub(crate) struct Instances(BTreeMap<String, Instance>);

impl Instances {
    pub(crate) fn version(&self, address: &str) -> Option<&str> {
        self.0
            .get(address)
            .map(|instance| instance.version.as_str())
    }

    pub(crate) fn answers(&self, address: &str) -> bool {
        self.0.get(address).is_some_and(|instance| instance.answers)
    }
}

impl ApiServer {
    /// Adds an instance, or changes one.
    pub fn set_instance(&self, address: &str, instance: Instance) {
        let mut state = self.shared.state();
        state.instances.0.insert(address.to_owned(), instance);
        publish(&mut state, &self.shared.now());
    }

    /// Takes an instance away.
    pub fn remove_instance(&self, address: &str) {
        let mut state = self.shared.state();
        state.instances.0.remove(address);
        publish(&mut state, &self.shared.now());
    }

    /// The instances by address.
    pub fn instances(&self) -> BTreeMap<String, Instance> {
        self.shared.state().instances.0.clone()
    }
}

/// Keeps the EndpointSlice true to the instances.
fn publish(state: &mut State, now: &str) {
    const SLICES: &str = "endpointslices.discovery.k8s.io";
    let key = Key {
        namespace: "default".to_owned(),
        name: "kubernetes".to_owned(),
    };
    let endpoints: Vec<Value> = state
        .instances
        .0
        .iter()
        .map(|(address, instance)| {
            json!({ "addresses": [address], "conditions": { "ready": instance.answers } })
        })
        .collect();
    let old = state.store.get(SLICES, &key).cloned();
    let mut slice = match &old {
        Some(slice) => Value::clone(slice),
        None => json!({
            "kind": "EndpointSlice",
            "apiVersion": "discovery.k8s.io/v1",
            "metadata": {
                "name": key.name,
                "namespace": key.namespace,
                "uid": state.store.draw_uid(),
                "generation": 1,
                "creationTimestamp": now,
                "labels": { "kubernetes.io/service-name": "kubernetes" },
            },
            "addressType": "IPv4",
            "ports": [{ "name": "https", "port": 6443, "protocol": "TCP" }],
        }),
    };
    value::set(&mut slice, &["endpoints"], endpoints);
    if old.is_some_and(|old| *old == slice) {
        return;
    }
    let generation = value::integer(&slice, &["metadata", "generation"]);
    value::set(&mut slice, &["metadata", "generation"], generation + 1);
    state.store.put(SLICES, slice);
}
