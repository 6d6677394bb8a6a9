//! A cluster in memory with the unmodified controller, and what people and kubelets do to it.

use crate::played::{Habits, play};
use controller::gate::AskVersion;
use controller::metrics::Metrics;
use controller::{Config, Parts};
use futures::future::BoxFuture;
use jiff::Timestamp;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams,
};
use serde_json::{Value, json};
use simulation::clock::starting_at;
use simulation::server::{ApiServer, Attempt, Fate, Faults, Instance, Options, Outcome};
use std::fmt::Write as _;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;

/// The instance of the API server that the controller asks for its version.
const INSTANCE: &str = "198.18.0.1";

/// A cluster and its controller.
pub(crate) struct Cluster {
    pub(crate) server: ApiServer,
    pub(crate) config: Config,
    controller: Option<JoinHandle<()>>,
    daemons: Vec<JoinHandle<()>>,
}

/// A cluster whose definitions are installed, without a controller.
pub(crate) async fn cluster() -> Cluster {
    let start: Timestamp = "2026-11-24T08:00:00Z".parse().unwrap();
    let server = ApiServer::new(starting_at(start), Options::default());
    server.set_instance(
        INSTANCE,
        Instance {
            version: "v1.34.1".to_owned(),
            answers: true,
        },
    );
    let cluster = Cluster {
        server,
        config: Config {
            approve_first: true,
            ..Config::default()
        },
        controller: None,
        daemons: Vec::new(),
    };
    for definition in api::crds() {
        let mut definition = serde_json::to_value(definition).unwrap();
        definition["apiVersion"] = json!("apiextensions.k8s.io/v1");
        definition["kind"] = json!("CustomResourceDefinition");
        definition["metadata"]["labels"]["windlass.dev/owner"] = json!("windlass");
        cluster.create(definition).await;
    }
    cluster
        .create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "windlass"}}))
        .await;
    cluster
        .create(json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "shop"}}))
        .await;
    cluster
}

impl Cluster {
    /// What a controller of this name is made of.
    pub(crate) fn parts(&self, identity: &str) -> Parts {
        let mut config = self.config.clone();
        identity.clone_into(&mut config.identity);
        Parts {
            client: self.server.client(identity),
            config,
            clock: self.server.clock().clone(),
            ask: Arc::new(AskInMemory {
                server: self.server.clone(),
            }),
            metrics: Arc::new(Metrics::default()),
        }
    }

    /// Starts the controller, under this name.
    pub(crate) fn start_as(&mut self, identity: &str) {
        let parts = self.parts(identity);
        let run = async move {
            if let Err(error) = controller::run(parts, std::future::pending()).await {
                panic!("the controller ended: {}", controller::error::Chain(&error));
            }
        };
        self.controller = Some(tokio::spawn(run));
    }

    /// Starts the controller.
    pub(crate) fn start(&mut self) {
        self.start_as("controller-0");
    }

    /// Ends the controller wherever it is.
    pub(crate) async fn kill(&mut self) {
        if let Some(controller) = self.controller.take() {
            controller.abort();
            assert!(
                controller.await.is_err_and(|error| error.is_cancelled()),
                "it ran until now"
            );
        }
    }

    /// Plays the daemon of a node.
    pub(crate) fn play_daemon(&mut self, node: &str, habits: Habits) {
        let server = self.server.clone();
        self.daemons
            .push(tokio::spawn(play(server, node.to_owned(), habits)));
    }

    /// Creates an object as a person does.
    pub(crate) async fn create(&self, object: Value) {
        let name = text(&object, "/metadata/name");
        let created = self
            .api(&object)
            .create(&PostParams::default(), &parsed(&object))
            .await;
        created.unwrap_or_else(|error| panic!("creating {name}: {error}"));
    }

    /// Merges into an object, or into its status.
    pub(crate) async fn merge(&self, object: Value) {
        let name = text(&object, "/metadata/name");
        let (api, params) = (self.api(&object), PatchParams::default());
        let merged = match object.get("status") {
            Some(_) => {
                api.patch_status(&name, &params, &Patch::Merge(&object))
                    .await
            }
            None => api.patch(&name, &params, &Patch::Merge(&object)).await,
        };
        merged.unwrap_or_else(|error| panic!("merging {name}: {error}"));
    }

    /// Deletes an object.
    pub(crate) async fn delete(&self, object: Value) {
        let name = text(&object, "/metadata/name");
        let deleted = self
            .api(&object)
            .delete(&name, &DeleteParams::default())
            .await;
        deleted.unwrap_or_else(|error| panic!("deleting {name}: {error}"));
    }

    fn api(&self, object: &Value) -> Api<DynamicObject> {
        let version = text(object, "/apiVersion");
        let (group, version) = version.split_once('/').unwrap_or(("", &version));
        let gvk = GroupVersionKind::gvk(group, version, &text(object, "/kind"));
        let mut kind = ApiResource::from_gvk(&gvk);
        if gvk.kind == "RolloutPolicy" {
            "rolloutpolicies".clone_into(&mut kind.plural);
        }
        let client = self.server.client("person");
        match text(object, "/metadata/namespace").as_str() {
            "" => Api::all_with(client, &kind),
            namespace => Api::namespaced_with(client, namespace, &kind),
        }
    }

    /// A pool of nodes with this role.
    pub(crate) async fn pool(&self, name: &str, more: Value) {
        let mut pool = json!({
            "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfigPool",
            "metadata": {"name": name},
            "spec": {
                "machineConfigSelector": {"matchLabels": {"machineconfiguration.openshift.io/role": name}},
                "nodeSelector": {"matchLabels": {format!("node-role.kubernetes.io/{name}"): ""}},
            },
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            pool["spec"][key] = value.clone();
        }
        self.create(pool).await;
    }

    /// A Ready node of this role.
    pub(crate) async fn node(&self, name: &str, role: &str) {
        self.create(json!({
            "apiVersion": "v1", "kind": "Node",
            "metadata": {"name": name, "labels": {format!("node-role.kubernetes.io/{role}"): ""}},
        }))
        .await;
        self.ready(name, "True").await;
    }

    /// What the kubelet says of its node.
    pub(crate) async fn ready(&self, name: &str, status: &str) {
        let now = self.server.clock().now().to_string();
        self.merge(json!({
            "apiVersion": "v1", "kind": "Node", "metadata": {"name": name},
            "status": {
                "conditions": [{"type": "Ready", "status": status, "reason": "Test", "message": "",
                    "lastHeartbeatTime": now, "lastTransitionTime": now}],
                "nodeInfo": {"bootID": "boot-1", "kubeletVersion": "v1.34.1", "architecture": "amd64",
                    "containerRuntimeVersion": "x", "kernelVersion": "x", "kubeProxyVersion": "", "machineID": "x",
                    "operatingSystem": "linux", "osImage": "x", "systemUUID": "x"},
            },
        }))
        .await;
    }

    /// A running pod on a node, with the parts in `more`.
    pub(crate) async fn pod(&self, name: &str, node: &str, more: Value) {
        let mut pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "shop", "labels": {"app": name}},
            "spec": {"nodeName": node, "terminationGracePeriodSeconds": 0,
                "containers": [{"name": "c", "image": "i"}]},
        });
        merge_into(&mut pod, &more);
        self.create(pod).await;
        let running =
            json!({"phase": "Running", "conditions": [{"type": "Ready", "status": "True"}]});
        self.merge(json!({"apiVersion": "v1", "kind": "Pod",
            "metadata": {"name": name, "namespace": "shop"}, "status": running}))
            .await;
    }

    /// An object of the store.
    pub(crate) fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Value> {
        self.server
            .observer()
            .get(resource, namespace, name)
            .map(|object| (*object).clone())
    }

    /// An annotation of a node.
    pub(crate) fn annotation(&self, node: &str, key: &str) -> Option<String> {
        let node = self.get("nodes", "", node)?;
        node["metadata"]["annotations"]
            .get(key)?
            .as_str()
            .map(str::to_owned)
    }

    /// Whether a node is Ready, as it is stored.
    pub(crate) fn is_ready(&self, node: &str) -> bool {
        let node = self.get("nodes", "", node).unwrap_or_default();
        let conditions = node["status"]["conditions"].as_array().cloned();
        let mut conditions = conditions.unwrap_or_default().into_iter();
        conditions.any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    }

    /// The target of a pool.
    pub(crate) fn target(&self, pool: &str) -> Option<String> {
        let pool = self.get(
            "machineconfigpools.machineconfiguration.openshift.io",
            "",
            pool,
        )?;
        pool["spec"]["configuration"]["name"]
            .as_str()
            .map(str::to_owned)
    }

    /// The condition of a MachineConfigNode or pool.
    pub(crate) fn condition(&self, resource: &str, name: &str, type_: &str) -> Option<Value> {
        let object = self.get(
            &format!("{resource}.machineconfiguration.openshift.io"),
            "",
            name,
        )?;
        let all = object["status"]["conditions"].as_array()?.clone();
        all.into_iter().find(|condition| condition["type"] == type_)
    }

    /// The nodes that the ledger names.
    pub(crate) fn holders(&self) -> Vec<String> {
        let ledger = self
            .get("slotledgers.windlass.dev", "", "cluster")
            .unwrap_or_default();
        let holders = ledger["spec"]["holders"]
            .as_array()
            .cloned()
            .unwrap_or_default();
        holders.iter().map(|holder| text(holder, "/node")).collect()
    }

    /// Reasons of the events on an object, in order.
    pub(crate) fn events_on(&self, name: &str) -> Vec<String> {
        let events = self.server.observer().list("events");
        let on = events
            .iter()
            .filter(|event| event["involvedObject"]["name"] == name);
        on.map(|event| text(event, "/reason")).collect()
    }

    /// Waits in virtual time until `what` is so; fails after `within`.
    pub(crate) async fn until(&self, within: Duration, story: &str, what: impl Fn(&Self) -> bool) {
        let deadline = tokio::time::Instant::now() + within;
        while !what(self) {
            if let Some(controller) = &self.controller {
                assert!(!controller.is_finished(), "the controller ended");
            }
            assert!(
                tokio::time::Instant::now() < deadline,
                "not within {within:?}: {story}\n{}",
                self.state()
            );
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// What there is, for a failing test.
    pub(crate) fn state(&self) -> String {
        let observer = self.server.observer();
        let mut state = String::new();
        for (resource, shown) in [
            ("nodes", "/metadata/annotations"),
            ("nodes", "/spec"),
            (
                "machineconfignodes.machineconfiguration.openshift.io",
                "/status/conditions",
            ),
            (
                "machineconfigpools.machineconfiguration.openshift.io",
                "/status/conditions",
            ),
            ("slotledgers.windlass.dev", "/spec"),
            ("events", "/message"),
        ] {
            for object in observer.list(resource) {
                let name = &object["metadata"]["name"];
                let value = object
                    .pointer(shown)
                    .map(ToString::to_string)
                    .unwrap_or_default();
                let short: String = value.chars().take(700).collect();
                writeln!(state, "{resource} {name} {shown}: {short}").unwrap();
            }
        }
        state
    }
}

/// Asks the instances of the server in memory.
struct AskInMemory {
    server: ApiServer,
}

impl AskVersion for AskInMemory {
    fn ask<'a>(&'a self, instance: &'a str) -> BoxFuture<'a, Result<String, String>> {
        let address = instance.rsplit_once(':').map_or(instance, |(host, _)| host);
        let client = self.server.instance_client("controller", address);
        Box::pin(async move {
            let info = client
                .apiserver_version()
                .await
                .map_err(|error| error.to_string())?;
            Ok(info.git_version)
        })
    }
}

/// Faults on the requests of the controller: what `decide` says of the n-th of each kind.
pub(crate) struct OnRequests<F>(Mutex<F>);

/// Applies `decide` to every request of an actor whose name begins with `controller`.
pub(crate) fn on_requests<F>(decide: F) -> OnRequests<F>
where
    F: FnMut(&Attempt<'_>) -> Outcome + Send + 'static,
{
    OnRequests(Mutex::new(decide))
}

impl<F: FnMut(&Attempt<'_>) -> Outcome + Send + 'static> Faults for OnRequests<F> {
    fn decide(&self, attempt: &Attempt<'_>) -> Fate {
        let outcome = if attempt.actor.starts_with("controller") {
            (self.0.lock().unwrap())(attempt)
        } else {
            Outcome::Serve
        };
        Fate {
            outcome,
            ..Fate::default()
        }
    }
}

/// A MachineConfig with one file.
pub(crate) fn machine_config(name: &str, role: &str, content: &str) -> Value {
    json!({
        "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfig",
        "metadata": {"name": name, "labels": {"machineconfiguration.openshift.io/role": role}},
        "spec": {"config": {
            "ignition": {"version": "3.4.0"},
            "storage": {"files": [{"path": format!("/etc/{name}"), "mode": 420,
                "contents": {"source": format!("data:,{content}")}}]},
        }},
    })
}

/// A reference to an object, to delete it by.
pub(crate) fn named(api_version: &str, kind: &str, namespace: &str, name: &str) -> Value {
    json!({"apiVersion": api_version, "kind": kind, "metadata": {"name": name, "namespace": namespace}})
}

/// A pod of a ReplicaSet.
pub(crate) fn owned() -> Value {
    json!({"metadata": {"ownerReferences": [
        {"apiVersion": "apps/v1", "kind": "ReplicaSet", "name": "web", "uid": "rs", "controller": true},
    ]}})
}

/// Runs a story on one thread in paused time.
pub(crate) fn tell(story: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(story);
}

fn text(object: &Value, pointer: &str) -> String {
    object
        .pointer(pointer)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}

fn parsed(object: &Value) -> DynamicObject {
    serde_json::from_value(object.clone()).unwrap()
}

fn merge_into(into: &mut Value, from: &Value) {
    match (into, from) {
        (Value::Object(into), Value::Object(from)) => {
            for (key, value) in from {
                merge_into(into.entry(key.clone()).or_insert(Value::Null), value);
            }
        }
        (into, from) => *into = from.clone(),
    }
}
