//! One machine with its kubelet and its daemon, an API server, and a hand that plays the controller.

use daemon::host::Host;
use daemon::host::memory::MemoryHost;
use futures::future::BoxFuture;
use futures::{FutureExt as _, StreamExt as _};
use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, Patch, PatchParams, PostParams};
use kube::runtime::{WatchStreamExt as _, watcher};
use kube::{Client, ResourceExt as _};
use serde_json::{Value, json};
use simulation::chance::Chance;
use simulation::clock::starting_at;
use simulation::machine::{self, FileTree, Machine, MachineSpec, OsMode, Services, SimHost};
use simulation::node_lifecycle;
use simulation::pace::Pace;
use simulation::server::{ApiServer, Lines, Options};
use simulation::version::Version;
use std::cell::Cell;
use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::JoinSet;

pub(crate) const NODE: &str = "worker-1";
pub(crate) const CHRONY: &str = "/etc/chrony.conf";

/// Virtual time after which a wait has failed: longer than the way back takes.
const PATIENCE: Duration = Duration::from_hours(2);

pub(crate) struct Rig {
    pub(crate) server: ApiServer,
    pub(crate) machine: Arc<Machine>,
    pub(crate) trace: Lines,
    client: Client,
    tasks: JoinSet<()>,
    /// How much of the trace was looked at.
    seen: Cell<usize>,
}

impl Rig {
    /// A package-mode worker with kubelet 1.33.4 whose Node is Ready and has never had a config.
    pub(crate) async fn start() -> Self {
        let mut rig = Self::empty().await;
        let (machine, server) = (Arc::clone(&rig.machine), &rig.server);
        let services = services(&machine, server);
        rig.tasks.spawn(machine::run(machine, services));
        rig.until("the node is Ready", is_ready).await;
        rig
    }

    /// A Node without a kubelet, whose daemon runs on `host`.
    pub(crate) async fn on(host: MemoryHost) -> Self {
        let mut rig = Self::with_node().await;
        let run = run_daemon(&rig.server, host);
        rig.spawn(run);
        rig
    }

    /// A Node without a kubelet and without a daemon.
    pub(crate) async fn with_node() -> Self {
        let rig = Self::empty().await;
        let node = serde_json::from_value(json!({"metadata": {"name": NODE}})).unwrap();
        let created = rig.nodes().create(&PostParams::default(), &node).await;
        created.unwrap();
        rig
    }

    /// Runs `task` until the rig is dropped.
    pub(crate) fn spawn(&mut self, task: impl Future<Output = ()> + Send + 'static) {
        self.tasks.spawn(task);
    }

    /// An API server and a machine that is not switched on.
    async fn empty() -> Self {
        let clock = starting_at("2026-11-24T08:00:00Z".parse().unwrap());
        let server = ApiServer::new(clock.clone(), Options::default());
        let trace = Lines::default();
        server.set_trace(trace.clone());
        let client = server.client("controller");
        let definitions = Api::all(client.clone());
        for definition in api::crds() {
            let created = definitions
                .create(&PostParams::default(), &definition)
                .await;
            created.unwrap();
        }
        let chance = Chance::from_seed(1);
        let machine = Machine::new(spec(), FileTree::in_memory(), Pace::real(), &chance);
        let manager = server.client("kube-controller-manager");
        let mut tasks = JoinSet::new();
        tasks.spawn(node_lifecycle::run(manager, clock, Pace::real()));
        Self {
            server,
            machine: Arc::new(machine.unwrap()),
            trace,
            client,
            tasks,
            seen: Cell::new(0),
        }
    }

    pub(crate) fn nodes(&self) -> Api<Node> {
        Api::all(self.client.clone())
    }

    pub(crate) async fn node(&self) -> Node {
        self.nodes().get(NODE).await.unwrap()
    }

    /// Waits until the Node is as `settled` says.
    pub(crate) async fn until(&self, what: &str, settled: impl Fn(&Node) -> bool) -> Node {
        let seen = watcher(self.nodes(), watcher::Config::default()).applied_objects();
        let found = async {
            let mut seen = std::pin::pin!(seen);
            while let Some(node) = seen.next().await {
                if let Some(node) = node.ok().filter(|node| settled(node)) {
                    return node;
                }
            }
            panic!("the watch ended before {what}");
        };
        if let Ok(node) = tokio::time::timeout(PATIENCE, found).await {
            node
        } else {
            let node = self.node().await;
            panic!("{what} never came: {:#?}", node.annotations());
        }
    }

    pub(crate) async fn until_done(&self, config: &str, intent: u64) -> Node {
        self.until(&format!("Done on {config}"), |node| {
            note(node, "state") == "Done"
                && note(node, "currentConfig") == config
                && ours(node, "acted-intent") == intent.to_string()
        })
        .await
    }

    pub(crate) async fn until_state(&self, state: &str, intent: u64) -> Node {
        self.until(&format!("state {state}"), |node| {
            note(node, "state") == state && ours(node, "acted-intent") == intent.to_string()
        })
        .await
    }

    /// Writes annotations of the Node, as the controller does.
    pub(crate) async fn annotate(&self, annotations: Value) {
        let patch = json!({"metadata": {"annotations": annotations}});
        let params = PatchParams::default();
        self.nodes()
            .patch(NODE, &params, &Patch::Merge(patch))
            .await
            .unwrap();
    }

    /// Creates rendered config `name`.
    pub(crate) async fn render(&self, name: &str, spec: Value, annotations: Value) {
        let object = json!({
            "apiVersion": "machineconfiguration.openshift.io/v1",
            "kind": "MachineConfig",
            "metadata": {"name": name, "annotations": annotations},
            "spec": spec,
        });
        let configs: Api<api::machineconfiguration::MachineConfig> = Api::all(self.client.clone());
        let config = serde_json::from_value(object).unwrap();
        configs
            .create(&PostParams::default(), &config)
            .await
            .unwrap();
    }

    pub(crate) async fn assign(&self, intent: u64, config: &str) {
        self.annotate(json!({
            "machineconfiguration.openshift.io/desiredConfig": config,
            "windlass.dev/intent": intent.to_string(),
        }))
        .await;
    }

    /// Acknowledges the request that the Node bears.
    pub(crate) async fn acknowledge(&self, intent: u64) {
        let node = self.node().await;
        acknowledge(&self.nodes(), &node, intent).await;
    }

    /// Acknowledges every request from now on, as soon as it is seen.
    pub(crate) fn grant_drains(&mut self) {
        let nodes = self.nodes();
        self.tasks.spawn(async move {
            let seen = watcher(nodes.clone(), watcher::Config::default()).touched_objects();
            let mut seen = std::pin::pin!(seen);
            while let Some(node) = seen.next().await {
                let Ok(node) = node else {
                    continue;
                };
                let asked = note(&node, "desiredDrain");
                let intent = ours(&node, "intent").parse().unwrap_or(0);
                let answered = ours(&node, "drained-intent") == intent.to_string();
                if asked != note(&node, "lastAppliedDrain") || !answered && !asked.is_empty() {
                    acknowledge(&nodes, &node, intent).await;
                }
            }
        });
    }

    pub(crate) fn file(&self, path: &str) -> Option<String> {
        self.machine.files().text(path)
    }

    /// The requests of the daemon since the last call: method, path and body.
    pub(crate) fn requests(&self) -> Vec<String> {
        let lines = self.trace.taken();
        let own = format!(" daemon/{NODE} > ");
        let seen = self.seen.replace(lines.len());
        lines
            .iter()
            .skip(seen)
            .filter_map(|line| line.split_once(&own).map(|(_, request)| request.to_owned()))
            .collect()
    }
}

async fn acknowledge(nodes: &Api<Node>, node: &Node, intent: u64) {
    let request = note(node, "desiredDrain");
    let cordoned = request.starts_with("drain-").then_some("unschedulable");
    let patch = json!({
        "metadata": {"annotations": {
            "machineconfiguration.openshift.io/lastAppliedDrain": request,
            "windlass.dev/drained-intent": intent.to_string(),
            "windlass.dev/cordoned": cordoned,
        }},
        "spec": {"unschedulable": cordoned.map(|_| true)},
    });
    let params = PatchParams::default();
    nodes
        .patch(NODE, &params, &Patch::Merge(patch))
        .await
        .unwrap();
}

/// An annotation of the reference's, empty where it is absent.
pub(crate) fn note(node: &Node, name: &str) -> String {
    let key = format!("machineconfiguration.openshift.io/{name}");
    node.annotations().get(&key).cloned().unwrap_or_default()
}

/// An annotation of ours, empty where it is absent.
pub(crate) fn ours(node: &Node, name: &str) -> String {
    let key = format!("windlass.dev/{name}");
    node.annotations().get(&key).cloned().unwrap_or_default()
}

pub(crate) fn ready(node: &Node) -> &str {
    let status = node.status.as_ref();
    let conditions = status.and_then(|status| status.conditions.as_ref());
    let mut ready = conditions
        .into_iter()
        .flatten()
        .filter(|it| it.type_ == "Ready");
    ready
        .next()
        .map_or("", |condition| condition.status.as_str())
}

pub(crate) fn is_ready(node: &Node) -> bool {
    ready(node) == "True"
}

/// The boot that the kubelet reports.
pub(crate) fn kubelet_boot(node: &Node) -> &str {
    let status = node.status.as_ref();
    let info = status.and_then(|status| status.node_info.as_ref());
    info.map_or("", |info| info.boot_id.as_str())
}

/// A spec of files by path, and kernel arguments.
pub(crate) fn spec_of(files: &[(&str, &str)], kernel_arguments: &[&str]) -> Value {
    let files: Vec<Value> = files
        .iter()
        .map(|(path, text)| {
            let mut source = String::from("data:,");
            for byte in text.bytes() {
                write!(source, "%{byte:02X}").unwrap();
            }
            json!({"path": path, "mode": 0o644, "overwrite": true, "contents": {"source": source}})
        })
        .collect();
    json!({
        "kernelArguments": kernel_arguments,
        "config": {"ignition": {"version": "3.4.0"}, "storage": {"files": files}},
    })
}

fn spec() -> MachineSpec {
    let packages = [("kubernetes-client".to_owned(), "1.33.4".to_owned())];
    MachineSpec {
        name: NODE.to_owned(),
        os_id: "rhel".to_owned(),
        os_version: "9.6".to_owned(),
        mode: OsMode::Package,
        kubelet: Version::parse("1.33.4").unwrap(),
        api_packages: packages.into(),
        image: None,
        image_kubelets: BTreeMap::new(),
        node_labels: BTreeMap::new(),
        address: "10.0.0.1".to_owned(),
        static_pods: Vec::new(),
    }
}

fn services(machine: &Arc<Machine>, server: &ApiServer) -> Services {
    let (kubelet_machine, kubelet_server) = (Arc::clone(machine), server.clone());
    let (daemon_machine, daemon_server) = (Arc::clone(machine), server.clone());
    Services {
        kubelet: Box::new(move || {
            let machine = Arc::clone(&kubelet_machine);
            let client = kubelet_server.client(&format!("kubelet/{NODE}"));
            simulation::kubelet::run(machine, client, kubelet_server.clock().clone()).boxed()
        }),
        daemon: Box::new(move || {
            run_daemon(&daemon_server, SimHost::new(Arc::clone(&daemon_machine)))
        }),
    }
}

pub(crate) fn run_daemon(server: &ApiServer, host: impl Host) -> BoxFuture<'static, ()> {
    let run = daemon::shell::run(
        server.client(&format!("daemon/{NODE}")),
        NODE.to_owned(),
        host,
        server.clock().clone(),
        daemon::shell::Config::default(),
        std::future::pending(),
    );
    run.map(|ended| panic!("the daemon ended: {ended:?}"))
        .boxed()
}
