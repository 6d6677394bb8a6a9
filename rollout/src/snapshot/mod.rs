//! What the planner knows: one look at the cluster, in domain types.
//!
//! # Guarantees
//! No Kubernetes object is inside; everything is parsed once, in `parse.rs`. A snapshot may be stale or
//! incomplete: what spends a budget is held by the swap of the ledger, not by this.
//! # Not here
//! What the owner wants: [`crate::Policy`].

mod config;
mod ledger;
mod node;
mod parse;
mod pool;
mod servers;

pub use config::{AtFirst, ConfigView};
pub use ledger::{Holder, Ledger};
pub use node::{
    ApiPod, AssignRequest, Assigned, DrainView, NodeCondition, NodeConditionKind, NodeState,
    NodeView, TakenAway, Truth,
};
pub use pool::{MaxUnavailable, PoolCondition, PoolView};
pub use servers::{ApiServers, Heard};

use crate::names::{ConfigName, NodeName, PoolName};
use std::collections::BTreeMap;

/// What the caches and the consistent reads said at one instant.
#[derive(Clone, Debug, Default)]
pub struct Snapshot {
    /// All Nodes of the cluster, those of no pool included.
    pub nodes: BTreeMap<NodeName, NodeView>,
    /// All pools.
    pub pools: BTreeMap<PoolName, PoolView>,
    /// The rendered configs; those that a node or pool names at least.
    pub configs: BTreeMap<ConfigName, ConfigView>,
    /// Who holds a slot; `None` if the ledger is missing or cannot be read. The controller may hand in an
    /// empty one for a missing object only after it has read all Nodes consistently.
    pub ledger: Option<Ledger>,
    /// Whether `nodes` comes from a consistent list (or a cache that has caught up with one taken after this
    /// process began): without a ledger, nothing is granted before that.
    pub nodes_listed_consistently: bool,
    /// What the API server instances serve.
    pub api_servers: ApiServers,
    /// The node that the planning controller runs on: the last of the control plane to go.
    pub leader_node: Option<NodeName>,
}
