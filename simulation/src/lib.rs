//! A Kubernetes cluster in memory: an API server, machines, kubelets and workloads, in virtual or real time.
//!
//! It touches nothing of the world but its own: no network but loopback (and that only where asked), no clock but the one it is
//! given, no chance but its seed.
//!
//! | module | what lives there |
//! | --- | --- |
//! | [`server`] | the API server |
//! | [`chance`] | random numbers that a seed decides |
//! | [`clock`] | wall time that moves with tokio's |
//! | [`faults`] | what goes wrong, and healing |
//! | [`fleet`] | a whole cluster from a description |
//! | [`kubelet`] | Node, Lease and pods of one machine |
//! | [`machine`] | files, packages, boots and services of one machine; the daemon's host over it |
//! | [`node_lifecycle`] | what the control plane does with silent nodes |
//! | [`observer`] | which promises were kept, from the store alone |
//! | [`pace`] | how long everything takes |
//! | [`trace`] | a run as bytes and as a hash |
//! | [`version`] | versions of kubelets and API servers |
//! | [`workload`] | deployments, DaemonSets, scheduler, PodDisruptionBudgets |
//!
//! Each actor has a client of its own, so that faults and the trace know it by name:
//!
//! ```
//! use k8s_openapi::api::core::v1::Node;
//! use kube::api::{Api, PostParams};
//! use simulation::clock::starting_at;
//! use simulation::server::{ApiServer, Instance, Lines, Options};
//!
//! # #[tokio::main(flavor = "current_thread", start_paused = true)]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! let clock = starting_at("2026-11-24T00:00:00Z".parse()?);
//! let server = ApiServer::new(clock, Options { seed: 7, ..Options::default() });
//! let trace = Lines::default();
//! server.set_trace(trace.clone());
//! server.set_instance("10.0.0.1", Instance { version: "v1.34.1".to_owned(), answers: true });
//!
//! let nodes: Api<Node> = Api::all(server.client("controller"));
//! let node = serde_json::from_value(serde_json::json!({ "metadata": { "name": "n1" } }))?;
//! nodes.create(&PostParams::default(), &node).await?;
//!
//! // A checker looks into the store and is no client.
//! assert_eq!(server.observer().list("nodes").len(), 1);
//! // What crossed the door: a request and its answer.
//! assert_eq!(trace.taken().len(), 2);
//! // One API server instance says its own version.
//! let version = server.instance_client("controller", "10.0.0.1").apiserver_version().await?;
//! assert_eq!(version.git_version, "v1.34.1");
//! # Ok(())
//! # }
//! ```

pub mod chance;
pub mod clock;
pub mod faults;
pub mod fleet;
mod follow;
pub mod kubelet;
pub mod machine;
pub mod node_lifecycle;
pub mod observer;
pub mod pace;
pub mod server;
pub mod trace;
pub mod version;
pub mod workload;
