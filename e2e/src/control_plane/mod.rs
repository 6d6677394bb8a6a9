//! A throw-away Kubernetes control plane: real etcd, API servers, controller manager and scheduler on loopback.
//!
//! # Guarantees
//! * [`ControlPlane::start`] returns when every API server is ready and the namespace `default` is there, or says which
//!   process failed, with the end of its log.
//! * Several run side by side, in one process and in many: each has addresses and a folder of its own ([`place`]).
//! * Everything is gone when the value is dropped, and when the process that holds it dies in whatever way ([`processes`]).
//! * Rights are real: RBAC and the node authorizer decide, `NodeRestriction` admits, and every request stands in the audit log.
//!
//! # Assumes
//! Linux, where all of 127.0.0.0/8 is loopback. The programs are built from `e2e/control-plane` on first use ([`assets`]).
//!
//! # Not here
//! Machines: no kubelet runs. etcd does not wait for the disk, so a figure taken here leaves that wait out.
//!
//! ```no_run
//! use e2e::control_plane::{ControlPlane, Options};
//!
//! # async fn story() -> Result<(), Box<dyn std::error::Error>> {
//! let cluster = ControlPlane::start(Options::default()).await?;
//! let version = cluster.admin().await?.apiserver_version().await?;
//! let listed = cluster.kubectl()?.args(["get", "namespaces"]).output()?;
//! # Ok(())
//! # }
//! ```

pub mod assets;
pub mod audit;
pub mod certificates;
mod components;
mod error;
mod kubeconfig;
mod place;
pub mod processes;
mod restarting;
mod tokens;

use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use k8s_openapi::api::core::v1::Namespace;
use kube::{Api, Client};

use self::assets::Assets;
use self::audit::{AuditLog, Level};
use self::certificates::Identity;
use self::components::{Authorities, Layout};
use self::place::Place;
use self::processes::Process;

pub use self::error::{ControlPlaneError, Result};
pub use self::kubeconfig::Credential;
pub use self::tokens::BoundTo;

/// How long a control plane may take until it is ready. It takes 4 s on two idle cores; a build beside it takes them all.
const READY_WITHIN: Duration = Duration::from_secs(120);
/// How often readiness is asked for.
const ASK_EVERY: Duration = Duration::from_millis(50);

/// What a control plane is to consist of.
#[derive(Clone, Debug)]
pub struct Options {
    /// How many etcd members; one, three or five.
    pub etcd_members: u8,
    /// How many API servers, each with an address of its own.
    pub api_servers: u8,
    /// What the controller manager does; [`Controllers::None`] leaves it out.
    pub controllers: Controllers,
    /// How the node lifecycle controller judges silent nodes.
    pub node_monitor: NodeMonitor,
    /// Whether a scheduler runs.
    pub scheduler: bool,
    /// How much of each request the audit log keeps.
    pub audit: Level,
}

/// Which controllers of the controller manager run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Controllers {
    /// No controller manager.
    None,
    /// All that are on by default.
    All,
    /// These alone, by the names that `kube-controller-manager --help` lists.
    Only(Vec<&'static str>),
}

/// The node lifecycle controller's times.
#[derive(Clone, Copy, Debug)]
pub struct NodeMonitor {
    /// How often it looks.
    pub period: Duration,
    /// How long a node may be silent.
    pub grace: Duration,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            etcd_members: 1,
            api_servers: 1,
            controllers: Controllers::None,
            node_monitor: NodeMonitor {
                period: Duration::from_secs(5),
                grace: Duration::from_secs(50),
            },
            scheduler: false,
            audit: Level::Metadata,
        }
    }
}

/// One process of a control plane, by its place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Component {
    /// The n-th etcd member, from 0.
    Etcd(usize),
    /// The n-th API server, from 0.
    ApiServer(usize),
    /// The controller manager.
    ControllerManager,
    /// The scheduler.
    Scheduler,
}

/// A running control plane. Dropping it ends it.
#[derive(Debug)]
pub struct ControlPlane {
    processes: Vec<(Component, Process)>,
    layout: Layout,
    authorities: Authorities,
    // Last: the folder goes when no process uses it any more.
    place: Place,
}

impl ControlPlane {
    /// Starts one, and waits until it is ready.
    pub async fn start(options: Options) -> Result<Self> {
        let assets = tokio::task::spawn_blocking(Assets::ready)
            .await
            .map_err(ControlPlaneError::Interrupted)??;
        let place = Place::take()?;
        let authorities = Authorities::new()?;
        let layout = Layout::new(&place, &options)?;
        let mut cluster = Self {
            processes: Vec::new(),
            layout,
            authorities,
            place,
        };
        cluster.write_files(&options)?;
        for member in 0..cluster.layout.members() {
            let recipe = cluster.layout.etcd(&assets, member)?;
            cluster.run(Component::Etcd(member), recipe)?;
        }
        for instance in 0..cluster.api_servers() {
            let recipe = cluster.layout.api_server(&assets, instance)?;
            cluster.run(Component::ApiServer(instance), recipe)?;
        }
        for instance in 0..cluster.api_servers() {
            cluster.ready(instance).await?;
        }
        cluster.namespace_default().await?;
        if options.controllers != Controllers::None {
            let recipe = cluster.layout.controller_manager(&assets, &options)?;
            cluster.run(Component::ControllerManager, recipe)?;
        }
        if options.scheduler {
            let recipe = cluster.layout.scheduler(&assets)?;
            cluster.run(Component::Scheduler, recipe)?;
        }
        Ok(cluster)
    }

    fn run(&mut self, component: Component, recipe: processes::Recipe) -> Result<()> {
        self.processes.push((component, Process::start(recipe)?));
        Ok(())
    }

    /// How many API servers there are.
    pub fn api_servers(&self) -> usize {
        self.layout.instances()
    }

    /// Where an API server listens: `https://127.…`.
    pub fn url(&self, instance: usize) -> String {
        self.layout.url(instance)
    }

    /// Where an API server listens, as an address and a port.
    pub fn listens_at(&self, instance: usize) -> (Ipv4Addr, u16) {
        self.layout.listens_at(instance)
    }

    /// The address under which an API server stands in EndpointSlice `default/kubernetes`. The API refuses loopback there, so it
    /// is one of the addresses kept for documentation, which nobody answers: who asks instances has to ask
    /// [`ControlPlane::listens_at`] in its place.
    pub fn advertised_as(&self, instance: usize) -> Ipv4Addr {
        self.layout.advertised_as(instance)
    }

    /// The certificate that all API servers' certificates are signed by, as PEM.
    pub fn certificate_authority(&self) -> &str {
        self.authorities.cluster.certificate()
    }

    /// A client that may do everything, at the first API server.
    pub async fn admin(&self) -> Result<Client> {
        self.admin_at(0).await
    }

    /// A client that may do everything, at one API server.
    pub async fn admin_at(&self, instance: usize) -> Result<Client> {
        let admin = self.certificate_of(&Identity::admin())?;
        self.client(instance, &admin).await
    }

    /// A client of one API server for somebody. It belongs to the tokio runtime in which it is made.
    pub async fn client(&self, instance: usize, credential: &Credential) -> Result<Client> {
        self.client_at(&self.url(instance), credential).await
    }

    /// The same, at a URL that leads to an API server: a balancer's, on `localhost`, which their certificates name as well.
    pub async fn client_at(&self, url: &str, credential: &Credential) -> Result<Client> {
        kubeconfig::client(url, self.certificate_authority(), credential).await
    }

    /// What such a client is made of.
    pub async fn config_at(&self, url: &str, credential: &Credential) -> Result<kube::Config> {
        kubeconfig::config(url, self.certificate_authority(), credential).await
    }

    /// A client certificate that says who somebody is.
    pub fn certificate_of(&self, identity: &Identity) -> Result<Credential> {
        let pair = self.authorities.cluster.client(identity)?;
        Ok(Credential::Certificate(pair))
    }

    /// A token of a ServiceAccount, valid for an hour; bound to a Node if there is one.
    pub async fn token_of(
        &self,
        namespace: &str,
        service_account: &str,
        bound_to: Option<&BoundTo>,
    ) -> Result<Credential> {
        tokens::request(self.admin().await?, namespace, service_account, bound_to).await
    }

    /// The file with the administrator's kubeconfig.
    pub fn kubeconfig(&self) -> PathBuf {
        self.layout.admin_kubeconfig()
    }

    /// Writes a kubeconfig of somebody to a file of this name in the control plane's folder, and tells where.
    pub fn kubeconfig_of(
        &self,
        file: &str,
        instance: usize,
        credential: &Credential,
    ) -> Result<PathBuf> {
        let path = self.folder().join(file);
        kubeconfig::write(
            &path,
            &self.url(instance),
            self.certificate_authority(),
            credential,
        )?;
        Ok(path)
    }

    /// kubectl as the administrator, with a home of its own.
    pub fn kubectl(&self) -> Result<Command> {
        let home = self.folder().join("home");
        fs::create_dir_all(&home).map_err(|source| error::file("making", &home, source))?;
        let mut command = Command::new(assets::kubectl()?);
        command
            .env("HOME", &home)
            .env("TMPDIR", &home)
            .env("KUBECACHEDIR", home.join("cache"))
            .env("KUBECONFIG", self.kubeconfig())
            .current_dir(&home);
        Ok(command)
    }

    /// The folder that is gone with the control plane.
    pub fn folder(&self) -> &Path {
        self.place.folder()
    }

    /// What all API servers wrote into their audit logs.
    pub fn audit(&self) -> AuditLog {
        AuditLog::new(
            (0..self.api_servers())
                .map(|instance| self.layout.audit_log(instance))
                .collect(),
        )
    }

    /// A process, to be killed, started again or looked at.
    pub fn process(&mut self, component: Component) -> Option<&mut Process> {
        self.processes
            .iter_mut()
            .find_map(|(known, process)| (*known == component).then_some(process))
    }

    /// The ids of all processes that were started and not killed since.
    pub fn process_ids(&self) -> Vec<u32> {
        self.processes
            .iter()
            .filter_map(|(_, process)| process.id())
            .collect()
    }

    /// An error if any of its processes has ended without being told to.
    pub fn alive(&mut self) -> Result<()> {
        self.processes
            .iter_mut()
            .try_for_each(|(_, process)| process.alive())
    }

    /// Waits until an API server says that it is ready.
    pub async fn ready(&mut self, instance: usize) -> Result<()> {
        let client = self.admin_at(instance).await?;
        self.wait(Component::ApiServer(instance), async || {
            let asked = http::Request::get("/readyz").body(Vec::new());
            match asked {
                Ok(asked) => client.request_text(asked).await.is_ok(),
                Err(_) => false,
            }
        })
        .await
    }

    async fn namespace_default(&mut self) -> Result<()> {
        let namespaces: Api<Namespace> = Api::all(self.admin().await?);
        self.wait(Component::ApiServer(0), async || {
            namespaces.get("default").await.is_ok()
        })
        .await
    }

    /// Asks until the answer is yes, a process has ended, or it takes too long.
    async fn wait(&mut self, of: Component, ready: impl AsyncFn() -> bool) -> Result<()> {
        let deadline = tokio::time::Instant::now() + READY_WITHIN;
        loop {
            if ready().await {
                return Ok(());
            }
            self.alive()?;
            if tokio::time::Instant::now() >= deadline {
                let tail = self
                    .process(of)
                    .map(|process| process.log_tail())
                    .unwrap_or_default();
                return Err(ControlPlaneError::NotReady {
                    component: of,
                    within: READY_WITHIN,
                    tail,
                });
            }
            tokio::time::sleep(ASK_EVERY).await;
        }
    }

    fn write_files(&self, options: &Options) -> Result<()> {
        self.layout.write(&self.authorities, options)
    }
}
