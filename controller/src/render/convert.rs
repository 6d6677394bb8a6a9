//! MachineConfigs between the API's type and the one that `rendering` reads.
//!
//! # Guarantees
//! Nothing that a node is brought to is lost on the way. Fields that `rendering` writes empty are absent in
//! the API's type, as the reference has it.

use api::{MachineConfig, MachineConfigSpec};
use kube::ResourceExt;
use rendering::spec;

/// As `rendering` reads it.
pub fn to_rendering(config: &MachineConfig) -> spec::MachineConfig {
    let MachineConfigSpec {
        base_os_extensions_container_image,
        config: ignition,
        extensions,
        fips,
        kernel_arguments,
        kernel_type,
        os_image_url,
    } = config.spec.clone();
    spec::MachineConfig {
        name: config.name_any(),
        labels: config.labels().clone(),
        annotations: config.annotations().clone(),
        spec: spec::MachineConfigSpec {
            base_os_extensions_container_image: base_os_extensions_container_image
                .unwrap_or_default(),
            config: ignition,
            extensions,
            fips,
            kernel_arguments,
            kernel_type: kernel_type.unwrap_or_default(),
            os_image_url: os_image_url.unwrap_or_default(),
        },
    }
}

/// As the API has it.
pub fn from_rendering(config: spec::MachineConfig) -> MachineConfig {
    let spec::MachineConfig {
        name,
        labels,
        annotations,
        spec,
    } = config;
    let spec::MachineConfigSpec {
        base_os_extensions_container_image,
        config,
        extensions,
        fips,
        kernel_arguments,
        kernel_type,
        os_image_url,
    } = spec;
    let text = |text: String| Some(text).filter(|text| !text.is_empty());
    let mut object = MachineConfig::new(
        &name,
        MachineConfigSpec {
            base_os_extensions_container_image: text(base_os_extensions_container_image),
            config,
            extensions,
            fips,
            kernel_arguments,
            kernel_type: text(kernel_type),
            os_image_url: text(os_image_url),
        },
    );
    object.labels_mut().extend(labels);
    object.annotations_mut().extend(annotations);
    object
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_machine_config_survives_the_way_there_and_back() {
        let config: MachineConfig = serde_json::from_value(serde_json::json!({
            "apiVersion": "machineconfiguration.openshift.io/v1",
            "kind": "MachineConfig",
            "metadata": {"name": "a", "labels": {"x": "y"}, "annotations": {"k": "v"}},
            "spec": {
                "baseOSExtensionsContainerImage": "b", "config": {"ignition": {"version": "3.5.0"}},
                "extensions": ["usbguard"], "fips": true, "kernelArguments": ["quiet"],
                "kernelType": "realtime", "osImageURL": "o",
            },
        }))
        .expect("a machine config");

        assert_eq!(from_rendering(to_rendering(&config)), config);
    }
}
