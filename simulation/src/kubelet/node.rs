//! The Node and the Lease of one simulated kubelet.

use crate::follow::Follow;
use crate::machine::Machine;
use crate::version::Version;
use api::clock::Clock;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{MicroTime, Time};
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Client};
use serde_json::{Value, json};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// The namespace of the Leases of nodes.
pub(crate) const LEASE_NAMESPACE: &str = "kube-node-lease";
/// How often an unchanged status is reported all the same (`nodeStatusReportFrequency`).
const REPORT_INTERVAL: Duration = Duration::from_mins(5);
/// For how long a renewal counts, in the Lease's own field.
const LEASE_SECONDS: i32 = 40;

/// Keeps Node and Lease of one kubelet process.
pub(super) struct Heartbeat {
    machine: Arc<Machine>,
    nodes: Api<Node>,
    leases: Api<Lease>,
    clock: Clock,
    version: Version,
    renew_at: Instant,
    report_at: Instant,
}

impl Heartbeat {
    pub(super) fn new(
        machine: &Arc<Machine>,
        client: &Client,
        clock: &Clock,
        version: Version,
    ) -> Self {
        let now = Instant::now();
        Self {
            machine: Arc::clone(machine),
            nodes: Api::all(client.clone()),
            leases: Api::namespaced(client.clone(), LEASE_NAMESPACE),
            clock: clock.clone(),
            version,
            renew_at: now,
            report_at: now,
        }
    }

    /// Reports and renews where that is due; says when it is due again.
    pub(super) async fn beat(
        &mut self,
        node: &mut Follow<Node>,
        ready: &Result<(), String>,
        now: Instant,
    ) -> kube::Result<Instant> {
        if !node.listed() {
            // The Node is not known yet; its list arrives as a change.
            return Ok(now + REPORT_INTERVAL);
        }
        if node.iter().next().is_none() {
            let node_object = self.registration();
            node.wrote(
                self.nodes
                    .create(&PostParams::default(), &node_object)
                    .await?,
            );
        }
        let told = node
            .iter()
            .next()
            .is_some_and(|node| self.is_told(node, ready));
        if !told || now >= self.report_at {
            let known = node.iter().next().cloned();
            if let Some(known) = &known {
                let status = self.status(known, ready);
                let written = self
                    .nodes
                    .patch_status(
                        self.machine.name(),
                        &PatchParams::default(),
                        &Patch::Strategic(status),
                    )
                    .await?;
                node.wrote(written);
            }
            self.report_at = now + REPORT_INTERVAL;
        }
        if now >= self.renew_at {
            self.renew().await?;
            self.renew_at = now + self.machine.pace().lease_renewal;
        }
        Ok(self.renew_at.min(self.report_at))
    }

    /// The Node as a kubelet registers it.
    fn registration(&self) -> Node {
        let spec = self.machine.spec();
        let mut node = Node::default();
        node.metadata.name = Some(spec.name.clone());
        node.metadata.labels = Some(
            spec.node_labels
                .clone()
                .into_iter()
                .chain([
                    ("kubernetes.io/hostname".to_owned(), spec.name.clone()),
                    ("kubernetes.io/os".to_owned(), "linux".to_owned()),
                    ("kubernetes.io/arch".to_owned(), "amd64".to_owned()),
                ])
                .collect(),
        );
        node
    }

    /// Whether the server already holds what this kubelet would report.
    fn is_told(&self, node: &Node, ready: &Result<(), String>) -> bool {
        let Some(status) = &node.status else {
            return false;
        };
        let info = status.node_info.as_ref();
        let same_boot = info.is_some_and(|info| {
            info.boot_id == self.machine.boot_id()
                && info.kubelet_version == format!("v{}", self.version)
        });
        let condition = ready_condition(node);
        same_boot
            && condition.is_some_and(|condition| {
                let message = condition.message.as_deref().unwrap_or_default();
                match ready {
                    Ok(()) => condition.status == "True",
                    Err(words) => condition.status == "False" && message == words,
                }
            })
    }

    fn status(&self, known: &Node, ready: &Result<(), String>) -> Value {
        let spec = self.machine.spec();
        let now = Time(self.clock.now());
        let (status, reason, message) = match ready {
            Ok(()) => ("True", "KubeletReady", "kubelet is posting ready status"),
            Err(words) => ("False", "KubeletNotReady", words.as_str()),
        };
        let since = ready_condition(known)
            .filter(|condition| condition.status == status)
            .and_then(|condition| condition.last_transition_time.clone())
            .unwrap_or_else(|| now.clone());
        let mut conditions: Vec<Value> = ["MemoryPressure", "DiskPressure", "PIDPressure"]
            .iter()
            .map(|kind| {
                json!({
                    "type": kind, "status": "False", "reason": format!("KubeletHasSufficient{}", resource(kind)),
                    "message": "kubelet has enough of it", "lastHeartbeatTime": now, "lastTransitionTime": since,
                })
            })
            .collect();
        conditions.push(json!({
            "type": "Ready", "status": status, "reason": reason, "message": message,
            "lastHeartbeatTime": now, "lastTransitionTime": since,
        }));
        let capacity =
            json!({ "cpu": "8", "memory": "32Gi", "pods": "250", "ephemeral-storage": "120Gi" });
        json!({ "status": {
            "conditions": conditions,
            "capacity": capacity,
            "allocatable": capacity,
            "addresses": [
                { "type": "InternalIP", "address": self.machine.address() },
                { "type": "Hostname", "address": spec.name },
            ],
            "nodeInfo": {
                "architecture": "amd64",
                "bootID": self.machine.boot_id(),
                "containerRuntimeVersion": "cri-o://1.34.0",
                "kernelVersion": "6.12.0-100.el10.x86_64",
                "kubeProxyVersion": "",
                "kubeletVersion": format!("v{}", self.version),
                "machineID": self.machine.files().text("/etc/machine-id").unwrap_or_default().trim(),
                "operatingSystem": "linux",
                "osImage": format!("{} {}", spec.os_id, spec.os_version),
                "systemUUID": self.machine.files().text("/etc/machine-id").unwrap_or_default().trim(),
            },
        }})
    }

    async fn renew(&self) -> kube::Result<()> {
        let name = self.machine.name();
        let spec = json!({
            "holderIdentity": name,
            "leaseDurationSeconds": LEASE_SECONDS,
            "renewTime": MicroTime(self.clock.now()),
        });
        let renewal = Patch::Merge(json!({ "spec": spec }));
        match self
            .leases
            .patch(name, &PatchParams::default(), &renewal)
            .await
        {
            Err(kube::Error::Api(status)) if status.code == 404 => {
                let lease = json!({
                    "apiVersion": "coordination.k8s.io/v1", "kind": "Lease",
                    "metadata": { "name": name, "namespace": LEASE_NAMESPACE }, "spec": spec,
                });
                let lease: Lease =
                    serde_json::from_value(lease).map_err(kube::Error::SerdeError)?;
                self.leases
                    .create(&PostParams::default(), &lease)
                    .await
                    .map(drop)
            }
            answer => answer.map(drop),
        }
    }
}

/// The Ready condition of `node`, if it has one.
pub(crate) fn ready_condition(node: &Node) -> Option<&k8s_openapi::api::core::v1::NodeCondition> {
    let conditions = node.status.as_ref()?.conditions.as_ref()?;
    conditions
        .iter()
        .find(|condition| condition.type_ == "Ready")
}

/// The resource that a pressure condition is about, as kubelets name it in reasons.
fn resource(kind: &str) -> &'static str {
    match kind {
        "MemoryPressure" => "Memory",
        "PIDPressure" => "PID",
        _ => "Disk",
    }
}
