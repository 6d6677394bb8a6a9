//! Whether each RolloutPolicy is read, and whether another one selects the same pool.

use crate::context::Context;
use crate::error::{ApiError, Attempt};
use crate::rollout::Decided;
use api::conditions::{self, Condition, policy as types, status};
use api::{RolloutPolicy, RolloutPolicyStatus};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use rollout::Policy;
use rollout::policy::PoolRule;
use serde_json::json;

/// Shows it on each policy, where it is not shown yet; returns what could not be written.
pub(super) async fn show(context: &Context, decided: &Decided) -> Vec<ApiError> {
    let now = Time(context.clock.now());
    let mut failed = Vec::new();
    for policy in context.stores.policies.all() {
        let present = policy.status.clone().unwrap_or_default();
        let wanted = wanted(&policy, &decided.policy, present.clone(), &now);
        if wanted == present {
            continue;
        }
        let name = policy.name_any();
        let patch =
            json!({"metadata": {"resourceVersion": policy.resource_version()}, "status": wanted});
        let api = Api::<RolloutPolicy>::all(context.client.clone());
        let patched = api
            .patch_status(&name, &PatchParams::default(), &Patch::Merge(&patch))
            .await;
        let patched = patched.attempt("writing the status of the RolloutPolicy", &name);
        failed.extend(patched.err());
    }
    failed
}

fn wanted(
    policy: &RolloutPolicy,
    read: &Policy,
    mut shown: RolloutPolicyStatus,
    now: &Time,
) -> RolloutPolicyStatus {
    let name = policy.name_any();
    let (mut invalid, mut conflict) = (None, None);
    for (pool, rule) in &read.pools {
        match rule {
            PoolRule::Invalid(error) if error.policy == name.as_str() => {
                invalid = Some(error.to_string());
            }
            PoolRule::Conflict(names) if names.iter().any(|other| *other == name.as_str()) => {
                let all = names
                    .iter()
                    .map(AsRef::as_ref)
                    .collect::<Vec<&str>>()
                    .join(", ");
                conflict = Some(format!("the pool {pool} is selected by {all}, and is held"));
            }
            PoolRule::One(_) | PoolRule::Invalid(_) | PoolRule::Conflict(_) => {}
        }
    }
    let accepted = match &invalid {
        None => Condition::new(types::ACCEPTED, status::TRUE, "Read", "the policy is read"),
        Some(error) => Condition::new(types::ACCEPTED, status::FALSE, "Invalid", error),
    };
    let conflict = match &conflict {
        None => Condition::new(types::CONFLICT, status::FALSE, "NoConflict", ""),
        Some(sentence) => {
            Condition::new(types::CONFLICT, status::TRUE, "SeveralPolicies", sentence)
        }
    };
    for mut condition in [accepted, conflict] {
        condition.observed_generation = policy.metadata.generation;
        conditions::set(&mut shown.conditions, condition, now);
    }
    shown.observed_generation = policy.metadata.generation;
    shown
}
