//! Shows on each MachineConfigNode what the controller knows of its node.
//!
//! # Guarantees
//! The conditions Cordoned, Drained, Uncordoned, Updated and Held are the controller's, applied under its
//! field manager; the daemon's are not touched. On a node only a change of status or reason is written (and,
//! of a drain, another pod that blocks it): facts that change all the time are summed up on the pool. What changes on a node
//! within [`GATHERED`] is one write, or within [`GATHERED_AT_REST`] if it holds no slot.
//! The record of an assignment that the ledger proves ours is written here too, if it is missing.
//! # Assumptions
//! Nobody decides on these conditions: where they and the Node's annotations differ, the annotations decide.

use crate::context::Context;
use crate::drain::DrainFact;
use crate::drain::blocker::Blocker;
use crate::drain::request::Request;
use crate::error::{ApiError, Attempt, Chain, Meaning};
use crate::patch::FIELD_MANAGER;
use crate::rollout::Decided;
use crate::rollout::record::{self, OwnPods, own_pods};
use crate::stores::NodeKept;
use api::MachineConfigNode;
use api::conditions::{self, Condition, node as types, status};
use api::names::{node as contract, ours};
use futures::{StreamExt, stream};
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Node;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::Time;
use kube::api::{Patch, PatchParams};
use kube::{Api, Resource, ResourceExt};
use rollout::Hold;
use rollout::names::ConfigName;
use rollout::plan::Answer;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::Arc;
use tracing::debug;

/// So many are written before the newest facts are looked at again.
const BATCH: usize = 50;
/// So many are written at a time.
const AT_ONCE: usize = 8;
/// What was written should be shown by the watch within this; until then it is not written again.
const SHOWN_AFTER: SignedDuration = SignedDuration::from_secs(5);

/// What becomes due on a node waits for so long for what follows: a person hardly sees the difference, and a visit that nothing
/// holds up is one write and not five.
const GATHERED: SignedDuration = SignedDuration::from_secs(2);

/// The same for a node that holds no slot: what it waits for stands on its pool at once, and a small fleet is through before.
const GATHERED_AT_REST: SignedDuration = SignedDuration::from_secs(5);

/// Reports until dropped.
pub async fn run(context: &Context) {
    let mut desk = Desk::default();
    loop {
        let now = context.clock.now();
        if batch(context, &mut desk, now).await {
            continue;
        }
        tokio::select! {
            biased;
            () = context.wakes.report.notified() => {}
            () = context.sleep_until(desk.wake_at(now)) => {}
        }
    }
}

/// What is remembered between batches; all of it only saves work.
#[derive(Default)]
struct Desk {
    /// What was written lately and may not be shown yet.
    written: BTreeMap<String, Written>,
    /// Nodes on which nothing was due, and what that rested on.
    clean: BTreeMap<String, Basis>,
    /// Nodes on which something is due, and when it is written.
    gathering: BTreeMap<String, Timestamp>,
}

impl Desk {
    /// Whether what is due on this node has waited for long enough. A record waits for nothing: others decide by it.
    fn is_gathered(&mut self, node: &str, due: &Due, holds: bool, now: Timestamp) -> bool {
        if matches!(due, Due::Record { .. }) {
            return true;
        }
        let wait = if holds { GATHERED } else { GATHERED_AT_REST };
        let until = now.saturating_add(wait).unwrap_or(now);
        let at = self.gathering.entry(node.to_owned());
        // What was gathered at rest waits no longer than the visit that has begun.
        let at = at.and_modify(|at| *at = until.min(*at)).or_insert(until);
        *at <= now
    }

    /// Whether nothing is due on this node because nothing of what its report rests on is new. What was gathered was taken back
    /// then.
    fn is_clean(&mut self, node: &str, basis: Option<&Basis>) -> bool {
        let clean = basis.is_some() && self.clean.get(node) == basis;
        if clean {
            self.gathering.remove(node);
        }
        clean
    }

    /// When to look again if nothing wakes us: later than `now`, at which everything that is due was looked at.
    fn wake_at(&self, now: Timestamp) -> Option<Timestamp> {
        let shown = self.written.values().map(|written| later(written.at));
        let all = shown.chain(self.gathering.values().copied());
        all.filter(|at| *at > now).min()
    }

    /// Nothing is due on this node.
    fn rest(&mut self, node: &str, basis: Option<Basis>) {
        self.gathering.remove(node);
        if let Some(basis) = basis {
            self.clean.insert(node.to_owned(), basis);
        }
    }
}

/// What was last written on a node, and when.
struct Written {
    at: Timestamp,
    key: Vec<Key>,
}

/// The versions of the Node and its MachineConfigNode, and the reason of its hold.
type Basis = (Option<String>, Option<String>, Option<&'static str>);

/// What of a condition is worth a write.
type Key = (String, String, String, Option<String>);

/// What is to be written about one node.
enum Due {
    Record {
        pool: String,
        config: Option<String>,
    },
    Conditions(Vec<Condition>),
}

/// Writes the first of what is due, slot holders before others; returns whether there is more.
async fn batch(context: &Context, desk: &mut Desk, now: Timestamp) -> bool {
    let Some(decided) = context.board.notes().decided.clone() else {
        return false;
    };
    desk.written.retain(|_, written| now < later(written.at));
    let nodes = context.stores.nodes.all();
    let is_node = |name: &String| context.stores.nodes.get(name).is_some();
    desk.clean.retain(|name, _| is_node(name));
    desk.gathering.retain(|name, _| is_node(name));
    let mut due = Vec::new();
    for kept in nodes {
        let basis = basis(context, &decided, &kept);
        if desk.is_clean(&kept.name, basis.as_ref()) {
            continue;
        }
        match (due_for(context, &decided, &kept.node, now), basis) {
            (Some((one, key)), _) => {
                let holders = &decided.plan.ledger.next.holders;
                let holds = holders.contains_key(kept.name.as_str());
                let again = desk.written.get(&kept.name).is_some_and(|w| w.key == key);
                if again {
                    desk.gathering.remove(&kept.name);
                } else if desk.is_gathered(&kept.name, &one, holds, now) {
                    due.push((!holds, kept, one, key));
                }
            }
            (None, basis) => desk.rest(&kept.name, basis),
        }
    }
    due.sort_by(|a, b| (a.0, &a.1.name).cmp(&(b.0, &b.1.name)));
    let more = due.len() > BATCH;
    due.truncate(BATCH);
    for (_, kept, _, key) in &due {
        desk.clean.remove(&kept.name);
        desk.gathering.remove(&kept.name);
        desk.written.insert(
            kept.name.clone(),
            Written {
                at: now,
                key: key.clone(),
            },
        );
    }
    let writes: Vec<_> = due
        .into_iter()
        .map(|(_, kept, one, _)| write(context, kept, one))
        .collect();
    stream::iter(writes)
        .buffer_unordered(AT_ONCE)
        .collect::<Vec<()>>()
        .await;
    more
}

/// What the report of a node rests on; none while it is drained, because that changes all the time.
fn basis(context: &Context, decided: &Decided, kept: &NodeKept) -> Option<Basis> {
    if context.board.notes().drains.contains_key(&kept.name) {
        return None;
    }
    let record = context.stores.config_nodes.get(&kept.name)?;
    let answer = decided.plan.answers.get(kept.name.as_str());
    let reason = answer.and_then(Answer::hold).map(Hold::reason);
    let node = kept.node.metadata.resource_version.clone();
    Some((node, record.metadata.resource_version.clone(), reason))
}

/// Writes one; what fails is due again.
async fn write(context: &Context, kept: Arc<NodeKept>, due: Due) {
    context.limits.reports.ready().await;
    let done = match due {
        Due::Record { pool, config } => {
            // The record of an assignment that was not written, or was lost: the node may be away, and what it had when
            // it was taken stays awaited as far as anything still shows it.
            let pods = OwnPods::AndThese(own_pods(context, &kept.node));
            record::write(context, &kept.node, &pool, config.as_deref(), &pods).await
        }
        Due::Conditions(conditions) => apply(context, &kept.name, &conditions).await,
    };
    if let Err(error) = done
        && !matches!(error.meaning(), Meaning::Stale | Meaning::NotFound)
    {
        debug!(node = %kept.name, error = %Chain(&error), "the node's report was not written");
    }
}

/// What is due for a node, if anything is.
fn due_for(
    context: &Context,
    decided: &Decided,
    node: &Node,
    now: Timestamp,
) -> Option<(Due, Vec<Key>)> {
    let name = node.name_any();
    let known = context.stores.config_nodes.get(&name);
    let known = known
        .as_deref()
        .map(|whole| &whole.0)
        .filter(|known| record::is_of(known, node));
    if let Some((pool, config)) = missing_record(decided, node, known) {
        let key = (
            "record".to_owned(),
            pool.clone(),
            config.clone().unwrap_or_default(),
            None,
        );
        return Some((Due::Record { pool, config }, vec![key]));
    }
    let known = known?;
    let answer = decided.plan.answers.get(name.as_str());
    let drain = context.board.notes().drains.get(&name).cloned();
    let present = known
        .status
        .as_ref()
        .map(|s| s.conditions.as_slice())
        .unwrap_or_default();
    let mut wanted = wanted(node, answer, drain.as_ref());
    let key: Vec<Key> = wanted.iter().map(key_of).collect();
    let same = wanted.iter().all(|condition| {
        conditions::find(present, &condition.type_).is_some_and(|p| key_of(p) == key_of(condition))
    });
    if same {
        return None;
    }
    for condition in &mut wanted {
        let before = conditions::find(present, &condition.type_);
        let since = before.filter(|before| before.status == condition.status);
        let since = since.and_then(|before| before.last_transition_time.clone());
        condition.last_transition_time = Some(since.unwrap_or(Time(now)));
        condition.observed_generation = known.metadata.generation;
    }
    Some((Due::Conditions(wanted), key))
}

/// The record that a node should have and has not: of its pool, and of an assignment that the ledger proves ours.
fn missing_record(
    decided: &Decided,
    node: &Node,
    known: Option<&MachineConfigNode>,
) -> Option<(String, Option<String>)> {
    let name = node.name_any();
    let pool = decided.pool_of(&name)?.to_string();
    let value = |key| {
        node.annotations()
            .get(key)
            .filter(|value| !value.is_empty())
            .cloned()
    };
    let desired = value(contract::DESIRED_CONFIG);
    let Some(known) = known else {
        return Some((pool, desired));
    };
    let holder = decided.plan.ledger.next.holders.get(name.as_str());
    let ours = holder.is_some_and(|holder| {
        let intent = value(ours::INTENT).and_then(|intent| intent.parse().ok());
        desired.as_deref() == Some(holder.config.as_str()) && intent == Some(holder.intent.0)
    });
    let recorded = record::assigned(known, node);
    if ours && recorded.as_ref().map(ConfigName::as_str) != desired.as_deref() {
        return Some((pool, desired));
    }
    (known.spec.pool.name != pool).then_some((pool, None))
}

/// The controller's conditions.
fn wanted(node: &Node, answer: Option<&Answer>, drain: Option<&DrainFact>) -> Vec<Condition> {
    let updated = matches!(answer, Some(Answer::Held(Hold::UpToDate)));
    let yes_no = |type_: &str, yes: bool, reason: &str, message: &str| {
        let (status, reason) = if yes {
            (status::TRUE, reason)
        } else {
            (status::FALSE, types::REASON_NOT_YET_OCCURRED)
        };
        Condition::new(type_, status, reason, if yes { message } else { "" })
    };
    let has = |key| node.annotations().contains_key(key);
    vec![
        yes_no(
            types::UPDATED,
            updated,
            "UpToDate",
            "the node is as its pool wants it",
        ),
        yes_no(
            types::CORDONED,
            has(ours::CORDONED),
            "Cordoned",
            "cordoned for the update",
        ),
        drained(node, drain),
        uncordoned(node, updated),
        held(answer),
    ]
}

fn drained(node: &Node, drain: Option<&DrainFact>) -> Condition {
    let value = |key| node.annotations().get(key).map(String::as_str);
    if Request::of(node).is_some_and(|request| request.is_drain()) {
        let blocker = drain.and_then(|drain| drain.blockers.first());
        let reason = blocker.map_or("Draining", Blocker::reason);
        let message = drain
            .map(DrainFact::message)
            .filter(|message| !message.is_empty());
        let message = message.unwrap_or_else(|| "pods are leaving the node".to_owned());
        return Condition::new(types::DRAINED, status::UNKNOWN, reason, message);
    }
    let applied = value(contract::LAST_APPLIED_DRAIN).unwrap_or_default();
    if applied.starts_with("drain-") && value(ours::DRAINED_INTENT) == value(ours::INTENT) {
        return Condition::new(
            types::DRAINED,
            status::TRUE,
            "Drained",
            "the node is drained",
        );
    }
    Condition::new(
        types::DRAINED,
        status::FALSE,
        types::REASON_NOT_YET_OCCURRED,
        "",
    )
}

fn uncordoned(node: &Node, updated: bool) -> Condition {
    let value = |key| node.annotations().get(key).map(String::as_str);
    let asked = value(contract::DESIRED_DRAIN).unwrap_or_default();
    let (status, reason, message) = if updated || !asked.starts_with("uncordon-") {
        (status::FALSE, types::REASON_NOT_YET_OCCURRED, "")
    } else if value(contract::LAST_APPLIED_DRAIN) == Some(asked) {
        (status::TRUE, "Uncordoned", "the former cordon is restored")
    } else {
        (
            status::UNKNOWN,
            "Uncordoning",
            "the former cordon is being restored",
        )
    };
    Condition::new(types::UNCORDONED, status, reason, message)
}

fn held(answer: Option<&Answer>) -> Condition {
    match answer {
        Some(Answer::Held(hold)) if hold.is_wait() => {
            Condition::new(types::HELD, status::TRUE, hold.reason(), hold.to_string())
        }
        Some(Answer::Assigned(config)) => {
            let message = format!("it is given {config}");
            Condition::new(types::HELD, status::FALSE, "Assigned", message)
        }
        _ => Condition::new(types::HELD, status::FALSE, "NotHeld", ""),
    }
}

/// A drain is also told apart by the pod that blocks it; of all else only status and reason count.
fn key_of(condition: &Condition) -> Key {
    let blocked = condition.type_ == types::DRAINED && condition.status == status::UNKNOWN;
    let message = blocked.then(|| condition.message.clone());
    (
        condition.type_.clone(),
        condition.status.clone(),
        condition.reason.clone(),
        message,
    )
}

/// Applies the controller's conditions, and none of the daemon's.
async fn apply(context: &Context, name: &str, conditions: &[Condition]) -> Result<(), ApiError> {
    let patch = json!({
        "apiVersion": MachineConfigNode::api_version(&()),
        "kind": MachineConfigNode::kind(&()),
        "metadata": {"name": name},
        "status": {"conditions": conditions},
    });
    let api = Api::<MachineConfigNode>::all(context.client.clone());
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let applied = api.patch_status(name, &params, &Patch::Apply(&patch)).await;
    applied.attempt("reporting on the MachineConfigNode", name)?;
    Ok(())
}

fn later(at: Timestamp) -> Timestamp {
    at.saturating_add(SHOWN_AFTER).unwrap_or(Timestamp::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::drain::pod::PodName;

    fn node(annotations: &[(&str, &str)]) -> Node {
        let mut node = Node::default();
        for (key, value) in annotations {
            node.annotations_mut()
                .insert((*key).to_owned(), (*value).to_owned());
        }
        node
    }

    fn draining() -> Node {
        node(&[
            (contract::DESIRED_CONFIG, "x"),
            (ours::INTENT, "2"),
            (contract::DESIRED_DRAIN, "drain-x"),
            (ours::CORDONED, "2"),
        ])
    }

    fn find<'a>(conditions: &'a [Condition], type_: &str) -> &'a Condition {
        conditions::find(conditions, type_).expect("it is there")
    }

    #[test]
    fn a_blocked_drain_is_named_with_its_pod_and_budget() {
        let pod = PodName::new("shop", "web");
        let blockers = vec![Blocker::Budget {
            pod,
            budgets: vec!["web-pdb".to_owned()],
        }];
        let drain = DrainFact {
            blockers,
            ..DrainFact::default()
        };

        let conditions = wanted(&draining(), None, Some(&drain));

        let drained = find(&conditions, types::DRAINED);
        assert_eq!(
            (drained.status.as_str(), drained.reason.as_str()),
            ("Unknown", "BlockedByPodDisruptionBudget")
        );
        assert_eq!(
            drained.message,
            "PodDisruptionBudget web-pdb keeps pod shop/web"
        );
        assert!(find(&conditions, types::CORDONED).is_true());
    }

    #[test]
    fn a_wait_is_shown_with_its_reason_and_sentence() {
        let answer = Answer::Held(Hold::BudgetZero);

        let conditions = wanted(&node(&[]), Some(&answer), None);

        let held = find(&conditions, types::HELD);
        assert_eq!(
            (held.status.as_str(), held.reason.as_str()),
            ("True", "BudgetZero")
        );
        assert_eq!(held.message, Hold::BudgetZero.to_string());
    }

    #[test]
    fn what_follows_soon_is_written_with_what_came_first() {
        let at = |millis| Timestamp::from_millisecond(millis).expect("in range");
        let conditions = Due::Conditions(vec![]);
        let mut desk = Desk::default();

        let asked =
            [0, 400, 1999, 2000].map(|millis| desk.is_gathered("a", &conditions, true, at(millis)));

        assert_eq!(asked, [false, false, false, true]);
    }

    #[test]
    fn what_was_gathered_on_a_node_at_rest_waits_no_longer_than_the_visit_that_has_begun() {
        let mut desk = Desk::default();
        let conditions = Due::Conditions(Vec::new());
        let at = |second| Timestamp::from_second(second).expect("in range");
        assert!(!desk.is_gathered("a", &conditions, false, at(0)));
        assert!(!desk.is_gathered("a", &conditions, true, at(1)));

        let gathered = desk.is_gathered("a", &conditions, true, at(3));

        assert!(gathered);
        assert!(!desk.is_gathered("b", &conditions, false, at(0)));
        assert!(!desk.is_gathered("b", &conditions, false, at(3)));
    }

    #[test]
    fn a_record_that_is_missing_waits_for_nothing() {
        let record = Due::Record {
            pool: "worker".to_owned(),
            config: None,
        };

        assert!(Desk::default().is_gathered("a", &record, true, Timestamp::UNIX_EPOCH));
    }

    #[test]
    fn facts_that_change_all_the_time_are_no_reason_to_write() {
        let hold = |pending| {
            Answer::Held(Hold::Paused {
                since: None,
                pending,
            })
        };
        let key = |answer: &Answer| {
            wanted(&node(&[]), Some(answer), None)
                .iter()
                .map(key_of)
                .collect::<Vec<_>>()
        };

        assert_eq!(key(&hold(3)), key(&hold(2)));
        assert_ne!(key(&hold(3)), key(&Answer::Held(Hold::BudgetZero)));
    }

    #[test]
    fn what_is_taken_back_while_it_is_gathered_is_not_waited_for() {
        let now = Timestamp::UNIX_EPOCH;
        let due = Due::Conditions(Vec::new());
        let basis = (Some("1".to_owned()), None, Some("InFlight"));
        let mut desk = Desk::default();
        desk.rest("a", Some(basis.clone()));
        assert!(!desk.is_gathered("a", &due, true, now));

        let clean = desk.is_clean("a", Some(&basis));

        assert!(clean);
        assert_eq!(desk.wake_at(now), None);
        assert!(!desk.is_clean("a", None));
    }
}
