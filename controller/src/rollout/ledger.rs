//! The one object that holds every slot: read consistently, written whole, by compare-and-swap.
//!
//! # Guarantees
//! A write carries the version that the decision rests on; one that is lost changes nothing. Whether a
//! write whose answer was lost took effect is not guessed: the next round reads.

use crate::context::Context;
use crate::error::{ApiError, Attempt};
use api::SlotLedger;
use api::names::{label, object};
use kube::api::PostParams;
use kube::{Api, ResourceExt};
use rollout::snapshot::Ledger;

/// The ledger as the API server has it now; none if there is no such object.
pub async fn read(context: &Context) -> Result<Option<SlotLedger>, ApiError> {
    let api = Api::<SlotLedger>::all(context.client.clone());
    api.get_opt(object::CLUSTER)
        .await
        .attempt("reading the SlotLedger", object::CLUSTER)
}

/// Puts `next` in the place of what was read.
pub async fn swap(
    context: &Context,
    read: Option<&SlotLedger>,
    next: &Ledger,
) -> Result<SlotLedger, ApiError> {
    let api = Api::<SlotLedger>::all(context.client.clone());
    let post = PostParams::default();
    let spec = next.to_spec();
    if let Some(read) = read {
        let ledger = SlotLedger {
            metadata: read.metadata.clone(),
            spec,
        };
        let replaced = api.replace(object::CLUSTER, &post, &ledger).await;
        return replaced.attempt("writing the SlotLedger", object::CLUSTER);
    }
    let mut ledger = SlotLedger::new(object::CLUSTER, spec);
    let owner = label::OWNER_WINDLASS.to_owned();
    ledger.labels_mut().insert(label::OWNER.to_owned(), owner);
    api.create(&post, &ledger)
        .await
        .attempt("creating the SlotLedger", object::CLUSTER)
}
