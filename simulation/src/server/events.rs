//! Events have two faces: `v1` and `events.k8s.io/v1` are one collection. They are stored as `v1`.

use serde_json::{Value, json};

use super::value;

/// The names of a field in `v1` and in `events.k8s.io/v1`, where they differ.
const RENAMED: [(&str, &str); 7] = [
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("source", "deprecatedSource"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("count", "deprecatedCount"),
    ("reportingComponent", "reportingController"),
];

fn rename(
    object: &Value,
    to: &str,
    names: impl Fn(&(&'static str, &'static str)) -> (&'static str, &'static str),
) -> Value {
    let mut renamed = object.clone();
    value::set(&mut renamed, &["apiVersion"], to);
    for pair in &RENAMED {
        let (from, to) = names(pair);
        // Present and null is not the same as absent here: times are written even where there is none.
        let found = renamed
            .as_object_mut()
            .and_then(|fields| fields.remove(from));
        if let Some(found) = found {
            value::set(&mut renamed, &[to], found);
        }
    }
    renamed
}

/// A stored event as `events.k8s.io/v1` has it.
pub(crate) fn to_events_group(stored: &Value) -> Value {
    rename(stored, "events.k8s.io/v1", |(core, new)| (*core, *new))
}

/// An event of `events.k8s.io/v1` as it is stored.
pub(crate) fn to_stored(event: &Value) -> Value {
    rename(event, "v1", |(core, new)| (*new, *core))
}

/// Fills in the fields that an event always shows.
pub(crate) fn fill(stored: &mut Value) {
    let Some(fields) = stored.as_object_mut() else {
        return;
    };
    fields.entry("source").or_insert_with(|| json!({}));
    for field in ["firstTimestamp", "lastTimestamp", "eventTime"] {
        fields.entry(field).or_insert(Value::Null);
    }
    for field in ["reportingComponent", "reportingInstance"] {
        fields.entry(field).or_insert_with(|| json!(""));
    }
}
