//! Joining one Ignition config onto another, both of spec 3.5.0.
//!
//! Guarantees: the reference's rules (corpora, section 4). A value set in the later config wins;
//! objects are joined member by member; keyed lists keep the earlier items in their places, each
//! joined with the later item of its key, then come the later config's other items; files,
//! directories and links share one key space, so that a later file takes an earlier link away.
//! Compression is part of where contents come from: a later file that says nothing of it is plain.
//! Assumes: each of the two is valid, so that no list repeats a key. The result need not be valid.
//! Cost: each item of a list that the later config adds to is looked up once; others are not touched.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde_json::{Map, Value};

use crate::ignition::schema::{CONFIG, Join, Kind, Object};

/// Joins `later` onto `earlier`.
pub(super) fn join(
    earlier: Map<String, Value>,
    mut later: Map<String, Value>,
) -> Map<String, Value> {
    for contents in file_contents(&mut later) {
        contents
            .entry("compression")
            .or_insert_with(|| Value::String(String::new()));
    }
    join_objects(earlier, later, &CONFIG)
}

/// Takes the compression away that says "none": it is there only to win against an earlier one.
pub(super) fn drop_empty_compression(config: &mut Map<String, Value>) {
    for contents in file_contents(config) {
        if contents.get("compression").and_then(Value::as_str) == Some("") {
            contents.remove("compression");
        }
    }
}

fn file_contents(config: &mut Map<String, Value>) -> impl Iterator<Item = &mut Map<String, Value>> {
    let files = config
        .get_mut("storage")
        .and_then(|storage| storage.get_mut("files"));
    files
        .and_then(Value::as_array_mut)
        .into_iter()
        .flatten()
        .filter_map(Value::as_object_mut)
        .filter_map(|file| {
            let contents = file
                .entry("contents")
                .or_insert_with(|| Value::Object(Map::new()));
            contents.as_object_mut()
        })
}

/// An item of the later config: in which list it is, and itself until it was used.
struct Later {
    field: &'static str,
    item: Option<Value>,
}

/// The later config's items, by list or group of lists, then by key.
type LaterItems = BTreeMap<&'static str, BTreeMap<String, Later>>;

fn join_objects(
    mut earlier: Map<String, Value>,
    mut later: Map<String, Value>,
    schema: &Object,
) -> Map<String, Value> {
    let (mut items, order) = take_keyed_items(&mut later, schema);
    for field in schema.fields {
        match &field.kind {
            Kind::Objects(_, Join::Concatenate) | Kind::Texts(Join::Concatenate) => {
                let added = taken_list(&mut later, field.name);
                if !added.is_empty() {
                    let mut list = taken_list(&mut earlier, field.name);
                    list.extend(added);
                    put_list(&mut earlier, field.name, list);
                }
            }
            kind => match keyed_list(kind) {
                Some((join, item_schema)) => {
                    let Some(items) = items.get_mut(group_of(join, field.name)) else {
                        continue;
                    };
                    let before = taken_list(&mut earlier, field.name);
                    let list = join_list(before, field.name, join, item_schema, items);
                    put_list(&mut earlier, field.name, list);
                }
                None => join_member(&mut earlier, &mut later, field.name, kind),
            },
        }
    }
    for (field, group, key) in order {
        let unused = items
            .get_mut(group)
            .and_then(|items| items.get_mut(&key)?.item.take());
        let Some(item) = unused else { continue };
        let list = earlier
            .entry(field)
            .or_insert_with(|| Value::Array(Vec::new()));
        if let Value::Array(list) = list {
            list.push(item);
        }
    }
    earlier
}

/// List, group and key of each item, in the order of the later config.
type Order = Vec<(&'static str, &'static str, String)>;

fn take_keyed_items(later: &mut Map<String, Value>, schema: &Object) -> (LaterItems, Order) {
    let mut items = LaterItems::new();
    let mut order = Order::new();
    for field in schema.fields {
        let Some((join, item_schema)) = keyed_list(&field.kind) else {
            continue;
        };
        let group = group_of(join, field.name);
        for item in taken_list(later, field.name) {
            let key = key_of(&item, item_schema).into_owned();
            order.push((field.name, group, key.clone()));
            let later = Later {
                field: field.name,
                item: Some(item),
            };
            items.entry(group).or_default().insert(key, later);
        }
    }
    (items, order)
}

fn join_member(
    earlier: &mut Map<String, Value>,
    later: &mut Map<String, Value>,
    name: &'static str,
    kind: &Kind,
) {
    let Some(value) = later.remove(name) else {
        return;
    };
    let joined = match (kind, earlier.remove(name), value) {
        (Kind::Object(inner), Some(Value::Object(before)), Value::Object(after)) => {
            Value::Object(join_objects(before, after, inner))
        }
        (_, _, value) => value,
    };
    earlier.insert(name.to_owned(), joined);
}

fn join_list(
    before: Vec<Value>,
    field: &'static str,
    join: Join,
    item_schema: Option<&'static Object>,
    items: &mut BTreeMap<String, Later>,
) -> Vec<Value> {
    let mut list = Vec::with_capacity(before.len());
    for item in before {
        match items.get_mut(key_of(&item, item_schema).as_ref()) {
            None => list.push(item),
            // The later config has it in another list of the group, which is handled there.
            Some(later) if later.field != field => {}
            Some(later) => match (item, later.item.take(), item_schema) {
                (_, Some(Value::Object(after)), _) if removes(join, &after) => {}
                (Value::Object(before), Some(Value::Object(after)), Some(schema)) => {
                    list.push(Value::Object(join_objects(before, after, schema)));
                }
                (_, Some(after), _) => list.push(after),
                (before, None, _) => list.push(before),
            },
        }
    }
    list
}

/// A header without a value takes the earlier header of its name away.
fn removes(join: Join, later: &Map<String, Value>) -> bool {
    join == Join::Headers && !later.contains_key("value")
}

fn keyed_list(kind: &Kind) -> Option<(Join, Option<&'static Object>)> {
    match kind {
        Kind::Objects(item, join) if *join != Join::Concatenate => Some((*join, Some(item))),
        Kind::Texts(join) if *join != Join::Concatenate => Some((*join, None)),
        _ => None,
    }
}

fn group_of(join: Join, field: &'static str) -> &'static str {
    match join {
        Join::Group(group) => group,
        Join::ByKey | Join::Headers | Join::Concatenate => field,
    }
}

fn key_of<'a>(item: &'a Value, schema: Option<&Object>) -> Cow<'a, str> {
    match (item, schema) {
        (Value::Object(item), Some(schema)) => schema.key_of(item),
        (Value::String(text), _) => Cow::Borrowed(text),
        _ => Cow::Borrowed(""),
    }
}

fn taken_list(map: &mut Map<String, Value>, field: &str) -> Vec<Value> {
    match map.remove(field) {
        Some(Value::Array(items)) => items,
        _ => Vec::new(),
    }
}

fn put_list(map: &mut Map<String, Value>, field: &str, list: Vec<Value>) {
    if !list.is_empty() {
        map.insert(field.to_owned(), Value::Array(list));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn joined(earlier: Value, later: Value) -> Value {
        let (Value::Object(earlier), Value::Object(later)) = (earlier, later) else {
            panic!("two objects")
        };
        let mut config = join(earlier, later);
        drop_empty_compression(&mut config);
        Value::Object(config)
    }

    #[test]
    fn earlier_items_stay_in_place_and_new_ones_follow() {
        let unit = |name: &str, text: &str| json!({"name": name, "contents": text});
        let config = joined(
            json!({"systemd": {"units": [unit("a.service", "1"), unit("b.service", "1")]}}),
            json!({"systemd": {"units": [unit("c.service", "2"), unit("a.service", "2")]}}),
        );
        assert_eq!(
            config["systemd"]["units"],
            json!([
                unit("a.service", "2"),
                unit("b.service", "1"),
                unit("c.service", "2")
            ])
        );
    }

    #[test]
    fn a_later_file_takes_an_earlier_link_at_its_path_away() {
        let config = joined(
            json!({"storage": {"links": [{"path": "/a", "target": "/b"}]}}),
            json!({"storage": {"files": [{"path": "/a", "contents": {"source": "data:,x"}}]}}),
        );
        assert!(config["storage"].get("links").is_none());
        assert_eq!(config["storage"]["files"][0]["path"], "/a");
    }

    #[test]
    fn a_later_plain_file_is_not_unpacked_as_the_earlier_one_was() {
        let file =
            |contents: Value| json!({"storage": {"files": [{"path": "/a", "contents": contents}]}});
        let config = joined(
            file(json!({"source": "data:;base64,H4s", "compression": "gzip"})),
            file(json!({"source": "data:,plain"})),
        );
        assert_eq!(
            config["storage"]["files"][0]["contents"],
            json!({"source": "data:,plain"})
        );
    }

    #[test]
    fn a_header_without_value_removes_the_earlier_one() {
        let config = |header: Value| json!({"ignition": {"config": {"merge": [{"source": "https://x", "httpHeaders": [header]}]}}});
        let merged = joined(
            config(json!({"name": "Token", "value": "1"})),
            config(json!({"name": "Token"})),
        );
        assert!(
            merged["ignition"]["config"]["merge"][0]
                .get("httpHeaders")
                .is_none()
        );
    }
}
