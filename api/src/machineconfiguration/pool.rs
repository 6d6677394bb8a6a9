//! MachineConfigPool: a set of nodes and a set of machine configs that belong together.

use crate::conditions::Condition;
use crate::lenient::{is_false, null_as_default};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, Time};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use kube_derive::CustomResource;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

/// Which nodes, which machine configs, and how fast.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "machineconfiguration.openshift.io",
    version = "v1",
    kind = "MachineConfigPool",
    plural = "machineconfigpools",
    shortname = "mcp",
    status = "MachineConfigPoolStatus",
    derive = "PartialEq",
    derive = "Default",
    doc = "A set of nodes and the machine configs that they get.",
    printcolumn(
        name = "Config",
        type_ = "string",
        json_path = ".status.configuration.name",
        description = "The rendered config that all nodes had last"
    ),
    printcolumn(
        name = "Updated",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Updated")].status"#,
        description = "All nodes have the newest rendered config"
    ),
    printcolumn(
        name = "Updating",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Updating")].status"#,
        description = "Nodes are on their way to the newest rendered config"
    ),
    printcolumn(
        name = "Degraded",
        type_ = "string",
        json_path = r#".status.conditions[?(@.type=="Degraded")].status"#,
        description = "Something keeps the pool from its newest rendered config"
    ),
    printcolumn(
        name = "MachineCount",
        type_ = "number",
        json_path = ".status.machineCount",
        description = "Nodes of the pool"
    ),
    printcolumn(
        name = "ReadyMachineCount",
        type_ = "number",
        json_path = ".status.readyMachineCount",
        description = "Nodes that have the newest rendered config and are Ready"
    ),
    printcolumn(
        name = "UpdatedMachineCount",
        type_ = "number",
        json_path = ".status.updatedMachineCount",
        description = "Nodes that have the newest rendered config"
    ),
    printcolumn(
        name = "DegradedMachineCount",
        type_ = "number",
        json_path = ".status.degradedMachineCount",
        description = "Nodes that cannot take their config"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    crates(kube_core = "::kube_core")
)]
#[serde(rename_all = "camelCase")]
pub struct MachineConfigPoolSpec {
    /// The pool's target: the newest rendered config, and the machine configs that it was made of.
    #[serde(
        default,
        skip_serializing_if = "PoolConfiguration::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub configuration: PoolConfiguration,
    /// Machine configs of the pool, by label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::label_selector")]
    pub machine_config_selector: Option<LabelSelector>,
    /// Nodes of the pool, by label.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::label_selector")]
    pub node_selector: Option<LabelSelector>,
    /// Nodes that may be unavailable at a time: a number, or a percentage of the pool. Absent: 1.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::int_or_string")]
    pub max_unavailable: Option<IntOrString>,
    /// Stream of operating system images. Kept, without effect.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "stream_reference")]
    pub os_image_stream: Option<super::ObjectName>,
    /// Whether no new node is taken.
    #[serde(
        default,
        skip_serializing_if = "is_false",
        deserialize_with = "null_as_default"
    )]
    pub paused: bool,
    /// Sets of images to keep on the nodes. Kept, without effect.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_as_default"
    )]
    #[schemars(schema_with = "pinned_image_sets")]
    pub pinned_image_sets: Vec<super::ObjectName>,
}

/// A rendered config by name, and the machine configs that it was made of.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-map-type" = "atomic"))]
pub struct PoolConfiguration {
    /// Name of the rendered config; empty if there is none yet.
    #[serde(
        default,
        skip_serializing_if = "String::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub name: String,
    /// API version of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub api_version: Option<String>,
    /// Part of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub field_path: Option<String>,
    /// Kind of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kind: Option<String>,
    /// Namespace of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
    /// Version of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub resource_version: Option<String>,
    /// UID of the object.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub uid: Option<String>,
    /// The machine configs that the rendered config was made of.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_as_default"
    )]
    #[schemars(schema_with = "object_references")]
    pub source: Vec<ObjectReference>,
}

impl PoolConfiguration {
    /// Whether it says nothing.
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

/// What the pool's nodes have reached.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct MachineConfigPoolStatus {
    /// Expiry of certificates. Kept, not written.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_as_default"
    )]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"))]
    pub cert_expirys: Vec<CertExpiry>,
    /// What holds of it, by type.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_as_default"
    )]
    #[schemars(schema_with = "crate::schema::loose_conditions")]
    pub conditions: Vec<Condition>,
    /// The rendered config that all nodes had last; follows the spec's only when all are updated.
    #[serde(
        default,
        skip_serializing_if = "PoolConfiguration::is_empty",
        deserialize_with = "null_as_default"
    )]
    pub configuration: PoolConfiguration,
    /// Nodes that cannot take their config.
    #[serde(default, deserialize_with = "null_as_default")]
    #[schemars(schema_with = "crate::schema::count")]
    pub degraded_machine_count: i32,
    /// Nodes of the pool.
    #[serde(default, deserialize_with = "null_as_default")]
    #[schemars(schema_with = "crate::schema::count")]
    pub machine_count: i32,
    /// metadata.generation that this status was judged by.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::generation")]
    pub observed_generation: Option<i64>,
    /// Progress of pinned image sets. Kept, not written.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_as_default"
    )]
    #[schemars(schema_with = "pool_synchronizers")]
    pub pool_synchronizers_status: Vec<PoolSynchronizerStatus>,
    /// Nodes that have the newest rendered config and are Ready.
    #[serde(default, deserialize_with = "null_as_default")]
    #[schemars(schema_with = "crate::schema::count")]
    pub ready_machine_count: i32,
    /// Nodes that count against the budget.
    #[serde(default, deserialize_with = "null_as_default")]
    #[schemars(schema_with = "crate::schema::count")]
    pub unavailable_machine_count: i32,
    /// Nodes that have the newest rendered config.
    #[serde(default, deserialize_with = "null_as_default")]
    #[schemars(schema_with = "crate::schema::count")]
    pub updated_machine_count: i32,
}

/// Expiry of one certificate.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "camelCase")]
pub struct CertExpiry {
    /// Bundle that the certificate is in.
    pub bundle: String,
    /// Subject of the certificate.
    pub subject: String,
    /// When it expires.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expiry: Option<Time>,
}

/// Progress of one synchronizer over the nodes of the pool.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct PoolSynchronizerStatus {
    /// Which one: `PinnedImageSets`.
    pub pool_synchronizer_type: String,
    /// Nodes that it manages.
    pub machine_count: i64,
    /// Nodes that are updated.
    pub updated_machine_count: i64,
    /// Nodes that are available.
    pub available_machine_count: i64,
    /// Nodes that are ready.
    pub ready_machine_count: i64,
    /// Nodes that are unavailable.
    pub unavailable_machine_count: i64,
    /// metadata.generation that was last seen.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

fn stream_reference(generator: &mut SchemaGenerator) -> Schema {
    let name = crate::schema::dns_subdomain(generator);
    json_schema!({"type": "object", "required": ["name"], "properties": {"name": name}})
}

fn pinned_image_sets(generator: &mut SchemaGenerator) -> Schema {
    let name = crate::schema::dns_subdomain(generator);
    json_schema!({
        "type": "array",
        "maxItems": 100,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["name"],
        "items": {"type": "object", "required": ["name"], "properties": {"name": name}},
    })
}

fn object_references(_: &mut SchemaGenerator) -> Schema {
    let text = json_schema!({"type": "string"});
    json_schema!({
        "type": "array",
        "x-kubernetes-list-type": "atomic",
        "items": {
            "type": "object",
            "x-kubernetes-map-type": "atomic",
            "properties": {
                "apiVersion": text, "fieldPath": text, "kind": text, "name": text, "namespace": text,
                "resourceVersion": text, "uid": text,
            },
        },
    })
}

fn pool_synchronizers(_: &mut SchemaGenerator) -> Schema {
    let count = json_schema!({"type": "integer", "format": "int64", "minimum": 0});
    let within = |field: &str| {
        json_schema!({
            "rule": format!("self.machineCount >= self.{field}"),
            "message": format!("{field} must not be above machineCount"),
        })
    };
    json_schema!({
        "type": "array",
        "maxItems": 16,
        "x-kubernetes-list-type": "map",
        "x-kubernetes-list-map-keys": ["poolSynchronizerType"],
        "items": {
            "type": "object",
            "required": [
                "poolSynchronizerType", "machineCount", "updatedMachineCount", "availableMachineCount",
                "readyMachineCount", "unavailableMachineCount",
            ],
            "properties": {
                "poolSynchronizerType": {"type": "string", "enum": ["PinnedImageSets"], "maxLength": 256},
                "machineCount": count, "updatedMachineCount": count, "availableMachineCount": count,
                "readyMachineCount": count, "unavailableMachineCount": count, "observedGeneration": count,
            },
            "x-kubernetes-validations": [
                within("updatedMachineCount"), within("availableMachineCount"),
                within("readyMachineCount"), within("unavailableMachineCount"),
            ],
        },
    })
}
