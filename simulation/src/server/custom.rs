//! Custom resources: what a CustomResourceDefinition makes the server serve.

use std::sync::Arc;

use serde_json::{Value, json};

use super::builtin::Rules;
use super::resource::{Registry, Resource, storage_key};
use super::{shape, value};

/// The part of a definition that one version of its resource needs.
#[derive(Debug)]
pub(crate) struct CustomVersion {
    /// The structural schema (`openAPIV3Schema`).
    pub schema: Value,
    /// The schema's CEL rules.
    pub rules: shape::cel::Rules,
    /// `additionalPrinterColumns`, as written.
    pub columns: Vec<Value>,
    /// The paths of `selectableFields`, without the leading dot.
    pub selectable: Vec<String>,
    /// The version in which objects are stored, as `group/version`.
    pub storage_api_version: String,
}

/// Makes the server serve what the definition says, instead of what an older state of it said.
pub(crate) fn register(registry: &mut Registry, definition: &Value) {
    let group = value::text(definition, &["spec", "group"]);
    let names = value::get(definition, &["spec", "names"])
        .cloned()
        .unwrap_or_default();
    let plural = value::text(&names, &["plural"]);
    registry.remove_custom(group, plural);
    let versions = value::list(definition, &["spec", "versions"]);
    let stored = versions
        .iter()
        .find(|version| value::get(version, &["storage"]) == Some(&Value::Bool(true)))
        .map_or("", |version| value::text(version, &["name"]));
    for version in versions {
        if value::get(version, &["served"]) != Some(&Value::Bool(true)) {
            continue;
        }
        let name = value::text(version, &["name"]);
        let status = value::get(version, &["subresources", "status"]).is_some();
        let strings = |path: &[&str]| {
            value::list(&names, path)
                .iter()
                .filter_map(Value::as_str)
                .map(str::to_owned)
                .collect()
        };
        registry.add(Resource {
            group: group.to_owned(),
            version: name.to_owned(),
            kind: value::text(&names, &["kind"]).to_owned(),
            list_kind: value::text(&names, &["listKind"]).to_owned(),
            plural: plural.to_owned(),
            singular: value::text(&names, &["singular"]).to_owned(),
            namespaced: value::text(definition, &["spec", "scope"]) == "Namespaced",
            short_names: strings(&["shortNames"]),
            categories: strings(&["categories"]),
            subresources: if status {
                vec!["status".to_owned()]
            } else {
                Vec::new()
            },
            rules: Rules {
                generation: true,
                unconditional_update: false,
                returns_deleted: false,
                graceful: false,
                status,
                status_keeps_metadata: true,
            },
            storage: storage_key(plural, group),
            custom: Some(Arc::new(custom_version(version, group, stored))),
        });
    }
}

fn custom_version(version: &Value, group: &str, stored: &str) -> CustomVersion {
    let schema = value::get(version, &["schema", "openAPIV3Schema"])
        .cloned()
        .unwrap_or_else(|| json!({ "type": "object" }));
    CustomVersion {
        rules: shape::cel::Rules::of(&schema),
        schema,
        columns: value::list(version, &["additionalPrinterColumns"]).to_vec(),
        selectable: value::list(version, &["selectableFields"])
            .iter()
            .map(|field| {
                value::text(field, &["jsonPath"])
                    .trim_start_matches('.')
                    .to_owned()
            })
            .collect(),
        storage_api_version: format!("{group}/{stored}"),
    }
}

/// Fills in what a definition may leave out.
pub(crate) fn default_definition(definition: &mut Value) {
    let kind = value::text(definition, &["spec", "names", "kind"]).to_owned();
    if value::get(definition, &["spec", "conversion"]).is_none() {
        value::set(definition, &["spec", "conversion", "strategy"], "None");
    }
    if value::get(definition, &["spec", "names", "singular"]).is_none() {
        value::set(
            definition,
            &["spec", "names", "singular"],
            kind.to_lowercase(),
        );
    }
    if value::get(definition, &["spec", "names", "listKind"]).is_none() {
        value::set(
            definition,
            &["spec", "names", "listKind"],
            format!("{kind}List"),
        );
    }
}

/// The status of a definition that has just been written.
pub(crate) fn fresh_status(definition: &Value) -> Value {
    let stored: Vec<Value> = value::list(definition, &["spec", "versions"])
        .iter()
        .filter(|version| value::get(version, &["storage"]) == Some(&Value::Bool(true)))
        .map(|version| value::text(version, &["name"]).into())
        .collect();
    json!({
        "conditions": null,
        "acceptedNames": { "plural": "", "kind": "" },
        "storedVersions": stored,
    })
}

/// The status of a definition whose resource is served. `now` in RFC 3339.
pub(crate) fn established_status(definition: &Value, now: &str) -> Value {
    let mut status = fresh_status(definition);
    value::copy(&mut status, &Value::Null, &["conditions"]);
    let names = value::get(definition, &["spec", "names"])
        .cloned()
        .unwrap_or_default();
    value::set(&mut status, &["acceptedNames"], names);
    let condition = |kind: &str, reason: &str, message: &str| {
        json!({
            "type": kind,
            "status": "True",
            "lastTransitionTime": now,
            "reason": reason,
            "message": message,
        })
    };
    value::set(
        &mut status,
        &["conditions"],
        vec![
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition(
                "Established",
                "InitialNamesAccepted",
                "the initial names have been accepted",
            ),
        ],
    );
    status
}
