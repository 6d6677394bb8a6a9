//! What is kept of each kind.

use super::cache::Kept;
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::PersistentVolume;
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
        let local = spec.local.is_some() || spec.host_path.is_some();
        let claim = spec.claim_ref.filter(|_| local);
        Self {
            claim: claim.and_then(|claim| Some((claim.namespace?, claim.name?))),
        }
    }
    fn differs(&self, before: &Self) -> bool {
        self != before
    }
}

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
