//! How each program of a control plane is told what to do: its files and its command line.
//!
//! Everything speaks TLS but etcd, which listens on an address that only this control plane uses.

use std::ffi::OsString;
use std::fs;
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};

use super::assets::{Assets, Program};
use super::certificates::{Authority, Identity, SigningKey};
use super::error::{Result, file};
use super::kubeconfig::{self, Credential};
use super::place::{Place, port};
use super::processes::Recipe;
use super::{Controllers, Options};

/// Addresses of a place: etcd members from here,
const ETCD_FROM: u8 = 10;
/// API servers from here,
const API_SERVERS_FROM: u8 = 20;
/// and the rest.
const OTHERS_AT: u8 = 0;
/// Services get addresses of this range; the first one is the API's.
const SERVICES: &str = "10.96.0.0/16";
const API_SERVICE: &str = "10.96.0.1";
const ISSUER: &str = "https://kubernetes.default.svc";
/// Far above what tests need, so that no client of the control plane itself is what a test waits for.
const QUERIES_PER_SECOND: &str = "1000";

/// What signs what.
#[derive(Debug)]
pub(super) struct Authorities {
    /// Servers' and clients' certificates.
    pub cluster: Authority,
    /// The key of tokens.
    signing_key: SigningKey,
}

impl Authorities {
    pub(super) fn new() -> Result<Self> {
        Ok(Self {
            cluster: Authority::new("windlass control plane")?,
            signing_key: SigningKey::new()?,
        })
    }
}

/// An API server's addresses.
#[derive(Clone, Copy, Debug)]
struct Instance {
    listens_at: Ipv4Addr,
    advertised_as: Ipv4Addr,
}

/// Who listens where, and which files there are.
#[derive(Debug)]
pub(super) struct Layout {
    folder: PathBuf,
    members: Vec<Ipv4Addr>,
    instances: Vec<Instance>,
    other: Ipv4Addr,
    etcd_port: u16,
    peer_port: u16,
    api_port: u16,
    controller_manager_port: u16,
    scheduler_port: u16,
}

impl Layout {
    pub(super) fn new(place: &Place, options: &Options) -> Result<Self> {
        let members: Vec<Ipv4Addr> = (0..options.etcd_members.max(1))
            .map(|n| place.address(ETCD_FROM + n))
            .collect();
        let instances: Vec<Instance> = (0..options.api_servers.max(1))
            .map(|n| Instance {
                listens_at: place.address(API_SERVERS_FROM + n),
                // One of TEST-NET-1 (RFC 5737).
                advertised_as: Ipv4Addr::new(192, 0, 2, n + 1),
            })
            .collect();
        let listened: Vec<Ipv4Addr> = instances.iter().map(|each| each.listens_at).collect();
        let other = place.address(OTHERS_AT);
        Ok(Self {
            folder: place.folder().to_owned(),
            etcd_port: port(&members)?,
            peer_port: port(&members)?,
            api_port: port(&listened)?,
            controller_manager_port: port(&[other])?,
            scheduler_port: port(&[other])?,
            members,
            instances,
            other,
        })
    }

    pub(super) fn members(&self) -> usize {
        self.members.len()
    }

    pub(super) fn instances(&self) -> usize {
        self.instances.len()
    }

    pub(super) fn listens_at(&self, instance: usize) -> (Ipv4Addr, u16) {
        let known = self.instances.get(instance);
        let address = known.map_or(self.other, |known| known.listens_at);
        (address, self.api_port)
    }

    pub(super) fn url(&self, instance: usize) -> String {
        let (address, port) = self.listens_at(instance);
        format!("https://{address}:{port}")
    }

    /// Where an etcd member serves its clients.
    pub(super) fn etcd_url(&self, member: usize) -> String {
        let at = self.members.get(member).unwrap_or(&self.other);
        format!("http://{at}:{}", self.etcd_port)
    }

    pub(super) fn advertised_as(&self, instance: usize) -> Ipv4Addr {
        let known = self.instances.get(instance);
        known.map_or(self.other, |known| known.advertised_as)
    }

    pub(super) fn admin_kubeconfig(&self) -> PathBuf {
        self.file("admin.kubeconfig")
    }

    pub(super) fn audit_log(&self, instance: usize) -> PathBuf {
        self.file(&format!("audit-{instance}.log"))
    }

    fn file(&self, name: &str) -> PathBuf {
        self.folder.join(name)
    }

    /// Writes every file that the programs read.
    pub(super) fn write(&self, authorities: &Authorities, options: &Options) -> Result<()> {
        let cluster = &authorities.cluster;
        let mut names: Vec<String> = [
            "localhost",
            "kubernetes",
            "kubernetes.default",
            "kubernetes.default.svc",
            API_SERVICE,
        ]
        .map(str::to_owned)
        .into();
        for instance in &self.instances {
            names.push(instance.listens_at.to_string());
            names.push(instance.advertised_as.to_string());
        }
        names.push(self.other.to_string());
        let server = cluster.server(names)?;
        let policy = options.audit.policy();
        for (name, content) in [
            ("ca.crt", cluster.certificate()),
            ("server.crt", &server.certificate),
            ("server.key", &server.key),
            ("tokens.key", &authorities.signing_key.private),
            ("tokens.pub", &authorities.signing_key.public),
            ("audit-policy.json", &policy),
        ] {
            let path = self.file(name);
            fs::write(&path, content).map_err(|source| file("writing", &path, source))?;
        }
        for (name, identity) in [
            ("admin.kubeconfig", Identity::admin()),
            (
                "controller-manager.kubeconfig",
                Identity::user("system:kube-controller-manager"),
            ),
            (
                "scheduler.kubeconfig",
                Identity::user("system:kube-scheduler"),
            ),
        ] {
            let credential = Credential::Certificate(cluster.client(&identity)?);
            let path = self.file(name);
            kubeconfig::write(&path, &self.url(0), cluster.certificate(), &credential)?;
        }
        Ok(())
    }

    pub(super) fn etcd(&self, assets: &Assets, member: usize) -> Result<Recipe> {
        let name = format!("etcd-{member}");
        let at = self.members.get(member).unwrap_or(&self.other);
        let clients = self.etcd_url(member);
        let peers = format!("http://{at}:{}", self.peer_port);
        let all: Vec<String> = self
            .members
            .iter()
            .enumerate()
            .map(|(n, address)| format!("etcd-{n}=http://{address}:{}", self.peer_port))
            .collect();
        let flags = Flags::default()
            .path("data-dir", &self.file(&name))
            .text("name", &name)
            .text("listen-client-urls", &clients)
            .text("advertise-client-urls", &clients)
            .text("listen-peer-urls", &peers)
            .text("initial-advertise-peer-urls", &peers)
            .text("initial-cluster", &all.join(","))
            .text("log-level", "warn")
            // Nothing of it outlives the test.
            .text("unsafe-no-fsync", "true");
        self.recipe(assets, Program::Etcd, &name, flags)
    }

    pub(super) fn api_server(&self, assets: &Assets, instance: usize) -> Result<Recipe> {
        let (address, port) = self.listens_at(instance);
        let etcd: Vec<String> = (0..self.members())
            .map(|member| self.etcd_url(member))
            .collect();
        let flags = Flags::default()
            .text("etcd-servers", &etcd.join(","))
            .text("bind-address", &address.to_string())
            .text("secure-port", &port.to_string())
            .text(
                "advertise-address",
                &self.advertised_as(instance).to_string(),
            )
            .path("tls-cert-file", &self.file("server.crt"))
            .path("tls-private-key-file", &self.file("server.key"))
            .path("client-ca-file", &self.file("ca.crt"))
            .text("service-account-issuer", ISSUER)
            .path("service-account-key-file", &self.file("tokens.pub"))
            .path("service-account-signing-key-file", &self.file("tokens.key"))
            .text("service-cluster-ip-range", SERVICES)
            .text("authorization-mode", "Node,RBAC")
            .text("enable-admission-plugins", "NodeRestriction")
            .text("allow-privileged", "true")
            .path("audit-policy-file", &self.file("audit-policy.json"))
            .path("audit-log-path", &self.audit_log(instance))
            // Far more than any log grows to: one that is begun anew would lose what was counted on.
            .text("audit-log-maxsize", "100000")
            // An event stands in the log when the answer is sent: who counts requests misses none.
            .text("audit-log-mode", "blocking");
        let name = format!("kube-apiserver-{instance}");
        self.recipe(assets, Program::ApiServer, &name, flags)
    }

    pub(super) fn controller_manager(&self, assets: &Assets, options: &Options) -> Result<Recipe> {
        let controllers = match &options.controllers {
            Controllers::Only(names) => names.join(","),
            Controllers::None | Controllers::All => "*".to_owned(),
        };
        let monitor = options.node_monitor;
        let flags = self
            .follower(
                "controller-manager.kubeconfig",
                self.controller_manager_port,
            )
            .text("controllers", &controllers)
            .text("use-service-account-credentials", "true")
            .path("service-account-private-key-file", &self.file("tokens.key"))
            .path("root-ca-file", &self.file("ca.crt"))
            .text(
                "node-monitor-period",
                &format!("{}ms", monitor.period.as_millis()),
            )
            .text(
                "node-monitor-grace-period",
                &format!("{}ms", monitor.grace.as_millis()),
            )
            .text("kube-api-qps", QUERIES_PER_SECOND)
            .text("kube-api-burst", QUERIES_PER_SECOND);
        let name = Program::ControllerManager.name();
        self.recipe(assets, Program::ControllerManager, name, flags)
    }

    pub(super) fn scheduler(&self, assets: &Assets) -> Result<Recipe> {
        let flags = self
            .follower("scheduler.kubeconfig", self.scheduler_port)
            .text("kube-api-qps", QUERIES_PER_SECOND)
            .text("kube-api-burst", QUERIES_PER_SECOND);
        let name = Program::Scheduler.name();
        self.recipe(assets, Program::Scheduler, name, flags)
    }

    /// What a client of the API server that serves a port of its own is told.
    fn follower(&self, kubeconfig: &str, port: u16) -> Flags {
        let kubeconfig = self.file(kubeconfig);
        Flags::default()
            .path("kubeconfig", &kubeconfig)
            .path("authentication-kubeconfig", &kubeconfig)
            .path("authorization-kubeconfig", &kubeconfig)
            .path("tls-cert-file", &self.file("server.crt"))
            .path("tls-private-key-file", &self.file("server.key"))
            .text("bind-address", &self.other.to_string())
            .text("secure-port", &port.to_string())
            // One of each runs: there is nobody to elect.
            .text("leader-elect", "false")
    }

    fn recipe(
        &self,
        assets: &Assets,
        program: Program,
        name: &str,
        flags: Flags,
    ) -> Result<Recipe> {
        Ok(Recipe {
            name: name.to_owned(),
            program: assets.path(program)?,
            arguments: flags.0,
            log: self.file(&format!("{name}.log")),
        })
    }
}

/// A command line.
#[derive(Default)]
struct Flags(Vec<OsString>);

impl Flags {
    fn text(mut self, name: &str, value: &str) -> Self {
        self.0.push(format!("--{name}={value}").into());
        self
    }

    fn path(mut self, name: &str, value: &Path) -> Self {
        let mut flag = OsString::from(format!("--{name}="));
        flag.push(value);
        self.0.push(flag);
        self
    }
}
