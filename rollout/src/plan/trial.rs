//! How a config fares in its pool: who has proven it, who tries it, whom it broke.
//!
//! A config that nobody has proven goes to few nodes first (`firstAlone`), and one that broke too many to no more
//! (`maxFailures`). Everything is read off the nodes as they are, so nothing is remembered and nothing forgotten.

use super::holders::{Holding, assigned};
use super::pool::Pool;
use crate::hold::{Hold, Names};
use crate::names::{ConfigName, NodeName, PartHash};
use crate::policy::PoolPolicy;
use crate::snapshot::{
    ConfigView, NodeCondition, NodeConditionKind, NodeState, NodeView, Snapshot, Truth,
};
use jiff::{SignedDuration, Timestamp};
use std::collections::{BTreeMap, BTreeSet};

/// A node that has its config and is not Ready for so long counts as failed.
///
/// After a reboot a kubelet needs up to two minutes for its first sync and its network; five times that is beyond what
/// ordinary slowness explains, and half of what the daemon waits before it takes the way back.
pub(super) const NOT_READY_FAILS_AFTER: SignedDuration = SignedDuration::from_mins(10);

/// What counts as one config: composed configs of one target differ only in the kubelet parts that they keep.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Class {
    /// A rendered config as it is.
    Whole(ConfigName),
    /// Composed configs with this rest.
    Rest(PartHash),
}

impl Class {
    pub(super) fn of(config: &ConfigName, snapshot: &Snapshot) -> Self {
        match snapshot.configs.get(config) {
            Some(ConfigView {
                withholds: Some(_),
                rest,
                ..
            }) => Self::Rest(rest.clone()),
            _ => Self::Whole(config.clone()),
        }
    }
}

/// How one config fares in one pool.
#[derive(Clone, Debug, Default)]
pub(super) struct Trial {
    /// How many nodes are Done and freshly Ready with it.
    proven: usize,
    /// Nodes that hold a slot for it and have not proven it.
    trying: BTreeSet<NodeName>,
    /// Those of them that failed on it.
    failed: BTreeSet<NodeName>,
}

/// How all configs fare in one pool.
#[derive(Clone, Debug, Default)]
pub(super) struct Trials(BTreeMap<Class, Trial>);

impl Trials {
    /// Reads them off the pool's nodes.
    pub(super) fn read(
        pool: &Pool<'_>,
        holdings: &BTreeMap<NodeName, Holding>,
        snapshot: &Snapshot,
        now: Timestamp,
    ) -> Self {
        let mut trials: BTreeMap<Class, Trial> = BTreeMap::new();
        for node in &pool.members {
            let holding = holdings.get(&node.name);
            let written = holding.is_none_or(|holding| holding.is_written(node));
            let config = match holding {
                Some(holding) if written => holding.assigned.as_ref(),
                Some(holding) => Some(&holding.holder.config),
                None => assigned(node, None),
            };
            let Some(config) = config else { continue };
            let class = Class::of(config, snapshot);
            let expects_not_ready = matches!(class, Class::Rest(_));
            let trial = trials.entry(class).or_default();
            if written && has_proven(node, config) {
                trial.proven += 1;
            } else if holding.is_some() {
                trial.trying.insert(node.name.clone());
                let too_long = || {
                    !expects_not_ready && not_ready_until(node).is_some_and(|until| until <= now)
                };
                if written && (has_failed(node) || too_long()) {
                    trial.failed.insert(node.name.clone());
                }
            }
        }
        Self(trials)
    }

    /// Notes that a node is given a config of this class.
    pub(super) fn note(&mut self, class: Class, node: &NodeName) {
        let trial = self.0.entry(class).or_default();
        trial.trying.insert(node.clone());
    }

    /// Whether too many nodes failed on the config for another to be given it.
    pub(super) fn stopped(
        &self,
        class: &Class,
        config: &ConfigName,
        pool: &Pool<'_>,
    ) -> Option<Hold> {
        let failed = &self.0.get(class)?.failed;
        let max = pool.policy.max_failures.limit(pool.slots())?;
        if failed.len() < max || pool.approves_failures_of(config) {
            return None;
        }
        Some(Hold::RolloutStopped {
            config: config.clone(),
            max,
            failed: Names::of(failed),
        })
    }

    /// Whether the config has to be proven by those who try it before this healthy node is given it too.
    pub(super) fn alone(
        &self,
        class: &Class,
        (config, node): (&ConfigName, &NodeName),
        policy: &PoolPolicy,
    ) -> Option<Hold> {
        let first_alone = policy.first_alone as usize;
        let trial = self.0.get(class)?;
        let open = first_alone.saturating_sub(trial.proven);
        if open == 0 || trial.trying.len() < open {
            return None;
        }
        let others = trial.trying.len() - usize::from(trial.trying.contains(node));
        if others < open {
            return None;
        }
        let others = trial.trying.iter().filter(|other| *other != node);
        Some(Hold::FirstAlone {
            config: config.clone(),
            nodes: Names::of(others),
        })
    }
}

/// Done and freshly Ready with the config.
fn has_proven(node: &NodeView, config: &ConfigName) -> bool {
    node.is_done()
        && node.desired.as_ref() == Some(config)
        && node.acted_intent >= node.intent
        && node.fresh_ready()
}

/// Its daemon reports that its present assignment failed.
pub(super) fn has_failed(node: &NodeView) -> bool {
    node.says_failed() && node.acted_intent >= node.intent
}

/// The visit is over, and the node is not Ready with what it has: the moment at which that has lasted too long.
pub(super) fn not_ready_until(node: &NodeView) -> Option<Timestamp> {
    let over = node.acted_intent >= node.intent && node.state == Some(NodeState::Done);
    if !over || node.fresh_ready() {
        return None;
    }
    let ready = node.condition(NodeConditionKind::Ready);
    let since = match ready {
        Some(NodeCondition {
            status: Truth::True,
            ..
        })
        | None => node.reported_at,
        Some(ready) => ready.since.max(node.reported_at),
    };
    since?.saturating_add(NOT_READY_FAILS_AFTER).ok()
}
