//! The machine config as this room reads it: name, labels, annotations, spec.
//!
//! Guarantees: the JSON field names are those of the API (`reference/crds.md`, MachineConfig);
//! absent and empty are the same everywhere but in `config`.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

pub use api::names::config::{GENERATED_BY_VERSION as GENERATED_BY, KUBELET_VERSION};
pub use api::names::label::ROLE as ROLE_LABEL;

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

impl From<MachineConfig> for api::MachineConfig {
    fn from(config: MachineConfig) -> Self {
        let text = |text: String| Some(text).filter(|text| !text.is_empty());
        let texts = |map: BTreeMap<String, String>| Some(map).filter(|map| !map.is_empty());
        let spec = api::MachineConfigSpec {
            base_os_extensions_container_image: text(
                config.spec.base_os_extensions_container_image,
            ),
            config: config.spec.config,
            extensions: config.spec.extensions,
            fips: config.spec.fips,
            kernel_arguments: config.spec.kernel_arguments,
            kernel_type: text(config.spec.kernel_type),
            os_image_url: text(config.spec.os_image_url),
        };
        let mut object = Self::new(&config.name, spec);
        object.metadata.labels = texts(config.labels);
        object.metadata.annotations = texts(config.annotations);
        object
    }
}

fn null_is_empty<'de, D: serde::Deserializer<'de>>(list: D) -> Result<Vec<String>, D::Error> {
    Ok(Option::<Vec<String>>::deserialize(list)?.unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_object_of_the_api_comes_back_as_it_was() {
        let config = MachineConfig {
            name: "rendered-worker-1".to_owned(),
            labels: BTreeMap::from([(ROLE_LABEL.to_owned(), "worker".to_owned())]),
            annotations: BTreeMap::from([(KUBELET_VERSION.to_owned(), "1.34".to_owned())]),
            spec: MachineConfigSpec {
                base_os_extensions_container_image: "ext".to_owned(),
                config: Some(serde_json::json!({"ignition": {"version": "3.5.0"}})),
                extensions: vec!["usbguard".to_owned()],
                fips: true,
                kernel_arguments: vec!["quiet".to_owned()],
                kernel_type: "realtime".to_owned(),
                os_image_url: "os".to_owned(),
            },
        };
        assert_eq!(
            MachineConfig::from(&api::MachineConfig::from(config.clone())),
            config
        );
    }
}
