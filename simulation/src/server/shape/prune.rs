//! Custom objects as their structural schema has them: unknown fields pruned, defaults filled in (KEP-1111, KEP-1693).

use serde_json::{Map, Value};

use super::decode;
use super::types::{OBJECT_META, Type};

/// Fields that each object has, whatever its schema says.
const COMMON: [&str; 3] = ["apiVersion", "kind", "metadata"];

/// Prunes a custom object. Gives the paths of what was unknown.
pub(crate) fn prune(at: &Type<'_>, object: &mut Value) -> Vec<String> {
    let mut unknown = Vec::new();
    prune_object(at, object, "", true, &mut unknown);
    unknown
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

fn prune_object(
    at: &Type<'_>,
    value: &mut Value,
    path: &str,
    is_object: bool,
    unknown: &mut Vec<String>,
) {
    match value {
        Value::Object(map) => {
            let names: Vec<String> = map.keys().cloned().collect();
            for name in names {
                if is_object && COMMON.contains(&name.as_str()) {
                    if name == "metadata" {
                        read_metadata(map, path, unknown);
                    }
                    continue;
                }
                prune_field(at, map, &name, path, unknown);
            }
        }
        Value::Array(items) => {
            let item_type = at.item();
            for (index, item) in items.iter_mut().enumerate() {
                let path = format!("{path}[{index}]");
                prune_object(&item_type, item, &path, item_type.is_embedded(), unknown);
            }
        }
        _ => {}
    }
}

fn read_metadata(map: &mut Map<String, Value>, path: &str, unknown: &mut Vec<String>) {
    let Some(metadata) = map.get("metadata") else {
        return;
    };
    let (read, findings) = decode::typed(&Type::built_in(OBJECT_META), metadata);
    let prefix = join(path, "metadata");
    unknown.extend(
        findings
            .unknown
            .iter()
            .map(|inner| format!("{prefix}.{inner}")),
    );
    map.insert("metadata".to_owned(), read);
}

fn prune_field(
    at: &Type<'_>,
    map: &mut Map<String, Value>,
    name: &str,
    path: &str,
    unknown: &mut Vec<String>,
) {
    let path = join(path, name);
    let child_type = at.field(name).or_else(|| at.values());
    match child_type {
        Some(child_type) => {
            if map.get(name).is_some_and(Value::is_null) && !child_type.is_nullable() {
                map.remove(name);
                return;
            }
            if let Some(child) = map.get_mut(name) {
                prune_object(&child_type, child, &path, child_type.is_embedded(), unknown);
            }
        }
        None if at.keeps_unknown() || at.is_unknown() || decode::is_free(at) => {}
        None => {
            unknown.push(path);
            map.remove(name);
        }
    }
}

/// Fills in the defaults of a schema.
pub(crate) fn fill_defaults(at: &Type<'_>, value: &mut Value) {
    match value {
        Value::Object(map) => {
            for (name, child_type) in at.fields() {
                if !map.contains_key(name)
                    && let Some(default) = child_type.default()
                {
                    map.insert(name.clone(), default.clone());
                }
                if let Some(child) = map.get_mut(name) {
                    fill_defaults(&child_type, child);
                }
            }
            if let Some(values) = at.values() {
                for (name, child) in map.iter_mut() {
                    if at.field(name).is_none() {
                        fill_defaults(&values, child);
                    }
                }
            }
        }
        Value::Array(items) => {
            let item_type = at.item();
            for item in items {
                fill_defaults(&item_type, item);
            }
        }
        _ => {}
    }
}
