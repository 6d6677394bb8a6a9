//! The real API server of all stories, and how it is made empty between two of them.
//!
//! No controller manager runs: stories say themselves what budgets allow and which pods run, and whoever deletes a Node plays the
//! garbage collector ([`Stage::collect`]).

use std::collections::BTreeSet;
use std::time::Duration;

use e2e::control_plane::{ControlPlane, Options};
use e2e::stored::{Kind, Stored};
use kube::Client;
use kube::api::{DeleteParams, DynamicObject, Patch, PatchParams, PostParams};
use serde_json::{Value, json};
use tokio::runtime::Handle;

/// Longer than anything here takes, on a machine that builds at the same time.
pub(crate) const PATIENCE: Duration = Duration::from_secs(90);
/// How often a definition is asked for until it is served, or gone.
const ASK_EVERY: Duration = Duration::from_millis(50);

const DEFINITIONS: Kind = Kind::new(
    "apiextensions.k8s.io",
    "v1",
    "CustomResourceDefinition",
    "customresourcedefinitions",
);
const NAMESPACES: Kind = Kind::new("", "v1", "Namespace", "namespaces");
const ACCOUNTS: Kind = Kind::new("", "v1", "ServiceAccount", "serviceaccounts");
const NODES: Kind = Kind::new("", "v1", "Node", "nodes");
const RECORDS: Kind = machine("MachineConfigNode", "machineconfignodes");

/// What stories leave behind, besides definitions.
const KINDS: [Kind; 12] = [
    NODES,
    Kind::new("", "v1", "Pod", "pods"),
    Kind::new("", "v1", "PersistentVolume", "persistentvolumes"),
    Kind::new("", "v1", "Event", "events"),
    Kind::new(
        "policy",
        "v1",
        "PodDisruptionBudget",
        "poddisruptionbudgets",
    ),
    Kind::new("coordination.k8s.io", "v1", "Lease", "leases"),
    machine("MachineConfig", "machineconfigs"),
    machine("MachineConfigPool", "machineconfigpools"),
    RECORDS,
    Kind::new(
        "operator.openshift.io",
        "v1",
        "MachineConfiguration",
        "machineconfigurations",
    ),
    Kind::new(
        "windlass.dev",
        "v1alpha1",
        "RolloutPolicy",
        "rolloutpolicies",
    ),
    Kind::new("windlass.dev", "v1alpha1", "SlotLedger", "slotledgers"),
];

/// A kind that only some stories define.
pub(crate) const MACHINES: Kind = Kind::new("cluster.x-k8s.io", "v1beta1", "Machine", "machines");

/// The namespace of the API server's own leases and events.
const SYSTEM: &str = "kube-system";
/// A pool of no node, which is only there to be looked at.
const FENCE: &str = "fence";

const fn machine(name: &'static str, plural: &'static str) -> Kind {
    Kind::new("machineconfiguration.openshift.io", "v1", name, plural)
}

/// A control plane with our definitions, and all that is stored in it.
pub(crate) struct Stage {
    stored: Option<Stored>,
    cluster: Option<ControlPlane>,
    admin: Client,
    runtime: Handle,
}

impl Stage {
    pub(crate) async fn set() -> Self {
        let cluster = ControlPlane::start(Options::default()).await.unwrap();
        let admin = cluster.admin().await.unwrap();
        for name in ["windlass", "shop"] {
            create(
                &admin,
                NAMESPACES,
                "",
                json!({ "metadata": { "name": name } }),
            )
            .await;
        }
        // Pods need one, and no controller makes it.
        let account = json!({ "metadata": { "name": "default" } });
        create(&admin, ACCOUNTS, "shop", account).await;
        let mut stage = Self {
            stored: None,
            cluster: Some(cluster),
            admin,
            runtime: Handle::current(),
        };
        for definition in definitions() {
            stage.define(definition).await;
        }
        let stored = Stored::begin(&stage.admin, &[DEFINITIONS]).await;
        for kind in KINDS {
            stored.follow(kind).await;
        }
        stage.stored = Some(stored);
        stage
    }

    pub(crate) fn admin(&self) -> Client {
        self.admin.clone()
    }

    pub(crate) fn stored(&self) -> &Stored {
        self.stored.as_ref().unwrap()
    }

    /// Waits until all that is stored was told.
    pub(crate) async fn complete(&self) {
        for kind in self.stored().kinds() {
            self.told_of(kind).await;
        }
    }

    /// The same of one kind; of one whose definition is not there, nothing.
    async fn told_of(&self, kind: Kind) {
        let agreed = tokio::time::timeout(PATIENCE, self.stored().agree(kind)).await;
        match agreed.unwrap_or_else(|_| panic!("never: all {} were told", kind.plural)) {
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            agreed => agreed.unwrap(),
        }
    }

    /// After a write: what was written is seen, a definition is served, or gone.
    pub(crate) async fn wrote(&self, object: &Value) {
        let is = |known: &Kind| object["kind"] == known.kind;
        if is(&DEFINITIONS) {
            self.settle(object["metadata"]["name"].as_str().unwrap())
                .await;
        }
        let known = self.stored().kinds();
        if let Some(kind) = known.iter().find(|known| is(known)) {
            self.told_of(*kind).await;
        }
    }

    /// What a garbage collector would do first after the deletion of a Node.
    pub(crate) async fn collect(&self, deleted: &Value) {
        if deleted["kind"] == NODES.kind {
            let name = deleted["metadata"]["name"].as_str().unwrap();
            // Nobody may have made it yet.
            delete(&self.admin, RECORDS, "", name).await;
            self.told_of(RECORDS).await;
        }
    }

    /// Creates a definition, and waits until it is served.
    async fn define(&self, definition: Value) {
        let name = definition["metadata"]["name"].as_str().unwrap().to_owned();
        create(&self.admin, DEFINITIONS, "", definition).await;
        self.settle(&name).await;
    }

    /// Waits until a definition is served, where it is there and stays; else until it is gone.
    async fn settle(&self, name: &str) {
        let api = DEFINITIONS.api(&self.admin);
        let settled = async {
            loop {
                let Some(found) = api.get_opt(name).await.unwrap() else {
                    return;
                };
                let leaves = found.metadata.deletion_timestamp.is_some();
                if !leaves && is_served(&self.admin, &found).await {
                    return;
                }
                tokio::time::sleep(ASK_EVERY).await;
            }
        };
        let settled = tokio::time::timeout(PATIENCE, settled).await;
        assert!(settled.is_ok(), "never: {name} is served, or gone");
        if name.ends_with(MACHINES.group) {
            self.follow_machines().await;
        }
    }

    async fn follow_machines(&self) {
        let Some(stored) = &self.stored else { return };
        stored.leave(&MACHINES.resource());
        let defined = DEFINITIONS.api(&self.admin);
        let defined = defined.get_opt(&MACHINES.resource()).await.unwrap();
        if defined.is_some() {
            stored.follow(MACHINES).await;
        }
    }

    /// Removes what a story left, and brings back what it removed.
    pub(crate) async fn clean(&self) {
        let cleaned = tokio::time::timeout(PATIENCE, async {
            while self.remove_all().await > 0 {}
            self.remove_foreign_definitions().await;
        });
        assert!(cleaned.await.is_ok(), "never: the cluster is empty");
    }

    /// How many objects there were.
    async fn remove_all(&self) -> usize {
        self.complete().await;
        let mut count = 0;
        for kind in self.stored().kinds() {
            if kind == DEFINITIONS {
                continue;
            }
            let now = self.stored().now();
            for object in now.list(&kind.resource()) {
                let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default();
                if text("namespace") == SYSTEM {
                    continue;
                }
                if object["metadata"]["finalizers"].is_array() {
                    let free = Patch::Merge(json!({ "metadata": { "finalizers": null } }));
                    let api = kind.api_in(&self.admin, text("namespace"));
                    let params = PatchParams::default();
                    let freed = api.patch(text("name"), &params, &free).await;
                    // It may be gone, which is what is wanted.
                    freed.map(drop).unwrap_or_default();
                }
                delete(&self.admin, kind, text("namespace"), text("name")).await;
                count += 1;
            }
        }
        count
    }

    async fn remove_foreign_definitions(&self) {
        let ours: Vec<Value> = definitions().collect();
        let name = |definition: &Value| {
            let name = definition["metadata"]["name"].as_str();
            name.unwrap().to_owned()
        };
        let names: BTreeSet<String> = ours.iter().map(&name).collect();
        let now = self.stored().now();
        let there: BTreeSet<String> = now
            .list(&DEFINITIONS.resource())
            .map(|definition| name(definition))
            .collect();
        for foreign in there.difference(&names) {
            delete(&self.admin, DEFINITIONS, "", foreign).await;
            self.settle(foreign).await;
        }
        for definition in ours {
            if !there.contains(&name(&definition)) {
                self.define(definition).await;
            }
        }
        self.told_of(DEFINITIONS).await;
    }

    /// Waits until the controller has looked at everything that was stored until now, twice: what it does about it unasked, it
    /// has done or begun. A pool without nodes is changed, and it says in the pool's status which change it has seen.
    pub(crate) async fn looked_twice(&self) {
        let pools = machine("MachineConfigPool", "machineconfigpools");
        if self
            .stored()
            .now()
            .get(&pools.resource(), "", FENCE)
            .is_none()
        {
            let labels = json!({ "matchLabels": { "windlass.dev/fence": "" } });
            let spec = json!({ "machineConfigSelector": labels, "nodeSelector": labels });
            create(
                &self.admin,
                pools,
                "",
                json!({ "metadata": { "name": FENCE }, "spec": spec }),
            )
            .await;
        }
        for paused in [true, false] {
            let change = Patch::Merge(json!({ "spec": { "paused": paused } }));
            let (api, params) = (pools.api(&self.admin), PatchParams::default());
            let changed = api.patch(FENCE, &params, &change).await.unwrap();
            let generation = changed.metadata.generation;
            let mut changes = self.stored().changes();
            let seen = changes.wait_for(|now| {
                let pool = now.get(&pools.resource(), "", FENCE);
                pool.is_some_and(|pool| pool["status"]["observedGeneration"].as_i64() >= generation)
            });
            let seen = tokio::time::timeout(PATIENCE, seen).await;
            assert!(seen.is_ok(), "never: the controller looks");
        }
        self.complete().await;
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        // What it consists of ends its tasks when it is dropped; the control plane is the last that goes.
        let _inside = self.runtime.enter();
        drop(self.stored.take());
        drop(self.cluster.take());
    }
}

/// Our own definitions, as they are installed.
pub(crate) fn definitions() -> impl Iterator<Item = Value> {
    api::crds().into_iter().map(|definition| {
        let mut definition = serde_json::to_value(definition).unwrap();
        definition["apiVersion"] = json!("apiextensions.k8s.io/v1");
        definition["kind"] = json!(DEFINITIONS.kind);
        definition["metadata"]["labels"]["windlass.dev/owner"] = json!("windlass");
        definition
    })
}

async fn create(admin: &Client, kind: Kind, namespace: &str, mut object: Value) {
    let version = [kind.group, kind.version].join("/");
    object["apiVersion"] = json!(version.trim_start_matches('/'));
    object["kind"] = json!(kind.kind);
    let object: DynamicObject = serde_json::from_value(object).unwrap();
    let api = kind.api_in(admin, namespace);
    api.create(&PostParams::default(), &object).await.unwrap();
}

async fn delete(admin: &Client, kind: Kind, namespace: &str, name: &str) {
    let at_once = DeleteParams::default().grace_period(0);
    match kind.api_in(admin, namespace).delete(name, &at_once).await {
        Err(kube::Error::Api(status)) if status.code == 404 => {}
        deleted => drop(deleted.unwrap()),
    }
}

/// Whether objects of a definition can be listed.
async fn is_served(admin: &Client, definition: &DynamicObject) -> bool {
    let spec = &definition.data["spec"];
    let (group, plural) = (&spec["group"], &spec["names"]["plural"]);
    let version = &spec["versions"][0]["name"];
    let [group, version, plural] = [group, version, plural].map(|it| it.as_str().unwrap());
    let list = http::Request::get(format!("/apis/{group}/{version}/{plural}"));
    let asked = list.body(Vec::new()).unwrap();
    admin.request::<Value>(asked).await.is_ok()
}
