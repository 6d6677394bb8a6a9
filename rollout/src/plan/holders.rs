//! Who holds a slot: the recorded holders, and those that the Nodes themselves show.
//!
//! # Guarantees
//! Nothing that may be away on our account is left out: the ledger's word counts while the node lives, and a node in flight,
//! failing or bearing our cordon counts whatever the ledger says (`docs/adr/0002`).
//! # Not here
//! What is done with a holder: [`super::serve`].

use super::step::Returned;
use crate::membership::{Membership, Place};
use crate::names::{ConfigName, Intent, NodeName};
use crate::policy::PoolPolicy;
use crate::snapshot::{Holder, NodeState, NodeView, Snapshot};
use std::collections::BTreeMap;

/// A slot that is held.
#[derive(Clone, Debug)]
pub(super) struct Holding {
    /// As it shall stand in the ledger.
    pub(super) holder: Holder,
    /// Whether the ledger names the node already.
    pub(super) recorded: bool,
    /// What the node was assigned as its last written assignment; `None` where only our cordon shows it away.
    pub(super) assigned: Option<ConfigName>,
}

impl Holding {
    /// Whether the assignment that the slot was taken for has reached the Node.
    pub(super) fn is_written(&self, node: &NodeView) -> bool {
        let assigned = node.desired.is_some() || node.intent > Intent::NONE;
        !self.recorded || (assigned && node.intent >= self.holder.intent)
    }
}

/// The effective holders, and the records of nodes that are gone.
pub(super) fn effective(
    snapshot: &Snapshot,
    membership: &Membership,
) -> (BTreeMap<NodeName, Holding>, Vec<(Holder, Returned)>) {
    let mut holdings = BTreeMap::new();
    let mut gone = Vec::new();
    for (name, recorded) in snapshot.ledger.iter().flat_map(|ledger| &ledger.holders) {
        match snapshot
            .nodes
            .get(name)
            .filter(|node| node.uid == recorded.uid)
        {
            None => gone.push((recorded.clone(), Returned::NodeGone)),
            Some(node) => {
                let holder = as_it_is(recorded, node, membership);
                holdings.insert(
                    name.clone(),
                    Holding {
                        holder,
                        recorded: true,
                        assigned: assigned(node, Some(recorded)).cloned(),
                    },
                );
            }
        }
    }
    for (name, node) in &snapshot.nodes {
        if !looks_away(node) || holdings.contains_key(name) {
            continue;
        }
        let Some(Place::In { primary, .. }) = membership.places.get(name) else {
            continue;
        };
        let target = snapshot
            .pools
            .get(primary)
            .and_then(|pool| pool.target.as_ref());
        // The config of the assignment under which it is away, as far as the Node itself shows it.
        let config = assigned(node, None).or(node.current.as_ref()).or(target);
        if let Some(config) = config.cloned() {
            let holder = Holder {
                node: name.clone(),
                uid: node.uid.clone(),
                pool: primary.clone(),
                intent: node.intent,
                config,
            };
            holdings.insert(
                name.clone(),
                Holding {
                    holder,
                    recorded: false,
                    assigned: assigned(node, None).cloned(),
                },
            );
        }
    }
    (holdings, gone)
}

/// A record brought up to date: the pool that the node belongs to now, and a later assignment than the recorded one.
fn as_it_is(recorded: &Holder, node: &NodeView, membership: &Membership) -> Holder {
    let mut holder = recorded.clone();
    if let Some(Place::In { primary, .. }) = membership.places.get(&node.name) {
        holder.pool = primary.clone();
    }
    let adopted = recorded.intent == Intent::NONE && node.intent == Intent::NONE;
    if node.intent > recorded.intent || adopted {
        holder.intent = node.intent;
        if let Some(config) = assigned(node, None) {
            holder.config = config.clone();
        }
    }
    holder
}

/// Whether a node is away on our account, as far as the Node itself shows it.
///
/// A report alone does not make a node away on our account (promise 10): a daemon that says Degraded or Working
/// where nothing is assigned only counts as unavailable.
fn looks_away(node: &NodeView) -> bool {
    let desired = assigned(node, None);
    let in_flight = desired.is_some()
        && (desired != node.current.as_ref()
            || node.acted_intent < node.intent
            || awaits_its_kubelet(node));
    in_flight || node.cordoned_by_us
}

/// Its visit is over, and its kubelet was not heard from since.
fn awaits_its_kubelet(node: &NodeView) -> bool {
    node.intent > Intent::NONE && node.state == Some(NodeState::Done) && !node.heard_since_report()
}

/// What a node was assigned: `desiredConfig`, unless somebody else wrote that.
///
/// An intent stands for one config. So where the record of the same intent names another, the Node's word is foreign.
pub(super) fn assigned<'a>(
    node: &'a NodeView,
    recorded: Option<&'a Holder>,
) -> Option<&'a ConfigName> {
    let desired = node.desired.as_ref();
    if node.intent == Intent::NONE {
        // Never assigned by us: whoever did so had every right to.
        return desired;
    }
    match recorded {
        Some(holder) if holder.intent == node.intent => Some(&holder.config),
        Some(holder) if holder.intent > node.intent => desired,
        _ => match &node.assigned {
            Some(record) if record.intent.is_none_or(|intent| intent == node.intent) => {
                Some(&record.config)
            }
            _ => desired,
        },
    }
}

/// Whether a slot can be given back: the node has what it was assigned and says so, our cordon is gone, and it is Ready
/// in a way that is newer than the change; the API server and etcd on it too; and the assignment is on record.
pub(super) fn is_settled(node: &NodeView, holding: &Holding, policy: &PoolPolicy) -> bool {
    holding.is_written(node)
        && node.is_done()
        && node.acted_intent >= node.intent
        && !node.cordoned_by_us
        && node.fresh_ready()
        && own_pods_ready(node, policy)
        && is_recorded(node)
}

/// Whether the node's own API server and etcd pods are Ready, where that matters.
pub(super) fn own_pods_ready(node: &NodeView, policy: &PoolPolicy) -> bool {
    !policy.control_plane.await_api_pods
        || !node.is_control_plane()
        || node.api_pods.iter().all(|pod| pod.ready)
}

/// Whether the controller's own record of the assignment agrees with the Node; without it a foreign hand would go
/// unnoticed once the slot is gone.
pub(super) fn is_recorded(node: &NodeView) -> bool {
    match &node.assigned {
        None => true,
        Some(_) if node.intent == Intent::NONE => true,
        Some(record) => {
            Some(&record.config) == node.desired.as_ref()
                && record.intent.is_none_or(|intent| intent == node.intent)
        }
    }
}
