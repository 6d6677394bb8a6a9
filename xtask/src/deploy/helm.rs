//! The Helm chart: the same objects as templates, with the settings as values and their schema.
//!
//! # Guarantees
//! Values that the chart does not know are refused by its schema. Text of ours that looks like a template is written
//! so that Helm gives it back as it is.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context as _, Result, bail};
use serde_json::{Map, Value, json};

use super::values::{CONFIG, CONFIG_SUM, IMAGE, MERGE, NAMESPACE, SWITCHES, config_keys, table};
use super::{HEADER, Piece, documents, yaml};

const FOLDER: &str = "deploy/helm/windlass";

/// Makes Helm leave an object where it is when the release goes.
pub(super) const KEEP: (&str, &str) = ("helm.sh/resource-policy", "keep");

/// What people read after an installation.
const NOTES: &str = "\
Windlass is installed, and does nothing until there is a MachineConfigPool.
The first pool, its approval, upgrades and removal: docs/install.md.
";

/// Path from the root to content.
pub(super) fn files(pieces: &[Piece], components: &[Piece]) -> Result<BTreeMap<String, String>> {
    let mut files = BTreeMap::new();
    let mut used = BTreeSet::new();
    for piece in pieces.iter().chain(components) {
        let path = format!("{FOLDER}/templates/{}.yaml", piece.name);
        files.insert(path, template(piece, &mut used)?);
    }
    for row in table() {
        let whole = ["image.repository", "image.tag", "controller.config"].contains(&row.path);
        if !whole && !used.contains(row.path) {
            bail!("no manifest uses the setting {}", row.path);
        }
    }
    files.insert(format!("{FOLDER}/templates/NOTES.txt"), NOTES.to_owned());
    files.insert(
        format!("{FOLDER}/Chart.yaml"),
        format!("{HEADER}{}", yaml(&chart())?),
    );
    files.insert(format!("{FOLDER}/values.yaml"), values()?);
    files.insert(
        format!("{FOLDER}/values.schema.json"),
        format!("{:#}\n", schema()),
    );
    Ok(files)
}

fn chart() -> Value {
    let version = env!("CARGO_PKG_VERSION");
    json!({
        "apiVersion": "v2", "name": "windlass", "type": "application",
        "description": "Brings the nodes of a Kubernetes cluster to the configuration their owners declared.",
        "version": version, "appVersion": version, "kubeVersion": ">=1.33.0-0",
    })
}

fn template(piece: &Piece, used: &mut BTreeSet<String>) -> Result<String> {
    let mut objects = piece.objects.clone();
    for object in &mut objects {
        if object["kind"] == "CustomResourceDefinition" {
            object["metadata"]["annotations"][KEEP.0] = json!(KEEP.1);
        }
    }
    let body = documents(&objects)?;
    let body: String = body
        .lines()
        .map(|line| expressed(&verbatim(line), used))
        .collect::<Result<_>>()?;
    Ok(match piece.switch {
        None => format!("{HEADER}{body}"),
        Some(switch) => {
            used.insert(switch.to_owned());
            format!("{HEADER}{{{{- if .Values.{switch} }}}}\n{body}{{{{- end }}}}\n")
        }
    })
}

/// Text that Helm gives back as it is.
fn verbatim(line: &str) -> String {
    let (open, close) = ("\u{1}", "\u{2}");
    let marked = line.replace("{{", open).replace("}}", close);
    marked
        .replace(open, "{{ \"{{\" }}")
        .replace(close, "{{ \"}}\" }}")
}

/// A line of YAML with its marks made into expressions.
fn expressed(line: &str, used: &mut BTreeSet<String>) -> Result<String> {
    let Some((before, rest)) = line.split_once("@{") else {
        return Ok(format!("{line}\n"));
    };
    let (path, after) = rest
        .split_once('}')
        .with_context(|| format!("a mark without an end: {line}"))?;
    used.insert(path.to_owned());
    let quoted = before.ends_with(['"', '\'']) && (after == "\"" || after == "'");
    if !quoted {
        let value = match path {
            NAMESPACE => "{{ .Release.Namespace }}".to_owned(),
            path => format!("{{{{ .Values.{path} }}}}"),
        };
        let after = expressed(after, used)?;
        return Ok(format!("{before}{value}{after}"));
    }
    let before = &before[..before.len() - 1];
    if before.trim().trim_matches(['"', '\'', ':', ' ']) == MERGE {
        let indent = before.len() - before.trim_start().len();
        return Ok(format!(
            "{{{{- with .Values.{path} }}}}\n{{{{- toYaml . | nindent {indent} }}}}\n{{{{- end }}}}\n"
        ));
    }
    Ok(format!("{}\n", whole(before, path)?))
}

/// A line whose value is a setting as a whole.
fn whole(before: &str, path: &str) -> Result<String> {
    let expression = match path {
        NAMESPACE => "{{ .Release.Namespace | quote }}".to_owned(),
        IMAGE => {
            "{{ printf \"%s:%s\" .Values.image.repository .Values.image.tag | quote }}".to_owned()
        }
        CONFIG => "{{ toJson .Values.controller.config | quote }}".to_owned(),
        CONFIG_SUM => "{{ toJson .Values.controller.config | sha256sum | quote }}".to_owned(),
        path => {
            let row = table().into_iter().find(|row| row.path == path);
            match row
                .with_context(|| format!("no setting is called {path}"))?
                .default
            {
                Value::String(_) => format!("{{{{ .Values.{path} | quote }}}}"),
                Value::Object(_) | Value::Array(_) => {
                    // Of a list's item, the keys stand two further in than its dash.
                    let dashless = before.replacen("- ", "  ", 1);
                    let indent = dashless.len() - dashless.trim_start().len() + 2;
                    let before = before.trim_end();
                    return Ok(format!(
                        "{before}\n{{{{- toYaml .Values.{path} | nindent {indent} }}}}"
                    ));
                }
                _ => format!("{{{{ .Values.{path} }}}}"),
            }
        }
    };
    Ok(format!("{before}{expression}"))
}

/// The settings as a tree, its leaves the rows of the table.
fn tree<T>(
    leaf: impl Fn(super::values::Setting) -> T,
) -> Vec<(&'static str, Vec<(&'static str, T)>)> {
    let mut groups: Vec<(&'static str, Vec<(&'static str, T)>)> = Vec::new();
    for row in table() {
        let (group, key) = row.path.split_once('.').unwrap_or((row.path, ""));
        let entry = (key, leaf(row));
        match groups.iter_mut().find(|(name, _)| *name == group) {
            Some((_, entries)) => entries.push(entry),
            None => groups.push((group, vec![entry])),
        }
    }
    groups
}

fn values() -> Result<String> {
    let mut text = HEADER.to_owned();
    let entry = |indent: &str, key: &str, row: &super::values::Setting| -> Result<String> {
        let value = serde_json::to_string(&row.default).context("writing a default")?;
        Ok(format!("{indent}# {}\n{indent}{key}: {value}\n", row.about))
    };
    for (group, rows) in tree(|row| row) {
        text.push('\n');
        if let [("", row)] = rows.as_slice() {
            text.push_str(&entry("", group, row)?);
            continue;
        }
        text.push_str(&format!("{group}:\n"));
        for (key, row) in &rows {
            text.push_str(&entry("  ", key, row)?);
        }
    }
    Ok(text)
}

fn schema() -> Value {
    let groups = tree(|row| typed(&row));
    let mut properties = Map::new();
    for (group, mut rows) in groups {
        let schema = match rows.as_mut_slice() {
            [("", schema)] => schema.take(),
            rows => closed(
                rows.iter_mut()
                    .map(|(key, schema)| ((*key).to_owned(), schema.take())),
            ),
        };
        properties.insert(group.to_owned(), schema);
    }
    // What a chart above this one tells all of its charts.
    properties.insert("global".to_owned(), json!({"type": "object"}));
    let mut schema = closed(properties);
    schema["$schema"] = json!("https://json-schema.org/draft/2020-12/schema");
    schema
}

fn closed(properties: impl IntoIterator<Item = (String, Value)>) -> Value {
    let properties: Map<String, Value> = properties.into_iter().collect();
    json!({"type": "object", "additionalProperties": false, "properties": properties})
}

fn typed(row: &super::values::Setting) -> Value {
    if row.path == "controller.config" {
        return known_keys(&config_keys());
    }
    let kind = match row.default {
        Value::Bool(_) => "boolean",
        Value::Number(_) => "integer",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
        Value::String(_) | Value::Null => "string",
    };
    json!({"type": kind, "description": row.about})
}

/// Names alone: the controller itself judges the values, and says what it expects.
fn known_keys(keys: &Value) -> Value {
    match keys {
        Value::Object(entries) => closed(
            entries
                .iter()
                .map(|(key, value)| (key.clone(), known_keys(value))),
        ),
        _ => json!({}),
    }
}

/// All switches, as arguments that turn them on.
pub(super) fn all_on() -> Vec<String> {
    SWITCHES
        .iter()
        .map(|(_, path, _)| format!("--set={path}=true"))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(text: &str) -> String {
        expressed(&verbatim(text), &mut BTreeSet::new()).unwrap()
    }

    #[test]
    fn a_template_of_somebody_else_is_given_back_as_it_is() {
        assert_eq!(
            line("summary: on {{ $labels.node }}"),
            "summary: on {{ \"{{\" }} $labels.node {{ \"}}\" }}\n"
        );
    }

    #[test]
    fn a_map_stands_under_its_key() {
        assert_eq!(
            line("  resources: \"@{controller.resources}\""),
            "  resources:\n{{- toYaml .Values.controller.resources | nindent 4 }}\n"
        );
    }

    #[test]
    fn the_namespace_stands_inside_a_text() {
        assert_eq!(
            line("  expression: x == 'system:serviceaccount:@{namespace}:y'"),
            "  expression: x == 'system:serviceaccount:{{ .Release.Namespace }}:y'\n"
        );
    }
}
