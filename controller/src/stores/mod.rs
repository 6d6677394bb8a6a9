//! What the controller has seen of the cluster: one cache a kind, each fed by one watch.
//!
//! # Guarantees
//! A change wakes exactly those reconcilers that it may matter to. Kubelets say for ever that they live:
//! that alone wakes nobody, unless somebody waits for it ([`Attention`]).
//! # Not here
//! What follows from any of it.

pub mod cache;
pub mod kept;
pub mod nodes;
mod pods;
pub mod shared;
pub mod watch;

pub use kept::{KubeletLease, LocalVolume, Record, Slice, Whole};
pub use nodes::NodeKept;
pub use pods::Pods;

use crate::config::Config;
use crate::drain::pod::BudgetView;
use crate::lease::shell::LeaseView;
use api::{MachineConfig, MachineConfigPool, MachineConfiguration, RolloutPolicy, SlotLedger};
use cache::{Cache, Kept};
use futures::future::BoxFuture;
use kube::runtime::watcher;
use kube::{Api, Client, Resource};
use serde::de::DeserializeOwned;
use std::collections::BTreeSet;
use std::fmt::Debug;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// The namespace in which kubelets renew their Leases.
pub const NODE_LEASES: &str = "kube-node-lease";

/// One bell for each reconciler.
#[derive(Clone, Debug, Default)]
pub struct Wakes {
    /// Rendering.
    pub render: Arc<Notify>,
    /// Planning.
    pub rollout: Arc<Notify>,
    /// Draining.
    pub drain: Arc<Notify>,
    /// What is reported on MachineConfigNodes.
    pub report: Arc<Notify>,
    /// What is reported on pools.
    pub status: Arc<Notify>,
    /// Asking the API servers.
    pub gate: Arc<Notify>,
    /// The election.
    pub election: Arc<Notify>,
}

/// A set of node names that somebody waits for.
#[derive(Clone, Debug, Default)]
pub struct Attention(Arc<Mutex<BTreeSet<String>>>);

impl Attention {
    /// Waits for these and no others.
    pub fn only(&self, nodes: BTreeSet<String>) {
        *self.lock() = nodes;
    }

    /// Waits for this one too.
    pub fn also(&self, node: &str) {
        self.lock().insert(node.to_owned());
    }

    /// Waits for this one no longer.
    pub fn not(&self, node: &str) {
        self.lock().remove(node);
    }

    /// Whether somebody waits for it.
    pub fn is_on(&self, node: &str) -> bool {
        self.lock().contains(node)
    }

    /// All of them, in the order of their names.
    pub fn all(&self) -> Vec<String> {
        self.lock().iter().cloned().collect()
    }

    fn lock(&self) -> MutexGuard<'_, BTreeSet<String>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// All caches.
#[derive(Clone, Debug)]
pub struct Stores {
    /// Nodes.
    pub nodes: Arc<Cache<NodeKept>>,
    /// Pods, by node.
    pub pods: Arc<Pods>,
    /// PodDisruptionBudgets.
    pub budgets: Arc<Cache<BudgetView>>,
    /// PersistentVolumes that exist on one node only.
    pub volumes: Arc<Cache<LocalVolume>>,
    /// MachineConfigs, the rendered ones among them.
    pub configs: Arc<Cache<Whole<MachineConfig>>>,
    /// MachineConfigPools.
    pub pools: Arc<Cache<Whole<MachineConfigPool>>>,
    /// MachineConfigNodes.
    pub config_nodes: Arc<Cache<Record>>,
    /// RolloutPolicies.
    pub policies: Arc<Cache<Whole<RolloutPolicy>>>,
    /// MachineConfiguration `cluster`.
    pub configuration: Arc<Cache<Whole<MachineConfiguration>>>,
    /// The SlotLedger. It may be stale: whoever decides reads it consistently.
    pub ledger: Arc<Cache<Whole<SlotLedger>>>,
    /// When each kubelet last said that it lives.
    pub kubelets: Arc<Cache<KubeletLease>>,
    /// The addresses of the API servers.
    pub api_servers: Arc<Cache<Slice>>,
    /// The Lease of the election.
    pub election: Arc<Cache<LeaseView>>,
    /// Nodes with an open request of their daemon.
    pub requests: Attention,
    /// Nodes whose kubelet's next sign of life somebody waits for.
    pub awaited: Attention,
}

/// What has to be polled for the caches to be fed.
pub type Watches = Vec<BoxFuture<'static, ()>>;

impl Stores {
    /// Empty caches, and the watches that fill them.
    pub fn open(client: &Client, config: &Config, wakes: &Wakes) -> (Self, Watches) {
        let (requests, awaited) = (Attention::default(), Attention::default());
        let Wakes {
            render,
            rollout,
            drain,
            report,
            status,
            gate,
            election,
        } = wakes;
        let mut open = Opening {
            client,
            watches: Vec::new(),
        };
        let on = |bells: &[&Arc<Notify>]| bells.iter().map(|bell| (*bell).clone()).collect();
        let stores = Self {
            nodes: open.cluster(nodes::cache(wakes, &requests, &awaited)),
            pods: Pods::open(&mut open, wakes, &requests),
            budgets: open.cluster(Cache::new(on(&[drain]))),
            volumes: open.cluster(Cache::new(on(&[drain]))),
            configs: open.cluster(Cache::new(on(&[render, rollout]))),
            pools: open.cluster(Cache::new(on(&[render, rollout, status]))),
            config_nodes: open.cluster(Cache::new(on(&[render, rollout, report]))),
            policies: open.cluster(Cache::new(on(&[rollout, drain, gate]))),
            configuration: open.cluster(Cache::new(on(&[render]))),
            ledger: open.cluster(Cache::new(on(&[rollout, drain]))),
            kubelets: open.within(NODE_LEASES, None, kubelets(rollout, &awaited)),
            api_servers: open.within(
                "default",
                Some("kubernetes.io/service-name=kubernetes"),
                Cache::new(on(&[gate])),
            ),
            election: open.one(
                &config.namespace,
                &config.lease.name,
                Cache::new(on(&[election])),
            ),
            requests,
            awaited,
        };
        (stores, open.watches)
    }

    /// Waits until all that decides has been listed once.
    pub async fn synced(&self) {
        let Self {
            nodes,
            pods,
            budgets,
            volumes,
            configs,
            pools,
            config_nodes,
            policies,
            configuration,
            ledger,
            kubelets,
            api_servers,
            election: _,
            requests: _,
            awaited: _,
        } = self;
        tokio::join!(
            nodes.synced(),
            pods.synced(),
            budgets.synced(),
            volumes.synced(),
            configs.synced(),
            pools.synced(),
            config_nodes.synced(),
            policies.synced(),
            configuration.synced(),
            ledger.synced(),
            kubelets.synced(),
            api_servers.synced(),
        );
    }
}

fn kubelets(rollout: &Arc<Notify>, awaited: &Attention) -> Cache<KubeletLease> {
    let (rollout, awaited) = (rollout.clone(), awaited.clone());
    Cache::new(vec![]).observed_by(
        move |_: Option<&KubeletLease>, now: Option<&KubeletLease>| {
            if now.is_some_and(|lease| awaited.is_on(&lease.node)) {
                rollout.notify_one();
            }
        },
    )
}

/// Collects the watches while the caches are made.
struct Opening<'a> {
    client: &'a Client,
    watches: Watches,
}

impl Opening<'_> {
    /// All objects of the kind.
    fn cluster<V>(&mut self, cache: Cache<V>) -> Arc<Cache<V>>
    where
        V: Kept,
        V::Object: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        self.watch(
            Api::all(self.client.clone()),
            watcher::Config::default(),
            cache,
        )
    }

    /// Those of one namespace.
    fn within<V>(&mut self, namespace: &str, labels: Option<&str>, cache: Cache<V>) -> Arc<Cache<V>>
    where
        V: Kept,
        V::Object: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + Debug
            + Send
            + 'static,
    {
        let mut config = watcher::Config::default();
        if let Some(labels) = labels {
            config = config.labels(labels);
        }
        self.watch(
            Api::namespaced(self.client.clone(), namespace),
            config,
            cache,
        )
    }

    /// A single one.
    fn one<V>(&mut self, namespace: &str, name: &str, cache: Cache<V>) -> Arc<Cache<V>>
    where
        V: Kept,
        V::Object: Resource<DynamicType = (), Scope = k8s_openapi::NamespaceResourceScope>
            + Clone
            + DeserializeOwned
            + Debug
            + Send
            + 'static,
    {
        let config = watcher::Config::default().fields(&format!("metadata.name={name}"));
        self.watch(
            Api::namespaced(self.client.clone(), namespace),
            config,
            cache,
        )
    }

    fn watch<V>(
        &mut self,
        api: Api<V::Object>,
        config: watcher::Config,
        cache: Cache<V>,
    ) -> Arc<Cache<V>>
    where
        V: Kept,
        V::Object: Resource<DynamicType = ()> + Clone + DeserializeOwned + Debug + Send + 'static,
    {
        let cache = Arc::new(cache);
        // A page is in memory as a whole, as text and as objects: of Nodes with their images ten megabytes. A cluster of 15,000
        // nodes is 30 requests.
        let config = config.page_size(500);
        self.watches
            .push(Box::pin(watch::follow(api, config, cache.clone())));
        cache
    }
}
