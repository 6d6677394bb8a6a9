//! What a rollout costs on a real API server: time, requests, memory and processor.
//!
//! # How it is measured
//! The controller is the real binary as a process of its own, with the rights and the token that ship; the daemons are the real
//! ones over simulated machines, each with a token of its own, and kubelets are simulated: they renew their Lease every ten
//! seconds and report their status as real ones do, boot at once, and end a pod in the time that the scenario chooses.
//!
//! The fleet is settled on an approved first config. The clock starts when the changed MachineConfig is sent. It ends when the
//! last node is Done with it, Ready and schedulable, and its slot is back, as a watch shows it. Requests are counted from the
//! API server's audit log, by who was asked in that time ([`requests`]).
//!
//! # Assumes
//! Nothing else that is heavy runs on the machine: API server, etcd, controller and the whole fleet share its processors.
//! etcd does not wait for the disk.
//!
//! # Not here
//! Whether promises hold: the tests and the swarm.

mod fleet;
mod memory;
mod observer;
pub mod report;
pub mod requests;
mod rollout;
mod stage;
pub mod updates;

use std::path::PathBuf;
use std::time::Duration;

use serde::Serialize;

pub use memory::memory;
pub use rollout::rollout;

use requests::Requests;

/// One rollout that is measured.
#[derive(Clone, Debug)]
pub struct Scenario {
    /// What it is called.
    pub name: &'static str,
    /// How many nodes.
    pub nodes: usize,
    /// The pool's maxUnavailable.
    pub max_unavailable: usize,
    /// How many pods each node has that must leave it.
    pub pods_per_node: usize,
    /// How long each of them takes to end.
    pub pod_end: Duration,
    /// With a canary and the quiet period that hold where nobody says otherwise.
    pub defaults: bool,
}

/// The scenarios that run by default.
pub const SCENARIOS: [Scenario; 5] = [
    Scenario {
        name: "small",
        nodes: 3,
        max_unavailable: 1,
        pods_per_node: 0,
        pod_end: Duration::ZERO,
        defaults: false,
    },
    Scenario {
        name: "pods",
        nodes: 20,
        max_unavailable: 10,
        pods_per_node: 30,
        pod_end: Duration::from_secs(30),
        defaults: false,
    },
    Scenario {
        name: "large",
        nodes: 300,
        max_unavailable: 30,
        pods_per_node: 0,
        pod_end: Duration::ZERO,
        defaults: false,
    },
    Scenario {
        name: "small-defaults",
        nodes: 3,
        max_unavailable: 1,
        pods_per_node: 0,
        pod_end: Duration::ZERO,
        defaults: true,
    },
    Scenario {
        name: "large-defaults",
        nodes: 300,
        max_unavailable: 30,
        pods_per_node: 0,
        pod_end: Duration::ZERO,
        defaults: true,
    },
];

/// The scenario that measures the controller's memory; it takes minutes to set, and does not run by default.
pub const MEMORY: Scenario = Scenario {
    name: "memory",
    nodes: 5000,
    max_unavailable: 1,
    pods_per_node: 30,
    pod_end: Duration::ZERO,
    defaults: false,
};

impl Scenario {
    /// What the rollout would take if only the pods took time.
    pub fn ideal(&self) -> Duration {
        let waves = self.nodes.div_ceil(self.max_unavailable);
        self.pod_end * u32::try_from(waves).unwrap_or(u32::MAX)
    }
}

/// Where things are.
#[derive(Clone, Debug)]
pub struct Tools {
    /// The binary `windlass`.
    pub windlass: PathBuf,
    /// What the controller logs, as its `--log` takes it.
    pub log: String,
    /// Where its log is copied to at the end; none if nowhere.
    pub keep_log: Option<PathBuf>,
}

/// What was measured.
#[derive(Clone, Debug, Serialize)]
pub struct Figures {
    /// The scenario.
    pub scenario: &'static str,
    /// How many nodes.
    pub nodes: usize,
    /// The pool's maxUnavailable.
    pub max_unavailable: usize,
    /// How many pods on each of them.
    pub pods_per_node: usize,
    /// From the change to the last node's slot. None where nothing was rolled out.
    pub total_seconds: Option<f64>,
    /// What it would take if only the pods took time.
    pub ideal_seconds: Option<f64>,
    /// From the change to the first node that is given the new config.
    pub first_target_seconds: Option<f64>,
    /// Requests of the controller for each node, all but watches, the lists that start one, and renewals of its lease.
    pub controller_requests_per_node: Option<f64>,
    /// Pods that were evicted from each node.
    pub evicted_pods_per_node: Option<f64>,
    /// Requests of each daemon, counted the same way.
    pub daemon_requests_per_node: Option<f64>,
    /// The controller's memory in use at the end, in MiB.
    pub controller_rss_mib: f64,
    /// The most that it ever had in use, in MiB.
    pub controller_rss_peak_mib: f64,
    /// Processor time of the controller, all threads together.
    pub controller_cpu_seconds: f64,
    /// The time for which each slot was held, less what its pods took to end.
    pub visit_waiting_seconds: Option<Spread>,
    /// The controller's requests by verb and resource, in all.
    pub controller_requests: Requests,
    /// The daemons' requests by verb and resource, in all.
    pub daemon_requests: Requests,
}

/// How values lie.
#[derive(Clone, Copy, Debug, Serialize)]
pub struct Spread {
    /// The one in the middle.
    pub median: f64,
    /// The average.
    pub mean: f64,
    /// The largest.
    pub max: f64,
}

impl Spread {
    /// Of these values; none where there are none.
    pub fn of(mut values: Vec<f64>) -> Option<Self> {
        values.sort_by(f64::total_cmp);
        let (max, median) = (*values.last()?, *values.get(values.len() / 2)?);
        let count = u32::try_from(values.len()).ok()?;
        Some(Self {
            median,
            mean: values.iter().sum::<f64>() / f64::from(count),
            max,
        })
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "counts of a bench are far below 2^52"
)]
fn per_node(count: usize, nodes: usize) -> f64 {
    count as f64 / nodes as f64
}

#[expect(
    clippy::cast_precision_loss,
    reason = "memory in KiB is far below 2^52"
)]
fn mib(kib: Option<u64>) -> f64 {
    kib.unwrap_or_default() as f64 / 1024.0
}
