//! Tables for people: what `kubectl get` shows.
//!
//! # Guarantees
//! Built-in kinds have the columns of the real server, custom ones those of their definition's
//! `additionalPrinterColumns`; a kind without columns of its own shows name and age. A cell whose place is missing is what
//! the real server puts there.
//!
//! | you look for | it is in |
//! | --- | --- |
//! | the columns of a built-in kind | [`columns`], pods in [`pod`], workloads in [`workload`] |
//! | a custom resource's column | [`path`] |
//! | how long ago something was | [`mod@age`] |

mod age;
mod columns;
mod path;
mod pod;
mod workload;

use std::sync::LazyLock;

use jiff::Timestamp;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use serde_json::{Value, json};

use super::present::{RowObject, metadata_of};
use super::resource::Resource;
use super::store::Object;
use super::value;
use age::age;
use columns::{BUILT_IN, Column, Format, Shown};

/// What an empty place shows in most columns.
const NONE: &str = "<none>";
/// What a place shows that should have been filled by somebody.
const UNKNOWN: &str = "<unknown>";

/// A table of objects. `columns`: whether the columns are described.
pub(crate) fn table(
    resource: &Resource,
    metadata: Value,
    objects: &[Object],
    rows: RowObject,
    now: Timestamp,
    columns: bool,
) -> Value {
    let kind = Kind::of(resource);
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let mut row = json!({ "cells": kind.cells(object, now) });
            match rows {
                RowObject::None => {}
                RowObject::Metadata => row["object"] = metadata_of(object),
                RowObject::Object => row["object"] = Value::clone(object),
            }
            row
        })
        .collect();
    json!({
        "kind": "Table",
        "apiVersion": "meta.k8s.io/v1",
        "metadata": metadata,
        "columnDefinitions": if columns { kind.definitions() } else { Value::Null },
        "rows": rows,
    })
}

/// Whose columns are shown.
enum Kind<'a> {
    BuiltIn(&'static [Column]),
    /// `additionalPrinterColumns`, as written.
    Custom(&'a [Value]),
}

impl<'a> Kind<'a> {
    fn of(resource: &'a Resource) -> Self {
        if let Some(custom) = &resource.custom
            && !custom.columns.is_empty()
        {
            return Self::Custom(&custom.columns);
        }
        let known = BUILT_IN
            .iter()
            .find(|(group, plural, _)| resource.is(group, plural));
        Self::BuiltIn(known.map_or(columns::ANY, |(_, _, columns)| *columns))
    }

    fn definitions(&self) -> Value {
        let name = definition("Name", "string", "name", &NAME_MEANS, 0);
        let rest: Vec<Value> = match self {
            Self::BuiltIn(columns) => columns.iter().map(Column::definition).collect(),
            Self::Custom(columns) => columns.iter().map(custom_definition).collect(),
        };
        std::iter::once(name).chain(rest).collect()
    }

    fn cells(&self, object: &Value, now: Timestamp) -> Vec<Value> {
        let name = Value::from(value::text(object, &["metadata", "name"]));
        let rest: Vec<Value> = match self {
            Self::BuiltIn(columns) => columns
                .iter()
                .map(|column| column.cell(object, now))
                .collect(),
            Self::Custom(columns) => columns
                .iter()
                .map(|column| custom_cell(column, object, now))
                .collect(),
        };
        std::iter::once(name).chain(rest).collect()
    }
}

impl Column {
    fn definition(&self) -> Value {
        let format = match self.format {
            Format::Text => "string",
            Format::Number => "integer",
            Format::Date => "date",
        };
        let description = match self.describe {
            "" => AGE_MEANS.as_str(),
            own => own,
        };
        let priority = match self.shown {
            Shown::Always => 0,
            Shown::Wide => 1,
        };
        definition(self.name, format, "", description, priority)
    }

    fn cell(&self, object: &Value, now: Timestamp) -> Value {
        (self.cell)(object, now)
    }
}

fn definition(name: &str, kind: &str, format: &str, description: &str, priority: i64) -> Value {
    json!({
        "name": name, "type": kind, "format": format, "description": description, "priority": priority,
    })
}

fn custom_definition(column: &Value) -> Value {
    let path = value::text(column, &["jsonPath"]);
    let description = match value::text(column, &["description"]) {
        "" => format!("Custom resource definition column (in JSONPath format): {path}"),
        own => own.to_owned(),
    };
    definition(
        value::text(column, &["name"]),
        value::text(column, &["type"]),
        value::text(column, &["format"]),
        &description,
        value::integer(column, &["priority"]),
    )
}

fn custom_cell(column: &Value, object: &Value, now: Timestamp) -> Value {
    let Some(found) = path::first(object, value::text(column, &["jsonPath"])) else {
        return Value::Null;
    };
    match value::text(column, &["type"]) {
        "date" => match found.as_str() {
            Some(since) => age(since, now).into(),
            None => "<invalid>".into(),
        },
        "string" => match found {
            Value::String(text) => text.as_str().into(),
            other => other.to_string().into(),
        },
        "integer" => found.as_i64().map_or(Value::Null, Value::from),
        _ => found.clone(),
    }
}

/// What Kubernetes says of a name and of a creation time: its own schema's words.
static NAME_MEANS: LazyLock<String> = LazyLock::new(|| of_the_metadata("name"));
static AGE_MEANS: LazyLock<String> = LazyLock::new(|| of_the_metadata("creationTimestamp"));

fn of_the_metadata(field: &str) -> String {
    let schema = schemars::schema_for!(ObjectMeta).to_value();
    value::text(&schema, &["properties", field, "description"]).to_owned()
}

#[cfg(test)]
mod tests {
    use super::super::resource::Registry;
    use super::*;

    const NOW: &str = "2025-01-01T01:00:00Z";

    fn cells(group: &str, plural: &str, object: &Value) -> Vec<(String, String)> {
        let registry = Registry::built_in();
        let resource = registry.find(group, "v1", plural).unwrap();
        let kind = Kind::of(resource);
        let shown = |value: &Value| {
            value
                .as_str()
                .map_or_else(|| value.to_string(), str::to_owned)
        };
        let definitions = kind.definitions();
        let names = definitions.as_array().unwrap().iter();
        names
            .map(|column| shown(&column["name"]))
            .zip(kind.cells(object, NOW.parse().unwrap()).iter().map(shown))
            .collect()
    }

    fn cell(group: &str, plural: &str, object: &Value, column: &str) -> String {
        cells(group, plural, object)
            .into_iter()
            .find(|(name, _)| name == column)
            .map(|(_, cell)| cell)
            .unwrap()
    }

    #[test]
    fn a_node_shows_its_state_its_roles_and_its_kubelet() {
        let node = json!({
            "metadata": {"name": "n1", "creationTimestamp": "2025-01-01T00:00:00Z", "labels": {
                "node-role.kubernetes.io/worker": "", "node-role.kubernetes.io/infra": ""}},
            "spec": {"unschedulable": true},
            "status": {"conditions": [{"type": "Ready", "status": "Unknown"}], "nodeInfo": {"kubeletVersion": "v1.33.4"}},
        });

        let shown: Vec<String> = cells("", "nodes", &node)
            .into_iter()
            .map(|(_, cell)| cell)
            .collect();

        assert_eq!(
            shown[..5],
            [
                "n1",
                "NotReady,SchedulingDisabled",
                "infra,worker",
                "60m",
                "v1.33.4"
            ]
        );
        assert_eq!(
            cell("", "nodes", &json!({"metadata": {"name": "n2"}}), "Status"),
            "Unknown"
        );
    }

    #[test]
    fn a_pod_shows_what_its_containers_do_and_that_it_ends() {
        let pod = |more: Value| {
            let mut pod = json!({
                "metadata": {"name": "p1"},
                "spec": {"containers": [{"name": "a"}, {"name": "b"}], "nodeName": "n1"},
                "status": {"phase": "Running", "containerStatuses": [
                    {"ready": true, "restartCount": 2, "state": {"running": {}}},
                    {"ready": false, "restartCount": 1, "state": {"waiting": {"reason": "CrashLoopBackOff"}}}]},
            });
            json_patch::merge(&mut pod, &more);
            pod
        };

        assert_eq!(cell("", "pods", &pod(json!({})), "Ready"), "1/2");
        assert_eq!(cell("", "pods", &pod(json!({})), "Restarts"), "3");
        assert_eq!(
            cell("", "pods", &pod(json!({})), "Status"),
            "CrashLoopBackOff"
        );
        let ending = pod(json!({"metadata": {"deletionTimestamp": NOW}}));
        assert_eq!(cell("", "pods", &ending, "Status"), "Terminating");
    }

    #[test]
    fn a_budget_shows_how_many_may_go() {
        let budget = json!({
            "metadata": {"name": "payments"},
            "spec": {"maxUnavailable": "25%"},
            "status": {"disruptionsAllowed": 0},
        });

        assert_eq!(
            cell("policy", "poddisruptionbudgets", &budget, "Min Available"),
            "N/A"
        );
        assert_eq!(
            cell("policy", "poddisruptionbudgets", &budget, "Max Unavailable"),
            "25%"
        );
        assert_eq!(
            cell(
                "policy",
                "poddisruptionbudgets",
                &budget,
                "Allowed Disruptions"
            ),
            "0"
        );
    }

    #[test]
    fn a_custom_column_shows_what_stands_at_its_path() {
        let column = |kind: &str, path: &str| json!({"name": "C", "type": kind, "jsonPath": path});
        let object = json!({
            "metadata": {"creationTimestamp": "2025-01-01T00:59:30Z", "annotations": {"a.b/c": "x"}},
            "status": {"count": 3, "conditions": [{"type": "Ready", "status": "True"}, {"type": "Done", "status": "False"}]},
        });
        let now = NOW.parse().unwrap();
        let shown = |kind: &str, path: &str| custom_cell(&column(kind, path), &object, now);

        assert_eq!(shown("date", ".metadata.creationTimestamp"), "30s");
        assert_eq!(shown("string", r".metadata.annotations.a\.b/c"), "x");
        assert_eq!(
            shown("string", r#".status.conditions[?(@.type=="Done")].status"#),
            "False"
        );
        assert_eq!(shown("integer", ".status.count"), 3);
        assert_eq!(shown("string", ".status.missing"), Value::Null);
    }
}
