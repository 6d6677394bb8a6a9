//! What an actor of the simulated control plane knows of one kind: a watch, and its own writes at once.
//!
//! # Guarantees
//! An object that the actor has just written is known to it before the watch brings it back, and an event older
//! than what is known is ignored. So an actor never creates twice what it has created already.
//! # Assumptions
//! Resource versions of one server grow and can be compared (KEP-5504).

use futures::stream::BoxStream;
use futures::{FutureExt, StreamExt};
use kube::runtime::watcher;
use kube::{Api, Resource, ResourceExt};
use serde::de::DeserializeOwned;
use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::time::Duration;
use tokio::time::Instant;

/// How long a broken watch rests before it is tried again.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Namespace (empty for cluster scope) and name.
pub(crate) type Key = (String, String);

/// The key of `object`.
pub(crate) fn key<K: Resource>(object: &K) -> Key {
    (object.namespace().unwrap_or_default(), object.name_any())
}

/// One kind, followed.
pub(crate) struct Follow<K> {
    objects: BTreeMap<Key, K>,
    /// Keys seen in the list that is being read; what is missing at its end is gone.
    listing: Option<BTreeSet<Key>>,
    listed: bool,
    retry_at: Option<Instant>,
    events: BoxStream<'static, watcher::Result<watcher::Event<K>>>,
}

impl<K> Follow<K>
where
    K: Resource + Clone + DeserializeOwned + Debug + Send + 'static,
    K::DynamicType: Default,
{
    /// Follows what `api` and the field selector `fields` (may be empty) select.
    pub(crate) fn new(api: Api<K>, fields: &str) -> Self {
        let mut config = watcher::Config::default();
        if !fields.is_empty() {
            config = config.fields(fields);
        }
        Self {
            objects: BTreeMap::new(),
            listing: None,
            listed: false,
            retry_at: None,
            events: watcher(api, config).boxed(),
        }
    }

    /// Waits for the next change and takes it in. Dropping the future loses nothing.
    pub(crate) async fn change(&mut self) {
        loop {
            if let Some(at) = self.retry_at {
                tokio::time::sleep_until(at).await;
                self.retry_at = None;
            }
            match self.events.next().await {
                Some(Ok(event)) => {
                    if self.take(event) {
                        return;
                    }
                }
                Some(Err(error)) => {
                    tracing::debug!(error = %error, "a watch of the simulated control plane broke");
                    self.retry_at = Some(Instant::now() + RETRY_DELAY);
                }
                None => std::future::pending::<()>().await,
            }
        }
    }

    /// Takes in all that has arrived already, without waiting.
    pub(crate) fn catch_up(&mut self) {
        while self.change().now_or_never().is_some() {}
    }

    /// True once the first list has been read to its end.
    pub(crate) const fn listed(&self) -> bool {
        self.listed
    }

    /// All objects, in the order of their keys.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &K> {
        self.objects.values()
    }

    pub(crate) fn get(&self, key: &Key) -> Option<&K> {
        self.objects.get(key)
    }

    /// Notes what the server answered to a write of this actor.
    pub(crate) fn wrote(&mut self, object: K) {
        let known = self.objects.get(&key(&object)).map_or(0, version);
        if version(&object) >= known {
            self.objects.insert(key(&object), object);
        }
    }

    /// Notes that this actor has removed an object.
    pub(crate) fn removed(&mut self, key: &Key) {
        self.objects.remove(key);
    }

    /// Takes one event in; true where something may have changed.
    fn take(&mut self, event: watcher::Event<K>) -> bool {
        match event {
            watcher::Event::Init => {
                self.listing = Some(BTreeSet::new());
                false
            }
            watcher::Event::InitApply(object) => {
                if let Some(listing) = &mut self.listing {
                    listing.insert(key(&object));
                }
                self.wrote(object);
                false
            }
            watcher::Event::InitDone => {
                if let Some(listing) = self.listing.take() {
                    self.objects.retain(|key, _| listing.contains(key));
                }
                self.listed = true;
                true
            }
            watcher::Event::Apply(object) => {
                let known = self.objects.get(&key(&object)).map_or(0, version);
                let newer = version(&object) > known;
                self.wrote(object);
                newer
            }
            watcher::Event::Delete(object) => {
                let gone = key(&object);
                // A successor of the same name may be known already.
                if self
                    .objects
                    .get(&gone)
                    .is_some_and(|known| known.uid() == object.uid())
                {
                    self.objects.remove(&gone);
                }
                true
            }
        }
    }
}

/// The resource version as a number; 0 where there is none.
fn version<K: Resource>(object: &K) -> u64 {
    object
        .resource_version()
        .and_then(|text| text.parse().ok())
        .unwrap_or(0)
}
