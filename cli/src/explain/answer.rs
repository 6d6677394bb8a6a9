//! The answer about one node: why it is not updated, and until when.
//!
//! # Guarantees
//! Pure: the same snapshot and plan give the same words. What the controller itself says of the node comes first where
//! it differs from what is planned now, because the controller acts and this does not.

use jiff::Timestamp;
use rollout::Snapshot;
use rollout::hold::{Hold, Phase};
use rollout::membership::{Place, place};
use rollout::names::{ConfigName, NodeName, PoolName};
use rollout::plan::{Answer, Plan, Step};
use rollout::snapshot::{NodeState, NodeView};
use serde::Serialize;

use super::disturbs::Disturbs;
use super::known::{Rules, Told};
use super::until::{after, until};

/// What is known around the plan.
#[derive(Debug, Default)]
pub(crate) struct Around {
    /// What the controller says of the node.
    pub(crate) told: Option<Told>,
    /// What keeps the node's pods where they are, now.
    pub(crate) blockers: Vec<String>,
    /// Whether a drain is under way.
    pub(crate) draining: bool,
    /// What the next config does to the node, where that can be told.
    pub(crate) disturbs: Option<Disturbs>,
}

/// The answer about one node.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Explanation {
    /// The node.
    pub(crate) node: String,
    /// The answer in one sentence.
    pub(crate) answer: String,
    /// `Hold::reason`, `Assigned` or `PutBack`.
    pub(crate) reason: String,
    /// Whether it has its pool's target.
    pub(crate) updated: bool,
    /// What is planned now, where the controller's words differ and so stand in `answer`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) planned_now: Option<String>,
    /// Its pool.
    pub(crate) pool: Option<String>,
    /// The config that it has.
    pub(crate) has: Option<Has>,
    /// The config that it is assigned, where that is another one than it has.
    pub(crate) assigned: Option<String>,
    /// Its pool's target.
    pub(crate) target: Option<String>,
    /// What a person asked for it by name, with the reason, as long as that is not granted.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) asked: Option<String>,
    /// What ends the wait.
    pub(crate) until: Option<String>,
    /// When the wait ends at the latest by itself, where that is known.
    pub(crate) until_time: Option<Timestamp>,
    /// Its pool's slots.
    pub(crate) slots: Option<Slots>,
    /// What keeps its pods where they are, now.
    pub(crate) blockers: Vec<String>,
    /// Whether a drain is under way.
    pub(crate) draining: bool,
    /// What the next step will be.
    pub(crate) next: String,
    /// What the next config does to the node.
    pub(crate) disturbs: Option<Disturbs>,
    /// The controller's words.
    pub(crate) controller: Option<Told>,
    /// By whose rules it was planned.
    pub(crate) rules: Rules,
    /// What limits the answer.
    pub(crate) notes: Vec<String>,
}

/// The config that a node has.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Has {
    /// Its name.
    pub(crate) config: String,
    /// The target whose kubelet part it withholds.
    pub(crate) withholds: Option<String>,
    /// What its daemon says, in the reference's words.
    pub(crate) state: &'static str,
    /// Whether it is Ready.
    pub(crate) ready: bool,
}

/// The slots of a pool.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Slots {
    /// How many there are; absent if `maxUnavailable` cannot be read.
    pub(crate) max: Option<i64>,
    /// Who takes them.
    pub(crate) taken: Vec<Taken>,
    /// How many nodes of the pool want another config and could take it.
    pub(crate) candidates: usize,
}

/// Who takes a slot.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Taken {
    /// The node.
    pub(crate) node: String,
    /// Whether it holds a slot of ours; else it is down for another reason, and counts.
    pub(crate) ours: bool,
    /// Why it is still away.
    pub(crate) reason: String,
}

/// The answer about `name`; nothing if there is no such node.
pub(crate) fn answer(
    snapshot: &Snapshot,
    plan: &Plan,
    name: &NodeName,
    around: Around,
    rules: Rules,
    notes: Vec<String>,
) -> Option<Explanation> {
    let node = snapshot.nodes.get(name)?;
    let planned = plan.answers.get(name);
    let pool = pool_of(snapshot, node);
    let target = pool
        .as_ref()
        .and_then(|pool| snapshot.pools.get(pool)?.target.clone());
    let Around {
        told,
        blockers,
        draining,
        disturbs,
    } = around;
    let (answer, planned_now) = sentence(name, planned, told.as_ref());
    let hold = planned.and_then(Answer::hold);
    let assigned = node
        .desired
        .as_ref()
        .filter(|_| node.desired != node.current);
    Some(Explanation {
        node: name.to_string(),
        answer,
        reason: reason(planned).to_owned(),
        updated: matches!(hold, Some(Hold::UpToDate)),
        planned_now,
        has: node
            .current
            .as_ref()
            .map(|config| has(snapshot, node, config)),
        assigned: assigned.map(ToString::to_string),
        target: target.as_ref().map(ToString::to_string),
        asked: node
            .request
            .as_ref()
            .map(|asked| format!("{} ({})", asked.config, asked.reason)),
        until: hold.and_then(until),
        until_time: hold.and_then(Hold::until),
        slots: pool.as_ref().and_then(|pool| slots(plan, pool)),
        blockers,
        draining,
        next: next(plan, name, planned, target.as_ref()),
        disturbs,
        controller: told,
        rules,
        notes,
        pool: pool.map(|pool| pool.to_string()),
    })
}

/// The config that the node takes next: what its answer says, what it is on its way to, else its pool's target.
pub(crate) fn next_config(snapshot: &Snapshot, plan: &Plan, name: &NodeName) -> Option<ConfigName> {
    let node = snapshot.nodes.get(name)?;
    let planned = match plan.answers.get(name) {
        Some(Answer::Assigned(config) | Answer::PutBack(config)) => Some(config.clone()),
        Some(Answer::Held(_)) | None => None,
    };
    let target = || {
        snapshot
            .pools
            .get(&pool_of(snapshot, node)?)?
            .target
            .clone()
    };
    let on_its_way = node
        .desired
        .clone()
        .filter(|_| node.desired != node.current);
    let next = planned.or(on_its_way).or_else(target)?;
    (Some(&next) != node.current.as_ref()).then_some(next)
}

/// The pool that the node belongs to.
pub(crate) fn pool_of(snapshot: &Snapshot, node: &NodeView) -> Option<PoolName> {
    match place(&snapshot.pools, &node.labels) {
        Place::In { primary, .. } => Some(primary),
        Place::Nowhere | Place::Several(_) | Place::Unknown { .. } => None,
    }
}

/// The stable identifier of an answer.
pub(crate) fn reason(answer: Option<&Answer>) -> &'static str {
    match answer {
        Some(Answer::Held(hold)) => hold.reason(),
        Some(Answer::Assigned(_)) => "Assigned",
        Some(Answer::PutBack(_)) => "PutBack",
        None => "Unknown",
    }
}

/// The first line, and what is planned now if the controller's words took its place.
fn sentence(
    name: &NodeName,
    planned: Option<&Answer>,
    told: Option<&Told>,
) -> (String, Option<String>) {
    let now = match planned {
        Some(Answer::Held(hold)) => format!("{}: {hold} ({})", verb(hold), hold.reason()),
        Some(Answer::Assigned(config)) => format!("is next: it is given {config}"),
        Some(Answer::PutBack(config)) => {
            format!("was given a config by somebody else: {config} is put back")
        }
        None => "is not known to the planner".to_owned(),
    };
    // Where both say the same, the facts of now are newer than those of when the reason last changed.
    match told {
        Some(told) if told.reason != reason(planned) => {
            let words = format!("{name} waits: {} ({})", told.message, told.reason);
            (words, Some(now))
        }
        _ => (format!("{name} {now}"), None),
    }
}

/// What a node with this hold does, as the first word of its answer.
const fn verb(hold: &Hold) -> &'static str {
    match hold {
        Hold::UpToDate => "is updated",
        Hold::NoPool => "is left alone",
        Hold::KubeletWithheld(_) => "is updated but for its kubelet",
        Hold::InFlight { .. }
        | Hold::DrainBlocked(_)
        | Hold::AwaitingFreshReady { .. }
        | Hold::OwnPodsNotReady(_) => "is being updated",
        Hold::Failed { .. } => "failed",
        _ => "waits",
    }
}

fn has(snapshot: &Snapshot, node: &NodeView, config: &ConfigName) -> Has {
    let withholds = snapshot
        .configs
        .get(config)
        .and_then(|config| config.withholds.clone());
    Has {
        config: config.to_string(),
        withholds: withholds.map(|target| target.to_string()),
        state: match node.state {
            Some(NodeState::Done) => "Done",
            Some(NodeState::Working) => "Working",
            Some(NodeState::Degraded) => "Degraded",
            Some(NodeState::Unreconcilable) => "Unreconcilable",
            Some(NodeState::Other) | None => "of no known state",
        },
        ready: node.conditions_ready(),
    }
}

/// Who takes the slots of a pool.
pub(crate) fn slots(plan: &Plan, pool: &PoolName) -> Option<Slots> {
    let report = plan.pools.get(pool)?;
    let taken = report.unavailable.iter().map(|node| Taken {
        node: node.to_string(),
        ours: plan.ledger.next.holders.contains_key(node),
        reason: reason(plan.answers.get(node)).to_owned(),
    });
    Some(Slots {
        max: report.max_unavailable,
        taken: taken.collect(),
        candidates: report.candidates.len(),
    })
}

/// What happens to the node next.
fn next(
    plan: &Plan,
    name: &NodeName,
    planned: Option<&Answer>,
    target: Option<&ConfigName>,
) -> String {
    let target = target.map_or("the target", ConfigName::as_str);
    let hold = match planned {
        Some(Answer::Held(hold)) => hold,
        Some(Answer::Assigned(config)) => {
            let slot = plan.steps.iter().find_map(|step| match step {
                Step::Assign(assign) if assign.node == *name => Some(assign.slot),
                _ => None,
            });
            let slot = slot.map_or_else(String::new, |slot| format!(", in {slot}"));
            return format!("the controller assigns {config}{slot}");
        }
        Some(Answer::PutBack(config)) => return format!("{config} is written in its place"),
        None => return "nothing is known".to_owned(),
    };
    match hold {
        Hold::UpToDate => "nothing, until its pool has another target".to_owned(),
        Hold::NoPool | Hold::SeveralPools(_) | Hold::PoolDeleted => "nothing".to_owned(),
        Hold::InFlight { phase, .. } => after(*phase).to_owned(),
        Hold::DrainBlocked(_) => after(Phase::Draining).to_owned(),
        Hold::AwaitingFreshReady { .. } | Hold::OwnPodsNotReady(_) => {
            "its slot is given back".to_owned()
        }
        Hold::Failed { .. } => "a corrected config, in the slot that it has".to_owned(),
        Hold::KubeletWithheld(withheld) => {
            let slot = if plan.ledger.next.holders.contains_key(name) {
                "in the slot that it has, before others"
            } else {
                "in a slot"
            };
            format!("{target}, with kubelet {}, {slot}", withheld.kubelet)
        }
        _ => format!("{target}, in a slot"),
    }
}

#[cfg(test)]
mod tests;
