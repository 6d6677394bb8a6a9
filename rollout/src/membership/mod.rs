//! Which pool owns a node.
//!
//! # Guarantees
//! A node belongs to one pool or to none (reference/machine-config.md 2.2): the answer depends on its labels and the
//! pools' selectors alone.
//! # Not here
//! What a pool does with its nodes.

mod selector;

pub use selector::Selector;

use crate::names::{NodeName, PoolName};
use crate::snapshot::{NodeView, PoolView};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Where a node belongs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Place {
    /// To the pool `primary`.
    In {
        /// The pool that counts and updates the node.
        primary: PoolName,
        /// A pool that its selector names too, whose configs come with it: `worker` under a custom pool.
        secondary: Option<PoolName>,
        /// Whether a custom pool selects a node of the pool `master`, which is more likely a mistake than a wish.
        alert: bool,
    },
    /// No pool selects it, or it is a Windows node.
    Nowhere,
    /// More than one custom pool selects it.
    Several(Vec<PoolName>),
    /// A pool's selector cannot be read; nobody can say which nodes it means, so no node belongs anywhere.
    Unknown {
        /// That pool.
        pool: PoolName,
        /// What is wrong with its selector.
        error: Arc<str>,
    },
}

/// Where every node belongs.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Membership {
    /// The place of each node.
    pub places: BTreeMap<NodeName, Place>,
    /// The nodes of each pool, in the order of names; every pool is in here.
    pub members: BTreeMap<PoolName, Vec<NodeName>>,
}

/// Assigns every node to its pool.
pub fn assign(
    pools: &BTreeMap<PoolName, PoolView>,
    nodes: &BTreeMap<NodeName, NodeView>,
) -> Membership {
    let mut members: BTreeMap<PoolName, Vec<NodeName>> = pools
        .keys()
        .map(|pool| (pool.clone(), Vec::new()))
        .collect();
    // Built at once from what is in order already: an insert a node would search anew each time.
    let mut places = Vec::with_capacity(nodes.len());
    for (name, node) in nodes {
        let place = place(pools, &node.labels);
        if let Place::In { primary, .. } = &place {
            members
                .entry(primary.clone())
                .or_default()
                .push(name.clone());
        }
        places.push((name.clone(), place));
    }
    Membership {
        places: places.into_iter().collect(),
        members,
    }
}

/// Where a node with these labels belongs.
pub fn place(pools: &BTreeMap<PoolName, PoolView>, labels: &BTreeMap<String, String>) -> Place {
    if labels
        .get(api::names::label::OS)
        .is_some_and(|os| os == "windows")
    {
        return Place::Nowhere;
    }
    let mut master = None;
    let mut worker = None;
    let mut custom = Vec::new();
    for (name, pool) in pools {
        match pool.selector.matches(labels) {
            Ok(false) => {}
            Ok(true) if *name == api::names::pool::MASTER => master = Some(name),
            Ok(true) if *name == api::names::pool::WORKER => worker = Some(name),
            Ok(true) => custom.push(name),
            Err(error) => {
                return Place::Unknown {
                    pool: name.clone(),
                    error: error.clone(),
                };
            }
        }
    }
    let (primary, secondary, alert) = match (custom.as_slice(), master, worker) {
        ([], None, None) => return Place::Nowhere,
        ([], Some(master), _) => (master, None, false),
        ([], None, Some(worker)) => (worker, None, false),
        ([_], Some(master), worker) => (master, worker, true),
        ([custom], None, worker) => (*custom, worker, false),
        (several, _, _) => return Place::Several(several.iter().copied().cloned().collect()),
    };
    Place::In {
        primary: primary.clone(),
        secondary: secondary.cloned(),
        alert,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pools(names: &[&str]) -> BTreeMap<PoolName, PoolView> {
        let pool = |name: &&str| {
            let mut pool = PoolView::new(*name);
            pool.selector = Selector::has(&format!("node-role.kubernetes.io/{name}"));
            (pool.name.clone(), pool)
        };
        names.iter().map(pool).collect()
    }

    fn labels(roles: &[&str]) -> BTreeMap<String, String> {
        roles
            .iter()
            .map(|role| (format!("node-role.kubernetes.io/{role}"), String::new()))
            .collect()
    }

    fn primary(of: &[&str], roles: &[&str]) -> Option<String> {
        match place(&pools(of), &labels(roles)) {
            Place::In { primary, .. } => Some(primary.to_string()),
            _ => None,
        }
    }

    #[test]
    fn a_custom_pool_takes_its_nodes_from_worker() {
        assert_eq!(
            primary(&["worker", "gpu"], &["worker", "gpu"]).as_deref(),
            Some("gpu")
        );
        assert_eq!(
            primary(&["worker", "gpu"], &["worker"]).as_deref(),
            Some("worker")
        );
    }

    #[test]
    fn master_keeps_its_nodes_from_a_custom_pool_and_says_so() {
        let place = place(&pools(&["master", "gpu"]), &labels(&["master", "gpu"]));

        assert!(matches!(place, Place::In { primary, alert: true, .. } if primary == "master"));
    }

    #[test]
    fn two_custom_pools_get_neither() {
        let place = place(&pools(&["gpu", "infra"]), &labels(&["gpu", "infra"]));

        assert_eq!(place, Place::Several(vec!["gpu".into(), "infra".into()]));
    }

    #[test]
    fn a_windows_node_belongs_nowhere() {
        let mut labels = labels(&["worker"]);
        labels.insert("kubernetes.io/os".to_owned(), "windows".to_owned());

        assert_eq!(place(&pools(&["worker"]), &labels), Place::Nowhere);
    }

    #[test]
    fn an_empty_selector_selects_nothing() {
        let mut pools = pools(&["worker"]);
        for pool in pools.values_mut() {
            pool.selector = Selector::nothing();
        }

        assert_eq!(place(&pools, &labels(&["worker"])), Place::Nowhere);
    }
}
