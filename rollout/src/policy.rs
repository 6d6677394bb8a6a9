//! What the owners allow: the parsed whole of all RolloutPolicies, with defaults in every gap.
//!
//! Every setting is one way in which a rollout may go; [`Policy::default`] is Windlass's way and
//! [`Policy::reference`] sets each to what the reference does, which is what the conformance corpora judge.

mod parse;

pub use parse::{InvalidPolicy, parse_pool};

use crate::names::{ConfigName, PolicyName, PoolName};
use jiff::SignedDuration;
use std::collections::BTreeMap;

/// All policies, by the pool that they hold for.
#[derive(Clone, Debug, Default)]
pub struct Policy {
    /// For pools that no policy selects.
    pub defaults: PoolPolicy,
    /// For each pool that some policy selects.
    pub pools: BTreeMap<PoolName, PoolRule>,
}

/// What the RolloutPolicies say of one pool.
#[derive(Clone, Debug)]
pub enum PoolRule {
    /// One selects it.
    One(Box<PoolPolicy>),
    /// More than one selects it: the pool is held. At least two names, in order.
    Conflict(Vec<PolicyName>),
    /// The one that selects it cannot be read: the pool is held, with the policy and the field.
    Invalid(InvalidPolicy),
}

/// How one pool is rolled out.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own"
)]
pub struct PoolPolicy {
    /// Nodes that must be Done and freshly Ready with a config before more are taken; 0: none goes alone.
    pub first_alone: u32,
    /// How many failures on one config stop its rollout.
    pub max_failures: MaxFailures,
    /// Whether the first rendered config of a pool over living nodes waits for approval.
    pub first_approval: bool,
    /// Whether a node that holds a slot takes a newer config in it: repair and retargeting. Without it,
    /// a node that is down with a former config is out of reach, as in the reference.
    pub reuse_slots: bool,
    /// Whether a `maxUnavailable` of 0 means none. Without it, it means 1, as in the reference.
    pub zero_means_none: bool,
    /// Whether a node that never had a config counts as unavailable on that account, as in the reference.
    pub untouched_counts: bool,
    /// Whether a node that was never Ready counts as unavailable, as in the reference.
    pub never_ready_counts: bool,
    /// Whether `NodeDegraded` is worded and counted as in the reference, by MachineConfigNodes.
    pub reference_degraded: bool,
    /// Whether a pool without nodes is updated though it was never rendered, as in the reference.
    pub empty_is_updated: bool,
    /// What guards the control plane.
    pub control_plane: ControlPlanePolicy,
    /// What the kubelet part of a config waits for on package-mode nodes; `None`: it does not wait.
    pub kubelet_gate: Option<KubeletGate>,
    /// How nodes are drained.
    pub drain: DrainPolicy,
}

/// When a rollout stops.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MaxFailures {
    /// At this share of the pool's slots, in percent and rounded down, but not before one node failed.
    PercentOfSlots(u32),
    /// At so many; 0 is read as 1, because a rollout that may not begin is a paused pool.
    AtMost(u32),
    /// Never.
    Never,
}

/// What guards the control plane, over all pools.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ControlPlanePolicy {
    /// Whether etcd runs elsewhere: lifts the rule of its quorum.
    pub external_etcd: bool,
    /// How many control-plane nodes may be away at a time, for any cause; `None`: as many as the pool lets go.
    pub max_unavailable: Option<u32>,
    /// Whether a slot returns only when the node's own API server and etcd pods are Ready.
    pub await_api_pods: bool,
}

/// When the kubelet part of a config may be given (design, section 5).
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KubeletGate {
    /// Where the machine's own API packages must be upgraded first.
    pub machine: MachinePackages,
    /// How long all instances must have served the version without a break.
    pub steady: SignedDuration,
    /// How many instances must answer; `None`: as many as there are control-plane nodes, at least one.
    pub expected_instances: Option<u32>,
    /// The instances that count; empty: all that the snapshot knows.
    pub instances: Vec<String>,
}

/// Where fact (a) of design.md 5 is required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachinePackages {
    /// On `rhel`, `centos`, `rocky` and `almalinux`.
    Auto,
    /// On every package-mode node.
    Always,
    /// On none.
    Never,
}

/// After so long a drain is called late where the owner says nothing: the reference's hour, so that its metric and alert
/// mean the same (reference/machine-config.md 2.9).
const DRAIN_LATE: SignedDuration = SignedDuration::from_hours(1);

/// How nodes are drained. Only `timeout` and `on_timeout` concern the planner; the drain reads the rest.
#[derive(Clone, Debug, PartialEq, Eq)]
#[expect(
    clippy::struct_excessive_bools,
    reason = "each is a setting of its own"
)]
pub struct DrainPolicy {
    /// How long a drain may take before `on_timeout` follows; `None`: for ever.
    pub timeout: Option<SignedDuration>,
    /// What follows.
    pub on_timeout: OnDrainTimeout,
    /// Whether pods that no controller would create again are evicted.
    pub delete_unmanaged_pods: bool,
    /// Whether pods with emptyDir volumes are evicted, and their data lost.
    pub delete_empty_dir_data: bool,
    /// Whether pods with volumes that exist on this node alone are evicted.
    pub delete_local_volumes: bool,
    /// Whether pods that ask not to be disturbed are left alone.
    pub respect_do_not_disrupt: bool,
    /// Whether pods that finalizers alone keep are waited for.
    pub wait_for_finalizers: bool,
    /// Whether pods that two budgets select are left on the node.
    pub leave_pods_with_two_budgets: bool,
}

/// What follows a drain that has taken too long.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnDrainTimeout {
    /// Keep waiting, and say so.
    Wait,
    /// Give the node up for now: it is uncordoned, its slot returns, and others go before it.
    Release,
}

impl Default for PoolPolicy {
    fn default() -> Self {
        Self {
            first_alone: 1,
            max_failures: MaxFailures::PercentOfSlots(25),
            first_approval: true,
            reuse_slots: true,
            zero_means_none: true,
            untouched_counts: false,
            never_ready_counts: false,
            reference_degraded: false,
            empty_is_updated: false,
            control_plane: ControlPlanePolicy::default(),
            kubelet_gate: Some(KubeletGate::default()),
            drain: DrainPolicy::default(),
        }
    }
}

impl Default for ControlPlanePolicy {
    fn default() -> Self {
        Self {
            external_etcd: false,
            max_unavailable: Some(1),
            await_api_pods: true,
        }
    }
}

impl Default for KubeletGate {
    fn default() -> Self {
        Self {
            machine: MachinePackages::Auto,
            // One kubelet lease plus one endpoint reconciliation of the API server: an instance that
            // crash-loops or is being rolled back shows within it.
            steady: SignedDuration::from_secs(60),
            expected_instances: None,
            instances: Vec::new(),
        }
    }
}

impl Default for DrainPolicy {
    fn default() -> Self {
        Self {
            timeout: Some(DRAIN_LATE),
            on_timeout: OnDrainTimeout::Wait,
            delete_unmanaged_pods: false,
            delete_empty_dir_data: true,
            delete_local_volumes: false,
            respect_do_not_disrupt: true,
            wait_for_finalizers: true,
            leave_pods_with_two_budgets: false,
        }
    }
}

impl MaxFailures {
    /// How many failures stop a rollout in a pool of `slots` slots; `None`: no number does.
    pub fn limit(self, slots: usize) -> Option<usize> {
        let limit = match self {
            Self::PercentOfSlots(percent) => slots.saturating_mul(percent as usize) / 100,
            Self::AtMost(count) => count as usize,
            Self::Never => return None,
        };
        Some(limit.max(1))
    }
}

impl Policy {
    /// Every setting as the reference does it (reference/machine-config.md 2.3 to 2.7).
    pub fn reference() -> Self {
        let defaults = PoolPolicy {
            first_alone: 0,
            max_failures: MaxFailures::Never,
            first_approval: false,
            reuse_slots: false,
            zero_means_none: false,
            untouched_counts: true,
            never_ready_counts: true,
            reference_degraded: true,
            empty_is_updated: true,
            control_plane: ControlPlanePolicy {
                external_etcd: true,
                max_unavailable: None,
                await_api_pods: false,
            },
            kubelet_gate: None,
            drain: DrainPolicy {
                timeout: None,
                on_timeout: OnDrainTimeout::Wait,
                delete_unmanaged_pods: true,
                delete_empty_dir_data: true,
                delete_local_volumes: true,
                respect_do_not_disrupt: false,
                wait_for_finalizers: true,
                leave_pods_with_two_budgets: false,
            },
        };
        Self {
            defaults,
            pools: BTreeMap::new(),
        }
    }

    /// The settings of a pool; of one that is held by [`PoolRule::Conflict`] or [`PoolRule::Invalid`], the defaults.
    pub fn of(&self, pool: &PoolName) -> &PoolPolicy {
        match self.pools.get(pool) {
            Some(PoolRule::One(policy)) => policy,
            Some(PoolRule::Conflict(_) | PoolRule::Invalid(_)) | None => &self.defaults,
        }
    }
}

/// Whether a pool's approval names this config.
pub(crate) fn approves(approval: Option<&ConfigName>, config: &ConfigName) -> bool {
    approval == Some(config)
}
