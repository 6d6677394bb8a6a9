//! The control plane's view of nodes: who has fallen silent, and what that does to taints and pods.
//!
//! # Guarantees
//! * A node whose kubelet renews nothing keeps its old conditions for [`Pace::node_grace`]; then all of them become
//!   Unknown, as the node lifecycle controller of Kubernetes does.
//! * The taints `unreachable`, `not-ready` and `unschedulable` follow the Node's state.
//! * Pods on a node that is not Ready lose their Ready; those that do not tolerate it are deleted after
//!   [`Pace::pod_toleration`]. This is the cluster's doing and not Windlass's; the observer tells them apart by actor.

use crate::follow::{Follow, Key, key};
use crate::kubelet::{LEASE_NAMESPACE, MIRROR, is_ready, ready_condition};
use crate::pace::Pace;
use api::clock::Clock;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{DeleteParams, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use tokio::time::Instant;

const UNREACHABLE: &str = "node.kubernetes.io/unreachable";
const NOT_READY: &str = "node.kubernetes.io/not-ready";
const UNSCHEDULABLE: &str = "node.kubernetes.io/unschedulable";

/// How long a request that failed rests before it is tried again.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// Runs the node lifecycle for ever.
pub async fn run(client: Client, clock: Clock, pace: Pace) {
    let mut lifecycle = Lifecycle {
        nodes: Follow::new(Api::all(client.clone()), ""),
        leases: Follow::new(Api::namespaced(client.clone(), LEASE_NAMESPACE), ""),
        pods: Follow::new(Api::all(client.clone()), ""),
        client,
        clock,
        pace,
        heard: BTreeMap::new(),
        down: BTreeMap::new(),
    };
    lifecycle.serve().await;
}

struct Lifecycle {
    client: Client,
    clock: Clock,
    pace: Pace,
    nodes: Follow<Node>,
    leases: Follow<Lease>,
    pods: Follow<Pod>,
    /// What each node's last sign of life was, and when it was seen. Signs are compared, never clocks.
    heard: BTreeMap<String, (String, Instant)>,
    /// Since when each node is not Ready.
    down: BTreeMap<String, Instant>,
}

impl Lifecycle {
    async fn serve(&mut self) {
        let mut wake = Instant::now() + RETRY_DELAY;
        loop {
            tokio::select! {
                biased;
                () = self.nodes.change() => {}
                () = self.leases.change() => {}
                () = self.pods.change() => {}
                () = tokio::time::sleep_until(wake) => {}
            }
            self.nodes.catch_up();
            self.leases.catch_up();
            self.pods.catch_up();
            let now = Instant::now();
            wake = match self.act(now).await {
                Ok(wake) => wake,
                Err(error) => {
                    tracing::debug!(error = %error, "a request of the node lifecycle failed");
                    now + RETRY_DELAY
                }
            };
        }
    }

    /// Judges every node; says when the next judgement could differ without a change.
    async fn act(&mut self, now: Instant) -> kube::Result<Instant> {
        let mut wake = now + self.pace.node_grace;
        if !(self.nodes.listed() && self.leases.listed() && self.pods.listed()) {
            return Ok(wake);
        }
        let nodes: Vec<Node> = self.nodes.iter().cloned().collect();
        let names: BTreeSet<String> = nodes.iter().map(ResourceExt::name_any).collect();
        self.heard.retain(|name, _| names.contains(name));
        self.down.retain(|name, _| names.contains(name));
        for node in &nodes {
            let silent_at = self.hear(node, now) + self.pace.node_grace;
            let mut node = node.clone();
            if silent_at <= now {
                if let Some(marked) = self.mark_unknown(&node).await? {
                    node = marked;
                }
            } else {
                wake = wake.min(silent_at);
            }
            self.keep_taints(&node).await?;
            let name = node.name_any();
            if ready_condition(&node).is_some_and(|condition| condition.status == "True") {
                self.down.remove(&name);
                continue;
            }
            let since = *self.down.entry(name).or_insert(now);
            if let Some(next) = self.keep_pods(&node, since, now).await? {
                wake = wake.min(next);
            }
        }
        Ok(wake)
    }

    /// When the node gave its last sign of life, on this actor's own clock.
    fn hear(&mut self, node: &Node, now: Instant) -> Instant {
        let name = node.name_any();
        let lease = self.leases.get(&(LEASE_NAMESPACE.to_owned(), name.clone()));
        let renewed = lease.and_then(|lease| lease.spec.as_ref()?.renew_time.clone());
        let reported = ready_condition(node).and_then(|ready| ready.last_heartbeat_time.clone());
        let sign = format!(
            "{:?} {:?}",
            renewed.map(|time| time.0),
            reported.map(|time| time.0)
        );
        let heard = self
            .heard
            .entry(name)
            .or_insert_with(|| (sign.clone(), now));
        if heard.0 != sign {
            *heard = (sign, now);
        }
        heard.1
    }

    /// Makes the conditions of a silent node Unknown; nothing where they are.
    async fn mark_unknown(&mut self, node: &Node) -> kube::Result<Option<Node>> {
        let known = node
            .status
            .as_ref()
            .and_then(|status| status.conditions.clone());
        let known = known.unwrap_or_default();
        if ready_condition(node).is_some_and(|ready| ready.status == "Unknown") {
            return Ok(None);
        }
        let now = Time(self.clock.now());
        let kinds = ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"];
        let conditions: Vec<Value> = kinds
            .iter()
            .map(|kind| {
                let heartbeat = known
                    .iter()
                    .find(|condition| condition.type_ == *kind)
                    .and_then(|condition| condition.last_heartbeat_time.clone());
                json!({
                    "type": kind, "status": "Unknown", "reason": "NodeStatusUnknown",
                    "message": "Kubelet stopped posting node status.",
                    "lastHeartbeatTime": heartbeat, "lastTransitionTime": now,
                })
            })
            .collect();
        let patch = Patch::Strategic(json!({ "status": { "conditions": conditions } }));
        let nodes: Api<Node> = Api::all(self.client.clone());
        let written = nodes
            .patch_status(&node.name_any(), &PatchParams::default(), &patch)
            .await?;
        self.nodes.wrote(written.clone());
        Ok(Some(written))
    }

    /// Brings the taints that follow the node's state in line with it; all others stay.
    async fn keep_taints(&mut self, node: &Node) -> kube::Result<()> {
        let ready = ready_condition(node).map_or("Unknown", |ready| ready.status.as_str());
        let unschedulable = node
            .spec
            .as_ref()
            .and_then(|spec| spec.unschedulable)
            .unwrap_or_default();
        let wanted: BTreeSet<(&str, &str)> = match ready {
            "True" => [].into(),
            "False" => [(NOT_READY, "NoSchedule"), (NOT_READY, "NoExecute")].into(),
            _ => [(UNREACHABLE, "NoSchedule"), (UNREACHABLE, "NoExecute")].into(),
        };
        let wanted: BTreeSet<(&str, &str)> = wanted
            .into_iter()
            .chain(unschedulable.then_some((UNSCHEDULABLE, "NoSchedule")))
            .collect();
        let taints = node
            .spec
            .as_ref()
            .and_then(|spec| spec.taints.clone())
            .unwrap_or_default();
        let ours = |taint: &str| [UNREACHABLE, NOT_READY, UNSCHEDULABLE].contains(&taint);
        let present: BTreeSet<(&str, &str)> = taints
            .iter()
            .filter(|taint| ours(&taint.key))
            .map(|taint| (taint.key.as_str(), taint.effect.as_str()))
            .collect();
        if present == wanted {
            return Ok(());
        }
        let kept = taints
            .iter()
            .filter(|taint| !ours(&taint.key))
            .map(|taint| json!(taint));
        let added = wanted.iter().map(|(key, effect)| {
            // A NoExecute taint says since when, and others may rely on it.
            let since = (*effect == "NoExecute").then(|| Time(self.clock.now()));
            json!({ "key": key, "effect": effect, "timeAdded": since })
        });
        let all: Vec<Value> = kept.chain(added).collect();
        // The whole list under the version it was read at: another writer's taint is never lost.
        let patch = Patch::Merge(json!({
            "metadata": { "resourceVersion": node.resource_version() },
            "spec": { "taints": all },
        }));
        let nodes: Api<Node> = Api::all(self.client.clone());
        match nodes
            .patch(&node.name_any(), &PatchParams::default(), &patch)
            .await
        {
            Ok(written) => self.nodes.wrote(written),
            // Changed or gone meanwhile: the watch brings the news, and another judgement.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Takes the Ready from the pods of a node that is not, and deletes them after their toleration.
    async fn keep_pods(
        &mut self,
        node: &Node,
        since: Instant,
        now: Instant,
    ) -> kube::Result<Option<Instant>> {
        let name = node.name_any();
        let pods: Vec<Pod> = self
            .pods
            .iter()
            .filter(|pod| {
                pod.spec.as_ref().and_then(|spec| spec.node_name.as_deref()) == Some(&name)
            })
            .cloned()
            .collect();
        let delete_at = since + self.pace.pod_toleration;
        let mut next = None;
        for pod in pods {
            if is_ready(&pod) {
                self.mark_not_ready(&pod).await?;
            }
            if pod.metadata.deletion_timestamp.is_some() || stays(&pod) {
                continue;
            }
            if now < delete_at {
                next = Some(delete_at);
                continue;
            }
            let pods: Api<Pod> =
                Api::namespaced(self.client.clone(), &pod.namespace().unwrap_or_default());
            ignore_absence(
                pods.delete(&pod.name_any(), &DeleteParams::default())
                    .await
                    .map(drop),
            )?;
        }
        Ok(next)
    }

    async fn mark_not_ready(&mut self, pod: &Pod) -> kube::Result<()> {
        let now = Time(self.clock.now());
        let patch = Patch::Strategic(json!({ "status": { "conditions": [
            { "type": "Ready", "status": "False", "lastTransitionTime": now },
        ]}}));
        let pods: Api<Pod> =
            Api::namespaced(self.client.clone(), &pod.namespace().unwrap_or_default());
        let known: Key = key(pod);
        match pods
            .patch_status(&known.1, &PatchParams::default(), &patch)
            .await
        {
            Ok(written) => self.pods.wrote(written),
            Err(error) => ignore_absence(Err(error))?,
        }
        Ok(())
    }
}

/// Whether `pod` stays on its node whatever the node's state.
fn stays(pod: &Pod) -> bool {
    let mirror = pod.annotations().contains_key(MIRROR);
    let daemon = pod
        .owner_references()
        .iter()
        .any(|owner| owner.kind == "DaemonSet");
    mirror || daemon
}

/// What is gone already needs no further work.
fn ignore_absence(answer: kube::Result<()>) -> kube::Result<()> {
    match answer {
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(()),
        answer => answer,
    }
}
