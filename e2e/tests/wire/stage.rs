//! One machine, an API server in memory, and today's parts or those that are played.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use api::names::{node as contract, ours};
use controller::gate::AskOwnServer;
use controller::metrics::Metrics;
use controller::{Config, Parts};
use futures::FutureExt as _;
use http::Request;
use kube::Client;
use serde_json::{Value, json};
use simulation::chance::Chance;
use simulation::clock::starting_at;
use simulation::machine::{self, FileTree, Machine, MachineSpec, OsMode, Services, SimHost};
use simulation::node_lifecycle;
use simulation::pace::Pace;
use simulation::server::observe::Changes;
use simulation::server::{ApiServer, Options};
use simulation::version::Version;
use tokio::task::JoinSet;

use crate::conversation::{BOOT, CONFIGS, Conversation, Side, Step, TIME};

pub(crate) const NODE: &str = "worker-1";
/// Virtual time after which a wait has failed.
const PATIENCE: Duration = Duration::from_hours(1);
/// Where the simulated machine has the daemon's own files.
const STATE: &str = "/var/lib/windlass";
/// What the first config writes.
const WRITTEN: &str = "/etc/motd";
const MACHINE: &str = "/apis/machineconfiguration.openshift.io/v1";
/// What a played machine says of its boot.
const PLAYED_BOOT: &str = "00000000-0000-4000-8000-00000000000";

/// Everything that a conversation needs.
pub(crate) struct Stage {
    pub(crate) server: ApiServer,
    pub(crate) machine: Arc<Machine>,
    person: Client,
    names: BTreeMap<usize, String>,
    changes: Changes,
    boots: u32,
    tasks: JoinSet<()>,
}

/// Tells a story in virtual time.
pub(crate) fn tell<T>(story: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(story)
}

/// An annotation of the Node; empty where there is none.
pub(crate) fn note<'a>(node: &'a Value, key: &str) -> &'a str {
    node["metadata"]["annotations"][key]
        .as_str()
        .unwrap_or_default()
}

fn is_ready(node: &Value) -> bool {
    let conditions = node["status"]["conditions"].as_array();
    let mut conditions = conditions.into_iter().flatten();
    conditions.any(|it| it["type"] == "Ready" && it["status"] == "True")
}

/// Whether its visit is over and the node takes pods again. A daemon does without the drain on a node that is not Ready.
pub(crate) fn is_back(node: &Value) -> bool {
    is_ready(node)
        && note(node, contract::STATE) == "Done"
        && note(node, contract::CURRENT_CONFIG) == note(node, contract::DESIRED_CONFIG)
        && node["spec"]["unschedulable"].as_bool() != Some(true)
        && note(node, ours::CORDONED).is_empty()
}

/// The note of a cordon, `<intent>;<since>;<annotations>`, without its time.
fn timeless(cordoned: &str) -> String {
    let mut parts: Vec<&str> = cordoned.split(';').collect();
    if let Some(since) = parts.get_mut(1) {
        *since = TIME;
    }
    parts.join(";")
}

/// Whether a text is what another one is but for the time in it.
fn is_like(text: &str, like: &str) -> bool {
    match like.split_once(TIME) {
        None => text == like,
        Some((before, after)) => {
            text.len() > before.len() + after.len()
                && text.starts_with(before)
                && text.ends_with(after)
        }
    }
}

impl Stage {
    /// An API server with our definitions, and a machine that is not switched on.
    pub(crate) async fn new() -> Self {
        let clock = starting_at("2026-11-24T08:00:00Z".parse().unwrap());
        let server = ApiServer::new(clock.clone(), Options::default());
        let person = server.client("person");
        let spec = MachineSpec {
            name: NODE.to_owned(),
            os_id: "rhel".to_owned(),
            os_version: "9.6".to_owned(),
            mode: OsMode::Package,
            kubelet: Version::parse("1.33.4").unwrap(),
            api_packages: BTreeMap::new(),
            image: None,
            image_kubelets: BTreeMap::new(),
            node_labels: BTreeMap::from([(
                "node-role.kubernetes.io/worker".to_owned(),
                String::new(),
            )]),
            address: "10.0.0.1".to_owned(),
            static_pods: Vec::new(),
        };
        let machine = Machine::new(
            spec,
            FileTree::in_memory(),
            Pace::real(),
            &Chance::from_seed(1),
        );
        let mut tasks = JoinSet::new();
        let manager = server.client("kube-controller-manager");
        tasks.spawn(node_lifecycle::run(manager, clock, Pace::real()));
        let stage = Self {
            changes: server.observer().subscribe(&["nodes"]),
            server,
            machine: Arc::new(machine.unwrap()),
            person,
            names: BTreeMap::new(),
            boots: 0,
            tasks,
        };
        for definition in api::crds() {
            let path = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions";
            stage
                .create(path, serde_json::to_value(definition).unwrap())
                .await;
        }
        let namespace = json!({"metadata": {"name": "windlass"}});
        stage.create("/api/v1/namespaces", namespace).await;
        stage
    }

    /// All changes of Nodes from now on.
    pub(crate) fn changes(&self) -> Changes {
        self.server.observer().subscribe(&["nodes"])
    }

    async fn ask(&self, method: &str, path: &str, body: Value) -> Value {
        let kind = match method {
            "PATCH" => "application/merge-patch+json",
            _ => "application/json",
        };
        let request = Request::builder()
            .method(method)
            .uri(path)
            .header("content-type", kind);
        let request = request.body(serde_json::to_vec(&body).unwrap()).unwrap();
        let answer = self.person.request(request).await;
        answer.unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    async fn create(&self, path: &str, body: Value) {
        self.ask("POST", path, body).await;
    }

    /// A Node without a machine.
    pub(crate) async fn node(&mut self) {
        let labels = json!({"node-role.kubernetes.io/worker": ""});
        self.create(
            "/api/v1/nodes",
            json!({"metadata": {"name": NODE, "labels": labels}}),
        )
        .await;
        self.beat().await;
    }

    /// What a played machine's kubelet says.
    async fn beat(&self) {
        let now = self.server.clock().now().to_string();
        let body = json!({"status": {
            "conditions": [{"type": "Ready", "status": "True", "reason": "Played", "message": "",
                "lastHeartbeatTime": now, "lastTransitionTime": now}],
            "nodeInfo": {"bootID": self.boot(), "kubeletVersion": "v1.33.4", "architecture": "amd64",
                "containerRuntimeVersion": "x", "kernelVersion": "x", "kubeProxyVersion": "", "machineID": "x",
                "operatingSystem": "linux", "osImage": "x", "systemUUID": "x"},
        }});
        self.ask("PATCH", &format!("/api/v1/nodes/{NODE}/status"), body)
            .await;
    }

    fn boot(&self) -> String {
        format!("{PLAYED_BOOT}{}", self.boots)
    }

    /// Switches the machine on, once `before` has laid things on its disk; with today's daemon. It is Ready then.
    pub(crate) async fn switch_on(&mut self, before: impl FnOnce(&Machine)) {
        before(&self.machine);
        let (machine, server) = (Arc::clone(&self.machine), self.server.clone());
        let (kubelet_machine, kubelet_server) = (Arc::clone(&machine), server.clone());
        let services = Services {
            kubelet: Box::new(move || {
                let client = kubelet_server.client("kubelet");
                let clock = kubelet_server.clock().clone();
                simulation::kubelet::run(Arc::clone(&kubelet_machine), client, clock).boxed()
            }),
            daemon: {
                let (machine, server) = (Arc::clone(&machine), server);
                Box::new(move || {
                    let run = daemon::shell::run(
                        server.client("daemon"),
                        NODE.to_owned(),
                        SimHost::new(Arc::clone(&machine)),
                        server.clock().clone(),
                        daemon::shell::Config::default(),
                        std::future::pending(),
                    );
                    run.map(|ended| panic!("the daemon ended: {ended:?}"))
                        .boxed()
                })
            },
        };
        self.tasks.spawn(machine::run(machine, services));
        self.until("it is Ready", is_ready).await;
    }

    /// Starts today's controller, for which a first config needs no approval.
    pub(crate) fn start_controller(&mut self) {
        let client = self.server.client("controller");
        let mut config = Config {
            approve_first: true,
            identity: "controller-0".to_owned(),
            ..Config::default()
        };
        config.instances.balancer_counts = true;
        let parts = Parts {
            ask: Arc::new(AskOwnServer(client.clone())),
            client,
            config,
            clock: self.server.clock().clone(),
            metrics: Arc::new(Metrics::default()),
        };
        self.tasks.spawn(async move {
            if let Err(error) = controller::run(parts, std::future::pending()).await {
                panic!("the controller ended: {}", controller::error::Chain(&error));
            }
        });
    }

    /// A pool, and a config that writes a file; its rendered config.
    pub(crate) async fn apply_first(&mut self) -> String {
        self.config("00-worker", json!({"config": {"ignition": {"version": "3.4.0"}, "storage": {"files": [
            {"path": WRITTEN, "mode": 420, "overwrite": true, "contents": {"source": "data:,first"}}]}}}))
            .await;
        let pool = json!({
            "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfigPool",
            "metadata": {"name": "worker"},
            "spec": {
                "machineConfigSelector": {"matchLabels": {"machineconfiguration.openshift.io/role": "worker"}},
                "nodeSelector": {"matchLabels": {"node-role.kubernetes.io/worker": ""}},
            },
        });
        self.create(&format!("{MACHINE}/machineconfigpools"), pool)
            .await;
        self.target("").await
    }

    /// A pod that no controller would make again: nobody but its owner deletes it.
    pub(crate) async fn keep_the_drain_waiting(&self) {
        let pod = json!({
            "metadata": {"name": "own"},
            "spec": {"nodeName": NODE, "containers": [{"name": "c", "image": "x"}]},
        });
        self.create("/api/v1/namespaces/windlass/pods", pod).await;
    }

    pub(crate) async fn let_the_drain_go(&self) {
        let path = "/api/v1/namespaces/windlass/pods/own";
        self.ask("DELETE", path, json!({})).await;
    }

    /// A change that needs a reboot; its rendered config.
    pub(crate) async fn apply_second(&mut self, first: &str) -> String {
        self.config("50-worker", json!({"kernelArguments": ["nosmt"]}))
            .await;
        self.target(first).await
    }

    async fn config(&self, name: &str, spec: Value) {
        let object = json!({
            "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfig",
            "metadata": {"name": name, "labels": {"machineconfiguration.openshift.io/role": "worker"}},
            "spec": spec,
        });
        self.create(&format!("{MACHINE}/machineconfigs"), object)
            .await;
    }

    async fn target(&self, before: &str) -> String {
        let read = || {
            let resource = "machineconfigpools.machineconfiguration.openshift.io";
            let pool = self.server.observer().get(resource, "", "worker")?;
            let name = pool["spec"]["configuration"]["name"].as_str()?.to_owned();
            (!name.is_empty() && name != before).then_some(name)
        };
        self.patiently("the pool has a target", read).await
    }

    async fn patiently<T>(&self, story: &str, read: impl Fn() -> Option<T>) -> T {
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            if let Some(found) = read() {
                return found;
            }
            let node = self.server.observer().get("nodes", "", NODE);
            assert!(
                tokio::time::Instant::now() < deadline,
                "never: {story}; {node:#?}"
            );
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    }

    /// Waits until the Node is so.
    pub(crate) async fn until(&self, story: &str, what: impl Fn(&Value) -> bool) -> Value {
        let read = || self.server.observer().get("nodes", "", NODE);
        let found = self
            .patiently(story, || read().filter(|node| what(node)))
            .await;
        (*found).clone()
    }

    pub(crate) async fn until_on(&self, config: &str) {
        self.until(&format!("it has {config}"), |node| {
            note(node, contract::CURRENT_CONFIG) == config && is_back(node)
        })
        .await;
    }

    pub(crate) async fn until_no_slot_is_held(&self) {
        let read = || {
            let ledger = self
                .server
                .observer()
                .get("slotledgers.windlass.dev", "", "cluster")?;
            let holders = ledger["spec"]["holders"].as_array();
            holders.is_none_or(Vec::is_empty).then_some(())
        };
        self.patiently("no slot is held", read).await;
    }

    /// The two rendered configs of a conversation, made by hand.
    pub(crate) async fn render(&mut self, told: &Conversation) {
        for (number, spec) in (1..).zip(&told.configs) {
            let name = told.config(number);
            let object = json!({
                "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfig",
                "metadata": {"name": name, "annotations": {
                    "machineconfiguration.openshift.io/generated-by-controller-version": "0.1.0"}},
                "spec": spec,
            });
            self.create(&format!("{MACHINE}/machineconfigs"), object)
                .await;
            self.name(number, &name);
        }
    }

    /// The spec of a rendered config.
    pub(crate) fn spec(&self, name: &str) -> Value {
        let resource = "machineconfigs.machineconfiguration.openshift.io";
        self.server.observer().get(resource, "", name).unwrap()["spec"].clone()
    }

    /// The daemon's own files, and the one that the first config writes.
    pub(crate) fn disk(&self) -> BTreeMap<String, String> {
        let files = self.machine.files();
        let mut paths = files.below(STATE).unwrap();
        paths.push(WRITTEN.to_owned());
        let text = |path: String| files.text(&path).map(|text| (path, text));
        paths.into_iter().filter_map(text).collect()
    }

    /// The name of the n-th config here.
    pub(crate) fn name(&mut self, number: usize, name: &str) {
        self.names.insert(number, name.to_owned());
    }

    /// A text with names in the place of what stands for them.
    pub(crate) fn filled(&self, text: &str) -> String {
        let now = self.server.clock().now().to_string();
        let text = text.replace(TIME, &now).replace(BOOT, &self.boot());
        let names = self.names.iter();
        names.fold(text, |text, (number, name)| {
            text.replace(CONFIGS[number - 1], name)
        })
    }

    /// A text with what stands for names in their place.
    pub(crate) fn opened(&self, text: &str) -> String {
        let names = self.names.iter();
        names.fold(text.to_owned(), |text, (number, name)| {
            text.replace(name, CONFIGS[number - 1])
        })
    }

    /// A step in which nothing is of this one run.
    pub(crate) fn open(&self, mut step: Step) -> Step {
        for (key, value) in &mut step.annotations {
            let opened = match (key.as_str(), &value) {
                (ours::REPORTED_AT | ours::DRAIN_RELEASED_AT, Some(_)) => Some(TIME.to_owned()),
                (ours::BOOT_ID, Some(_)) => Some(BOOT.to_owned()),
                (ours::CORDONED, Some(cordoned)) => Some(timeless(cordoned)),
                (_, value) => value.as_ref().map(|value| self.opened(value)),
            };
            *value = opened;
        }
        step
    }

    /// Says what a step says.
    pub(crate) async fn write(&mut self, step: &Step) {
        let reports = step.annotations.contains_key(ours::REPORTED_AT);
        if reports {
            self.boots += 1;
        }
        let values = step.annotations.iter();
        let values =
            values.map(|(key, value)| (key, value.as_ref().map(|value| self.filled(value))));
        let annotations: BTreeMap<_, _> = values.collect();
        let mut body = json!({"metadata": {"annotations": annotations}});
        if let Some(cordon) = step.unschedulable {
            body["spec"] = json!({"unschedulable": cordon.then_some(true)});
        }
        self.ask("PATCH", &format!("/api/v1/nodes/{NODE}"), body)
            .await;
        if reports {
            self.beat().await;
        }
    }

    /// Whether a state of the Node says what a step says.
    fn says(&self, node: &Value, step: &Step) -> bool {
        let cordon = node["spec"]["unschedulable"].as_bool().unwrap_or_default();
        let mut values = step.annotations.iter();
        step.unschedulable.is_none_or(|wanted| wanted == cordon)
            && values.all(|(key, value)| match value.as_deref() {
                Some(BOOT) => !note(node, key).is_empty(),
                Some(value) => is_like(&self.opened(note(node, key)), value),
                None => note(node, key).is_empty(),
            })
    }

    /// Waits until the other side has said what a step says, in any state of the Node since the last wait.
    pub(crate) async fn until_said(&mut self, step: &Step, story: &str) {
        let now = self.server.observer().get("nodes", "", NODE);
        if now.is_some_and(|node| self.says(&node, step)) {
            return;
        }
        let deadline = tokio::time::Instant::now() + PATIENCE;
        loop {
            let events = tokio::time::timeout_at(deadline, self.changes.next()).await;
            let Ok(events) = events else {
                let node = self.server.observer().get("nodes", "", NODE);
                panic!("{story}: nobody said {step:#?}; {node:#?}");
            };
            let mut states = events.unwrap().into_iter().map(|(_, event)| event.object);
            if states.any(|node| self.says(&node, step)) {
                return;
            }
        }
    }

    /// Plays one side of a conversation; the other one is today's.
    pub(crate) async fn play(&mut self, side: Side, told: &Conversation, story: &str) {
        for step in &told.steps {
            if step.by == side {
                if side == Side::Controller
                    && step.annotations.contains_key(contract::DESIRED_CONFIG)
                {
                    self.until("it is Ready, as one that is given a config is", is_ready)
                        .await;
                }
                self.write(step).await;
                continue;
            }
            self.second_config(step).await;
            self.until_said(step, story).await;
        }
    }

    /// Where the controller is today's, it has to be given what it assigns next.
    async fn second_config(&mut self, step: &Step) {
        let assigns = |key: &str| step.annotations.get(key).cloned().flatten();
        let second = assigns(contract::DESIRED_CONFIG).is_some_and(|name| name == CONFIGS[1]);
        if second && !self.names.contains_key(&2) {
            let first = self.names[&1].clone();
            let second = self.apply_second(&first).await;
            self.name(2, &second);
        }
    }
}
