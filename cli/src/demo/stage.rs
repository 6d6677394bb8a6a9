//! The running fleet as a chapter sees it: what a person can do to it, and what can be waited for.
//!
//! Waiting looks at the server's store after each change of it; the cluster itself never waits for the story.

use std::collections::{BTreeMap, BTreeSet};
use std::convert::Infallible;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};
use api::conditions::pool as types;
use api::names::pool;
use kube::Client;
use kube::api::{Api, DynamicObject, Patch, PatchParams, ValidationDirective};
use kube::core::GroupVersionKind;
use kube::discovery::{self, Scope};
use serde_json::{Value, json};
use simulation::faults::Faults;
use simulation::fleet::{Description, Fleet, Programs, Setup};
use simulation::observer::Observer;
use simulation::pace::Pace;
use simulation::server::http::{Listener, listen};
use simulation::server::observe::Observer as Store;

use super::progress::Teller;
use crate::manifests::{self, Manifest};

/// Where the demo's fleet is described.
const FLEET: &str = include_str!("fleet.yaml");

/// The machine configs that the fleet begins with.
const BASE: [(&str, &str); 4] = [
    (
        "disruption.yaml",
        include_str!("manifests/base/disruption.yaml"),
    ),
    (
        "time-and-access.yaml",
        include_str!("manifests/base/time-and-access.yaml"),
    ),
    (
        "registries.yaml",
        include_str!("manifests/base/registries.yaml"),
    ),
    ("kubelet.yaml", include_str!("manifests/base/kubelet.yaml")),
];

/// Resources of the store that chapters look at.
pub(crate) const NODES: &str = "nodes";
pub(crate) const POOLS: &str = "machineconfigpools.machineconfiguration.openshift.io";
pub(crate) const MACHINE_CONFIG_NODES: &str =
    "machineconfignodes.machineconfiguration.openshift.io";

/// The hold of nodes whose pool's first config is not approved.
const AWAITING_APPROVAL: &str = "AwaitingFirstApproval";

/// Holds that say nothing yet of a pool's target: it is not rendered, or no slot could be counted.
const TOO_EARLY: [&str; 3] = ["NoTarget", "RenderDegraded", "LedgerUnread"];

/// The name under which the demo writes, as a person would.
const PERSON: &str = "demo";

/// A running fleet, with what is needed to tell a story on it.
pub(crate) struct Stage {
    fleet: Fleet,
    client: Client,
    store: Store,
    teller: Teller,
    patience: Duration,
    listener: Listener,
    folder: PathBuf,
}

/// The fleet that the demo brings.
pub(crate) fn built_in_fleet() -> Result<Description> {
    serde_saphyr::from_str(FLEET).context("reading the demo's own fleet")
}

/// The machine configs that the demo begins with.
pub(crate) fn base_manifests() -> Result<Vec<Manifest>> {
    let mut all = Vec::new();
    for (name, text) in BASE {
        all.extend(manifests::documents(name, text)?);
    }
    Ok(all)
}

impl Stage {
    /// Starts the fleet and a listener for kubectl.
    pub(crate) async fn open(
        description: Description,
        pace: Pace,
        patience: Duration,
        seed: u64,
        teller: Teller,
    ) -> Result<Self> {
        let folder = std::env::temp_dir().join(format!("windlass-demo-{}", std::process::id()));
        std::fs::create_dir_all(&folder).with_context(|| {
            format!(
                "making the folder {} for the nodes' files",
                folder.display()
            )
        })?;
        let clock = simulation::clock::starting_at(wall_clock());
        let fleet = Fleet::start(Setup {
            description,
            seed,
            pace,
            clock,
            faults: Faults::none(),
            trace: None,
            directory: Some(folder.join("nodes")),
            programs: Programs::default(),
        })
        .await
        .context("starting the simulated fleet")?;
        let listener = listen(fleet.server())
            .await
            .context("listening on loopback for kubectl")?;
        let kubeconfig = listener.kubeconfig();
        std::fs::write(folder.join("kubeconfig"), kubeconfig).context("writing the kubeconfig")?;
        let client = fleet.client(PERSON);
        let store = fleet.server().observer();
        Ok(Self {
            fleet,
            client,
            store,
            teller,
            patience,
            listener,
            folder,
        })
    }

    /// Says how to look at the cluster from outside.
    pub(crate) fn say_where(&self) {
        self.teller.say(&format!(
            "a Kubernetes API listens on http://{}",
            self.listener.address()
        ));
        self.teller.say(&format!(
            "  export KUBECONFIG={}",
            self.folder.join("kubeconfig").display()
        ));
        self.teller.say("  kubectl get machineconfigpools -w");
        self.teller
            .say("a pool's line: updated/nodes, away/maxUnavailable, and how many wait for what");
        self.teller.say(&format!(
            "each node's files lie in {}",
            self.folder.join("nodes").display()
        ));
    }

    /// First contact: applies what the fleet begins with, and approves it for every pool whose nodes wait for that.
    pub(crate) async fn begin(&self, first: &[Manifest], approve: bool) -> Result<()> {
        self.teller
            .title("first contact: nodes that never had a config");
        for manifest in first {
            self.apply(manifest).await?;
        }
        self.until_seen(
            "every node that is in a pool has an answer",
            |stage, seen| {
                let answered = stage.answered();
                seen.pooled_nodes().all(|node| answered.contains(node))
            },
        )
        .await?;
        let waiting = self.held_for(AWAITING_APPROVAL).len();
        self.teller.say(&format!(
            "{waiting} nodes wait: installing never drains a fleet ({AWAITING_APPROVAL})"
        ));
        if !approve {
            return self.settle().await;
        }
        tokio::select! {
            settled = self.settle() => settled,
            failed = self.approve_those_that_wait() => failed.map(|never| match never {}),
        }
    }

    /// Approves the first config of each pool whose nodes wait for that, for as long as it is awaited.
    async fn approve_those_that_wait(&self) -> Result<Infallible> {
        loop {
            let mut due = BTreeMap::new();
            self.fleet
                .until(|_| {
                    due = self.unapproved();
                    !due.is_empty()
                })
                .await;
            for (name, target) in due {
                self.annotate_pool(&name, pool::APPROVE_FIRST, &target)
                    .await?;
                self.teller.say(&format!(
                    "approved for the pool {name}: {}",
                    pool::APPROVE_FIRST
                ));
            }
        }
    }

    /// Pools whose nodes wait for an approval that is not given, with the config that they wait for.
    fn unapproved(&self) -> BTreeMap<String, String> {
        let waiting = self.holds().into_iter();
        waiting
            .filter(|hold| hold.reason == AWAITING_APPROVAL)
            .filter_map(|hold| {
                let waits = self.store.get(POOLS, "", &hold.pool)?;
                let annotations = waits.pointer("/metadata/annotations");
                let approved = annotations.and_then(|all| all.get(pool::APPROVE_FIRST)?.as_str());
                let target = text(&waits, "/spec/configuration/name");
                let is_due = !target.is_empty() && approved != Some(&*target);
                is_due.then_some((hold.pool, target))
            })
            .collect()
    }

    /// The nodes of which the controller has said something that rests on their pool's target.
    fn answered(&self) -> BTreeSet<String> {
        let is_answered = |object: &Value| {
            condition(object, api::conditions::node::HELD)
                .is_some_and(|held| !TOO_EARLY.contains(&text(held, "/reason").as_str()))
        };
        let objects = self.store.list(MACHINE_CONFIG_NODES);
        let answered = objects.iter().filter(|object| is_answered(object));
        answered
            .map(|object| text(object, "/metadata/name"))
            .collect()
    }

    /// Applies one text of manifests, as `kubectl apply --server-side` does.
    pub(crate) async fn apply_text(&self, name: &str, text: &str) -> Result<()> {
        for manifest in manifests::documents(name, text)? {
            self.apply(&manifest).await?;
            self.teller
                .say(&format!("applied {} {}", manifest.kind(), manifest.name()));
        }
        Ok(())
    }

    async fn apply(&self, manifest: &Manifest) -> Result<()> {
        let api = self.api_of(manifest).await?;
        // A field that the kind does not have would be dropped with a warning that nobody sees.
        let params = PatchParams {
            field_validation: Some(ValidationDirective::Strict),
            ..PatchParams::apply(PERSON).force()
        };
        api.patch(manifest.name(), &params, &Patch::Apply(&manifest.value))
            .await
            .with_context(|| {
                format!(
                    "applying {} {} ({})",
                    manifest.kind(),
                    manifest.name(),
                    manifest.at
                )
            })?;
        Ok(())
    }

    async fn api_of(&self, manifest: &Manifest) -> Result<Api<DynamicObject>> {
        let version = manifest.value["apiVersion"].as_str().unwrap_or_default();
        let (group, version) = version.split_once('/').unwrap_or(("", version));
        let kind = GroupVersionKind::gvk(group, version, manifest.kind());
        let (resource, capabilities) = discovery::pinned_kind(&self.client, &kind)
            .await
            .with_context(|| {
                format!(
                    "looking for the kind {} of {}",
                    manifest.kind(),
                    manifest.at
                )
            })?;
        Ok(match capabilities.scope {
            Scope::Cluster => Api::all_with(self.client.clone(), &resource),
            Scope::Namespaced => {
                let namespace = manifest.value["metadata"]["namespace"]
                    .as_str()
                    .unwrap_or("default");
                Api::namespaced_with(self.client.clone(), namespace, &resource)
            }
        })
    }

    /// Sets an annotation on a pool.
    pub(crate) async fn annotate_pool(&self, name: &str, key: &str, value: &str) -> Result<()> {
        let pools: Api<api::MachineConfigPool> = Api::all(self.client.clone());
        let patch = json!({"metadata": {"annotations": {key: value}}});
        pools
            .patch(name, &PatchParams::default(), &Patch::Merge(patch))
            .await
            .with_context(|| format!("annotating MachineConfigPool {name}"))?;
        Ok(())
    }

    /// Changes the `spec` of one PodDisruptionBudget.
    pub(crate) async fn change_budget(
        &self,
        namespace: &str,
        name: &str,
        spec: Value,
    ) -> Result<()> {
        use k8s_openapi::api::policy::v1::PodDisruptionBudget;
        let budgets: Api<PodDisruptionBudget> = Api::namespaced(self.client.clone(), namespace);
        budgets
            .patch(
                name,
                &PatchParams::default(),
                &Patch::Merge(json!({ "spec": spec })),
            )
            .await
            .with_context(|| format!("changing PodDisruptionBudget {namespace}/{name}"))?;
        Ok(())
    }

    /// Waits until `holds` holds, looking after each change of the store; a chapter that waits in vain fails.
    pub(crate) async fn until(
        &self,
        what: &str,
        mut holds: impl FnMut(&Self) -> bool,
    ) -> Result<()> {
        self.until_seen(what, |stage, _| holds(stage)).await
    }

    async fn until_seen(
        &self,
        what: &str,
        mut holds: impl FnMut(&Self, &Observer) -> bool,
    ) -> Result<()> {
        let wait = self.fleet.until(|seen| holds(self, seen));
        match tokio::time::timeout(self.patience, wait).await {
            Ok(()) => Ok(()),
            Err(_) => bail!(
                "waited {} s in vain until {what}{}",
                self.patience.as_secs(),
                self.refusals()
            ),
        }
    }

    /// Waits until every node has what its pool wants.
    pub(crate) async fn settle(&self) -> Result<()> {
        // A change counts once it has been quiet for a while; until then the fleet looks settled on the old target.
        let wait = self.fleet.until(Observer::has_converged);
        match tokio::time::timeout(self.patience, wait).await {
            Ok(()) => Ok(()),
            Err(_) => bail!(
                "waited {} s in vain until every node was updated{}",
                self.patience.as_secs(),
                self.refusals()
            ),
        }
    }

    /// Waits until `pool` has another target than `before`.
    pub(crate) async fn until_retargeted(&self, pool: &str, before: &str) -> Result<()> {
        self.until(
            &format!("the pool {pool} has a new rendered config"),
            |stage| {
                let target = stage.target(pool);
                !target.is_empty() && target != before
            },
        )
        .await
    }

    /// What keeps pools from a rendered config, to be put behind what was waited for in vain.
    pub(crate) fn refusals(&self) -> String {
        let refusal = |pool: &Value| {
            let (_, message) = says(pool, types::RENDER_DEGRADED);
            (!message.is_empty())
                .then(|| format!("; pool {}: {message}", text(pool, "/metadata/name")))
        };
        let pools = self.store.list(POOLS);
        pools.iter().filter_map(|pool| refusal(pool)).collect()
    }

    /// The rendered config that a pool wants.
    pub(crate) fn target(&self, pool: &str) -> String {
        self.store
            .get(POOLS, "", pool)
            .map(|pool| text(&pool, "/spec/configuration/name"))
            .unwrap_or_default()
    }

    /// Whether a pool says that it is updated, to the target that it has now.
    pub(crate) fn is_updated(&self, pool: &str) -> bool {
        self.store.get(POOLS, "", pool).is_some_and(|pool| {
            condition(&pool, "Updated").is_some_and(|updated| text(updated, "/status") == "True")
                && text(&pool, "/status/configuration/name")
                    == text(&pool, "/spec/configuration/name")
        })
    }

    /// Reason and message of a pool's condition; empty where it is not True.
    pub(crate) fn pool_says(&self, pool: &str, kind: &str) -> (String, String) {
        let pool = self.store.get(POOLS, "", pool).unwrap_or_default();
        says(&pool, kind)
    }

    /// The nodes that are held for `reason`, by their MachineConfigNodes.
    pub(crate) fn held_for(&self, reason: &str) -> Vec<String> {
        self.holds()
            .into_iter()
            .filter(|hold| hold.reason == reason)
            .map(|hold| hold.node)
            .collect()
    }

    /// Every node's hold.
    pub(crate) fn holds(&self) -> Vec<Held> {
        let held = |object: &Value| {
            let condition = condition(object, api::conditions::node::HELD)?;
            (text(condition, "/status") == "True").then(|| Held {
                node: text(object, "/metadata/name"),
                pool: text(object, "/spec/pool/name"),
                reason: text(condition, "/reason"),
                message: text(condition, "/message"),
            })
        };
        self.store
            .list(MACHINE_CONFIG_NODES)
            .iter()
            .filter_map(|object| held(object))
            .collect()
    }

    /// One Node.
    pub(crate) fn node(&self, name: &str) -> Value {
        self.store
            .get(NODES, "", name)
            .map(|node| (*node).clone())
            .unwrap_or_default()
    }

    /// Whether a Node's Ready condition is True.
    pub(crate) fn is_ready(&self, node: &str) -> bool {
        condition(&self.node(node), "Ready").is_some_and(|ready| text(ready, "/status") == "True")
    }

    pub(crate) fn fleet(&self) -> &Fleet {
        &self.fleet
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    pub(crate) fn teller(&self) -> &Teller {
        &self.teller
    }

    /// Ends the cluster. The nodes' folders are the demo's own and go with it.
    pub(crate) async fn close(self) {
        self.fleet.stop().await;
        std::fs::remove_dir_all(&self.folder).ok();
    }
}

/// Why one node waits.
pub(crate) struct Held {
    pub(crate) node: String,
    pub(crate) pool: String,
    pub(crate) reason: String,
    pub(crate) message: String,
}

/// The text at a JSON pointer, empty where there is none.
pub(crate) fn text(object: &Value, pointer: &str) -> String {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

/// Reason and message of a condition; empty where it is not True.
fn says(object: &Value, kind: &str) -> (String, String) {
    condition(object, kind)
        .filter(|said| text(said, "/status") == "True")
        .map(|said| (text(said, "/reason"), text(said, "/message")))
        .unwrap_or_default()
}

fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    object
        .pointer("/status/conditions")?
        .as_array()?
        .iter()
        .find(|condition| text(condition, "/type") == kind)
}

#[expect(
    clippy::disallowed_methods,
    reason = "the demo's cluster starts at the time of the person who watches"
)]
fn wall_clock() -> jiff::Timestamp {
    jiff::Timestamp::now()
}
