//! Simulated machines whose daemons are the real ones, with the tokens that daemons have; and the real controller with its own.

use std::collections::BTreeMap;
use std::sync::Arc;

use api::names::{install, node, ours};
use controller::gate::AskOwnServer;
use controller::metrics::Metrics;
use controller::{Config, Parts};
use e2e::control_plane::certificates::Identity;
use e2e::machines::{self, clock};
use serde_json::Value;
use simulation::machine::{self, Machine, MachineSpec};
use simulation::pace::Pace;
use tokio::task::{JoinHandle, JoinSet};

use crate::support::{Ask, Installed, MACHINE, until};

/// What runs beside the control plane. Dropping it ends all of it.
pub(crate) struct Fleet {
    machines: JoinSet<()>,
    controller: Option<JoinHandle<()>>,
}

impl Fleet {
    /// Machines with these names, whose Nodes are there; they are Ready when this returns.
    pub(crate) async fn start(installed: &Installed, names: &[&str]) -> Self {
        Self::start_at(installed, names, &Pace::demo(), machines::spec)
            .await
            .0
    }

    /// Machines so fast, and made so; and the machines themselves, by name.
    pub(crate) async fn start_at(
        installed: &Installed,
        names: &[&str],
        pace: &Pace,
        spec: impl Fn(&str) -> MachineSpec,
    ) -> (Self, BTreeMap<String, Arc<Machine>>) {
        let mut machines = JoinSet::new();
        let mut all = BTreeMap::new();
        for name in names {
            let kubelet = installed
                .cluster
                .certificate_of(&Identity::kubelet(name))
                .unwrap();
            let kubelet = installed.caller(&kubelet).await.0;
            let daemon = installed.daemon(name).await.0;
            let machine = machines::made(spec(name), pace.clone()).unwrap();
            all.insert((*name).to_owned(), Arc::clone(&machine));
            let ended = |how| panic!("the daemon ended: {how}");
            let services = machines::services(&machine, kubelet, daemon, &clock(), ended);
            machines.spawn(machine::run(machine, services));
        }
        let fleet = Self {
            machines,
            controller: None,
        };
        for name in names {
            until(&format!("{name} is Ready"), async || {
                is_ready(&look(installed, name).await)
            })
            .await;
        }
        (fleet, all)
    }

    /// Starts the controller, with the settings that ship and its own token.
    pub(crate) async fn start_controller(&mut self, installed: &Installed) {
        let token = installed
            .cluster
            .token_of(install::NAMESPACE, install::CONTROLLER, None);
        let client = installed.caller(&token.await.unwrap()).await.0;
        let mut config = Config {
            identity: "controller-0".to_owned(),
            namespace: install::NAMESPACE.to_owned(),
            ..Config::default()
        };
        // The addresses in the EndpointSlice are for documentation here: nobody answers there.
        config.instances.balancer_counts = true;
        let parts = Parts {
            ask: Arc::new(AskOwnServer(client.clone())),
            client,
            config,
            clock: clock(),
            metrics: Arc::new(Metrics::default()),
        };
        self.controller = Some(tokio::spawn(async move {
            if let Err(error) = controller::run(parts, std::future::pending()).await {
                panic!("the controller ended: {}", controller::error::Chain(&error));
            }
        }));
        let lease = format!(
            "/apis/coordination.k8s.io/v1/namespaces/{}/leases/{}",
            install::NAMESPACE,
            install::CONTROLLER
        );
        until("the controller leads", async || {
            let lease = installed.admin().ask(Ask::get(&lease)).await;
            lease.is_ok_and(|lease| lease["spec"]["holderIdentity"] == "controller-0")
        })
        .await;
    }

    /// Ends the controller wherever it is, and all machines.
    pub(crate) async fn end(mut self) {
        if let Some(controller) = self.controller.take() {
            controller.abort();
            assert!(
                controller.await.is_err_and(|error| error.is_cancelled()),
                "it ran until now"
            );
        }
        self.machines.shutdown().await;
    }
}

impl Drop for Fleet {
    fn drop(&mut self) {
        if let Some(controller) = self.controller.take() {
            controller.abort();
        }
    }
}

/// The Node.
pub(crate) async fn look(installed: &Installed, name: &str) -> Value {
    let path = format!("/api/v1/nodes/{name}");
    installed.admin().may("a look", Ask::get(&path)).await
}

/// An annotation of a Node; empty where there is none.
pub(crate) fn note<'a>(node: &'a Value, key: &str) -> &'a str {
    node["metadata"]["annotations"][key]
        .as_str()
        .unwrap_or_default()
}

pub(crate) fn is_ready(node: &Value) -> bool {
    let conditions = node["status"]["conditions"].as_array();
    conditions
        .into_iter()
        .flatten()
        .any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
}

/// The node has this config, says so, and is back in service.
pub(crate) fn is_settled(seen: &Value, config: &str) -> bool {
    note(seen, node::CURRENT_CONFIG) == config
        && note(seen, node::STATE) == "Done"
        && is_ready(seen)
        && seen["spec"]["unschedulable"].is_null()
        && note(seen, ours::CORDONED).is_empty()
}

/// The rendered config that a pool has as its target; none yet, or none other than `before`.
pub(crate) async fn target(installed: &Installed, pool: &str, before: Option<&str>) -> String {
    let path = format!("{MACHINE}/machineconfigpools/{pool}");
    let read = async || {
        let pool = installed.admin().may("a look", Ask::get(&path)).await;
        let name = pool["spec"]["configuration"]["name"]
            .as_str()
            .unwrap_or_default();
        (!name.is_empty() && Some(name) != before).then(|| name.to_owned())
    };
    until("the pool has its target", async || read().await.is_some()).await;
    read().await.unwrap()
}
