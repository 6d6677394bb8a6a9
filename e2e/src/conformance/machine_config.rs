//! MachineConfigs as the corpora write them: trimmed to the fields that matter.

use anyhow::Context;
use rendering::spec::MachineConfig;
use serde_json::Value;

/// Reads one.
pub(super) fn read(config: &Value) -> anyhow::Result<MachineConfig> {
    let metadata = &config["metadata"];
    let texts = |field: &str| {
        serde_json::from_value::<Option<_>>(metadata[field].clone()).context(field.to_owned())
    };
    Ok(MachineConfig {
        name: metadata["name"].as_str().unwrap_or_default().to_owned(),
        labels: texts("labels")?.unwrap_or_default(),
        annotations: texts("annotations")?.unwrap_or_default(),
        spec: serde_json::from_value(config["spec"].clone()).context("spec")?,
    })
}
