//! How many nodes of a pool may be unavailable, and which are (reference/machine-config.md 2.3 and 2.4).

use crate::policy::PoolPolicy;
use crate::snapshot::{MaxUnavailable, NodeView, PoolView};
use std::sync::Arc;

/// The reference's pool of arbiter nodes, of which one goes at a time whatever is set (2.3).
const ARBITER: &str = "arbiter";

/// `spec.maxUnavailable` is neither a number nor a percentage.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("maxUnavailable `{0}` is neither a number nor a percentage such as 10%")]
pub struct InvalidBudget(pub Arc<str>);

/// How many of `members` nodes may be unavailable at a time.
///
/// A percentage is of all nodes of the pool, rounded down; one that is positive and comes to 0 is 1. What 0 means
/// is [`PoolPolicy::zero_means_none`]. Negative values are accepted, as in the reference, and mean none.
pub fn max_unavailable(
    pool: &PoolView,
    members: usize,
    policy: &PoolPolicy,
) -> Result<i64, InvalidBudget> {
    if pool.name == ARBITER {
        return Ok(1);
    }
    let (scaled, positive) = match &pool.max_unavailable {
        MaxUnavailable::Unset => (1, true),
        MaxUnavailable::Number(number) => (*number, *number > 0),
        MaxUnavailable::Text(text) => {
            let percent = text
                .strip_suffix('%')
                .and_then(|digits| digits.parse::<i64>().ok());
            let percent = percent.ok_or_else(|| InvalidBudget(text.clone()))?;
            let members = i64::try_from(members).unwrap_or(i64::MAX);
            (percent.saturating_mul(members).div_euclid(100), percent > 0)
        }
    };
    let rounds_up = positive || !policy.zero_means_none;
    Ok(if scaled == 0 && rounds_up { 1 } else { scaled })
}

/// Whether a node counts against the budget by its own look, whoever made it so.
///
/// The reference's rule (2.4), where the policy asks for it: not Ready or cordoned; else neither done nor failing. A node that
/// never had a config, and one that was never Ready, count only where the policy says so.
pub fn is_unavailable(node: &NodeView, policy: &PoolPolicy) -> bool {
    if !policy.never_ready_counts && !node.ever_ready() {
        return false;
    }
    if !node.is_ready() {
        return true;
    }
    if node.is_untouched() && !policy.untouched_counts {
        return false;
    }
    !node.is_done() && !node.is_failing()
}
