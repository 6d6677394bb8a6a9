//! Writes what rendering gave: the rendered config first, then the pool's target.
//!
//! # Guarantees
//! A pool never names a rendered config that is not there. The target is written on the version of the pool
//! that was rendered for. A rendered config bears a finalizer, so that deleting its pool, or deleting it by
//! mistake, takes it from no node that still names it; [`super::prune`] takes the finalizer off.

use crate::context::Context;
use crate::error::{ApiError, Attempt, Meaning};
use crate::events::{self, Tone};
use api::machineconfiguration::PoolConfiguration;
use api::names::{config as names, label};
use api::{MachineConfig, MachineConfigPool};
use k8s_openapi::api::core::v1::ObjectReference;
use kube::api::{Patch, PatchParams, PostParams};
use kube::{Api, Resource, ResourceExt};
use serde_json::json;

/// Keeps a rendered config for as long as something names it.
pub const FINALIZER: &str = "windlass.dev/named";

/// Creates a rendered config for this pool, if it is not there; returns whether it was made now.
pub async fn create_rendered(
    context: &Context,
    pool: &MachineConfigPool,
    mut config: MachineConfig,
) -> Result<bool, ApiError> {
    let name = config.name_any();
    config
        .owner_references_mut()
        .extend(pool.controller_owner_ref(&()));
    config.finalizers_mut().push(FINALIZER.to_owned());
    config
        .labels_mut()
        .insert(label::OWNER.to_owned(), label::OWNER_WINDLASS.to_owned());
    let version = env!("CARGO_PKG_VERSION").to_owned();
    config
        .annotations_mut()
        .insert(names::GENERATED_BY_VERSION.to_owned(), version);
    let api = Api::<MachineConfig>::all(context.client.clone());
    let created = api.create(&PostParams::default(), &config).await;
    match created.attempt("creating the rendered MachineConfig", &name) {
        Ok(_) => {
            let message = format!("{name} was rendered");
            let about = events::about(pool);
            context
                .events
                .tell(&about, Tone::Normal, "RenderedConfigGenerated", &message);
            Ok(true)
        }
        // Its name is made from its content.
        Err(error) if error.meaning() == Meaning::AlreadyExists => Ok(false),
        Err(error) => Err(error),
    }
}

/// Points the pool at its rendered config, if it does not yet.
pub async fn point(
    context: &Context,
    pool: &MachineConfigPool,
    name: &str,
    sources: &[String],
) -> Result<(), ApiError> {
    let reference = |name: &str| ObjectReference {
        api_version: Some(MachineConfig::api_version(&()).into_owned()),
        kind: Some(MachineConfig::kind(&()).into_owned()),
        name: Some(name.to_owned()),
        ..ObjectReference::default()
    };
    let wanted = PoolConfiguration {
        name: name.to_owned(),
        source: sources.iter().map(|source| reference(source)).collect(),
        ..PoolConfiguration::default()
    };
    let present = &pool.spec.configuration;
    if present.name == wanted.name && present.source == wanted.source {
        return Ok(());
    }
    let patch = json!({
        "metadata": {"resourceVersion": pool.resource_version()},
        "spec": {"configuration": wanted},
    });
    let api = Api::<MachineConfigPool>::all(context.client.clone());
    let params = PatchParams::default();
    let patched = api
        .patch(&pool.name_any(), &params, &Patch::Merge(&patch))
        .await;
    patched.attempt(
        "setting the target of the MachineConfigPool",
        pool.name_any(),
    )?;
    Ok(())
}
