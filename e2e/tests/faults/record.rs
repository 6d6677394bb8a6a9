//! Everything that the API server stored, and the judgement of the simulation's observer on it.
//!
//! # Guarantees
//! It waits for what was stored ([`e2e::stored`]). What is judged is judged in the order of the store, whatever the order in
//! which watches told it, by [`simulation::observer::Observer`], which shares no code with planner and checker.
//!
//! # Not here
//! What was stored and replaced while its own watches were broken: it asks an API server that no story breaks.

use std::time::Duration;

use api::names::ours;
use e2e::machines::clock;
use e2e::stored::{Kind, Objects, Stored, Version, version};
use jiff::Timestamp;
use kube::Client;
use serde_json::Value;
use simulation::observer::Observer;
use simulation::pace::Pace;

use crate::fleet::{is_settled, note};

/// Longer than any rollout here takes, on a machine that builds at the same time.
const PATIENCE: Duration = Duration::from_secs(120);

/// What promises are about.
const KINDS: [Kind; 8] = [
    Kind::new("", "v1", "Node", "nodes"),
    Kind::new("", "v1", "Pod", "pods"),
    Kind::new("coordination.k8s.io", "v1", "Lease", LEASES),
    Kind::new(MACHINE, "v1", "MachineConfig", "machineconfigs"),
    Kind::new(MACHINE, "v1", "MachineConfigNode", "machineconfignodes"),
    Kind::new(MACHINE, "v1", "MachineConfigPool", "machineconfigpools"),
    Kind::new(
        "windlass.dev",
        "v1alpha1",
        "RolloutPolicy",
        "rolloutpolicies",
    ),
    Kind::new("windlass.dev", "v1alpha1", "SlotLedger", "slotledgers"),
];
const MACHINE: &str = "machineconfiguration.openshift.io";
const LEASES: &str = "leases";

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
pub(crate) struct World(Objects);

/// All that was stored since it was begun. Dropping it ends its watches.
pub(crate) struct Record {
    stored: Stored,
    judge: tokio::sync::Mutex<Judge>,
}

impl Record {
    /// Begins, and returns once it is told of each kind.
    pub(crate) async fn begin(client: &Client) -> Self {
        let begun = tokio::time::timeout(PATIENCE, Stored::begin(client, &KINDS)).await;
        Self {
            stored: begun.expect("never: all kinds are listed"),
            judge: tokio::sync::Mutex::default(),
        }
    }

    /// Waits until it is so, and tells what there is then.
    pub(crate) async fn until(&self, story: &str, is_so: impl Fn(&World) -> bool) -> World {
        let mut changes = self.stored.changes();
        let so = changes.wait_for(|objects| is_so(&World(objects.clone())));
        let waited = tokio::time::timeout(PATIENCE, so).await;
        let Ok(seen) = waited else {
            panic!("never: {story}\n{}", self.now().told());
        };
        World(seen.unwrap().clone())
    }

    /// What there is now.
    pub(crate) fn now(&self) -> World {
        World(self.stored.now())
    }

    /// A promise that was broken is told with all others that were.
    pub(crate) async fn no_promise_is_broken(&self) {
        // Renewals never end.
        for kind in KINDS.iter().filter(|kind| kind.plural != LEASES) {
            let agreed = tokio::time::timeout(PATIENCE, self.stored.agree(*kind)).await;
            agreed.expect("never: everything was told").unwrap();
        }
        let mut judge = self.judge.lock().await;
        let mut new = self.stored.versions_after(judge.heard);
        judge.heard += new.len();
        new.sort_by_key(|stored| version(&stored.object));
        for each in &new {
            let resource = plural(&each.resource);
            judge
                .observer
                .stored(resource, &each.object, each.gone, each.at);
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

    /// The intents that this node was given from here on.
    pub(crate) fn intents_after(&self, node: &str, intent: u64) -> Vec<u64> {
        let of_node = self.versions_of("nodes", node);
        let mut given: Vec<u64> = of_node
            .iter()
            .filter_map(|stored| note(&stored.object, ours::INTENT).parse().ok())
            .filter(|given| *given > intent)
            .collect();
        given.sort_unstable();
        given.dedup();
        given
    }

    /// Since when a pod is known to leave.
    pub(crate) fn leaves(&self, pod: &str) -> Option<Timestamp> {
        let of_pod = self.versions_of("pods", pod);
        let leaves = |stored: &&Version| {
            stored.gone || !stored.object["metadata"]["deletionTimestamp"].is_null()
        };
        of_pod.iter().find(leaves).map(|stored| stored.at)
    }

    fn versions_of(&self, resource: &str, name: &str) -> Vec<Version> {
        let mut versions = self.stored.versions_after(0);
        versions.retain(|stored| {
            stored.resource == resource && stored.object["metadata"]["name"] == name
        });
        versions
    }
}

/// A resource without its group.
fn plural(resource: &str) -> &str {
    resource.split('.').next().unwrap_or(resource)
}

impl World {
    /// An object; null if there is none.
    pub(crate) fn get(&self, resource: &str, name: &str) -> &Value {
        self.in_namespace(resource, &format!("/{name}"))
    }

    /// An object of a namespace, by `namespace/name`.
    pub(crate) fn in_namespace(&self, resource: &str, name: &str) -> &Value {
        const NONE: &Value = &Value::Null;
        let kind = KINDS.iter().find(|kind| kind.plural == resource);
        let (namespace, name) = name.split_once('/').unwrap_or(("", name));
        let found = kind.and_then(|kind| self.0.get(&kind.resource(), namespace, name));
        found.map_or(NONE, |object| &**object)
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
        let nodes = self.0.list("nodes");
        let cordoned = nodes.filter(|node| !note(node, ours::CORDONED).is_empty());
        cordoned
            .filter_map(|node| node["metadata"]["name"].as_str())
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
        for (resource, object) in self.0.all() {
            let name = &object["metadata"]["name"];
            let shown = match plural(resource) {
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
