//! The server on which a story is told: the one in memory, in paused time, or a real one.
//!
//! | | in memory | real |
//! | --- | --- | --- |
//! | a cluster | a server of its own | the one of all stories, with everything removed that the last one left |
//! | time | paused: a story may last an hour | real: what would only take time takes a moment |
//! | what is stored | read from the store | as watches tell it |
//! | faults on requests | any | none: `e2e/tests/faults` breaks the real thing |

use std::sync::Arc;
use std::time::Duration;

use api::clock::Clock;
use controller::gate::{AskOwnServer, AskVersion};
use futures::FutureExt as _;
use futures::future::BoxFuture;
use jiff::{SignedDuration, Timestamp};
use kube::Client;
use serde_json::Value;
use simulation::clock::starting_at;
use simulation::server::{ApiServer, Instance, Options};

use crate::real::Stage;

/// The instance of the API server in memory that the controller asks for its version.
const INSTANCE: &str = "198.18.0.1";
/// What would only take time takes so long on a real server.
const A_MOMENT: Duration = Duration::from_millis(100);

/// Where a story is told.
#[derive(Clone)]
pub(crate) enum Place {
    InMemory,
    Real(Arc<Stage>),
}

/// The server of a story's cluster.
#[derive(Clone)]
pub(crate) enum Server {
    InMemory(ApiServer),
    Real(Arc<Stage>),
}

impl Place {
    /// An empty cluster.
    pub(crate) async fn server(&self) -> Server {
        match self {
            Self::InMemory => {
                let start: Timestamp = "2026-11-24T08:00:00Z".parse().unwrap();
                let server = ApiServer::new(starting_at(start), Options::default());
                let version = "v1.34.1".to_owned();
                let answers = true;
                server.set_instance(INSTANCE, Instance { version, answers });
                Server::InMemory(server)
            }
            Self::Real(stage) => {
                stage.clean().await;
                Server::Real(Arc::clone(stage))
            }
        }
    }

    /// So long in memory; nothing on a real server. For what has to be old, or waited for.
    pub(crate) fn age(&self, duration: SignedDuration) -> SignedDuration {
        match self {
            Self::InMemory => duration,
            Self::Real(_) => SignedDuration::ZERO,
        }
    }

    /// So many seconds in memory; one on a real server.
    pub(crate) fn seconds(&self, seconds: u32) -> u32 {
        match self {
            Self::InMemory => seconds,
            Self::Real(_) => 1,
        }
    }
}

impl Server {
    /// The server in memory, for what can be shown on it alone.
    pub(crate) fn in_memory(&self) -> &ApiServer {
        match self {
            Self::InMemory(server) => server,
            Self::Real(_) => panic!("this story is told in memory alone"),
        }
    }

    pub(crate) fn is_real(&self) -> bool {
        matches!(self, Self::Real(_))
    }

    pub(crate) fn clock(&self) -> Clock {
        match self {
            Self::InMemory(server) => server.clock().clone(),
            Self::Real(_) => e2e::machines::clock(),
        }
    }

    /// A client of somebody. On the real server everybody may do everything: rights are the installation's story.
    pub(crate) fn client(&self, actor: &str) -> Client {
        match self {
            Self::InMemory(server) => server.client(actor),
            Self::Real(stage) => stage.admin(),
        }
    }

    /// How a controller asks instances for their version.
    pub(crate) fn asks(&self, identity: &str) -> Arc<dyn AskVersion> {
        match self {
            Self::InMemory(server) => Arc::new(AskInMemory(server.clone())),
            Self::Real(_) => Arc::new(AskOwnServer(self.client(identity))),
        }
    }

    /// An object, if it is there.
    pub(crate) fn get(&self, resource: &str, namespace: &str, name: &str) -> Option<Arc<Value>> {
        match self {
            Self::InMemory(server) => server.observer().get(resource, namespace, name),
            Self::Real(stage) => stage.stored().now().get(resource, namespace, name).cloned(),
        }
    }

    /// All objects of a resource.
    pub(crate) fn list(&self, resource: &str) -> Vec<Arc<Value>> {
        match self {
            Self::InMemory(server) => server.observer().list(resource),
            Self::Real(stage) => stage.stored().now().list(resource).cloned().collect(),
        }
    }

    /// Waits until a Node is so.
    pub(crate) async fn node_until(&self, name: &str, is_so: impl Fn(&Value) -> bool) -> Value {
        let found = |server: &Self| {
            let node = server.get("nodes", "", name);
            node.filter(|node| is_so(node)).map(|node| (*node).clone())
        };
        match self {
            Self::InMemory(server) => {
                let mut changes = server.observer().subscribe(&["nodes"]);
                loop {
                    if let Some(node) = found(self) {
                        return node;
                    }
                    changes.next().await.unwrap();
                }
            }
            Self::Real(stage) => {
                let mut changes = stage.stored().changes();
                loop {
                    if let Some(node) = found(self) {
                        return node;
                    }
                    changes.changed().await.unwrap();
                }
            }
        }
    }

    /// Takes so long in memory, and a moment on a real server.
    pub(crate) async fn takes(&self, duration: Duration) {
        match self {
            Self::InMemory(_) => tokio::time::sleep(duration).await,
            Self::Real(_) => tokio::time::sleep(duration.min(A_MOMENT)).await,
        }
    }
}

/// Asks the instances of the server in memory.
struct AskInMemory(ApiServer);

impl AskVersion for AskInMemory {
    fn ask<'a>(&'a self, instance: &'a str) -> BoxFuture<'a, Result<String, String>> {
        let address = instance.rsplit_once(':').map_or(instance, |(host, _)| host);
        let client = self.0.instance_client("controller", address);
        let version = async move {
            let info = client.apiserver_version().await;
            info.map(|info| info.git_version)
                .map_err(|error| error.to_string())
        };
        version.boxed()
    }
}
