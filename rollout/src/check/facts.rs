//! What the checker reads off a snapshot by itself.

use crate::membership::{self, Membership, Place};
use crate::names::{ConfigName, Intent, NodeName, PoolName};
use crate::policy::{MaxFailures, Policy, PoolPolicy, PoolRule};
use crate::snapshot::{
    ConfigView, MaxUnavailable, NodeConditionKind, NodeState, NodeView, PoolView, Snapshot, Truth,
};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// A kubelet that is not Ready for so long is not starting any more.
const LONG: SignedDuration = SignedDuration::from_mins(10);

/// The snapshot, with the few questions that all judgments share.
pub(super) struct Facts<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) policy: &'a Policy,
    pub(super) now: Timestamp,
    pub(super) membership: Membership,
    /// Nodes that hold a slot before the plan.
    pub(super) holders: BTreeSet<NodeName>,
    /// By pool: nodes that are not Ready, or cordoned.
    pub(super) gone: BTreeMap<PoolName, BTreeSet<NodeName>>,
    /// By pool: nodes that are there, and whose daemons say that they are not well or not through.
    pub(super) unwell: BTreeMap<PoolName, BTreeSet<NodeName>>,
    /// All nodes of the control plane.
    pub(super) control_plane: BTreeSet<NodeName>,
    /// Pools whose first config over living nodes has been let go.
    approved: BTreeSet<PoolName>,
}

impl<'a> Facts<'a> {
    pub(super) fn read(snapshot: &'a Snapshot, policy: &'a Policy, now: Timestamp) -> Self {
        let membership = membership::assign(&snapshot.pools, &snapshot.nodes);
        let mut facts = Self {
            snapshot,
            policy,
            now,
            membership,
            holders: BTreeSet::new(),
            gone: BTreeMap::new(),
            unwell: BTreeMap::new(),
            control_plane: BTreeSet::new(),
            approved: BTreeSet::new(),
        };
        let pools = snapshot.pools.values();
        facts.approved = pools
            .filter(|pool| facts.lets_first_go(pool))
            .map(|pool| pool.name.clone())
            .collect();
        for (name, node) in &snapshot.nodes {
            if facts.recorded(node).is_some() || facts.shows_itself_away(node) {
                facts.holders.insert(name.clone());
            }
            if node.is_control_plane() {
                facts.control_plane.insert(name.clone());
            }
        }
        for (pool, members) in &facts.membership.members {
            let settings = policy.of(pool);
            let nodes = members.iter().filter_map(|name| snapshot.nodes.get(name));
            let (mut gone, mut unwell) = (BTreeSet::new(), BTreeSet::new());
            for node in nodes.filter(|node| settings.never_ready_counts || node.ever_ready()) {
                if !node.conditions_ready() || node.unschedulable {
                    gone.insert(node.name.clone());
                } else if is_unwell(node, settings) {
                    unwell.insert(node.name.clone());
                }
            }
            facts.gone.insert(pool.clone(), gone);
            facts.unwell.insert(pool.clone(), unwell);
        }
        facts
    }

    pub(super) fn node(&self, name: &NodeName) -> Option<&'a NodeView> {
        self.snapshot.nodes.get(name)
    }

    /// The pool that a node is in.
    pub(super) fn pool_of(&self, node: &NodeName) -> Option<(&'a PoolView, &'a PoolPolicy)> {
        match self.membership.places.get(node) {
            Some(Place::In { primary, .. }) => {
                Some((self.snapshot.pools.get(primary)?, self.policy.of(primary)))
            }
            _ => None,
        }
    }

    /// The ledger's record of this very node.
    pub(super) fn recorded(&self, node: &NodeView) -> Option<&'a crate::snapshot::Holder> {
        let holder = self.snapshot.ledger.as_ref()?.holders.get(&node.name)?;
        (holder.uid == node.uid).then_some(holder)
    }

    /// What the node was assigned by us: the Node's own word, unless a record of the same intent says otherwise.
    pub(super) fn assigned(&self, node: &'a NodeView) -> Option<&'a ConfigName> {
        let by_ledger = self
            .recorded(node)
            .filter(|holder| holder.intent == node.intent);
        let later = self
            .recorded(node)
            .is_some_and(|holder| holder.intent > node.intent);
        let by_record = node
            .assigned
            .as_ref()
            .filter(|record| !later && record.intent.unwrap_or(node.intent) == node.intent);
        match (by_ledger, by_record) {
            _ if node.intent == Intent::NONE => node.desired.as_ref(),
            (Some(holder), _) => Some(&holder.config),
            (None, Some(record)) => Some(&record.config),
            (None, None) => node.desired.as_ref(),
        }
    }

    /// In flight, or bearing our cordon, as the Node itself shows: a holder whatever the ledger says.
    fn shows_itself_away(&self, node: &'a NodeView) -> bool {
        let Some(Place::In { primary, .. }) = self.membership.places.get(&node.name) else {
            return false;
        };
        let assigned = self.assigned(node);
        let named = assigned.is_some()
            || node.current.is_some()
            || self
                .snapshot
                .pools
                .get(primary)
                .is_some_and(|pool| pool.target.is_some());
        let unheard = node.intent > Intent::NONE
            && node.state == Some(NodeState::Done)
            && !node.heard_since_report();
        let moving = assigned.is_some()
            && (assigned != node.current.as_ref() || node.acted_intent < node.intent || unheard);
        named && (moving || node.cordoned_by_us)
    }

    /// Whether the node is through with what it was assigned.
    pub(super) fn is_through(node: &NodeView, policy: &PoolPolicy) -> bool {
        let pods = node.api_pods.iter().all(|pod| pod.ready);
        node.state == Some(NodeState::Done)
            && node.desired.is_some()
            && node.current == node.desired
            && node.acted_intent >= node.intent
            && !node.cordoned_by_us
            && node.fresh_ready()
            && (pods || !policy.control_plane.await_api_pods || !node.is_control_plane())
    }

    /// Whether a node is down on account of its assignment: its daemon says that it failed, or it is through and its
    /// kubelet has not been Ready for longer than any start takes.
    pub(super) fn is_broken(&self, node: &NodeView) -> bool {
        let through = node.state == Some(NodeState::Done);
        node.acted_intent >= node.intent
            && (node.says_failed() || (through && self.is_long_gone(node)))
    }

    /// Not freshly Ready for ten minutes, by all that dates it: its last report, and its condition where that says so.
    fn is_long_gone(&self, node: &NodeView) -> bool {
        let ready = node.condition(NodeConditionKind::Ready);
        let ended = ready
            .filter(|ready| ready.status != Truth::True)
            .and_then(|ready| ready.since);
        let mut dates = node.reported_at.into_iter().chain(ended).peekable();
        !node.fresh_ready()
            && dates.peek().is_some()
            && dates.all(|moment| self.now.duration_since(moment) >= LONG)
    }

    /// How many nodes of a pool may be away; `None` where nobody can say.
    pub(super) fn max(&self, pool: &PoolView) -> Option<i64> {
        let members = self.membership.members.get(&pool.name).map_or(0, Vec::len);
        let keeps_zero = self.policy.of(&pool.name).zero_means_none;
        let value = match &pool.max_unavailable {
            _ if pool.name == "arbiter" => return Some(1),
            MaxUnavailable::Unset => return Some(1),
            MaxUnavailable::Number(0) if keeps_zero => return Some(0),
            MaxUnavailable::Number(number) => *number,
            MaxUnavailable::Text(text) => {
                let percent: i64 = text.strip_suffix('%')?.parse().ok()?;
                if percent == 0 && keeps_zero {
                    return Some(0);
                }
                let share = i128::from(percent) * members as i128;
                i64::try_from(share.div_euclid(100)).ok()?
            }
        };
        Some(if value == 0 { 1 } else { value })
    }

    /// Whether a control-plane node is there, and its own pods with it, where its owner looks at those.
    pub(super) fn serves_the_cluster(&self, name: &NodeName) -> bool {
        let awaits = self
            .pool_of(name)
            .map_or(&self.policy.defaults, |(_, policy)| policy)
            .control_plane
            .await_api_pods;
        self.node(name).is_some_and(|node| {
            let missed = node.api_pods.iter().any(|pod| pod.exists && !pod.ready);
            node.conditions_ready() && !node.unschedulable && !(awaits && missed)
        })
    }

    /// How many of the control plane may be away; `None`: as many as their pools let go.
    pub(super) fn control_plane_allows(&self) -> Option<usize> {
        let settings = self.control_plane.iter().map(|node| {
            let policy = self.pool_of(node);
            policy.map_or(&self.policy.defaults, |(_, policy)| policy)
        });
        let settings: Vec<_> = settings.map(|policy| policy.control_plane).collect();
        let own = settings
            .iter()
            .filter_map(|settings| settings.max_unavailable);
        let own = own.min().map(|own| own as usize);
        let quorum = match self.control_plane.len() {
            _ if settings.iter().all(|settings| settings.external_etcd) => None,
            1 => Some(1),
            count => Some(count.saturating_sub(1) / 2),
        };
        own.into_iter().chain(quorum).min()
    }

    /// Whether the pool is in a state in which its nodes may be given anything at all.
    pub(super) fn is_clear(&self, pool: &PoolView) -> bool {
        !matches!(
            self.policy.pools.get(&pool.name),
            Some(PoolRule::Conflict(_) | PoolRule::Invalid(_))
        ) && self.max(pool).is_some()
    }

    /// Whether the first config of a pool over living nodes has been let go.
    pub(super) fn is_approved(&self, pool: &PoolView) -> bool {
        self.approved.contains(&pool.name)
    }

    /// Whether nodes of the pool may be given its target at all, as far as the pool and its owner say.
    pub(super) fn is_open(&self, pool: &PoolView) -> bool {
        !pool.paused
            && !pool.deleting
            && self.is_clear(pool)
            && self.is_approved(pool)
            && self.snapshot.ledger.is_some()
    }

    /// The nodes of a pool.
    pub(super) fn members(&self, pool: &PoolName) -> impl Iterator<Item = &'a NodeView> {
        let members = self.membership.members.get(pool).into_iter().flatten();
        members.filter_map(|name| self.node(name))
    }

    fn lets_first_go(&self, pool: &PoolView) -> bool {
        let nodes: Vec<&NodeView> = self.members(&pool.name).collect();
        let prefix = format!("rendered-{}-", pool.name);
        let ours = |node: &&NodeView| {
            let of_pool = node.desired.as_ref().is_some_and(|config| {
                config
                    .as_str()
                    .strip_prefix(&prefix)
                    .is_some_and(|hash| !hash.contains('-'))
            });
            // A person who asks for one node says nothing of the others.
            node.intent.0 > 0 && of_pool && !node.on_request
        };
        !self.policy.of(&pool.name).first_approval
            || nodes.iter().all(|node| !node.ever_ready())
            || nodes.iter().any(ours)
            || (pool.approved_first.is_some()
                && (pool.approved_first == pool.target || pool.reached.is_some()))
    }

    /// Whether a config is a target without its kubelet part.
    pub(super) fn withholds(&self, config: &ConfigName) -> bool {
        let config = self.snapshot.configs.get(config);
        config.is_some_and(|config| config.withholds.is_some())
    }

    /// Whether two configs count as one for trying and failing: the same, or composed with the same rest.
    pub(super) fn is_same_try(&self, one: &ConfigName, other: &ConfigName) -> bool {
        let composed = |name: &ConfigName| -> Option<&ConfigView> {
            self.snapshot
                .configs
                .get(name)
                .filter(|config| config.withholds.is_some())
        };
        match (composed(one), composed(other)) {
            (Some(one), Some(other)) => one.rest == other.rest,
            (None, None) => one == other,
            _ => false,
        }
    }

    /// How many failures stop a rollout in this pool.
    pub(super) fn failures_allowed(&self, pool: &PoolView) -> Option<usize> {
        let slots = usize::try_from(self.max(pool)?).unwrap_or(0);
        match self.policy.of(&pool.name).max_failures {
            MaxFailures::Never => None,
            MaxFailures::AtMost(count) => Some((count as usize).max(1)),
            MaxFailures::PercentOfSlots(percent) => Some((slots * percent as usize / 100).max(1)),
        }
    }
}

/// Neither through with its config nor failed on its way to another.
fn is_unwell(node: &NodeView, policy: &PoolPolicy) -> bool {
    let first_contact = node.current.is_none() && node.desired.is_none() && node.state.is_none();
    !node.is_done() && !node.is_failing() && (policy.untouched_counts || !first_contact)
}
