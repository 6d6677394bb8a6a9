//! A machine in memory, for tests: of this room, and with the feature `testing` of others.
//!
//! Every operation that changes something is a crash point: [`MemoryHost::cut_power_at`] lets the
//! machine die just before or just after the n-th of them. What is "on disk" survives, as
//! [`Host`] demands. The simulated fleet has a host of its own.

use super::{Directory, File, Host, HostError, HostFacts, Owner, System, UnitState, User};
use rendering::reconcile::{Capabilities, Capability};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Where the power goes, relative to a changing operation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The operation is asked for and has no effect.
    Before,
    /// The operation takes effect and nobody learns of it.
    After,
}

/// Everything that a power cut leaves standing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Disk {
    /// Files by path.
    pub files: BTreeMap<String, File>,
    /// Links by path, with their targets.
    pub links: BTreeMap<String, String>,
    /// Directories that were asked for, by path.
    pub directories: BTreeMap<String, Directory>,
    /// How units start, by name.
    pub units: BTreeMap<String, UnitState>,
    /// Users by name.
    pub users: BTreeMap<String, User>,
    /// The system of the next boot.
    pub next: System,
    /// The kubelet's package; `None` where it comes with the image.
    pub kubelet: Option<String>,
    /// The daemon's own state.
    pub blobs: BTreeMap<String, Vec<u8>>,
}

/// Links that lead to links; no machine has as many.
const LINKS_MAX: usize = 8;

impl Disk {
    /// The file at `path`, through links.
    fn file(&self, path: &str) -> Option<&File> {
        let mut path = path.to_owned();
        for _ in 0..LINKS_MAX {
            let Some(target) = self.links.get(&path) else {
                return self.files.get(&path);
            };
            let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
            path = if target.starts_with('/') {
                target.clone()
            } else {
                format!("{parent}/{target}")
            };
        }
        None
    }

    fn has_something_below(&self, path: &str) -> bool {
        let below = format!("{path}/");
        let directories = self.directories.keys();
        let mut all = directories
            .chain(self.files.keys())
            .chain(self.links.keys());
        all.any(|it| it.starts_with(&below))
    }
}

fn capabilities() -> Capabilities {
    let more = [Capability::Directories, Capability::Links];
    let reference = Capabilities::reference();
    let all = Capability::ALL.into_iter();
    Capabilities::of(all.filter(|it| reference.has(*it) || more.contains(it)))
}

fn as_numbers(user: &mut Owner, group: &mut Owner) {
    for owner in [user, group] {
        if *owner == Owner::Name("root".into()) {
            *owner = Owner::Id(0);
        }
    }
}

#[derive(Debug)]
struct Machine {
    disk: Disk,
    running: System,
    boot: u32,
    rebooting: bool,
    operations: usize,
    cut: Option<(usize, Cut)>,
    dead: bool,
    kubelet_answers: bool,
    refuse: BTreeSet<String>,
    web: BTreeMap<String, Vec<u8>>,
    log: Vec<String>,
}

/// The machine; clones share it.
#[derive(Debug, Clone)]
pub struct MemoryHost(Arc<Mutex<Machine>>);

impl MemoryHost {
    /// A machine that nobody has touched: a user `core`, a kubelet, two kernel arguments.
    #[allow(
        clippy::new_without_default,
        reason = "there is nothing default about a machine"
    )]
    pub fn new() -> Self {
        let system = System {
            kernel_arguments: vec!["root=/dev/vda".into(), "quiet".into()],
            ..System::default()
        };
        Self(Arc::new(Mutex::new(Machine {
            disk: Disk {
                files: BTreeMap::new(),
                links: BTreeMap::new(),
                directories: BTreeMap::new(),
                units: BTreeMap::new(),
                users: BTreeMap::from([("core".to_owned(), User::default())]),
                next: system.clone(),
                kubelet: Some("1.33.1".into()),
                blobs: BTreeMap::new(),
            },
            running: system,
            boot: 1,
            rebooting: false,
            operations: 0,
            cut: None,
            dead: false,
            kubelet_answers: true,
            refuse: BTreeSet::new(),
            web: BTreeMap::new(),
            log: Vec::new(),
        })))
    }

    fn machine(&self) -> MutexGuard<'_, Machine> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A copy of what is on the disk.
    pub fn disk(&self) -> Disk {
        self.machine().disk.clone()
    }

    /// Changes the disk behind the daemon's back.
    pub fn tamper(&self, change: impl FnOnce(&mut Disk)) {
        change(&mut self.machine().disk);
    }

    /// Lets the power go at the `operation`-th change from now, counted from 0.
    pub fn cut_power_at(&self, operation: usize, cut: Cut) {
        let mut machine = self.machine();
        machine.cut = Some((machine.operations + operation, cut));
    }

    /// How many changes there have been.
    pub fn operations(&self) -> usize {
        self.machine().operations
    }

    /// Whether the machine waits for [`MemoryHost::boot`].
    pub fn is_down(&self) -> bool {
        let machine = self.machine();
        machine.dead || machine.rebooting
    }

    /// Starts the machine anew: another boot id, the staged system, no cut.
    pub fn boot(&self) {
        let mut machine = self.machine();
        machine.dead = false;
        machine.rebooting = false;
        machine.cut = None;
        machine.boot += 1;
        machine.running = machine.disk.next.clone();
        machine.log.push("boot".into());
    }

    /// Makes every operation on `subject` fail from now on.
    pub fn refuse(&self, subject: &str) {
        self.machine().refuse.insert(subject.into());
    }

    /// Ends a refusal.
    pub fn allow(&self, subject: &str) {
        self.machine().refuse.remove(subject);
    }

    /// Puts something at a URL from now on, or takes it away.
    pub fn publish(&self, url: &str, content: Option<&[u8]>) {
        let web = &mut self.machine().web;
        match content {
            Some(content) => web.insert(url.into(), content.into()),
            None => web.remove(url),
        };
    }

    /// Whether the kubelet answers from now on.
    pub fn set_kubelet_answers(&self, answers: bool) {
        self.machine().kubelet_answers = answers;
    }

    /// What was asked of services and power, in order.
    pub fn log(&self) -> Vec<String> {
        self.machine().log.clone()
    }

    fn read<T>(&self, look: impl FnOnce(&Machine) -> T) -> Result<T, HostError> {
        let machine = self.machine();
        if machine.dead {
            return Err(HostError::new("reach", "machine", "it has no power"));
        }
        Ok(look(&machine))
    }

    fn change(
        &self,
        operation: &'static str,
        subject: &str,
        act: impl FnOnce(&mut Machine),
    ) -> Result<(), HostError> {
        let mut machine = self.machine();
        let down = || HostError::new(operation, subject, "the machine has no power");
        if machine.dead {
            return Err(down());
        }
        if machine.refuse.contains(subject) {
            return Err(HostError::new(operation, subject, "refused by the test"));
        }
        let number = machine.operations;
        machine.operations += 1;
        let cut = machine.cut.filter(|(at, _)| *at == number).map(|(_, c)| c);
        if cut != Some(Cut::Before) {
            act(&mut machine);
        }
        if cut.is_some() {
            machine.dead = true;
            return Err(down());
        }
        Ok(())
    }
}

impl Host for MemoryHost {
    async fn facts(&self) -> Result<HostFacts, HostError> {
        self.read(|machine| HostFacts {
            os_id: "rhel".into(),
            package_mode: machine.disk.kubelet.is_some(),
            package_versions: BTreeMap::new(),
            capabilities: capabilities(),
        })
    }

    async fn facts_changed(&self) {
        std::future::pending::<()>().await;
    }

    async fn boot_id(&self) -> Result<String, HostError> {
        self.read(|machine| format!("boot-{}", machine.boot))
    }

    async fn reboot(&self) -> Result<(), HostError> {
        self.change("reboot", "machine", |machine| {
            machine.rebooting = true;
            machine.log.push("reboot".into());
        })
    }

    async fn kubelet_answers(&self) -> bool {
        self.machine().kubelet_answers
    }

    async fn read_file(&self, path: &str) -> Result<Option<File>, HostError> {
        self.read(|machine| machine.disk.file(path).cloned())
    }

    async fn write_file(&self, path: &str, file: &File) -> Result<(), HostError> {
        let mut file = file.clone();
        as_numbers(&mut file.user, &mut file.group);
        self.change("write", path, |machine| {
            machine.disk.links.remove(path);
            machine.disk.files.insert(path.into(), file);
        })
    }

    async fn remove_file(&self, path: &str) -> Result<(), HostError> {
        self.change("remove", path, |machine| {
            machine.disk.files.remove(path);
            machine.disk.links.remove(path);
        })
    }

    async fn link(&self, path: &str) -> Result<Option<String>, HostError> {
        self.read(|machine| machine.disk.links.get(path).cloned())
    }

    async fn write_link(&self, path: &str, target: &str) -> Result<(), HostError> {
        self.change("link", path, |machine| {
            machine.disk.files.remove(path);
            machine.disk.links.insert(path.into(), target.into());
        })
    }

    async fn directory(&self, path: &str) -> Result<Option<Directory>, HostError> {
        self.read(|machine| machine.disk.directories.get(path).cloned())
    }

    async fn write_directory(&self, path: &str, directory: &Directory) -> Result<(), HostError> {
        let mut directory = directory.clone();
        as_numbers(&mut directory.user, &mut directory.group);
        self.change("make directory", path, |machine| {
            machine.disk.directories.insert(path.into(), directory);
        })
    }

    async fn remove_directory(&self, path: &str) -> Result<(), HostError> {
        self.change("remove directory", path, |machine| {
            if !machine.disk.has_something_below(path) {
                machine.disk.directories.remove(path);
            }
        })
    }

    async fn unit(&self, name: &str) -> Result<UnitState, HostError> {
        self.read(|machine| {
            let known = machine.disk.units.get(name).copied();
            known.unwrap_or(UnitState::Disabled)
        })
    }

    async fn set_unit(&self, name: &str, state: UnitState) -> Result<(), HostError> {
        self.change("set up", name, |machine| {
            if state == UnitState::Masked {
                let path = format!("/etc/systemd/system/{name}");
                machine.disk.files.remove(&path);
                machine.disk.links.remove(&path);
            }
            machine.disk.units.insert(name.into(), state);
        })
    }

    async fn unit_preset(&self, _name: &str) -> Result<bool, HostError> {
        Ok(false)
    }

    async fn daemon_reload(&self) -> Result<(), HostError> {
        self.change("reload", "service manager", |machine| {
            machine.log.push("daemon-reload".into());
        })
    }

    async fn reload_unit(&self, name: &str) -> Result<(), HostError> {
        self.change("reload", name, |machine| {
            machine.log.push(format!("reload {name}"));
        })
    }

    async fn restart_unit(&self, name: &str) -> Result<(), HostError> {
        self.change("restart", name, |machine| {
            machine.log.push(format!("restart {name}"));
        })
    }

    async fn user(&self, name: &str) -> Result<Option<User>, HostError> {
        self.read(|machine| machine.disk.users.get(name).cloned())
    }

    async fn set_user(&self, name: &str, user: &User) -> Result<(), HostError> {
        self.change("set", name, |machine| {
            machine.disk.users.insert(name.into(), user.clone());
        })
    }

    async fn running_system(&self) -> Result<System, HostError> {
        self.read(|machine| machine.running.clone())
    }

    async fn next_system(&self) -> Result<System, HostError> {
        self.read(|machine| machine.disk.next.clone())
    }

    async fn stage_system(&self, system: &System) -> Result<(), HostError> {
        self.change("stage", "system", |machine| {
            machine.disk.next = system.clone();
        })
    }

    async fn fetch(&self, url: &str) -> Result<Vec<u8>, HostError> {
        let found = self.read(|machine| machine.web.get(url).cloned())?;
        found.ok_or_else(|| HostError::new("fetch", url, "nothing is there"))
    }

    async fn kubelet_version(&self) -> Result<Option<String>, HostError> {
        self.read(|machine| machine.disk.kubelet.clone())
    }

    async fn install_kubelet(&self, version: &str) -> Result<(), HostError> {
        self.change("install", version, |machine| {
            machine.disk.kubelet = Some(version.into());
        })
    }

    async fn recover_packages(&self) -> Result<(), HostError> {
        self.read(|_| ())
    }

    async fn load(&self, key: &str) -> Result<Option<Vec<u8>>, HostError> {
        self.read(|machine| machine.disk.blobs.get(key).cloned())
    }

    async fn store(&self, key: &str, blob: &[u8]) -> Result<(), HostError> {
        self.change("store", key, |machine| {
            machine.disk.blobs.insert(key.into(), blob.to_vec());
        })
    }

    async fn discard(&self, key: &str) -> Result<(), HostError> {
        self.change("discard", key, |machine| {
            machine.disk.blobs.remove(key);
        })
    }

    async fn keys(&self, prefix: &str) -> Result<Vec<String>, HostError> {
        self.read(|machine| {
            let keys = machine.disk.blobs.keys();
            keys.filter(|key| key.starts_with(prefix))
                .cloned()
                .collect()
        })
    }
}
