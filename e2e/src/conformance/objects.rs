//! Kubernetes objects as the corpora write them: trimmed to the fields that matter, without apiVersion and kind.

use anyhow::Context;
use rollout::snapshot::{NodeView, PoolView};
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

/// Reads an object; what the corpora leave out of a spec is absent, so empty.
pub(super) fn read<T: DeserializeOwned>(object: &Value) -> anyhow::Result<T> {
    let name = name(object);
    serde_json::from_value(object.clone()).with_context(|| format!("object {name:?}"))
}

/// Name of an object.
pub(super) fn name(object: &Value) -> &str {
    object["metadata"]["name"].as_str().unwrap_or_default()
}

/// The objects of a list of the input; none where it is absent.
pub(super) fn list<'a>(input: &'a Value, field: &str) -> &'a [Value] {
    input[field]
        .as_array()
        .map(Vec::as_slice)
        .unwrap_or_default()
}

/// A pool, as the planner sees it.
pub(super) fn pool(pool: &Value) -> anyhow::Result<PoolView> {
    let mut whole = json!({"spec": {"configuration": {}}});
    merge(&mut whole, pool);
    Ok(PoolView::from_pool(&read(&whole)?))
}

/// A node, as the planner sees it.
pub(super) fn node(node: &Value) -> anyhow::Result<NodeView> {
    Ok(NodeView::from_node(&read(node)?))
}

fn merge(target: &mut Value, source: &Value) {
    match (target, source) {
        (Value::Object(target), Value::Object(source)) => {
            for (key, value) in source {
                merge(target.entry(key).or_insert(Value::Null), value);
            }
        }
        (target, source) => *target = source.clone(),
    }
}
