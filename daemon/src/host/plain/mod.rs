//! A machine by its files and systemd: the backend for any Linux, on `/` and on any other root.
//!
//! Guarantees, besides those of [`Host`]:
//! - Nothing outside the root is read or changed (`disk`).
//! - What is started is finished before the next call starts, also where its future was dropped, so that calls never
//!   work against each other.
//! - One daemon at a time works on a root's state directory.
//!
//! What it cannot do it says by its [`Capabilities`], and refuses by name: packages, kernel arguments and images.
//!
//! | module | what lives there |
//! | --- | --- |
//! | `disk` | paths within the root; writing so that a power cut does no harm |
//! | `files` | files, links, directories |
//! | `accounts` | users and groups, by the root's own files |
//! | `units`, `unit_name`, `install`, `preset` | how units start at boot |
//! | `manager`, `systemd` | what runs now; reboot |
//! | `facts`, `watch` | what the machine says of itself, and when it changes |
//! | `fetch` | contents over https |
//! | `health` | the kubelet's own health question |
//! | `state` | the daemon's own directory |
//! | `root` | single files below a root, for those who put the daemon there |

mod accounts;
mod disk;
mod facts;
mod fetch;
mod files;
mod health;
mod install;
mod manager;
mod preset;
mod root;
mod state;
mod steps;
mod systemd;
mod unit_name;
mod units;
mod watch;

#[cfg(test)]
pub(in crate::host) mod tests;

pub use manager::ServiceManager;
pub use root::Root;
pub use systemd::Systemd;
pub use watch::Watch;

use super::{Directory, File, Host, HostError, HostFacts, System, UnitState, User};
use disk::Disk;
use files::failed;
use rendering::reconcile::{Capabilities, Capability};
use state::State;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Mutex, OwnedMutexGuard};

/// Where the daemon keeps its state, unless its owner says otherwise.
pub const STATE_DIRECTORY: &str = "/var/lib/windlass";

/// Where a kubelet answers for its health, unless its owner says otherwise.
pub const KUBELET_HEALTH: &str = "http://127.0.0.1:10248/healthz";

/// How often the lock on accounts is asked for, and the time between: nothing tells of its end, and other tools hold it
/// for milliseconds.
const ACCOUNTS_TRIES: u32 = 50;
const ACCOUNTS_WAIT: Duration = Duration::from_millis(100);

/// Which machine, and how to reach what is not on its disk.
#[derive(Debug, Clone)]
pub struct Options {
    /// The root of its file system.
    pub root: PathBuf,
    /// The state directory, below the root.
    pub state_directory: String,
    /// Where its kubelet answers for its health.
    pub kubelet_health: String,
}

impl Default for Options {
    fn default() -> Self {
        Self {
            root: PathBuf::from("/"),
            state_directory: STATE_DIRECTORY.to_owned(),
            kubelet_health: KUBELET_HEALTH.to_owned(),
        }
    }
}

/// The machine.
#[derive(Debug)]
pub struct PlainHost<M> {
    machine: Arc<Machine>,
    /// Held by whatever works on the disk, to its end.
    turn: Arc<Mutex<()>>,
    manager: M,
    watch: Watch,
    options: Options,
}

#[derive(Debug)]
struct Machine {
    disk: Disk,
    state: State,
}

impl<M: ServiceManager> PlainHost<M> {
    /// The machine of `options`, whose services `manager` runs.
    ///
    /// # Errors
    ///
    /// There is no such root, or its state directory cannot be had.
    pub fn open(options: Options, manager: M) -> Result<Self, HostError> {
        let root = options.root.display().to_string();
        let disk = Disk::open(&options.root).map_err(|error| failed("open", &root, error))?;
        let state = State::open(&disk, &options.state_directory)?;
        let databases = facts::PACKAGE_DATABASES;
        let watch = Watch::of(databases.map(|path| below(&options.root, path)));
        let watch = watch.map_err(|error| failed("watch", &root, error))?;
        Ok(Self {
            machine: Arc::new(Machine { disk, state }),
            turn: Arc::default(),
            manager,
            watch,
            options,
        })
    }

    /// Works on the disk, on a thread that may wait. Where this future is dropped, work that has started goes on to its
    /// end, and the next waits for it.
    async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Machine) -> Result<T, HostError> + Send + 'static,
    ) -> Result<T, HostError> {
        let turn: OwnedMutexGuard<()> = Arc::clone(&self.turn).lock_owned().await;
        let machine = Arc::clone(&self.machine);
        let task = tokio::task::spawn_blocking(move || {
            let done = work(&machine);
            drop(turn);
            done
        });
        let _guard = AbortOnDrop(task.abort_handle());
        task.await.unwrap_or_else(|error| {
            let hint = "the work on the disk was cut off; the journal knows how to go on";
            Err(HostError::new("work on", "the disk", hint).because(error))
        })
    }
}

/// Keeps work from being started that nobody waits for any more.
struct AbortOnDrop(tokio::task::AbortHandle);

impl Drop for AbortOnDrop {
    fn drop(&mut self) {
        self.0.abort();
    }
}

fn below(root: &Path, path: &str) -> PathBuf {
    root.join(path.trim_start_matches('/'))
}

/// What this backend brings in place.
fn capabilities() -> Capabilities {
    Capabilities::of([
        Capability::Files,
        Capability::Units,
        Capability::CoreUser,
        Capability::Directories,
        Capability::Links,
        Capability::SpecialModes,
    ])
}

fn beyond(operation: &'static str, subject: &str) -> HostError {
    let hint = "this backend brings files, units and keys, and neither packages nor systems";
    HostError::new(operation, subject, hint)
}

impl<M: ServiceManager> Host for PlainHost<M> {
    async fn facts(&self) -> Result<HostFacts, HostError> {
        let root = &self.options.root;
        // What changes from here on is told anew.
        self.watch
            .clear()
            .map_err(|error| failed("watch", root.display().to_string(), error))?;
        let disk = &self.machine.disk;
        Ok(HostFacts {
            os_id: facts::os_id(disk)?,
            package_mode: facts::has_kubelet_package(disk, root).await?,
            package_versions: BTreeMap::new(),
            capabilities: capabilities(),
        })
    }

    async fn facts_changed(&self) {
        if let Err(error) = self.watch.changed().await {
            tracing::warn!(%error, "changes of the package database are not noticed");
            std::future::pending::<()>().await;
        }
    }

    async fn boot_id(&self) -> Result<String, HostError> {
        facts::boot_id(&self.machine.disk)
    }

    async fn reboot(&self) -> Result<(), HostError> {
        self.manager.reboot().await
    }

    async fn kubelet_answers(&self) -> bool {
        health::answers(&self.options.kubelet_health).await
    }

    async fn read_file(&self, path: &str) -> Result<Option<File>, HostError> {
        let path = path.to_owned();
        self.work(move |machine| files::read(&machine.disk, &path))
            .await
    }

    async fn write_file(&self, path: &str, file: &File) -> Result<(), HostError> {
        let (path, file) = (path.to_owned(), file.clone());
        self.work(move |machine| files::write(&machine.disk, &path, &file))
            .await
    }

    async fn remove_file(&self, path: &str) -> Result<(), HostError> {
        let path = path.to_owned();
        self.work(move |machine| files::remove(&machine.disk, &path))
            .await
    }

    async fn link(&self, path: &str) -> Result<Option<String>, HostError> {
        let path = path.to_owned();
        self.work(move |machine| files::read_link(&machine.disk, &path))
            .await
    }

    async fn write_link(&self, path: &str, target: &str) -> Result<(), HostError> {
        let (path, target) = (path.to_owned(), target.to_owned());
        self.work(move |machine| files::write_link(&machine.disk, &path, &target))
            .await
    }

    async fn directory(&self, path: &str) -> Result<Option<Directory>, HostError> {
        let path = path.to_owned();
        self.work(move |machine| files::read_directory(&machine.disk, &path))
            .await
    }

    async fn write_directory(&self, path: &str, directory: &Directory) -> Result<(), HostError> {
        let (path, directory) = (path.to_owned(), directory.clone());
        self.work(move |machine| files::write_directory(&machine.disk, &path, &directory))
            .await
    }

    async fn remove_directory(&self, path: &str) -> Result<(), HostError> {
        let path = path.to_owned();
        self.work(move |machine| files::remove_directory(&machine.disk, &path))
            .await
    }

    async fn unit(&self, name: &str) -> Result<UnitState, HostError> {
        let name = name.to_owned();
        self.work(move |machine| units::state(&machine.disk, &name))
            .await
    }

    async fn set_unit(&self, name: &str, state: UnitState) -> Result<(), HostError> {
        let name = name.to_owned();
        self.work(move |machine| units::set(&machine.disk, &name, state))
            .await
    }

    async fn unit_preset(&self, name: &str) -> Result<bool, HostError> {
        let name = name.to_owned();
        self.work(move |machine| preset::enables(&machine.disk, &name))
            .await
    }

    async fn daemon_reload(&self) -> Result<(), HostError> {
        self.manager.reload().await
    }

    async fn reload_unit(&self, name: &str) -> Result<(), HostError> {
        self.manager.reload_unit(name).await
    }

    async fn restart_unit(&self, name: &str) -> Result<(), HostError> {
        self.manager.restart_unit(name).await
    }

    async fn user(&self, name: &str) -> Result<Option<User>, HostError> {
        let name = name.to_owned();
        self.work(move |machine| accounts::user(&machine.disk, &name))
            .await
    }

    async fn set_user(&self, name: &str, user: &User) -> Result<(), HostError> {
        for _ in 0..ACCOUNTS_TRIES {
            let (name, user) = (name.to_owned(), user.clone());
            let set = self.work(move |machine| accounts::set_user(&machine.disk, &name, &user));
            match set.await? {
                accounts::Set::Done => return Ok(()),
                accounts::Set::Busy => tokio::time::sleep(ACCOUNTS_WAIT).await,
            }
        }
        let hint = "another tool has been changing accounts for 5 s; see who holds /etc/.pwd.lock";
        Err(HostError::new("set the account of", name, hint))
    }

    async fn running_system(&self) -> Result<System, HostError> {
        Ok(System {
            kernel_arguments: facts::kernel_arguments(&self.machine.disk)?,
            ..System::default()
        })
    }

    async fn next_system(&self) -> Result<System, HostError> {
        // Nothing of the next boot's system is ever changed by this backend.
        self.running_system().await
    }

    async fn stage_system(&self, _system: &System) -> Result<(), HostError> {
        Err(beyond("stage", "the next boot's system"))
    }

    async fn fetch(&self, url: &str) -> Result<Vec<u8>, HostError> {
        fetch::fetch(url, fetch::trusted()).await
    }

    async fn kubelet_version(&self) -> Result<Option<String>, HostError> {
        facts::kubelet_version(&self.machine.disk, &self.options.root).await
    }

    async fn install_kubelet(&self, version: &str) -> Result<(), HostError> {
        Err(beyond("install", &format!("kubelet {version}")))
    }

    async fn recover_packages(&self) -> Result<(), HostError> {
        // No transaction is ever begun here.
        Ok(())
    }

    async fn load(&self, key: &str) -> Result<Option<Vec<u8>>, HostError> {
        let key = key.to_owned();
        self.work(move |machine| machine.state.load(&machine.disk, &key))
            .await
    }

    async fn store(&self, key: &str, blob: &[u8]) -> Result<(), HostError> {
        let (key, blob) = (key.to_owned(), blob.to_vec());
        self.work(move |machine| machine.state.store(&machine.disk, &key, &blob))
            .await
    }

    async fn discard(&self, key: &str) -> Result<(), HostError> {
        let key = key.to_owned();
        self.work(move |machine| machine.state.discard(&machine.disk, &key))
            .await
    }

    async fn keys(&self, prefix: &str) -> Result<Vec<String>, HostError> {
        let prefix = prefix.to_owned();
        self.work(move |machine| machine.state.keys(&machine.disk, &prefix))
            .await
    }
}
