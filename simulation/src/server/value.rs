//! Reading and writing places in a JSON value without ever panicking.
//!
//! Objects are kept as [`serde_json::Value`], because the server serves kinds that it does not know at compile time. These few
//! helpers are the only way it walks into them: a missing place reads as absent, and writing makes the objects on the way.

use serde_json::{Map, Value};

/// What stands at `path`, where each step is an object's key. JSON null counts as absent.
pub(crate) fn get<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Value> {
    path.iter()
        .try_fold(value, |at, key| at.as_object()?.get(*key))
        .filter(|found| !found.is_null())
}

/// The text at `path`, empty where there is none.
pub(crate) fn text<'a>(value: &'a Value, path: &[&str]) -> &'a str {
    get(value, path).and_then(Value::as_str).unwrap_or_default()
}

/// The whole number at `path`, 0 where there is none.
pub(crate) fn integer(value: &Value, path: &[&str]) -> i64 {
    get(value, path).and_then(Value::as_i64).unwrap_or_default()
}

/// The list at `path`, empty where there is none.
pub(crate) fn list<'a>(value: &'a Value, path: &[&str]) -> &'a [Value] {
    get(value, path)
        .and_then(Value::as_array)
        .map_or(&[], Vec::as_slice)
}

/// The object at `path`, where there is one.
pub(crate) fn map<'a>(value: &'a Value, path: &[&str]) -> Option<&'a Map<String, Value>> {
    get(value, path).and_then(Value::as_object)
}

/// Puts `new` at `path`; what is no object on the way becomes one.
pub(crate) fn set(value: &mut Value, path: &[&str], new: impl Into<Value>) {
    fn walk(value: &mut Value, path: &[&str], new: Value) {
        let Some((first, rest)) = path.split_first() else {
            *value = new;
            return;
        };
        if !value.is_object() {
            *value = Value::Object(Map::new());
        }
        if let Value::Object(map) = value {
            walk(map.entry(*first).or_insert(Value::Null), rest, new);
        }
    }
    walk(value, path, new.into());
}

/// Takes away what stands at `path` and hands it out.
pub(crate) fn remove(value: &mut Value, path: &[&str]) -> Option<Value> {
    let (last, parents) = path.split_last()?;
    parents
        .iter()
        .try_fold(value, |at, key| at.as_object_mut()?.get_mut(*key))?
        .as_object_mut()?
        .remove(*last)
}

/// Makes `target` have at `path` exactly what `source` has there: the same value, or none.
pub(crate) fn copy(target: &mut Value, source: &Value, path: &[&str]) {
    match path
        .iter()
        .try_fold(source, |at, key| at.as_object()?.get(*key))
    {
        Some(found) => set(target, path, found.clone()),
        None => {
            remove(target, path);
        }
    }
}
