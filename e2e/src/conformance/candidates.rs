//! `candidates`: which nodes are updated next.
//!
//! One round of planning under the reference's policy, for a cluster of this one pool and an empty ledger.

use std::collections::BTreeMap;

use anyhow::Context;
use jiff::Timestamp;
use rollout::plan::{PoolReport, Step, plan};
use rollout::snapshot::{Ledger, NodeView};
use rollout::{NodeName, Plan, Policy, Snapshot};
use serde_json::{Value, json};

use super::{Corpus, Strictness, objects};

pub(super) struct Candidates;

impl Corpus for Candidates {
    fn name(&self) -> &'static str {
        "candidates"
    }

    fn answer(&self, input: &Value) -> anyhow::Result<Value> {
        let listed: Vec<NodeView> = objects::list(input, "nodes")
            .iter()
            .map(objects::node)
            .collect::<Result<_, _>>()?;
        let pool = objects::pool(&input["pool"])?;
        let snapshot = Snapshot {
            nodes: listed
                .iter()
                .map(|node| (node.name.clone(), node.clone()))
                .collect(),
            pools: BTreeMap::from([(pool.name.clone(), pool.clone())]),
            ledger: Some(Ledger::default()),
            nodes_listed_consistently: true,
            leader_node: input["operatorNode"].as_str().map(Into::into),
            ..Snapshot::default()
        };
        let plan = plan(&snapshot, &Policy::reference(), Timestamp::UNIX_EPOCH);
        let report = plan
            .pools
            .get(&pool.name)
            .context("the plan does not tell of the pool")?;
        Ok(told(&listed, &plan, report, pool.paused))
    }

    fn strictness(&self, path: &str, expected: &Value) -> Strictness {
        let ordered = expected["ordered"] == true;
        match path {
            "error" => Strictness::Wording,
            "selected" if expected.get("tie").is_some() => Strictness::Judged(a_choice_of_the_tied),
            "selected" if !ordered || expected["orderHasTies"] == true => Strictness::Unordered,
            "tie.definite" | "tie.tied" => Strictness::Unordered,
            _ => Strictness::Exact,
        }
    }
}

fn told(listed: &[NodeView], plan: &Plan, report: &PoolReport, paused: bool) -> Value {
    let in_input_order = |names: &[NodeName]| -> Vec<String> {
        listed
            .iter()
            .filter(|node| names.contains(&node.name))
            .map(|node| node.name.to_string())
            .collect()
    };
    let of = |wanted: fn(&Step) -> bool| -> Vec<String> {
        plan.steps
            .iter()
            .filter(|step| wanted(step))
            .map(|step| step.node().to_string())
            .collect()
    };
    let sorted = |mut names: Vec<String>| {
        names.sort();
        names
    };
    let mut answer = json!({
        "unavailable": in_input_order(&report.unavailable),
        "selected": of(|step| matches!(step, Step::Assign(_))),
        "taintAdded": sorted(of(|step| matches!(step, Step::SetTaint { .. }))),
        "taintRemoved": sorted(of(|step| matches!(step, Step::RemoveTaint { .. }))),
    });
    let Some(max_unavailable) = report.max_unavailable else {
        answer["error"] = json!("maxUnavailable is neither a number nor a percentage");
        return answer;
    };
    answer["maxUnavailable"] = json!(max_unavailable);
    answer["candidates"] = json!(in_input_order(&report.candidates));
    answer["capacity"] = json!(report.capacity);
    if paused {
        return answer;
    }
    answer["ordered"] = json!(report.ordered);
    if let Some(deferred) = &report.deferred {
        answer["deferred"] = json!([deferred.to_string()]);
    }
    if report.ordered {
        answer_ties(&mut answer, listed, report);
    }
    answer
}

/// What a node is ordered by: those with a zone first, by zone, then by age.
type Key<'a> = (bool, &'a str, Option<Timestamp>);

fn key(node: &NodeView) -> Key<'_> {
    (
        node.zone().is_none(),
        node.zone().unwrap_or_default(),
        node.created,
    )
}

/// Nodes that order does not tell apart: the reference's choice among them is chance.
fn answer_ties(answer: &mut Value, listed: &[NodeView], report: &PoolReport) {
    let competes = |node: &&NodeView| {
        report.candidates.contains(&node.name) && report.deferred.as_ref() != Some(&node.name)
    };
    let mut keys: Vec<(Key<'_>, &NodeName)> = listed
        .iter()
        .filter(competes)
        .map(|node| (key(node), &node.name))
        .collect();
    keys.sort_by_key(|(key, _)| *key);
    if keys
        .windows(2)
        .any(|pair| matches!(pair, [(one, _), (other, _)] if one == other))
    {
        answer["orderHasTies"] = json!(true);
    }
    let (Some((last, _)), Some((next, _))) = (
        report
            .capacity
            .checked_sub(1)
            .and_then(|last| keys.get(last)),
        keys.get(report.capacity),
    ) else {
        return;
    };
    if last != next {
        return;
    }
    let names = |wanted: &dyn Fn(&Key<'_>) -> bool| -> Vec<String> {
        keys.iter()
            .filter(|(key, _)| wanted(key))
            .map(|(_, name)| name.to_string())
            .collect()
    };
    let definite = names(&|key| key < last);
    answer["tie"] = json!({
        "take": report.capacity.saturating_sub(definite.len()),
        "tied": names(&|key| key == last),
        "definite": definite,
    });
}

/// All that is definite and as many of the tied as may go: any of them is right, and the expected one has to be one.
fn a_choice_of_the_tied(expected: &Value, answer: &Value) -> Option<String> {
    let tie = &expected["tie"];
    [&answer["selected"], &expected["selected"]]
        .into_iter()
        .find(|selected| !is_choice(tie, selected))
        .map(|selected| format!("{selected} is no right choice under {tie}"))
}

fn is_choice(tie: &Value, selected: &Value) -> bool {
    let names = |value: &Value| value.as_array().cloned().unwrap_or_default();
    let (selected, definite, tied) = (
        names(selected),
        names(&tie["definite"]),
        names(&tie["tied"]),
    );
    let chosen = selected.iter().filter(|name| tied.contains(name)).count();
    definite.iter().all(|name| selected.contains(name))
        && tie["take"].as_u64() == u64::try_from(chosen).ok()
        && selected.len() == definite.len() + chosen
}
