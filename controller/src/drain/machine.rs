//! Keeps Cluster API from healing a machine that we are working on.
//!
//! # Guarantees
//! The annotation bears our name as its value, so that only what we set is removed. Where there is no
//! Cluster API, or no right to its Machines, nothing happens: it is a protection and no precondition. What is to
//! be taken away is tried until it is known to be gone.

use crate::error::{ApiError, Attempt, Chain};
use api::names::{foreign, group};
use k8s_openapi::api::core::v1::Node;
use kube::api::{ApiResource, DynamicObject, GroupVersionKind, Patch, PatchParams};
use kube::{Api, Client, ResourceExt};
use serde_json::json;
use tracing::debug;

/// Keeps the node's Machine from being remediated.
pub(super) async fn protect(client: &Client, node: &Node) {
    let Some((api, name)) = machine(client, node) else {
        return;
    };
    if let Err(error) = set(&api, &name).await {
        debug!(error = %Chain(&error), "the Machine is not protected");
    }
}

async fn set(api: &Api<DynamicObject>, name: &str) -> Result<(), ApiError> {
    let machine = api
        .get_opt(name)
        .await
        .attempt("reading the Machine", name)?;
    let known = |machine: &DynamicObject| {
        machine
            .annotations()
            .contains_key(foreign::CAPI_SKIP_REMEDIATION)
    };
    match machine {
        Some(machine) if !known(&machine) => annotate(api, name, json!(group::WINDLASS)).await,
        _ => Ok(()),
    }
}

/// Takes the protection away, if it is ours.
///
/// # Errors
/// It may still be there, and taking it away may succeed later. Where there is no such Machine or no right to it, there
/// is nothing to wait for.
pub(crate) async fn release(client: &Client, node: &Node) -> Result<(), ApiError> {
    let Some((api, name)) = machine(client, node) else {
        return Ok(());
    };
    match taken_away(&api, &name).await {
        Err(error) if error.may_pass() => Err(error),
        Err(error) => {
            debug!(error = %Chain(&error), "the Machine keeps its protection");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}

async fn taken_away(api: &Api<DynamicObject>, name: &str) -> Result<(), ApiError> {
    let machine = api
        .get_opt(name)
        .await
        .attempt("reading the Machine", name)?;
    let Some(machine) = machine else {
        return Ok(());
    };
    let value = machine.annotations().get(foreign::CAPI_SKIP_REMEDIATION);
    if value.is_none_or(|value| value != group::WINDLASS) {
        return Ok(());
    }
    annotate(api, name, serde_json::Value::Null).await
}

async fn annotate(
    api: &Api<DynamicObject>,
    name: &str,
    value: serde_json::Value,
) -> Result<(), ApiError> {
    let patch = json!({"metadata": {"annotations": {foreign::CAPI_SKIP_REMEDIATION: value}}});
    let patched = api
        .patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await;
    patched.attempt("annotating the Machine", name)?;
    Ok(())
}

/// The node's Machine, if it says that it has one.
fn machine(client: &Client, node: &Node) -> Option<(Api<DynamicObject>, String)> {
    let name = node.annotations().get(foreign::CAPI_MACHINE)?;
    let namespace = node.annotations().get(foreign::CAPI_NAMESPACE)?;
    let kind = GroupVersionKind::gvk("cluster.x-k8s.io", "v1beta1", "Machine");
    let api = Api::namespaced_with(client.clone(), namespace, &ApiResource::from_gvk(&kind));
    Some((api, name.clone()))
}
