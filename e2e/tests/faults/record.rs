//! Everything that the API server stored, as its watches tell it, and the judgement of the simulation's observer on it.
//!
//! # Guarantees
//! It waits for what was stored and asks nobody again and again. What is judged is judged in the order of the store, whatever the
//! order in which watches told it, by [`simulation::observer::Observer`], which shares no code with planner and checker.
//!
//! # Assumes
//! One etcd: the versions of all kinds count as one.
//!
//! # Not here
//! What was stored and replaced while its own watches were broken: it asks an API server that no story breaks.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use api::names::ours;
use e2e::machines::clock;
use futures::StreamExt as _;
use jiff::Timestamp;
use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, GroupVersionKind};
use kube::runtime::{WatchStreamExt as _, watcher};
use serde_json::Value;
use simulation::observer::Observer;
use simulation::pace::Pace;
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::fleet::{is_settled, note};

/// Longer than any rollout here takes, on a machine that builds at the same time.
const PATIENCE: Duration = Duration::from_secs(120);

/// What promises are about: group, version, kind, plural.
const KINDS: [(&str, &str, &str, &str); 8] = [
    ("", "v1", "Node", "nodes"),
    ("", "v1", "Pod", "pods"),
    ("coordination.k8s.io", "v1", "Lease", "leases"),
    (
        "machineconfiguration.openshift.io",
        "v1",
        "MachineConfig",
        "machineconfigs",
    ),
    (
        "machineconfiguration.openshift.io",
        "v1",
        "MachineConfigNode",
        "machineconfignodes",
    ),
    (
        "machineconfiguration.openshift.io",
        "v1",
        "MachineConfigPool",
        "machineconfigpools",
    ),
    (
        "windlass.dev",
        "v1alpha1",
        "RolloutPolicy",
        "rolloutpolicies",
    ),
    ("windlass.dev", "v1alpha1", "SlotLedger", "slotledgers"),
];

/// One stored version.
#[derive(Clone)]
struct Stored {
    resource: &'static str,
    object: Value,
    gone: bool,
    at: Timestamp,
}

/// The observer, and how much of the record it has heard.
struct Judge {
    observer: Observer,
    heard: usize,
}

impl Default for Judge {
    fn default() -> Self {
        Self {
            observer: Observer::new(clock().now(), &Pace::demo()),
            heard: 0,
        }
    }
}

/// What is stored now.
#[derive(Clone, Debug, Default)]
pub(crate) struct World(BTreeMap<(&'static str, String), Value>);

/// All that was stored since it was begun. Dropping it ends its watches.
pub(crate) struct Record {
    client: Client,
    stored: Arc<Mutex<Vec<Stored>>>,
    world: Arc<watch::Sender<World>>,
    judge: tokio::sync::Mutex<Judge>,
    _watches: JoinSet<()>,
}

impl Record {
    /// Begins, and returns once it is told of each kind: what is stored from then on is told version by version, and nothing
    /// was stored before that a later version has replaced unseen.
    pub(crate) async fn begin(client: &Client) -> Self {
        let stored = Arc::new(Mutex::new(Vec::new()));
        let world = Arc::new(watch::Sender::new(World::default()));
        let mut watches = JoinSet::new();
        let (listed, mut all_listed) = watch::channel(0);
        for kind in KINDS {
            let api = api(client, kind);
            let (stored, world) = (Arc::clone(&stored), Arc::clone(&world));
            watches.spawn(follow(api, kind.3, stored, world, listed.clone()));
        }
        let all = all_listed.wait_for(|kinds| *kinds >= KINDS.len());
        let all = tokio::time::timeout(PATIENCE, all).await;
        assert!(all.is_ok(), "never: all kinds are listed");
        Self {
            client: client.clone(),
            stored,
            world,
            judge: tokio::sync::Mutex::default(),
            _watches: watches,
        }
    }

    /// Waits until it is so, and tells what there is then.
    pub(crate) async fn until(&self, story: &str, is_so: impl Fn(&World) -> bool) -> World {
        let mut world = self.world.subscribe();
        let waited = tokio::time::timeout(PATIENCE, world.wait_for(|world| is_so(world))).await;
        let Ok(seen) = waited else {
            panic!("never: {story}\n{}", self.world.borrow().told());
        };
        seen.unwrap().clone()
    }

    /// What there is now.
    pub(crate) fn now(&self) -> World {
        self.world.borrow().clone()
    }

    /// A promise that was broken is told with all others that were.
    pub(crate) async fn no_promise_is_broken(&self) {
        self.complete().await;
        let mut judge = self.judge.lock().await;
        let mut new = self.stored.lock().unwrap()[judge.heard..].to_vec();
        judge.heard += new.len();
        new.sort_by_key(|stored| version(&stored.object));
        for each in &new {
            judge
                .observer
                .stored(each.resource, &each.object, each.gone, each.at);
        }
        let observer = &judge.observer;
        let broken: Vec<String> = observer
            .violations()
            .iter()
            .map(ToString::to_string)
            .collect();
        assert!(broken.is_empty(), "{broken:#?}");
        assert!(observer.pooled_nodes().count() > 0, "something was judged");
    }

    /// Waits until all that is stored was told.
    async fn complete(&self) {
        for kind in KINDS {
            // Renewals never end.
            if kind.3 == "leases" {
                continue;
            }
            let listed = api(&self.client, kind)
                .list(&kube::api::ListParams::default())
                .await
                .unwrap();
            let newest = listed.items.iter().map(|object| {
                let object = serde_json::to_value(object).unwrap();
                (key(kind.3, &object), version(&object))
            });
            let newest: Vec<_> = newest.collect();
            self.until("everything was told", |world| {
                newest.iter().all(|(key, at_least)| {
                    world
                        .0
                        .get(key)
                        .is_some_and(|object| version(object) >= *at_least)
                })
            })
            .await;
        }
    }

    /// The intents that this node was given from here on.
    pub(crate) fn intents_after(&self, node: &str, intent: u64) -> Vec<u64> {
        let stored = self.stored.lock().unwrap();
        let of_node = stored.iter().filter(|stored| {
            stored.resource == "nodes" && stored.object["metadata"]["name"] == node
        });
        let mut given: Vec<u64> = of_node
            .filter_map(|stored| note(&stored.object, ours::INTENT).parse().ok())
            .filter(|given| *given > intent)
            .collect();
        given.sort_unstable();
        given.dedup();
        given
    }

    /// Since when a pod is known to leave.
    pub(crate) fn leaves(&self, pod: &str) -> Option<Timestamp> {
        let stored = self.stored.lock().unwrap();
        let leaving = stored.iter().find(|stored| {
            let metadata = &stored.object["metadata"];
            stored.resource == "pods"
                && metadata["name"] == pod
                && (stored.gone || !metadata["deletionTimestamp"].is_null())
        });
        leaving.map(|stored| stored.at)
    }
}

async fn follow(
    api: Api<DynamicObject>,
    resource: &'static str,
    stored: Arc<Mutex<Vec<Stored>>>,
    world: Arc<watch::Sender<World>>,
    listed: watch::Sender<usize>,
) {
    let mut events = watcher(api, watcher::Config::default())
        .default_backoff()
        .boxed();
    let mut listed = Some(listed);
    while let Some(event) = events.next().await {
        let (object, gone) = match event {
            Ok(watcher::Event::Apply(object) | watcher::Event::InitApply(object)) => {
                (object, false)
            }
            Ok(watcher::Event::Delete(object)) => (object, true),
            Ok(watcher::Event::InitDone) => {
                if let Some(listed) = listed.take() {
                    listed.send_modify(|kinds| *kinds += 1);
                }
                continue;
            }
            Ok(watcher::Event::Init) | Err(_) => continue,
        };
        let object = serde_json::to_value(&object).unwrap();
        stored.lock().unwrap().push(Stored {
            resource,
            object: object.clone(),
            gone,
            at: clock().now(),
        });
        world.send_modify(|world| {
            let key = key(resource, &object);
            if gone {
                world.0.remove(&key);
            } else {
                world.0.insert(key, object);
            }
        });
    }
}

fn api(
    client: &Client,
    (group, version, kind, plural): (&str, &str, &str, &str),
) -> Api<DynamicObject> {
    let gvk = GroupVersionKind::gvk(group, version, kind);
    Api::all_with(
        client.clone(),
        &ApiResource::from_gvk_with_plural(&gvk, plural),
    )
}

fn key(resource: &'static str, object: &Value) -> (&'static str, String) {
    let metadata = &object["metadata"];
    let (namespace, name) = (metadata["namespace"].as_str(), metadata["name"].as_str());
    (
        resource,
        format!(
            "{}/{}",
            namespace.unwrap_or_default(),
            name.unwrap_or_default()
        ),
    )
}

fn version(object: &Value) -> u64 {
    let version = object["metadata"]["resourceVersion"].as_str();
    version
        .and_then(|version| version.parse().ok())
        .unwrap_or_default()
}

impl World {
    /// An object; null if there is none.
    pub(crate) fn get(&self, resource: &'static str, name: &str) -> &Value {
        self.in_namespace(resource, &format!("/{name}"))
    }

    /// An object of a namespace, by `namespace/name`.
    pub(crate) fn in_namespace(&self, resource: &'static str, name: &str) -> &Value {
        const NONE: &Value = &Value::Null;
        self.0.get(&(resource, name.to_owned())).unwrap_or(NONE)
    }

    pub(crate) fn node(&self, name: &str) -> &Value {
        self.get("nodes", name)
    }

    /// The number of a node's newest assignment.
    pub(crate) fn intent(&self, name: &str) -> u64 {
        note(self.node(name), ours::INTENT)
            .parse()
            .unwrap_or_default()
    }

    /// The pool's target.
    pub(crate) fn target(&self, pool: &str) -> &str {
        let pool = self.get("machineconfigpools", pool);
        pool["spec"]["configuration"]["name"]
            .as_str()
            .unwrap_or_default()
    }

    pub(crate) fn holders(&self) -> Vec<&str> {
        let ledger = self.get("slotledgers", "cluster");
        let holders = ledger["spec"]["holders"].as_array();
        holders
            .into_iter()
            .flatten()
            .filter_map(|holder| holder["node"].as_str())
            .collect()
    }

    /// Nodes that bear our cordon.
    pub(crate) fn cordoned(&self) -> Vec<&str> {
        let nodes = self
            .0
            .iter()
            .filter(|((resource, _), _)| *resource == "nodes");
        let cordoned = nodes.filter(|(_, node)| !note(node, ours::CORDONED).is_empty());
        cordoned
            .filter_map(|(_, node)| node["metadata"]["name"].as_str())
            .collect()
    }

    /// Every node has the pool's target and is back in service, no slot is held, and the pool says so.
    pub(crate) fn is_over(&self, pool: &str, nodes: &[&str]) -> bool {
        let target = self.target(pool);
        let said = &self.get("machineconfigpools", pool)["status"];
        let updated = said["conditions"].as_array().into_iter().flatten();
        !target.is_empty()
            && nodes.iter().all(|name| is_settled(self.node(name), target))
            && self.holders().is_empty()
            && said["configuration"]["name"] == target
            && updated
                .into_iter()
                .any(|it| it["type"] == "Updated" && it["status"] == "True")
    }

    /// For a failing story.
    fn told(&self) -> String {
        let mut told = String::new();
        for ((resource, name), object) in &self.0 {
            let shown = match *resource {
                "nodes" => [&object["metadata"]["annotations"], &object["spec"]],
                "machineconfigpools" | "slotledgers" => [&object["spec"], &object["status"]],
                "machineconfignodes" => [&object["status"]["conditions"], &Value::Null],
                "leases" => [&object["spec"], &Value::Null],
                _ => continue,
            };
            for shown in shown {
                let short: String = shown.to_string().chars().take(1200).collect();
                told.push_str(&format!("{resource} {name}: {short}\n"));
            }
        }
        told
    }
}
