//! A cluster with the unmodified controller, and what people and kubelets do to it.

use crate::played::{Habits, play};
use crate::real::{self, PATIENCE, Stage};
use crate::server::{Place, Server};
use controller::metrics::Metrics;
use controller::{Config, Parts};
use jiff::SignedDuration;
use kube::api::{
    Api, ApiResource, DeleteParams, DynamicObject, GroupVersionKind, Patch, PatchParams, PostParams,
};
use serde_json::{Value, json};
use simulation::server::{Attempt, Fate, Faults, Outcome};
use std::fmt::Write as _;
use std::sync::{Arc, Mutex};
use std::time::Duration;
use tokio::task::JoinHandle;

/// A cluster and its controller. Dropping it ends whatever runs in it.
pub(crate) struct Cluster {
    pub(crate) server: Server,
    pub(crate) config: Config,
    controller: Option<JoinHandle<()>>,
    daemons: Vec<JoinHandle<()>>,
}

/// An empty cluster whose definitions are installed, without a controller.
pub(crate) async fn cluster(place: &Place) -> Cluster {
    let server = place.server().await;
    let config = config(&server);
    let cluster = Cluster {
        server,
        config,
        controller: None,
        daemons: Vec::new(),
    };
    if cluster.server.is_real() {
        return cluster;
    }
    for definition in real::definitions() {
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

/// How the controller is set. On the real server nobody waits longer than has to be for what a story is not about.
fn config(server: &Server) -> Config {
    let mut config = Config {
        approve_first: true,
        ..Config::default()
    };
    if server.is_real() {
        config.instances.balancer_counts = true;
        config.quiet.period = SignedDuration::from_millis(50);
        config.lease.duration = SignedDuration::from_secs(3);
        config.lease.renew_deadline = SignedDuration::from_secs(2);
        config.lease.retry_period = SignedDuration::from_millis(500);
    }
    config
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for task in self.controller.iter().chain(&self.daemons) {
            task.abort();
        }
    }
}

impl Cluster {
    /// What a controller of this name is made of.
    pub(crate) fn parts(&self, identity: &str) -> Parts {
        let mut config = self.config.clone();
        identity.clone_into(&mut config.identity);
        Parts {
            client: self.server.client(identity),
            config,
            clock: self.server.clock(),
            ask: self.server.asks(identity),
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
        self.wrote(&object).await;
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
        self.wrote(&object).await;
    }

    /// Deletes an object.
    pub(crate) async fn delete(&self, object: Value) {
        let name = text(&object, "/metadata/name");
        let deleted = self
            .api(&object)
            .delete(&name, &DeleteParams::default())
            .await;
        deleted.unwrap_or_else(|error| panic!("deleting {name}: {error}"));
        self.wrote(&object).await;
        if let Server::Real(stage) = &self.server {
            stage.collect(&object).await;
        }
    }

    /// What a person wrote is seen from now on.
    async fn wrote(&self, object: &Value) {
        if let Server::Real(stage) = &self.server {
            stage.wrote(object).await;
        }
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
        let object = self.server.get(resource, namespace, name)?;
        Some((*object).clone())
    }

    /// All objects of a resource.
    pub(crate) fn list(&self, resource: &str) -> Vec<Arc<Value>> {
        self.server.list(resource)
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
        let events = self.list("events");
        let on = events
            .iter()
            .filter(|event| event["involvedObject"]["name"] == name);
        on.map(|event| text(event, "/reason")).collect()
    }

    /// Waits until `what` is so. In virtual time it fails after `within`; on a real server after as long as nothing here takes.
    pub(crate) async fn until(&self, within: Duration, story: &str, what: impl Fn(&Self) -> bool) {
        if let Server::Real(stage) = &self.server {
            return self.until_told(stage, story, what).await;
        }
        let deadline = tokio::time::Instant::now() + within;
        while !what(self) {
            self.works();
            assert!(
                tokio::time::Instant::now() < deadline,
                "not within {within:?}: {story}\n{}",
                self.state()
            );
            tokio::time::sleep(Duration::from_millis(250)).await;
        }
    }

    /// Waits for what watches tell. What was stored before it is seen as well when this returns.
    async fn until_told(&self, stage: &Stage, story: &str, what: impl Fn(&Self) -> bool) {
        let mut changes = stage.stored().changes();
        let deadline = tokio::time::Instant::now() + PATIENCE;
        while !what(self) {
            self.works();
            let changed = tokio::time::timeout_at(deadline, changes.changed()).await;
            assert!(changed.is_ok(), "never: {story}\n{}", self.state());
        }
        stage.complete().await;
    }

    fn works(&self) {
        if let Some(controller) = &self.controller {
            assert!(!controller.is_finished(), "the controller ended");
        }
    }

    /// Lets so much time pass, in which the controller would do what it wants to do. On a real server: until it has looked
    /// twice at all that there is.
    pub(crate) async fn pass(&self, duration: Duration) {
        match &self.server {
            Server::InMemory(_) => tokio::time::sleep(duration).await,
            Server::Real(stage) => stage.looked_twice().await,
        }
    }

    /// What there is, for a failing test.
    pub(crate) fn state(&self) -> String {
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
            for object in self.list(resource) {
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
