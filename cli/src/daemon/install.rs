//! `windlass daemon install`: what the DaemonSet's pod runs. Puts the service on its host, keeps it current, and shows its log.
//!
//! # Guarantees
//! - Level, not edge: a pass compares what shall be on the host with what is, and writes what differs, each file whole. A
//!   change of the pod's own token or of the host's files starts another; nothing is polled but the token's age.
//! - The service is started again only where something changed that it reads at its start.
//! - The host's token is left alone while it has most of its life before it: the service renews it itself.
//! # Not here
//! What the token allows (`docs/security.md`), and renewing it (the crate `daemon`).

pub(super) mod server;

use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use ::daemon::credential::{self, Claims};
use ::daemon::host::UnitState;
use ::daemon::host::plain::{Root, ServiceManager as _, Systemd, Watch};
use anyhow::{Context as _, Result, bail};
use api::clock::Clock;
use jiff::SignedDuration;
use kube::Client;
use tracing::{info, warn};

use super::layout::{
    AUTHORITY, DIRECTORY, KUBECONFIG, PROGRAM, PROGRAM_DIRECTORIES, RESTART_DUE, SETTINGS, TOKEN,
    UNIT, UNIT_FILE, UNIT_PATH,
};
use super::runtime;
use super::settings::{NODE_NAME, Settings};
use crate::clock;
use crate::cluster::Cluster;
use crate::logs::Logs;
use crate::signals::told_to_end;

/// Where a pod finds its ServiceAccount.
const ACCOUNT: &str = "/var/run/secrets/kubernetes.io/serviceaccount";

/// Longest wait before looking at the token's age again, and the wait after a pass that failed or a log that ended.
const LOOK_AGAIN: Duration = Duration::from_mins(10);
const TRY_AGAIN: Duration = Duration::from_secs(10);

/// The owner's alone, everybody's to read, and everybody's to run.
const PRIVATE: u32 = 0o600;
const PUBLIC: u32 = 0o644;
const EXECUTABLE: u32 = 0o755;

/// Puts the service on its host, keeps it current, and shows its log.
#[derive(clap::Args, Clone, Debug)]
pub(crate) struct Args {
    /// Where the host's file system is mounted
    #[arg(long, default_value = "/host", value_name = "DIRECTORY")]
    pub(super) host_root: PathBuf,
    /// The name of this host's Node; else $NODE_NAME
    #[arg(long, value_name = "NAME")]
    pub(super) node_name: Option<String>,
    /// The API server's address; else the one that the host's kubelet uses, else the cluster's service
    #[arg(long, value_name = "URL")]
    pub(super) server: Option<String>,
    /// Where the pod's ServiceAccount lies
    #[arg(long, default_value = ACCOUNT, value_name = "DIRECTORY")]
    pub(super) service_account: PathBuf,
    /// Put everything there once, and start nothing: for a host that does not run
    #[arg(long)]
    pub(super) offline: bool,
    #[command(flatten)]
    logs: Logs,
}

pub(crate) fn run(args: Args) -> Result<()> {
    args.logs.start()?;
    runtime()?.block_on(async {
        let config = Cluster::default()
            .config()
            .await
            .context("looking for the cluster that this pod runs in")?;
        let client = Client::try_from(config).context("making a client")?;
        let node = node_name(&args)?;
        let program = std::fs::read("/proc/self/exe").context("reading this program")?;
        let installer = Installer {
            root: Root::open(&args.host_root)?,
            args,
            node,
            program,
            client,
            clock: clock::of_the_machine(),
        };
        if installer.args.offline {
            return installer.put_files().await.map(|_due| ());
        }
        let told = told_to_end()?;
        tokio::select! {
            ended = installer.keep_current() => ended,
            () = installer.show_log() => Ok(()),
            () = told => Ok(()),
        }
    })
}

fn node_name(args: &Args) -> Result<String> {
    let pod = || std::env::var(NODE_NAME).ok();
    let name = args.node_name.clone().or_else(pod);
    name.filter(|name| !name.is_empty()).with_context(|| {
        format!("nobody says which Node this host is: give --node-name or set {NODE_NAME}")
    })
}

/// What a pass works with.
pub(super) struct Installer {
    pub(super) root: Root,
    pub(super) args: Args,
    pub(super) node: String,
    pub(super) program: Vec<u8>,
    pub(super) client: Client,
    pub(super) clock: Clock,
}

impl Installer {
    async fn keep_current(&self) -> Result<()> {
        if !self.root.has_systemd() {
            bail!(
                "no systemd runs on the host at {}: mount its root there, with /run",
                self.args.host_root.display()
            );
        }
        let host = |path: &str| self.args.host_root.join(path.trim_start_matches('/'));
        loop {
            // Made anew each time: the directories may not have been there before.
            let watched = [DIRECTORY, PROGRAM_DIRECTORIES[0]].map(host);
            let watch = Watch::of(
                watched
                    .into_iter()
                    .chain([self.args.service_account.clone()]),
            )
            .context("watching the host's files and the pod's token")?;
            let wait = match self.pass().await {
                Ok(()) => LOOK_AGAIN,
                Err(error) => {
                    warn!("the service is not current, trying again: {error:#}");
                    TRY_AGAIN
                }
            };
            // A pass that wrote something is followed by one that writes nothing.
            tokio::select! {
                changed = watch.changed() => changed.context("watching the host's files")?,
                () = tokio::time::sleep(wait) => {}
            }
        }
    }

    async fn pass(&self) -> Result<()> {
        let is_due = self.put_files().await?;
        let systemd = Systemd::of(&self.args.host_root);
        if is_due {
            systemd.reload().await?;
            info!(node = self.node, "the service is started anew");
            systemd.restart_unit(UNIT).await?;
            self.root.remove(RESTART_DUE)?;
        } else {
            systemd.start_unit(UNIT).await?;
        }
        Ok(())
    }

    /// Makes the host's files current; whether the service has to be started anew for them.
    pub(super) async fn put_files(&self) -> Result<bool> {
        let settings = Settings {
            node_name: Some(self.node.clone()),
            kubeconfig: Some(PathBuf::from(KUBECONFIG)),
            token_file: Some(PathBuf::from(TOKEN)),
            ..Settings::default()
        };
        let settings = serde_saphyr::to_string(&settings).context("writing the settings")?;
        let server = server::find(&self.root, &self.args)?;
        let kubeconfig = server.kubeconfig()?;
        // The service is of no use without it, and an old one does no harm.
        self.put_token().await?;
        let files = [
            (AUTHORITY, server.authority.as_slice(), PUBLIC),
            (KUBECONFIG, kubeconfig.as_bytes(), PRIVATE),
            (SETTINGS, settings.as_bytes(), PUBLIC),
            (PROGRAM, self.program.as_slice(), EXECUTABLE),
            (UNIT_PATH, UNIT_FILE.as_bytes(), PUBLIC),
        ];
        for (path, content, mode) in files {
            if !self.root.has(path, content, mode)? {
                self.root.put(RESTART_DUE, b"", PRIVATE)?;
                self.root.put(path, content, mode)?;
                info!(path, "put on the host");
            }
        }
        self.root.set_unit(UNIT, UnitState::Enabled)?;
        Ok(self.root.read(RESTART_DUE)?.is_some())
    }

    async fn put_token(&self) -> Result<()> {
        let own = self.args.service_account.join("token");
        let own = std::fs::read(&own).with_context(|| format!("reading {}", own.display()))?;
        let own = Claims::read(&own).context("reading the pod's token")?;
        let there = self.root.read(TOKEN)?;
        let there = there.and_then(|token| Claims::read(&token).ok());
        if there.is_some_and(|there| self.is_good(&there, &own)) {
            return Ok(());
        }
        let lifetime = SignedDuration::from_secs(Settings::default().token_lifetime_seconds);
        let token = credential::request(&self.client, &own, &self.node, lifetime).await?;
        self.root.put(TOKEN, token.as_bytes(), PRIVATE)?;
        info!(node = self.node, "the host has a token of its own");
        Ok(())
    }

    /// Whether the host's token is this node's, and has been renewed by the service as it should: one that is past two
    /// thirds of its life has not.
    fn is_good(&self, there: &Claims, own: &Claims) -> bool {
        let life = there.expires.duration_since(there.issued);
        let late = there.issued.checked_add(life * 2 / 3);
        !there.of_pod
            && there.node.as_deref() == Some(&*self.node)
            && (&there.namespace, &there.account) == (&own.namespace, &own.account)
            && late.is_ok_and(|late| self.clock.now() < late)
    }

    /// Shows the service's log for as long as this pod lives.
    async fn show_log(&self) {
        loop {
            let run = follow(&self.args.host_root);
            match run {
                Ok(mut child) => {
                    let ended = child.wait().await;
                    warn!(?ended, "the host's log is shown anew");
                }
                Err(error) => warn!("the host's log is not to be shown: {error:#}"),
            }
            tokio::time::sleep(TRY_AGAIN).await;
        }
    }
}

fn follow(host_root: &Path) -> Result<tokio::process::Child> {
    tokio::process::Command::new("/proc/self/exe")
        .args(["daemon", "journal", "--host-root"])
        .arg(host_root)
        .stdin(Stdio::null())
        .kill_on_drop(true)
        .spawn()
        .context("starting this program once more")
}
