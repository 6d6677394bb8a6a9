//! The slot ledger, as it was read or as it shall be written.

use crate::names::{ConfigName, Intent, NodeName, PoolName, Uid};
use std::collections::BTreeMap;

/// Who holds a slot, over all pools: at most one slot a node.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Ledger {
    /// The holders, by node.
    pub holders: BTreeMap<NodeName, Holder>,
}

impl Ledger {
    /// An empty ledger with these holders.
    pub fn of(holders: impl IntoIterator<Item = Holder>) -> Self {
        Self {
            holders: holders
                .into_iter()
                .map(|holder| (holder.node.clone(), holder))
                .collect(),
        }
    }
}

/// A node with a slot, and the assignment that it was taken for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Holder {
    /// The node.
    pub node: NodeName,
    /// Its uid: another node of the same name holds nothing.
    pub uid: Uid,
    /// The pool whose budget the slot is of.
    pub pool: PoolName,
    /// The intent of the assignment. While the Node's own is lower, the assignment was not written yet.
    pub intent: Intent,
    /// The config of the assignment.
    pub config: ConfigName,
}
