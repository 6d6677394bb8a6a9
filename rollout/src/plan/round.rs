//! One round of planning: what is known, and what has been decided so far.

use super::control_plane::ControlPlane;
use super::gate::Gate;
use super::holders::{self, Holding};
use super::pool::Pool;
use super::step::{
    Answer, Assign, Compose, Expects, LedgerChange, Plan, PoolReport, Returned, Slot, Step,
};
use super::trial::{Class, Trials};
use crate::hold::{Hold, Names, shown};
use crate::membership::{self, Membership, Place};
use crate::names::{ConfigName, Intent, NodeName, PoolName};
use crate::policy::Policy;
use crate::snapshot::{Holder, Ledger, NodeView, Snapshot};
use api::windlass::{HOLDERS_LIMIT, HOLDERS_RECORDED_MAX};
use jiff::Timestamp;
use std::collections::{BTreeMap, BTreeSet};

/// What is known, and what has been decided so far.
pub(super) struct Round<'a> {
    pub(super) snapshot: &'a Snapshot,
    pub(super) now: Timestamp,
    pub(super) membership: Membership,
    pub(super) gate: Gate<'a>,
    pub(super) pools: BTreeMap<&'a PoolName, Pool<'a>>,
    /// Who holds a slot, as decided so far.
    pub(super) holdings: BTreeMap<NodeName, Holding>,
    pub(super) trials: BTreeMap<PoolName, Trials>,
    pub(super) plane: ControlPlane,
    pub(super) answers: BTreeMap<NodeName, Answer>,
    pub(super) reports: BTreeMap<PoolName, PoolReport>,
    /// Slot holders of each pool that are given the kubelet part that was withheld from them, in this round.
    pub(super) released: BTreeMap<PoolName, Vec<NodeName>>,
    pub(super) compositions: BTreeSet<Compose>,
    steps: Vec<Step>,
    granted: Vec<NodeName>,
    returned: Vec<(Holder, Returned)>,
    wake_at: Option<(Timestamp, &'static str)>,
}

impl<'a> Round<'a> {
    pub(super) fn new(snapshot: &'a Snapshot, policy: &'a Policy, now: Timestamp) -> Self {
        let membership = membership::assign(&snapshot.pools, &snapshot.nodes);
        let (holdings, returned) = holders::effective(snapshot, &membership);
        let plane = ControlPlane::read(snapshot, policy, &membership, &holdings);
        let pools: BTreeMap<&PoolName, Pool<'_>> = snapshot
            .pools
            .iter()
            .map(|(name, view)| (name, Pool::new(snapshot, policy, &membership, view)))
            .collect();
        let trials = pools.iter().map(|(name, pool)| {
            (
                (*name).clone(),
                Trials::read(pool, &holdings, snapshot, now),
            )
        });
        Self {
            trials: trials.collect(),
            gate: Gate::new(snapshot, plane.members(), now),
            snapshot,
            now,
            membership,
            pools,
            holdings,
            plane,
            answers: BTreeMap::new(),
            reports: BTreeMap::new(),
            released: BTreeMap::new(),
            compositions: BTreeSet::new(),
            steps: Vec::new(),
            granted: Vec::new(),
            returned,
            wake_at: None,
        }
    }

    /// The nodes that belong to no pool.
    pub(super) fn outside(&self) -> Vec<NodeName> {
        let places = self.membership.places.iter();
        places
            .filter(|(_, place)| !matches!(place, Place::In { .. }))
            .map(|(node, _)| node.clone())
            .collect()
    }

    /// The pool that a node belongs to, or why it belongs to none.
    pub(super) fn pool_of(&self, node: &NodeName) -> Result<&Pool<'a>, Hold> {
        match self.membership.places.get(node) {
            Some(Place::In { primary, .. }) => self.pools.get(primary).ok_or(Hold::NoPool),
            Some(Place::Several(pools)) => Err(Hold::SeveralPools(Names::of(pools))),
            Some(Place::Unknown { pool, error }) => Err(Hold::InvalidSelector {
                pool: pool.clone(),
                error: shown(error),
            }),
            Some(Place::Nowhere) | None => Err(Hold::NoPool),
        }
    }

    pub(super) fn hold(&mut self, node: &NodeName, hold: Hold) {
        if let Some(until) = hold.until() {
            self.wake(until, hold.reason());
        }
        self.answers.insert(node.clone(), Answer::Held(hold));
    }

    /// Asks to be called again at `at`, if that is still to come.
    pub(super) fn wake(&mut self, at: Timestamp, why: &'static str) {
        if at > self.now && self.wake_at.is_none_or(|(known, _)| at < known) {
            self.wake_at = Some((at, why));
        }
    }

    /// Gives `node` a config under a slot, and notes it in the ledger.
    pub(super) fn assign(
        &mut self,
        node: &NodeView,
        pool: &PoolName,
        (config, intent): (&ConfigName, Intent),
        slot: Slot,
    ) {
        let holder = Holder {
            node: node.name.clone(),
            uid: node.uid.clone(),
            pool: pool.clone(),
            intent,
            config: config.clone(),
        };
        if slot == Slot::Granted {
            self.granted.push(node.name.clone());
        }
        let recorded = self
            .holdings
            .get(&node.name)
            .is_some_and(|holding| holding.recorded);
        self.holdings.insert(
            node.name.clone(),
            Holding {
                holder,
                recorded,
                assigned: Some(config.clone()),
            },
        );
        if node.is_control_plane() {
            self.plane.take(&node.name);
        }
        if let Some(trials) = self.trials.get_mut(pool) {
            trials.note(Class::of(config, self.snapshot), &node.name);
        }
        let target = self.pools.get(pool).and_then(Pool::target);
        self.steps.push(Step::Assign(Assign {
            node: node.name.clone(),
            uid: node.uid.clone(),
            pool: pool.clone(),
            config: config.clone(),
            intent,
            expects: Expects {
                desired: node.desired.clone(),
                intent: node.intent,
            },
            slot,
            request: None,
            removes_taint: node.update_taint && target == Some(config),
        }));
        self.answers
            .insert(node.name.clone(), Answer::Assigned(config.clone()));
    }

    /// As [`Self::assign`], at a person's request.
    pub(super) fn assign_as_requested(
        &mut self,
        node: &NodeView,
        pool: &PoolName,
        (config, intent): (&ConfigName, Intent),
        slot: Slot,
        reason: &std::sync::Arc<str>,
    ) {
        self.assign(node, pool, (config, intent), slot);
        if let Some(Step::Assign(assign)) = self.steps.last_mut() {
            assign.request = Some(reason.clone());
        }
    }

    /// Replaces a config that somebody else wrote by the one that was assigned.
    pub(super) fn put_back(&mut self, node: &NodeView, config: &ConfigName) {
        self.steps.push(Step::PutBack {
            node: node.name.clone(),
            uid: node.uid.clone(),
            config: config.clone(),
            expects: Expects {
                desired: node.desired.clone(),
                intent: node.intent,
            },
        });
        self.answers
            .insert(node.name.clone(), Answer::PutBack(config.clone()));
    }

    /// Gives a settled holder's slot back.
    pub(super) fn give_back(&mut self, node: &NodeView) {
        if let Some(Holding {
            holder,
            recorded: true,
            ..
        }) = self.holdings.remove(&node.name)
        {
            self.returned.push((holder, Returned::Settled));
        }
        self.plane.give_back(&node.name, node.is_ready());
    }

    /// Whether so many hold a slot that no other is granted.
    pub(super) fn ledger_is_full(&self) -> bool {
        self.holdings.len() >= HOLDERS_LIMIT
    }

    pub(super) fn push(&mut self, step: Step) {
        self.steps.push(step);
    }

    /// Whether the node is given a config in this round.
    pub(super) fn is_assigned(&self, node: &NodeName) -> bool {
        matches!(self.answers.get(node), Some(Answer::Assigned(_)))
    }

    pub(super) fn finish(self) -> Plan {
        let ledger = next_ledger(self.snapshot, self.holdings, self.granted, self.returned);
        let mut pools = self.reports;
        // Each node has one place and one answer, and both are in the order of names.
        let places = self.membership.places.iter().zip(&self.answers);
        let places = places.take_while(|((placed, _), (answered, _))| placed == answered);
        for ((_, place), (_, answer)) in places {
            let Some(hold) = answer.hold().filter(|hold| hold.is_wait()) else {
                continue;
            };
            if let Place::In { primary, .. } = place
                && let Some(report) = pools.get_mut(primary)
            {
                *report.waiting.entry(hold.reason()).or_default() += 1;
            }
        }
        Plan {
            steps: self.steps,
            answers: self.answers,
            pools,
            ledger,
            compositions: self.compositions.into_iter().collect(),
            wake_at: self.wake_at,
        }
    }
}

/// The next ledger: all that hold a slot now. Without a ledger it is written only once all Nodes were read.
fn next_ledger(
    snapshot: &Snapshot,
    holdings: BTreeMap<NodeName, Holding>,
    granted: Vec<NodeName>,
    returned: Vec<(Holder, Returned)>,
) -> LedgerChange {
    let mut next = Ledger::default();
    let mut recorded = Vec::new();
    let granted_set: BTreeSet<&NodeName> = granted.iter().collect();
    let (known, rebuilt): (Vec<_>, Vec<_>) = holdings
        .into_iter()
        .partition(|(name, holding)| holding.recorded || granted_set.contains(name));
    for (name, Holding { holder, .. }) in known {
        next.holders.insert(name, holder);
    }
    // A rebuilt holder is recorded above the limit of grants too: a record that is lost later makes us more careful. What
    // no object has room for counts in every round all the same; written down, it would have the whole ledger refused.
    for (name, Holding { holder, .. }) in rebuilt {
        if next.holders.len() < HOLDERS_RECORDED_MAX {
            recorded.push(name.clone());
            next.holders.insert(name, holder);
        }
    }
    let differs = match &snapshot.ledger {
        Some(ledger) => *ledger != next,
        None => snapshot.nodes_listed_consistently,
    };
    LedgerChange {
        next,
        differs,
        granted,
        returned,
        recorded,
    }
}
