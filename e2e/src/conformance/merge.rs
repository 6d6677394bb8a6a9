//! `merge`: many MachineConfigs into one.

use std::collections::BTreeMap;

use anyhow::Context;
use rendering::ignition::Severity;
use rendering::merge::{Images, MergeError, Merged, Rules, merge, validate_all};
use rendering::names::rendered_name;
use rendering::spec::MachineConfig;
use serde_json::{Value, json};

use super::{Corpus, Strictness, ignition_validate, machine_config};

pub(super) struct Merge;

/// The lists of a MachineConfig outside of its Ignition part.
const LISTS: [&str; 2] = ["extensions", "kernelArguments"];
/// Digits at the end of a rendered config's name.
const DIGITS: usize = 32;

impl Corpus for Merge {
    fn name(&self) -> &'static str {
        "merge"
    }

    fn answer(&self, input: &Value) -> anyhow::Result<Value> {
        let list = input["machineConfigs"]
            .as_array()
            .context("machineConfigs is no list")?;
        let configs: Vec<MachineConfig> = list
            .iter()
            .map(machine_config::read)
            .collect::<Result<_, _>>()?;
        let images = &input["controllerConfig"]["spec"];
        let image = |field: &str| images[field].as_str().unwrap_or_default().to_owned();
        let images = Images {
            base_os: image("baseOSContainerImage"),
            extensions: image("baseOSExtensionsContainerImage"),
        };
        let mut answer = match merge(&configs, &images) {
            Ok(merged) => self::merged(input["pool"].as_str().unwrap_or_default(), &merged)?,
            Err(error) => json!({"error": told(&error)}),
        };
        let refused: BTreeMap<String, Value> = validate_all(&configs, &Rules::reference())
            .into_iter()
            .map(|(name, error)| (name, told(&error)))
            .collect();
        if !refused.is_empty() {
            answer["validateErrors"] = json!(refused);
        }
        Ok(answer)
    }

    fn strictness(&self, path: &str, _: &Value) -> Strictness {
        match path {
            "error.message" | "validateErrors.*.message" => Strictness::Wording,
            "mergedIgnitionErrors" => Strictness::Unordered,
            "renderedName" => Strictness::Judged(same_form_of_name),
            _ => Strictness::Exact,
        }
    }

    fn keyed(&self) -> &'static [&'static str] {
        &["validateErrors"]
    }

    /// The text that the reference hashes has to hold the same values as the spec, which is what Windlass answers. In
    /// a Kubernetes object an empty list is an absent one.
    fn normalise(&self, value: &mut Value) {
        let read = match value.get("specYAML") {
            Some(Value::String(text)) => serde_saphyr::from_str::<Value>(text).ok(),
            _ => None,
        };
        if let Some(read) = read {
            value["specYAML"] = read;
        }
        for spec in ["spec", "specYAML"] {
            let Some(Value::Object(spec)) = value.get_mut(spec) else {
                continue;
            };
            spec.retain(|field, list| !LISTS.contains(&field.as_str()) || *list != json!([]));
        }
        if let Some(entries) = value.get_mut("mergedIgnitionErrors") {
            ignition_validate::without_parsers_words(entries);
        }
    }

    /// A field that about one case in eight has, and that says nothing beyond `spec`.
    fn answers_if_expected(&self) -> &'static [&'static str] {
        &["specYAML"]
    }
}

fn merged(pool: &str, merged: &Merged) -> anyhow::Result<Value> {
    let spec = serde_json::to_value(&merged.spec)?;
    let errors: Vec<Value> = merged
        .findings()
        .iter()
        .filter(|entry| entry.severity == Severity::Error)
        .map(ignition_validate::entry)
        .collect();
    let valid = merged.check().is_ok();
    let mut answer = json!({
        "mergedIgnitionValid": valid,
        "renderedName": rendered_name(pool, &merged.spec, merged.kubelet_version.as_deref()),
        "spec": spec,
        "specYAML": spec,
    });
    if !valid {
        answer["mergedIgnitionErrors"] = json!(errors);
    }
    Ok(answer)
}

fn told(error: &MergeError) -> Value {
    json!({"class": error.class(), "message": error.to_string()})
}

/// Windlass hashes another text than the reference, so that only the form of the name is the same.
fn same_form_of_name(expected: &Value, answer: &Value) -> Option<String> {
    let parts = |value: &Value| -> Option<(String, usize)> {
        let (stem, digits) = value["renderedName"].as_str()?.rsplit_once('-')?;
        let hexadecimal = digits
            .bytes()
            .all(|b| b.is_ascii_digit() || (b'a'..=b'f').contains(&b));
        hexadecimal.then(|| (stem.to_owned(), digits.len()))
    };
    let (wanted, given) = (parts(expected), parts(answer));
    let fits = given.is_some()
        && given == wanted
        && given.as_ref().is_some_and(|(_, digits)| *digits == DIGITS);
    (!fits).then(|| {
        format!(
            "expected a name like {}, answered {}",
            expected["renderedName"], answer["renderedName"]
        )
    })
}
