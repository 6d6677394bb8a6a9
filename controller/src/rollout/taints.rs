//! The taint `UpdateInProgress:PreferNoSchedule`: it asks the scheduler to prefer nodes that were updated.
//!
//! # Guarantees
//! Written at a limited rate and on nobody's critical path: a rollout never waits for it. Each planning
//! round replaces what is still to be written, so that an old wish is not carried out late. What was written is not written
//! again before the watch shows it.

use super::execute::{remove_taint, taints};
use crate::context::Context;
use crate::error::{Chain, Meaning};
use crate::patch::{NodePatch, Written};
use api::names::{node as contract, taint};
use k8s_openapi::api::core::v1::Node;
use kube::ResourceExt;
use rollout::{Plan, Step};
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;
use tracing::debug;

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

    fn next(&self) -> Option<(String, bool)> {
        self.lock().pop_first()
    }

    fn note(&self, name: String, written: Option<Written>) {
        match written {
            Some(written) => drop(self.written().insert(name, written)),
            None => drop(self.written().remove(&name)),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, bool>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn written(&self) -> MutexGuard<'_, BTreeMap<String, Written>> {
        self.written.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Writes wishes until dropped. What fails is wished again by the next round.
pub async fn run(context: &Context) {
    let wishes = &context.taints;
    loop {
        let Some((name, wanted)) = wishes.next() else {
            wishes.wake.notified().await;
            continue;
        };
        context.limits.taints.ready().await;
        let Some(kept) = context.stores.nodes.get(&name) else {
            continue;
        };
        let patch = patch(&kept.node, wanted);
        if wishes.is_unsettled(&kept.node) || patch.is_empty() {
            continue;
        }
        wishes.note(name.clone(), Some(Written::UNDER_WAY));
        match patch.send(&context.client, "tainting the node").await {
            Ok(written) => wishes.note(name, Some(written)),
            Err(error) => {
                wishes.note(name.clone(), None);
                if error.meaning() != Meaning::Stale {
                    debug!(node = %name, error = %Chain(&error), "the taint was not written");
                }
            }
        }
    }
}

/// The patch; empty where the node is as wanted. A node that was assigned meanwhile is left alone.
fn patch(node: &Node, wanted: bool) -> NodePatch<'_> {
    let mut patch = NodePatch::of(node);
    let there = taints(node)
        .iter()
        .any(|taint| taint.key == taint::UPDATE_IN_PROGRESS);
    if wanted == there {
        return patch;
    }
    patch.assume(contract::DESIRED_CONFIG);
    if !wanted {
        remove_taint(node, &mut patch);
        return patch;
    }
    let taint = json!({"key": taint::UPDATE_IN_PROGRESS, "effect": taint::PREFER_NO_SCHEDULE});
    if taints(node).is_empty() {
        patch.with_spec().add(&["spec", "taints"], json!([taint]));
    } else {
        patch.add(&["spec", "taints", "-"], taint);
    }
    patch
}
