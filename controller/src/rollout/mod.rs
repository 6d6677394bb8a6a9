//! Decides which node moves now, and makes it so: snapshot, plan, check, ledger, assignment.
//!
//! # Guarantees
//! Slots first: one swap of the ledger carries all grants and returns of a round, and only after it has
//! succeeded is anything written on a node. A round that changes the ledger rests on the newest that is known of it, which the
//! swap proves to be what the API server has; any other round that acts, and each after a swap that failed, reads it first. Each
//! node whose slot is given back is read in the same round. A plan that the checker refuses is not executed, and every pool says so. What was
//! not written is written by the next round.
//! # Assumptions
//! What is remembered between rounds only saves work: dropping this at any await loses nothing.
//! # Not here
//! The decision itself: the crate `rollout`.

pub mod control_plane;
pub mod decided;
pub mod execute;
pub mod facts;
pub mod fold;
pub mod ledger;
pub mod record;
mod reread;
pub mod taints;
pub mod wishes;

pub use decided::Decided;

use crate::context::Context;
use crate::error::{ApiError, Attempt, Backoff, Chain, Meaning};
use crate::events::{self, Tone};
use crate::metrics::{Metrics, OfHold, OfReason};
use crate::render::compose;
use api::SlotLedger;
use api::names::object;
use execute::Unshown;
use facts::Facts;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Node;
use kube::api::ListParams;
use kube::{Api, ResourceExt};
use rollout::snapshot::{Ledger, NodeView};
use rollout::{Plan, Snapshot, Step, Violation, check, plan};
use std::collections::BTreeSet;
use std::sync::Arc;
use tracing::{error, info, warn};

/// A full look at everything happens at least so often, whatever was seen to change.
const FULL_PASS: SignedDuration = SignedDuration::from_hours(1);

/// After steps that did not all take effect the watch should show why soon; after so long it is looked at anyway.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(2);

/// Plans and executes until dropped.
pub async fn run(context: &Context) {
    let mut desk = Desk::default();
    let mut backoff = Backoff::default();
    loop {
        let now = context.clock.now();
        let wake_at = match round(context, &mut desk).await {
            Ok(wake_at) => {
                backoff.reset();
                wake_at
            }
            Err(error) => {
                context
                    .metrics
                    .failures
                    .get_or_create(&OfReason { reason: "rollout" })
                    .inc();
                warn!(error = %Chain(&error), "the planning round failed and is tried again");
                later(
                    now,
                    SignedDuration::try_from(backoff.delay()).unwrap_or(LOOK_AGAIN),
                )
            }
        };
        tokio::select! {
            biased;
            () = context.wakes.rollout.notified() => {}
            () = context.sleep_until(Some(wake_at)) => {}
        }
    }
}

/// What is remembered between rounds.
#[derive(Default)]
struct Desk {
    facts: Facts,
    /// What the checker had against the last plan.
    told: Vec<Violation>,
    /// The ledger as it was last read or written here.
    ledger: Option<SlotLedger>,
    /// The last swap did not succeed: what is known of the ledger is older than what is there.
    in_doubt: bool,
    /// What was written on nodes lately.
    unshown: Unshown,
}

impl Desk {
    /// The newest ledger that is known: a watch lags behind our own writes, and nobody tells us of others' but the watch.
    fn newest(&self, cached: Option<&SlotLedger>) -> Option<SlotLedger> {
        let version = |ledger: &SlotLedger| ledger.resource_version()?.parse::<u64>().ok();
        let cached = cached?;
        let own = self.ledger.as_ref().filter(|own| {
            own.uid() == cached.uid() && version(own).is_some() && version(own) > version(cached)
        });
        Some(own.unwrap_or(cached).clone())
    }
}

/// One round; returns when to look again at the latest.
async fn round(context: &Context, desk: &mut Desk) -> Result<Timestamp, ApiError> {
    let now = context.clock.now();
    let mut snapshot = fold::snapshot(context, &mut desk.facts);
    let policy = fold::policy(context, &snapshot.pools);
    let cached = context.stores.ledger.get(object::CLUSTER);
    let newest = desk.newest(cached.as_deref().map(|whole| &whole.0));
    snapshot.ledger = newest.as_ref().map(Ledger::from_object);
    let mut planned = plan(&snapshot, &policy, now);
    let mut rests_on = None;
    let mut acts = newest.is_none() || wants_to_act(context, desk, &planned);
    if let Some(newest) = newest.filter(|_| planned.ledger.differs && !desk.in_doubt) {
        let facts = &mut desk.facts;
        planned = reread::plan_anew(context, facts, &mut snapshot, &planned, &policy, now).await?;
        acts = wants_to_act(context, desk, &planned);
        // The swap compares. Without one, what spends a budget is to be read.
        rests_on = planned.ledger.differs.then_some(newest);
    }
    if acts && rests_on.is_none() {
        let ledger = ledger::read(context).await?;
        snapshot.ledger = ledger.as_ref().map(Ledger::from_object);
        if ledger.is_none() {
            list_nodes(context, &mut desk.facts, &mut snapshot).await?;
        }
        let facts = &mut desk.facts;
        planned = reread::plan_anew(context, facts, &mut snapshot, &planned, &policy, now).await?;
        rests_on = ledger;
    }
    // A plan that does nothing can break a promise, too: a node that is left idle, a wait that is not so.
    let violations = check(&snapshot, &planned, &policy, now);
    let is_news = violations != desk.told;
    let refused = refuses(&context.metrics, violations, &mut desk.told);
    if refused && is_news {
        tell_refused(context, &desk.told);
    }
    let acts = acts && !refused;
    if acts && !commit(context, desk, &planned, rests_on).await? {
        return Ok(now);
    }
    let planned_wake = planned
        .wake_at
        .map_or_else(|| later(now, FULL_PASS), |(at, _)| at);
    // Those who go on by what is decided need not wait until it is written on every node.
    let decided = publish(
        context,
        Decided {
            at: now,
            snapshot,
            policy,
            plan: planned,
            refused,
        },
    );
    let complete = !acts || execute::steps(context, &decided.plan, &mut desk.unshown).await;
    Ok(if complete && !refused {
        planned_wake
    } else {
        planned_wake.min(later(now, LOOK_AGAIN))
    })
}

/// Swaps the ledger, and makes the configs that the plan composes; not if somebody else changed the ledger first: then nothing of
/// the plan holds.
async fn commit(
    context: &Context,
    desk: &mut Desk,
    planned: &Plan,
    ledger: Option<SlotLedger>,
) -> Result<bool, ApiError> {
    context.metrics.rounds.inc();
    if planned.ledger.differs {
        desk.in_doubt = true;
        match ledger::swap(context, ledger.as_ref(), &planned.ledger.next).await {
            Ok(written) => {
                desk.ledger = Some(written);
                desk.in_doubt = false;
                tell_slots(planned);
            }
            Err(error) if matches!(error.meaning(), Meaning::Stale | Meaning::AlreadyExists) => {
                return Ok(false);
            }
            Err(error) => return Err(error),
        }
    }
    for wish in &planned.compositions {
        compose::make(context, wish).await?;
    }
    Ok(true)
}

/// Whether the plan would write anything but taints, and what was written just now.
fn wants_to_act(context: &Context, desk: &Desk, plan: &Plan) -> bool {
    let writes = |step: &Step| {
        matches!(step, Step::Assign(_) | Step::PutBack { .. }) && !desk.unshown.has(context, step)
    };
    plan.ledger.differs || !plan.compositions.is_empty() || plan.steps.iter().any(writes)
}

/// Without a ledger, slots are rebuilt from what the API server itself says of the nodes.
async fn list_nodes(
    context: &Context,
    facts: &mut Facts,
    snapshot: &mut Snapshot,
) -> Result<(), ApiError> {
    let api = Api::<Node>::all(context.client.clone());
    let list = api
        .list(&ListParams::default())
        .await
        .attempt("listing the", "nodes")?;
    let seen = list
        .items
        .iter()
        .map(|node| (node, NodeView::from_node(node)));
    snapshot.nodes = fold::nodes(context, facts, &snapshot.pools, seen);
    snapshot.nodes_listed_consistently = true;
    Ok(())
}

/// Whether the plan must not be carried out, for what the checker has against it. Each violation is an error of ours: counted
/// every time, told once.
fn refuses(metrics: &Metrics, violations: Vec<Violation>, told: &mut Vec<Violation>) -> bool {
    let refused = violations
        .iter()
        .any(|violation| violation.breach.does_harm());
    let counted = if refused {
        &metrics.plans_refused
    } else {
        &metrics.plan_mistakes
    };
    for violation in &violations {
        let reason = violation.promise.name();
        counted.get_or_create(&OfReason { reason }).inc();
        if told.contains(violation) {
            continue;
        }
        if refused {
            error!(%violation, "the plan would break a promise and is not carried out");
        } else {
            error!(%violation, "the plan is mistaken and is carried out, for it does no harm");
        }
    }
    *told = violations;
    refused
}

/// Tells the owners of every pool, by an event, that nothing moves and why.
fn tell_refused(context: &Context, violations: &[Violation]) {
    let Some(first) = violations
        .iter()
        .find(|violation| violation.breach.does_harm())
    else {
        return;
    };
    let message = format!(
        "Nothing is given to any node: the plan would break a promise ({first}). This is a mistake in Windlass: keep the \
         controller's log, and report it"
    );
    for pool in context.stores.pools.all() {
        let about = events::about(&pool.0);
        context
            .events
            .tell(&about, Tone::Warning, "PlanRefused", &message);
    }
}

fn tell_slots(plan: &Plan) {
    for node in &plan.ledger.granted {
        info!(%node, "slot granted");
    }
    for node in &plan.ledger.recorded {
        info!(%node, "slot recorded, rebuilt from the node");
    }
    for (holder, why) in &plan.ledger.returned {
        info!(node = %holder.node, reason = ?why, "slot returned");
    }
}

/// Tells the others what was decided.
fn publish(context: &Context, decided: Decided) -> Arc<Decided> {
    count(context, &decided);
    if !decided.refused {
        context.taints.of(&decided.plan, decided.at);
    }
    let holders = decided.plan.ledger.next.holders.keys();
    let mut awaited: BTreeSet<String> = holders.map(ToString::to_string).collect();
    awaited.extend(decided.plan.answers.iter().filter_map(|(node, answer)| {
        let hold = answer.hold()?;
        matches!(hold, rollout::Hold::AwaitingFreshReady { .. }).then(|| node.to_string())
    }));
    context.stores.awaited.only(awaited);
    let decided = Arc::new(decided);
    context.board.notes().decided = Some(Arc::clone(&decided));
    context.wakes.drain.notify_one();
    context.wakes.report.notify_one();
    context.wakes.status.notify_one();
    decided
}

fn count(context: &Context, decided: &Decided) {
    let metrics = &context.metrics;
    let slots = decided.plan.ledger.next.holders.len();
    metrics
        .slots_held
        .set(i64::try_from(slots).unwrap_or(i64::MAX));
    metrics.holds.clear();
    for (pool, report) in &decided.plan.pools {
        for (reason, nodes) in &report.waiting {
            let labels = OfHold {
                pool: pool.to_string(),
                reason: (*reason).to_owned(),
            };
            metrics
                .holds
                .get_or_create(&labels)
                .set(i64::try_from(*nodes).unwrap_or(i64::MAX));
        }
    }
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use rollout::check::{Breach, Promise};

    fn violation(promise: Promise, breach: Breach) -> Violation {
        Violation {
            promise,
            subject: "worker-0".to_owned(),
            breach,
        }
    }

    #[test]
    fn a_plan_that_breaks_a_promise_is_refused_and_counted_each_time() {
        let unnamed = violation(Promise::EveryWaitNamed, Breach::NoAnswer);
        let (metrics, mut told) = (Metrics::default(), Vec::new());

        let rounds = [vec![unnamed.clone()], vec![unnamed], vec![]]
            .map(|violations| refuses(&metrics, violations, &mut told));

        assert_eq!(rounds, [true, true, false]);
        let reason = Promise::EveryWaitNamed.name();
        let counted = metrics.plans_refused.get_or_create(&OfReason { reason });
        assert_eq!(counted.get(), 2);
    }

    #[test]
    fn a_node_that_is_left_idle_is_counted_and_keeps_nobody_from_going_on() {
        let idle = violation(Promise::Liveness, Breach::LeftIdle("worker".into()));
        let (metrics, mut told) = (Metrics::default(), Vec::new());

        let refused = refuses(&metrics, vec![idle], &mut told);

        assert!(!refused);
        let reason = Promise::Liveness.name();
        let counted = metrics.plan_mistakes.get_or_create(&OfReason { reason });
        assert_eq!(counted.get(), 1);
    }
}
