//! The taint `UpdateInProgress:PreferNoSchedule`: it asks the scheduler to prefer nodes that were updated.
//!
//! # Guarantees
//! Written at a limited rate and on nobody's critical path: a rollout never waits for it. A taint is put only on a node that has
//! been waiting for [`super::wishes::SETTLES_AFTER`]: one that is taken before needs no advice. Each planning
//! round replaces what is still to be written, so that an old wish is not carried out late. What was written is not written
//! again before the watch shows it.

use super::execute::{remove_taint, taints};
use crate::context::Context;
use crate::error::{Chain, Meaning};
use crate::patch::{NodePatch, Written};
use api::names::{node as contract, taint};
use k8s_openapi::api::core::v1::Node;
use serde_json::json;
use tracing::debug;

/// Writes wishes until dropped. What fails is wished again by the next round.
pub async fn run(context: &Context) {
    let wishes = &context.taints;
    loop {
        let (name, wanted) = match wishes.next(context.clock.now()) {
            Ok(due) => due,
            Err(wake_at) => {
                tokio::select! {
                    biased;
                    () = wishes.wished() => {}
                    () = context.sleep_until(wake_at) => {}
                }
                continue;
            }
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
