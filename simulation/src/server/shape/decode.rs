//! A built-in object as its Go type would have it after reading: unknown fields gone, what says nothing left out, what is always
//! shown put in.
//!
//! The real server reads JSON into typed objects and writes them again; clients see the result, and no-op writes and field managers
//! depend on it. Types that do not fit are refused here, as the real decoder does.

use serde_json::{Map, Value};

use super::marks::{EMPTY_TEXT_IS_KEPT, FALSE_IS_ABSENT, always_shown};
use super::types::Type;

/// What reading an object found beside the object.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// Paths of fields that the kind does not have.
    pub unknown: Vec<String>,
    /// What does not fit its type, in a sentence.
    pub misfit: Option<String>,
}

/// Reads an object as its type has it.
pub(crate) fn typed(at: &Type<'_>, object: &Value) -> (Value, Findings) {
    let mut findings = Findings::default();
    let read = read(at, object, "", &mut findings);
    (read.unwrap_or_else(|| Value::Object(Map::new())), findings)
}

/// An object of a type in which nobody has set anything.
pub(crate) fn zero(at: &Type<'_>) -> Value {
    let mut zero = Map::new();
    show(at, &mut zero);
    zero.insert("metadata".to_owned(), Value::Object(Map::new()));
    Value::Object(zero)
}

/// Types behind which any value may stand.
const FREE: [&str; 5] = [
    ".v1.JSON",
    ".v1.JSONSchemaPropsOrArray",
    ".v1.JSONSchemaPropsOrBool",
    ".v1.JSONSchemaPropsOrStringArray",
    ".runtime.RawExtension",
];

/// Whether any value may stand at a place.
pub(super) fn is_free(at: &Type<'_>) -> bool {
    FREE.iter().any(|free| at.name.ends_with(free))
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() {
        name.to_owned()
    } else {
        format!("{path}.{name}")
    }
}

/// Reads what stands at a place; none: nothing that would be written again.
fn read(at: &Type<'_>, value: &Value, path: &str, findings: &mut Findings) -> Option<Value> {
    if is_free(at) {
        return (!value.is_null()).then(|| value.clone());
    }
    match value {
        Value::Null => None,
        Value::Object(map) if at.is_struct() => Some(read_struct(at, map, path, findings)),
        Value::Object(map) => match at.values() {
            Some(values) => {
                let read: Map<String, Value> = map
                    .iter()
                    .map(|(name, child)| {
                        let kept = self::read(&values, child, &join(path, name), findings);
                        (name.clone(), kept.unwrap_or_else(|| empty_of(&values)))
                    })
                    .collect();
                Some(Value::Object(read))
            }
            None if matches!(at.json_type(), "" | "object") => Some(value.clone()),
            None => misfit(at, "object", path, findings),
        },
        Value::Array(items) => {
            if !matches!(at.json_type(), "" | "array") {
                return misfit(at, "array", path, findings);
            }
            let item_type = at.item();
            let read: Vec<Value> = items
                .iter()
                .enumerate()
                .map(|(index, item)| {
                    self::read(&item_type, item, &format!("{path}[{index}]"), findings)
                        .unwrap_or_else(|| empty_of(&item_type))
                })
                .collect();
            Some(Value::Array(read))
        }
        scalar => read_scalar(at, scalar, path, findings),
    }
}

fn empty_of(at: &Type<'_>) -> Value {
    match at.json_type() {
        "string" => Value::from(""),
        "integer" | "number" => Value::from(0),
        "boolean" => Value::from(false),
        "array" => Value::Array(Vec::new()),
        _ if at.is_struct() => Value::Object(Map::new()),
        _ => Value::Null,
    }
}

fn read_scalar(
    at: &Type<'_>,
    scalar: &Value,
    path: &str,
    findings: &mut Findings,
) -> Option<Value> {
    let found = match scalar {
        Value::String(_) => "string",
        Value::Bool(_) => "bool",
        _ => "number",
    };
    let fits = match at.json_type() {
        "" => true,
        "string" => found == "string",
        "boolean" => found == "bool",
        "integer" => scalar.is_i64() || scalar.is_u64(),
        "number" => found == "number",
        _ => false,
    };
    if fits || at.is_int_or_string() && found != "bool" {
        return Some(scalar.clone());
    }
    misfit(at, found, path, findings)
}

fn misfit(at: &Type<'_>, found: &str, path: &str, findings: &mut Findings) -> Option<Value> {
    let wanted = match at.json_type() {
        "boolean" => "bool",
        "integer" => "int",
        "" => "object",
        other => other,
    };
    findings.misfit.get_or_insert_with(|| {
        format!("json: cannot unmarshal {found} into Go struct field {path} of type {wanted}")
    });
    None
}

fn read_struct(
    at: &Type<'_>,
    map: &Map<String, Value>,
    path: &str,
    findings: &mut Findings,
) -> Value {
    let required: Vec<&str> = at.required().collect();
    let mut kept = Map::new();
    for (name, child) in map {
        let Some(child_type) = at.field(name) else {
            findings.unknown.push(join(path, name));
            continue;
        };
        let Some(read) = read(&child_type, child, &join(path, name), findings) else {
            continue;
        };
        if required.contains(&name.as_str()) || !says_nothing(at, name, &child_type, &read) {
            kept.insert(name.clone(), read);
        }
    }
    show(at, &mut kept);
    Value::Object(kept)
}

/// Whether a value is left out when it is written, because its absence says the same.
fn says_nothing(at: &Type<'_>, name: &str, child_type: &Type<'_>, value: &Value) -> bool {
    let listed = |table: &[(&str, &str)]| {
        table.iter().any(|(of, field)| {
            *field == name
                && at
                    .name
                    .strip_suffix(of)
                    .is_some_and(|before| before.ends_with('.'))
        })
    };
    match value {
        Value::Object(map) => map.is_empty() && child_type.values().is_some(),
        Value::Array(items) => items.is_empty(),
        Value::String(text) => text.is_empty() && !listed(EMPTY_TEXT_IS_KEPT),
        Value::Bool(false) => listed(FALSE_IS_ABSENT),
        _ => false,
    }
}

/// Puts in what a type always shows.
fn show(at: &Type<'_>, map: &mut Map<String, Value>) {
    let Some(shown) = always_shown(at.name) else {
        return;
    };
    for (name, value) in shown {
        if let Some(inner) = value.as_object() {
            let entry = map
                .entry(name.clone())
                .or_insert_with(|| Value::Object(Map::new()));
            if let (Value::Object(entry), Some(child)) = (entry, at.field(name)) {
                for (inner_name, inner_value) in inner {
                    entry
                        .entry(inner_name.clone())
                        .or_insert_with(|| inner_value.clone());
                }
                show(&child, entry);
            }
        } else {
            map.entry(name.clone()).or_insert_with(|| value.clone());
        }
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn node(object: &Value) -> (Value, Findings) {
        typed(&Type::built_in("io.k8s.api.core.v1.Node"), object)
    }

    #[test]
    fn what_says_nothing_is_left_out() {
        let (read, _) = node(&json!({
            "metadata": { "name": "n", "labels": {}, "annotations": null },
            "spec": { "unschedulable": false, "providerID": "", "taints": [] },
        }));
        assert_eq!(read["metadata"], json!({ "name": "n" }));
        assert_eq!(read["spec"], json!({}));
    }

    #[test]
    fn unknown_fields_are_named_and_dropped() {
        let (read, findings) = node(
            &json!({ "spec": { "nope": 1, "taints": [{ "key": "k", "effect": "NoSchedule", "x": 1 }] } }),
        );
        assert_eq!(findings.unknown, ["spec.nope", "spec.taints[0].x"]);
        assert_eq!(
            read["spec"],
            json!({ "taints": [{ "key": "k", "effect": "NoSchedule" }] })
        );
    }

    #[test]
    fn a_value_of_another_type_is_a_misfit() {
        let (_, findings) = node(&json!({ "spec": { "unschedulable": "yes" } }));
        assert_eq!(
            findings.misfit.as_deref(),
            Some(
                "json: cannot unmarshal string into Go struct field spec.unschedulable of type bool"
            )
        );
    }

    #[test]
    fn a_status_shows_what_nobody_set() {
        let (read, _) = node(&json!({ "metadata": { "name": "n" } }));
        assert_eq!(
            read["status"]["daemonEndpoints"],
            json!({ "kubeletEndpoint": { "Port": 0 } })
        );
        assert_eq!(read["status"]["nodeInfo"]["kubeletVersion"], "");
    }
}
