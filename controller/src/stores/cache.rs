//! What one watch has seen, in the order of names.
//!
//! # Guarantees
//! Iteration is in the order of (namespace, name), so that nothing that decides depends on a hash. A
//! relist replaces all at once: readers never see half of one. What is kept is parsed once, when it
//! arrives, and shared afterwards.
//! # Assumptions
//! One watch writes; many read. What is read may be stale: whatever spends a budget is held by a
//! compare-and-swap and not by this.

use super::shared::Shared;
use kube::runtime::watcher::Event;
use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};
use tokio::sync::{Notify, watch};

/// Where an object is: namespace (empty for cluster-scoped kinds) and name.
pub type Key = (Arc<str>, Arc<str>);

/// What of an object is kept.
pub trait Kept: Sized + Send + Sync + 'static {
    /// The kind that is watched.
    type Object: kube::Resource;

    /// Parses an object; called once for each event.
    fn keep(object: Self::Object) -> Self;

    /// Whether the difference matters to anybody who waits; kubelets renew their status for ever.
    fn differs(&self, before: &Self) -> bool;

    /// Where it is, if it knows: then the cache needs no names of its own.
    fn key(&self) -> Option<Key> {
        None
    }

    /// Takes what others of its kind have, too, from what they share.
    fn share(&mut self, _: &mut Shared) {}
}

/// Called with what was there before and what is there now.
type Observer<V> = Box<dyn Fn(Option<&V>, Option<&V>) + Send + Sync>;

/// The objects of one kind.
pub struct Cache<V> {
    inner: RwLock<Inner<V>>,
    synced: watch::Sender<bool>,
    wakes: Vec<Arc<Notify>>,
    observer: Option<Observer<V>>,
}

struct Inner<V> {
    objects: BTreeMap<Key, Arc<V>>,
    relist: Option<BTreeMap<Key, Arc<V>>>,
    shared: Shared,
}

impl<V: Kept> Cache<V> {
    /// An empty cache that wakes these when something changed that matters.
    pub fn new(wakes: Vec<Arc<Notify>>) -> Self {
        let inner = RwLock::new(Inner {
            objects: BTreeMap::new(),
            relist: None,
            shared: Shared::default(),
        });
        Self {
            inner,
            synced: watch::Sender::new(false),
            wakes,
            observer: None,
        }
    }

    /// Also tells this observer of every event, whether it matters or not, before anybody is woken.
    #[must_use]
    pub fn observed_by(
        mut self,
        observer: impl Fn(Option<&V>, Option<&V>) + Send + Sync + 'static,
    ) -> Self {
        self.observer = Some(Box::new(observer));
        self
    }

    /// The object of a cluster-scoped kind.
    pub fn get(&self, name: &str) -> Option<Arc<V>> {
        self.get_in("", name)
    }

    /// The object in a namespace.
    pub fn get_in(&self, namespace: &str, name: &str) -> Option<Arc<V>> {
        self.read()
            .objects
            .get(&(namespace.into(), name.into()))
            .cloned()
    }

    /// All of them, in the order of (namespace, name).
    pub fn all(&self) -> Vec<Arc<V>> {
        self.read().objects.values().cloned().collect()
    }

    /// Those of one namespace, in the order of names.
    pub fn all_in(&self, namespace: &str) -> Vec<Arc<V>> {
        let first: Key = (namespace.into(), "".into());
        let read = self.read();
        let from_here = read.objects.range(first..);
        from_here
            .take_while(|(key, _)| *key.0 == *namespace)
            .map(|(_, v)| v.clone())
            .collect()
    }

    /// Whether the first list is complete.
    pub fn is_synced(&self) -> bool {
        *self.synced.borrow()
    }

    /// Waits until the first list is complete.
    pub async fn synced(&self) {
        let mut synced = self.synced.subscribe();
        // The sender lives as long as `self`: this cannot fail while somebody asks.
        drop(synced.wait_for(|synced| *synced).await);
    }

    /// Takes one event of the watch.
    pub fn apply(&self, event: Event<V::Object>) {
        match event {
            Event::Init => self.write().relist = Some(BTreeMap::new()),
            Event::InitApply(object) => {
                let mut inner = self.write();
                let (key, value) = inner.keep(object);
                inner.relist.get_or_insert_default().insert(key, value);
            }
            Event::InitDone => self.finish_relist(),
            Event::Apply(object) => {
                let mut inner = self.write();
                let (key, value) = inner.keep(object);
                let before = inner.objects.insert(key, value.clone());
                drop(inner);
                self.changed(before.as_deref(), Some(&value));
            }
            Event::Delete(object) => {
                let before = self.write().objects.remove(&key_of(&object));
                self.changed(before.as_deref(), None);
            }
        }
    }

    /// Nothing of this kind can be there: its definition is not installed.
    pub fn not_installed(&self) {
        self.apply(Event::Init);
        self.apply(Event::InitDone);
    }

    fn finish_relist(&self) {
        let (before, now) = {
            let mut inner = self.write();
            let now = inner.relist.take().unwrap_or_default();
            (std::mem::replace(&mut inner.objects, now.clone()), now)
        };
        for (key, old) in &before {
            if !now.contains_key(key) {
                self.changed(Some(old), None);
            }
        }
        for (key, new) in &now {
            self.changed(before.get(key).map(Arc::as_ref), Some(new));
        }
        if !self.synced.send_replace(true) {
            self.wake();
        }
    }

    fn changed(&self, before: Option<&V>, now: Option<&V>) {
        if let Some(observer) = &self.observer {
            observer(before, now);
        }
        let matters = match (before, now) {
            (Some(before), Some(now)) => now.differs(before),
            (None, None) => false,
            _ => true,
        };
        if matters {
            self.wake();
        }
    }

    fn wake(&self) {
        for wake in &self.wakes {
            wake.notify_one();
        }
    }

    // A panic while the lock is held leaves whole entries behind: the map is as good as before.
    fn read(&self) -> RwLockReadGuard<'_, Inner<V>> {
        self.inner.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Inner<V>> {
        self.inner.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<V: Kept> Inner<V> {
    /// What is kept of an object, and where.
    fn keep(&mut self, object: V::Object) -> (Key, Arc<V>) {
        let key = key_of(&object);
        let mut value = V::keep(object);
        value.share(&mut self.shared);
        (value.key().unwrap_or(key), Arc::new(value))
    }
}

impl<V> std::fmt::Debug for Cache<V> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Cache")
            .field("synced", &self.synced)
            .finish_non_exhaustive()
    }
}

fn key_of(object: &impl kube::Resource) -> Key {
    let meta = object.meta();
    (
        meta.namespace.as_deref().unwrap_or_default().into(),
        meta.name.as_deref().unwrap_or_default().into(),
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use k8s_openapi::api::core::v1::ConfigMap;
    use std::sync::Mutex;

    /// A value that differs by its data only.
    struct Text(String, String);

    impl Kept for Text {
        type Object = ConfigMap;
        fn keep(object: ConfigMap) -> Self {
            let data = object
                .data
                .unwrap_or_default()
                .remove("text")
                .unwrap_or_default();
            Self(object.metadata.name.unwrap_or_default(), data)
        }
        fn differs(&self, before: &Self) -> bool {
            self.1 != before.1
        }
    }

    fn map(name: &str, text: &str) -> ConfigMap {
        let mut map = ConfigMap::default();
        map.metadata.name = Some(name.to_owned());
        map.data = Some(BTreeMap::from([("text".to_owned(), text.to_owned())]));
        map
    }

    fn listed(objects: &[ConfigMap], cache: &Cache<Text>) {
        cache.apply(Event::Init);
        for object in objects {
            cache.apply(Event::InitApply(object.clone()));
        }
        cache.apply(Event::InitDone);
    }

    fn names(cache: &Cache<Text>) -> Vec<String> {
        cache.all().iter().map(|text| text.0.clone()).collect()
    }

    #[test]
    fn objects_come_in_the_order_of_their_names() {
        let cache = Cache::<Text>::new(vec![]);

        listed(&[map("c", ""), map("a", ""), map("b", "")], &cache);

        assert_eq!(names(&cache), ["a", "b", "c"]);
    }

    #[test]
    fn a_relist_forgets_what_is_gone_and_only_when_it_is_complete() {
        let cache = Cache::<Text>::new(vec![]);
        listed(&[map("a", ""), map("b", "")], &cache);

        cache.apply(Event::Init);
        cache.apply(Event::InitApply(map("b", "")));
        let during = names(&cache);
        cache.apply(Event::InitDone);

        assert_eq!(during, ["a", "b"]);
        assert_eq!(names(&cache), ["b"]);
    }

    #[tokio::test(start_paused = true)]
    async fn only_a_change_that_matters_wakes_those_who_wait() {
        let wake = Arc::new(Notify::new());
        let cache = Cache::<Text>::new(vec![wake.clone()]);
        listed(&[map("a", "x")], &cache);
        wake.notified().await;

        cache.apply(Event::Apply(map("a", "x")));
        let idle = tokio::time::timeout(std::time::Duration::from_secs(1), wake.notified()).await;
        cache.apply(Event::Apply(map("a", "y")));
        let woken = tokio::time::timeout(std::time::Duration::from_secs(1), wake.notified()).await;

        assert!(idle.is_err() && woken.is_ok());
    }

    #[test]
    fn an_observer_is_told_what_was_lost_in_a_gap_of_the_watch() {
        let lost = Arc::new(Mutex::new(Vec::new()));
        let told = lost.clone();
        let cache = Cache::<Text>::new(vec![]).observed_by(move |before: Option<&Text>, now| {
            if let (Some(before), None) = (before, now) {
                told.lock().unwrap().push(before.0.clone());
            }
        });
        listed(&[map("a", ""), map("b", "")], &cache);

        listed(&[map("b", "")], &cache);

        assert_eq!(*lost.lock().unwrap(), ["a"]);
    }
}
