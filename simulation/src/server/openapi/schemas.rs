//! The schemas of a document: kinds, their lists, and all that they are made of.
//!
//! Built-in kinds have the names that Kubernetes gives them (`io.k8s.api.core.v1.Node`). A custom resource is named by its group
//! read backwards (`com.example.v1.Widget`), and keeps every mark of its definition's schema.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use k8s_openapi::api::autoscaling::v1::Scale;
use k8s_openapi::api::core::v1::Binding;
use k8s_openapi::api::policy::v1::Eviction;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{
    APIResourceList, DeleteOptions, ListMeta, Patch, Status,
};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value, json};

use super::Schemas;
use crate::server::resource::Resource;
use crate::server::shape::types::{BUILT_IN_NAMES, BUILT_IN_TYPES, OBJECT_META};
use crate::server::value;

/// Where the schemas of a document stand.
const PLACE: &str = "#/components/schemas/";
const INT_OR_STRING: &str = "io.k8s.apimachinery.pkg.util.intstr.IntOrString";
const QUANTITY: &str = "io.k8s.apimachinery.pkg.api.resource.Quantity";

/// Kinds that are no resources, but are sent to paths or answered by them.
const BESIDE: [(&str, &str, &str, &str); 3] = [
    ("policy", "v1", "Eviction", "io.k8s.api.policy.v1.Eviction"),
    (
        "autoscaling",
        "v1",
        "Scale",
        "io.k8s.api.autoscaling.v1.Scale",
    ),
    ("", "v1", "Binding", "io.k8s.api.core.v1.Binding"),
];

/// All that is built in, in the form of a document.
static ALL: LazyLock<Schemas> = LazyLock::new(|| {
    let mut generator = SchemaSettings::openapi3().into_generator();
    generator.subschema_for::<APIResourceList>();
    generator.subschema_for::<DeleteOptions>();
    generator.subschema_for::<ListMeta>();
    generator.subschema_for::<Patch>();
    generator.subschema_for::<Status>();
    generator.subschema_for::<Scale>();
    generator.subschema_for::<Binding>();
    generator.subschema_for::<Eviction>();
    let mut all: Schemas = generator.take_definitions(true).into_iter().collect();
    // Those that carry marks win.
    all.extend(BUILT_IN_TYPES.clone());
    for (name, schema) in &mut all {
        in_document(name, schema);
    }
    let kinds = BUILT_IN_NAMES
        .iter()
        .map(|((group, version, kind), name)| {
            (
                group.as_str(),
                version.as_str(),
                kind.as_str(),
                name.as_str(),
            )
        })
        .chain(BESIDE);
    for (group, version, kind, name) in kinds {
        if let Some(schema) = all.get_mut(name) {
            value::set(
                schema,
                &["x-kubernetes-group-version-kind"],
                kind_list(group, version, kind),
            );
        }
    }
    all
});

fn kind_list(group: &str, version: &str, kind: &str) -> Value {
    json!([{ "group": group, "kind": kind, "version": version }])
}

/// The full name of a type of `meta/v1`.
pub(super) fn meta(name: &str) -> String {
    format!("io.k8s.apimachinery.pkg.apis.meta.v1.{name}")
}

pub(super) fn reference_to(name: &str) -> Value {
    json!({ "$ref": format!("{PLACE}{name}") })
}

/// The name of a resource's schema.
pub(super) fn name_of(resource: &Resource) -> String {
    let key = (
        resource.group.clone(),
        resource.version.clone(),
        resource.kind.clone(),
    );
    match BUILT_IN_NAMES.get(&key) {
        Some(name) if resource.custom.is_none() => name.clone(),
        _ => {
            let backwards: Vec<&str> = resource.group.rsplit('.').collect();
            format!(
                "{}.{}.{}",
                backwards.join("."),
                resource.version,
                resource.kind
            )
        }
    }
}

/// The name of the schema of a resource's list.
pub(super) fn list_name_of(resource: &Resource) -> String {
    let name = name_of(resource);
    match name.rsplit_once('.') {
        Some((package, _)) => format!("{package}.{}", resource.list_kind),
        None => resource.list_kind.clone(),
    }
}

/// The schema of a resource's list, by name.
pub(super) fn list_of(resource: &Resource) -> (String, Value) {
    let kind = &resource.kind;
    let list = json!({
        "description": format!("{} is a list of {kind}", resource.list_kind),
        "type": "object",
        "required": ["items"],
        "properties": {
            "apiVersion": { "type": "string", "description": "The group and version of the list." },
            "kind": { "type": "string", "description": format!("{}.", resource.list_kind) },
            "metadata": {
                "description": "The version of the list, and where its next page begins.",
                "allOf": [reference_to(&meta("ListMeta"))],
            },
            "items": {
                "description": "The objects.",
                "type": "array",
                "items": reference_to(&name_of(resource)),
            },
        },
        "x-kubernetes-group-version-kind": kind_list(&resource.group, &resource.version, &resource.list_kind),
    });
    (list_name_of(resource), list)
}

/// The schema of a custom resource, by name: what its definition says, with what every object has.
pub(super) fn custom(resource: &Resource) -> Option<(String, Value)> {
    let mut schema = resource.custom.as_ref()?.schema.clone();
    with_common_fields(&mut schema);
    embedded(&mut schema);
    value::set(
        &mut schema,
        &["x-kubernetes-group-version-kind"],
        kind_list(&resource.group, &resource.version, &resource.kind),
    );
    Some((name_of(resource), schema))
}

fn with_common_fields(schema: &mut Value) {
    let common = [
        (
            "apiVersion",
            json!({
                "description": "The group and version in which the object is written.",
                "type": "string",
            }),
        ),
        (
            "kind",
            json!({ "description": "The kind of the object.", "type": "string" }),
        ),
        (
            "metadata",
            json!({
                "description": "The object's name, labels, annotations and all that every object has.",
                "allOf": [reference_to(OBJECT_META)],
            }),
        ),
    ];
    for (name, described) in common {
        value::set(schema, &["properties", name], described);
    }
}

/// Objects inside of an object have the common fields too.
fn embedded(schema: &mut Value) {
    each_below(schema, &mut |below| {
        if value::get(below, &["x-kubernetes-embedded-resource"]) == Some(&Value::Bool(true)) {
            with_common_fields(below);
        }
    });
}

/// Calls `change` for each schema inside of a schema, the outer ones first.
fn each_below(schema: &mut Value, change: &mut dyn FnMut(&mut Value)) {
    let Value::Object(fields) = schema else {
        return;
    };
    let mut visit = |below: &mut Value| {
        change(below);
        each_below(below, change);
    };
    for (name, inner) in fields {
        match (name.as_str(), inner) {
            ("properties", Value::Object(inner)) => inner.values_mut().for_each(&mut visit),
            ("items" | "additionalProperties" | "not", inner @ Value::Object(_)) => visit(inner),
            ("allOf" | "anyOf" | "oneOf", Value::Array(inner)) => {
                inner.iter_mut().for_each(&mut visit);
            }
            _ => {}
        }
    }
}

/// Brings the schema of a built-in type into the form of a document.
fn in_document(name: &str, schema: &mut Value) {
    match name {
        INT_OR_STRING => either(schema, "integer"),
        QUANTITY => either(schema, "number"),
        _ => {}
    }
    // Not the kind demands its metadata, but the server: k8s-openapi's types always have it.
    if is_object(schema)
        && let Some(Value::Array(required)) = schema.get_mut("required")
    {
        required.retain(|field| field != "metadata");
        if required.is_empty() {
            value::remove(schema, &["required"]);
        }
    }
}

/// Whether it is the schema of something with an object's metadata.
fn is_object(schema: &Value) -> bool {
    let mut found = BTreeSet::new();
    if let Some(metadata) = value::get(schema, &["properties", "metadata"]) {
        references(metadata, &mut found);
    }
    found.contains(OBJECT_META)
}

fn either(schema: &mut Value, or: &str) {
    value::remove(schema, &["x-kubernetes-int-or-string"]);
    value::set(
        schema,
        &["oneOf"],
        json!([{ "type": "string" }, { "type": or }]),
    );
}

/// The schemas that the paths need, those that these need, and so on.
pub(super) fn reachable(paths: &Value, own: &Schemas) -> Map<String, Value> {
    let mut wanted = BTreeSet::new();
    references(paths, &mut wanted);
    let mut found = Map::new();
    while let Some(name) = wanted.pop_first() {
        if found.contains_key(&name) {
            continue;
        }
        if let Some(schema) = own.get(&name).or_else(|| ALL.get(&name)) {
            references(schema, &mut wanted);
            found.insert(name, schema.clone());
        }
    }
    found
}

fn references(within: &Value, found: &mut BTreeSet<String>) {
    match within {
        Value::Object(fields) => {
            for (name, inner) in fields {
                match inner.as_str().and_then(|text| text.strip_prefix(PLACE)) {
                    Some(reference) if name == "$ref" => {
                        found.insert(reference.to_owned());
                    }
                    _ => references(inner, found),
                }
            }
        }
        Value::Array(items) => items.iter().for_each(|inner| references(inner, found)),
        _ => {}
    }
}
