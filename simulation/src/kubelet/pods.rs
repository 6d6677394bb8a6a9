//! The pods of one simulated kubelet.

use crate::follow::Follow;
use crate::machine::{Machine, StaticPod};
use api::clock::Clock;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{DeleteParams, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Client, ResourceExt};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How many seconds a pod's containers take to end, where it is not the fleet's usual time.
pub(crate) const STOP_SECONDS: &str = "simulation.windlass.dev/stop-seconds";
/// Marks the API server's mirror of a static pod.
pub(crate) const MIRROR: &str = "kubernetes.io/config.mirror";
/// Where static pods live.
const STATIC_NAMESPACE: &str = "kube-system";

/// The containers of one boot by the uid of their pod; they outlive the kubelet's process.
#[derive(Debug, Default)]
pub(super) struct Containers(BTreeMap<String, Container>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Container {
    StartsAt(Instant),
    Runs,
    EndsAt(Instant),
    /// They have ended, and their pod was taken off the API server: the watch need not have shown it.
    Gone,
}

/// Brings containers and pods together.
pub(super) struct Pods {
    machine: Arc<Machine>,
    client: Client,
    clock: Clock,
    pub(super) follow: Follow<Pod>,
}

impl Pods {
    pub(super) fn new(
        machine: &Arc<Machine>,
        client: &Client,
        clock: &Clock,
        follow: Follow<Pod>,
    ) -> Self {
        Self {
            machine: Arc::clone(machine),
            client: client.clone(),
            clock: clock.clone(),
            follow,
        }
    }

    /// Does all that is due; says when the next thing is. New containers start only where the runtime serves.
    pub(super) async fn act(
        &mut self,
        containers: &mut Containers,
        runtime: bool,
        now: Instant,
    ) -> kube::Result<Option<Instant>> {
        if !self.follow.listed() {
            return Ok(None);
        }
        self.mirror_static_pods().await?;
        let pods: Vec<Pod> = self.follow.iter().cloned().collect();
        let uids: BTreeSet<String> = pods.iter().filter_map(ResourceExt::uid).collect();
        containers.0.retain(|uid, _| uids.contains(uid));
        for pod in &pods {
            let Some(uid) = pod.uid() else { continue };
            let container = containers.0.get(&uid).copied();
            match self.next(pod, container, runtime, now).await? {
                Some(container) => containers.0.insert(uid, container),
                None => containers.0.remove(&uid),
            };
        }
        Ok(containers
            .0
            .values()
            .filter_map(|container| match container {
                Container::StartsAt(at) if !runtime && *at <= now => None,
                Container::StartsAt(at) | Container::EndsAt(at) => Some(*at),
                Container::Runs | Container::Gone => None,
            })
            .min())
    }

    /// What becomes of the containers of `pod`; nothing where it has none any more.
    async fn next(
        &mut self,
        pod: &Pod,
        container: Option<Container>,
        runtime: bool,
        now: Instant,
    ) -> kube::Result<Option<Container>> {
        if let Some(deletion) = &pod.metadata.deletion_timestamp {
            let grace = pod
                .metadata
                .deletion_grace_period_seconds
                .unwrap_or_default();
            let ends_at = match container {
                // Its containers died with an earlier boot.
                None | Some(Container::StartsAt(_)) => now,
                Some(Container::Gone) => return Ok(container),
                Some(Container::EndsAt(at)) => at,
                Some(Container::Runs) => now + self.stop_time(pod, deletion, grace),
            };
            if ends_at > now {
                return Ok(Some(Container::EndsAt(ends_at)));
            }
            self.remove(pod).await?;
            return Ok(Some(Container::Gone));
        }
        if matches!(phase(pod), Some("Succeeded" | "Failed")) {
            return Ok(None);
        }
        let is_ready = is_ready(pod);
        match container {
            None => {
                if is_ready {
                    self.report(pod, false).await?;
                }
                Ok(Some(Container::StartsAt(
                    now + self.machine.pace().pod_start,
                )))
            }
            Some(Container::StartsAt(at)) if at > now || !runtime => Ok(container),
            Some(_) => {
                if !is_ready {
                    self.report(pod, true).await?;
                }
                Ok(Some(Container::Runs))
            }
        }
    }

    /// How long the containers of a deleted pod still run.
    fn stop_time(&self, pod: &Pod, deletion: &Time, grace_seconds: i64) -> Duration {
        let own = pod
            .annotations()
            .get(STOP_SECONDS)
            .and_then(|seconds| seconds.parse().ok());
        let wanted = own.map_or(self.machine.pace().pod_stop, Duration::from_secs);
        let grace = Duration::from_secs(u64::try_from(grace_seconds).unwrap_or_default());
        // deletionTimestamp is when the grace ends; a kubelet that comes late gives no more than what is left.
        let left = deletion.0.duration_since(self.clock.now());
        let left = Duration::try_from(left).unwrap_or_default();
        wanted.min(grace).min(left.max(Duration::from_millis(1)))
    }

    async fn remove(&mut self, pod: &Pod) -> kube::Result<()> {
        let preconditions = Preconditions {
            uid: pod.uid(),
            resource_version: None,
        };
        let now = DeleteParams {
            grace_period_seconds: Some(0),
            preconditions: Some(preconditions),
            ..DeleteParams::default()
        };
        match self.api(pod).delete(&pod.name_any(), &now).await {
            // Gone already, or a successor has its name.
            Err(kube::Error::Api(status)) if matches!(status.code, 404 | 409) => {}
            answer => drop(answer?),
        }
        Ok(())
    }

    async fn report(&mut self, pod: &Pod, ready: bool) -> kube::Result<()> {
        let patch = Patch::Merge(json!({ "status": self.status(pod, ready) }));
        match self
            .api(pod)
            .patch_status(&pod.name_any(), &PatchParams::default(), &patch)
            .await
        {
            Ok(written) => self.follow.wrote(written),
            Err(kube::Error::Api(status)) if status.code == 404 => {}
            Err(error) => return Err(error),
        }
        Ok(())
    }

    fn status(&self, pod: &Pod, ready: bool) -> Value {
        let now = Time(self.clock.now());
        let word = if ready { "True" } else { "False" };
        let ran = phase(pod) == Some("Running");
        let conditions: Vec<Value> = ["PodScheduled", "Initialized", "ContainersReady", "Ready"]
            .iter()
            .map(|kind| {
                let status = if kind.ends_with("Ready") {
                    word
                } else {
                    "True"
                };
                json!({ "type": kind, "status": status, "lastTransitionTime": now })
            })
            .collect();
        let statuses: Vec<Value> = pod
            .spec
            .iter()
            .flat_map(|spec| &spec.containers)
            .map(|container| {
                let state = if ready {
                    json!({ "running": { "startedAt": now } })
                } else {
                    json!({ "waiting": { "reason": "ContainerCreating" } })
                };
                json!({
                    "name": container.name, "image": container.image.clone().unwrap_or_default(), "imageID": "",
                    "ready": ready, "started": ready, "restartCount": 0, "state": state,
                })
            })
            .collect();
        json!({
            // A pod that has run stays Running while its containers are started again.
            "phase": if ready || ran { "Running" } else { "Pending" },
            "hostIP": self.machine.address(),
            "startTime": pod.status.as_ref().and_then(|status| status.start_time.clone()).unwrap_or(now),
            "conditions": conditions,
            "containerStatuses": statuses,
        })
    }

    /// The API server's mirrors of the static pods, which nobody can delete for good.
    async fn mirror_static_pods(&mut self) -> kube::Result<()> {
        for wanted in self.machine.spec().static_pods.clone() {
            let name = format!("{}-{}", wanted.name, self.machine.name());
            if self
                .follow
                .get(&(STATIC_NAMESPACE.to_owned(), name.clone()))
                .is_some()
            {
                continue;
            }
            let pod = self.mirror(&name, &wanted)?;
            let pods: Api<Pod> = Api::namespaced(self.client.clone(), STATIC_NAMESPACE);
            match pods.create(&PostParams::default(), &pod).await {
                Ok(written) => self.follow.wrote(written),
                // The watch brings it.
                Err(kube::Error::Api(status)) if status.code == 409 => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn mirror(&self, name: &str, wanted: &StaticPod) -> kube::Result<Pod> {
        let fingerprint = format!("{:016x}", crate::chance::fingerprint(&wanted.image));
        let pod = json!({
            "apiVersion": "v1", "kind": "Pod",
            "metadata": {
                "name": name,
                "namespace": STATIC_NAMESPACE,
                "labels": { "component": wanted.name, "tier": "control-plane" },
                "annotations": { MIRROR: fingerprint, "kubernetes.io/config.source": "file" },
            },
            "spec": {
                "nodeName": self.machine.name(),
                "priorityClassName": "system-node-critical",
                "containers": [{ "name": wanted.name, "image": wanted.image }],
                "tolerations": [{ "operator": "Exists", "effect": "NoExecute" }],
            },
        });
        serde_json::from_value(pod).map_err(kube::Error::SerdeError)
    }

    fn api(&self, pod: &Pod) -> Api<Pod> {
        Api::namespaced(self.client.clone(), &pod.namespace().unwrap_or_default())
    }
}

/// The phase of `pod`, as its status says.
pub(crate) fn phase(pod: &Pod) -> Option<&str> {
    pod.status.as_ref()?.phase.as_deref()
}

/// Whether `pod` has the condition Ready.
pub(crate) fn is_ready(pod: &Pod) -> bool {
    pod.status
        .as_ref()
        .and_then(|status| status.conditions.as_ref())
        .is_some_and(|all| {
            all.iter()
                .any(|one| one.type_ == "Ready" && one.status == "True")
        })
}
