//! A daemon that is played: it asks for a drain, takes its config, and asks for the uncordon.

use api::names::{node as contract, ours};
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use std::time::Duration;

use crate::server::Server;

/// How a played daemon behaves.
#[derive(Clone, Copy)]
pub(crate) struct Habits {
    /// It asks for a drain before it applies.
    pub(crate) drains: bool,
    /// How long it works on a config; on a real server it takes a moment.
    pub(crate) works: Duration,
    /// The config restarts its kubelet, which renews its Lease at once and is not Ready for so long; none: it stays Ready.
    pub(crate) restarts_kubelet: Option<Duration>,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            drains: true,
            works: Duration::from_secs(10),
            restarts_kubelet: None,
        }
    }
}

pub(crate) async fn play(server: Server, name: String, habits: Habits) {
    let client = server.client(&format!("daemon-{name}"));
    let daemon = Played {
        api: Api::all(client.clone()),
        client,
        server: server.clone(),
        name,
    };
    loop {
        let due = |node: &Value| {
            let intent = value(node, ours::INTENT);
            !intent.is_empty()
                && intent != value(node, ours::ACTED_INTENT)
                && !value(node, contract::DESIRED_CONFIG).is_empty()
        };
        let node = daemon.until(due).await;
        let (intent, desired) = (
            value(&node, ours::INTENT),
            value(&node, contract::DESIRED_CONFIG),
        );
        // What it has already disturbs nothing.
        let disturbs = habits.drains && value(&node, contract::CURRENT_CONFIG) != desired;
        if disturbs {
            let asked = format!("drain-{desired}");
            daemon
                .say(json!({contract::STATE: "Working", contract::DESIRED_DRAIN: asked}))
                .await;
            let answered = |node: &Value| {
                let drained = value(node, contract::LAST_APPLIED_DRAIN) == asked
                    && value(node, ours::DRAINED_INTENT) == intent;
                drained || value(node, ours::INTENT) != intent
            };
            if value(&daemon.until(answered).await, ours::INTENT) != intent {
                continue;
            }
        }
        server.takes(habits.works).await;
        let now = server.clock().now().to_string();
        let mut done = json!({
            contract::STATE: "Done", contract::CURRENT_CONFIG: desired, ours::ACTED_INTENT: intent,
            ours::BOOT_ID: "boot-1", ours::REPORTED_AT: now,
        });
        if habits.drains {
            done[contract::DESIRED_DRAIN] = json!(format!("uncordon-{desired}"));
        }
        daemon.say(done).await;
        if let Some(not_ready) = habits.restarts_kubelet {
            tokio::time::sleep(LEASE_RENEWAL).await;
            let now = server.clock().now().to_string();
            daemon.beat("False", &now).await;
            daemon.renew(&now).await;
            tokio::time::sleep(not_ready).await;
        }
        let now = server.clock().now();
        daemon.beat("True", &now.to_string()).await;
        if server.is_real() {
            // A condition tells whole seconds there, which may be those of the report; a Lease tells more.
            daemon.renew(&format!("{now:.6}")).await;
        }
    }
}

/// How long after the report the kubelet speaks for the first time.
const LEASE_RENEWAL: Duration = Duration::from_secs(1);

struct Played {
    client: Client,
    api: Api<Node>,
    server: Server,
    name: String,
}

impl Played {
    /// Waits until its Node is so.
    async fn until(&self, is_so: impl Fn(&Value) -> bool) -> Value {
        self.server.node_until(&self.name, is_so).await
    }

    async fn say(&self, annotations: Value) {
        let patch = json!({"metadata": {"annotations": annotations}});
        while self
            .api
            .patch(&self.name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .is_err()
        {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }

    /// The kubelet renews its Lease.
    async fn renew(&self, now: &str) {
        let leases: Api<Lease> = Api::namespaced(self.client.clone(), "kube-node-lease");
        let renewed = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
            "metadata": {"name": self.name}, "spec": {"renewTime": now}});
        let params = PatchParams::apply("kubelet");
        leases
            .patch(&self.name, &params, &Patch::Apply(&renewed))
            .await
            .unwrap();
    }

    /// The kubelet says whether its node is Ready.
    async fn beat(&self, ready: &str, now: &str) {
        let patch = json!({"status": {"conditions": [{"type": "Ready", "status": ready, "reason": "Test",
            "message": "", "lastHeartbeatTime": now, "lastTransitionTime": now}]}});
        while self
            .api
            .patch_status(&self.name, &PatchParams::default(), &Patch::Merge(&patch))
            .await
            .is_err()
        {
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    }
}

fn value(node: &Value, key: &str) -> String {
    node["metadata"]["annotations"]
        .get(key)
        .and_then(Value::as_str)
        .unwrap_or_default()
        .to_owned()
}
