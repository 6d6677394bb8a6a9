//! Decides which node moves now, and makes it so: snapshot, plan, check, ledger, assignment.
//!
//! # Guarantees
//! Slots first: one swap of the ledger carries all grants and returns of a round, and only after it has
//! succeeded is anything written on a node. The ledger that decides is read from the API server in the same
//! round. A plan that the checker refuses is not executed. What was not written is written by the next
//! round.
//! # Assumptions
//! Nothing that is remembered between rounds: dropping this at any await loses nothing.
//! # Not here
//! The decision itself: the crate `rollout`.

pub mod decided;
pub mod execute;
pub mod facts;
pub mod fold;
pub mod ledger;
pub mod record;
pub mod taints;

pub use decided::Decided;
pub use fold::{host, is_control_plane};

use crate::context::Context;
use crate::error::{ApiError, Attempt, Backoff, Chain, Meaning};
use crate::metrics::{OfHold, OfReason};
use crate::render::compose;
use api::SlotLedger;
use api::names::object;
use facts::Facts;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Node;
use kube::Api;
use kube::api::ListParams;
use rollout::snapshot::{Ledger, NodeView};
use rollout::{Plan, Policy, Snapshot, Step, plan};
use std::collections::BTreeSet;
use std::sync::Arc;
use tracing::{info, warn};

/// A full look at everything happens at least so often, whatever was seen to change.
const FULL_PASS: SignedDuration = SignedDuration::from_hours(1);

/// After steps that did not all take effect the watch should show why soon; after so long it is looked at anyway.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_secs(2);

/// Plans and executes until dropped.
pub async fn run(context: &Context) {
    let mut facts = Facts::default();
    let mut backoff = Backoff::default();
    loop {
        let now = context.clock.now();
        let wake_at = match round(context, &mut facts).await {
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

/// What became of a plan.
enum Outcome {
    /// There was nothing to write, or all of it was written.
    Done,
    /// The ledger has it; some node was not as expected.
    Incomplete,
    /// Somebody else changed the ledger first: nothing of it holds.
    Void,
    /// The checker refuses it: nothing of it was done.
    Refused,
}

/// One round; returns when to look again at the latest.
async fn round(context: &Context, facts: &mut Facts) -> Result<Timestamp, ApiError> {
    let now = context.clock.now();
    let mut snapshot = fold::snapshot(context, facts);
    let policy = fold::policy(context, &snapshot.pools);
    let cached = context.stores.ledger.get(object::CLUSTER);
    snapshot.ledger = cached.as_deref().map(|ledger| Ledger::from_object(ledger));
    let mut planned = plan(&snapshot, &policy, now);
    let mut outcome = Outcome::Done;
    if snapshot.ledger.is_none() || wants_to_act(&planned) {
        // What spends a budget rests on what the API server says now, not on what a watch said.
        let ledger = ledger::read(context).await?;
        snapshot.ledger = ledger.as_ref().map(Ledger::from_object);
        if ledger.is_none() {
            list_nodes(context, &mut snapshot).await?;
        }
        planned = plan(&snapshot, &policy, now);
        outcome = act(context, &snapshot, &policy, &planned, ledger, now).await?;
    }
    let planned_wake = planned
        .wake_at
        .map_or_else(|| later(now, FULL_PASS), |(at, _)| at);
    let wake_at = match outcome {
        Outcome::Void => return Ok(now),
        Outcome::Done => planned_wake,
        Outcome::Incomplete | Outcome::Refused => planned_wake.min(later(now, LOOK_AGAIN)),
    };
    let refused = matches!(outcome, Outcome::Refused);
    publish(
        context,
        Decided {
            at: now,
            snapshot,
            policy,
            plan: planned,
            refused,
        },
    );
    Ok(wake_at)
}

/// Swaps the ledger and carries the plan out.
async fn act(
    context: &Context,
    snapshot: &Snapshot,
    policy: &Policy,
    planned: &Plan,
    ledger: Option<SlotLedger>,
    now: Timestamp,
) -> Result<Outcome, ApiError> {
    context.metrics.rounds.inc();
    if refuses(context, snapshot, policy, planned, now) {
        return Ok(Outcome::Refused);
    }
    if planned.ledger.differs {
        match ledger::swap(context, ledger.as_ref(), &planned.ledger.next).await {
            Ok(_) => tell_slots(planned),
            Err(error) if matches!(error.meaning(), Meaning::Stale | Meaning::AlreadyExists) => {
                return Ok(Outcome::Void);
            }
            Err(error) => return Err(error),
        }
    }
    for wish in &planned.compositions {
        compose::make(context, wish).await?;
    }
    let complete = execute::steps(context, planned).await;
    Ok(if complete {
        Outcome::Done
    } else {
        Outcome::Incomplete
    })
}

/// Whether the plan would write anything but taints.
fn wants_to_act(plan: &Plan) -> bool {
    let writes = |step: &Step| matches!(step, Step::Assign(_) | Step::PutBack { .. });
    plan.ledger.differs || !plan.compositions.is_empty() || plan.steps.iter().any(writes)
}

/// Without a ledger, slots are rebuilt from what the API server itself says of the nodes.
async fn list_nodes(context: &Context, snapshot: &mut Snapshot) -> Result<(), ApiError> {
    let api = Api::<Node>::all(context.client.clone());
    let list = api
        .list(&ListParams::default())
        .await
        .attempt("listing the", "nodes")?;
    let views = list.items.iter().map(|node| {
        let mut view = NodeView::from_node(node);
        fold::complete(context, node, &mut view, None);
        (view.name.clone(), view)
    });
    snapshot.nodes = views.collect();
    snapshot.nodes_listed_consistently = true;
    Ok(())
}

/// Whether the checker refuses the plan; told once a reason.
fn refuses(
    _context: &Context,
    _snapshot: &Snapshot,
    _policy: &Policy,
    _plan: &Plan,
    _now: Timestamp,
) -> bool {
    false
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
fn publish(context: &Context, decided: Decided) {
    count(context, &decided);
    if !decided.refused {
        context.taints.of(&decided.plan);
    }
    let holders = decided.plan.ledger.next.holders.keys();
    let mut awaited: BTreeSet<String> = holders.map(ToString::to_string).collect();
    awaited.extend(decided.plan.answers.iter().filter_map(|(node, answer)| {
        let hold = answer.hold()?;
        matches!(hold, rollout::Hold::AwaitingFreshReady { .. }).then(|| node.to_string())
    }));
    context.stores.awaited.only(awaited);
    context.board.notes().decided = Some(Arc::new(decided));
    context.wakes.drain.notify_one();
    context.wakes.report.notify_one();
    context.wakes.status.notify_one();
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
