//! The machine as the daemon reaches it: the daemon's [`Host`] over a simulated machine.
//!
//! # Guarantees
//! Every operation that changes something is a crash point: the power may go just before or just after it. The future
//! then never completes, for the process that waits for it is about to be dropped with everything else.

use super::vendor::{OWN_UNITS, VENDOR_UNITS, account};
use super::{Cut, KUBELET_PACKAGE, Machine, OsMode, Process, State};
use daemon::host::{File, Host, HostError, HostFacts, Owner, System, UnitState, User};
use rendering::reconcile::{Capabilities, Capability};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// Where the daemon keeps its own state on a machine.
const STATE_DIRECTORY: &str = "/var/lib/windlass";

/// The daemon's door to one machine; made anew for each start of the daemon.
#[derive(Debug)]
pub struct SimHost {
    machine: Arc<Machine>,
    /// The count of fact changes that the last call of `facts` covered.
    facts_seen: AtomicU64,
}

impl SimHost {
    /// The door to `machine`.
    pub fn new(machine: Arc<Machine>) -> Self {
        let facts_seen = AtomicU64::new(*machine.facts.borrow());
        Self {
            machine,
            facts_seen,
        }
    }

    /// Carries out one change, unless the power goes at it.
    async fn change<T>(&self, act: impl FnOnce(&Machine, &mut State) -> T) -> T {
        let cut = self.machine.count_down();
        if cut != Some(Cut::Before) {
            let done = act(&self.machine, &mut self.machine.state());
            if cut.is_none() {
                return done;
            }
        }
        self.machine.cut_power();
        std::future::pending().await
    }

    fn unit_file_exists(&self, name: &str) -> bool {
        // An instance of a template lies under the template's name.
        let template = name.split_once('@').map(|(stem, rest)| {
            let suffix = rest
                .rsplit_once('.')
                .map_or("service", |(_, suffix)| suffix);
            format!("{stem}@.{suffix}")
        });
        [Some(name.to_owned()), template]
            .into_iter()
            .flatten()
            .flat_map(|name| {
                [
                    format!("{OWN_UNITS}/{name}"),
                    format!("{VENDOR_UNITS}/{name}"),
                ]
            })
            .any(|path| matches!(self.machine.files.get(&path), Ok(Some(_))))
    }

    /// Refuses an order to a unit that cannot run.
    fn runnable(&self, operation: &'static str, name: &str) -> Result<(), HostError> {
        let masked = self.machine.state().units.get(name) == Some(&UnitState::Masked);
        if masked {
            return Err(HostError::new(operation, name, "the unit is masked"));
        }
        if !self.unit_file_exists(name) {
            return Err(HostError::new(operation, name, "no such unit is installed"));
        }
        Ok(())
    }
}

impl Host for SimHost {
    async fn facts(&self) -> Result<HostFacts, HostError> {
        self.facts_seen
            .store(*self.machine.facts.borrow(), Ordering::Relaxed);
        let mut package_versions = self.machine.state().packages.clone();
        package_versions.remove(KUBELET_PACKAGE);
        Ok(HostFacts {
            os_id: self.machine.spec.os_id.clone(),
            package_mode: self.machine.spec.mode == OsMode::Package,
            package_versions,
            capabilities: self.machine.capabilities(),
        })
    }

    async fn facts_changed(&self) {
        let seen = self.facts_seen.load(Ordering::Relaxed);
        let mut facts = self.machine.facts.subscribe();
        if facts.wait_for(|count| *count != seen).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    async fn boot_id(&self) -> Result<String, HostError> {
        Ok(self.machine.boot_id())
    }

    async fn reboot(&self) -> Result<(), HostError> {
        self.change(|machine, _| machine.leave()).await;
        Ok(())
    }

    async fn kubelet_answers(&self) -> bool {
        self.machine.kubelet_process() == Process::Running
    }

    async fn read_file(&self, path: &str) -> Result<Option<File>, HostError> {
        self.machine
            .files
            .get(path)
            .map_err(|error| failed("read", path, error))
    }

    async fn write_file(&self, path: &str, file: &File) -> Result<(), HostError> {
        let mut file = file.clone();
        for owner in [&mut file.user, &mut file.group] {
            if let Owner::Name(name) = owner {
                let number = account(name).ok_or_else(|| {
                    HostError::new(
                        "write",
                        path,
                        format!("the machine has no account `{name}`"),
                    )
                })?;
                *owner = Owner::Id(number);
            }
        }
        self.change(|machine, _| machine.files.put(path, file))
            .await
            .map_err(|error| failed("write", path, error))
    }

    async fn remove_file(&self, path: &str) -> Result<(), HostError> {
        self.change(|machine, _| machine.files.remove(path))
            .await
            .map_err(|error| failed("remove", path, error))
    }

    async fn unit(&self, name: &str) -> Result<UnitState, HostError> {
        let known = self.machine.state().units.get(name).copied();
        Ok(known.unwrap_or(UnitState::Disabled))
    }

    async fn set_unit(&self, name: &str, state: UnitState) -> Result<(), HostError> {
        if state == UnitState::Enabled && !self.unit_file_exists(name) {
            return Err(HostError::new("enable", name, "no such unit is installed"));
        }
        self.change(|machine, disk| {
            if state == UnitState::Masked {
                machine.files.remove(&format!("{OWN_UNITS}/{name}"))?;
            }
            disk.units.insert(name.to_owned(), state);
            Ok(())
        })
        .await
        .map_err(|error: std::io::Error| failed("mask", name, error))
    }

    async fn unit_preset(&self, name: &str) -> Result<bool, HostError> {
        Ok(super::vendor::units().any(|unit| unit == name))
    }

    async fn daemon_reload(&self) -> Result<(), HostError> {
        self.change(|_, disk| disk.note("daemon-reload".to_owned()))
            .await;
        Ok(())
    }

    async fn reload_unit(&self, name: &str) -> Result<(), HostError> {
        let name = &full_name(name);
        self.runnable("reload", name)?;
        self.change(|machine, disk| {
            disk.note(format!("reload {name}"));
            machine.tell_runtime(name);
        })
        .await;
        Ok(())
    }

    async fn restart_unit(&self, name: &str) -> Result<(), HostError> {
        let name = &full_name(name);
        self.runnable("restart", name)?;
        self.change(|machine, disk| {
            disk.note(format!("restart {name}"));
            machine.tell_runtime(name);
        })
        .await;
        if name != "kubelet.service" {
            return Ok(());
        }
        self.machine.restart_kubelet().await.map_err(|last_words| {
            HostError::new("restart", name, format!("it exited at once: {last_words}"))
        })
    }

    async fn user(&self, name: &str) -> Result<Option<User>, HostError> {
        Ok(self.machine.state().users.get(name).cloned())
    }

    async fn set_user(&self, name: &str, user: &User) -> Result<(), HostError> {
        if !self.machine.state().users.contains_key(name) {
            return Err(HostError::new("set", name, "the machine has no such user"));
        }
        self.change(|_, disk| disk.users.insert(name.to_owned(), user.clone()))
            .await;
        Ok(())
    }

    async fn running_system(&self) -> Result<System, HostError> {
        Ok(self.machine.state().running.clone())
    }

    async fn next_system(&self) -> Result<System, HostError> {
        Ok(self.machine.state().next.clone())
    }

    async fn stage_system(&self, system: &System) -> Result<(), HostError> {
        if self.machine.spec.mode == OsMode::Package && system.image.is_some() {
            let hint = "this machine is not made from an image";
            return Err(HostError::new("stage", "system", hint));
        }
        self.change(|_, disk| disk.next = system.clone()).await;
        Ok(())
    }

    async fn kubelet_version(&self) -> Result<Option<String>, HostError> {
        Ok(Some(self.machine.kubelet_version().to_string()))
    }

    async fn install_kubelet(&self, version: &str) -> Result<(), HostError> {
        if self.machine.spec.mode == OsMode::Image {
            let hint = "the kubelet of this machine is part of its image";
            return Err(HostError::new("install", "kubelet", hint));
        }
        if self.machine.state().transaction.is_some() {
            let hint = "an earlier transaction was cut off and has to be recovered first";
            return Err(HostError::new("install", "kubelet", hint));
        }
        self.change(|_, disk| disk.transaction = Some(version.to_owned()))
            .await;
        tokio::time::sleep(self.machine.pace.package_install).await;
        self.change(|_, disk| {
            disk.transaction = None;
            disk.packages
                .insert(KUBELET_PACKAGE.to_owned(), version.to_owned());
        })
        .await;
        Ok(())
    }

    async fn recover_packages(&self) -> Result<(), HostError> {
        // As package managers do: what was not finished is rolled back.
        self.change(|_, disk| disk.transaction = None).await;
        Ok(())
    }

    async fn load(&self, key: &str) -> Result<Option<Vec<u8>>, HostError> {
        let file = self.machine.files.get(&state_path(key));
        let file = file.map_err(|error| failed("load", key, error))?;
        Ok(file.map(|file| file.content))
    }

    async fn store(&self, key: &str, blob: &[u8]) -> Result<(), HostError> {
        self.change(|machine, _| {
            machine
                .files
                .put(&state_path(key), File::of_root(blob, 0o600))
        })
        .await
        .map_err(|error| failed("store", key, error))
    }

    async fn discard(&self, key: &str) -> Result<(), HostError> {
        self.change(|machine, _| machine.files.remove(&state_path(key)))
            .await
            .map_err(|error| failed("discard", key, error))
    }

    async fn keys(&self, prefix: &str) -> Result<Vec<String>, HostError> {
        let paths = self.machine.files.below(STATE_DIRECTORY);
        let paths = paths.map_err(|error| failed("list", STATE_DIRECTORY, error))?;
        Ok(paths
            .iter()
            .filter_map(|path| path.strip_prefix(STATE_DIRECTORY)?.strip_prefix('/'))
            .filter(|key| key.starts_with(prefix))
            .map(str::to_owned)
            .collect())
    }
}

impl Machine {
    /// What can be changed on it in place. Packages carry neither an image nor its kernels and extensions.
    fn capabilities(&self) -> Capabilities {
        match self.spec.mode {
            OsMode::Image => Capabilities::reference(),
            OsMode::Package => Capabilities::of([
                Capability::Files,
                Capability::Units,
                Capability::CoreUser,
                Capability::KernelArguments,
                Capability::KubeletPackage,
            ]),
        }
    }

    /// Counts one changing operation; says where the power goes if it goes at this one.
    fn count_down(&self) -> Option<Cut> {
        let mut state = self.state();
        match state.cut.take() {
            Some((0, cut)) => Some(cut),
            Some((left, cut)) => {
                state.cut = Some((left - 1, cut));
                None
            }
            None => None,
        }
    }

    /// Lets the kubelet look at the container runtime again, if `unit` is one.
    fn tell_runtime(&self, unit: &str) {
        if matches!(unit, "crio.service" | "containerd.service") {
            self.runtime.send_modify(|count| *count += 1);
        }
    }

    /// Orders a restart of the kubelet and waits until it runs; its last words where it does not.
    async fn restart_kubelet(&self) -> Result<(), String> {
        let mut order = 0;
        self.kubelet.send_modify(|kubelet| {
            kubelet.ordered += 1;
            kubelet.process = Process::Starting;
            order = kubelet.ordered;
        });
        let mut kubelet = self.kubelet.subscribe();
        let answered = kubelet
            .wait_for(|kubelet| kubelet.answered >= order && kubelet.process != Process::Starting)
            .await;
        match answered.map(|kubelet| kubelet.process.clone()) {
            Ok(Process::Exited(last_words)) => Err(last_words),
            Ok(Process::Running | Process::Starting) | Err(_) => Ok(()),
        }
    }
}

fn state_path(key: &str) -> String {
    format!("{STATE_DIRECTORY}/{key}")
}

/// As the service manager does: a name without a suffix is a service.
fn full_name(name: &str) -> String {
    if name.contains('.') {
        name.to_owned()
    } else {
        format!("{name}.service")
    }
}

fn failed(operation: &'static str, subject: &str, error: std::io::Error) -> HostError {
    HostError::new(operation, subject, "the machine's disk refused").because(error)
}
