//! Shows the observer every stored version, in the order of the store, and every request.

use super::Observer;
use crate::machine::lock;
use crate::server::{ApiServer, Entry, Passage};
use crate::version::Version;
use std::sync::{Arc, Mutex};

/// The resources that promises are about, as the store names them.
const RESOURCES: [&str; 7] = [
    "leases.coordination.k8s.io",
    "machineconfignodes.machineconfiguration.openshift.io",
    "machineconfigpools.machineconfiguration.openshift.io",
    "machineconfigs.machineconfiguration.openshift.io",
    "nodes",
    "rolloutpolicies.windlass.dev",
    "slotledgers.windlass.dev",
];

/// Follows the store of `server` for ever, from now on.
///
/// It has to be polled once before anything is written; changes from before are not seen.
pub async fn follow(server: ApiServer, observer: Arc<Mutex<Observer>>) {
    let mut changes = server.observer().subscribe(&RESOURCES);
    loop {
        let events = match changes.next().await {
            Ok(events) => events,
            // Whoever runs the simulation reads its ERROR logs: what went by unseen nobody has judged.
            Err(forgotten) => {
                tracing::error!(
                    oldest = forgotten.oldest,
                    "the observer fell behind the store"
                );
                continue;
            }
        };
        let now = server.clock().now();
        let versions = server.instances().into_values();
        let mut observer = lock(&observer);
        observer.api_versions(versions.filter_map(|instance| Version::parse(&instance.version)));
        for (resource, event) in events {
            let plural = resource.split('.').next().unwrap_or(resource);
            let gone = event.change == crate::server::Change::Deleted;
            observer.stored(plural, &event.object, gone, now);
        }
    }
}

/// Shows `observer` one passage of the server's door.
pub fn passed(observer: &Mutex<Observer>, entry: &Entry) {
    let Passage::Request { line, .. } = &entry.passage else {
        return;
    };
    let Some((method, path)) = line.split_once(' ') else {
        return;
    };
    let path = path.split('?').next().unwrap_or(path);
    let parts: Vec<&str> = path.trim_matches('/').split('/').collect();
    if let ["api", "v1", "namespaces", _, "pods", rest @ ..] = parts.as_slice() {
        let subresource = rest.get(1).copied().unwrap_or_default();
        let verb = if method == "DELETE" {
            "delete"
        } else {
            "other"
        };
        if verb == "delete" || subresource == "eviction" {
            lock(observer).requested(&entry.actor, verb, "pods", subresource, entry.at);
        }
    }
}
