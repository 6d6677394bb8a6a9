//! RolloutPolicies, read into [`Policy`].

use super::{
    ControlPlanePolicy, DrainPolicy, KubeletGate, MachinePackages, MaxFailures, OnDrainTimeout,
    Policy, PoolPolicy, PoolRule,
};
use crate::membership::Selector;
use crate::names::{PolicyName, PoolName};
use crate::snapshot::PoolView;
use api::RolloutPolicy;
use api::windlass as wire;
use jiff::SignedDuration;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use std::collections::BTreeMap;
use std::sync::Arc;

/// A RolloutPolicy says something that cannot be.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("RolloutPolicy {policy}: {field}: {error}")]
pub struct InvalidPolicy {
    /// The policy.
    pub policy: PolicyName,
    /// The field, as `spec.maxFailures`.
    pub field: &'static str,
    /// What is wrong with it.
    pub error: Arc<str>,
}

impl Policy {
    /// What these policies say of these pools; `defaults` hold where none says anything.
    ///
    /// A policy whose pool selector cannot be read may mean any pool: it holds all of them.
    pub fn read<'a>(
        defaults: PoolPolicy,
        policies: impl IntoIterator<Item = &'a RolloutPolicy>,
        pools: &BTreeMap<PoolName, PoolView>,
    ) -> Self {
        let mut rules: BTreeMap<PoolName, Vec<(PolicyName, PoolRule)>> = BTreeMap::new();
        for policy in policies {
            let name = PolicyName::from(policy.metadata.name.as_deref().unwrap_or_default());
            let selector = Selector::read(Some(&policy.spec.pool_selector));
            let rule = match parse_pool(policy, &defaults) {
                Ok(parsed) => PoolRule::One(Box::new(parsed)),
                Err(invalid) => PoolRule::Invalid(invalid),
            };
            for pool in pools.values() {
                let rule = match selector.matches_or_is_empty(&pool.labels) {
                    Ok(false) => continue,
                    Ok(true) => rule.clone(),
                    Err(error) => PoolRule::Invalid(InvalidPolicy {
                        policy: name.clone(),
                        field: "spec.poolSelector",
                        error: error.clone(),
                    }),
                };
                rules
                    .entry(pool.name.clone())
                    .or_default()
                    .push((name.clone(), rule));
            }
        }
        let one = |mut rules: Vec<(PolicyName, PoolRule)>| {
            if rules.len() > 1 {
                let mut names: Vec<_> = rules.into_iter().map(|(name, _)| name).collect();
                names.sort();
                return Some(PoolRule::Conflict(names));
            }
            rules.pop().map(|(_, rule)| rule)
        };
        let pools = rules
            .into_iter()
            .filter_map(|(pool, rules)| Some((pool, one(rules)?)));
        Self {
            pools: pools.collect(),
            defaults,
        }
    }
}

/// What one policy says, over `defaults`. The schema holds the ranges; what passes it here is refused all the same.
pub fn parse_pool(
    policy: &RolloutPolicy,
    defaults: &PoolPolicy,
) -> Result<PoolPolicy, InvalidPolicy> {
    let name = PolicyName::from(policy.metadata.name.as_deref().unwrap_or_default());
    let refuse = |field: &'static str, error: &str| InvalidPolicy {
        policy: name.clone(),
        field,
        error: error.into(),
    };
    let count = |field: &'static str, value: Option<i32>| match value.map(u32::try_from) {
        None => Ok(None),
        Some(Ok(value)) => Ok(Some(value)),
        Some(Err(_)) => Err(refuse(field, "must not be negative")),
    };
    let spec = &policy.spec;
    let mut parsed = defaults.clone();
    if let Some(value) = count("spec.firstAlone", spec.first_alone)? {
        parsed.first_alone = value;
    }
    if let Some(value) = &spec.max_failures {
        parsed.max_failures = max_failures(value).ok_or_else(|| {
            refuse(
                "spec.maxFailures",
                "must be a number from 0 or a percentage such as 25%",
            )
        })?;
    }
    if let Some(required) = spec
        .first_approval
        .as_ref()
        .and_then(|approval| approval.required)
    {
        parsed.first_approval = required;
    }
    if let Some(wire::ControlPlanePolicy {
        external_etcd,
        max_unavailable,
    }) = &spec.control_plane
    {
        let ControlPlanePolicy {
            external_etcd: external,
            max_unavailable: max,
            await_api_pods: _,
        } = &mut parsed.control_plane;
        *external = external_etcd.unwrap_or(*external);
        *max = count("spec.controlPlane.maxUnavailable", *max_unavailable)?.or(*max);
    }
    if let Some(gate) = &spec.kubelet_gate {
        let (steady, expected) = (
            count("spec.kubeletGate.steadySeconds", gate.steady_seconds)?,
            count(
                "spec.kubeletGate.expectedInstances",
                gate.expected_instances,
            )?,
        );
        let base = parsed.kubelet_gate.take().unwrap_or_default();
        parsed.kubelet_gate = Some(kubelet_gate(gate, base, steady, expected));
    }
    if let Some(drain) = &spec.drain {
        apply_drain(drain, &mut parsed.drain);
    }
    Ok(parsed)
}

fn max_failures(value: &IntOrString) -> Option<MaxFailures> {
    match value {
        IntOrString::Int(count) => Some(MaxFailures::AtMost(u32::try_from(*count).ok()?)),
        IntOrString::String(text) => {
            let percent = text.strip_suffix('%')?;
            Some(MaxFailures::PercentOfSlots(percent.parse().ok()?))
        }
    }
}

fn kubelet_gate(
    gate: &wire::KubeletGate,
    base: KubeletGate,
    steady_seconds: Option<u32>,
    expected: Option<u32>,
) -> KubeletGate {
    let wire::KubeletGate {
        require_machine_packages,
        steady_seconds: _,
        instances,
        trust_balancer,
        expected_instances: _,
    } = gate;
    let machine = require_machine_packages.map_or(base.machine, |wish| match wish {
        wire::MachinePackages::Auto => MachinePackages::Auto,
        wire::MachinePackages::Always => MachinePackages::Always,
        wire::MachinePackages::Never => MachinePackages::Never,
    });
    let trusted = trust_balancer.unwrap_or(false).then_some(1);
    let steady = steady_seconds.map(|seconds| SignedDuration::from_secs(i64::from(seconds)));
    KubeletGate {
        machine,
        steady: steady.unwrap_or(base.steady),
        expected_instances: expected.or(trusted).or(base.expected_instances),
        instances: if instances.is_empty() {
            base.instances
        } else {
            instances.clone()
        },
    }
}

fn apply_drain(drain: &wire::DrainPolicy, parsed: &mut DrainPolicy) {
    let wire::DrainPolicy {
        timeout_seconds,
        on_timeout,
        delete_unmanaged_pods,
        delete_empty_dir_data,
        delete_local_volumes,
        respect_do_not_disrupt,
        wait_for_finalizers,
        leave_pods_with_two_budgets,
    } = drain;
    if let Some(seconds) = timeout_seconds {
        parsed.timeout = Some(SignedDuration::from_secs(*seconds));
    }
    if let Some(wish) = on_timeout {
        parsed.on_timeout = match wish {
            wire::OnDrainTimeout::Wait => OnDrainTimeout::Wait,
            wire::OnDrainTimeout::Release => OnDrainTimeout::Release,
        };
    }
    let set = |field: &mut bool, wish: Option<bool>| *field = wish.unwrap_or(*field);
    set(&mut parsed.delete_unmanaged_pods, *delete_unmanaged_pods);
    set(&mut parsed.delete_empty_dir_data, *delete_empty_dir_data);
    set(&mut parsed.delete_local_volumes, *delete_local_volumes);
    set(&mut parsed.respect_do_not_disrupt, *respect_do_not_disrupt);
    set(&mut parsed.wait_for_finalizers, *wait_for_finalizers);
    let leave = &mut parsed.leave_pods_with_two_budgets;
    set(leave, *leave_pods_with_two_budgets);
}
