//! Looking into the store without being a client: for checkers and progress displays.
//!
//! An observer sees the newest state at once, costs no request, is never disturbed by faults and leaves no trace. It shares no code
//! with anybody who plans or acts; what it says is what is.

use std::sync::Arc;

use futures::future::{FutureExt, select_all};

use super::store::{Event, Forgotten, Key, Object};
use super::{ApiServer, Shared};

/// Reads the store.
#[derive(Clone)]
pub struct Observer {
    shared: Arc<Shared>,
}

/// Follows all changes of some resources, in the one order in which they were stored.
///
/// Each look takes the changes of all of them under one lock. Taking them resource by resource would let a change of the
/// first slip in behind its look and a later change of the second in before its own: the second would be told first.
pub struct Changes {
    shared: Arc<Shared>,
    resources: Vec<(&'static str, tokio::sync::watch::Receiver<u64>)>,
    seen: u64,
}

impl ApiServer {
    /// An observer of this server's store.
    pub fn observer(&self) -> Observer {
        Observer {
            shared: Arc::clone(&self.shared),
        }
    }
}

impl Observer {
    /// One object. `resource` is the plural with its group, as `nodes` or `deployments.apps`; cluster-scoped objects have an empty
    /// namespace.
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Object> {
        let key = Key {
            namespace: namespace.to_owned(),
            name: name.to_owned(),
        };
        self.shared.state().store.get(resource, &key).cloned()
    }

    /// All objects of a resource, in the order of namespace and name.
    pub fn list(&self, resource: &str) -> Vec<Object> {
        self.shared
            .state()
            .store
            .list(resource, None)
            .cloned()
            .collect()
    }

    /// The newest resourceVersion.
    pub fn version(&self) -> u64 {
        self.shared.state().store.version()
    }

    /// Follows the changes of these resources from now on, in one order. `resources` are named as in [`Observer::get`].
    pub fn subscribe(&self, resources: &[&'static str]) -> Changes {
        let mut state = self.shared.state();
        let seen = state.store.version();
        let resources = resources
            .iter()
            .map(|resource| (*resource, state.store.subscribe(resource)))
            .collect();
        drop(state);
        Changes {
            shared: Arc::clone(&self.shared),
            resources,
            seen,
        }
    }
}

impl Changes {
    /// The changes since the last call with their resources, oldest first. Waits for none.
    pub fn drain(&mut self) -> Result<Vec<(&'static str, Event)>, Forgotten> {
        for (_, wake) in &mut self.resources {
            wake.borrow_and_update();
        }
        let state = self.shared.state();
        let since = std::mem::replace(&mut self.seen, state.store.version());
        let mut events: Vec<(&'static str, Event)> = Vec::new();
        for (resource, _) in &self.resources {
            let changes = state.store.changes_after(resource, since)?;
            events.extend(changes.map(|event| (*resource, event.clone())));
        }
        drop(state);
        events.sort_by_key(|(_, event)| event.version);
        Ok(events)
    }

    /// Waits until there is a change, and takes all.
    pub async fn next(&mut self) -> Result<Vec<(&'static str, Event)>, Forgotten> {
        loop {
            let events = self.drain()?;
            if !events.is_empty() || self.resources.is_empty() {
                return Ok(events);
            }
            let wakes = self.resources.iter_mut();
            let (change, _, _) = select_all(wakes.map(|(_, wake)| wake.changed().boxed())).await;
            if change.is_err() {
                return Ok(Vec::new());
            }
        }
    }
}
