//! Keeps the status of PodDisruptionBudgets true, as the disruption controller of Kubernetes does.
//!
//! The API server takes one off `disruptionsAllowed` with each eviction that it grants and names the pod in
//! `disruptedPods`; here the truth is counted again and both are put right.

use super::{Workloads, is_active};
use crate::kubelet::is_ready;
use k8s_openapi::api::core::v1::Pod;
use k8s_openapi::api::policy::v1::{PodDisruptionBudget, PodDisruptionBudgetStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{Condition, Time};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use k8s_openapi::jiff::SignedDuration;
use kube::api::PostParams;
use kube::core::{Selector, SelectorExt};
use kube::{Api, ResourceExt};
use std::collections::BTreeMap;

/// For how long a granted eviction counts while its pod shows no deletion (`DeletionTimeout` of Kubernetes).
const DISRUPTED_FOR: SignedDuration = SignedDuration::from_mins(2);
/// How often a status is counted again when an eviction comes between; each try reads the newest.
const TRIES_MAX: usize = 4;

impl Workloads {
    /// Counts every budget again and writes what has changed.
    pub(super) async fn keep_budgets(&mut self) -> kube::Result<()> {
        let budgets: Vec<PodDisruptionBudget> = self.budgets.iter().cloned().collect();
        for budget in budgets {
            self.keep_budget(budget).await?;
        }
        Ok(())
    }

    async fn keep_budget(&mut self, mut budget: PodDisruptionBudget) -> kube::Result<()> {
        let all: Api<PodDisruptionBudget> =
            Api::namespaced(self.client.clone(), &budget.namespace().unwrap_or_default());
        for _ in 0..TRIES_MAX {
            let status = self.count(&budget);
            if budget.status.as_ref() == Some(&status) {
                return Ok(());
            }
            let mut counted = budget.clone();
            counted.status = Some(status);
            match all
                .replace_status(&budget.name_any(), &PostParams::default(), &counted)
                .await
            {
                Ok(written) => {
                    self.budgets.wrote(written);
                    return Ok(());
                }
                Err(kube::Error::Api(answer)) if answer.code == 409 => {
                    budget = all.get(&budget.name_any()).await?;
                    self.budgets.wrote(budget.clone());
                    // The eviction that came between has changed a pod, too.
                    self.pods.catch_up();
                }
                Err(kube::Error::Api(answer)) if answer.code == 404 => return Ok(()),
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn count(&self, budget: &PodDisruptionBudget) -> PodDisruptionBudgetStatus {
        let pods = self.covered(budget);
        let known = budget.status.clone().unwrap_or_default();
        let disrupted = self.still_disrupted(&known, &pods);
        let healthy = pods
            .iter()
            .filter(|pod| {
                is_ready(pod) && is_active(pod) && !disrupted.contains_key(&pod.name_any())
            })
            .count();
        let (expected, desired) = self.demand(budget, &pods);
        let healthy = i32::try_from(healthy).unwrap_or(i32::MAX);
        let allowed = if expected > 0 {
            (healthy - desired).max(0)
        } else {
            0
        };
        PodDisruptionBudgetStatus {
            conditions: Some(vec![self.condition(budget, &known, allowed)]),
            current_healthy: healthy,
            desired_healthy: desired,
            disrupted_pods: (!disrupted.is_empty()).then_some(disrupted),
            disruptions_allowed: allowed,
            expected_pods: expected,
            observed_generation: budget.metadata.generation,
        }
    }

    /// The pods that the budget is about. Pods that have ended count for nothing.
    fn covered(&self, budget: &PodDisruptionBudget) -> Vec<&Pod> {
        let selector = budget.spec.as_ref().and_then(|spec| spec.selector.clone());
        let Some(Ok(selector)) = selector.map(Selector::try_from) else {
            return Vec::new();
        };
        self.pods
            .iter()
            .filter(|pod| pod.namespace() == budget.namespace() && selector.matches(pod.labels()))
            .filter(|pod| !matches!(crate::kubelet::phase(pod), Some("Succeeded" | "Failed")))
            .collect()
    }

    fn still_disrupted(
        &self,
        known: &PodDisruptionBudgetStatus,
        pods: &[&Pod],
    ) -> BTreeMap<String, Time> {
        let now = self.clock.now();
        known
            .disrupted_pods
            .iter()
            .flatten()
            .filter(|(name, since)| {
                let waits = pods
                    .iter()
                    .any(|pod| pod.name_any() == **name && is_active(pod));
                waits && now.duration_since(since.0) < DISRUPTED_FOR
            })
            .map(|(name, since)| (name.clone(), since.clone()))
            .collect()
    }

    /// How many pods are expected, and how many of them have to be healthy.
    fn demand(&self, budget: &PodDisruptionBudget, pods: &[&Pod]) -> (i32, i32) {
        let Some(spec) = &budget.spec else {
            return (0, 0);
        };
        match (&spec.max_unavailable, &spec.min_available) {
            (Some(most), _) => {
                let expected = self.scale_of(pods);
                (expected, (expected - scaled(most, expected)).max(0))
            }
            (None, Some(IntOrString::Int(least))) => {
                (i32::try_from(pods.len()).unwrap_or(i32::MAX), *least)
            }
            (None, Some(least)) => {
                let expected = self.scale_of(pods);
                (expected, scaled(least, expected))
            }
            (None, None) => (0, 0),
        }
    }

    /// How many pods the controllers of `pods` want in all; a pod without a controller is not counted.
    fn scale_of(&self, pods: &[&Pod]) -> i32 {
        let mut controllers: BTreeMap<&str, i32> = BTreeMap::new();
        for owner in pods.iter().flat_map(|pod| pod.owner_references()) {
            if owner.controller != Some(true) {
                continue;
            }
            let set = self
                .replica_sets
                .iter()
                .find(|set| set.metadata.uid.as_deref() == Some(&owner.uid));
            let replicas = set.and_then(|set| set.spec.as_ref()?.replicas);
            controllers.insert(&owner.uid, replicas.unwrap_or_default());
        }
        controllers.values().sum()
    }

    fn condition(
        &self,
        budget: &PodDisruptionBudget,
        known: &PodDisruptionBudgetStatus,
        allowed: i32,
    ) -> Condition {
        let (status, reason) = if allowed > 0 {
            ("True", "SufficientPods")
        } else {
            ("False", "InsufficientPods")
        };
        let earlier =
            known.conditions.iter().flatten().find(|condition| {
                condition.type_ == "DisruptionAllowed" && condition.status == status
            });
        let since = earlier.map(|condition| condition.last_transition_time.clone());
        Condition {
            type_: "DisruptionAllowed".to_owned(),
            status: status.to_owned(),
            reason: reason.to_owned(),
            message: String::new(),
            observed_generation: budget.metadata.generation,
            last_transition_time: since.unwrap_or_else(|| Time(self.clock.now())),
        }
    }
}

/// `value` of `total`; a percentage is rounded up, as Kubernetes does for budgets. What is neither counts as 0.
fn scaled(value: &IntOrString, total: i32) -> i32 {
    match value {
        IntOrString::Int(count) => *count,
        IntOrString::String(text) => {
            let percent = text
                .trim_end_matches('%')
                .parse::<i32>()
                .unwrap_or_default();
            (total * percent + 99) / 100
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_are_rounded_up() {
        assert_eq!(scaled(&IntOrString::String("30%".into()), 4), 2);
        assert_eq!(scaled(&IntOrString::String("50%".into()), 4), 2);
        assert_eq!(scaled(&IntOrString::Int(3), 4), 3);
    }
}
