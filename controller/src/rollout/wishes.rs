//! The taints that a plan wishes, until they are written.

use crate::patch::Written;
use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt;
use rollout::{Plan, Step};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// What is still to be written: by node, whether it should bear the taint.
#[derive(Debug, Default)]
pub struct Wishes {
    open: Mutex<BTreeMap<String, bool>>,
    /// Writes that the cache may not show yet.
    written: Mutex<BTreeMap<String, Written>>,
    wake: Notify,
}

impl Wishes {
    /// Replaces all wishes with those of a plan.
    pub fn of(&self, plan: &Plan) {
        let wishes = plan.steps.iter().filter_map(|step| match step {
            Step::SetTaint { node, .. } => Some((node.to_string(), true)),
            Step::RemoveTaint { node, .. } => Some((node.to_string(), false)),
            Step::Assign(_) | Step::PutBack { .. } => None,
        });
        *self.lock() = wishes.collect();
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

    /// Takes the next wish.
    pub(super) fn next(&self) -> Option<(String, bool)> {
        self.lock().pop_first()
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

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, bool>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn written(&self) -> MutexGuard<'_, BTreeMap<String, Written>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
