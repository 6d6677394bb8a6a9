//! What to do next about the pods of one node that is being drained.
//!
//! # Guarantees
//! [`decide`] is pure. It asks for evictions only, never for deletions: no pod goes without the eviction
//! API's consent. A refused eviction is asked again when the pod or one of its budgets has changed, and
//! at the latest after [`ASK_AGAIN`]. While a pod stays that no budget change can move (one without a
//! controller, say), no other pod of the node is disturbed: the drain cannot end anyway.
//! # Not here
//! The requests and the rate: see [`super::evict`].

use super::asked::{ASK_AGAIN, Answer, Asked, Seen};
use super::blocker::Blocker;
use super::pod::{BudgetView, PodView};
use super::rules::{LocalClaims, Rules};
use jiff::{SignedDuration, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;

/// After so long beyond its grace period a pod that does not go is named. The kubelet adds a few
/// seconds of its own; half a minute keeps it from being named on every drain.
pub const OVERDUE: SignedDuration = SignedDuration::from_secs(30);

/// The pods of a node, and what is known about them.
#[derive(Clone, Copy, Debug)]
pub struct Drain<'a> {
    /// All pods on the node.
    pub pods: &'a [Arc<PodView>],
    /// The budgets of the namespaces of these pods.
    pub budgets: &'a [Arc<BudgetView>],
    /// Claims (namespace, name) that are bound to a volume of this node.
    pub local_claims: &'a LocalClaims,
    /// What was asked before, by the pods' uid.
    pub asked: &'a BTreeMap<String, Asked>,
    /// The owner's rules.
    pub rules: Rules,
}

/// What to do next.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Round {
    /// Ask for the eviction of these now.
    pub evict: Vec<Arc<PodView>>,
    /// How many pods are going and not gone.
    pub going: usize,
    /// What keeps the others.
    pub blockers: Vec<Blocker>,
    /// When to look again though nothing was seen to change.
    pub wake_at: Option<Timestamp>,
}

impl Round {
    /// Whether the node is empty of what had to go.
    pub fn is_done(&self) -> bool {
        let Self {
            evict,
            going,
            blockers,
            wake_at: _,
        } = self;
        evict.is_empty() && *going == 0 && blockers.is_empty()
    }
}

/// What to do next about the pods of a node.
pub fn decide(drain: Drain<'_>, now: Timestamp) -> Round {
    let mut round = Round::default();
    let must_go = |pod: &&Arc<PodView>| !drain.rules.lets_stay(pod, drain.budgets);
    let leaving: Vec<_> = drain.pods.iter().filter(must_go).collect();
    for pod in &leaving {
        if pod.gone_by.is_none()
            && let Some(blocker) = drain.rules.keeps(pod, drain.local_claims)
        {
            round.blockers.push(blocker);
        }
    }
    let held = !round.blockers.is_empty();
    for pod in leaving {
        if pod.gone_by.is_some() {
            wait_for(pod, drain.rules, now, &mut round);
        } else if !held {
            ask_for(pod, &drain, now, &mut round);
        }
    }
    round
}

/// A pod that is going: named once it takes longer than it asked for.
fn wait_for(pod: &PodView, rules: Rules, now: Timestamp, round: &mut Round) {
    let gone_by = pod.gone_by.unwrap_or(now);
    let overdue_at = later(gone_by, OVERDUE);
    if now < overdue_at {
        round.going = round.going.saturating_add(1);
        wake(round, overdue_at);
    } else if pod.finalizers.is_empty() {
        round.blockers.push(Blocker::Overdue {
            pod: pod.pod.clone(),
            gone_by,
        });
    } else if rules.wait_for_finalizers {
        let finalizers = pod.finalizers.clone();
        round.blockers.push(Blocker::Finalizers {
            pod: pod.pod.clone(),
            finalizers,
        });
    }
}

fn ask_for(pod: &Arc<PodView>, drain: &Drain<'_>, now: Timestamp, round: &mut Round) {
    let Some(asked) = drain.asked.get(&pod.uid) else {
        round.evict.push(pod.clone());
        return;
    };
    let again_at = match &asked.answer {
        Answer::Failed { again_at, .. } => *again_at,
        Answer::Granted | Answer::Refused { .. } => later(asked.at, ASK_AGAIN),
    };
    let changed = match &asked.answer {
        Answer::Refused { seen, .. } => *seen != Seen::of(pod, drain.budgets),
        Answer::Granted | Answer::Failed { .. } => false,
    };
    if now >= again_at || changed {
        round.evict.push(pod.clone());
        return;
    }
    wake(round, again_at);
    match &asked.answer {
        Answer::Granted => round.going = round.going.saturating_add(1),
        Answer::Refused { blocker, .. } | Answer::Failed { blocker, .. } => {
            round.blockers.push(blocker.clone());
        }
    }
}

fn wake(round: &mut Round, at: Timestamp) {
    round.wake_at = Some(round.wake_at.map_or(at, |earlier| earlier.min(at)));
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests;
