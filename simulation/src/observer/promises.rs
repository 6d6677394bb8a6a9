//! The promises that stored versions of objects can show to be broken.

use super::Observer;
use super::facts::NodeFacts;
use jiff::{SignedDuration, Timestamp};
use serde::Serialize;
use std::fmt;

/// How long a node must have been down for others' reasons before we are expected to know of it.
///
/// Watches lag by seconds under faults; half a minute is more than any lag that the faults draw.
const KNOWN_AFTER: SignedDuration = SignedDuration::from_secs(30);

/// A promise of the design, as far as it can be seen from the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum Promise {
    /// Never more nodes of a pool taken than its budget allows, and none taken while others are down.
    Budget,
    /// Never more control-plane nodes away than etcd's quorum leaves.
    ControlPlane,
    /// Neither an intent nor what was acted on ever goes back.
    Forward,
    /// No pod is deleted without the eviction API's consent.
    Consent,
    /// No kubelet becomes newer than the oldest API server.
    KubeletNotAhead,
    /// No node is cordoned by us that holds no slot.
    CordonUnderSlot,
}

impl Promise {
    /// All promises, in their order.
    pub const ALL: [Self; 6] = [
        Self::Budget,
        Self::ControlPlane,
        Self::Forward,
        Self::Consent,
        Self::KubeletNotAhead,
        Self::CordonUnderSlot,
    ];

    /// Its stable name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Budget => "budget",
            Self::ControlPlane => "control-plane",
            Self::Forward => "forward",
            Self::Consent => "consent",
            Self::KubeletNotAhead => "kubelet-not-ahead",
            Self::CordonUnderSlot => "cordon-under-slot",
        }
    }
}

/// One broken promise.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// Which.
    pub promise: Promise,
    /// When, in the run's own time.
    pub at: Timestamp,
    /// How.
    pub what: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{} {}: {}", self.at, self.promise.name(), self.what)
    }
}

impl Observer {
    pub(super) fn check(&mut self, promise: Promise) {
        *self.checked.entry(promise).or_default() += 1;
    }

    pub(super) fn broke(&mut self, promise: Promise, at: Timestamp, what: String) {
        if self.violations.len() < super::VIOLATIONS_MAX {
            self.violations.push(Violation { promise, at, what });
        }
    }

    /// A node of a pool was taken: are there more than may be, with those that are down anyway?
    pub(super) fn budget(&mut self, name: &str, now: Timestamp) {
        self.check(Promise::Budget);
        let Some(node) = self.nodes.get(name) else {
            return;
        };
        let Some((pool, facts)) = self.pool_of(&node.facts) else {
            return;
        };
        let size = self.in_pool(pool).count();
        let most = facts.most_away(size);
        let taken = self.in_pool(pool).filter(|node| node.taken).count();
        let known_down = |since: Option<Timestamp>| {
            since.is_some_and(|since| now.duration_since(since) > KNOWN_AFTER)
        };
        let down = self
            .in_pool(pool)
            .filter(|node| known_down(node.down_since))
            .count();
        if taken + down > most {
            let in_pool =
                |facts: &NodeFacts| self.pool_of(facts).is_some_and(|(own, _)| own == pool);
            let taken_ones = self
                .nodes
                .iter()
                .filter(|(_, node)| node.taken && in_pool(&node.facts));
            let lacks: Vec<String> = taken_ones
                .filter_map(|(name, _)| Some(format!("{name} {}", self.lacks(name)?)))
                .collect();
            let what = format!(
                "{name} of pool {pool} was taken: {taken} taken and {down} down otherwise, {most} allowed ({})",
                lacks.join("; ")
            );
            self.broke(Promise::Budget, now, what);
        }
    }

    /// A control-plane node was taken: is there another one away?
    pub(super) fn control_plane(&mut self, name: &str, now: Timestamp) {
        if !self
            .nodes
            .get(name)
            .is_some_and(|node| node.facts.is_control_plane())
        {
            return;
        }
        self.check(Promise::ControlPlane);
        let members: Vec<_> = self
            .nodes
            .iter()
            .filter(|(_, node)| node.facts.is_control_plane())
            .collect();
        let quorum = members.len().saturating_sub(1) / 2;
        // A single one is updated in place; more go one at a time, whatever the pool's budget says.
        let most = if members.len() == 1 { 1 } else { quorum.min(1) };
        let known_down = |since: Option<Timestamp>| {
            since.is_some_and(|since| now.duration_since(since) > KNOWN_AFTER)
        };
        let away: Vec<String> = members
            .iter()
            .filter(|(_, node)| node.taken || known_down(node.down_since))
            .map(|(name, _)| (*name).clone())
            .collect();
        if away.len() > most && !self.external_etcd {
            let what = format!(
                "{} of {} control-plane nodes away: {}",
                away.len(),
                members.len(),
                away.join(", ")
            );
            self.broke(Promise::ControlPlane, now, what);
        }
    }

    pub(super) fn forward(
        &mut self,
        name: &str,
        before: &NodeFacts,
        after: &NodeFacts,
        now: Timestamp,
    ) {
        if before.intent == after.intent && before.acted == after.acted {
            return;
        }
        self.check(Promise::Forward);
        if after.intent < before.intent || after.acted < before.acted {
            let what = format!(
                "{name} went back: intent {} to {}, acted on {} to {}",
                before.intent, after.intent, before.acted, after.acted
            );
            self.broke(Promise::Forward, now, what);
        }
    }

    pub(super) fn kubelet_not_ahead(
        &mut self,
        name: &str,
        before: &NodeFacts,
        after: &NodeFacts,
        now: Timestamp,
    ) {
        let (Some(kubelet), Some(oldest)) = (after.kubelet, self.oldest_api) else {
            return;
        };
        if before.kubelet == after.kubelet {
            return;
        }
        self.check(Promise::KubeletNotAhead);
        if kubelet.minor_only() > oldest.minor_only() {
            let what =
                format!("the kubelet of {name} is {kubelet}, the oldest API server {oldest}");
            self.broke(Promise::KubeletNotAhead, now, what);
        }
    }

    pub(super) fn cordon_under_slot(&mut self, name: &str, now: Timestamp) {
        self.check(Promise::CordonUnderSlot);
        let single = self
            .nodes
            .values()
            .filter(|node| node.facts.is_control_plane())
            .count()
            == 1;
        if !self.holders.contains(name) {
            self.broke(
                Promise::CordonUnderSlot,
                now,
                format!("{name} was cordoned without a slot"),
            );
        }
        if single
            && self
                .nodes
                .get(name)
                .is_some_and(|node| node.facts.is_control_plane())
        {
            self.broke(
                Promise::ControlPlane,
                now,
                format!("{name}, the only control-plane node, was cordoned"),
            );
        }
    }
}
