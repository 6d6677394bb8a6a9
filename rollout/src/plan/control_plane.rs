//! The control plane: never more of it away than etcd's quorum leaves, over all pools.

use super::holders::Holding;
use super::way::is_draining;
use crate::hold::{Hold, Names};
use crate::membership::{Membership, Place};
use crate::names::NodeName;
use crate::policy::Policy;
use crate::snapshot::{NodeView, Snapshot};
use std::collections::{BTreeMap, BTreeSet};

/// The control plane in one round.
#[derive(Clone, Debug, Default)]
pub(super) struct ControlPlane {
    members: usize,
    /// How many may be away; `None`: as many as their pools let go.
    allowed: Option<usize>,
    external_etcd: bool,
    /// Those that are away, for any cause.
    away: BTreeSet<NodeName>,
    /// Those that do not serve now, or whom nothing keeps from stopping to.
    down: BTreeSet<NodeName>,
    /// Holders that still serve, and stop to once their drains are acknowledged.
    draining: BTreeSet<NodeName>,
}

impl ControlPlane {
    /// A node counts as away if it holds a slot, is not Ready, is cordoned by whomever, or its own etcd or API server is not
    /// Ready. Where pools differ in their
    /// settings, the stricter holds for all: it is one etcd.
    pub(super) fn read(
        snapshot: &Snapshot,
        policy: &Policy,
        membership: &Membership,
        holdings: &BTreeMap<NodeName, Holding>,
    ) -> Self {
        let mut plane = Self {
            external_etcd: true,
            ..Self::default()
        };
        for (name, node) in snapshot
            .nodes
            .iter()
            .filter(|(_, node)| node.is_control_plane())
        {
            plane.members += 1;
            let settings = match membership.places.get(name) {
                Some(Place::In { primary, .. }) => policy.of(primary),
                _ => &policy.defaults,
            };
            let serves = !settings.control_plane.await_api_pods || serves(node);
            if holdings.contains_key(name) || !node.is_ready() || !serves {
                plane.away.insert(name.clone());
            }
            let up = node.conditions_ready() && serves;
            if up && holdings.contains_key(name) && is_draining(node) {
                plane.draining.insert(name.clone());
            } else if !up || holdings.contains_key(name) {
                plane.down.insert(name.clone());
            }
            plane.external_etcd &= settings.control_plane.external_etcd;
            let max = settings
                .control_plane
                .max_unavailable
                .map(|max| max as usize);
            plane.allowed = match (plane.allowed, max) {
                (Some(one), Some(other)) => Some(one.min(other)),
                (one, other) => one.or(other),
            };
        }
        if !plane.external_etcd {
            let quorum = quorum_leaves(plane.members);
            plane.allowed = Some(plane.allowed.map_or(quorum, |allowed| allowed.min(quorum)));
        }
        plane
    }

    /// How many nodes it has.
    pub(super) fn members(&self) -> usize {
        self.members
    }

    /// Why one more of its nodes may not go, `node` being that one.
    pub(super) fn refuses(&self, node: &NodeName) -> Option<Hold> {
        let allowed = self.allowed?;
        if self.members == 2 && !self.external_etcd {
            return Some(Hold::TwoControlPlaneNodes);
        }
        let others = self.away.iter().filter(|away| *away != node).count();
        (others >= allowed).then(|| Hold::ControlPlaneQuorum {
            allowed,
            members: self.members,
            away: Names::of(self.away.iter().filter(|away| *away != node)),
        })
    }

    /// Those whose drains may not be acknowledged now, with why: more of the control plane is down than was when they were taken.
    ///
    /// Of several that drain the first by name goes on, so that they do not wait for each other.
    pub(super) fn keeps_waiting(&self) -> Vec<(NodeName, Hold)> {
        let (mut down, mut waiting) = (self.down.clone(), Vec::new());
        for node in &self.draining {
            match self.allowed {
                Some(allowed) if down.len() >= allowed => {
                    let hold = Hold::ControlPlaneQuorum {
                        allowed,
                        members: self.members,
                        away: Names::of(&down),
                    };
                    waiting.push((node.clone(), hold));
                }
                _ => drop(down.insert(node.clone())),
            }
        }
        waiting
    }

    /// Notes that a node is taken.
    pub(super) fn take(&mut self, node: &NodeName) {
        self.away.insert(node.clone());
    }

    /// Notes that a node's slot is given back; only one that is Ready and uncordoned is there again.
    pub(super) fn give_back(&mut self, node: &NodeName, ready: bool) {
        if ready {
            self.away.remove(node);
        }
    }
}

/// Whether its own API server and etcd pods are Ready, as far as there are any: one that was moved off a node that holds no
/// slot is missed by nobody.
fn serves(node: &NodeView) -> bool {
    node.api_pods.iter().all(|pod| pod.ready || !pod.exists)
}

/// How many members of an etcd may be away without it losing its majority. A single one is updated in place.
fn quorum_leaves(members: usize) -> usize {
    match members {
        0 | 1 => 1,
        members => (members - 1) / 2,
    }
}
