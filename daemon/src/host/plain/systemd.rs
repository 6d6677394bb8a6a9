//! systemd over D-Bus.
//!
//! Each order makes a connection of its own: orders are rare, and a bus that was restarted is no matter then. Where the
//! system bus is not to be had, systemd's own socket is asked, as systemctl does: the way back must work on a machine
//! whose bus is broken.

use super::manager::ServiceManager;
use crate::host::HostError;
use futures::StreamExt as _;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::time::Duration;
use zbus::connection::Builder;
use zbus::{Connection, OwnedObjectPath, proxy};

/// Where the system bus and systemd itself listen.
const BUS_SOCKET: &str = "run/dbus/system_bus_socket";
const OWN_SOCKET: &str = "run/systemd/private";

/// Longest time that an order may take: a unit's own limit is 90 s unless it says otherwise, and stopping and starting
/// count each. One that takes longer is not waited for any more, which fails the visit by name.
const ORDER_MAX: Duration = Duration::from_mins(10);

/// What systemd says of a job that was carried out.
const DONE: &str = "done";

/// Take the place of any other job of the unit.
const REPLACE: &str = "replace";

#[proxy(
    interface = "org.freedesktop.systemd1.Manager",
    default_service = "org.freedesktop.systemd1",
    default_path = "/org/freedesktop/systemd1"
)]
trait Manager {
    fn subscribe(&self) -> zbus::Result<()>;
    fn reload(&self) -> zbus::Result<()>;
    fn reload_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn restart_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn start_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn stop_unit(&self, name: &str, mode: &str) -> zbus::Result<OwnedObjectPath>;
    fn reboot(&self) -> zbus::Result<()>;

    #[zbus(signal)]
    fn job_removed(
        &self,
        id: u32,
        job: OwnedObjectPath,
        unit: String,
        result: String,
    ) -> zbus::Result<()>;
}

#[proxy(
    interface = "org.freedesktop.login1.Manager",
    default_service = "org.freedesktop.login1",
    default_path = "/org/freedesktop/login1"
)]
trait Login {
    fn reboot(&self, interactive: bool) -> zbus::Result<()>;
}

/// Which job a unit is given.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Job {
    Reload,
    Restart,
    Start,
    Stop,
}

impl Job {
    fn verb(self) -> &'static str {
        match self {
            Self::Reload => "reload",
            Self::Restart => "restart",
            Self::Start => "start",
            Self::Stop => "stop",
        }
    }
}

/// systemd of the machine under a root.
#[derive(Debug, Clone)]
pub struct Systemd {
    root: PathBuf,
}

impl Systemd {
    /// The one whose sockets lie under `root`.
    pub fn of(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// Starts unit `name`.
    ///
    /// # Errors
    ///
    /// systemd is not to be reached, or says that the unit did not start.
    pub async fn start_unit(&self, name: &str) -> Result<(), HostError> {
        self.job(Job::Start, name).await
    }

    /// Stops unit `name`.
    ///
    /// # Errors
    ///
    /// As for [`Systemd::start_unit`].
    pub async fn stop_unit(&self, name: &str) -> Result<(), HostError> {
        self.job(Job::Stop, name).await
    }

    async fn connect(&self) -> zbus::Result<Connection> {
        let address = |socket| format!("unix:path={}", self.root.join(socket).display());
        match Builder::address(&*address(BUS_SOCKET)).build().await {
            Ok(connection) => Ok(connection),
            Err(error) => {
                let own = Builder::address(&*address(OWN_SOCKET)).p2p().build().await;
                // The bus is what an owner knows of.
                own.map_err(|_| error)
            }
        }
    }

    async fn job(&self, job: Job, name: &str) -> Result<(), HostError> {
        let ended = bounded(job.verb(), name, async {
            run_job(&self.connect().await?, job, name).await
        });
        match ended.await?.as_str() {
            DONE => Ok(()),
            result => {
                let hint = format!("its job ended as {result:?}; see journalctl -u {name}");
                Err(HostError::new(job.verb(), name, hint))
            }
        }
    }
}

impl ServiceManager for Systemd {
    async fn reload(&self) -> Result<(), HostError> {
        let reload = async {
            let connection = self.connect().await?;
            ManagerProxy::new(&connection).await?.reload().await
        };
        bounded("reload", "the service manager", reload).await
    }

    async fn reload_unit(&self, name: &str) -> Result<(), HostError> {
        self.job(Job::Reload, name).await
    }

    async fn restart_unit(&self, name: &str) -> Result<(), HostError> {
        self.job(Job::Restart, name).await
    }

    async fn reboot(&self) -> Result<(), HostError> {
        let reboot = async {
            let connection = self.connect().await?;
            // logind tells those who asked to be told, a kubelet that ends its pods gracefully among them.
            let login = LoginProxy::new(&connection).await?;
            if login.reboot(false).await.is_ok() {
                return Ok(());
            }
            ManagerProxy::new(&connection).await?.reboot().await
        };
        bounded("reboot", "the machine", reboot).await
    }
}

/// Gives a unit a job and waits for its end; how it ended.
async fn run_job(connection: &Connection, job: Job, name: &str) -> zbus::Result<String> {
    let manager = ManagerProxy::new(connection).await?;
    // Listen first: the job may end before its number is known here.
    let mut removed = manager.receive_job_removed().await?;
    manager.subscribe().await?;
    let number = match job {
        Job::Reload => manager.reload_unit(name, REPLACE).await?,
        Job::Restart => manager.restart_unit(name, REPLACE).await?,
        Job::Start => manager.start_unit(name, REPLACE).await?,
        Job::Stop => manager.stop_unit(name, REPLACE).await?,
    };
    while let Some(signal) = removed.next().await {
        let ended = signal.args()?;
        if ended.job == number {
            return Ok(ended.result);
        }
    }
    let words = "the connection to systemd ended before the job did";
    Err(zbus::Error::Failure(words.to_owned()))
}

async fn bounded<T>(
    operation: &'static str,
    subject: &str,
    order: impl Future<Output = zbus::Result<T>>,
) -> Result<T, HostError> {
    let Ok(answer) = tokio::time::timeout(ORDER_MAX, order).await else {
        let hint = format!("systemd has not ended it within {} s", ORDER_MAX.as_secs());
        return Err(HostError::new(operation, subject, hint));
    };
    answer.map_err(|error| {
        let hint = "systemd refused it or is not to be reached; see systemctl status";
        HostError::new(operation, subject, hint).because(error)
    })
}
