//! The taints that a plan wishes, until they are written.

use crate::patch::Written;
use jiff::{SignedDuration, Timestamp};
use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt;
use rollout::{Plan, Step};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// Longer than a small fleet takes that nothing holds up; the scheduler does not miss it on a larger one.
pub const SETTLES_AFTER: SignedDuration = SignedDuration::from_secs(5);

/// A taint that is to be put on a node, or taken off.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Wish {
    wanted: bool,
    /// Not before.
    at: Timestamp,
}

/// What is still to be written, by node.
#[derive(Debug, Default)]
pub struct Wishes {
    open: Mutex<BTreeMap<String, Wish>>,
    /// Writes that the cache may not show yet.
    written: Mutex<BTreeMap<String, Written>>,
    wake: Notify,
}

impl Wishes {
    /// Replaces all wishes with those of a plan. One that stands already keeps its time.
    pub fn of(&self, plan: &Plan, now: Timestamp) {
        let wishes = plan.steps.iter().filter_map(|step| match step {
            Step::SetTaint { node, .. } => Some((node.to_string(), true)),
            Step::RemoveTaint { node, .. } => Some((node.to_string(), false)),
            Step::Assign(_) | Step::PutBack { .. } => None,
        });
        self.stand(wishes, now);
    }

    fn stand(&self, wishes: impl Iterator<Item = (String, bool)>, now: Timestamp) {
        let mut open = self.lock();
        let settled = now.saturating_add(SETTLES_AFTER).unwrap_or(Timestamp::MAX);
        let wishes = wishes.map(|(node, wanted)| {
            let known = open.get(&node).filter(|wish| wish.wanted == wanted);
            let at = known.map_or(if wanted { settled } else { now }, |wish| wish.at);
            (node, Wish { wanted, at })
        });
        *open = wishes.collect();
        drop(open);
        self.wake.notify_one();
    }

    /// Whether a taint of ours may be on the node, or off it, that it is not seen with.
    pub fn is_unsettled(&self, seen: &Node) -> bool {
        let (name, mut written) = (seen.name_any(), self.written());
        let unsettled = written.get(&name).is_some_and(|it| !it.is_shown_by(seen));
        if !unsettled {
            written.remove(&name);
        }
        unsettled
    }

    /// The first that is due; else when one will be.
    pub(super) fn next(&self, now: Timestamp) -> Result<(String, bool), Option<Timestamp>> {
        let mut open = self.lock();
        let due = open.iter().find(|(_, wish)| wish.at <= now);
        let Some(node) = due.map(|(node, _)| node.clone()) else {
            return Err(open.values().map(|wish| wish.at).min());
        };
        let wish = open.remove(&node).ok_or(None)?;
        Ok((node, wish.wanted))
    }

    /// Remembers what was written, or that nothing was.
    pub(super) fn note(&self, name: String, written: Option<Written>) {
        match written {
            Some(written) => drop(self.written().insert(name, written)),
            None => drop(self.written().remove(&name)),
        }
    }

    /// Completes once a plan has wished.
    pub(super) async fn wished(&self) {
        self.wake.notified().await;
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Wish>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn written(&self) -> MutexGuard<'_, BTreeMap<String, Written>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::iter;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).expect("in range")
    }

    #[test]
    fn a_node_that_is_taken_at_once_is_never_tainted() {
        let wishes = Wishes::default();
        wishes.stand(iter::once(("a".to_owned(), true)), at(0));

        wishes.stand(iter::empty(), at(4));

        assert_eq!(wishes.next(at(100)), Err(None));
    }

    #[test]
    fn a_node_that_waits_for_long_is_tainted_however_often_is_planned_meanwhile() {
        let wishes = Wishes::default();
        wishes.stand(iter::once(("a".to_owned(), true)), at(0));
        wishes.stand(iter::once(("a".to_owned(), true)), at(3));

        assert_eq!(wishes.next(at(4)), Err(Some(at(5))));
        assert_eq!(wishes.next(at(5)), Ok(("a".to_owned(), true)));
    }
}
