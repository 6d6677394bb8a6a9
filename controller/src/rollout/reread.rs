//! Reads anew the nodes whose slots a plan gives back.
//!
//! # Guarantees
//! A slot is given back only for a node that the API server itself, in the same round, says to be settled. Node and Lease
//! come by two watches, and neither waits for the other: a Lease that was renewed since the report, beside a Ready from
//! before it, looks like a node that is freshly Ready while it is not (design, promise 1: true with stale caches). The
//! Lease may come from the cache: it only ever tells of a kubelet that was heard.
//! # Not here
//! Whether a node is settled: the crate `rollout`.

use super::facts::Facts;
use super::fold;
use crate::context::Context;
use crate::error::{ApiError, Attempt};
use futures::{StreamExt, TryStreamExt, stream};
use jiff::Timestamp;
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use rollout::names::NodeName;
use rollout::plan::Returned;
use rollout::snapshot::NodeView;
use rollout::{Plan, Policy, Snapshot, plan};
use std::collections::BTreeSet;

/// So many nodes are read at a time: one round gives back few slots, and one connection carries as many.
const AT_ONCE: usize = 16;

/// Plans with nodes that are read anew wherever the plan gives their slots back, `before` among those plans: it tells which
/// nodes most likely matter. Each turn reads a node that none has read before.
pub(super) async fn plan_anew(
    context: &Context,
    facts: &mut Facts,
    snapshot: &mut Snapshot,
    before: &Plan,
    policy: &Policy,
    now: Timestamp,
) -> Result<Plan, ApiError> {
    if snapshot.nodes_listed_consistently {
        return Ok(plan(snapshot, policy, now));
    }
    let mut read = BTreeSet::new();
    let mut unread: Vec<NodeName> = settled(before).cloned().collect();
    loop {
        for (name, node) in read_nodes(context, &unread).await? {
            snapshot.nodes.remove(&name);
            let seen = node.iter().map(|node| (node, NodeView::from_node(node)));
            let nodes = fold::nodes(context, facts, &snapshot.pools, seen);
            snapshot.nodes.extend(nodes);
            read.insert(name);
        }
        let planned = plan(snapshot, policy, now);
        let again = settled(&planned).filter(|node| !read.contains(*node));
        unread = again.cloned().collect();
        if unread.is_empty() {
            return Ok(planned);
        }
    }
}

/// The nodes whose slots are given back because they have what they were assigned.
fn settled(planned: &Plan) -> impl Iterator<Item = &NodeName> {
    let returned = planned.ledger.returned.iter();
    returned
        .filter(|(_, why)| *why == Returned::Settled)
        .map(|(holder, _)| &holder.node)
}

/// These nodes as the API server has them; none for one that is gone.
async fn read_nodes(
    context: &Context,
    names: &[NodeName],
) -> Result<Vec<(NodeName, Option<Node>)>, ApiError> {
    let api = Api::<Node>::all(context.client.clone());
    let reads = names.iter().map(|name| {
        let api = api.clone();
        async move {
            let node = api.get_opt(name.as_str()).await;
            let node = node.attempt("reading the node", name.as_str())?;
            Ok::<_, ApiError>((name.clone(), node))
        }
    });
    let reads: Vec<_> = reads.collect();
    stream::iter(reads).buffered(AT_ONCE).try_collect().await
}
