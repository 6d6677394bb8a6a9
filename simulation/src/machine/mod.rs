//! A simulated machine: its files, packages, kernel and image, its power, and the services that run on it.
//!
//! # Guarantees
//! What the machine has on its disk outlives boots and power cuts; what runs on it does not: at the loss of power
//! every service is dropped where it stands, and the next boot starts it anew under a new boot id.
//! # Not here
//! What the services do: the kubelet is in [`crate::kubelet`], the daemon is the real one over [`SimHost`].

mod files;
mod host;
mod power;
mod vendor;

pub use files::FileTree;
pub use host::SimHost;
pub use power::{Services, run};

pub(crate) use files::lock;

use crate::chance::Chance;
use crate::kubelet::Refusal;
use crate::pace::Pace;
use crate::version::Version;
use daemon::host::{System, UnitState, User};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};
use tokio::sync::watch;

/// The package that the kubelet of a package-mode machine comes in.
pub const KUBELET_PACKAGE: &str = "kubelet";

/// How the machine's operating system is kept.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OsMode {
    /// The kubelet is a package of the machine.
    Package,
    /// The kubelet is part of the image.
    Image,
}

/// What a machine is made of before its first boot.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MachineSpec {
    /// Its name, which is its Node's name.
    pub name: String,
    /// `ID` of os-release.
    pub os_id: String,
    /// `VERSION_ID` of os-release.
    pub os_version: String,
    /// How its operating system is kept.
    pub mode: OsMode,
    /// The kubelet that it starts with.
    pub kubelet: Version,
    /// Its own API packages, by name.
    pub api_packages: BTreeMap<String, String>,
    /// The image that it was made from; only machines in image mode have one.
    pub image: Option<String>,
    /// Which kubelet each image carries; an image that is not named carries [`MachineSpec::kubelet`].
    pub image_kubelets: BTreeMap<String, Version>,
    /// Labels that its kubelet registers its Node with.
    pub node_labels: BTreeMap<String, String>,
    /// Its address in the cluster's network.
    pub address: String,
    /// Pods that its kubelet runs from files, as control planes have them.
    pub static_pods: Vec<StaticPod>,
}

/// A pod that a kubelet runs from a file of its machine.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StaticPod {
    /// Its name without the node's.
    pub name: String,
    /// What it runs.
    pub image: String,
}

/// One machine. Shared between its services, the fleet and the faults.
#[derive(Debug)]
pub struct Machine {
    name: String,
    spec: MachineSpec,
    pace: Pace,
    files: FileTree,
    boots: Chance,
    state: Mutex<State>,
    power: watch::Sender<Power>,
    kubelet: watch::Sender<Kubelet>,
    facts: watch::Sender<u64>,
    runtime: watch::Sender<u64>,
    daemon_kills: watch::Sender<u64>,
}

/// Whether the machine runs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Power {
    /// It runs.
    On,
    /// It was told to reboot, or its power was cut; it will boot by itself.
    Leaving,
    /// It is between two boots.
    Booting,
}

/// The kubelet's process as the service manager sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Kubelet {
    /// Raised by each order to restart.
    pub ordered: u64,
    /// The order that `process` answers.
    pub answered: u64,
    /// What it does.
    pub process: Process,
}

/// State of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Process {
    /// Not started in this boot, or on its way.
    Starting,
    /// It runs.
    Running,
    /// It has exited, with these last words.
    Exited(String),
}

/// Where the power goes, relative to a changing operation of the daemon.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Cut {
    /// The operation has no effect.
    Before,
    /// The operation takes effect and nobody learns of it.
    After,
}

/// What the disk and the running boot hold.
#[derive(Debug)]
struct State {
    packages: BTreeMap<String, String>,
    /// A package transaction that has begun and not ended.
    transaction: Option<String>,
    units: BTreeMap<String, UnitState>,
    users: BTreeMap<String, User>,
    running: System,
    next: System,
    boot_number: u64,
    boot_id: String,
    /// Further boots that will end before any service starts.
    failing_boots: u32,
    /// Countdown of changing operations to a power cut.
    cut: Option<(u64, Cut)>,
    /// Orders to services, in order; the newest [`SERVICE_LOG_MAX`].
    service_log: Vec<String>,
}

/// How many orders to services a machine remembers: enough for any test, and a bound.
const SERVICE_LOG_MAX: usize = 256;

impl Machine {
    /// A machine that has not booted yet, its disk filled as its makers leave it.
    ///
    /// # Errors
    /// The directory behind `files` cannot be written.
    pub fn new(
        spec: MachineSpec,
        files: FileTree,
        pace: Pace,
        chance: &Chance,
    ) -> std::io::Result<Self> {
        let chance = chance.branch("machine").branch(&spec.name);
        vendor::fill(&files, &spec, &chance)?;
        let system = System {
            image: spec.image.clone(),
            kernel_type: None,
            extensions: Vec::new(),
            kernel_arguments: ["root=/dev/vda4", "rw"].map(str::to_owned).to_vec(),
        };
        let mut packages = spec.api_packages.clone();
        if spec.mode == OsMode::Package {
            packages.insert(KUBELET_PACKAGE.to_owned(), spec.kubelet.to_string());
        }
        let state = State {
            packages,
            transaction: None,
            units: vendor::units()
                .map(|unit| (unit.to_owned(), UnitState::Enabled))
                .collect(),
            users: vendor::users(),
            running: system.clone(),
            next: system,
            boot_number: 0,
            boot_id: String::new(),
            failing_boots: 0,
            cut: None,
            service_log: Vec::new(),
        };
        Ok(Self {
            name: spec.name.clone(),
            spec,
            pace,
            files,
            boots: chance.branch("boot"),
            state: Mutex::new(state),
            power: watch::Sender::new(Power::Booting),
            kubelet: watch::Sender::new(Kubelet {
                ordered: 0,
                answered: 0,
                process: Process::Starting,
            }),
            facts: watch::Sender::new(0),
            runtime: watch::Sender::new(0),
            daemon_kills: watch::Sender::new(0),
        })
    }

    /// Its name, which is its Node's name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its files.
    pub const fn files(&self) -> &FileTree {
        &self.files
    }

    /// How its operating system is kept.
    pub const fn mode(&self) -> OsMode {
        self.spec.mode
    }

    /// What it was made of.
    pub const fn spec(&self) -> &MachineSpec {
        &self.spec
    }

    /// The durations that hold for it.
    pub const fn pace(&self) -> &Pace {
        &self.pace
    }

    /// Its address in the cluster's network.
    pub fn address(&self) -> &str {
        &self.spec.address
    }

    /// The identity of the running boot; empty before the first.
    pub fn boot_id(&self) -> String {
        self.state().boot_id.clone()
    }

    /// The kernel arguments of the running boot.
    pub fn kernel_arguments(&self) -> Vec<String> {
        self.state().running.kernel_arguments.clone()
    }

    /// How often it has booted.
    pub fn boots(&self) -> u64 {
        self.state().boot_number
    }

    /// The kubelet that a start would run now.
    pub fn kubelet_version(&self) -> Version {
        let state = self.state();
        let installed = match self.spec.mode {
            OsMode::Package => state
                .packages
                .get(KUBELET_PACKAGE)
                .and_then(|text| Version::parse(text)),
            OsMode::Image => state
                .running
                .image
                .as_ref()
                .and_then(|image| self.spec.image_kubelets.get(image).copied()),
        };
        installed.unwrap_or(self.spec.kubelet)
    }

    /// Installs version `version` of package `name`, as an administrator does; the daemon hears of it.
    pub fn install_package(&self, name: &str, version: &str) {
        self.state()
            .packages
            .insert(name.to_owned(), version.to_owned());
        self.facts.send_modify(|count| *count += 1);
    }

    /// Lets the power go now: all services are dropped where they stand, then the machine boots.
    pub fn cut_power(&self) {
        self.leave();
    }

    /// Lets the power go at the `operation`-th change that the daemon makes from now, counted from 0.
    pub fn cut_power_at(&self, operation: u64, cut: Cut) {
        self.state().cut = Some((operation, cut));
    }

    /// Lets the next `count` boots fail; each costs the time of a boot.
    pub fn fail_boots(&self, count: u32) {
        self.state().failing_boots = count;
    }

    /// Kills the daemon's process; the service manager starts it again.
    pub fn kill_daemon(&self) {
        self.daemon_kills.send_modify(|count| *count += 1);
    }

    /// Takes back what faults have prepared and not yet done.
    pub fn heal(&self) {
        let mut state = self.state();
        state.cut = None;
        state.failing_boots = 0;
    }

    /// Orders to services since the machine was made, such as `restart chronyd.service`.
    pub fn service_log(&self) -> Vec<String> {
        self.state().service_log.clone()
    }

    /// The kubelet's process.
    pub fn kubelet_process(&self) -> Process {
        self.kubelet.borrow().process.clone()
    }

    /// Whether the machine runs.
    pub fn power(&self) -> Power {
        *self.power.borrow()
    }

    /// Whether the service manager would start the kubelet.
    pub(crate) fn may_start_kubelet(&self) -> Result<(), Refusal> {
        match self.state().units.get("kubelet.service") {
            Some(UnitState::Enabled) => Ok(()),
            Some(state) => Err(Refusal::NotStarted {
                state: state.word(),
            }),
            None => Err(Refusal::NotStarted {
                state: "not installed",
            }),
        }
    }

    pub(crate) fn kubelet_channel(&self) -> &watch::Sender<Kubelet> {
        &self.kubelet
    }

    pub(crate) fn runtime_channel(&self) -> &watch::Sender<u64> {
        &self.runtime
    }

    fn state(&self) -> MutexGuard<'_, State> {
        lock(&self.state)
    }

    /// Begins to leave the running boot; nothing where it is being left already.
    fn leave(&self) {
        self.power.send_if_modified(|power| {
            let running = *power == Power::On;
            if running {
                *power = Power::Leaving;
            }
            running
        });
    }
}

impl State {
    fn note(&mut self, order: String) {
        self.service_log.push(order);
        let surplus = self.service_log.len().saturating_sub(SERVICE_LOG_MAX);
        self.service_log.drain(..surplus);
    }
}
