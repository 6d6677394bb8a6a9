//! MachineConfig: one part of what nodes should look like, or the rendered whole of it.

use crate::lenient::{is_false, null_as_default};
use kube_derive::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// What a machine should have.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "machineconfiguration.openshift.io",
    version = "v1",
    kind = "MachineConfig",
    plural = "machineconfigs",
    shortname = "mc",
    derive = "PartialEq",
    derive = "Default",
    doc = "One part of what nodes should look like: files, units, users, kernel arguments, operating system.",
    printcolumn(
        name = "GeneratedByController",
        type_ = "string",
        json_path = r".metadata.annotations.machineconfiguration\.openshift\.io/generated-by-controller-version",
        description = "Version of the controller that generated the config"
    ),
    printcolumn(
        name = "IgnitionVersion",
        type_ = "string",
        json_path = ".spec.config.ignition.version",
        description = "Version of Ignition that the config is written for"
    ),
    printcolumn(
        name = "Age",
        type_ = "date",
        json_path = ".metadata.creationTimestamp"
    ),
    crates(kube_core = "::kube_core")
)]
#[serde(rename_all = "camelCase")]
pub struct MachineConfigSpec {
    /// Image that holds extensions of the operating system.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        rename = "baseOSExtensionsContainerImage"
    )]
    pub base_os_extensions_container_image: Option<String>,
    /// An Ignition config, kept whole; absent is an empty one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(schema_with = "crate::schema::any_object")]
    pub config: Option<Value>,
    /// Extensions of the operating system to install, by name.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_as_default"
    )]
    #[schemars(schema_with = "crate::schema::atomic_strings")]
    pub extensions: Vec<String>,
    /// Whether the kernel runs in FIPS mode.
    #[serde(
        default,
        skip_serializing_if = "is_false",
        deserialize_with = "null_as_default"
    )]
    pub fips: bool,
    /// Kernel arguments, in order.
    #[serde(
        default,
        skip_serializing_if = "Vec::is_empty",
        deserialize_with = "null_as_default"
    )]
    #[schemars(schema_with = "kernel_arguments")]
    pub kernel_arguments: Vec<String>,
    /// Kernel to run: `default`, `realtime` or `64k-pages`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kernel_type: Option<String>,
    /// Image of the operating system, by digest.
    #[serde(
        default,
        skip_serializing_if = "Option::is_none",
        rename = "osImageURL"
    )]
    pub os_image_url: Option<String>,
}

fn kernel_arguments(generator: &mut schemars::SchemaGenerator) -> schemars::Schema {
    let mut schema = crate::schema::atomic_strings(generator);
    schema.insert("nullable".into(), true.into());
    schema
}
