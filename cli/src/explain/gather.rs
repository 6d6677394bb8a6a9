//! Reads what an explanation needs. Lists and gets only.
//!
//! # Guarantees
//! Nothing is written. A kind that the cluster does not have is told from one without objects; what the caller may not
//! read, and could be done without, is named in [`Seen::unread`]. Large things (Leases, other nodes' pods, configs that
//! nobody names on a cluster that keeps all of them) are left where they are.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt::Debug;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, Result};
use api::names::{config as config_names, node as contract, object, ours};
use api::{MachineConfig, MachineConfigPool};
use controller::drain::pod::{BudgetView, PodView};
use controller::gate::{AskOverNetwork, ask_all};
use controller::rollout::control_plane::API_COMPONENTS;
use controller::stores::cache::Kept as _;
use controller::stores::{LocalVolume, NODE_LEASES, Slice};
use k8s_openapi::api::core::v1::{Node, PersistentVolume, Pod};
use k8s_openapi::api::discovery::v1::EndpointSlice;
use k8s_openapi::api::policy::v1::PodDisruptionBudget;
use kube::api::{Api, ListParams};
use kube::{Client, Config, Resource, ResourceExt as _};
use serde::de::DeserializeOwned;

use super::known::{Kind, Seen};

/// An API server that takes longer has not answered: a person waits for the explanation.
const PATIENCE: Duration = Duration::from_secs(2);

/// Objects of one page: what the API server's own clients ask for.
const PAGE: u32 = 500;

/// What is to be explained.
#[derive(Clone, Copy, Debug)]
pub(crate) enum About<'a> {
    /// The pools.
    Pools,
    /// One node.
    Node(&'a str),
    /// All pools and all nodes.
    Everything,
}

/// Reads what an explanation needs.
pub(crate) async fn gather(config: &Config, about: About<'_>) -> Result<Seen> {
    let client = Client::try_from(config.clone()).context("making a client")?;
    let mut seen = everywhere(&client).await?;
    seen.configs = configs(&client, &seen).await?;
    let mut unread = Vec::new();
    let reported = |node: &Node| node.annotations().contains_key(ours::REPORTED_AT);
    if seen.nodes.iter().any(reported) {
        let leases = Api::namespaced(client.clone(), NODE_LEASES);
        seen.leases = optional(&leases, &ListParams::default(), "Leases", &mut unread).await;
    }
    let needs = |config: &MachineConfig| {
        config
            .annotations()
            .contains_key(config_names::KUBELET_VERSION)
    };
    if seen.configs.iter().any(needs) {
        seen.instances = instances(&client, config, &mut unread).await;
    }
    let all: Api<Pod> = Api::all(client.clone());
    let of_the_api =
        ListParams::default().labels(&format!("component in ({})", API_COMPONENTS.join(",")));
    let api_pods = optional(&all, &of_the_api, "the control plane's pods", &mut unread).await;
    seen.api_pods = kept(api_pods);
    match about {
        About::Pools => {}
        About::Node(node) => {
            let on_the_node = ListParams::default().fields(&format!("spec.nodeName={node}"));
            let on_the_node = optional(&all, &on_the_node, "the node's pods", &mut unread).await;
            seen.pods = BTreeMap::from([(node.to_owned(), kept(on_the_node))]);
            guards(&client, &mut seen, &mut unread).await;
        }
        About::Everything => {
            everywhere_s_pods(&all, &mut seen, &mut unread).await;
            guards(&client, &mut seen, &mut unread).await;
        }
    }
    seen.unread = unread;
    Ok(seen)
}

/// What an explanation always rests on.
async fn everywhere(client: &Client) -> Result<Seen> {
    let pools = list::<MachineConfigPool>(client, "MachineConfigPools").await?;
    let Kind::There(pools) = pools else {
        anyhow::bail!(
            "this cluster has no MachineConfigPools: neither Windlass nor OpenShift configures its nodes"
        );
    };
    let (nodes, records, policies, ledger, configuration) = tokio::try_join!(
        list::<Node>(client, "Nodes"),
        list(client, "MachineConfigNodes"),
        list(client, "RolloutPolicies"),
        list(client, "SlotLedgers"),
        list(client, "MachineConfigurations"),
    )?;
    Ok(Seen {
        nodes: nodes.get().cloned().unwrap_or_default(),
        pools,
        configs: Vec::new(),
        records,
        ledger: the_cluster_s(ledger),
        policies,
        configuration: the_cluster_s(configuration),
        leases: Vec::new(),
        instances: BTreeMap::new(),
        pods: BTreeMap::new(),
        api_pods: Vec::new(),
        budgets: Vec::new(),
        local_claims: BTreeSet::new(),
        unread: Vec::new(),
    })
}

/// All objects of a kind, or that it is not installed.
async fn list<K>(client: &Client, what: &str) -> Result<Kind<Vec<K>>>
where
    K: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug,
{
    match Api::<K>::all(client.clone())
        .list(&ListParams::default())
        .await
    {
        Ok(list) => Ok(Kind::There(list.items)),
        Err(kube::Error::Api(status)) if status.code == 404 => Ok(Kind::Absent),
        Err(error) => Err(error).with_context(|| format!("listing {what}")),
    }
}

fn the_cluster_s<K: Resource>(all: Kind<Vec<K>>) -> Kind<Option<K>> {
    match all {
        Kind::Absent => Kind::Absent,
        Kind::There(all) => Kind::There(
            all.into_iter()
                .find(|found| found.meta().name.as_deref() == Some(object::CLUSTER)),
        ),
    }
}

/// Windlass keeps few rendered configs, and composed ones are found only by looking at all. The reference keeps all that it
/// ever made, and nodes and pools name those that matter.
async fn configs(client: &Client, seen: &Seen) -> Result<Vec<MachineConfig>> {
    if seen.ledger != Kind::Absent {
        let all = list::<MachineConfig>(client, "MachineConfigs").await?;
        return Ok(all.get().cloned().unwrap_or_default());
    }
    let api: Api<MachineConfig> = Api::all(client.clone());
    let mut names: BTreeSet<String> = BTreeSet::new();
    for node in &seen.nodes {
        let configs = [contract::CURRENT_CONFIG, contract::DESIRED_CONFIG];
        names.extend(
            configs
                .iter()
                .filter_map(|key| node.annotations().get(*key).cloned()),
        );
    }
    names.extend(seen.pools.iter().filter_map(|pool| {
        let view = rollout::snapshot::PoolView::from_pool(pool);
        Some(view.target?.to_string())
    }));
    names.retain(|name| !name.is_empty());
    let gets = names.iter().map(|name| api.get_opt(name));
    let got = futures::future::try_join_all(gets).await;
    let got = got.context("reading the rendered configs that nodes and pools name")?;
    Ok(got.into_iter().flatten().collect())
}

/// A list that can be done without.
async fn optional<K>(
    api: &Api<K>,
    params: &ListParams,
    what: &str,
    unread: &mut Vec<String>,
) -> Vec<K>
where
    K: Clone + DeserializeOwned + Debug,
{
    match api.list(params).await {
        Ok(list) => list.items,
        Err(error) => {
            unread.push(format!("{what} could not be listed: {error}"));
            Vec::new()
        }
    }
}

async fn instances(
    client: &Client,
    config: &Config,
    unread: &mut Vec<String>,
) -> BTreeMap<String, Option<String>> {
    let slices: Api<EndpointSlice> = Api::namespaced(client.clone(), "default");
    let of_the_api = ListParams::default().labels("kubernetes.io/service-name=kubernetes");
    let slices = optional(&slices, &of_the_api, "EndpointSlices", unread).await;
    let addresses: Vec<String> = slices
        .into_iter()
        .flat_map(|slice| Slice::keep(slice).addresses)
        .collect();
    // Plain HTTP is a proxy's door or a simulated cluster's: behind it nobody knows the instances' own addresses.
    if config.cluster_url.scheme_str() != Some("https") {
        return addresses
            .into_iter()
            .map(|instance| (instance, None))
            .collect();
    }
    let answers = ask_all(&AskOverNetwork::new(config.clone()), &addresses, PATIENCE).await;
    let answers = answers.into_iter();
    answers
        .map(|(instance, answer)| (instance, answer.ok()))
        .collect()
}

/// All pods, page by page: whole ones of a large cluster would not fit.
async fn everywhere_s_pods(all: &Api<Pod>, seen: &mut Seen, unread: &mut Vec<String>) {
    let mut params = ListParams::default().limit(PAGE);
    loop {
        let page = match all.list(&params).await {
            Ok(page) => page,
            Err(error) => return unread.push(format!("pods could not be listed: {error}")),
        };
        for pod in kept(page.items) {
            if let Some(node) = pod.node.clone() {
                seen.pods.entry(node.to_string()).or_default().push(pod);
            }
        }
        match page.metadata.continue_.filter(|token| !token.is_empty()) {
            Some(token) => params = params.continue_token(&token),
            None => return,
        }
    }
}

fn kept(pods: Vec<Pod>) -> Vec<Arc<PodView>> {
    let views = pods.into_iter().map(PodView::keep);
    views.map(Arc::new).collect()
}

/// What keeps pods on their node.
async fn guards(client: &Client, seen: &mut Seen, unread: &mut Vec<String>) {
    let budgets: Api<PodDisruptionBudget> = Api::all(client.clone());
    let budgets = optional(
        &budgets,
        &ListParams::default(),
        "PodDisruptionBudgets",
        unread,
    )
    .await;
    seen.budgets = budgets
        .into_iter()
        .map(|budget| {
            let allowed = budget
                .status
                .as_ref()
                .map_or(0, |status| status.disruptions_allowed);
            (Arc::new(BudgetView::keep(budget)), allowed)
        })
        .collect();
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    let volumes = optional(
        &volumes,
        &ListParams::default(),
        "PersistentVolumes",
        unread,
    )
    .await;
    let claims = volumes
        .into_iter()
        .filter_map(|volume| LocalVolume::keep(volume).claim);
    seen.local_claims = claims.collect();
}
