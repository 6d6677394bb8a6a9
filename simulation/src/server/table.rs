//! Tables for people: the columns of `kubectl get`.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::present::{RowObject, metadata_of};
use super::resource::Resource;
use super::store::Object;
use super::value;

/// A table of objects. `columns`: whether the columns are described.
pub(crate) fn table(
    _resource: &Resource,
    metadata: Value,
    objects: &[Object],
    rows: RowObject,
    now: Timestamp,
    columns: bool,
) -> Value {
    let definitions = json!([
        { "name": "Name", "type": "string", "format": "name", "description": "", "priority": 0 },
        { "name": "Age", "type": "string", "format": "", "description": "", "priority": 0 },
    ]);
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let mut row = json!({ "cells": [
                value::text(object, &["metadata", "name"]),
                age(value::text(object, &["metadata", "creationTimestamp"]), now),
            ] });
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
        "columnDefinitions": if columns { definitions } else { Value::Null },
        "rows": rows,
    })
}

/// How long ago, as people like it: `5s`, `2m5s`, `3h`, `2d3h`.
pub(crate) fn age(since: &str, now: Timestamp) -> String {
    let Ok(since) = since.parse::<Timestamp>() else {
        return "<unknown>".to_owned();
    };
    let seconds = now.duration_since(since).as_secs();
    let two = |large: i64, large_unit: &str, small: i64, small_unit: &str| match small {
        0 => format!("{large}{large_unit}"),
        small => format!("{large}{large_unit}{small}{small_unit}"),
    };
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match seconds {
        ..0 => "<invalid>".to_owned(),
        0..120 => format!("{seconds}s"),
        120..600 => two(minutes, "m", seconds % 60, "s"),
        600..10_800 => format!("{minutes}m"),
        10_800..28_800 => two(hours, "h", minutes % 60, "m"),
        28_800..172_800 => format!("{hours}h"),
        172_800..691_200 => two(days, "d", hours % 24, "h"),
        691_200..63_072_000 => format!("{days}d"),
        _ => two(days / 365, "y", days % 365, "d"),
    }
}
