//! A simulated kubelet: keeps its Node and its Lease, and runs the pods that are bound to it.
//!
//! # Guarantees
//! * Its Node reports what the machine is: boot id, kubelet version, and Ready only some time after a start.
//! * A kubelet that its configuration kills says nothing: the old Ready stands until
//!   [`crate::node_lifecycle`] calls the node's state unknown.
//! * Containers outlive the kubelet's process and die with the boot; a deleted pod goes when its containers have
//!   ended, and its static pods are always there.
//! # Assumptions
//! It is run as a service of [`crate::machine`]: dropping the future is its death.

mod config;
mod fields;
mod node;
mod pods;

pub use config::{Refusal, Verdict, judge};
pub(crate) use node::{LEASE_NAMESPACE, ready_condition};
pub(crate) use pods::{MIRROR, STOP_SECONDS, is_ready, phase};

use crate::follow::Follow;
use crate::machine::{Machine, Process};
use crate::version::Version;
use api::clock::Clock;
use k8s_openapi::api::core::v1::{Node, Pod};
use kube::{Api, Client};
use node::Heartbeat;
use pods::{Containers, Pods};
use std::sync::Arc;
use std::time::Duration;
use tokio::time::Instant;

/// How long a request that failed rests before it is tried again.
const RETRY_DELAY: Duration = Duration::from_secs(1);

/// The service manager's view of one kubelet: starts it, and starts it again.
pub async fn run(machine: Arc<Machine>, client: Client, clock: Clock) {
    let mut containers = Containers::default();
    let mut orders = machine.kubelet_channel().subscribe();
    loop {
        let order = orders.borrow_and_update().ordered;
        tokio::time::sleep(machine.pace().kubelet_start).await;
        let version = machine.kubelet_version();
        match machine
            .may_start_kubelet()
            .map_or_else(Verdict::Dead, |()| judge(machine.files(), version))
        {
            Verdict::Dead(refusal) => {
                machine.answer(order, Process::Exited(refusal.to_string()));
                let retry = tokio::time::sleep(machine.pace().kubelet_retry);
                tokio::select! {
                    biased;
                    _ = orders.wait_for(|kubelet| kubelet.ordered > order) => {}
                    () = retry => {}
                }
            }
            Verdict::Ready | Verdict::NotReady(_) => {
                machine.answer(order, Process::Running);
                let process =
                    Kubelet::start(&machine, &client, &clock, version).serve(&mut containers);
                tokio::select! {
                    biased;
                    _ = orders.wait_for(|kubelet| kubelet.ordered > order) => {}
                    () = process => {}
                }
            }
        }
    }
}

/// One process of the kubelet.
struct Kubelet {
    machine: Arc<Machine>,
    heartbeat: Heartbeat,
    node: Follow<Node>,
    pods: Pods,
    version: Version,
    /// Whether the container runtime serves this kubelet, and in which words it does not.
    runtime: Result<(), String>,
    /// When the runtime has answered for the first time.
    runtime_asked_at: Instant,
    retry_at: Option<Instant>,
}

impl Kubelet {
    fn start(machine: &Arc<Machine>, client: &Client, clock: &Clock, version: Version) -> Self {
        let name = machine.name();
        Self {
            machine: Arc::clone(machine),
            heartbeat: Heartbeat::new(machine, client, clock, version),
            node: Follow::new(Api::all(client.clone()), &format!("metadata.name={name}")),
            pods: Pods::new(
                machine,
                client,
                clock,
                Follow::<Pod>::new(Api::all(client.clone()), &format!("spec.nodeName={name}")),
            ),
            version,
            runtime: runtime_serves(machine, version),
            runtime_asked_at: Instant::now() + machine.pace().kubelet_ready,
            retry_at: None,
        }
    }

    async fn serve(mut self, containers: &mut Containers) {
        let mut runtime = self.machine.runtime_channel().subscribe();
        loop {
            let now = Instant::now();
            let mut wake = self.retry_at.unwrap_or(now);
            if wake <= now {
                self.retry_at = None;
                match self.act(containers, now).await {
                    Ok(next) => wake = next,
                    Err(error) => {
                        tracing::debug!(node = self.machine.name(), error = %error, "a request of a kubelet failed");
                        wake = Instant::now() + RETRY_DELAY;
                        self.retry_at = Some(wake);
                    }
                }
            }
            tokio::select! {
                biased;
                () = self.node.change() => {}
                () = self.pods.follow.change() => {}
                _ = runtime.changed() => self.runtime = runtime_serves(&self.machine, self.version),
                () = tokio::time::sleep_until(wake) => {}
            }
            self.node.catch_up();
            self.pods.follow.catch_up();
        }
    }

    /// Does all that is due, and says when the next thing is.
    async fn act(&mut self, containers: &mut Containers, now: Instant) -> kube::Result<Instant> {
        let ready = self.readiness(now);
        let beat_at = self.heartbeat.beat(&mut self.node, &ready, now).await?;
        let pods_at = self.pods.act(containers, ready.is_ok(), now).await?;
        let asked_at = (self.runtime_asked_at > now).then_some(self.runtime_asked_at);
        Ok([Some(beat_at), pods_at, asked_at]
            .into_iter()
            .flatten()
            .min()
            .unwrap_or(beat_at))
    }

    /// Whether the node is ready, and in which words it is not.
    fn readiness(&self, now: Instant) -> Result<(), String> {
        if now < self.runtime_asked_at {
            return Err("container runtime status check may not have completed yet".to_owned());
        }
        self.runtime.clone()
    }
}

/// Asks the container runtime; a kubelet does so at its start and whenever the runtime has been restarted.
fn runtime_serves(machine: &Machine, version: Version) -> Result<(), String> {
    match judge(machine.files(), version) {
        // Its own files are read at its start and never again.
        Verdict::Ready | Verdict::Dead(_) => Ok(()),
        Verdict::NotReady(refusal) => Err(refusal.to_string()),
    }
}

impl Machine {
    /// Notes what became of the start that `order` asked for.
    fn answer(&self, order: u64, process: Process) {
        self.kubelet_channel().send_modify(|kubelet| {
            kubelet.answered = order;
            kubelet.process = process;
        });
    }
}
