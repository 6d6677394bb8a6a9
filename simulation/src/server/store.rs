//! The objects, one version counter for all of them, and what happened lately.
//!
//! Guarantees: each change takes the next resourceVersion; objects are kept and listed in the order of namespace and name;
//! the history of a collection holds each change since `forgotten`, so a watch either sees every change or is told that it
//! is too late. Assumes that the caller has decided that the change is right: no rule of Kubernetes stands here.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::Value;
use sha2::{Digest, Sha256};
use tokio::sync::watch;

use super::value;

/// An object as stored: shared, never changed in place.
pub type Object = Arc<Value>;

/// How many changes a collection remembers for watches and old lists. A watcher that is further behind is told `Expired`
/// and lists again, as with the watch cache of the real server (whose window is of this order).
pub const HISTORY_LIMIT: usize = 10_000;

/// Where an object stands in its collection. Cluster-scoped objects have an empty namespace.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Key {
    /// The namespace, empty for cluster-scoped objects.
    pub namespace: String,
    /// The name.
    pub name: String,
}

impl Key {
    /// The key of an object that has its metadata.
    pub fn of(object: &Value) -> Self {
        Self {
            namespace: value::text(object, &["metadata", "namespace"]).to_owned(),
            name: value::text(object, &["metadata", "name"]).to_owned(),
        }
    }
}

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Change {
    /// It is new.
    Added,
    /// It was written.
    Modified,
    /// It is gone; the event holds its last state, with the version of its removal.
    Deleted,
}

/// One change, as a collection remembers it.
#[derive(Clone, Debug)]
pub struct Event {
    /// The resourceVersion that the change took.
    pub version: u64,
    /// What happened.
    pub change: Change,
    /// The object after the change (before it, when it was deleted).
    pub object: Object,
    /// The object before the change.
    pub previous: Option<Object>,
}

/// All objects of one resource.
#[derive(Debug)]
struct Collection {
    objects: BTreeMap<Key, Object>,
    history: VecDeque<Event>,
    /// The newest version that the history no longer tells of.
    forgotten: u64,
    wake: watch::Sender<u64>,
}

impl Collection {
    fn new(version: u64) -> Self {
        Self {
            objects: BTreeMap::new(),
            history: VecDeque::new(),
            forgotten: version,
            wake: watch::Sender::new(version),
        }
    }

    fn remember(&mut self, event: Event) {
        let version = event.version;
        self.history.push_back(event);
        while self.history.len() > HISTORY_LIMIT {
            if let Some(oldest) = self.history.pop_front() {
                self.forgotten = oldest.version;
            }
        }
        self.wake.send_replace(version);
    }
}

/// The version asked for is older than what the history tells of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Forgotten {
    /// The oldest version from which a watch can still start.
    pub oldest: u64,
}

/// The store of one server.
#[derive(Debug)]
pub(crate) struct Store {
    version: u64,
    collections: BTreeMap<String, Collection>,
    seed: u64,
    drawn: u64,
}

impl Store {
    /// An empty store. Equal seeds give equal uids and generated names.
    pub(crate) fn new(seed: u64) -> Self {
        Self {
            version: 1,
            collections: BTreeMap::new(),
            seed,
            drawn: 0,
        }
    }

    /// The newest resourceVersion.
    pub(crate) fn version(&self) -> u64 {
        self.version
    }

    fn collection(&mut self, resource: &str) -> &mut Collection {
        // A collection that is first used now has forgotten nothing: there was nothing.
        self.collections
            .entry(resource.to_owned())
            .or_insert_with(|| Collection::new(0))
    }

    /// One object.
    pub(crate) fn get(&self, resource: &str, key: &Key) -> Option<&Object> {
        self.collections.get(resource)?.objects.get(key)
    }

    /// All objects of a resource, in order; of one namespace, where it is given.
    pub(crate) fn list<'a>(
        &'a self,
        resource: &str,
        namespace: Option<&'a str>,
    ) -> impl Iterator<Item = &'a Object> + use<'a> {
        self.collections
            .get(resource)
            .into_iter()
            .flat_map(|collection| collection.objects.iter())
            .filter(move |(key, _)| namespace.is_none_or(|wanted| key.namespace == wanted))
            .map(|(_, object)| object)
    }

    /// All objects as they were at `version`.
    pub(crate) fn list_at(&self, resource: &str, version: u64) -> Result<Vec<Object>, Forgotten> {
        let Some(collection) = self.collections.get(resource) else {
            return Ok(Vec::new());
        };
        if version < collection.forgotten {
            return Err(Forgotten {
                oldest: collection.forgotten,
            });
        }
        let mut objects = collection.objects.clone();
        for event in collection.history.iter().rev() {
            if event.version <= version {
                break;
            }
            let key = Key::of(&event.object);
            match &event.previous {
                Some(previous) => objects.insert(key, Arc::clone(previous)),
                None => objects.remove(&key),
            };
        }
        Ok(objects.into_values().collect())
    }

    /// Writes an object, new or not, and gives it the next version.
    pub(crate) fn put(&mut self, resource: &str, mut object: Value) -> Object {
        self.version += 1;
        let version = self.version;
        value::set(
            &mut object,
            &["metadata", "resourceVersion"],
            version.to_string(),
        );
        let object = Arc::new(object);
        let collection = self.collection(resource);
        let previous = collection
            .objects
            .insert(Key::of(&object), Arc::clone(&object));
        let change = if previous.is_some() {
            Change::Modified
        } else {
            Change::Added
        };
        collection.remember(Event {
            version,
            change,
            object: Arc::clone(&object),
            previous,
        });
        object
    }

    /// Takes an object away. Gives its last state, with the version of the removal.
    pub(crate) fn remove(&mut self, resource: &str, key: &Key) -> Option<Object> {
        let previous = self.collections.get_mut(resource)?.objects.remove(key)?;
        self.version += 1;
        let version = self.version;
        let mut last = Value::clone(&previous);
        value::set(
            &mut last,
            &["metadata", "resourceVersion"],
            version.to_string(),
        );
        let object = Arc::new(last);
        self.collection(resource).remember(Event {
            version,
            change: Change::Deleted,
            object: Arc::clone(&object),
            previous: Some(previous),
        });
        Some(object)
    }

    /// The changes of a resource after `version`, oldest first.
    pub(crate) fn changes_after(
        &self,
        resource: &str,
        version: u64,
    ) -> Result<impl Iterator<Item = &Event> + use<'_>, Forgotten> {
        let collection = self.collections.get(resource);
        if let Some(collection) = collection
            && version < collection.forgotten
        {
            return Err(Forgotten {
                oldest: collection.forgotten,
            });
        }
        let history = collection.map(|collection| &collection.history);
        let start = history.map_or(0, |history| {
            history.partition_point(|event| event.version <= version)
        });
        Ok(history
            .into_iter()
            .flat_map(move |history| history.range(start..)))
    }

    /// Wakes whenever the resource changes; its value is the version of the last change.
    pub(crate) fn subscribe(&mut self, resource: &str) -> watch::Receiver<u64> {
        self.collection(resource).wake.subscribe()
    }

    /// Forgets all history of a resource up to now, so that watches from before are too late.
    #[cfg(test)]
    pub(crate) fn forget(&mut self, resource: &str) {
        let version = self.version;
        let collection = self.collection(resource);
        collection.history.clear();
        collection.forgotten = version;
        collection.wake.send_replace(version);
    }

    fn draw(&mut self) -> [u8; 32] {
        self.drawn += 1;
        let mut hash = Sha256::new();
        hash.update(self.seed.to_le_bytes());
        hash.update(self.drawn.to_le_bytes());
        hash.finalize().into()
    }

    /// A uid in the form of a version 4 UUID, drawn from the seed.
    pub(crate) fn draw_uid(&mut self) -> String {
        let bytes = self.draw();
        let hex: String = bytes
            .iter()
            .take(16)
            .map(|byte| format!("{byte:02x}"))
            .collect();
        // The 13th digit names the version, the 17th the variant (RFC 9562, section 5.4).
        let part = |from: usize, to: usize| hex.get(from..to).unwrap_or_default();
        format!(
            "{}-{}-4{}-a{}-{}",
            part(0, 8),
            part(8, 12),
            part(13, 16),
            part(17, 20),
            part(20, 32)
        )
    }

    /// Five letters for `generateName`, drawn from the seed. The alphabet has no vowels, so that no words appear.
    pub(crate) fn draw_suffix(&mut self) -> String {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        let bytes = self.draw();
        bytes
            .iter()
            .take(5)
            .filter_map(|byte| LETTERS.get(usize::from(*byte) % LETTERS.len()))
            .map(|letter| char::from(*letter))
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn named(name: &str, label: &str) -> Value {
        json!({ "metadata": { "name": name, "labels": { "l": label } } })
    }

    #[test]
    fn a_list_at_an_old_version_shows_what_was_there_then() {
        let mut store = Store::new(1);
        store.put("nodes", named("a", "1"));
        store.put("nodes", named("b", "1"));
        let then = store.version();
        store.put("nodes", named("a", "2"));
        store.put("nodes", named("c", "2"));
        store.remove(
            "nodes",
            &Key {
                namespace: String::new(),
                name: "b".into(),
            },
        );

        let listed = store.list_at("nodes", then).unwrap();

        let seen: Vec<(&str, &str)> = listed
            .iter()
            .map(|object| {
                (
                    value::text(object, &["metadata", "name"]),
                    value::text(object, &["metadata", "labels", "l"]),
                )
            })
            .collect();
        assert_eq!(seen, [("a", "1"), ("b", "1")]);
    }

    #[test]
    fn a_watch_from_before_the_history_is_told_that_it_is_too_late() {
        let mut store = Store::new(1);
        let start = store.version();
        store.put("nodes", named("a", "1"));
        assert!(store.changes_after("nodes", start).is_ok());

        store.forget("nodes");

        assert!(store.changes_after("nodes", start).is_err());
        assert!(store.changes_after("nodes", store.version()).is_ok());
    }

    #[test]
    fn equal_seeds_give_equal_uids() {
        assert_eq!(Store::new(7).draw_uid(), Store::new(7).draw_uid());
        assert_ne!(Store::new(7).draw_uid(), Store::new(8).draw_uid());
        assert_eq!(Store::new(7).draw_uid().len(), 36);
    }
}
