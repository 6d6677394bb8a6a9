//! What a pool says of itself: counts and conditions (reference/machine-config.md 2.7), from its nodes and from the same
//! holds that the plan answers with.
//!
//! # Guarantees
//! A condition's time moves only with its status. `status.configuration` follows the target only when all nodes have it.
//! # Not here
//! Writing it, and how often: the controller.

mod degraded;
mod own;

pub use degraded::NodeReport;
pub use own::{SELECTS_NOTHING, own_conditions};

use crate::budget;
use crate::names::ConfigName;
use crate::policy::PoolPolicy;
use crate::snapshot::{NodeView, PoolCondition, PoolView};
use api::conditions::pool as types;
use jiff::Timestamp;
use std::sync::Arc;

/// A pool's status, as it shall be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PoolStatus {
    /// Nodes of the pool.
    pub machines: usize,
    /// Nodes that are Done with the target.
    pub updated: usize,
    /// Those of them that are Ready.
    pub ready: usize,
    /// Nodes that count against the budget.
    pub unavailable: usize,
    /// Nodes whose daemon reports a failure, whatever their configs.
    pub degraded: usize,
    /// The generation that this was computed from.
    pub observed_generation: Option<i64>,
    /// What all nodes have: the target, once all have it; until then what it was before.
    pub configuration: Option<ConfigName>,
    /// The machine configs that `configuration` was made of.
    pub source: Vec<Arc<str>>,
    /// All conditions, those that others wrote included, in the order of their types.
    pub conditions: Vec<PoolCondition>,
    /// Types of the conditions whose status is new.
    pub transitions: Vec<String>,
}

/// The status of a pool with these nodes.
///
/// `reports` are the MachineConfigNodes, in the order of their list; only [`PoolPolicy::reference_degraded`] reads them.
pub fn pool_status(
    pool: &PoolView,
    nodes: &[&NodeView],
    reports: &[NodeReport],
    policy: &PoolPolicy,
    now: Timestamp,
) -> PoolStatus {
    let count = |is: &dyn Fn(&NodeView) -> bool| nodes.iter().filter(|node| is(node)).count();
    let is_updated = |node: &NodeView| {
        node.is_done() && node.desired == pool.target && node.desired_image.is_none()
    };
    let machines = nodes.len();
    let updated = count(&is_updated);
    let ready = count(&|node| is_updated(node) && node.is_ready());
    let unavailable = count(&|node| budget::is_unavailable(node, policy));
    let degraded = count(&NodeView::says_failed);
    let has_target = pool.target.is_some() || policy.empty_is_updated;
    let all_updated = has_target && updated == machines && ready == machines && unavailable == 0;

    let mut conditions = Conditions {
        all: pool.conditions.clone(),
        transitions: Vec::new(),
        now,
    };
    let target = pool.target.as_ref().map_or("", ConfigName::as_str);
    if all_updated {
        conditions.put(
            types::UPDATED,
            true,
            "",
            &format!("All nodes are updated with MachineConfig {target}"),
        );
        conditions.put(types::UPDATING, false, "", "");
    } else if pool.paused {
        conditions.put(types::UPDATED, false, "", "");
        let message = match &pool.target {
            Some(target) => format!("Pool is paused; will not update to MachineConfig {target}"),
            None => "Pool is paused; its first MachineConfig is not rendered".to_owned(),
        };
        conditions.put(types::UPDATING, false, "", &message);
    } else {
        conditions.put(types::UPDATED, false, "", "");
        // The reference names the target here even where there is none yet.
        let message = match &pool.target {
            Some(target) => format!("All nodes are updating to MachineConfig {target}"),
            None => "The first MachineConfig is being rendered".to_owned(),
        };
        conditions.put(types::UPDATING, true, "", &message);
    }
    degraded::put(&mut conditions, nodes, reports, policy);
    let follows = all_updated || conditions.is_true(types::UPDATED);
    let (configuration, source) = if follows {
        (pool.target.clone(), pool.source.clone())
    } else {
        (pool.reached.clone(), pool.reached_source.clone())
    };
    let Conditions {
        mut all,
        mut transitions,
        now: _,
    } = conditions;
    all.sort_by(|one, other| one.kind.cmp(&other.kind));
    transitions.sort();
    PoolStatus {
        machines,
        updated,
        ready,
        unavailable,
        degraded,
        observed_generation: pool.generation,
        configuration,
        source,
        conditions: all,
        transitions,
    }
}

/// Puts `condition` in its place, or at the end; its time is `now` where its status is new, else it stays. Whether the
/// status is new.
pub fn set(
    conditions: &mut Vec<PoolCondition>,
    mut condition: PoolCondition,
    now: Timestamp,
) -> bool {
    let known = conditions
        .iter_mut()
        .find(|known| known.kind == condition.kind);
    let Some(known) = known else {
        condition.since = Some(now);
        conditions.push(condition);
        return true;
    };
    let is_new = known.status != condition.status;
    condition.since = if is_new { Some(now) } else { known.since };
    *known = condition;
    is_new
}

/// Conditions that are being set at one moment.
struct Conditions {
    all: Vec<PoolCondition>,
    transitions: Vec<String>,
    now: Timestamp,
}

impl Conditions {
    fn put(&mut self, kind: &str, holds: bool, reason: &str, message: &str) {
        let condition = condition(kind, holds, reason, message);
        if set(&mut self.all, condition, self.now) {
            self.transitions.push(kind.to_owned());
        }
    }

    fn is_true(&self, kind: &str) -> bool {
        self.all
            .iter()
            .any(|condition| condition.kind == kind && condition.is_true())
    }
}

fn condition(kind: &str, holds: bool, reason: &str, message: &str) -> PoolCondition {
    PoolCondition {
        kind: kind.to_owned(),
        status: if holds { "True" } else { "False" }.to_owned(),
        reason: reason.to_owned(),
        message: message.to_owned(),
        since: None,
    }
}
