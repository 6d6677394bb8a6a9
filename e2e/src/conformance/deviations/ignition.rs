//! Deviations about Ignition configs.

use serde_json::{Map, Value, json};

use super::Rule;

/// The versions of spec 2 that the reference converts.
const CONVERTED: [&str; 3] = ["2.0.0", "2.1.0", "2.2.0"];
/// The class of the refusal.
const CLASS: &str = "ignition-spec2";

/// A config of spec 2 is refused when it is read.
pub(super) const SPEC2_IS_REFUSED: Rule = Rule {
    name: "spec-2-is-refused",
    corpus: "ignition-validate",
    fields: &["mco"],
    applies: |input| {
        let raw = input["raw"].as_str().unwrap_or_default();
        serde_json::from_str(raw).is_ok_and(|config| is_spec2(&config))
    },
    predict: |_, expected| {
        let mut predicted = expected.clone();
        predicted["mco"] =
            json!({"accepted": false, "class": CLASS, "message": "a way to convert it"});
        predicted
    },
};

/// A MachineConfig that brings a config of spec 2 is refused, and nothing is merged.
pub(super) const SPEC2_IS_NOT_MERGED: Rule = Rule {
    name: "spec-2-is-not-merged",
    corpus: "merge",
    fields: &[
        "error",
        "mergedIgnitionErrors",
        "mergedIgnitionValid",
        "renderedName",
        "spec",
        "specYAML",
        "validateErrors",
    ],
    applies: |input| !spec2_configs(input).is_empty(),
    predict: |input, expected| {
        let refusal = json!({"class": CLASS, "message": "a way to convert it"});
        let mut refused = expected["validateErrors"]
            .as_object()
            .cloned()
            .unwrap_or_else(Map::new);
        for name in spec2_configs(input) {
            // The kernel type is looked at before the Ignition part is read.
            if refused
                .get(&name)
                .is_none_or(|error| error["class"] != "kernel-type-invalid")
            {
                refused.insert(name, refusal.clone());
            }
        }
        let unlabelled = expected["error"]["class"] == "label-missing";
        let error = if unlabelled {
            expected["error"].clone()
        } else {
            refusal
        };
        json!({"error": error, "validateErrors": refused})
    },
};

fn spec2_configs(input: &Value) -> Vec<String> {
    let configs = input["machineConfigs"].as_array().into_iter().flatten();
    configs
        .filter(|config| is_spec2(&config["spec"]["config"]))
        .filter_map(|config| config["metadata"]["name"].as_str().map(str::to_owned))
        .collect()
}

fn is_spec2(config: &Value) -> bool {
    let version = member(config, "ignition").and_then(|ignition| member(ignition, "version"));
    version
        .and_then(Value::as_str)
        .is_some_and(|version| CONVERTED.contains(&version))
}

/// Keys of an Ignition config match in any case.
fn member<'a>(object: &'a Value, name: &str) -> Option<&'a Value> {
    let members = object.as_object()?;
    members
        .iter()
        .find(|(key, _)| key.eq_ignore_ascii_case(name))
        .map(|(_, value)| value)
}
