//! MachineConfigNode: how far one node has come, in full.
//!
//! Where it and the Node's annotations differ, the annotations decide (design, section 3).

use crate::conditions::Condition;
use crate::lenient::null_as_default;
use kube_derive::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// Which node, of which pool, to which config.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "machineconfiguration.openshift.io",
    version = "v1",
    kind = "MachineConfigNode",
    plural = "machineconfignodes",
    status = "MachineConfigNodeStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "How far one node has come with its config.",
    printcolumn(name = "PoolName", type_ = "string", json_path = ".spec.pool.name"),
    printcolumn(
        name = "DesiredConfig",
        type_ = "string",
        json_path = ".spec.configVersion.desired"
    ),
    printcolumn(
        name = "CurrentConfig",
        type_ = "string",
        json_path = ".status.configVersion.current"
    ),
    printcolumn(
        name = "Updated",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Updated")].status"#
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    printcolumn(
        name = "UpdatePrepared",
        type_ = "string",
        priority = 1,
        json_path = r#".status.conditions[?(@.type=="UpdatePrepared")].status"#
    ),
    printcolumn(
        name = "UpdateExecuted",
        type_ = "string",
        priority = 1,
        json_path = r#".status.conditions[?(@.type=="UpdateExecuted")].status"#
    ),
    printcolumn(
        name = "UpdatePostActionComplete",
        type_ = "string",
        priority = 1,
        json_path = r#".status.conditions[?(@.type=="UpdatePostActionComplete")].status"#
    ),
    printcolumn(
        name = "UpdateComplete",
        type_ = "string",
        priority = 1,
        json_path = r#".status.conditions[?(@.type=="UpdateComplete")].status"#
    ),
    printcolumn(
        name = "Resumed",
        type_ = "string",
        priority = 1,
        json_path = r#".status.conditions[?(@.type=="Resumed")].status"#
    ),
    printcolumn(
        name = "UpdatedFilesAndOS",
        type_ = "string",
        priority = 1,
        json_path = r#".status.conditions[?(@.type=="AppliedFilesAndOS")].status"#
    ),
    printcolumn(
        name = "CordonedNode",
        type_ = "string",
        priority = 1,
        json_path = r#".status.conditions[?(@.type=="Cordoned")].status"#
    ),
    printcolumn(
        name = "DrainedNode",
        type_ = "string",
        priority = 1,
        json_path = r#".status.conditions[?(@.type=="Drained")].status"#
    ),
    printcolumn(
        name = "RebootedNode",
        type_ = "string",
        priority = 1,
        json_path = r#".status.conditions[?(@.type=="RebootedNode")].status"#
    ),
    printcolumn(
        name = "UncordonedNode",
        type_ = "string",
        priority = 1,
        json_path = r#".status.conditions[?(@.type=="Uncordoned")].status"#
    ),
    crates(kube_core = "::kube_core")
)]
#[serde(rename_all = "camelCase")]
pub struct MachineConfigNodeSpec {
    /// The rendered config to reach.
    pub config_version: ConfigVersion,
    /// The Node; its name is this object's name.
    pub node: ObjectName,
    /// The pool that the Node belongs to.
    pub pool: ObjectName,
}

/// An object by name.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ObjectName {
    /// Name of the object.
    #[schemars(schema_with = "crate::schema::dns_subdomain")]
    pub name: String,
}

impl ObjectName {
    /// The object of this name.
    pub fn new(name: impl Into<String>) -> Self {
        Self { name: name.into() }
    }
}

/// The rendered config to reach.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigVersion {
    /// Name of the rendered config.
    #[schemars(schema_with = "crate::schema::dns_subdomain")]
    pub desired: String,
}

/// How far the node has come.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MachineConfigNodeStatus {
    /// What holds of it, by type.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_as_default"
    )]
    #[schemars(schema_with = "crate::schema::condition_map_20")]
    pub conditions: Vec<Condition>,
    /// The rendered config that the node has, and the one it goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub config_version: Option<ConfigVersionStatus>,
    /// Differences between the machine and its config that no update removes.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_as_default"
    )]
    #[schemars(schema_with = "irreconcilable_changes")]
    pub irreconcilable_changes: Vec<IrreconcilableChange>,
    /// The reference's own: kept, not written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::any_object")]
    pub internal_release_image: Option<Value>,
    /// metadata.generation that this status was judged by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "observed_generation")]
    pub observed_generation: Option<i64>,
    /// Progress of pinned image sets. Kept, not written.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_as_default"
    )]
    #[schemars(schema_with = "pinned_image_sets")]
    pub pinned_image_sets: Vec<NodePinnedImageSet>,
}

/// The rendered config that a node has, and the one it goes to.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct ConfigVersionStatus {
    /// Name of the rendered config that the node has proven to have; empty if none.
    #[serde(
        default,
        skip_serializing_if = "String::is_empty",
        deserialize_with = "null_as_default"
    )]
    #[schemars(schema_with = "crate::schema::dns_subdomain")]
    pub current: String,
    /// Name of the rendered config that the node goes to.
    #[schemars(schema_with = "crate::schema::dns_subdomain")]
    pub desired: String,
}

/// One difference that no update removes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct IrreconcilableChange {
    /// Field of the MachineConfig, starting with `spec.`.
    pub field_path: String,
    /// What differs.
    pub diff: String,
}

/// Progress of one pinned image set on one node.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct NodePinnedImageSet {
    /// Name of the set.
    pub name: String,
    /// Generation that the node has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub current_generation: Option<i32>,
    /// Generation that the node goes to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub desired_generation: Option<i32>,
    /// Generation that failed last.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failed_generation: Option<i32>,
    /// Why it failed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failed_generation_error: Option<String>,
}

fn observed_generation(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "integer",
        "format": "int64",
        "minimum": 1,
        "x-kubernetes-validations": [
            {"rule": "self >= oldSelf", "message": "observedGeneration must not go back"},
        ],
    })
}

fn irreconcilable_changes(_: &mut SchemaGenerator) -> Schema {
    json_schema!({
        "type": "array",
        "maxItems": 32,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["fieldPath"],
        "items": {
            "type": "object",
            "required": ["fieldPath", "diff"],
            "properties": {
                "fieldPath": {"type": "string", "minLength": 1, "maxLength": 70, "pattern": r"^spec\."},
                "diff": {"type": "string", "minLength": 1, "maxLength": 4096},
            },
        },
    })
}

fn pinned_image_sets(generator: &mut SchemaGenerator) -> Schema {
    let name = crate::schema::dns_subdomain(generator);
    let generation = |field: &str| {
        json_schema!({
            "type": "integer",
            "format": "int32",
            "minimum": 0,
            "x-kubernetes-validations": [
                {"rule": "self >= oldSelf", "message": format!("{field} must not go back")},
            ],
        })
    };
    let within = |field: &str| {
        json_schema!({
            "rule": format!("!has(self.{field}) || !has(self.desiredGeneration) || self.{field} <= self.desiredGeneration"),
            "message": format!("{field} must not be above desiredGeneration"),
        })
    };
    json_schema!({
        "type": "array",
        "maxItems": 100,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": {
            "type": "object",
            "required": ["name"],
            "properties": {
                "name": name,
                "currentGeneration": generation("currentGeneration"),
                "desiredGeneration": generation("desiredGeneration"),
                "lastFailedGeneration": generation("lastFailedGeneration"),
                "lastFailedGenerationError": {"type": "string", "maxLength": 32768},
            },
            "x-kubernetes-validations": [
                within("currentGeneration"),
                within("lastFailedGeneration"),
                {
                    "rule": "!has(self.lastFailedGeneration) || self.lastFailedGeneration == 0 || has(self.lastFailedGenerationError)",
                    "message": "lastFailedGenerationError must say why lastFailedGeneration failed",
                },
            ],
        },
    })
}
