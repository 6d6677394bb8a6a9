//! Removes the rendered configs that [`super::prune`] lets go.
//!
//! # Guarantees
//! A config is named by nodes (annotations, requests and MachineConfigNodes), pools, the ledger, by a composed config
//! for as long as that is there, and by what a pool was rendered to, whether or not the caches show it yet. The delete
//! tests the version that was seen.

use super::prune::{Rendered, next_old_enough, prunable};
use super::publish::FINALIZER;
use crate::context::Context;
use crate::error::{ApiError, Attempt, Meaning};
use api::MachineConfig;
use api::names::{config as names, node as contract, object};
use jiff::Timestamp;
use kube::api::{DeleteParams, Patch, PatchParams, Preconditions};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use std::collections::BTreeSet;
use tracing::info;

/// Removes what may go, and none of `targets`; returns when more may.
pub(super) async fn sweep(
    context: &Context,
    targets: impl Iterator<Item = String>,
    now: Timestamp,
) -> Result<Option<Timestamp>, ApiError> {
    let configs = context.stores.configs.all();
    let rendered: Vec<&MachineConfig> = configs
        .iter()
        .map(|config| &config.0)
        .filter(|config| super::is_rendered(config))
        .collect();
    let mut named = named(context);
    named.extend(targets);
    named.extend(withheld(&rendered));
    let facts: Vec<Rendered> = rendered.iter().filter_map(|config| fact(config)).collect();
    let going: BTreeSet<String> = prunable(&facts, &named, &context.config.pruning, now)
        .into_iter()
        .collect();
    for config in rendered {
        let name = config.name_any();
        let deleted = config.metadata.deletion_timestamp.is_some();
        if deleted && !named.contains(&name) {
            release(&context.client, config).await?;
        } else if !deleted && going.contains(&name) {
            delete(context, config).await?;
        }
    }
    Ok(next_old_enough(
        &facts,
        &named,
        &context.config.pruning,
        now,
    ))
}

/// The configs that composed ones withhold a part of.
fn withheld(rendered: &[&MachineConfig]) -> Vec<String> {
    let there = rendered
        .iter()
        .filter(|config| config.metadata.deletion_timestamp.is_none());
    there
        .filter_map(|config| config.annotations().get(names::WITHHOLDS).cloned())
        .collect()
}

/// All names that the caches give.
fn named(context: &Context) -> BTreeSet<String> {
    let stores = &context.stores;
    let mut named = BTreeSet::new();
    for kept in stores.nodes.all() {
        let values = [contract::CURRENT_CONFIG, contract::DESIRED_CONFIG];
        named.extend(
            values
                .iter()
                .filter_map(|key| kept.node.annotations().get(*key).cloned()),
        );
        let asked = kept.view.request.as_ref();
        named.extend(asked.map(|request| request.config.to_string()));
    }
    for pool in stores.pools.all() {
        named.insert(pool.spec.configuration.name.clone());
        named.extend(
            pool.status
                .iter()
                .map(|status| status.configuration.name.clone()),
        );
    }
    for record in stores.config_nodes.all() {
        named.insert(record.spec.config_version.desired.clone());
        let version = record
            .status
            .as_ref()
            .and_then(|status| status.config_version.as_ref());
        named.extend(
            version
                .into_iter()
                .flat_map(|v| [v.current.clone(), v.desired.clone()]),
        );
    }
    if let Some(ledger) = stores.ledger.get(object::CLUSTER) {
        named.extend(
            ledger
                .spec
                .holders
                .iter()
                .map(|holder| holder.config.clone()),
        );
    }
    named
}

fn fact(config: &MachineConfig) -> Option<Rendered> {
    let pool = config
        .owner_references()
        .iter()
        .find(|owner| owner.kind == "MachineConfigPool")?;
    let created = config.creation_timestamp()?.0;
    Some(Rendered {
        name: config.name_any(),
        pool: pool.name.clone(),
        created,
    })
}

async fn delete(context: &Context, config: &MachineConfig) -> Result<(), ApiError> {
    let name = config.name_any();
    let api = Api::<MachineConfig>::all(context.client.clone());
    let preconditions = Preconditions {
        uid: config.uid(),
        resource_version: config.resource_version(),
    };
    let params = DeleteParams {
        preconditions: Some(preconditions),
        ..DeleteParams::default()
    };
    match api
        .delete(&name, &params)
        .await
        .attempt("removing the rendered MachineConfig", &name)
    {
        Ok(_) => info!(config = %name, "removed: nothing names it, and it is old"),
        Err(error) if matches!(error.meaning(), Meaning::NotFound | Meaning::Stale) => {}
        Err(error) => return Err(error),
    }
    Ok(())
}

/// Takes our finalizer off a deleted config that nothing names any more.
pub(crate) async fn release(client: &Client, config: &MachineConfig) -> Result<(), ApiError> {
    let kept: Vec<&String> = config
        .finalizers()
        .iter()
        .filter(|name| *name != FINALIZER)
        .collect();
    if kept.len() == config.finalizers().len() {
        return Ok(());
    }
    let name = config.name_any();
    let patch = json!({
        "metadata": {"resourceVersion": config.resource_version(), "finalizers": kept},
    });
    let api = Api::<MachineConfig>::all(client.clone());
    let patched = api
        .patch(&name, &PatchParams::default(), &Patch::Merge(&patch))
        .await;
    match patched.attempt("releasing the rendered MachineConfig", &name) {
        Err(error) if !matches!(error.meaning(), Meaning::NotFound | Meaning::Stale) => Err(error),
        _ => Ok(()),
    }
}
