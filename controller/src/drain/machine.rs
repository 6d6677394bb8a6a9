//! Keeps Cluster API from healing a machine that we are working on.
//!
//! # Guarantees
//! The annotation bears our name as its value, so that only what we set is removed. Where there is no
//! Cluster API, or no right to its Machines, nothing happens: it is a protection and no precondition.

use crate::error::{Attempt, Chain};
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
    match api
        .get_opt(&name)
        .await
        .attempt("reading the Machine", &name)
    {
        Ok(Some(machine))
            if !machine
                .annotations()
                .contains_key(foreign::CAPI_SKIP_REMEDIATION) =>
        {
            annotate(&api, &name, json!(group::WINDLASS)).await;
        }
        Ok(_) => {}
        Err(error) => debug!(error = %Chain(&error), "the Machine is not protected"),
    }
}

/// Takes the protection away, if it is ours.
pub(super) async fn release(client: &Client, node: &Node) {
    let Some((api, name)) = machine(client, node) else {
        return;
    };
    match api
        .get_opt(&name)
        .await
        .attempt("reading the Machine", &name)
    {
        Ok(Some(machine)) => {
            let value = machine.annotations().get(foreign::CAPI_SKIP_REMEDIATION);
            if value.is_some_and(|value| value == group::WINDLASS) {
                annotate(&api, &name, serde_json::Value::Null).await;
            }
        }
        Ok(None) => {}
        Err(error) => debug!(error = %Chain(&error), "the Machine keeps its protection"),
    }
}

async fn annotate(api: &Api<DynamicObject>, name: &str, value: serde_json::Value) {
    let patch = json!({"metadata": {"annotations": {foreign::CAPI_SKIP_REMEDIATION: value}}});
    let patched = api
        .patch(name, &PatchParams::default(), &Patch::Merge(patch))
        .await;
    if let Err(error) = patched.attempt("annotating the Machine", name) {
        debug!(error = %Chain(&error), "the Machine was not annotated");
    }
}

/// The node's Machine, if it says that it has one.
fn machine(client: &Client, node: &Node) -> Option<(Api<DynamicObject>, String)> {
    let name = node.annotations().get(foreign::CAPI_MACHINE)?;
    let namespace = node.annotations().get(foreign::CAPI_NAMESPACE)?;
    let kind = GroupVersionKind::gvk("cluster.x-k8s.io", "v1beta1", "Machine");
    let api = Api::namespaced_with(client.clone(), namespace, &ApiResource::from_gvk(&kind));
    Some((api, name.clone()))
}
