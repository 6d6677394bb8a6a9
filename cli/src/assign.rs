//! `windlass assign NODE CONFIG --reason TEXT`: asks the controller to give one node one config now.
//!
//! # Guarantees
//! It writes one annotation on the Node and nothing else: the controller carries the request out through the slot
//! ledger, under the pool's budget. What cannot be meant is refused before anything is written.

use anyhow::{Context as _, Result, bail};
use api::names::{object, ours};
use api::requests::AssignRequest;
use api::{MachineConfig, SlotLedger};
use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt as _};
use serde_json::json;

use crate::cluster::{Cluster, block_on};
use crate::output::print_text;

/// Name under which the annotation is written.
const FIELD_MANAGER: &str = "windlass-assign";

/// Asks the controller to give one node a rendered config now, whatever its pool's target is.
#[derive(clap::Args, Debug)]
pub(crate) struct Args {
    /// The node
    node: String,
    /// The rendered config that it is to get
    config: String,
    /// Why, for those who look at it later
    #[arg(long)]
    reason: String,
    #[command(flatten)]
    cluster: Cluster,
}

pub(crate) fn run(args: &Args) -> Result<()> {
    block_on(assign(args))
}

async fn assign(args: &Args) -> Result<()> {
    let Args {
        node: name,
        config,
        reason,
        cluster,
    } = args;
    if reason.trim().is_empty() {
        bail!("--reason is empty: say why {name} is to get {config}");
    }
    let client = Client::try_from(cluster.config().await?).context("making a client")?;
    controlled_by_windlass(&client).await?;
    let nodes: Api<Node> = Api::all(client.clone());
    let node = nodes
        .get_opt(name)
        .await
        .with_context(|| format!("reading Node {name}"))?
        .with_context(|| format!("no Node is called {name}"))?;
    known_config(&client, config).await?;
    let request = AssignRequest {
        config: config.clone(),
        reason: reason.clone(),
        by: cluster.caller(&client).await,
    };
    let text = serde_json::to_string(&request).context("writing the request")?;
    // With the version that was looked at, so that a request of somebody else is never overwritten unseen.
    let patch = json!({"metadata": {
        "resourceVersion": node.resource_version(),
        "annotations": {ours::ASSIGN_REQUEST: text},
    }});
    let params = PatchParams {
        field_manager: Some(FIELD_MANAGER.to_owned()),
        ..PatchParams::default()
    };
    nodes
        .patch(name, &params, &Patch::Merge(patch))
        .await
        .with_context(|| {
            format!(
                "writing the annotation {} on Node {name}",
                ours::ASSIGN_REQUEST
            )
        })?;
    print_text(&told(&node, &request))
}

/// Without a controller of Windlass nobody would carry the request out.
async fn controlled_by_windlass(client: &Client) -> Result<()> {
    let ledgers: Api<SlotLedger> = Api::all(client.clone());
    match ledgers.list(&ListParams::default().limit(1)).await {
        Ok(_) => Ok(()),
        Err(kube::Error::Api(status)) if status.is_not_found() => {
            bail!(
                "this cluster has no SlotLedger: no Windlass runs here that would carry an assignment out"
            )
        }
        Err(error) => Err(error).context("looking for the SlotLedger"),
    }
}

async fn known_config(client: &Client, config: &str) -> Result<()> {
    let configs: Api<MachineConfig> = Api::all(client.clone());
    let found = configs
        .get_opt(config)
        .await
        .with_context(|| format!("reading MachineConfig {config}"))?;
    if found.is_none() {
        bail!(
            "no MachineConfig is called {config}; `kubectl get machineconfigs` lists those that there are"
        );
    }
    if !config.starts_with(object::RENDERED_PREFIX) {
        bail!(
            "MachineConfig {config} is no rendered config: nodes take those called {}<pool>-<hash>",
            object::RENDERED_PREFIX
        );
    }
    Ok(())
}

fn told(node: &Node, request: &AssignRequest) -> String {
    let name = node.name_any();
    let annotation = |key: &str| node.annotations().get(key).map(String::as_str);
    let mut text = format!(
        "asked, as {}: Node {name} is to get {}\n",
        request.by, request.config
    );
    if let Some(before) = annotation(ours::ASSIGN_REQUEST) {
        text.push_str(&format!("  in the place of the request {before}\n"));
    }
    let desired = annotation(api::names::node::DESIRED_CONFIG).unwrap_or("nothing");
    text.push_str(&format!(
        "  it has been assigned {desired} so far; the controller takes the request up under the pool's budget\n\
         watch it:\n  windlass explain node {name}\n  kubectl get machineconfignode {name} -w\n"
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_that_takes_the_place_of_another_says_so() {
        let node: Node =
            serde_json::from_value(json!({"metadata": {"name": "worker-1", "annotations": {
                (ours::ASSIGN_REQUEST): r#"{"config":"rendered-worker-1","reason":"r","by":"ann"}"#,
            }}}))
            .unwrap();
        let request = AssignRequest {
            config: "rendered-worker-2".to_owned(),
            reason: "a bad disk".to_owned(),
            by: "ben".to_owned(),
        };

        let text = told(&node, &request);

        assert!(
            text.starts_with("asked, as ben: Node worker-1 is to get rendered-worker-2"),
            "{text}"
        );
        assert!(text.contains(r#""by":"ann""#), "{text}");
    }
}
