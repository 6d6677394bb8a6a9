//! Everything that a real API server stored, as its watches tell it: what there is now, and each version that there was.
//!
//! # Guarantees
//! Who waits is told of every change, in the order of its kind, and nobody is asked again and again for it.
//! [`Stored::agree`] waits until a list and what the watches told are the same: nothing that was stored before is still on its way.
//!
//! # Assumes
//! One etcd: the versions of all kinds count as one.
//!
//! # Not here
//! What was stored and replaced while its own watch was broken: it asks an API server that nobody breaks.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures::StreamExt as _;
use jiff::Timestamp;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind, ListParams, TypeMeta};
use kube::runtime::{WatchStreamExt as _, watcher};
use serde_json::Value;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::machines::clock;

/// How long a watch may take to tell what a list tells already, before the list is asked again.
const ASK_AGAIN: Duration = Duration::from_millis(100);

/// A kind that is followed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Kind {
    /// Its group; empty for core.
    pub group: &'static str,
    /// Its version.
    pub version: &'static str,
    /// Its name.
    pub kind: &'static str,
    /// What its resource is called.
    pub plural: &'static str,
}

impl Kind {
    /// As the API server knows it.
    pub const fn new(
        group: &'static str,
        version: &'static str,
        kind: &'static str,
        plural: &'static str,
    ) -> Self {
        Self {
            group,
            version,
            kind,
            plural,
        }
    }

    /// The resource with its group, as in `nodes` or `slotledgers.windlass.dev`.
    pub fn resource(&self) -> String {
        if self.group.is_empty() {
            self.plural.to_owned()
        } else {
            format!("{}.{}", self.plural, self.group)
        }
    }

    /// All of its objects.
    pub fn api(&self, client: &Client) -> Api<DynamicObject> {
        Api::all_with(client.clone(), &self.described())
    }

    /// Those of a namespace; of a kind that has none, all.
    pub fn api_in(&self, client: &Client, namespace: &str) -> Api<DynamicObject> {
        if namespace.is_empty() {
            return self.api(client);
        }
        Api::namespaced_with(client.clone(), namespace, &self.described())
    }

    fn described(&self) -> ApiResource {
        let gvk = GroupVersionKind::gvk(self.group, self.version, self.kind);
        ApiResource::from_gvk_with_plural(&gvk, self.plural)
    }
}

/// One stored version.
#[derive(Clone, Debug)]
pub struct Version {
    /// Of which resource, as [`Kind::resource`] says.
    pub resource: String,
    /// What was stored; the last state of what is gone.
    pub object: Arc<Value>,
    /// Whether it is gone.
    pub gone: bool,
    /// When it was told.
    pub at: Timestamp,
}

/// What there is: by resource, then by namespace and name.
#[derive(Clone, Debug, Default)]
pub struct Objects(BTreeMap<String, BTreeMap<(String, String), Arc<Value>>>);

impl Objects {
    /// One object.
    pub fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<&Arc<Value>> {
        let key = (namespace.to_owned(), name.to_owned());
        self.0.get(resource)?.get(&key)
    }

    /// All objects of a resource, in the order of namespace and name.
    pub fn list(&self, resource: &str) -> impl Iterator<Item = &Arc<Value>> {
        let objects = self.0.get(resource);
        objects.into_iter().flat_map(BTreeMap::values)
    }

    /// All objects, each with its resource.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Arc<Value>)> {
        let of = |(resource, objects)| {
            let objects: &BTreeMap<_, _> = objects;
            let resource: &String = resource;
            objects.values().map(|object| (resource.as_str(), object))
        };
        self.0.iter().flat_map(of)
    }

    fn of(&mut self, resource: &str) -> &mut BTreeMap<(String, String), Arc<Value>> {
        self.0.entry(resource.to_owned()).or_default()
    }

    /// Whether this is what a list told, as far as the list could know it.
    fn is_as_listed(&self, resource: &str, listed: &[Value], at: u64) -> bool {
        let told: BTreeMap<_, _> = listed
            .iter()
            .map(|object| (key(object), version(object)))
            .collect();
        let known = self.0.get(resource);
        let is_known = |key: &(String, String), least: &u64| {
            let object = known.and_then(|known| known.get(key));
            object.is_some_and(|object| version(object) >= *least)
        };
        let newer_or_told = |(key, object): (&(String, String), &Arc<Value>)| {
            told.contains_key(key) || version(object) > at
        };
        told.iter().all(|(key, least)| is_known(key, least))
            && known.into_iter().flatten().all(newer_or_told)
    }
}

/// The record. Dropping it ends its watches.
pub struct Stored {
    client: Client,
    followed: Mutex<Vec<(Kind, JoinHandle<()>)>>,
    versions: Arc<Mutex<Vec<Version>>>,
    now: Arc<watch::Sender<Objects>>,
}

impl Stored {
    /// Begins, and returns once it is told of each kind: what is stored from then on is told version by version, and nothing
    /// was stored before that a later version has replaced unseen.
    pub async fn begin(client: &Client, kinds: &[Kind]) -> Self {
        let record = Self {
            client: client.clone(),
            followed: Mutex::default(),
            versions: Arc::default(),
            now: Arc::new(watch::Sender::new(Objects::default())),
        };
        for kind in kinds {
            record.follow(*kind).await;
        }
        record
    }

    /// Follows another kind, and returns once it is told of it.
    pub async fn follow(&self, kind: Kind) {
        let (listed, mut is_listed) = watch::channel(false);
        let watching = watching(
            kind,
            self.client.clone(),
            Arc::clone(&self.versions),
            Arc::clone(&self.now),
            listed,
        );
        let task = tokio::spawn(watching);
        lock(&self.followed).push((kind, task));
        // Its sender goes with the task alone.
        is_listed.wait_for(|listed| *listed).await.map(drop).ok();
    }

    /// Follows a kind no more, and knows nothing of it any longer.
    pub fn leave(&self, resource: &str) {
        lock(&self.followed).retain(|(kind, task)| {
            let stays = kind.resource() != resource;
            if !stays {
                task.abort();
            }
            stays
        });
        self.now.send_modify(|now| now.of(resource).clear());
    }

    /// The kinds that are followed.
    pub fn kinds(&self) -> Vec<Kind> {
        lock(&self.followed).iter().map(|(kind, _)| *kind).collect()
    }

    /// What there is now.
    pub fn now(&self) -> Objects {
        self.now.borrow().clone()
    }

    /// Wakes with every change.
    pub fn changes(&self) -> watch::Receiver<Objects> {
        self.now.subscribe()
    }

    /// All that was stored since so many versions.
    pub fn versions_after(&self, count: usize) -> Vec<Version> {
        lock(&self.versions).iter().skip(count).cloned().collect()
    }

    /// Waits until all that is stored of a kind was told.
    pub async fn agree(&self, kind: Kind) -> kube::Result<()> {
        let resource = kind.resource();
        let mut changes = self.now.subscribe();
        loop {
            let listed = kind.api(&self.client).list(&ListParams::default()).await?;
            let at = number(listed.metadata.resource_version.as_deref());
            let objects: Vec<Value> = listed.items.iter().map(told).collect();
            let agreed = changes.wait_for(|now| now.is_as_listed(&resource, &objects, at));
            if tokio::time::timeout(ASK_AGAIN, agreed).await.is_ok() {
                return Ok(());
            }
        }
    }
}

impl Drop for Stored {
    fn drop(&mut self) {
        for (_, task) in lock(&self.followed).iter() {
            task.abort();
        }
    }
}

async fn watching(
    kind: Kind,
    client: Client,
    versions: Arc<Mutex<Vec<Version>>>,
    now: Arc<watch::Sender<Objects>>,
    listed: watch::Sender<bool>,
) {
    let resource = kind.resource();
    let mut seen = BTreeSet::new();
    let mut events = watcher(kind.api(&client), watcher::Config::default())
        .default_backoff()
        .boxed();
    while let Some(event) = events.next().await {
        let (object, gone) = match event {
            Ok(watcher::Event::Apply(object)) => (typed(kind, object), false),
            Ok(watcher::Event::InitApply(object)) => {
                let object = typed(kind, object);
                seen.insert(key(&object));
                (object, false)
            }
            Ok(watcher::Event::Delete(object)) => (typed(kind, object), true),
            Ok(watcher::Event::Init) => {
                seen.clear();
                continue;
            }
            Ok(watcher::Event::InitDone) => {
                // What is not in the list went while the watch was broken.
                now.send_modify(|now| now.of(&resource).retain(|key, _| seen.contains(key)));
                listed.send_replace(true);
                continue;
            }
            Err(_) => continue,
        };
        let object = Arc::new(object);
        lock(&versions).push(Version {
            resource: resource.clone(),
            object: Arc::clone(&object),
            gone,
            at: clock().now(),
        });
        now.send_modify(|now| {
            let key = key(&object);
            if gone {
                now.of(&resource).remove(&key);
            } else {
                now.of(&resource).insert(key, object);
            }
        });
    }
}

/// An object as JSON; in a list it does not say what it is.
fn typed(kind: Kind, mut object: DynamicObject) -> Value {
    let described = kind.described();
    object.types.get_or_insert(TypeMeta {
        api_version: described.api_version,
        kind: described.kind,
    });
    told(&object)
}

/// An object as JSON. What was read from JSON can be written as JSON.
fn told(object: &DynamicObject) -> Value {
    serde_json::to_value(object).unwrap_or_default()
}

fn key(object: &Value) -> (String, String) {
    let text = |field: &str| {
        let text = object["metadata"][field].as_str();
        text.unwrap_or_default().to_owned()
    };
    (text("namespace"), text("name"))
}

/// The version of an object; 0 where it has none.
pub fn version(object: &Value) -> u64 {
    number(object["metadata"]["resourceVersion"].as_str())
}

fn number(version: Option<&str>) -> u64 {
    version
        .and_then(|version| version.parse().ok())
        .unwrap_or_default()
}

fn lock<T>(mutex: &Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
