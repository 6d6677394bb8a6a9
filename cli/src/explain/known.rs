//! What was read of the cluster, folded into what the planner knows.
//!
//! # Guarantees
//! Pure, and the controller's own reading wherever it has one. A cluster without any object of ours is read by the
//! reference's rules, and says so; what could not be read is named in [`Known::notes`] and never guessed.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use api::names::{node as contract, ours};
use api::requests::DrainRequest;
use api::{
    MachineConfig, MachineConfigNode, MachineConfigPool, MachineConfiguration, RolloutPolicy,
    SlotLedger,
};
use controller::drain::DrainFact;
use controller::drain::blocker::Blocker;
use controller::drain::pod::{BudgetView, PodView};
use controller::rollout::facts::{Facts, capabilities};
use controller::rollout::{fold as controllers, record};
use jiff::Timestamp;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt as _;
use rendering::disruption::Policy as Disruptions;
use rollout::membership::{Place, place};
use rollout::names::PoolName;
use rollout::snapshot::{ApiServers, Ledger, NodeView, PoolView};
use rollout::{Policy, PoolPolicy, Snapshot};

/// A kind that a cluster may not have.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Kind<T> {
    /// It is not installed.
    Absent,
    /// It is.
    There(T),
}

impl<T> Kind<T> {
    /// What was read, if there was anything to read.
    pub(crate) const fn get(&self) -> Option<&T> {
        match self {
            Self::Absent => None,
            Self::There(read) => Some(read),
        }
    }
}

/// What was read of the cluster.
#[derive(Debug)]
pub(crate) struct Seen {
    /// All Nodes.
    pub(crate) nodes: Vec<Node>,
    /// All pools.
    pub(crate) pools: Vec<MachineConfigPool>,
    /// The rendered configs that a node or pool names, at least.
    pub(crate) configs: Vec<MachineConfig>,
    /// MachineConfigNodes.
    pub(crate) records: Kind<Vec<MachineConfigNode>>,
    /// The SlotLedger `cluster`, if there is one.
    pub(crate) ledger: Kind<Option<SlotLedger>>,
    /// RolloutPolicies.
    pub(crate) policies: Kind<Vec<RolloutPolicy>>,
    /// MachineConfiguration `cluster`, if there is one.
    pub(crate) configuration: Kind<Option<MachineConfiguration>>,
    /// When the kubelets renewed their Leases; read only where a node waits for one.
    pub(crate) leases: Vec<Lease>,
    /// What each API server instance serves, by its address; asked only where a config needs a newer kubelet.
    pub(crate) instances: BTreeMap<String, Option<String>>,
    /// The pods of the nodes that are asked about, by node.
    pub(crate) pods: BTreeMap<String, Vec<Arc<PodView>>>,
    /// The control plane's own API server and etcd pods.
    pub(crate) api_pods: Vec<Arc<PodView>>,
    /// All PodDisruptionBudgets, with the evictions that each allows now.
    pub(crate) budgets: Vec<(Arc<BudgetView>, i32)>,
    /// Claims (namespace, name) that are bound to a volume of one node.
    pub(crate) local_claims: BTreeSet<(String, String)>,
    /// What could not be read, and why, as sentences.
    pub(crate) unread: Vec<String>,
}

/// By whose rules a cluster is explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq, serde::Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Rules {
    /// Windlass's, with the RolloutPolicies that there are.
    Windlass,
    /// The reference's: nothing of ours is installed.
    Reference,
}

/// What is known.
#[derive(Debug)]
pub(crate) struct Known {
    pub(crate) snapshot: Snapshot,
    pub(crate) policy: Policy,
    pub(crate) rules: Rules,
    /// What limits the answer, as sentences.
    pub(crate) notes: Vec<String>,
}

/// Folds what was seen. `about` is the node that is asked about, with what keeps its pods where they are.
pub(crate) fn fold(seen: &Seen, now: Timestamp, about: Option<(&str, &[Blocker])>) -> Known {
    let rules = seen.rules();
    let pools = seen.pool_views();
    let policy = seen.policy(&pools);
    let mut facts = Facts::default();
    let configuration = seen.configuration.get().and_then(Option::as_ref);
    let disruption = Disruptions::of(configuration).unwrap_or_else(|_| Disruptions::built_in());
    facts.update(seen.configs.iter(), disruption);
    let renewed: BTreeMap<String, Timestamp> = seen.leases.iter().filter_map(renewed).collect();
    let mut nodes = BTreeMap::new();
    for node in &seen.nodes {
        let mut view = NodeView::from_node(node);
        let name = node.name_any();
        let record = seen.record(node);
        view.assigned = record.and_then(|record| controllers::assigned(record, node));
        view.lease_renewed_at = renewed.get(&name).copied();
        if view.is_control_plane() {
            let own = seen.api_pods.iter();
            let own: Vec<_> = own
                .filter(|pod| pod.node.as_deref() == Some(&name))
                .cloned()
                .collect();
            view.api_pods = controllers::api_pods(&own, record);
        }
        if let Some((_, blockers)) = about.filter(|(about, _)| *about == name && is_draining(node))
        {
            view.drain = Some(controllers::drain_view(&DrainFact {
                since: None,
                blockers: blockers.to_vec(),
                late: false,
            }));
        }
        judge_host(seen, node, &mut view, &pools, &mut facts);
        nodes.insert(view.name.clone(), view);
    }
    // The Nodes were listed consistently a moment ago, which is what rebuilds a ledger that is not there.
    let ledger = match seen.ledger.get() {
        Some(Some(ledger)) => Ledger::from_object(ledger),
        Some(None) | None => Ledger::default(),
    };
    let answers = seen.instances.iter();
    let answers = answers.map(|(instance, version)| (instance.as_str(), version.as_deref(), now));
    let snapshot = Snapshot {
        nodes,
        configs: facts.views(),
        ledger: Some(ledger),
        nodes_listed_consistently: true,
        api_servers: ApiServers::from_answers(answers),
        leader_node: None,
        pools,
    };
    Known {
        snapshot,
        policy,
        rules,
        notes: notes(seen, rules),
    }
}

/// What the node's host cannot apply of what its pool wants.
fn judge_host(
    seen: &Seen,
    node: &Node,
    view: &mut NodeView,
    pools: &BTreeMap<PoolName, PoolView>,
    facts: &mut Facts,
) {
    let Place::In { primary, .. } = place(pools, &view.labels) else {
        return;
    };
    let Some(target) = pools.get(&primary).and_then(|pool| pool.target.clone()) else {
        return;
    };
    let configuration = seen.configuration.get().and_then(Option::as_ref);
    let overrides = configuration
        .and_then(|configuration| {
            configuration
                .spec
                .irreconcilable_validation_overrides
                .as_ref()
        })
        .map(|overrides| overrides.storage.as_slice())
        .unwrap_or_default();
    let reported = node.annotations().get(ours::CAPABILITIES);
    let host = capabilities(reported.map(String::as_str), overrides);
    if let Some(why) = facts.cannot_apply(view.current.as_ref(), &target, &host) {
        view.cannot_apply.insert(target, why);
    }
}

fn notes(seen: &Seen, rules: Rules) -> Vec<String> {
    let mut notes = Vec::new();
    if rules == Rules::Reference {
        notes.push(
            "no SlotLedger or RolloutPolicy here, so Windlass does not run this cluster: explained by the reference's \
             rules"
                .to_owned(),
        );
    }
    if seen.records == Kind::Absent {
        notes.push(
            "no MachineConfigNodes here: what a controller said of the node is not known"
                .to_owned(),
        );
    }
    let silent = seen
        .instances
        .iter()
        .filter(|(_, version)| version.is_none());
    let silent: Vec<&str> = silent.map(|(instance, _)| instance.as_str()).collect();
    if !silent.is_empty() {
        notes.push(format!(
            "API server {} cannot be asked from here; the controller asks for itself",
            silent.join(", ")
        ));
    }
    notes.extend(seen.unread.iter().cloned());
    notes
}

impl Seen {
    /// By whose rules the cluster is explained.
    pub(crate) fn rules(&self) -> Rules {
        match self.ledger {
            Kind::Absent => Rules::Reference,
            Kind::There(_) => Rules::Windlass,
        }
    }

    /// The pools as the planner sees them.
    pub(crate) fn pool_views(&self) -> BTreeMap<PoolName, PoolView> {
        let views = self.pools.iter().map(PoolView::from_pool);
        views.map(|pool| (pool.name.clone(), pool)).collect()
    }

    /// What the owners allow.
    pub(crate) fn policy(&self, pools: &BTreeMap<PoolName, PoolView>) -> Policy {
        match self.rules() {
            Rules::Reference => Policy::reference(),
            Rules::Windlass => Policy::read(
                PoolPolicy::default(),
                self.policies.get().into_iter().flatten(),
                pools,
            ),
        }
    }

    /// The MachineConfigNode of this very Node, and not of a former one of its name.
    pub(crate) fn record(&self, node: &Node) -> Option<&MachineConfigNode> {
        let name = node.name_any();
        let mut records = self.records.get()?.iter();
        records.find(|found| found.name_any() == name && record::is_of(found, node))
    }

    /// The Node of this name.
    pub(crate) fn node(&self, name: &str) -> Option<&Node> {
        self.nodes.iter().find(|node| node.name_any() == name)
    }

    /// The rendered config of this name.
    pub(crate) fn config(&self, name: &str) -> Option<&MachineConfig> {
        self.configs.iter().find(|config| config.name_any() == name)
    }
}

fn renewed(lease: &Lease) -> Option<(String, Timestamp)> {
    let at = lease.spec.as_ref()?.renew_time.as_ref()?.0;
    Some((lease.name_any(), at))
}

/// Whether the daemon asks for a drain that was not acknowledged yet.
pub(crate) fn is_draining(node: &Node) -> bool {
    let notes = node.annotations();
    let asked = notes.get(contract::DESIRED_DRAIN);
    let wants_drain = asked
        .and_then(|text| DrainRequest::parse(text))
        .is_some_and(|request| matches!(request, DrainRequest::Drain(_)));
    wants_drain && asked != notes.get(contract::LAST_APPLIED_DRAIN)
}

/// The controller's own words of why a node waits.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub(crate) struct Told {
    /// The hold's stable identifier.
    pub(crate) reason: String,
    /// Its sentence, as it was when the reason last changed.
    pub(crate) message: String,
    /// Since when it has been held, for whatever reason.
    pub(crate) since: Option<Timestamp>,
}

/// What the controller says of a node, if it holds it.
pub(crate) fn told(record: &MachineConfigNode) -> Option<Told> {
    let conditions = &record.status.as_ref()?.conditions;
    let held = api::conditions::find(conditions, api::conditions::node::HELD)?;
    held.is_true().then(|| Told {
        reason: held.reason.clone(),
        message: held.message.clone(),
        since: held.last_transition_time.as_ref().map(|time| time.0),
    })
}
