//! Shows the observer every stored version, in the order of the store, and every request.

use super::Observer;
use crate::machine::lock;
use crate::server::{ApiServer, Entry, Event, Passage};
use crate::version::Version;
use futures::future::{FutureExt, select_all};
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
    let store = server.observer();
    let mut all: Vec<_> = RESOURCES
        .iter()
        .map(|resource| (*resource, store.subscribe(resource)))
        .collect();
    loop {
        let (first, at) = {
            let waits = all.iter_mut().map(|(_, changes)| changes.next().boxed());
            let (first, at, _) = select_all(waits).await;
            (first, at)
        };
        let mut first = Some(first);
        let mut events: Vec<(&str, Event)> = Vec::new();
        for (index, (resource, changes)) in all.iter_mut().enumerate() {
            let taken = if index == at { first.take() } else { None };
            match taken.unwrap_or_else(|| changes.drain()) {
                Ok(drained) => events.extend(drained.into_iter().map(|event| (*resource, event))),
                // Whoever runs the simulation reads its ERROR logs: what went by unseen nobody has judged.
                Err(forgotten) => tracing::error!(
                    resource,
                    oldest = forgotten.oldest,
                    "the observer fell behind the store"
                ),
            }
        }
        events.sort_by_key(|(_, event)| event.version);
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
