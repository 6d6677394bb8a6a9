//! The taint `UpdateInProgress:PreferNoSchedule`: pods rather go where an update has been already.
//!
//! It stands on every node whose assignment is not the pool's target, and is gone as soon as it is
//! (reference/machine-config.md 2.1). It follows the plan and nothing waits for it.

use super::round::Round;
use super::step::{Answer, Step};
use crate::names::ConfigName;
use crate::snapshot::NodeView;

/// Whether a node of a pool with this target bears the taint.
pub fn is_wanted(node: &NodeView, target: &ConfigName) -> bool {
    let images = node.current_image.is_some() && node.desired_image.is_some();
    node.desired.as_ref() != Some(target) || images
}

/// Sets and removes taints, where nothing holds the pool: who has not approved a rollout does not see it on the nodes.
/// A node that is assigned in this round gets its taints in the same patch.
pub(super) fn follow(round: &mut Round<'_>) {
    let mut steps = Vec::new();
    for pool in round.pools.values().filter(|pool| pool.hold.is_none()) {
        let Some(target) = pool.target() else {
            continue;
        };
        for member in &pool.members {
            let wanted = is_wanted(member, target);
            let later = || match round.answers.get(&member.name) {
                Some(Answer::Assigned(_)) => pool.policy.reuse_slots,
                Some(Answer::PutBack(_)) => true,
                Some(Answer::Held(_)) | None => false,
            };
            if wanted == member.update_taint || later() {
                continue;
            }
            let (node, uid) = (member.name.clone(), member.uid.clone());
            steps.push(if wanted {
                Step::SetTaint { node, uid }
            } else {
                Step::RemoveTaint { node, uid }
            });
        }
    }
    for step in steps {
        round.push(step);
    }
}
