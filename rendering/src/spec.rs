//! The machine config as this room reads it: name, labels, annotations, spec.
//!
//! Guarantees: the JSON field names are those of the API (`reference/crds.md`, MachineConfig);
//! absent and empty are the same everywhere but in `config`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

/// The annotation that names the kubelet version that a machine config needs (ADR 4).
pub const KUBELET_VERSION: &str = "windlass.dev/kubelet-version";
/// The label that says for which role a machine config is.
pub const ROLE_LABEL: &str = "machineconfiguration.openshift.io/role";
/// The annotation on machine configs that a controller generated; their images do not count.
pub const GENERATED_BY: &str = "machineconfiguration.openshift.io/generated-by-controller-version";

/// A machine config, or a rendered one.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct MachineConfig {
    /// Its name.
    pub name: String,
    /// Its labels.
    pub labels: BTreeMap<String, String>,
    /// Its annotations.
    pub annotations: BTreeMap<String, String>,
    /// What it says.
    pub spec: MachineConfigSpec,
}

/// What a machine config says.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub struct MachineConfigSpec {
    /// The image that extensions are installed from.
    #[serde(
        rename = "baseOSExtensionsContainerImage",
        skip_serializing_if = "String::is_empty"
    )]
    pub base_os_extensions_container_image: String,
    /// The Ignition config; absent is an empty one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config: Option<Value>,
    /// Extensions of the operating system.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub extensions: Vec<String>,
    /// Whether the machine runs in FIPS mode.
    pub fips: bool,
    /// Kernel arguments, in order.
    #[serde(
        deserialize_with = "null_is_empty",
        skip_serializing_if = "Vec::is_empty"
    )]
    pub kernel_arguments: Vec<String>,
    /// `default`, `realtime` or `64k-pages`; empty is `default`.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub kernel_type: String,
    /// The image of the operating system.
    #[serde(rename = "osImageURL", skip_serializing_if = "String::is_empty")]
    pub os_image_url: String,
}

impl From<&api::MachineConfig> for MachineConfig {
    fn from(object: &api::MachineConfig) -> Self {
        // Name every field: a new one must be carried over here before this compiles.
        let api::MachineConfigSpec {
            base_os_extensions_container_image,
            config,
            extensions,
            fips,
            kernel_arguments,
            kernel_type,
            os_image_url,
        } = object.spec.clone();
        let metadata = object.metadata.clone();
        Self {
            name: metadata.name.unwrap_or_default(),
            labels: metadata.labels.unwrap_or_default(),
            annotations: metadata.annotations.unwrap_or_default(),
            spec: MachineConfigSpec {
                base_os_extensions_container_image: base_os_extensions_container_image
                    .unwrap_or_default(),
                config,
                extensions,
                fips,
                kernel_arguments,
                kernel_type: kernel_type.unwrap_or_default(),
                os_image_url: os_image_url.unwrap_or_default(),
            },
        }
    }
}

fn null_is_empty<'de, D: serde::Deserializer<'de>>(list: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::<Vec<String>>::deserialize(list)?.unwrap_or_default())
}
