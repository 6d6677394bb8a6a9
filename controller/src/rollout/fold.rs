//! Folds the caches into what the planner knows.
//!
//! # Guarantees
//! Reads caches only and decides nothing. The ledger, and the Nodes where the ledger is missing, are put in
//! by the caller, who reads them consistently.

use super::control_plane::api_pod_names;
use super::facts::{Facts, host};
use super::record;
use crate::context::Context;
use crate::drain::blocker::Blocker;
use crate::drain::fact::DrainFact;
use crate::drain::pod::PodView;
use crate::gate;
use crate::stores::NODE_LEASES;
use api::names::{object, ours};
use api::{MachineConfigNode, MachineConfigPool, RolloutPolicy};
use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt;
use rendering::disruption::Policy as Disruptions;
use rollout::hold::NAMES_SHOWN;
use rollout::membership::{Place, place};
use rollout::names::{NodeName, PoolName};
use rollout::snapshot::{ApiPod, ApiServers, Assigned, DrainView, NodeView, PoolView};
use rollout::{Policy, PoolPolicy, Snapshot};
use std::collections::BTreeMap;
use std::sync::Arc;

/// All that the planner knows, but for the ledger.
pub fn snapshot(context: &Context, facts: &mut Facts) -> Snapshot {
    let stores = &context.stores;
    let configs = stores.configs.all();
    let configuration = stores.configuration.get(object::CLUSTER);
    // A policy that cannot be read is told on its own object; what a first visit does is judged by the table then.
    let disruption = Disruptions::of(configuration.as_ref().map(|whole| &whole.0))
        .unwrap_or_else(|_| Disruptions::built_in());
    facts.update(configs.iter().map(|config| &config.0), disruption);
    let pools: BTreeMap<PoolName, PoolView> =
        stores.pools.all().iter().map(|pool| view(pool)).collect();
    let kept = stores.nodes.all();
    let seen = kept.iter().map(|kept| (&kept.node, kept.view.clone()));
    Snapshot {
        nodes: nodes(context, facts, &pools, seen),
        pools,
        configs: facts.views(),
        ledger: None,
        nodes_listed_consistently: false,
        api_servers: api_servers(context),
        leader_node: context.config.node.as_deref().map(Into::into),
    }
}

/// All that is known of these nodes.
pub fn nodes<'a>(
    context: &Context,
    facts: &mut Facts,
    pools: &BTreeMap<PoolName, PoolView>,
    seen: impl Iterator<Item = (&'a Node, NodeView)>,
) -> BTreeMap<NodeName, NodeView> {
    let drains = context.board.notes().drains.clone();
    let mut nodes = BTreeMap::new();
    for (node, mut view) in seen {
        let drain = drains.get(view.name.as_str());
        complete(context, node, &mut view, drain);
        judge_hosts(context, node, &mut view, pools, facts);
        nodes.insert(view.name.clone(), view);
    }
    nodes
}

/// What the owners allow.
pub fn policy(context: &Context, pools: &BTreeMap<PoolName, PoolView>) -> Policy {
    let balancer_counts = context.config.instances.balancer_counts;
    let defaults = PoolPolicy {
        first_approval: !context.config.approve_first,
        kubelet_gate: Some(gate::defaults(&gate::instances(context), balancer_counts)),
        ..PoolPolicy::default()
    };
    let policies = context.stores.policies.all();
    Policy::read(
        defaults,
        policies.iter().map(|policy| -> &RolloutPolicy { policy }),
        pools,
    )
}

/// The facts on a Node that stand on other objects.
fn complete(context: &Context, node: &Node, view: &mut NodeView, drain: Option<&DrainFact>) {
    let name = node.name_any();
    let stores = &context.stores;
    let record = stores.config_nodes.get(&name);
    let record = record
        .as_deref()
        .map(|whole| -> &MachineConfigNode { whole });
    view.assigned = record.and_then(|record| assigned(record, node));
    view.lease_renewed_at = stores
        .kubelets
        .get_in(NODE_LEASES, &name)
        .and_then(|lease| lease.renewed);
    view.drain = drain.map(drain_view);
    let released = node.annotations().get(ours::DRAIN_RELEASED_AT);
    view.drain_released_at = released.and_then(|at| at.parse().ok());
    if view.is_control_plane() {
        view.api_pods = api_pods(&stores.pods.on(&name), record);
    }
}

/// What this process recorded that it assigned.
pub fn assigned(record: &MachineConfigNode, node: &Node) -> Option<Assigned> {
    let config = record::assigned(record, node)?;
    Some(Assigned {
        config,
        intent: None,
    })
}

/// What the node's host cannot apply of what it may be given.
fn judge_hosts(
    context: &Context,
    node: &Node,
    view: &mut NodeView,
    pools: &BTreeMap<PoolName, PoolView>,
    facts: &mut Facts,
) {
    let current = view.current.clone();
    let Place::In { primary, .. } = place(pools, &view.labels) else {
        return;
    };
    let target = pools.get(&primary).and_then(|pool| pool.target.clone());
    let asked = view.request.as_ref().map(|request| request.config.clone());
    let host = host(context, node);
    for config in target.into_iter().chain(asked) {
        if let Some(why) = facts.cannot_apply(current.as_ref(), &config, &host) {
            view.cannot_apply.insert(config, why);
        }
    }
}

fn view(pool: &MachineConfigPool) -> (PoolName, PoolView) {
    let view = PoolView::from_pool(pool);
    (view.name.clone(), view)
}

/// How a drain goes, as far as the planner is concerned.
pub fn drain_view(fact: &DrainFact) -> DrainView {
    DrainView {
        since: fact.since,
        blocked_by: fact.blockers.iter().take(NAMES_SHOWN).map(pod).collect(),
        blocked: fact.blockers.len(),
    }
}

/// A pod that is blocked, with the budget that keeps it.
fn pod(blocker: &Blocker) -> Arc<str> {
    let budget = match blocker {
        Blocker::Budget { budgets, .. } | Blocker::TwoBudgets { budgets, .. } => budgets.first(),
        _ => None,
    };
    let pod = blocker.pod();
    Arc::from(match budget {
        Some(budget) => format!("{pod} (PodDisruptionBudget {}/{budget})", pod.namespace),
        None => pod.to_string(),
    })
}

/// The node's own API server and etcd pods: those that are there, and those that were when it was taken.
pub fn api_pods(pods: &[Arc<PodView>], record: Option<&MachineConfigNode>) -> Vec<ApiPod> {
    let present = api_pod_names(pods);
    let mut all: BTreeMap<String, Option<bool>> = record
        .map(record::api_pods)
        .unwrap_or_default()
        .into_iter()
        .map(|name| (name, None))
        .collect();
    all.extend(present.into_iter().map(|(name, ready)| (name, Some(ready))));
    all.into_iter()
        .map(|(name, ready)| ApiPod {
            name: name.into(),
            ready: ready.unwrap_or(false),
            exists: ready.is_some(),
        })
        .collect()
}

fn api_servers(context: &Context) -> ApiServers {
    let notes = context.board.notes();
    ApiServers::from_answers(
        notes.heard.iter().map(|(instance, heard)| {
            (instance.as_str(), heard.answer.as_deref().ok(), heard.since)
        }),
    )
}
