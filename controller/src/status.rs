//! Shows on each pool how far it is, and on each RolloutPolicy whether it holds.
//!
//! # Guarantees
//! A change of a condition's status or reason, of the reached configuration or of the generation is written at
//! once; facts that change all the time (counts, sentences, what most nodes wait for) at most once in
//! [`Config::status_period`]. What others wrote into the status stays. Events are told on edges, after the write.
//! # Not here
//! What the conditions say: `rollout::status`.
//!
//! [`Config::status_period`]: crate::config::Config::status_period

mod policies;

use crate::context::Context;
use crate::error::{ApiError, Attempt, Backoff, Chain, Meaning};
use crate::events::{self, Tone};
use crate::metrics::{Metrics, OfNode, OfPool, OfReason};
use crate::render::Verdict;
use crate::rollout::Decided;
use crate::without_effect;
use api::MachineConfigPool;
use api::conditions::{Condition, pool as types};
use api::machineconfiguration::PoolConfiguration;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::ObjectReference;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Patch, PatchParams};
use kube::{Api, ResourceExt};
use rollout::PoolName;
use rollout::membership::{Place, place};
use rollout::snapshot::{NodeView, PoolCondition, PoolView};
use rollout::status::{self, NodeReport, PoolStatus};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use tracing::warn;

/// Shows until dropped.
pub async fn run(context: &Context) {
    let mut desk = Desk::default();
    let mut backoff = Backoff::default();
    loop {
        let now = context.clock.now();
        let Pass {
            mut wake_at,
            failed,
        } = pass(context, &mut desk, now).await;
        if failed.is_empty() {
            backoff.reset();
        } else {
            let delay = SignedDuration::try_from(backoff.delay()).unwrap_or_default();
            wake_at = earlier(wake_at, now.saturating_add(delay).ok());
        }
        for error in failed.iter().filter(|e| e.meaning() != Meaning::Stale) {
            let reason = OfReason { reason: "status" };
            context.metrics.failures.get_or_create(&reason).inc();
            warn!(error = %Chain(error), "a status was not written");
        }
        tokio::select! {
            biased;
            () = context.wakes.status.notified() => {}
            () = context.sleep_until(wake_at) => {}
        }
    }
}

/// What is remembered between passes, by pool.
#[derive(Default)]
struct Desk {
    /// When its status was last written, and what.
    written: BTreeMap<String, (Timestamp, Value)>,
    /// Those that are counted in metrics.
    counted: BTreeSet<String>,
}

impl Desk {
    /// Forgets pools that are gone.
    fn keep(&mut self, metrics: &Metrics, is_pool: impl Fn(&str) -> bool) {
        self.written.retain(|name, _| is_pool(name));
        self.counted.retain(|name| {
            let there = is_pool(name);
            if !there {
                metrics.forget_pool(name);
            }
            there
        });
    }
}

/// What came of looking at everything once.
#[derive(Default)]
struct Pass {
    /// When facts that had to wait may be written.
    wake_at: Option<Timestamp>,
    /// What could not be written; one failure keeps no other status from being shown.
    failed: Vec<ApiError>,
}

/// Shows every pool and every policy.
async fn pass(context: &Context, desk: &mut Desk, now: Timestamp) -> Pass {
    let Some(decided) = context.board.notes().decided.clone() else {
        return Pass::default();
    };
    let mut failed = policies::show(context, &decided).await;
    let mut wake_at: Option<Timestamp> = None;
    let pools = context.stores.pools.all();
    desk.keep(&context.metrics, |name| {
        pools.iter().any(|pool| pool.name_any() == name)
    });
    for pool in pools {
        let name = pool.name_any();
        let Some(status) = judge(context, &decided, &pool, now) else {
            continue;
        };
        count(context, &name, &status);
        desk.counted.insert(name.clone());
        let wanted = wire(&status);
        let present = serde_json::to_value(&pool.status).unwrap_or_default();
        let last = desk.written.get(&name);
        let is_news = match difference(&present, &wanted) {
            Difference::None => continue,
            Difference::Facts => false,
            // What was said already and stands there no more was overwritten by somebody who leads beside us, or is not
            // seen yet: said again at once, two leaders would answer each other without end.
            Difference::Edge => {
                last.is_none_or(|(_, said)| difference(said, &wanted) == Difference::Edge)
            }
        };
        let next = last.map(|(at, _)| next_write(context, *at));
        if let Some(next) = next.filter(|next| !is_news && *next > now) {
            wake_at = earlier(wake_at, Some(next));
            continue;
        }
        match write(context, &pool, &wanted).await {
            Ok(()) => {
                desk.written.insert(name, (now, wanted));
                tell(context, &pool, &status);
            }
            Err(error) => failed.push(error),
        }
    }
    alert(context, &decided);
    Pass { wake_at, failed }
}

fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    a.into_iter().chain(b).min()
}

/// What the pool's status should be; none of a pool that the last planning round did not know.
fn judge(
    context: &Context,
    decided: &Decided,
    pool: &MachineConfigPool,
    now: Timestamp,
) -> Option<PoolStatus> {
    let name = PoolName::from(pool.name_any());
    let members = &decided.plan.pools.get(&name)?.members;
    let nodes: Vec<&NodeView> = members
        .iter()
        .filter_map(|node| decided.snapshot.nodes.get(node))
        .collect();
    let mut view = PoolView::from_pool(pool);
    if let Some(condition) = render_condition(context, &pool.name_any()) {
        status::set(&mut view.conditions, condition, now);
    }
    let reports: Vec<NodeReport> = Vec::new();
    let mut status = status::pool_status(&view, &nodes, &reports, decided.policy.of(&name), now);
    for condition in status::own_conditions(&decided.snapshot, &decided.plan, &name) {
        let kind = condition.kind.clone();
        if status::set(&mut status.conditions, condition, now) {
            status.transitions.push(kind);
        }
    }
    if let Some(condition) = without_effect(pool, &status.conditions) {
        status::set(&mut status.conditions, condition, now);
    }
    if decided.refused {
        status::set(&mut status.conditions, refused(), now);
    } else {
        status
            .conditions
            .retain(|condition| condition.kind != PLAN_REFUSED);
    }
    status
        .conditions
        .sort_by(|one, other| one.kind.cmp(&other.kind));
    Some(status)
}

/// What the pool's spec says in vain, if anything, or said before.
fn without_effect(pool: &MachineConfigPool, shown: &[PoolCondition]) -> Option<PoolCondition> {
    let is_shown = shown
        .iter()
        .any(|condition| condition.kind == types::FIELDS_WITHOUT_EFFECT);
    let fields = without_effect::of_pool(&pool.spec);
    let said = without_effect::condition(&fields, is_shown)?;
    Some(PoolCondition {
        kind: said.type_,
        status: said.status,
        reason: said.reason,
        message: said.message,
        since: None,
    })
}

/// The plan broke a promise: nothing of it is done until it does not.
const PLAN_REFUSED: &str = "PlanRefused";

fn refused() -> PoolCondition {
    PoolCondition {
        kind: PLAN_REFUSED.to_owned(),
        status: "True".to_owned(),
        reason: "PromiseBroken".to_owned(),
        message: "the plan would have broken a promise and is not carried out; please report the \
                  controller's log"
            .to_owned(),
        since: None,
    }
}

fn render_condition(context: &Context, pool: &str) -> Option<PoolCondition> {
    let verdict = context.board.notes().rendered.get(pool).cloned()?;
    let (status, reason, message) = match verdict {
        Verdict::Rendered { .. } => ("False", "", String::new()),
        Verdict::Refused { reason, message } => ("True", reason, message),
    };
    Some(PoolCondition {
        kind: types::RENDER_DEGRADED.to_owned(),
        status: status.to_owned(),
        reason: reason.to_owned(),
        message,
        since: None,
    })
}

/// The status as the API has it; only what is ours.
fn wire(status: &PoolStatus) -> Value {
    let PoolStatus {
        machines,
        updated,
        ready,
        unavailable,
        degraded,
        observed_generation,
        configuration,
        source,
        conditions,
        transitions: _,
    } = status;
    let reference = |name: &str| ObjectReference {
        api_version: Some("machineconfiguration.openshift.io/v1".to_owned()),
        kind: Some("MachineConfig".to_owned()),
        name: Some(name.to_owned()),
        ..ObjectReference::default()
    };
    let conditions: Vec<Condition> = conditions.iter().map(condition).collect();
    let configuration = configuration.as_ref().map(|name| PoolConfiguration {
        name: name.to_string(),
        source: source.iter().map(|name| reference(name)).collect(),
        ..PoolConfiguration::default()
    });
    let mut wire = json!({
        "machineCount": machines, "updatedMachineCount": updated, "readyMachineCount": ready,
        "unavailableMachineCount": unavailable, "degradedMachineCount": degraded,
        "conditions": conditions,
    });
    if let Some(configuration) = configuration {
        wire["configuration"] = json!(configuration);
    }
    if let Some(generation) = observed_generation {
        wire["observedGeneration"] = json!(generation);
    }
    wire
}

fn condition(condition: &PoolCondition) -> Condition {
    let PoolCondition {
        kind,
        status,
        reason,
        message,
        since,
    } = condition;
    Condition {
        last_transition_time: since.map(Time),
        ..Condition::new(kind, status, reason, message)
    }
}

/// How a status differs from the one that stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Difference {
    None,
    /// Counts and sentences, and what most nodes wait for.
    Facts,
    /// Something that somebody may wait for.
    Edge,
}

fn difference(present: &Value, wanted: &Value) -> Difference {
    let field = |status: &Value, name: &str| status.get(name).cloned().unwrap_or(Value::Null);
    let same = |name: &str| field(present, name) == field(wanted, name);
    let fields = wanted
        .as_object()
        .map(|fields| fields.keys().collect::<Vec<_>>());
    if fields
        .unwrap_or_default()
        .into_iter()
        .all(|name| same(name))
    {
        return Difference::None;
    }
    let edges = |status: &Value| {
        let all = status
            .get("conditions")
            .and_then(Value::as_array)
            .cloned()
            .unwrap_or_default();
        let edge = |condition: &Value| {
            // For what most nodes wait is not what somebody waits for, and changes with every node that moves on.
            let is_held = field(condition, "type") == types::HELD;
            let parts: &[&str] = if is_held {
                &["type", "status"]
            } else {
                &["type", "status", "reason"]
            };
            parts
                .iter()
                .map(|name| field(condition, name))
                .collect::<Vec<_>>()
        };
        all.iter().map(edge).collect::<Vec<_>>()
    };
    let edge =
        edges(present) != edges(wanted) || !same("configuration") || !same("observedGeneration");
    if edge {
        Difference::Edge
    } else {
        Difference::Facts
    }
}

async fn write(
    context: &Context,
    pool: &MachineConfigPool,
    status: &Value,
) -> Result<(), ApiError> {
    let name = pool.name_any();
    let patch = json!({"metadata": {"resourceVersion": pool.resource_version()}, "status": status});
    let api = Api::<MachineConfigPool>::all(context.client.clone());
    let patched = api
        .patch_status(&name, &PatchParams::default(), &Patch::Merge(&patch))
        .await;
    patched.attempt("writing the status of the MachineConfigPool", &name)?;
    Ok(())
}

/// Tells what is new, under the reference's names.
fn tell(context: &Context, pool: &MachineConfigPool, status: &PoolStatus) {
    let about = events::about(pool);
    for kind in &status.transitions {
        let Some(condition) = status
            .conditions
            .iter()
            .find(|c| c.kind == *kind && c.is_true())
        else {
            continue;
        };
        let (tone, reason) = match kind.as_str() {
            types::UPDATED => (Tone::Normal, "Completed"),
            types::UPDATING => (Tone::Normal, "Updating"),
            types::DEGRADED | types::NODE_DEGRADED => (Tone::Warning, kind.as_str()),
            _ => continue,
        };
        context
            .events
            .tell(&about, tone, reason, &condition.message);
    }
}

fn count(context: &Context, pool: &str, status: &PoolStatus) {
    let (metrics, labels) = (
        &context.metrics,
        OfPool {
            pool: pool.to_owned(),
        },
    );
    for (gauge, number) in [
        (&metrics.machine_count, status.machines),
        (&metrics.updated_machine_count, status.updated),
        (&metrics.degraded_machine_count, status.degraded),
        (&metrics.unavailable_machine_count, status.unavailable),
    ] {
        gauge
            .get_or_create(&labels)
            .set(i64::try_from(number).unwrap_or(i64::MAX));
    }
}

/// Nodes that no single pool can claim, as the reference's alert has them.
fn alert(context: &Context, decided: &Decided) {
    let alerts = &context.metrics.pool_alert;
    alerts.clear();
    for (name, node) in &decided.snapshot.nodes {
        let odd = match place(&decided.snapshot.pools, &node.labels) {
            Place::In { alert, .. } => alert,
            Place::Several(_) => true,
            Place::Nowhere | Place::Unknown { .. } => false,
        };
        if odd {
            alerts
                .get_or_create(&OfNode {
                    node: name.to_string(),
                })
                .set(1);
        }
    }
}

fn next_write(context: &Context, last: Timestamp) -> Timestamp {
    last.saturating_add(context.config.status_period)
        .unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status_of(kind: &str, reason: &str, message: &str, updated: i32) -> Value {
        json!({
            "updatedMachineCount": updated,
            "conditions": [{"type": kind, "status": "True", "reason": reason, "message": message}],
        })
    }

    fn status(reason: &str, message: &str, updated: i32) -> Value {
        status_of("Updating", reason, message, updated)
    }

    #[test]
    fn what_most_nodes_wait_for_is_a_fact_and_that_they_wait_is_an_edge() {
        let held = |reason| status_of("Held", reason, "", 1);
        let mut none = held("NothingHeld");
        none["conditions"][0]["status"] = json!("False");

        let moved_on = difference(&held("InFlight"), &held("SlotsTaken"));

        assert_eq!(moved_on, Difference::Facts);
        assert_eq!(difference(&held("InFlight"), &none), Difference::Edge);
    }

    #[test]
    fn a_new_reason_is_an_edge_and_a_new_count_is_not() {
        let before = status("Paused", "3 nodes wait", 1);

        assert_eq!(difference(&before, &before), Difference::None);
        assert_eq!(
            difference(&before, &status("Paused", "2 nodes wait", 2)),
            Difference::Facts
        );
        assert_eq!(
            difference(&before, &status("BudgetZero", "3 nodes wait", 1)),
            Difference::Edge
        );
    }

    #[test]
    fn a_pool_names_its_fields_without_effect_until_they_are_gone() {
        let pool = |spec: Value| -> MachineConfigPool {
            serde_json::from_value(json!({"metadata": {"name": "worker"}, "spec": spec}))
                .expect("a pool")
        };
        let pinned = pool(json!({"pinnedImageSets": [{"name": "a"}]}));

        let set = without_effect(&pinned, &[]).expect("a condition");
        let gone = without_effect(&pool(json!({})), std::slice::from_ref(&set));

        assert!(set.is_true() && set.message.ends_with(": spec.pinnedImageSets"));
        assert_eq!(gone.map(|gone| gone.status), Some("False".to_owned()));
        assert!(without_effect(&pool(json!({})), &[]).is_none());
    }

    #[test]
    fn what_others_wrote_into_the_status_is_no_difference() {
        let mut present = status("Paused", "3 nodes wait", 1);
        present["certExpirys"] = json!([{"bundle": "b", "subject": "s"}]);

        assert_eq!(
            difference(&present, &status("Paused", "3 nodes wait", 1)),
            Difference::None
        );
    }
}
