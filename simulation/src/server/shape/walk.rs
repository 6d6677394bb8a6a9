//! Two objects of one type side by side: which fields there are, which differ, what both together are, what is left without some.
//!
//! The rules are those of Kubernetes' structured merge (KEP-555): objects and maps go field by field, lists by their items where the
//! type says how to know them, and everything else is one value.

use serde_json::{Map, Value};

use super::fields::{FieldSet, field};
use super::types::{Items, Type, key_value};

/// The path element of a list's item.
pub(crate) fn element_of(list_type: &Type<'_>, item: &Value) -> String {
    match list_type.items() {
        Items::Keyed(keys) => {
            let item_type = list_type.item();
            let found: Map<String, Value> = keys
                .iter()
                .filter_map(|key| {
                    Some(((*key).to_owned(), key_value(&item_type, item, key)?.clone()))
                })
                .collect();
            format!("k:{}", Value::Object(found))
        }
        Items::Set | Items::Atomic => format!("v:{item}"),
    }
}

fn is_granular_list(list_type: &Type<'_>) -> bool {
    list_type.items() != Items::Atomic
}

/// The fields that an object sets.
pub(crate) fn fields_of(at: &Type<'_>, value: &Value) -> FieldSet {
    let mut set = FieldSet::default();
    match value {
        Value::Object(map) if !at.is_atomic_map() => {
            for (name, child) in map {
                let mut inner = fields_of(&at.child(name), child);
                let is_entry = at.field(name).is_none();
                let is_empty = child.is_null() || child.as_object().is_some_and(Map::is_empty);
                if is_entry || is_empty {
                    inner.make_member();
                }
                set.add(field(name), inner);
            }
            set
        }
        Value::Array(items) if is_granular_list(at) => {
            for item in items {
                let mut inner = fields_of(&at.item(), item);
                inner.make_member();
                set.add(element_of(at, item), inner);
            }
            set
        }
        _ => FieldSet::leaf(),
    }
}

/// What differs between two objects.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Difference {
    pub added: FieldSet,
    pub modified: FieldSet,
    pub removed: FieldSet,
}

impl Difference {
    fn put(&mut self, element: String, inner: Difference) {
        self.added.add(element.clone(), inner.added);
        self.modified.add(element.clone(), inner.modified);
        self.removed.add(element, inner.removed);
    }

    fn each(&mut self, change: impl Fn(&mut FieldSet)) {
        for set in [&mut self.added, &mut self.modified, &mut self.removed] {
            change(set);
        }
    }

    /// Forgets the difference at a path.
    pub(crate) fn prune(&mut self, path: &[&str]) {
        self.each(|set| set.prune(path));
    }

    /// Forgets the difference outside of one field of the top.
    pub(crate) fn only(&mut self, name: &str) {
        self.each(|set| *set = set.only(name));
    }
}

/// Compares two objects; absent on one side is added or removed.
pub(crate) fn compare(at: &Type<'_>, old: Option<&Value>, new: Option<&Value>) -> Difference {
    let mut found = Difference::default();
    let is_map = |side: Option<&Value>| side.is_none_or(|side| side.is_object() || side.is_null());
    let is_list = |side: Option<&Value>| side.is_none_or(|side| side.is_array() || side.is_null());
    let size = |side: Option<&Value>| match side {
        Some(Value::Object(map)) => map.len(),
        Some(Value::Array(items)) => items.len(),
        _ => 0,
    };
    let both_empty = size(old) == 0 && size(new) == 0;
    let whole = if both_empty {
        true
    } else if is_map(old) && is_map(new) {
        at.is_atomic_map()
    } else {
        !(is_list(old) && is_list(new) && is_granular_list(at))
    };
    if whole {
        match (old, new) {
            (None, Some(_)) => found.added = FieldSet::leaf(),
            (Some(_), None) => found.removed = FieldSet::leaf(),
            (Some(old), Some(new)) if old != new => found.modified = FieldSet::leaf(),
            _ => {}
        }
        return found;
    }
    if is_map(old) && is_map(new) {
        compare_maps(at, old, new, &mut found);
    } else {
        compare_lists(at, old, new, &mut found);
    }
    match (old, new) {
        (None, _) => found.added.make_member(),
        (_, None) => found.removed.make_member(),
        _ => {}
    }
    found
}

fn compare_maps(at: &Type<'_>, old: Option<&Value>, new: Option<&Value>, found: &mut Difference) {
    let empty = Map::new();
    let old = old.and_then(Value::as_object).unwrap_or(&empty);
    let new = new.and_then(Value::as_object).unwrap_or(&empty);
    for name in old
        .keys()
        .chain(new.keys().filter(|name| !old.contains_key(*name)))
    {
        let inner = compare(&at.child(name), old.get(name), new.get(name));
        found.put(field(name), inner);
    }
}

fn compare_lists(at: &Type<'_>, old: Option<&Value>, new: Option<&Value>, found: &mut Difference) {
    let items = |side: Option<&Value>| -> Vec<(String, Value)> {
        side.and_then(Value::as_array)
            .into_iter()
            .flatten()
            .map(|item| (element_of(at, item), item.clone()))
            .collect()
    };
    let (old, new) = (items(old), items(new));
    let find = |side: &[(String, Value)], element: &str| {
        side.iter()
            .find(|(known, _)| known == element)
            .map(|(_, item)| item.clone())
    };
    let item_type = at.item();
    for (element, item) in &old {
        let inner = compare(&item_type, Some(item), find(&new, element).as_ref());
        found.put(element.clone(), inner);
    }
    for (element, item) in &new {
        if find(&old, element).is_none() {
            found.put(element.clone(), compare(&item_type, None, Some(item)));
        }
    }
}

/// What both objects together are; where both set a field, the second's value stands.
pub(crate) fn merge(at: &Type<'_>, old: &Value, new: &Value) -> Value {
    match (old, new) {
        (Value::Object(old), Value::Object(new)) if !at.is_atomic_map() => {
            let mut both = old.clone();
            for (name, value) in new {
                let merged = match old.get(name) {
                    Some(before) => merge(&at.child(name), before, value),
                    None => value.clone(),
                };
                both.insert(name.clone(), merged);
            }
            Value::Object(both)
        }
        (Value::Array(old), Value::Array(new)) if is_granular_list(at) => {
            Value::Array(merge_items(at, old, new))
        }
        _ => new.clone(),
    }
}

/// Merges two lists by their items. The second's order stands among its own items; the first's items keep their places around them.
fn merge_items(at: &Type<'_>, old: &[Value], new: &[Value]) -> Vec<Value> {
    let item_type = at.item();
    let named = |items: &[Value]| -> Vec<(String, Value)> {
        items
            .iter()
            .map(|item| (element_of(at, item), item.clone()))
            .collect()
    };
    let (old, new) = (named(old), named(new));
    let has =
        |side: &[(String, Value)], element: &str| side.iter().any(|(known, _)| known == element);
    let mut out: Vec<Value> = Vec::new();
    let mut merged: Vec<&str> = Vec::new();
    let mut left = old.iter().peekable();
    let mut right = new.iter().peekable();
    let join = |element: &str, item: &Value| match old.iter().find(|(known, _)| known == element) {
        Some((_, before)) => merge(&item_type, before, item),
        None => item.clone(),
    };
    loop {
        match (left.peek(), right.peek()) {
            (None, None) => return out,
            (Some((mine, _)), Some((theirs, item))) if mine == theirs => {
                out.push(join(theirs, item));
                merged.push(theirs);
                left.next();
                right.next();
            }
            (Some((mine, item)), _) if !has(&new, mine) => {
                out.push(item.clone());
                left.next();
            }
            (Some((mine, _)), _) if merged.contains(&mine.as_str()) => {
                left.next();
            }
            (_, Some((theirs, item))) => {
                out.push(join(theirs, item));
                merged.push(theirs);
                right.next();
            }
            (Some(_), None) => {
                left.next();
            }
        }
    }
}

/// The object without the members of a set. None: nothing is left of it.
pub(crate) fn without(at: &Type<'_>, value: &Value, set: &FieldSet) -> Option<Value> {
    match value {
        Value::Object(map) if !at.is_atomic_map() => {
            if map.is_empty() {
                return Some(value.clone());
            }
            let mut kept = Map::new();
            for (name, child) in map {
                match set.child(&field(name)) {
                    None => {
                        kept.insert(name.clone(), child.clone());
                    }
                    Some(inner) if inner.is_member() => {}
                    Some(inner) => {
                        if let Some(left) = without(&at.child(name), child, inner) {
                            kept.insert(name.clone(), left);
                        }
                    }
                }
            }
            (!kept.is_empty()).then_some(Value::Object(kept))
        }
        Value::Array(items) if is_granular_list(at) => {
            if items.is_empty() {
                return Some(value.clone());
            }
            let kept: Vec<Value> = items
                .iter()
                .filter_map(|item| match set.child(&element_of(at, item)) {
                    None => Some(item.clone()),
                    Some(inner) if inner.is_member() => None,
                    Some(inner) => without(&at.item(), item, inner),
                })
                .collect();
            (!kept.is_empty()).then_some(Value::Array(kept))
        }
        other => Some(other.clone()),
    }
}

/// The set with each described field on the way to a member made a member too.
pub(crate) fn with_named_fields(at: &Type<'_>, set: &FieldSet) -> FieldSet {
    let mut out = FieldSet::default();
    if set.is_member() {
        out.make_member();
    }
    for (element, child) in set.children() {
        let (child_type, named) = match element.strip_prefix("f:") {
            Some(name) => (at.child(name), at.field(name).is_some()),
            None => (at.item(), false),
        };
        let mut inner = with_named_fields(&child_type, child);
        if named {
            inner.make_member();
        }
        out.add(element.clone(), inner);
    }
    out
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({
            "type": "object",
            "properties": {
                "spec": {
                    "type": "object",
                    "properties": {
                        "mode": { "type": "string" },
                        "items": {
                            "type": "array",
                            "x-kubernetes-list-type": "map",
                            "x-kubernetes-list-map-keys": ["name"],
                            "items": { "type": "object", "properties": { "name": { "type": "string" }, "v": { "type": "integer" } } },
                        },
                        "plain": { "type": "array", "items": { "type": "string" } },
                    },
                },
            },
        })
    }

    #[test]
    fn a_new_object_adds_all_that_it_sets_and_the_places_on_the_way() {
        let schema = schema();
        let new = json!({ "spec": { "items": [{ "name": "x", "v": 1 }], "plain": ["a"] } });

        let found = compare(&Type::of_schema(&schema), Some(&json!({})), Some(&new));

        assert_eq!(
            found.added.to_value(),
            json!({ "f:spec": {
                ".": {},
                "f:items": { ".": {}, "k:{\"name\":\"x\"}": { ".": {}, "f:name": {}, "f:v": {} } },
                "f:plain": {},
            } })
        );
    }

    #[test]
    fn merging_lists_goes_by_item_and_keeps_the_order() {
        let schema = schema();
        let old = json!({ "spec": { "items": [{ "name": "x", "v": 1 }, { "name": "z" }] } });
        let new = json!({ "spec": { "items": [{ "name": "y" }, { "name": "z", "v": 2 }] } });

        let merged = merge(&Type::of_schema(&schema), &old, &new);

        assert_eq!(
            merged,
            json!({ "spec": { "items": [{ "name": "x", "v": 1 }, { "name": "y" }, { "name": "z", "v": 2 }] } })
        );
    }

    #[test]
    fn what_loses_its_last_field_is_gone() {
        let schema = schema();
        let object = json!({ "spec": { "items": [{ "name": "x" }] }, "status": {} });
        let set =
            FieldSet::from_value(&json!({ "f:spec": { "f:items": { "k:{\"name\":\"x\"}": {} } } }));

        assert_eq!(
            without(&Type::of_schema(&schema), &object, &set),
            Some(json!({ "status": {} }))
        );
    }
}
