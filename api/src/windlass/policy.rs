//! RolloutPolicy: how the pools that it selects are rolled out.
//!
//! All is optional; an absent field means the default that its description names, which
//! `rollout::Policy` applies. Two policies that select one pool are both named in a condition, and
//! the pool is held.

use crate::conditions::Condition;
use crate::lenient::null_as_default;
use crate::schema::{atomic_strings, int_or_string, label_selector};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::LabelSelector;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube_derive::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};

/// How pools are rolled out.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "windlass.dev",
    version = "v1alpha1",
    kind = "RolloutPolicy",
    plural = "rolloutpolicies",
    status = "RolloutPolicyStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "How the machine config pools that it selects are rolled out.",
    printcolumn(
        name = "Accepted",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Accepted")].status"#,
        description = "The policy holds for the pools that it selects"
    ),
    printcolumn(
        name = "Conflict",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Conflict")].status"#,
        description = "Another policy selects the same pool"
    ),
    printcolumn(
        name = "FirstAlone",
        type_ = "integer",
        json_path = ".spec.firstAlone",
        description = "Nodes that prove a config before more are taken"
    ),
    printcolumn(
        name = "MaxFailures",
        type_ = "string",
        json_path = ".spec.maxFailures",
        description = "Failed nodes that stop a rollout"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    crates(kube_core = "::kube_core")
)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RolloutPolicySpec {
    /// Pools that the policy is for, by label; an empty selector selects all.
    #[serde(deserialize_with = "super::selector::strict")]
    #[schemars(schema_with = "label_selector")]
    pub pool_selector: LabelSelector,
    /// How nodes are drained.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub drain: Option<DrainPolicy>,
    /// Nodes that are Done and freshly Ready with a config before more are taken. Default 1; 0: no
    /// node goes alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::count")]
    pub first_alone: Option<i32>,
    /// Nodes that fail on a config before the rollout stops: a number, or a percentage of the
    /// pool's slots. Default a quarter of the slots, at least 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "max_failures")]
    pub max_failures: Option<IntOrString>,
    /// What guards the control plane.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub control_plane: Option<ControlPlanePolicy>,
    /// What guards living nodes from a pool's first rendered config.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub first_approval: Option<FirstApproval>,
    /// What the kubelet part of a config waits for on nodes whose kubelet is a package.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kubelet_gate: Option<KubeletGate>,
}

/// How nodes are drained. What a setting does not allow blocks the drain, by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
#[schemars(extend("x-kubernetes-validations" = [{
    "rule": "!has(self.onTimeout) || self.onTimeout == 'Wait' || has(self.timeoutSeconds)",
    "message": "onTimeout Release needs timeoutSeconds: without it a drain never takes too long",
}]))]
pub struct DrainPolicy {
    /// Seconds after which a drain has taken too long. Default: none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub timeout_seconds: Option<i64>,
    /// What follows a drain that has taken too long. Default Wait.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub on_timeout: Option<OnDrainTimeout>,
    /// Whether pods that no controller would create again are evicted. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_unmanaged_pods: Option<bool>,
    /// Whether pods with emptyDir volumes are evicted, and their data lost. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_empty_dir_data: Option<bool>,
    /// Whether pods with volumes that exist on this node alone are evicted. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delete_local_volumes: Option<bool>,
    /// Whether pods that ask not to be disturbed (annotations of Karpenter and cluster-autoscaler)
    /// are left alone. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub respect_do_not_disrupt: Option<bool>,
    /// Whether a pod that was to be gone, and that finalizers alone keep, is waited for. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub wait_for_finalizers: Option<bool>,
    /// Whether pods that two PodDisruptionBudgets select, which the eviction API can never let go, are left
    /// on the node, where they end with what the update does to it. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leave_pods_with_two_budgets: Option<bool>,
}

/// What follows a drain that has taken too long; nothing evicts past a budget. Default Wait.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum OnDrainTimeout {
    /// Keep waiting, and say so.
    #[default]
    Wait,
    /// Uncordon the node, give its slot back, and take it again after the others.
    Release,
}

/// What guards the control plane.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ControlPlanePolicy {
    /// Whether etcd runs elsewhere, which alone lifts the rule of its quorum. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub external_etcd: Option<bool>,
    /// Control-plane nodes that may be away at a time, over all pools; never more than the quorum
    /// leaves. Default 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::count")]
    pub max_unavailable: Option<i32>,
}

/// What guards living nodes from a pool's first rendered config.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FirstApproval {
    /// Whether the first rendered config waits for an annotation on the pool. Default true.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub required: Option<bool>,
}

/// What the kubelet part of a config waits for (design, section 5).
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct KubeletGate {
    /// Whether the machine's own API packages must be upgraded first. Default Auto.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub require_machine_packages: Option<MachinePackages>,
    /// Seconds for which all API server instances must serve the version without a break. Default 60.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::count")]
    pub steady_seconds: Option<i32>,
    /// Addresses (`host:port`) of the API server instances. Default: those of EndpointSlice `default/kubernetes`.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_as_default"
    )]
    #[schemars(schema_with = "instances")]
    pub instances: Vec<String>,
    /// Whether the answer of a balancer in front of the instances counts for all of them. Default false.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trust_balancer: Option<bool>,
    /// Instances that must answer. Default: as many as the cluster has control-plane nodes, at least one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 1))]
    pub expected_instances: Option<i32>,
}

/// Whether a machine's own API packages must be upgraded before its kubelet. Default Auto.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub enum MachinePackages {
    /// On rhel, centos, rocky and almalinux.
    #[default]
    Auto,
    /// On all nodes whose kubelet is a package.
    Always,
    /// On none.
    Never,
}

/// What came of the policy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct RolloutPolicyStatus {
    /// What holds of it, by type.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_as_default"
    )]
    #[schemars(schema_with = "crate::schema::condition_map")]
    pub conditions: Vec<Condition>,
    /// metadata.generation that this status was judged by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::generation")]
    pub observed_generation: Option<i64>,
}

/// A number from 0, or a percentage: of these bounds each only binds values of its own type.
fn max_failures(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = int_or_string(generator);
    schema.insert("minimum".into(), 0.into());
    schema.insert("pattern".into(), "^[0-9]+%$".into());
    schema
}

/// Most addresses of API server instances: a control plane is a handful of machines.
const INSTANCES_LIMIT: usize = 64;

fn instances(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = atomic_strings(generator);
    schema.insert("maxItems".into(), INSTANCES_LIMIT.into());
    schema
}
