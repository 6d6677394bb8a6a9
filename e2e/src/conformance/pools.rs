//! `pools`: which pool owns a node.

use std::collections::BTreeMap;

use rollout::membership::{Place, assign};
use rollout::snapshot::PoolView;
use serde_json::{Map, Value, json};

use super::{Corpus, Strictness, objects};

pub(super) struct Pools;

impl Corpus for Pools {
    fn name(&self) -> &'static str {
        "pools"
    }

    fn answer(&self, input: &Value) -> anyhow::Result<Value> {
        let mut pools = BTreeMap::new();
        for pool in objects::list(input, "pools") {
            let pool = objects::pool(pool)?;
            pools.insert(pool.name.clone(), pool);
        }
        let mut nodes = BTreeMap::new();
        for node in objects::list(input, "nodes") {
            let node = objects::node(node)?;
            nodes.insert(node.name.clone(), node);
        }
        let membership = assign(&pools, &nodes);
        let places: Map<String, Value> = membership
            .places
            .iter()
            .map(|(node, place)| (node.to_string(), told(place)))
            .collect();
        let members: Map<String, Value> = membership
            .members
            .iter()
            .map(|(name, members)| {
                let members: Vec<String> = members.iter().map(ToString::to_string).collect();
                let told = match pools.get(name).and_then(broken) {
                    Some(error) => json!({"error": error}),
                    None => json!({"nodes": members}),
                };
                (name.to_string(), told)
            })
            .collect();
        Ok(json!({"nodes": places, "members": members}))
    }

    fn strictness(&self, path: &str, _: &Value) -> Strictness {
        match path {
            "nodes.*.error" | "members.*.error" => Strictness::Wording,
            _ => Strictness::Exact,
        }
    }

    fn keyed(&self) -> &'static [&'static str] {
        &["nodes", "members"]
    }
}

fn told(place: &Place) -> Value {
    match place {
        Place::In {
            primary,
            secondary,
            alert,
        } => {
            let pools: Vec<String> = std::iter::once(primary)
                .chain(secondary)
                .map(ToString::to_string)
                .collect();
            json!({"pools": pools, "primary": primary.to_string(), "poolAlert": alert})
        }
        Place::Nowhere => json!({"pools": [], "primary": null}),
        Place::Several(pools) => {
            json!({"error": format!("it belongs to {} custom pools", pools.len())})
        }
        Place::Unknown { pool, error } => json!({"error": format!("pool {pool}: {error}")}),
    }
}

/// What is wrong with a pool's selector.
fn broken(pool: &PoolView) -> Option<String> {
    pool.selector
        .matches(&BTreeMap::new())
        .err()
        .map(ToString::to_string)
}
