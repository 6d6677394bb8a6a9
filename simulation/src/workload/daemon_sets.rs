//! DaemonSets: one pod on each node that its template fits.

use super::replicas::{SUFFIX_LENGTH, pod_of};
use super::{Workloads, controlled_by, is_active, is_controlled_by, node_of, scheduler};
use crate::follow::key;
use crate::kubelet::is_ready;
use k8s_openapi::api::apps::v1::DaemonSet;
use k8s_openapi::api::core::v1::{Node, Pod, Toleration};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;

impl Workloads {
    /// One active pod of each DaemonSet on each node that it fits, and none elsewhere.
    pub(super) async fn keep_daemon_sets(&mut self) -> kube::Result<()> {
        let sets: Vec<DaemonSet> = self.daemon_sets.iter().cloned().collect();
        for set in sets {
            if set.metadata.deletion_timestamp.is_some() {
                continue;
            }
            self.keep_daemon_set(&set).await?;
        }
        Ok(())
    }

    async fn keep_daemon_set(&mut self, set: &DaemonSet) -> kube::Result<()> {
        let Some(spec) = &set.spec else { return Ok(()) };
        let mut template = spec.template.clone();
        let pod_spec = template.spec.get_or_insert_default();
        pod_spec
            .tolerations
            .get_or_insert_default()
            .extend(implied_tolerations());
        let nodes: Vec<Node> = self.nodes.iter().cloned().collect();
        let (mut wanted, mut ready) = (0, 0);
        for node in &nodes {
            let name = node.name_any();
            let present: Vec<Pod> = self
                .pods
                .iter()
                .filter(|pod| {
                    let own = is_controlled_by(*pod, set.uid().as_deref());
                    own && node_of(pod) == Some(&name) && is_active(pod)
                })
                .cloned()
                .collect();
            let fits = scheduler::fits(template.spec.as_ref(), node);
            wanted += i32::from(fits);
            ready += i32::from(present.iter().any(is_ready));
            for surplus in present.iter().skip(usize::from(fits)) {
                self.delete_pod(&key(surplus), &DeleteParams::default())
                    .await?;
            }
            if fits && present.is_empty() {
                let pod_name = format!("{}-{}", set.name_any(), self.names.suffix(SUFFIX_LENGTH));
                let mut pod = pod_of(
                    template.clone(),
                    pod_name,
                    set.namespace(),
                    controlled_by(set),
                );
                pod.spec.get_or_insert_default().node_name = Some(name);
                let pods: Api<Pod> =
                    Api::namespaced(self.client.clone(), &set.namespace().unwrap_or_default());
                let written = pods.create(&PostParams::default(), &pod).await?;
                self.pods.wrote(written);
            }
        }
        self.report_daemon_set(set, wanted, ready).await
    }

    async fn report_daemon_set(
        &mut self,
        set: &DaemonSet,
        wanted: i32,
        ready: i32,
    ) -> kube::Result<()> {
        let known = set.status.clone().unwrap_or_default();
        let same = known.desired_number_scheduled == wanted
            && known.number_ready == ready
            && known.observed_generation == set.metadata.generation;
        if same {
            return Ok(());
        }
        let patch = Patch::Merge(json!({ "status": {
            "observedGeneration": set.metadata.generation,
            "desiredNumberScheduled": wanted, "currentNumberScheduled": wanted, "numberMisscheduled": 0,
            "numberReady": ready, "numberAvailable": ready, "updatedNumberScheduled": wanted,
        }}));
        let sets: Api<DaemonSet> =
            Api::namespaced(self.client.clone(), &set.namespace().unwrap_or_default());
        let written = sets
            .patch_status(&set.name_any(), &PatchParams::default(), &patch)
            .await?;
        self.daemon_sets.wrote(written);
        Ok(())
    }
}

/// What Kubernetes lets every pod of a DaemonSet tolerate: states of the node that its pod may be needed in.
fn implied_tolerations() -> Vec<Toleration> {
    [
        "not-ready",
        "unreachable",
        "disk-pressure",
        "memory-pressure",
        "pid-pressure",
        "unschedulable",
    ]
    .iter()
    .map(|state| Toleration {
        key: Some(format!("node.kubernetes.io/{state}")),
        operator: Some("Exists".to_owned()),
        ..Toleration::default()
    })
    .collect()
}
