//! A whole simulated cluster, from a description: objects, machines, kubelets, daemons, the control plane's controllers,
//! Windlass's own controller, faults and the observer.
//!
//! # Guarantees
//! Everything runs on the runtime that [`Fleet::start`] is called in, and ends when the fleet is dropped. In tokio's paused
//! time, on one thread, one seed gives one run.
//! # Not here
//! What people do to it: they have a client ([`Fleet::client`]) like everybody else.

pub mod description;
mod objects;
mod programs;

pub use description::{Description, DescriptionError};
pub use programs::Programs;

use crate::chance::Chance;
use crate::faults::{Faults, breaker};
use crate::machine::{self, FileTree, Machine, MachineSpec, Services, lock};
use crate::node_lifecycle;
use crate::observer::{self, Observer, Summary};
use crate::pace::Pace;
use crate::server::{ApiServer, Entry, Instance, Options, TraceSink};
use crate::trace::Trace;
use crate::workload::Workloads;
use api::clock::Clock;
use kube::Client;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use tokio::task::JoinSet;

/// What a fleet is started with.
pub struct Setup {
    /// What there is.
    pub description: Description,
    /// Decides all that chance decides.
    pub seed: u64,
    /// How long things take.
    pub pace: Pace,
    /// The clock of everything; wall time that moves with tokio's.
    pub clock: Clock,
    /// What goes wrong.
    pub faults: Arc<Faults>,
    /// Takes all that crosses the API server's door.
    pub trace: Option<Arc<Trace>>,
    /// Each machine gets a real directory below this one; none: all files are in memory.
    pub directory: Option<PathBuf>,
    /// How Windlass's own programs are set up.
    pub programs: Programs,
}

/// A running cluster. Dropping it ends everything in it.
pub struct Fleet {
    server: ApiServer,
    pace: Pace,
    machines: BTreeMap<String, Arc<Machine>>,
    observer: Arc<Mutex<Observer>>,
    faults: Arc<Faults>,
    controllers: programs::Controllers,
    tasks: JoinSet<()>,
}

/// A fleet that did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// The description is wrong.
    #[error("the fleet cannot be started as it is described")]
    Description(#[from] DescriptionError),
    /// A machine's directory cannot be made.
    #[error("the files of machine `{machine}` cannot be written: is the directory writable?")]
    Files {
        /// The machine.
        machine: String,
        /// What the file system said.
        #[source]
        source: std::io::Error,
    },
    /// The API server refused an object of the description.
    #[error("the API server refused {what}")]
    Object {
        /// Kind and name.
        what: String,
        /// What it said.
        #[source]
        source: Box<kube::Error>,
    },
}

impl Fleet {
    /// Starts everything that `setup` describes, and waits until the machines have joined; pods start while the caller goes
    /// on.
    pub async fn start(setup: Setup) -> Result<Self, StartError> {
        let Setup {
            description,
            seed,
            pace,
            clock,
            faults,
            trace,
            directory,
            programs,
        } = setup;
        let specs = description.specs()?;
        let chance = Chance::from_seed(seed);
        let options = Options {
            seed,
            version: oldest_version(&description),
            ..Options::default()
        };
        let server = ApiServer::new(clock.clone(), options);
        let observer = Arc::new(Mutex::new(Observer::new(clock.now(), &pace)));
        server.set_faults(Arc::clone(&faults));
        server.set_trace(Door {
            trace,
            observer: Arc::clone(&observer),
        });
        let mut tasks = JoinSet::new();
        // Polled once here, so that it sees everything from the first object on.
        let watching = observer::follow(server.clone(), Arc::clone(&observer));
        let mut watching = Box::pin(watching);
        futures::future::poll_immediate(&mut watching).await;
        tasks.spawn(watching);

        serve_instances(&server, &description);
        let namespace = &programs.controller.namespace;
        objects::create_cluster(&server.client("installer"), &description, namespace).await?;

        let machines = build_machines(specs, directory.as_deref(), &pace, &chance)?;
        for machine in machines.values() {
            tasks.spawn(machine::run(
                Arc::clone(machine),
                services(machine, &server, programs.daemon),
            ));
        }
        let manager = server.client("kube-controller-manager");
        tasks.spawn(node_lifecycle::run(
            manager.clone(),
            clock.clone(),
            pace.clone(),
        ));
        let scheduler = server.client("kube-scheduler");
        tasks.spawn(Workloads::new(manager, scheduler, clock.clone(), &chance).run());

        // Workloads come to a cluster that is there: on the first of many nodes they would pile up.
        let mut looks = lock(&observer).looks();
        while lock(&observer).ready_nodes() < machines.len() && looks.changed().await.is_ok() {}
        objects::create_workloads(&server.client("installer"), &description).await?;

        let controllers = programs::Controllers::new(&server, &pace, programs.controller);
        controllers.start("a", &mut tasks);
        if faults.rates().second_controller && !faults.are_healed() {
            controllers.start("b", &mut tasks);
        }
        let kill = controllers.killer();
        let breakable = breaker::Breakable {
            machines: machines.clone(),
            kill_controller: Box::new(move || kill.send_modify(|count: &mut u64| *count += 1)),
            client: server.client("breaker"),
        };
        tasks.spawn(breaker::run(Arc::clone(&faults), breakable));
        Ok(Self {
            server,
            pace,
            machines,
            observer,
            faults,
            controllers,
            tasks,
        })
    }

    /// The API server.
    pub const fn server(&self) -> &ApiServer {
        &self.server
    }

    /// A client for `actor`.
    pub fn client(&self, actor: &str) -> Client {
        self.server.client(actor)
    }

    /// How long things take.
    pub const fn pace(&self) -> &Pace {
        &self.pace
    }

    /// All machines by name.
    pub const fn machines(&self) -> &BTreeMap<String, Arc<Machine>> {
        &self.machines
    }

    /// One machine.
    pub fn machine(&self, name: &str) -> Option<&Arc<Machine>> {
        self.machines.get(name)
    }

    /// The numbers of the run as of now.
    pub fn summary(&self) -> Summary {
        let now = self.server.clock().now();
        lock(&self.observer).summary(now)
    }

    /// Looks at what the observer has seen.
    pub fn observe<T>(&self, look: impl FnOnce(&Observer) -> T) -> T {
        look(&lock(&self.observer))
    }

    /// Ends all faults; the second controller ends, too.
    pub fn heal(&self) {
        self.faults.heal();
        self.controllers.end("b");
    }

    /// Kills every controller of Windlass where it stands; each is started again as its Deployment would.
    pub fn kill_controller(&self) {
        self.controllers.killer().send_modify(|count| *count += 1);
    }

    /// Stops Windlass's controller until [`Fleet::resume_controller`].
    pub fn pause_controller(&self) {
        self.controllers.pause(true);
    }

    /// Lets Windlass's controller run again.
    pub fn resume_controller(&self) {
        self.controllers.pause(false);
    }

    /// Upgrades the API server instance at `address`, or adds one.
    pub fn upgrade_api_server(&self, address: &str, version: &str) {
        self.server.set_instance(
            address,
            Instance {
                version: prefixed(version),
                answers: true,
            },
        );
    }

    /// Upgrades package `package` on all machines that have it, as their administrator does.
    pub fn upgrade_package(&self, package: &str, version: &str) {
        for machine in self.machines.values() {
            if machine.spec().api_packages.contains_key(package) {
                machine.install_package(package, version);
            }
        }
    }

    /// Waits until the observer says that `settled` holds. It looks after each change of the store.
    pub async fn until(&self, mut settled: impl FnMut(&Observer) -> bool) {
        let mut looks = lock(&self.observer).looks();
        while !self.observe(&mut settled) {
            if looks.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }

    /// Ends everything, and waits until it has ended.
    pub async fn stop(mut self) {
        self.tasks.shutdown().await;
    }
}

/// Lets each API server instance of the description answer with its version.
fn serve_instances(server: &ApiServer, description: &Description) {
    for instance in &description.api_servers {
        let answering = Instance {
            version: prefixed(&instance.version),
            answers: true,
        };
        server.set_instance(&instance.address, answering);
    }
}

/// The machines, each with its own files.
fn build_machines(
    specs: Vec<MachineSpec>,
    directory: Option<&Path>,
    pace: &Pace,
    chance: &Chance,
) -> Result<BTreeMap<String, Arc<Machine>>, StartError> {
    let mut machines = BTreeMap::new();
    for spec in specs {
        let name = spec.name.clone();
        let failed = |source| StartError::Files {
            machine: name.clone(),
            source,
        };
        let files = match directory {
            Some(root) => FileTree::in_directory(root.join(&name)).map_err(failed)?,
            None => FileTree::in_memory(),
        };
        let machine = Machine::new(spec, files, pace.clone(), chance).map_err(failed)?;
        machines.insert(name, Arc::new(machine));
    }
    Ok(machines)
}

/// The kubelet and the daemon of `machine`.
fn services(machine: &Arc<Machine>, server: &ApiServer, config: daemon::shell::Config) -> Services {
    let (kubelet_machine, kubelet_server) = (Arc::clone(machine), server.clone());
    let (daemon_machine, daemon_server) = (Arc::clone(machine), server.clone());
    Services {
        kubelet: Box::new(move || {
            let machine = Arc::clone(&kubelet_machine);
            let client = kubelet_server.client(&format!("kubelet/{}", machine.name()));
            Box::pin(crate::kubelet::run(
                machine,
                client,
                kubelet_server.clock().clone(),
            ))
        }),
        daemon: Box::new(move || programs::daemon(&daemon_machine, &daemon_server, config)),
    }
}

/// What crosses the API server's door goes to the trace and to the observer.
struct Door {
    trace: Option<Arc<Trace>>,
    observer: Arc<Mutex<Observer>>,
}

impl TraceSink for Door {
    fn record(&self, entry: &Entry) {
        if let Some(trace) = &self.trace {
            trace.record(entry);
        }
        observer::passed(&self.observer, entry);
    }
}

fn oldest_version(description: &Description) -> String {
    let versions = description
        .api_servers
        .iter()
        .map(|instance| instance.version.as_str());
    prefixed(
        versions
            .min_by_key(|version| crate::version::Version::parse(version))
            .unwrap_or_default(),
    )
}

fn prefixed(version: &str) -> String {
    format!("v{}", version.trim_start_matches('v'))
}
