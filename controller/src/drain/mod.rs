//! Drains nodes through the eviction API, and undoes our cordon.
//!
//! # Guarantees
//! Level-triggered: each look starts from the caches alone, so that a controller that was killed in
//! mid-drain goes on where the cluster is. A request is acknowledged only after it was carried out, in a
//! patch that tests what it rests on. Pods and budgets are watched; nothing is polled.
//! # Assumptions
//! What is remembered here (which evictions were refused, and when) only saves requests.
//! # Not here
//! Who gets a slot: see [`crate::rollout`]. What is shown on the MachineConfigNode: see [`crate::report`].

pub mod asked;
pub mod blocker;
pub mod cordon;
pub mod evict;
pub mod fact;
pub(crate) mod machine;
pub mod pod;
pub mod request;
pub mod round;
pub mod rules;
pub mod step;
mod work;

pub use fact::DrainFact;

use crate::context::Context;
use crate::error::Backoff;
use crate::events::{self, Tone};
use crate::patch::Written;
use crate::rollout::control_plane::is_alone;
use crate::rollout::decided::Decided;
use asked::Asked;
use blocker::summary;
use futures::StreamExt;
use futures::future::BoxFuture;
use futures::stream::FuturesUnordered;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt;
use pod::PodName;
use request::Request;
use rollout::policy::DrainPolicy;
use round::{Drain, Round, decide};
use rules::Rules;
use std::collections::{BTreeMap, BTreeSet};
use step::{InPlane, Standing, Step, next};
use work::Done;

/// After a write on a node, the watch should show it soon; after so long the node is looked at anyway.
const SHOWN_AFTER: SignedDuration = SignedDuration::from_secs(5);

/// Drains and uncordons until dropped.
pub async fn run(context: &Context) {
    let mut drains = Drains::default();
    let mut steps: FuturesUnordered<BoxFuture<'_, Done>> = FuturesUnordered::new();
    loop {
        let wake_at = drains.look(context, &mut steps);
        tokio::select! {
            biased;
            Some(done) = steps.next() => drains.take(context, done),
            () = context.wakes.drain.notified() => {}
            () = context.sleep_until(wake_at) => {}
        }
    }
}

/// What is remembered of the drains that are under way.
#[derive(Default)]
struct Drains(BTreeMap<String, One>);

struct One {
    request: Request,
    began: Timestamp,
    asked: BTreeMap<String, Asked>,
    /// A step is under way.
    busy: bool,
    /// Not before this write is shown, or the instant has come.
    rests: Option<(Option<Written>, Timestamp)>,
    backoff: Backoff,
    /// What was told as an event.
    told: BTreeSet<(&'static str, PodName)>,
    told_late: bool,
}

impl Drains {
    /// Looks at every open request, and starts what is to be done; returns when to look again.
    fn look<'c>(
        &mut self,
        context: &'c Context,
        steps: &mut FuturesUnordered<BoxFuture<'c, Done>>,
    ) -> Option<Timestamp> {
        let now = context.clock.now();
        let open = context.stores.requests.all();
        self.forget(context, &open);
        let mut wake_at = None;
        for name in open {
            let Some(kept) = context.stores.nodes.get(&name) else {
                continue;
            };
            let Some(request) = Request::of(&kept.node) else {
                continue;
            };
            let one = self
                .0
                .entry(name.clone())
                .or_insert_with(|| One::new(&request, &kept.node, now));
            if one.request != request {
                *one = One::new(&request, &kept.node, now);
            }
            if one.busy || one.is_resting(&kept.node, now) {
                let rest = one
                    .rests
                    .as_ref()
                    .filter(|_| !one.busy)
                    .map(|(_, until)| *until);
                wake_at = earlier(wake_at, rest);
                continue;
            }
            // Before the first planning round nobody knows what is allowed.
            let Some(decided) = context.board.notes().decided.clone() else {
                continue;
            };
            let standing = standing(context, &decided, &kept.node, &request);
            let policy = decided.drain_policy(&name);
            let look = || one.round(context, &kept.node, policy, now);
            let (step, round) = next(&kept.node, &request, standing, look);
            wake_at = earlier(wake_at, round.wake_at);
            if request.is_drain() && standing.holds_slot {
                let late = one.tell(context, &kept.node, &round, policy, now);
                wake_at = earlier(wake_at, late);
            }
            if step != Step::Wait {
                one.busy = true;
                let asked = one.asked.clone();
                steps.push(Box::pin(work::carry_out(
                    context, kept, request, step, asked,
                )));
            }
        }
        wake_at
    }

    /// Takes the outcome of a step.
    fn take(&mut self, context: &Context, done: Done) {
        let Some(one) = self.0.get_mut(&done.node) else {
            return;
        };
        one.busy = false;
        one.asked.extend(done.asked);
        let now = context.clock.now();
        one.rests = match done.wrote {
            None => None,
            Some(Ok(written)) => {
                one.backoff.reset();
                Some((Some(written), later(now, SHOWN_AFTER)))
            }
            Some(Err(())) => {
                let delay = SignedDuration::try_from(one.backoff.delay()).unwrap_or(SHOWN_AFTER);
                Some((None, later(now, delay)))
            }
        };
    }

    /// Forgets nodes that ask for nothing any more.
    fn forget(&mut self, context: &Context, open: &[String]) {
        self.0
            .retain(|name, one| one.busy || open.binary_search(name).is_ok());
        let mut notes = context.board.notes();
        let before = notes.drains.len();
        notes.drains.retain(|name, _| {
            let keep = self.0.get(name).is_some_and(|one| one.request.is_drain());
            if !keep {
                context
                    .metrics
                    .drain_err
                    .remove(&crate::metrics::OfNode { node: name.clone() });
            }
            keep
        });
        if notes.drains.len() != before {
            context.wakes.rollout.notify_one();
            context.wakes.report.notify_one();
        }
    }
}

impl One {
    fn new(request: &Request, node: &Node, now: Timestamp) -> Self {
        Self {
            request: request.clone(),
            began: cordon::since(node, request).unwrap_or(now),
            asked: BTreeMap::new(),
            busy: false,
            rests: None,
            backoff: Backoff::default(),
            told: BTreeSet::new(),
            told_late: false,
        }
    }

    fn is_resting(&self, node: &Node, now: Timestamp) -> bool {
        match &self.rests {
            None => false,
            Some((_, until)) if now >= *until => false,
            Some((None, _)) => true,
            Some((Some(written), _)) => !written.is_shown_by(node),
        }
    }

    /// Looks at the pods of the node.
    fn round(&self, context: &Context, node: &Node, policy: &DrainPolicy, now: Timestamp) -> Round {
        let stores = &context.stores;
        let pods = stores.pods.on(&node.name_any());
        let namespaces: BTreeSet<&str> = pods.iter().map(|pod| &*pod.pod.namespace).collect();
        let budgets: Vec<_> = namespaces
            .into_iter()
            .flat_map(|namespace| stores.budgets.all_in(namespace))
            .collect();
        let volumes = stores.volumes.all();
        let local_claims = volumes
            .iter()
            .filter_map(|volume| volume.claim.clone())
            .collect();
        let drain = Drain {
            pods: &pods,
            budgets: &budgets,
            local_claims: &local_claims,
            asked: &self.asked,
            rules: Rules::of(policy),
        };
        decide(drain, now)
    }

    /// Tells what blocks the drain, on edges; returns when it will have taken too long.
    fn tell(
        &mut self,
        context: &Context,
        node: &Node,
        round: &Round,
        policy: &DrainPolicy,
        now: Timestamp,
    ) -> Option<Timestamp> {
        let about = events::about(node);
        for blocker in &round.blockers {
            if self.told.insert((blocker.reason(), blocker.pod().clone())) {
                context.events.tell(
                    &about,
                    Tone::Warning,
                    blocker.reason(),
                    &blocker.to_string(),
                );
            }
        }
        let late_at = policy.timeout.map(|timeout| later(self.began, timeout));
        let late = late_at.is_some_and(|late_at| now >= late_at);
        if late && !self.told_late {
            self.told_late = true;
            let node = node.name_any();
            context
                .metrics
                .drain_err
                .get_or_create(&crate::metrics::OfNode { node })
                .set(1);
            let why = match round.blockers.as_slice() {
                [] => "pods are leaving the node".to_owned(),
                blockers => summary(blockers),
            };
            let message = format!("the drain takes longer than allowed: {why}");
            context
                .events
                .tell(&about, Tone::Warning, "DrainFailed", &message);
        }
        self.note(context, node, round, late);
        late_at.filter(|_| !late)
    }

    /// Puts how it goes on the board, and wakes those who show it if it is news.
    fn note(&self, context: &Context, node: &Node, round: &Round, late: bool) {
        let fact = DrainFact {
            since: Some(self.began),
            blockers: round.blockers.clone(),
            late,
        };
        let before = context
            .board
            .notes()
            .drains
            .insert(node.name_any(), fact.clone());
        if before.as_ref() != Some(&fact) {
            context.wakes.rollout.notify_one();
            context.wakes.report.notify_one();
        }
    }
}

/// What else is known of the node.
fn standing(context: &Context, decided: &Decided, node: &Node, request: &Request) -> Standing {
    let name = node.name_any();
    let uid = node.uid().unwrap_or_default();
    let ledger = context.stores.ledger.get(api::names::object::CLUSTER);
    let holds_slot = ledger.is_some_and(|ledger| {
        ledger
            .spec
            .holders
            .iter()
            .any(|holder| holder.node == name && holder.uid == uid)
    });
    let may_be_uncordoned = decided.lets_go(&name, request);
    let in_plane = if is_alone(context, node) {
        InPlane::Alone
    } else if decided.needs(&name) {
        InPlane::Needed
    } else {
        InPlane::Spared
    };
    Standing {
        holds_slot,
        in_plane,
        may_be_uncordoned,
    }
}

fn earlier(a: Option<Timestamp>, b: Option<Timestamp>) -> Option<Timestamp> {
    match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    }
}

fn later(at: Timestamp, by: SignedDuration) -> Timestamp {
    at.saturating_add(by).unwrap_or(Timestamp::MAX)
}
