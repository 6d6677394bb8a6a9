//! What the last planning round decided, for those who act on it or show it.

use crate::drain::request::Request;
use jiff::Timestamp;
use rollout::membership::{Place, place};
use rollout::names::{NodeName, PoolName};
use rollout::plan::Answer;
use rollout::policy::DrainPolicy;
use rollout::{Hold, Plan, Policy, Snapshot};

/// One planning round: what was known, what is allowed, what follows.
#[derive(Debug)]
pub struct Decided {
    /// When.
    pub at: Timestamp,
    /// What was known.
    pub snapshot: Snapshot,
    /// What the owners allow.
    pub policy: Policy,
    /// What follows.
    pub plan: Plan,
    /// The plan broke a promise, and nothing of it was done.
    pub refused: bool,
}

impl Decided {
    /// Whether the round saw this request, and has no further config for the node before its cordon goes.
    pub fn lets_go(&self, node: &str, request: &Request) -> bool {
        let name = NodeName::from(node);
        let Some(view) = self.snapshot.nodes.get(&name) else {
            return false;
        };
        let seen = view.desired_drain.as_deref() == Some(request.wish.to_string().as_str())
            && view.intent.0 == request.intent;
        seen && !self.refused && matches!(self.plan.answers.get(&name), Some(Answer::Held(_)))
    }

    /// Whether the control plane needs a node that was taken: others of it are down that were not then.
    pub fn needs(&self, node: &str) -> bool {
        let answer = self.plan.answers.get(&NodeName::from(node));
        matches!(answer, Some(Answer::Held(Hold::ControlPlaneQuorum { .. })))
    }

    /// The pool of a node, as it was.
    pub fn pool_of(&self, node: &str) -> Option<PoolName> {
        let view = self.snapshot.nodes.get(&NodeName::from(node))?;
        match place(&self.snapshot.pools, &view.labels) {
            Place::In { primary, .. } => Some(primary),
            Place::Nowhere | Place::Several(_) | Place::Unknown { .. } => None,
        }
    }

    /// How the node may be drained.
    pub fn drain_policy(&self, node: &str) -> &DrainPolicy {
        match self.pool_of(node) {
            Some(pool) => &self.policy.of(&pool).drain,
            None => &self.policy.defaults.drain,
        }
    }
}
