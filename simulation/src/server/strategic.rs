//! Strategic merge patches: merge patches that know how the lists of built-in kinds belong together.
//!
//! The rules are those of the API conventions: lists with a merge key merge by item, lists without are replaced, `$patch`,
//! `$retainKeys`, `$setElementOrder/…` and `$deleteFromPrimitiveList/…` direct the rest. Node taints have no merge key, so whoever
//! sends one sends all.

use serde_json::{Map, Value};

use super::refusal::Refusal;
use super::shape::Type;
use super::value;

const DELETE_LIST: &str = "$deleteFromPrimitiveList/";
const ORDER: &str = "$setElementOrder/";

/// What the patch makes of the object.
pub(crate) fn patch(at: &Type<'_>, object: &Value, patch: &Value) -> Result<Value, Refusal> {
    check(at, patch)?;
    Ok(merged(at, object, patch))
}

/// Refuses what nobody can merge: items without their key, and directives that nobody knows.
fn check(at: &Type<'_>, patch: &Value) -> Result<(), Refusal> {
    match patch {
        Value::Object(fields) => {
            let directive = fields.get("$patch").and_then(Value::as_str);
            if let Some(unknown) =
                directive.filter(|known| !matches!(*known, "replace" | "delete" | "merge"))
            {
                let why = format!(
                    "unknown patch type: {unknown} in map: {}",
                    as_go_shows(patch)
                );
                return Err(Refusal::internal(why, ""));
            }
            fields
                .iter()
                .filter(|(name, _)| !name.starts_with('$'))
                .try_for_each(|(name, child)| check(&at.child(name), child))
        }
        Value::Array(items) => {
            let key = at.merge_key().filter(|key| !key.is_empty());
            for item in items {
                if let (Some(key), Value::Object(fields)) = (&key, item)
                    && !fields.contains_key(*key)
                    && !fields.contains_key("$patch")
                {
                    let why = format!(
                        "map: {} does not contain declared merge key: {key}",
                        as_go_shows(item)
                    );
                    return Err(Refusal::internal(why, ""));
                }
                check(&at.item(), item)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

/// `map[a:1 b:map[c:2]]`.
pub(crate) fn as_go_shows(value: &Value) -> String {
    match value {
        Value::Object(fields) => {
            let shown: Vec<String> = fields
                .iter()
                .map(|(name, child)| format!("{name}:{}", as_go_shows(child)))
                .collect();
            format!("map[{}]", shown.join(" "))
        }
        Value::Array(items) => {
            let shown: Vec<String> = items.iter().map(as_go_shows).collect();
            format!("[{}]", shown.join(" "))
        }
        Value::String(text) => text.clone(),
        other => other.to_string(),
    }
}

fn merged(at: &Type<'_>, object: &Value, patch: &Value) -> Value {
    match (object, patch) {
        (Value::Object(object), Value::Object(patch)) => {
            Value::Object(merge_maps(at, object.clone(), patch))
        }
        (_, patch) => without_directives(patch),
    }
}

fn merge_maps(
    at: &Type<'_>,
    mut object: Map<String, Value>,
    patch: &Map<String, Value>,
) -> Map<String, Value> {
    match patch.get("$patch").and_then(Value::as_str) {
        Some("replace") => {
            let mut replaced = patch.clone();
            replaced.remove("$patch");
            return replaced;
        }
        Some("delete") => return Map::new(),
        _ => {}
    }
    if let Some(retained) = patch.get("$retainKeys").and_then(Value::as_array) {
        object.retain(|name, _| retained.iter().any(|kept| kept == name));
    }
    for (name, wanted) in patch {
        if let Some(list) = name.strip_prefix(DELETE_LIST) {
            if let (Some(Value::Array(items)), Some(gone)) =
                (object.get_mut(list), wanted.as_array())
            {
                items.retain(|item| !gone.contains(item));
            }
            continue;
        }
        if name.starts_with('$') {
            continue;
        }
        let child = at.child(name);
        let order = patch
            .get(&format!("{ORDER}{name}"))
            .and_then(Value::as_array);
        match (object.get_mut(name), wanted) {
            (_, Value::Null) => {
                object.remove(name);
            }
            (Some(Value::Object(before)), Value::Object(wanted)) => {
                *before = merge_maps(&child, std::mem::take(before), wanted);
            }
            (Some(Value::Array(before)), Value::Array(wanted)) => {
                *before = merge_lists(&child, before, wanted, order.map(Vec::as_slice));
            }
            (_, wanted) => {
                object.insert(name.clone(), without_directives(wanted));
            }
        }
    }
    reorder_untouched(at, &mut object, patch);
    object
}

/// A list of which the patch names only the order.
fn reorder_untouched(at: &Type<'_>, object: &mut Map<String, Value>, patch: &Map<String, Value>) {
    for (name, order) in patch {
        let Some(list) = name.strip_prefix(ORDER) else {
            continue;
        };
        if patch.contains_key(list) {
            continue;
        }
        if let (Some(Value::Array(items)), Some(order)) = (object.get_mut(list), order.as_array())
            && let Some(key) = at.child(list).merge_key()
        {
            let before = items.clone();
            *items = in_order(key, std::mem::take(items), order, &before);
        }
    }
}

fn merge_lists(
    at: &Type<'_>,
    before: &[Value],
    wanted: &[Value],
    order: Option<&[Value]>,
) -> Vec<Value> {
    let directive = |item: &Value, which: &str| value::text(item, &["$patch"]) == which;
    let Some(key) = at.merge_key() else {
        return wanted.to_vec();
    };
    if wanted.iter().any(|item| directive(item, "replace")) {
        return wanted
            .iter()
            .filter(|item| !directive(item, "replace"))
            .cloned()
            .collect();
    }
    if key.is_empty() {
        let mut merged = before.to_vec();
        for item in wanted {
            if !merged.contains(item) {
                merged.push(item.clone());
            }
        }
        return merged;
    }
    let item_type = at.item();
    let mut merged = before.to_vec();
    let mut named: Vec<Value> = Vec::new();
    for item in wanted {
        if directive(item, "delete") {
            merged.retain(|known| identity(key, known) != identity(key, item));
            continue;
        }
        named.push(item.clone());
        match merged
            .iter_mut()
            .find(|known| identity(key, known) == identity(key, item))
        {
            Some(known) => *known = self::merged(&item_type, known, item),
            None => merged.push(without_directives(item)),
        }
    }
    in_order(key, merged, order.unwrap_or(&named), before)
}

fn identity<'a>(key: &str, item: &'a Value) -> &'a Value {
    if key.is_empty() {
        item
    } else {
        item.get(key).unwrap_or(&Value::Null)
    }
}

/// Orders a merged list: what the patch names stands in the patch's order, what only the server knows stays around it as it was.
fn in_order(key: &str, merged: Vec<Value>, order: &[Value], before: &[Value]) -> Vec<Value> {
    let place = |side: &[Value], item: &Value| {
        side.iter()
            .position(|known| identity(key, known) == identity(key, item))
    };
    let (mut named, mut others): (Vec<Value>, Vec<Value>) = merged
        .into_iter()
        .partition(|item| place(order, item).is_some());
    named.sort_by_key(|item| place(order, item));
    others.sort_by_key(|item| place(before, item));
    let mut out = Vec::with_capacity(named.len() + others.len());
    let mut named = named.into_iter().peekable();
    let mut others = others.into_iter().peekable();
    loop {
        let other_first = match (others.peek(), named.peek()) {
            (None, None) => return out,
            (Some(_), None) => true,
            (None, Some(_)) => false,
            (Some(other), Some(named)) => {
                matches!((place(before, other), place(before, named)), (Some(a), Some(b)) if a < b)
            }
        };
        out.extend(if other_first {
            others.next()
        } else {
            named.next()
        });
    }
}

/// A value that nothing is merged into: its directives have nobody to direct.
fn without_directives(wanted: &Value) -> Value {
    match wanted {
        Value::Object(map) => Value::Object(
            map.iter()
                .filter(|(name, child)| !name.starts_with('$') && !child.is_null())
                .map(|(name, child)| (name.clone(), without_directives(child)))
                .collect(),
        ),
        Value::Array(items) => items
            .iter()
            .filter(|item| value::text(item, &["$patch"]) != "delete")
            .map(without_directives)
            .collect(),
        other => other.clone(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn patched(object: &Value, wanted: &Value) -> Value {
        patch(&Type::built_in("io.k8s.api.core.v1.Node"), object, wanted).unwrap()
    }

    #[test]
    fn conditions_merge_by_type() {
        let node = json!({ "status": { "conditions": [{ "type": "Ready", "status": "True" }, { "type": "X", "status": "True" }] } });
        let new = patched(
            &node,
            &json!({ "status": { "conditions": [{ "type": "Ready", "status": "False" }] } }),
        );
        assert_eq!(
            new["status"]["conditions"],
            json!([{ "type": "Ready", "status": "False" }, { "type": "X", "status": "True" }])
        );
    }

    #[test]
    fn taints_are_replaced_whole() {
        let node = json!({ "spec": { "taints": [{ "key": "a" }] } });
        let new = patched(&node, &json!({ "spec": { "taints": [{ "key": "b" }] } }));
        assert_eq!(new["spec"]["taints"], json!([{ "key": "b" }]));
    }

    #[test]
    fn an_item_can_be_deleted_by_its_key() {
        let node = json!({ "status": { "conditions": [{ "type": "Ready" }, { "type": "X" }] } });
        let new = patched(
            &node,
            &json!({ "status": { "conditions": [{ "$patch": "delete", "type": "X" }] } }),
        );
        assert_eq!(new["status"]["conditions"], json!([{ "type": "Ready" }]));
    }

    #[test]
    fn finalizers_are_added_and_taken_away_by_value() {
        let node = json!({ "metadata": { "finalizers": ["a"] } });
        let both = patched(&node, &json!({ "metadata": { "finalizers": ["b"] } }));
        assert_eq!(both["metadata"]["finalizers"], json!(["a", "b"]));
        let one = patched(
            &both,
            &json!({ "metadata": { "$deleteFromPrimitiveList/finalizers": ["a"] } }),
        );
        assert_eq!(one["metadata"]["finalizers"], json!(["b"]));
    }
}
