//! The workloads of the simulated cluster and the controllers that keep them: deployments whose pods move to other
//! nodes, DaemonSets, the scheduler, and the status of PodDisruptionBudgets.
//!
//! # Guarantees
//! Level-triggered and deterministic: after each change everything is looked at again, in the order of names. A budget's
//! status is written under the version that it was read at, so no eviction that the API server has granted is forgotten.
//! # Assumptions
//! One instance per cluster. Owned objects of something deleted are collected by the API server.

mod daemon_sets;
mod disruption;
mod replicas;
mod scheduler;

use crate::chance::Chance;
use crate::follow::{Follow, Key};
use api::clock::Clock;
use k8s_openapi::api::apps::v1::{DaemonSet, Deployment, ReplicaSet};
use k8s_openapi::api::core::v1::{Node, Pod};
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::OwnerReference;
use kube::api::DeleteParams;
use kube::{Api, Client, Resource, ResourceExt};
use std::time::Duration;
use tokio::time::Instant;

/// How long a request that failed rests before it is tried again.
const RETRY_DELAY: Duration = Duration::from_secs(1);
/// Nothing of this happens by time; a full look now and then repairs what a fault has hidden.
const RESYNC_INTERVAL: Duration = Duration::from_mins(1);

/// The controllers of one cluster's workloads.
pub struct Workloads {
    client: Client,
    scheduler: Client,
    clock: Clock,
    names: Chance,
    nodes: Follow<Node>,
    pods: Follow<Pod>,
    deployments: Follow<Deployment>,
    replica_sets: Follow<ReplicaSet>,
    daemon_sets: Follow<DaemonSet>,
    budgets: Follow<PodDisruptionBudget>,
}

impl Workloads {
    /// Controllers that act as `client`, and a scheduler that acts as `scheduler`.
    pub fn new(client: Client, scheduler: Client, clock: Clock, chance: &Chance) -> Self {
        Self {
            nodes: Follow::new(Api::all(client.clone()), ""),
            pods: Follow::new(Api::all(client.clone()), ""),
            deployments: Follow::new(Api::all(client.clone()), ""),
            replica_sets: Follow::new(Api::all(client.clone()), ""),
            daemon_sets: Follow::new(Api::all(client.clone()), ""),
            budgets: Follow::new(Api::all(client.clone()), ""),
            names: chance.branch("pod-names"),
            client,
            scheduler,
            clock,
        }
    }

    /// Runs them for ever.
    pub async fn run(mut self) {
        loop {
            let rest = match self.act().await {
                Ok(()) => RESYNC_INTERVAL,
                Err(error) => {
                    tracing::debug!(error = %error, "a request of a workload controller failed");
                    RETRY_DELAY
                }
            };
            self.changed(Instant::now() + rest).await;
        }
    }

    /// Waits for any change, until `wake` at the latest, and takes in all that has come by then.
    async fn changed(&mut self, wake: Instant) {
        tokio::select! {
            biased;
            () = self.nodes.change() => {}
            () = self.pods.change() => {}
            () = self.deployments.change() => {}
            () = self.replica_sets.change() => {}
            () = self.daemon_sets.change() => {}
            () = self.budgets.change() => {}
            () = tokio::time::sleep_until(wake) => {}
        }
        self.nodes.catch_up();
        self.pods.catch_up();
        self.deployments.catch_up();
        self.replica_sets.catch_up();
        self.daemon_sets.catch_up();
        self.budgets.catch_up();
    }

    async fn act(&mut self) -> kube::Result<()> {
        let listed = self.nodes.listed()
            && self.pods.listed()
            && self.deployments.listed()
            && self.replica_sets.listed()
            && self.daemon_sets.listed()
            && self.budgets.listed();
        if !listed {
            return Ok(());
        }
        self.keep_deployments().await?;
        self.keep_replica_sets().await?;
        self.keep_daemon_sets().await?;
        self.collect_orphans().await?;
        self.bind_pods().await?;
        self.keep_budgets().await
    }

    /// Deletes the pods of nodes that no longer exist, as the garbage collector of pods does.
    async fn collect_orphans(&mut self) -> kube::Result<()> {
        let orphans: Vec<Key> = self
            .pods
            .iter()
            .filter(|pod| {
                let node = pod.spec.as_ref().and_then(|spec| spec.node_name.clone());
                node.is_some_and(|node| self.nodes.get(&(String::new(), node)).is_none())
            })
            .map(crate::follow::key)
            .collect();
        for orphan in orphans {
            self.delete_pod(&orphan, &DeleteParams::default().grace_period(0))
                .await?;
        }
        Ok(())
    }

    async fn delete_pod(&mut self, key: &Key, how: &DeleteParams) -> kube::Result<()> {
        let pods: Api<Pod> = Api::namespaced(self.client.clone(), &key.0);
        match pods.delete(&key.1, how).await {
            Ok(either) => {
                // A pod that is bound answers with its deletion under way; any other is gone.
                match either.left().filter(|pod| node_of(pod).is_some()) {
                    Some(pod) => self.pods.wrote(pod),
                    None => self.pods.removed(key),
                }
                Ok(())
            }
            Err(kube::Error::Api(status)) if status.code == 404 => {
                self.pods.removed(key);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }
}

/// The reference to `owner` as the controller of something; nothing where it has no uid yet.
fn controlled_by<K>(owner: &K) -> Option<OwnerReference>
where
    K: Resource<DynamicType = ()>,
{
    owner.controller_owner_ref(&())
}

/// Whether `object` is controlled by the object with `uid`.
fn is_controlled_by<K: Resource>(object: &K, uid: Option<&str>) -> bool {
    object
        .owner_references()
        .iter()
        .any(|owner| owner.controller == Some(true) && Some(owner.uid.as_str()) == uid)
}

/// Whether `pod` still counts for those who want it: not ended, and nobody has told it to.
fn is_active(pod: &Pod) -> bool {
    let ended = matches!(crate::kubelet::phase(pod), Some("Succeeded" | "Failed"));
    pod.metadata.deletion_timestamp.is_none() && !ended
}

/// The node that `pod` is bound to.
fn node_of(pod: &Pod) -> Option<&str> {
    pod.spec
        .as_ref()?
        .node_name
        .as_deref()
        .filter(|name| !name.is_empty())
}
