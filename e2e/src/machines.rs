//! Simulated machines on a real API server: the simulated kubelet and the real daemon, each with a client of its own.
//!
//! # Not here
//! Who may do what: the clients are handed in.

use std::collections::BTreeMap;
use std::io;
use std::sync::Arc;

use api::clock::Clock;
use futures::FutureExt as _;
use kube::Client;
use simulation::chance::Chance;
use simulation::machine::{FileTree, Machine, MachineSpec, OsMode, Services, SimHost};
use simulation::pace::Pace;
use simulation::version::Version;

/// The kubelets are of the API server's own version, so that no gate is shut.
const KUBELET: Version = Version {
    major: 1,
    minor: 36,
    patch: 3,
};

/// The machine's clock: whatever runs on a real control plane lives in real time.
pub fn clock() -> Clock {
    #[expect(
        clippy::disallowed_methods,
        reason = "a real control plane lives in real time"
    )]
    Clock::new(jiff::Timestamp::now)
}

/// A worker whose kubelet is a package.
pub fn spec(name: &str) -> MachineSpec {
    MachineSpec {
        name: name.to_owned(),
        os_id: "debian".to_owned(),
        os_version: "12".to_owned(),
        mode: OsMode::Package,
        kubelet: KUBELET,
        api_packages: BTreeMap::new(),
        image: None,
        image_kubelets: BTreeMap::new(),
        node_labels: BTreeMap::new(),
        address: "10.0.0.1".to_owned(),
        static_pods: Vec::new(),
    }
}

/// A machine with its disk in memory.
pub fn made(spec: MachineSpec, pace: Pace) -> io::Result<Arc<Machine>> {
    let chance = Chance::from_seed(1);
    Machine::new(spec, FileTree::in_memory(), pace, &chance).map(Arc::new)
}

/// Its services: a kubelet and a daemon that speak through these clients. A daemon that ends by itself is told of; the
/// service manager starts it again.
pub fn services(
    machine: &Arc<Machine>,
    kubelet: Client,
    daemon: Client,
    clock: &Clock,
    ended: fn(String),
) -> Services {
    let (kubelet_machine, daemon_machine) = (Arc::clone(machine), Arc::clone(machine));
    let (kubelet_clock, daemon_clock) = (clock.clone(), clock.clone());
    Services {
        kubelet: Box::new(move || {
            let machine = Arc::clone(&kubelet_machine);
            simulation::kubelet::run(machine, kubelet.clone(), kubelet_clock.clone()).boxed()
        }),
        daemon: Box::new(move || {
            let machine = Arc::clone(&daemon_machine);
            let run = daemon::shell::run(
                daemon.clone(),
                machine.name().to_owned(),
                SimHost::new(machine),
                daemon_clock.clone(),
                daemon::shell::Config::default(),
                std::future::pending(),
            );
            run.map(move |how| ended(format!("{how:?}"))).boxed()
        }),
    }
}
