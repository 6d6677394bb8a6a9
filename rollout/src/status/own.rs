//! What Windlass adds to a pool's conditions: since when it is paused, and why nodes wait.

use super::condition;
use crate::hold::{Hold, Names};
use crate::membership::Selector;
use crate::names::{NodeName, PoolName};
use crate::plan::Plan;
use crate::snapshot::{PoolCondition, Snapshot};
use api::conditions::pool as types;
use std::collections::{BTreeMap, BTreeSet};

/// Reason of `Held` on a pool whose selector matches no node.
pub const SELECTS_NOTHING: &str = "SelectsNothing";

/// Most reasons that one message sums up: the rest is in `windlass explain`.
const REASONS_SHOWN: usize = 5;
/// Most labels of nodes that `SelectsNothing` names.
const LABELS_SHOWN: usize = 10;

/// The conditions `Paused`, `Held` and `KubeletWithheld` of a pool, by a plan; to be put in place with [`super::set`].
pub fn own_conditions(snapshot: &Snapshot, plan: &Plan, pool: &PoolName) -> Vec<PoolCondition> {
    let Some(view) = snapshot.pools.get(pool) else {
        return Vec::new();
    };
    let members: &[NodeName] = plan
        .pools
        .get(pool)
        .map(|report| &*report.members)
        .unwrap_or_default();
    let holds = members
        .iter()
        .filter_map(|node| Some((node, plan.answers.get(node)?.hold()?)));
    let mut waiting: BTreeMap<&'static str, Vec<(&NodeName, &Hold)>> = BTreeMap::new();
    for (node, hold) in holds.filter(|(_, hold)| hold.is_wait()) {
        waiting.entry(hold.reason()).or_default().push((node, hold));
    }
    let ahead = plan.pools.get(pool).map(|report| &report.ahead);
    for (node, hold) in ahead.into_iter().flatten() {
        waiting.entry(hold.reason()).or_default().push((node, hold));
    }
    let pending = members.iter().filter(|node| {
        snapshot
            .nodes
            .get(*node)
            .is_some_and(|node| node.desired != view.target)
    });
    let paused = if view.paused {
        let target = view
            .target
            .as_ref()
            .map_or("its first rendered config", |target| target.as_str());
        let message = format!(
            "{} of {} nodes wait for {target}",
            pending.count(),
            members.len()
        );
        condition(types::PAUSED, true, "Paused", &message)
    } else {
        condition(types::PAUSED, false, "NotPaused", "")
    };
    let held = if members.is_empty() {
        condition(
            types::HELD,
            true,
            SELECTS_NOTHING,
            &selects_nothing(snapshot, plan, pool),
        )
    } else {
        held(&waiting)
    };
    vec![paused, held, kubelet_withheld(&waiting)]
}

/// What the cluster's API lacks for the kubelet that nodes wait for. It is the same for all of them, and changes while no
/// node's reason does.
fn kubelet_withheld(waiting: &BTreeMap<&'static str, Vec<(&NodeName, &Hold)>>) -> PoolCondition {
    let withheld = waiting.values().flatten().find_map(|(_, hold)| match hold {
        Hold::KubeletWithheld(withheld) => Some(withheld),
        _ => None,
    });
    match withheld {
        Some(withheld) => condition(
            types::KUBELET_WITHHELD,
            true,
            withheld.cluster_reason(),
            &withheld.cluster_words(),
        ),
        None => condition(types::KUBELET_WITHHELD, false, "NothingWithheld", ""),
    }
}

/// The most frequent reason, and a sentence that sums up all: how many wait for what, and the first sentence of each.
fn held(waiting: &BTreeMap<&'static str, Vec<(&NodeName, &Hold)>>) -> PoolCondition {
    let mut reasons: Vec<(&'static str, &Vec<(&NodeName, &Hold)>)> = waiting
        .iter()
        .map(|(reason, nodes)| (*reason, nodes))
        .collect();
    reasons.sort_by(|one, other| other.1.len().cmp(&one.1.len()).then(one.0.cmp(other.0)));
    let Some((first, _)) = reasons.first() else {
        return condition(types::HELD, false, "NothingHeld", "");
    };
    let one = |(reason, nodes): &(&'static str, &Vec<(&NodeName, &Hold)>)| {
        let names = Names::of(nodes.iter().map(|(node, _)| node));
        let sentence = nodes
            .first()
            .map(|(_, hold)| hold.to_string())
            .unwrap_or_default();
        format!("{} {reason} ({names}): {sentence}", nodes.len())
    };
    let more = reasons.len().saturating_sub(REASONS_SHOWN);
    let more = (more > 0).then(|| format!("and {more} reasons more"));
    let shown = reasons.iter().take(REASONS_SHOWN).map(one).chain(more);
    let message = shown.collect::<Vec<_>>().join("; ");
    condition(types::HELD, true, first, &message)
}

/// The labels that the pool looks for, those that nodes have, and to which pools nodes belong that it selects.
fn selects_nothing(snapshot: &Snapshot, plan: &Plan, pool: &PoolName) -> String {
    let selector = snapshot.pools.get(pool).map(|pool| &pool.selector);
    let selector = selector.filter(|selector| !selector.is_empty());
    let looked_for = selector.map_or_else(
        || "no label at all, which selects nothing".to_owned(),
        ToString::to_string,
    );
    let keys: BTreeSet<&str> = selector.into_iter().flat_map(Selector::keys).collect();
    let labels = snapshot.nodes.values().flat_map(|node| &*node.labels);
    let labels: BTreeSet<String> = labels
        .filter(|(key, _)| {
            key.starts_with(api::names::label::NODE_ROLE_PREFIX) || keys.contains(key.as_str())
        })
        .map(|(key, value)| match value.as_str() {
            "" => key.clone(),
            value => format!("{key}={value}"),
        })
        .collect();
    let shown: Vec<&str> = labels
        .iter()
        .map(String::as_str)
        .take(LABELS_SHOWN)
        .collect();
    let have = if shown.is_empty() {
        "no role".to_owned()
    } else {
        shown.join(", ")
    };
    let selects = |node: &NodeName| {
        let labels = snapshot.nodes.get(node).map(|node| &node.labels);
        let matches = labels.and_then(|labels| selector?.matches(labels).ok());
        matches.unwrap_or(false)
    };
    let owners = plan.pools.iter();
    let owners = owners.filter(|(_, report)| report.members.iter().any(selects));
    let owners = Names::of(owners.map(|(name, _)| name));
    let elsewhere = match owners.count() {
        0 => String::new(),
        _ => format!("; those that it selects belong to {owners}"),
    };
    format!("no node belongs to it: it looks for {looked_for}; nodes have {have}{elsewhere}")
}
