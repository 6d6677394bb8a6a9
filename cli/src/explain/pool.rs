//! The answer about one pool: how far it is, who holds its slots, who waits and why.
//!
//! # Guarantees
//! Pure, like [`super::answer`].

use std::collections::BTreeMap;

use api::MachineConfigPool;
use api::conditions::pool as types;
use rollout::Snapshot;
use rollout::hold::Hold;
use rollout::names::PoolName;
use rollout::plan::{Answer, Plan};
use serde::Serialize;

use super::answer::{Slots, slots};
use super::known::Rules;

/// The answer about one pool.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct PoolExplanation {
    /// The pool.
    pub(crate) pool: String,
    /// The answer in one sentence.
    pub(crate) answer: String,
    /// Its target.
    pub(crate) target: Option<String>,
    /// How many nodes it has.
    pub(crate) nodes: usize,
    /// How many of them have the target.
    pub(crate) updated: usize,
    /// Its slots.
    pub(crate) slots: Option<Slots>,
    /// Who waits, by `Hold::reason`.
    pub(crate) waiting: BTreeMap<&'static str, Waiting>,
    /// The nodes that are given a config next.
    pub(crate) next: Vec<String>,
    /// What its status says is wrong.
    pub(crate) conditions: Vec<String>,
    /// By whose rules it was planned.
    pub(crate) rules: Rules,
    /// What limits the answer.
    pub(crate) notes: Vec<String>,
}

/// Nodes that wait for one reason.
#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Waiting {
    /// The nodes.
    pub(crate) nodes: Vec<String>,
    /// The sentence of the first of them.
    pub(crate) message: String,
}

/// The answer about `name`; nothing if there is no such pool.
pub(crate) fn answer(
    snapshot: &Snapshot,
    plan: &Plan,
    name: &PoolName,
    object: Option<&MachineConfigPool>,
    rules: Rules,
    notes: Vec<String>,
) -> Option<PoolExplanation> {
    let pool = snapshot.pools.get(name)?;
    let members = plan
        .pools
        .get(name)
        .map(|report| report.members.as_slice())
        .unwrap_or_default();
    let (mut updated, mut next) = (0, Vec::new());
    let mut waiting: BTreeMap<&'static str, Waiting> = BTreeMap::new();
    for node in members {
        match plan.answers.get(node) {
            Some(Answer::Held(Hold::UpToDate)) => updated += 1,
            Some(Answer::Held(hold)) => waiting
                .entry(hold.reason())
                .or_insert_with(|| Waiting {
                    nodes: Vec::new(),
                    message: hold.to_string(),
                })
                .nodes
                .push(node.to_string()),
            Some(Answer::Assigned(_) | Answer::PutBack(_)) => next.push(node.to_string()),
            None => {}
        }
    }
    let rest: Vec<String> = waiting
        .iter()
        .map(|(reason, waiting)| format!("{} {reason}", waiting.nodes.len()))
        .chain((!next.is_empty()).then(|| format!("{} next", next.len())))
        .collect();
    let mut sentence = format!("pool {name}: {updated} of {} nodes updated", members.len());
    if members.is_empty() {
        sentence = format!("pool {name}: its nodeSelector selects no node");
    } else if !rest.is_empty() {
        sentence.push_str(&format!("; {}", rest.join(", ")));
    }
    Some(PoolExplanation {
        pool: name.to_string(),
        answer: sentence,
        target: pool.target.as_ref().map(ToString::to_string),
        nodes: members.len(),
        updated,
        slots: slots(plan, name),
        waiting,
        next,
        conditions: object.map(wrong).unwrap_or_default(),
        rules,
        notes,
    })
}

/// Conditions of the pool that say that something is wrong.
fn wrong(pool: &MachineConfigPool) -> Vec<String> {
    let bad = [types::RENDER_DEGRADED, types::NODE_DEGRADED];
    let status = pool.status.iter();
    status
        .flat_map(|status| &status.conditions)
        .filter(|condition| bad.contains(&condition.type_.as_str()) && condition.is_true())
        .map(|condition| format!("{}: {}", condition.type_, condition.message))
        .collect()
}
