//! A kubelet that waits for every API server instance.
//!
//! Both instances are real: they register themselves in EndpointSlice `default/kubernetes`, and each is asked over TLS under the
//! name of the service. One of them serves an older version, and is upgraded: its process ends, and that of another program takes
//! its place. (The older program is the same API server with an older version stamped into it.)

use std::collections::BTreeMap;
use std::sync::Arc;

use api::names::{config, install, node};
use controller::gate::{AskOverNetwork, AskVersion};
use e2e::control_plane::ControlPlane;
use futures::future::BoxFuture;
use serde_json::json;

use crate::fleet::{is_settled, note};
use crate::record::World;
use crate::stage::{BEHIND, KUBELET, LONG, Stage};

/// What the instance serves until it is upgraded: a minor version that these kubelets already have.
const OLD: &str = "v1.35.9";
/// The kubelet that the new config needs: what both instances really serve.
const NEW: &str = "1.36.3";

/// Asks each instance where it listens instead of where it says, because loopback is refused in an EndpointSlice.
struct WhereTheyListen {
    network: AskOverNetwork,
    listens: BTreeMap<String, String>,
}

impl WhereTheyListen {
    async fn of(cluster: &ControlPlane) -> Self {
        let token = cluster.token_of(install::NAMESPACE, install::CONTROLLER, None);
        let credential = token.await.unwrap();
        let network = cluster
            .config_at(&cluster.url(0), &credential)
            .await
            .unwrap();
        let listens = (0..cluster.api_servers()).map(|instance| {
            let (address, port) = cluster.listens_at(instance);
            (
                cluster.advertised_as(instance).to_string(),
                format!("{address}:{port}"),
            )
        });
        Self {
            network: AskOverNetwork::new(network),
            listens: listens.collect(),
        }
    }
}

impl AskVersion for WhereTheyListen {
    fn ask<'a>(&'a self, instance: &'a str) -> BoxFuture<'a, Result<String, String>> {
        let host = instance.rsplit_once(':').map_or(instance, |(host, _)| host);
        self.network.ask(&self.listens[host])
    }
}

/// The rest of the config goes ahead; the kubelet follows when the last instance serves its version.
pub(crate) async fn a_kubelet_waits_until_both_api_servers_serve_its_version(stage: &mut Stage) {
    let policy = json!({"apiVersion": "windlass.dev/v1alpha1", "kind": "RolloutPolicy", "metadata": {"name": "soon"},
        "spec": {"poolSelector": {}, "kubeletGate": {"steadySeconds": 1}}});
    stage
        .post("/apis/windlass.dev/v1alpha1/rolloutpolicies", policy)
        .await;
    let cluster = &mut stage.installed.cluster;
    cluster.change_version(BEHIND, Some(OLD)).await.unwrap();
    let late = cluster.advertised_as(BEHIND).to_string();
    let ask = Arc::new(WhereTheyListen::of(cluster).await);
    let controller = stage.controller_asking("controller-0", Some(ask)).await;

    let change = stage.needs_kubelet(NEW).await;
    let withheld = |world: &World| {
        stage.nodes.iter().all(|name| {
            let current = note(world.node(name), node::CURRENT_CONFIG);
            is_settled(world.node(name), current) && withholds(world, current)
        })
    };
    stage
        .record
        .until("all have the rest of it", withheld)
        .await;
    tokio::time::sleep(LONG).await;
    let world = stage.record.now();
    assert!(withheld(&world), "one instance is behind");
    for name in stage.nodes {
        assert_eq!(kubelet(&world, name), format!("v{KUBELET}"));
        let told = world.get("machineconfignodes", name)["status"]["conditions"].to_string();
        assert!(told.contains(&late) && told.contains("1.35.9"), "{told}");
    }

    let cluster = &mut stage.installed.cluster;
    cluster.change_version(BEHIND, None).await.unwrap();
    let world = stage.over(&change).await;

    for name in stage.nodes {
        assert_eq!(kubelet(&world, name), format!("v{NEW}"));
    }
    stage.record.no_promise_is_broken().await;
    controller.stop().await;
}

fn kubelet<'a>(world: &'a World, name: &str) -> &'a str {
    let version = &world.node(name)["status"]["nodeInfo"]["kubeletVersion"];
    version.as_str().unwrap_or_default()
}

fn withholds(world: &World, rendered: &str) -> bool {
    !note(world.get("machineconfigs", rendered), config::WITHHOLDS).is_empty()
}
