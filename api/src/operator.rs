//! `operator.openshift.io/v1` MachineConfiguration: what a change does to a node (disruption
//! policy), and what validation lets pass.
//!
//! One object, named `cluster`. The spec is the owner's; the status holds the table that daemons
//! read: the built-in one merged with the owner's (`reference/machine-config.md` 2.13). Fields that
//! only mean something to OpenShift are kept whole and have no effect.

use crate::conditions::Condition;
use crate::lenient::null_as_default;
use crate::schema::any_object;
use kube_derive::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

/// Most files or units that an owner's policy may name: the reference's bound.
pub const SPEC_POLICY_LIMIT: usize = 50;
/// Most files or units of the published table: the owner's and the built-in ones.
pub const STATUS_POLICY_LIMIT: usize = 100;
/// Most actions of one entry: the reference's bound.
pub const ACTIONS_LIMIT: usize = 10;

/// What changes disrupt, and what validation lets pass.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "operator.openshift.io",
    version = "v1",
    kind = "MachineConfiguration",
    plural = "machineconfigurations",
    status = "MachineConfigurationStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "What a change of machine configuration does to a node. One object, named `cluster`.",
    crates(kube_core = "::kube_core")
)]
#[serde(rename_all = "camelCase")]
pub struct MachineConfigurationSpec {
    /// The owner's disruption policy; merged over the built-in one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "spec_policy")]
    pub node_disruption_policy: Option<NodeDisruptionPolicy>,
    /// Differences that validation lets pass although no update applies them.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub irreconcilable_validation_overrides: Option<IrreconcilableOverrides>,
    /// How much the controller tells. Kept, without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "log_level")]
    pub log_level: Option<LogLevel>,
    /// The reference's own: kept, without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "log_level")]
    pub operator_log_level: Option<LogLevel>,
    /// The reference's own (Managed, Unmanaged, Force, Removed): kept, without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "management_state")]
    pub management_state: Option<String>,
    /// The reference's own: kept, without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_object")]
    pub boot_image_skew_enforcement: Option<Value>,
    /// The reference's own: kept, without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "any_object")]
    pub managed_boot_images: Option<Value>,
    /// The reference's own: kept, without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub failed_revision_limit: Option<i32>,
    /// The reference's own: kept, without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub succeeded_revision_limit: Option<i32>,
    /// The reference's own: kept, without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub force_redeployment_reason: Option<String>,
    /// The reference's own: kept, without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "nullable_object")]
    pub observed_config: Option<Value>,
    /// The reference's own: kept, without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "nullable_object")]
    pub unsupported_config_overrides: Option<Value>,
}

/// How much is told.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum LogLevel {
    /// What matters in working order.
    #[default]
    #[serde(alias = "")]
    Normal,
    /// What helps to find a fault.
    Debug,
    /// Each step.
    Trace,
    /// Each step and all that it saw.
    TraceAll,
}

/// Parts of a machine in which an irreconcilable difference is let pass.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct IrreconcilableOverrides {
    /// Parts of the storage section: Disks, FileSystems, Raid.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_as_default"
    )]
    #[schemars(schema_with = "storage_overrides")]
    pub storage: Vec<StorageOverride>,
}

/// One part of Ignition's storage section.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum StorageOverride {
    /// `storage.disks`
    Disks,
    /// `storage.filesystems`
    FileSystems,
    /// `storage.raid`
    Raid,
}

/// What the change of a file, a unit or an SSH key does to a node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct NodeDisruptionPolicy {
    /// By path; a directory stands for all below it.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub files: Vec<FilePolicy>,
    /// By unit name.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub units: Vec<UnitPolicy>,
    /// For SSH keys.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub sshkey: Option<SshKeyPolicy>,
}

/// What the change of a file does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct FilePolicy {
    /// Path of the file, or of a directory that it is in.
    pub path: String,
    /// In this order.
    pub actions: Vec<DisruptionAction>,
}

/// What the change of a unit does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct UnitPolicy {
    /// Name of the unit with its type, such as `chronyd.service`.
    pub name: String,
    /// In this order.
    pub actions: Vec<DisruptionAction>,
}

/// What the change of an SSH key does.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SshKeyPolicy {
    /// In this order.
    pub actions: Vec<DisruptionAction>,
}

/// One action.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct DisruptionAction {
    /// Which one.
    #[serde(rename = "type")]
    pub type_: DisruptionActionType,
    /// Exactly with Reload.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reload: Option<ServiceRef>,
    /// Exactly with Restart.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub restart: Option<ServiceRef>,
}

impl DisruptionAction {
    /// An action that needs no service.
    pub fn plain(type_: DisruptionActionType) -> Self {
        Self {
            type_,
            reload: None,
            restart: None,
        }
    }

    /// Reload of a service.
    pub fn reload(service_name: impl Into<String>) -> Self {
        let service = ServiceRef {
            service_name: service_name.into(),
        };
        Self {
            reload: Some(service),
            ..Self::plain(DisruptionActionType::Reload)
        }
    }

    /// Restart of a service.
    pub fn restart(service_name: impl Into<String>) -> Self {
        let service = ServiceRef {
            service_name: service_name.into(),
        };
        Self {
            restart: Some(service),
            ..Self::plain(DisruptionActionType::Restart)
        }
    }
}

/// A service by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ServiceRef {
    /// Name of the unit with its type, such as `crio.service`.
    pub service_name: String,
}

/// What is done to a node.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub enum DisruptionActionType {
    /// Drain and reboot; stands alone.
    Reboot,
    /// Drain.
    Drain,
    /// Reload a service.
    Reload,
    /// Restart a service.
    Restart,
    /// Have systemd read its units again.
    DaemonReload,
    /// Nothing; stands alone.
    None,
    /// Decided by what changed in the file; built in for registries.conf, never the owner's.
    Special,
}

/// The published policy and what came of the spec.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MachineConfigurationStatus {
    /// Conditions, a map by type.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_as_default"
    )]
    #[schemars(schema_with = "crate::schema::condition_map")]
    pub conditions: Vec<Condition>,
    /// The policy that daemons go by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub node_disruption_policy_status: Option<NodeDisruptionPolicyStatus>,
    /// metadata.generation that this status was judged by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::generation")]
    pub observed_generation: Option<i64>,
    /// The reference's own: kept, not written.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

/// The policy that daemons go by.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct NodeDisruptionPolicyStatus {
    /// The built-in table merged with the owner's.
    #[serde(default, deserialize_with = "null_as_default")]
    #[schemars(schema_with = "status_policy")]
    pub cluster_policies: NodeDisruptionPolicy,
}

/// A unit name: one of systemd's types at the end, and systemd's characters before it.
const UNIT_NAME: &str = r"^[a-zA-Z0-9:._\\-]+\.(service|socket|device|mount|automount|swap|target|path|timer|snapshot|slice|scope)$";

fn spec_policy(_: &mut SchemaGenerator) -> Schema {
    policy(
        SPEC_POLICY_LIMIT,
        &[
            "Reboot",
            "Drain",
            "Reload",
            "Restart",
            "DaemonReload",
            "None",
        ],
    )
}

fn status_policy(_: &mut SchemaGenerator) -> Schema {
    policy(
        STATUS_POLICY_LIMIT,
        &[
            "Reboot",
            "Drain",
            "Reload",
            "Restart",
            "DaemonReload",
            "None",
            "Special",
        ],
    )
}

fn policy(limit: usize, types: &[&str]) -> Schema {
    let actions = actions(types);
    json_schema!({
        "type": "object",
        "properties": {
            "files": {
                "type": "array",
                "description": "By path; a directory stands for all below it.",
                "maxItems": limit,
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["path"],
                "items": {
                    "type": "object",
                    "required": ["path", "actions"],
                    "properties": {"path": {"type": "string", "minLength": 1}, "actions": actions},
                },
            },
            "units": {
                "type": "array",
                "description": "By unit name.",
                "maxItems": limit,
                "x-kubernetes-list-type": "map",
                "x-kubernetes-list-map-keys": ["name"],
                "items": {
                    "type": "object",
                    "required": ["name", "actions"],
                    "properties": {"name": unit_name(), "actions": actions},
                },
            },
            "sshkey": {
                "type": "object",
                "description": "For SSH keys.",
                "required": ["actions"],
                "properties": {"actions": actions},
            },
        },
    })
}

fn actions(types: &[&str]) -> Value {
    let alone = |type_: &str| {
        json!({
            "rule": format!("!self.exists(action, action.type == '{type_}') || size(self) == 1"),
            "message": format!("{type_} must be the only action"),
        })
    };
    let mut rules = vec![alone("Reboot"), alone("None")];
    if types.contains(&"Special") {
        rules.push(alone("Special"));
    }
    let exactly = |type_: &str, field: &str| {
        json!({
            "rule": format!("(self.type == '{type_}') == has(self.{field})"),
            "message": format!("{field} must be there exactly with type {type_}"),
        })
    };
    let service = json!({
        "type": "object",
        "required": ["serviceName"],
        "properties": {"serviceName": unit_name()},
    });
    json!({
        "type": "array",
        "description": "In this order.",
        "maxItems": ACTIONS_LIMIT,
        "x-kubernetes-list-type": "atomic",
        "x-kubernetes-validations": rules,
        "items": {
            "type": "object",
            "required": ["type"],
            "properties": {
                "type": {"type": "string", "enum": types},
                "reload": service,
                "restart": service,
            },
            "x-kubernetes-validations": [exactly("Reload", "reload"), exactly("Restart", "restart")],
        },
    })
}

fn unit_name() -> Value {
    json!({"type": "string", "minLength": 1, "maxLength": 255, "pattern": UNIT_NAME})
}

fn log_level(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "enum": ["", "Normal", "Debug", "Trace", "TraceAll"], "default": "Normal"})
}

fn management_state(_: &mut SchemaGenerator) -> Schema {
    json_schema!({"type": "string", "pattern": "^(Managed|Unmanaged|Force|Removed)$"})
}

fn nullable_object(generator: &mut SchemaGenerator) -> Schema {
    let mut schema = any_object(generator);
    schema.insert("nullable".into(), true.into());
    schema
}

fn storage_overrides(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 3,
        "x-kubernetes-list-type": "set",
        "items": {"type": "string", "enum": ["Disks", "FileSystems", "Raid"]},
    })
}
