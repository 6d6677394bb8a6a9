//! The book's page of all fields, made from the schemas of the CRDs.
//!
//! A row is a field: where it is, its type and bounds, what it means. Fields of lists follow their
//! list as `name[].field`.

use serde_json::Value;
use std::fmt::Write as _;

/// The page `docs/reference/fields.md`.
pub(crate) fn page() -> anyhow::Result<String> {
    let mut text = String::from(
        "# Fields\n\nMade from the schemas by `cargo xtask codegen`. \"Kept\" says that Windlass keeps the field as it is, \
         and that it has no effect.\n",
    );
    for crd in api::crds() {
        let crd = serde_json::to_value(crd)?;
        let spec = &crd["spec"];
        let version = &spec["versions"][0];
        let schema = &version["schema"]["openAPIV3Schema"];
        writeln!(
            text,
            "\n## {}\n\n`{}/{}`. {}\n\n| field | type | meaning |\n| --- | --- | --- |",
            word(&spec["names"]["kind"]),
            word(&spec["group"]),
            word(&version["name"]),
            word(&schema["description"]),
        )?;
        rows("", schema, &mut text)?;
    }
    Ok(text)
}

fn rows(path: &str, schema: &Value, text: &mut String) -> std::fmt::Result {
    for (name, field) in schema["properties"].as_object().into_iter().flatten() {
        let path = if path.is_empty() {
            name.clone()
        } else {
            format!("{path}.{name}")
        };
        // What every list of conditions or selector holds is not ours to explain.
        let known = ["conditions", "matchLabels", "matchExpressions"].contains(&name.as_str());
        let required = list(&schema["required"]).contains(&name.as_str());
        let meaning = word(&field["description"])
            .replace('\n', " ")
            .replace('|', "\\|");
        let needed = if required { ", required" } else { "" };
        writeln!(text, "| `{path}` | {}{needed} | {meaning} |", kind(field))?;
        if known {
            continue;
        }
        rows(&path, field, text)?;
        rows(&format!("{path}[]"), &field["items"], text)?;
    }
    Ok(())
}

/// Type, allowed values and bounds in few words.
fn kind(field: &Value) -> String {
    let mut kind = match field["type"].as_str() {
        Some("array") => format!(
            "list of {}",
            field["items"]["type"].as_str().unwrap_or("any")
        ),
        Some(type_) => type_.to_owned(),
        None => "integer or string".to_owned(),
    };
    let values: Vec<&str> = list(&field["enum"])
        .into_iter()
        .filter(|value| !value.is_empty())
        .collect();
    if !values.is_empty() {
        kind = values.join(", ");
    }
    if let Some(least) = field["minimum"].as_f64() {
        kind = format!("{kind}, from {least}");
    }
    if let Some(most) = field["maxItems"].as_u64() {
        kind = format!("{kind}, at most {most}");
    }
    kind
}

fn word(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn list(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(Value::as_str)
        .collect()
}
