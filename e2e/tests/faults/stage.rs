//! A fleet on a real control plane, at rest on a config: what every story begins with and ends with.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use api::names::{config, install};
use controller::gate::{AskOwnServer, AskVersion};
use controller::metrics::Metrics;
use controller::{Config, Parts};
use e2e::control_plane::audit::{AuditLog, Event};
use e2e::control_plane::{Component, Controllers, Options};
use e2e::machines::{self, clock};
use jiff::SignedDuration;
use serde_json::{Value, json};
use simulation::machine::{Machine, MachineSpec};
use simulation::pace::Pace;
use simulation::version::Version;
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::balancer::Balancer;
use crate::fleet::Fleet;
use crate::record::{Record, World};
use crate::support::{Ask, Installed, MACHINE, installed, until};
use crate::tap::Tap;

/// The controller as the API server knows it.
const CONTROLLER: &str = "system:serviceaccount:windlass:windlass-controller";
/// The API server behind the balancer; people, and the record, use the first one.
pub(crate) const BEHIND: usize = 1;
/// The kubelet that all machines begin with: a minor version behind the API servers.
pub(crate) const KUBELET: &str = "1.35.9";
/// Longer than anybody needs for what he would do unasked: a visit of these machines takes a second.
pub(crate) const LONG: Duration = Duration::from_secs(3);
/// A file of every config here, whose change reboots.
const CONFIG: &str = "50-example";

/// Everything at rest.
pub(crate) struct Stage {
    pub(crate) installed: Installed,
    pub(crate) balancer: Balancer,
    pub(crate) record: Record,
    pub(crate) machines: BTreeMap<String, Arc<Machine>>,
    pub(crate) pool: &'static str,
    pub(crate) nodes: &'static [&'static str],
    changes: u32,
    _fleet: Fleet,
}

/// What a stage consists of.
pub(crate) struct Plan {
    pub(crate) options: Options,
    /// The API servers behind the balancer.
    pub(crate) behind: &'static [usize],
    pub(crate) pool: &'static str,
    pub(crate) nodes: &'static [&'static str],
    pub(crate) max_unavailable: u32,
    pub(crate) pace: Pace,
}

/// The fleet that most stories share.
pub(crate) fn two_workers() -> Plan {
    Plan {
        options: options(),
        behind: &[BEHIND],
        pool: "worker",
        nodes: &["worker-0", "worker-1"],
        max_unavailable: 1,
        pace: pace(),
    }
}

/// A worker with such a kubelet.
fn spec(name: &str) -> MachineSpec {
    MachineSpec {
        kubelet: Version::parse(KUBELET).unwrap(),
        ..machines::spec(name)
    }
}

/// What was there when somebody changed the config.
pub(crate) struct Change {
    target: String,
    intents: BTreeMap<&'static str, u64>,
    boots: BTreeMap<&'static str, u64>,
    pods: Vec<String>,
    audit: AuditLog,
}

/// A controller and what it asks through.
pub(crate) struct Controller {
    pub(crate) tap: Arc<Tap>,
    task: JoinHandle<()>,
    stop: oneshot::Sender<()>,
}

/// A control plane that notices silent nodes.
pub(crate) fn options() -> Options {
    Options {
        // One that breaks, and one that sees.
        api_servers: 2,
        controllers: Controllers::Only(vec![
            "node-lifecycle-controller",
            "serviceaccount-controller",
        ]),
        ..Options::default()
    }
}

/// Machines that boot at once: a story is about the controller.
pub(crate) fn pace() -> Pace {
    Pace {
        boot: Duration::from_millis(50),
        daemon_start: Duration::from_millis(20),
        kubelet_start: Duration::from_millis(20),
        kubelet_ready: Duration::from_millis(50),
        kubelet_retry: Duration::from_millis(100),
        lease_renewal: Duration::from_millis(200),
        pod_stop: Duration::from_millis(50),
        ..Pace::demo()
    }
}

impl Stage {
    /// Its nodes, all on a first config.
    pub(crate) async fn set(plan: Plan) -> Self {
        let Plan { pool, nodes, .. } = plan;
        let mut installed = installed(plan.options).await;
        let balancer = Balancer::before(&installed.cluster, plan.behind).await;
        balancer.url().clone_into(&mut installed.door);
        let record = Record::begin(&installed.admin).await;
        for name in nodes {
            let body = json!({"metadata": {"name": name, "labels": {format!("node-role.kubernetes.io/{pool}"): ""}}});
            let made = installed
                .admin()
                .ask(Ask::post("/api/v1/nodes", body))
                .await;
            // The installation's own nodes are there.
            assert!(made.is_ok() || made.is_err_and(|(code, _)| code == 409));
        }
        let (fleet, machines) = Fleet::start_at(&installed, nodes, &plan.pace, spec).await;
        let stage = Self {
            installed,
            balancer,
            record,
            machines,
            pool,
            nodes,
            changes: 0,
            _fleet: fleet,
        };
        stage.workload().await;
        let controller = stage.controller("controller-0").await;
        stage.write(json!({
            "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfigPool",
            "metadata": {"name": pool},
            "spec": {
                "machineConfigSelector": {"matchLabels": {"machineconfiguration.openshift.io/role": pool}},
                "nodeSelector": {"matchLabels": {format!("node-role.kubernetes.io/{pool}"): ""}},
                "maxUnavailable": plan.max_unavailable,
            },
        }), "machineconfigpools").await;
        stage.config("0").await;
        stage
            .record
            .until("all have the first config", |world| {
                world.is_over(pool, nodes)
            })
            .await;
        controller.stop().await;
        stage
    }

    /// Starts a controller of this name, with its own token and through the balancer.
    pub(crate) async fn controller(&self, identity: &str) -> Controller {
        self.controller_asking(identity, None).await
    }

    /// The same; whether the kubelet's API is there it learns by asking each instance so. None: the balancer's answer counts.
    pub(crate) async fn controller_asking(
        &self,
        identity: &str,
        ask: Option<Arc<dyn AskVersion>>,
    ) -> Controller {
        let token = self
            .installed
            .cluster
            .token_of(install::NAMESPACE, install::CONTROLLER, None);
        let client = self.installed.caller(&token.await.unwrap()).await.0;
        let tap = Tap::open();
        let client = tap.on(client);
        let mut config = Config {
            identity: identity.to_owned(),
            namespace: install::NAMESPACE.to_owned(),
            approve_first: true,
            ..Config::default()
        };
        config.instances.balancer_counts = ask.is_none();
        config.instances.period = SignedDuration::from_millis(200);
        config.quiet.period = SignedDuration::from_millis(50);
        config.lease.duration = SignedDuration::from_secs(3);
        config.lease.renew_deadline = SignedDuration::from_secs(2);
        config.lease.retry_period = SignedDuration::from_millis(500);
        let parts = Parts {
            ask: ask.unwrap_or_else(|| Arc::new(AskOwnServer(client.clone()))),
            client,
            config,
            clock: clock(),
            metrics: Arc::new(Metrics::default()),
        };
        let (stop, stopped) = oneshot::channel::<()>();
        let task = tokio::spawn(async move {
            let ended = controller::run(parts, async { drop(stopped.await) }).await;
            if let Err(error) = ended {
                panic!("the controller ended: {}", controller::error::Chain(&error));
            }
        });
        Controller { tap, task, stop }
    }

    /// Puts a pod on each node, and lets somebody change the config between `before` and what follows.
    pub(crate) async fn change_when(&mut self, ready: impl FnOnce()) -> Change {
        self.changed(json!({}), ready).await
    }

    /// The same; the pods have this metadata besides.
    pub(crate) async fn change_with(&mut self, metadata: Value) -> Change {
        self.changed(metadata, || ()).await
    }

    /// Lets somebody change the config, and want this kubelet with it.
    pub(crate) async fn needs_kubelet(&mut self, version: &str) -> Change {
        let needs = json!({
            "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfig",
            "metadata": {"name": "60-kubelet", "labels": {"machineconfiguration.openshift.io/role": self.pool},
                "annotations": {config::KUBELET_VERSION: version}},
            "spec": {"config": {"ignition": {"version": "3.4.0"}}},
        });
        self.post(&format!("{MACHINE}/machineconfigs"), needs).await;
        self.change().await
    }

    /// Creates an object as a person does.
    pub(crate) async fn post(&self, path: &str, object: Value) {
        self.installed
            .admin()
            .may("an object", Ask::post(path, object))
            .await;
    }

    /// Lets the pods go that a finalizer keeps.
    pub(crate) async fn free(&self, change: &Change) {
        for pod in &change.pods {
            let path = format!("/api/v1/namespaces/shop/pods/{pod}");
            let body = json!({"metadata": {"finalizers": null}});
            self.installed
                .admin()
                .may("freed", Ask::patch(&path, body))
                .await;
        }
    }

    /// Kills a process of the control plane and starts it again; what asks meanwhile is not answered.
    pub(crate) async fn restart(&mut self, component: Component) {
        self.installed.cluster.restart(component).await.unwrap();
    }

    async fn changed(&mut self, metadata: Value, ready: impl FnOnce()) -> Change {
        self.changes += 1;
        let mut pods = Vec::new();
        for node in self.nodes {
            pods.push(
                self.pod(&format!("web-{}-{node}", self.changes), node, &metadata)
                    .await,
            );
        }
        let world = self.record.now();
        let change = Change {
            target: world.target(self.pool).to_owned(),
            intents: self
                .nodes
                .iter()
                .map(|node| (*node, world.intent(node)))
                .collect(),
            boots: self
                .nodes
                .iter()
                .map(|node| (*node, self.machines[*node].boots()))
                .collect(),
            pods,
            audit: self.installed.audit.clone().from_now().unwrap(),
        };
        ready();
        self.config(&self.changes.to_string()).await;
        change
    }

    /// The same, with nothing to be ready before.
    pub(crate) async fn change(&mut self) -> Change {
        self.change_when(|| ()).await
    }

    /// Waits until the change is everywhere.
    pub(crate) async fn over(&self, change: &Change) -> World {
        let over = |world: &World| {
            world.target(self.pool) != change.target && world.is_over(self.pool, self.nodes)
        };
        self.record.until("the rollout ends", over).await
    }

    /// No promise was broken, and each node was visited once for this change: one assignment, one boot, and nobody asked for the
    /// eviction of a pod that was leaving already. (Whether an eviction was granted, the audit log does not know where whoever
    /// asked was gone before the answer.)
    pub(crate) async fn each_once(&self, change: &Change) {
        self.each_once_by(change, 1).await;
    }

    /// The same, where several led at once: one may ask for what another has been granted and no watch has told yet. That takes
    /// nothing from anybody; but each asks once.
    pub(crate) async fn each_once_by(&self, change: &Change, leaders: usize) {
        self.each_assigned_once(change).await;
        for node in self.nodes {
            let boots = self.machines[*node].boots() - change.boots[node];
            assert_eq!(boots, 1, "{node} was rebooted {boots} times");
        }
        let requests = change.audit.requests_of(CONTROLLER).unwrap();
        for pod in &change.pods {
            let asked: Vec<&Event> = requests
                .iter()
                .filter(|event| is_eviction(event, pod))
                .collect();
            let leaves = self.record.leaves(pod).unwrap();
            let needless = asked
                .iter()
                .filter(|event| event.request_received_timestamp > leaves);
            assert!(
                needless.count() < leaders,
                "{pod} leaves since {leaves}, and was evicted again: {asked:#?}"
            );
            assert!(!asked.is_empty(), "{pod} went without an eviction");
        }
    }

    /// No promise was broken, and each node was given the change once.
    pub(crate) async fn each_assigned_once(&self, change: &Change) {
        self.record.no_promise_is_broken().await;
        for node in self.nodes {
            let intents = self.record.intents_after(node, change.intents[node]);
            assert_eq!(intents.len(), 1, "{node} was given {intents:?}");
        }
    }

    async fn config(&self, text: &str) {
        self.write(json!({
            "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfig",
            "metadata": {"name": CONFIG, "labels": {"machineconfiguration.openshift.io/role": self.pool}},
            "spec": {"config": {"ignition": {"version": "3.4.0"}, "storage": {"files": [
                {"path": "/etc/example.conf", "mode": 420, "overwrite": true, "contents": {"source": format!("data:,{text}")}},
            ]}}},
        }), "machineconfigs").await;
    }

    async fn write(&self, object: Value, plural: &str) {
        let path = format!("{MACHINE}/{plural}");
        let admin = self.installed.admin();
        if admin.ask(Ask::post(&path, object.clone())).await.is_err() {
            let name = object["metadata"]["name"]
                .as_str()
                .unwrap_or_default()
                .to_owned();
            admin
                .may("a change", Ask::patch(&format!("{path}/{name}"), object))
                .await;
        }
    }

    /// Somebody who would make pods again.
    async fn workload(&self) {
        let admin = self.installed.admin();
        let shop = json!({"metadata": {"name": "shop"}});
        admin
            .may("a namespace", Ask::post("/api/v1/namespaces", shop))
            .await;
        let template = json!({"metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "web"}]}});
        let set = json!({"metadata": {"name": "web"}, "spec": {
            "replicas": 2, "selector": {"matchLabels": {"app": "web"}}, "template": template}});
        admin
            .may(
                "a set",
                Ask::post("/apis/apps/v1/namespaces/shop/replicasets", set),
            )
            .await;
        until("the namespace has its account", async || {
            admin
                .ask(Ask::get("/api/v1/namespaces/shop/serviceaccounts/default"))
                .await
                .is_ok()
        })
        .await;
    }

    /// A pod of that set on a node, with this metadata besides.
    pub(crate) async fn pod(&self, name: &str, node: &str, metadata: &Value) -> String {
        let admin = self.installed.admin();
        let set = admin
            .may(
                "the set",
                Ask::get("/apis/apps/v1/namespaces/shop/replicasets/web"),
            )
            .await;
        let owner = json!({"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web",
            "uid": set["metadata"]["uid"], "controller": true});
        let mut pod = json!({"metadata": {"name": name, "labels": {"app": "web"}, "ownerReferences": [owner]},
            "spec": {"nodeName": node, "containers": [{"name": "web", "image": "web"}]}});
        for (key, value) in metadata.as_object().into_iter().flatten() {
            pod["metadata"][key] = value.clone();
        }
        admin
            .may("a pod", Ask::post("/api/v1/namespaces/shop/pods", pod))
            .await;
        name.to_owned()
    }
}

impl Controller {
    /// Ends it wherever it is.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let ended = self.task.await;
        assert!(
            ended.is_err_and(|error| error.is_cancelled()),
            "it ran until now"
        );
    }

    /// Tells it to end, as a Deployment scaled to zero does.
    pub(crate) async fn stop(self) {
        drop(self.stop);
        self.task.await.unwrap();
    }
}

fn is_eviction(event: &Event, pod: &str) -> bool {
    let of = event.object_ref.as_ref();
    of.is_some_and(|of| of.subresource == "eviction" && of.name == pod)
}
