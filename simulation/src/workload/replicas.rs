//! Deployments and ReplicaSets: as many pods as wanted, and their counts in the status.

use super::{Workloads, controlled_by, is_active, is_controlled_by};
use crate::chance::fingerprint;
use crate::follow::{Key, key};
use crate::kubelet::is_ready;
use k8s_openapi::api::apps::v1::{Deployment, ReplicaSet, ReplicaSetSpec};
use k8s_openapi::api::core::v1::{Pod, PodTemplateSpec};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, OwnerReference};
use kube::api::{DeleteParams, Patch, PatchParams, PostParams};
use kube::{Api, ResourceExt};
use serde_json::json;

/// The label that tells the pods of one template of a deployment from those of another.
const TEMPLATE_HASH: &str = "pod-template-hash";
/// Letters and digits that make a pod's name its own.
pub(super) const SUFFIX_LENGTH: usize = 5;

impl Workloads {
    /// One ReplicaSet for the template of each deployment; those of earlier templates go to zero.
    pub(super) async fn keep_deployments(&mut self) -> kube::Result<()> {
        let deployments: Vec<Deployment> = self.deployments.iter().cloned().collect();
        for deployment in deployments {
            if deployment.metadata.deletion_timestamp.is_some() {
                continue;
            }
            let Some(set) = replica_set(&deployment) else {
                continue;
            };
            let replicas = deployment
                .spec
                .as_ref()
                .and_then(|spec| spec.replicas)
                .unwrap_or(1);
            match self.replica_sets.get(&key(&set)).map(wanted_replicas) {
                None => {
                    let sets: Api<ReplicaSet> =
                        Api::namespaced(self.client.clone(), &set.namespace().unwrap_or_default());
                    let written = sets.create(&PostParams::default(), &set).await?;
                    self.replica_sets.wrote(written);
                }
                Some(present) => self.scale(&key(&set), present, replicas).await?,
            }
            let uid = deployment.uid();
            let earlier: Vec<(Key, i32)> = self
                .replica_sets
                .iter()
                .filter(|other| {
                    is_controlled_by(*other, uid.as_deref()) && key(*other) != key(&set)
                })
                .map(|other| (key(other), wanted_replicas(other)))
                .collect();
            for (other, present) in earlier {
                self.scale(&other, present, 0).await?;
            }
            self.report_deployment(&deployment, &key(&set)).await?;
        }
        Ok(())
    }

    async fn scale(&mut self, set: &Key, present: i32, wanted: i32) -> kube::Result<()> {
        if present == wanted {
            return Ok(());
        }
        let sets: Api<ReplicaSet> = Api::namespaced(self.client.clone(), &set.0);
        let patch = Patch::Merge(json!({ "spec": { "replicas": wanted } }));
        let written = sets.patch(&set.1, &PatchParams::default(), &patch).await?;
        self.replica_sets.wrote(written);
        Ok(())
    }

    async fn report_deployment(&mut self, deployment: &Deployment, set: &Key) -> kube::Result<()> {
        let counts = self
            .replica_sets
            .get(set)
            .and_then(|set| set.status.clone())
            .unwrap_or_default();
        let ready = counts.ready_replicas.unwrap_or_default();
        let known = deployment.status.clone().unwrap_or_default();
        let same = known.replicas.unwrap_or_default() == counts.replicas
            && known.ready_replicas.unwrap_or_default() == ready
            && known.observed_generation == deployment.metadata.generation;
        if same {
            return Ok(());
        }
        let patch = Patch::Merge(json!({ "status": {
            "observedGeneration": deployment.metadata.generation,
            "replicas": counts.replicas, "updatedReplicas": counts.replicas,
            "readyReplicas": ready, "availableReplicas": ready,
            "unavailableReplicas": (counts.replicas - ready).max(0),
        }}));
        let all: Api<Deployment> = Api::namespaced(
            self.client.clone(),
            &deployment.namespace().unwrap_or_default(),
        );
        let written = all
            .patch_status(&deployment.name_any(), &PatchParams::default(), &patch)
            .await?;
        self.deployments.wrote(written);
        Ok(())
    }

    /// As many active pods as each ReplicaSet wants.
    pub(super) async fn keep_replica_sets(&mut self) -> kube::Result<()> {
        let sets: Vec<ReplicaSet> = self.replica_sets.iter().cloned().collect();
        for set in sets {
            if set.metadata.deletion_timestamp.is_some() {
                continue;
            }
            let wanted = usize::try_from(wanted_replicas(&set)).unwrap_or_default();
            let mut active = self.active_pods(set.uid().as_deref());
            for _ in active.len()..wanted {
                self.create_replica(&set).await?;
            }
            if active.len() > wanted {
                // As Kubernetes: what serves nobody goes first, then the youngest.
                active.sort_by_key(|pod| {
                    (
                        is_ready(pod),
                        std::cmp::Reverse(pod.creation_timestamp()),
                        key(pod),
                    )
                });
                let surplus = active.len() - wanted;
                for pod in active.iter().take(surplus) {
                    self.delete_pod(&key(pod), &DeleteParams::default()).await?;
                }
            }
            self.report_replica_set(&set).await?;
        }
        Ok(())
    }

    async fn create_replica(&mut self, set: &ReplicaSet) -> kube::Result<()> {
        let template = set
            .spec
            .as_ref()
            .and_then(|spec| spec.template.clone())
            .unwrap_or_default();
        let name = format!("{}-{}", set.name_any(), self.names.suffix(SUFFIX_LENGTH));
        let pod = pod_of(template, name, set.namespace(), controlled_by(set));
        let pods: Api<Pod> =
            Api::namespaced(self.client.clone(), &set.namespace().unwrap_or_default());
        let written = pods.create(&PostParams::default(), &pod).await?;
        self.pods.wrote(written);
        Ok(())
    }

    async fn report_replica_set(&mut self, set: &ReplicaSet) -> kube::Result<()> {
        let active = self.active_pods(set.uid().as_deref());
        let replicas = i32::try_from(active.len()).unwrap_or(i32::MAX);
        let ready = active.iter().filter(|pod| is_ready(pod)).count();
        let ready = i32::try_from(ready).unwrap_or(i32::MAX);
        let known = set.status.clone().unwrap_or_default();
        let same = known.replicas == replicas
            && known.ready_replicas.unwrap_or_default() == ready
            && known.observed_generation == set.metadata.generation;
        if same {
            return Ok(());
        }
        let patch = Patch::Merge(json!({ "status": {
            "observedGeneration": set.metadata.generation, "replicas": replicas,
            "fullyLabeledReplicas": replicas, "readyReplicas": ready, "availableReplicas": ready,
        }}));
        let sets: Api<ReplicaSet> =
            Api::namespaced(self.client.clone(), &set.namespace().unwrap_or_default());
        let written = sets
            .patch_status(&set.name_any(), &PatchParams::default(), &patch)
            .await?;
        self.replica_sets.wrote(written);
        Ok(())
    }

    fn active_pods(&self, owner: Option<&str>) -> Vec<Pod> {
        self.pods
            .iter()
            .filter(|pod| is_active(pod) && is_controlled_by(*pod, owner))
            .cloned()
            .collect()
    }
}

/// A pod made from `template`.
pub(super) fn pod_of(
    template: PodTemplateSpec,
    name: String,
    namespace: Option<String>,
    owner: Option<OwnerReference>,
) -> Pod {
    let metadata = template.metadata.unwrap_or_default();
    Pod {
        metadata: ObjectMeta {
            name: Some(name),
            namespace,
            labels: metadata.labels,
            annotations: metadata.annotations,
            owner_references: owner.map(|owner| vec![owner]),
            ..ObjectMeta::default()
        },
        spec: template.spec,
        status: None,
    }
}

fn wanted_replicas(set: &ReplicaSet) -> i32 {
    set.spec
        .as_ref()
        .and_then(|spec| spec.replicas)
        .unwrap_or(1)
}

/// The ReplicaSet that `deployment`'s present template wants; nothing where it has no spec or uid.
fn replica_set(deployment: &Deployment) -> Option<ReplicaSet> {
    let spec = deployment.spec.as_ref()?;
    let hash = template_hash(&spec.template);
    let mut template = spec.template.clone();
    let metadata = template.metadata.get_or_insert_default();
    metadata
        .labels
        .get_or_insert_default()
        .insert(TEMPLATE_HASH.to_owned(), hash.clone());
    let mut selector = spec.selector.clone();
    selector
        .match_labels
        .get_or_insert_default()
        .insert(TEMPLATE_HASH.to_owned(), hash.clone());
    Some(ReplicaSet {
        metadata: ObjectMeta {
            name: Some(format!("{}-{hash}", deployment.name_any())),
            namespace: deployment.namespace(),
            labels: template
                .metadata
                .as_ref()
                .and_then(|metadata| metadata.labels.clone()),
            owner_references: Some(vec![controlled_by(deployment)?]),
            ..ObjectMeta::default()
        },
        spec: Some(ReplicaSetSpec {
            replicas: spec.replicas,
            selector,
            template: Some(template),
            ..ReplicaSetSpec::default()
        }),
        status: None,
    })
}

fn template_hash(template: &PodTemplateSpec) -> String {
    let text = serde_json::to_string(template).unwrap_or_default();
    format!("{:016x}", fingerprint(&text))
        .chars()
        .take(10)
        .collect()
}
