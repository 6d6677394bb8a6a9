//! From the JSON of a config to its fields under their proper names, as the reference's decoder
//! sees it.
//!
//! Guarantees: the result holds only fields that the declared version knows, under the schema's
//! spelling, of the schema's types. Keys match whatever their case. `null` is absent, in a list an
//! empty item. Repeated keys merge as in Go's `encoding/json`: objects member by member, list items
//! by position, for all else the last wins. Empty lists stay apart from absent ones, because the
//! reference compares them so.
//! Not here: values that are of the right type but wrong (`validate`).

use serde_json::{Map, Value};

use super::json::Json;
use super::report::{Entry, Path};
use super::schema::{Field, Kind, Object};

/// A value of another type than the schema's.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot read {found} at {path} as {wanted}")]
pub(crate) struct WrongType {
    pub(crate) path: String,
    pub(crate) found: &'static str,
    pub(crate) wanted: &'static str,
}

/// Decodes a whole config of that minor version.
pub(crate) fn decode(
    json: &Json,
    schema: &Object,
    minor: u8,
) -> Result<Map<String, Value>, WrongType> {
    let mut target = Map::new();
    object_into(&mut target, json, schema, minor, &Path::root())?;
    Ok(target)
}

fn object_into(
    target: &mut Map<String, Value>,
    json: &Json,
    schema: &Object,
    minor: u8,
    path: &Path,
) -> Result<(), WrongType> {
    for field in schema.fields_of(minor).filter(|field| field.required) {
        target
            .entry(field.name)
            .or_insert_with(|| Value::String(String::new()));
    }
    match json {
        Json::Null => Ok(()),
        Json::Object(members) => {
            for (key, value) in members {
                if let Some(field) = field_of(schema, minor, key) {
                    field_into(target, value, field, minor, &path.field(field.name))?;
                }
            }
            Ok(())
        }
        other => Err(wrong(path, other, "an object")),
    }
}

fn field_of(schema: &Object, minor: u8, key: &str) -> Option<&'static Field> {
    schema
        .fields_of(minor)
        .find(|field| same_fold(field.name, key))
}

/// Letter case does not count, and neither do the two letters whose other case is ASCII.
fn same_fold(name: &str, key: &str) -> bool {
    let fold = |c: char| match c {
        '\u{17f}' => 's',
        '\u{212a}' => 'k',
        other => other.to_ascii_lowercase(),
    };
    name.chars().map(fold).eq(key.chars().map(fold))
}

fn field_into(
    target: &mut Map<String, Value>,
    json: &Json,
    field: &Field,
    minor: u8,
    path: &Path,
) -> Result<(), WrongType> {
    if matches!(json, Json::Null) {
        // An optional value becomes absent again; an object or a key stays what it was.
        if !field.required && !matches!(field.kind, Kind::Object(_)) {
            target.remove(field.name);
        }
        return Ok(());
    }
    match &field.kind {
        Kind::Text => put(target, field, Value::String(text(json, path)?)),
        Kind::Integer => put(target, field, integer(json, path)?),
        Kind::Flag => put(target, field, flag(json, path)?),
        Kind::Object(inner) => {
            let slot = target
                .entry(field.name)
                .or_insert_with(|| Value::Object(Map::new()));
            if let Value::Object(inner_target) = slot {
                object_into(inner_target, json, inner, minor, path)?;
            }
        }
        Kind::Objects(item, _) => {
            let mut before = taken_list(target, field);
            let Json::List(items) = json else {
                return Err(wrong(path, json, "an array"));
            };
            let mut list = Vec::with_capacity(items.len());
            for (index, json_item) in items.iter().enumerate() {
                let mut inner = match before.get_mut(index) {
                    Some(Value::Object(earlier)) => std::mem::take(earlier),
                    _ => Map::new(),
                };
                object_into(&mut inner, json_item, item, minor, &path.index(index))?;
                list.push(Value::Object(inner));
            }
            put(target, field, Value::Array(list));
        }
        Kind::Texts(_) => {
            let before = taken_list(target, field);
            let Json::List(items) = json else {
                return Err(wrong(path, json, "an array"));
            };
            let mut list = Vec::with_capacity(items.len());
            for (index, item) in items.iter().enumerate() {
                list.push(match item {
                    Json::Null => before.get(index).cloned().unwrap_or_else(|| "".into()),
                    other => Value::String(text(other, &path.index(index))?),
                });
            }
            put(target, field, Value::Array(list));
        }
    }
    Ok(())
}

fn put(target: &mut Map<String, Value>, field: &Field, value: Value) {
    target.insert(field.name.to_owned(), value);
}

fn taken_list(target: &mut Map<String, Value>, field: &Field) -> Vec<Value> {
    match target.remove(field.name) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}

fn text(json: &Json, path: &Path) -> Result<String, WrongType> {
    match json {
        Json::Text(text) => Ok(text.clone()),
        other => Err(wrong(path, other, "a string")),
    }
}

fn integer(json: &Json, path: &Path) -> Result<Value, WrongType> {
    match json {
        Json::Integer(number) => Ok(Value::from(*number)),
        other => Err(wrong(path, other, "an integer")),
    }
}

fn flag(json: &Json, path: &Path) -> Result<Value, WrongType> {
    match json {
        Json::Bool(flag) => Ok(Value::Bool(*flag)),
        other => Err(wrong(path, other, "true or false")),
    }
}

fn wrong(path: &Path, found: &Json, wanted: &'static str) -> WrongType {
    WrongType {
        path: path.to_string(),
        found: found.kind(),
        wanted,
    }
}

/// Warns of keys that no field of this version has, spelling and case included, and of objects that
/// are `null`. Below a key of another case nothing is looked at, as in the reference.
pub(crate) fn unused_keys(json: &Json, schema: &Object, minor: u8) -> Vec<Entry> {
    let mut entries = Vec::new();
    unused_in(json, schema, minor, &Path::root(), &mut entries);
    entries
}

fn unused_in(json: &Json, schema: &Object, minor: u8, path: &Path, entries: &mut Vec<Entry>) {
    let Json::Object(members) = json else {
        entries.push(Entry::warning(
            path,
            format!(
                "context tree does not match content tree at {path}. Line and column reporting \
                 may be inconsistent. Unused keys may not be reported"
            ),
        ));
        return;
    };
    let mut named = std::collections::BTreeSet::new();
    for (key, _) in members {
        let known = schema.fields_of(minor).any(|field| field.name == key);
        if !known && named.insert(key) {
            entries.push(Entry::warning(
                &path.field(key),
                format!("unused key {key}"),
            ));
        }
    }
    for field in schema.fields_of(minor) {
        let Some(value) = json.member(field.name) else {
            continue;
        };
        let inner_path = path.field(field.name);
        match (&field.kind, value) {
            (Kind::Object(inner), value) => unused_in(value, inner, minor, &inner_path, entries),
            (Kind::Objects(item, _), Json::List(items)) => {
                for (index, value) in items.iter().enumerate() {
                    unused_in(value, item, minor, &inner_path.index(index), entries);
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::schema::CONFIG;
    use super::*;

    fn decoded(text: &str) -> Value {
        let json = Json::from_text(text).unwrap();
        Value::Object(decode(&json, &CONFIG, 5).unwrap())
    }

    #[test]
    fn of_a_key_in_two_spellings_the_last_wins() {
        let config = decoded(r#"{"storage":{"files":[{"path":"/a","Mode":1,"mode":2}]}}"#);
        assert_eq!(config["storage"]["files"][0]["mode"], 2);
    }

    #[test]
    fn a_null_item_is_an_empty_item_and_a_null_list_is_absent() {
        let config = decoded(r#"{"storage":{"files":[null],"links":null,"disks":[]}}"#);
        assert_eq!(config["storage"]["files"][0]["path"], "");
        assert!(config["storage"].get("links").is_none());
        assert_eq!(config["storage"]["disks"], Value::Array(vec![]));
    }

    #[test]
    fn a_number_with_a_fraction_or_exponent_is_no_integer() {
        for mode in ["420.5", "1e2", "99999999999999999999", "\"0644\"", "true"] {
            let text = format!(r#"{{"storage":{{"files":[{{"mode":{mode}}}]}}}}"#);
            let json = Json::from_text(&text).unwrap();
            assert!(decode(&json, &CONFIG, 5).is_err(), "{mode}");
        }
    }

    #[test]
    fn a_field_newer_than_the_declared_version_is_dropped_and_named() {
        let json = Json::from_text(r#"{"kernelArguments":{"shouldExist":["a"]}}"#).unwrap();
        assert!(decode(&json, &CONFIG, 2).unwrap().is_empty());
        let entries = unused_keys(&json, &CONFIG, 2);
        assert_eq!(entries[0].message, "unused key kernelArguments");
        assert!(unused_keys(&json, &CONFIG, 3).is_empty());
    }
}
