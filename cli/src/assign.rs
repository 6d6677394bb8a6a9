//! `windlass assign NODE CONFIG --reason TEXT`: asks the controller to give one node one config now.
//!
//! # Guarantees
//! It writes one annotation on the Node and nothing else: the controller carries the request out through the slot
//! ledger, under the pool's budget. What cannot be meant is refused before anything is written.

use anyhow::{Context as _, Result, bail};
use api::names::{object, ours};
use api::requests::AssignRequest;
use api::{MachineConfig, MachineConfigPool, SlotLedger};
use k8s_openapi::api::core::v1::Node;
use kube::api::{Api, ListParams, Patch, PatchParams};
use kube::{Client, ResourceExt as _};
use rollout::membership::{Place, place};
use rollout::names::PoolName;
use rollout::snapshot::{NodeView, PoolView};
use serde_json::json;
use std::collections::BTreeMap;

use crate::cluster::{Cluster, block_on};
use crate::output::print_text;

/// Name under which the annotation is written.
const FIELD_MANAGER: &str = "windlass-assign";

/// Asks the controller to give one node a rendered config of its pool now. It stays only while the pool is paused, or wants
/// that config too.
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
    let pool = pool_of(&client, &node).await?;
    if let Some(pool) = &pool {
        of_the_pool(pool, name, config)?;
    }
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
    print_text(&told(&node, pool.as_ref(), &request))
}

/// The pool that the node belongs to; `None` where it belongs to none, which the controller answers with.
async fn pool_of(client: &Client, node: &Node) -> Result<Option<MachineConfigPool>> {
    let pools: Api<MachineConfigPool> = Api::all(client.clone());
    let pools = pools
        .list(&ListParams::default())
        .await
        .context("listing the MachineConfigPools")?;
    let views: BTreeMap<PoolName, PoolView> = pools
        .iter()
        .map(PoolView::from_pool)
        .map(|view| (view.name.clone(), view))
        .collect();
    let Place::In { primary, .. } = place(&views, &NodeView::from_node(node).labels) else {
        return Ok(None);
    };
    let mut pools = pools.into_iter();
    Ok(pools.find(|pool| pool.name_any() == primary.as_str()))
}

/// A config of another pool is files and units of machines of another kind.
fn of_the_pool(pool: &MachineConfigPool, node: &str, config: &str) -> Result<()> {
    let pool = pool.name_any();
    let prefix = format!("{}{pool}-", object::RENDERED_PREFIX);
    // The name of another pool may begin with this one's.
    let hash = config.strip_prefix(&prefix);
    if hash.is_none_or(|hash| hash.contains('-')) {
        bail!(
            "{config} is no config of the pool {pool}, to which Node {node} belongs: those are called {prefix}<hash>; \
             `kubectl get machineconfigs` lists them"
        );
    }
    Ok(())
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

fn told(node: &Node, pool: Option<&MachineConfigPool>, request: &AssignRequest) -> String {
    let name = node.name_any();
    let annotation = |key: &str| node.annotations().get(key).map(String::as_str);
    let mut text = format!(
        "asked, as {}: Node {name} is to get {}\n",
        request.by, request.config
    );
    if let Some(before) = annotation(ours::ASSIGN_REQUEST) {
        text.push_str(&format!("  in the place of the request {before}\n"));
    }
    if let Some(pool) = pool.filter(|pool| goes_back(pool, &request.config)) {
        let pool = pool.name_any();
        text.push_str(&format!(
            "  this is not what its pool wants, and the pool is not paused: the node goes back to the pool's target at once.\n\
             \x20 To let it stay:  kubectl patch machineconfigpool {pool} --type merge -p '{{\"spec\":{{\"paused\":true}}}}'\n"
        ));
    }
    let desired = annotation(api::names::node::DESIRED_CONFIG).unwrap_or("nothing");
    text.push_str(&format!(
        "  it has been assigned {desired} so far; the controller takes the request up under the pool's budget\n\
         watch it:\n  windlass explain node {name}\n  kubectl get machineconfignode {name} -w\n"
    ));
    text
}

/// Whether the pool takes the node back to its target.
fn goes_back(pool: &MachineConfigPool, config: &str) -> bool {
    !pool.spec.paused && pool.spec.configuration.name != config
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pool(paused: bool) -> MachineConfigPool {
        serde_json::from_value(json!({
            "apiVersion": "machineconfiguration.openshift.io/v1", "kind": "MachineConfigPool",
            "metadata": {"name": "worker"},
            "spec": {"paused": paused, "configuration": {"name": "rendered-worker-2"}},
        }))
        .unwrap()
    }

    #[test]
    fn another_pool_s_config_is_refused() {
        let refused = ["rendered-infra-1", "rendered-worker-gpu-1"]
            .map(|config| of_the_pool(&pool(false), "worker-1", config).is_err());

        assert_eq!(refused, [true, true]);
        assert!(of_the_pool(&pool(false), "worker-1", "rendered-worker-1").is_ok());
    }

    #[test]
    fn what_the_pool_takes_back_at_once_is_told_with_the_way_to_keep_it() {
        let request = |config: &str| AssignRequest {
            config: config.to_owned(),
            reason: "a trial".to_owned(),
            by: "ben".to_owned(),
        };
        let node = Node::default();
        let says = |paused, config| told(&node, Some(&pool(paused)), &request(config));

        assert!(
            says(false, "rendered-worker-1").contains("kubectl patch machineconfigpool worker")
        );
        assert!(!says(true, "rendered-worker-1").contains("kubectl patch"));
        assert!(!says(false, "rendered-worker-2").contains("kubectl patch"));
    }

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

        let text = told(&node, None, &request);

        assert!(
            text.starts_with("asked, as ben: Node worker-1 is to get rendered-worker-2"),
            "{text}"
        );
        assert!(text.contains(r#""by":"ann""#), "{text}");
    }
}
