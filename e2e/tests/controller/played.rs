//! A daemon that is played: it asks for a drain, takes its config, and asks for the uncordon.

use api::names::{node as contract, ours};
use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};
use simulation::server::ApiServer;
use simulation::server::observe::{Changes, Observer};
use std::time::Duration;

/// How a played daemon behaves.
#[derive(Clone, Copy)]
pub(crate) struct Habits {
    /// It asks for a drain before it applies.
    pub(crate) drains: bool,
    /// How long it works on a config.
    pub(crate) works: Duration,
}

impl Default for Habits {
    fn default() -> Self {
        Self {
            drains: true,
            works: Duration::from_secs(10),
        }
    }
}

pub(crate) async fn play(server: ApiServer, name: String, habits: Habits) {
    let mut daemon = Played {
        api: Api::all(server.client(&format!("daemon-{name}"))),
        seen: server.observer(),
        changes: server.observer().subscribe("nodes"),
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
        tokio::time::sleep(habits.works).await;
        let now = server.clock().now().to_string();
        let mut done = json!({
            contract::STATE: "Done", contract::CURRENT_CONFIG: desired, ours::ACTED_INTENT: intent,
            ours::BOOT_ID: "boot-1", ours::REPORTED_AT: now,
        });
        if habits.drains {
            done[contract::DESIRED_DRAIN] = json!(format!("uncordon-{desired}"));
        }
        daemon.say(done).await;
        daemon.beat(&now).await;
    }
}

struct Played {
    api: Api<Node>,
    seen: Observer,
    changes: Changes,
    name: String,
}

impl Played {
    /// Waits until its Node is so.
    async fn until(&mut self, is_so: impl Fn(&Value) -> bool) -> Value {
        loop {
            let node = self.seen.get("nodes", "", &self.name);
            if let Some(node) = node.filter(|node| is_so(node)) {
                return (*node).clone();
            }
            self.changes.next().await.unwrap();
        }
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

    /// The kubelet says that it lives.
    async fn beat(&self, now: &str) {
        let patch = json!({"status": {"conditions": [{"type": "Ready", "status": "True", "reason": "Test",
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
