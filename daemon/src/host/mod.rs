//! What a machine can do for the daemon: the one door to files, units, kernel, image and packages.
//!
//! Guarantees asked of every implementation, because the journal (promise 6) stands on them:
//! - Each method is **atomic and durable when it returns `Ok`**: a power cut leaves what was there
//!   before or what was asked for, never a mixture, and never loses what an `Ok` has confirmed.
//! - Each method is **absolute and idempotent**: it names the state that shall be, not a step towards
//!   it, so that the next start may simply ask again.
//! - A future that is dropped in the middle counts as a power cut at that point.
//! - Facts are read afresh at each call; nothing is cached on the caller's behalf.
//!
//! Not here: what should be changed (`apply`), when (`core`), and originals, which are kept by
//! `apply` through [`Host::store`], so that no implementation can forget them.

use rendering::reconcile::Capabilities;
use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;

#[cfg(any(test, feature = "testing"))]
pub mod memory;
pub mod plain;

#[cfg(test)]
mod conformance;

/// A machine, as far as the daemon needs one.
///
/// Paths are absolute and as the node's own processes see them.
pub trait Host: Send + Sync + 'static {
    /// What can be told of the machine without doing anything; read at each start and after
    /// [`Host::facts_changed`].
    fn facts(&self) -> impl Future<Output = Result<HostFacts, HostError>> + Send;

    /// Completes when [`Host::facts`] may say something new: another package version, for instance.
    ///
    /// Events only (a notification of the package database), never a poll. It may complete without
    /// a reason; it must not miss a change that happens between a call of [`Host::facts`] and the
    /// next call of this. A machine whose facts never change never completes it.
    fn facts_changed(&self) -> impl Future<Output = ()> + Send;

    /// The identity of the running boot (`/proc/sys/kernel/random/boot_id`).
    fn boot_id(&self) -> impl Future<Output = Result<String, HostError>> + Send;

    /// Starts a reboot. `Ok` means that it is under way: the daemon then does nothing but wait for
    /// its end. Asking again while one is under way is `Ok`.
    fn reboot(&self) -> impl Future<Output = Result<(), HostError>> + Send;

    /// Whether the kubelet of this machine answers its own health question (`/healthz` on loopback).
    ///
    /// One question, bounded by the implementation (a few seconds); `false` is an answer, not an error.
    fn kubelet_answers(&self) -> impl Future<Output = bool> + Send;

    /// The regular file at `path`, `None` where nothing is there. A symbolic link is followed; a
    /// directory or a device is an error.
    fn read_file(&self, path: &str)
    -> impl Future<Output = Result<Option<File>, HostError>> + Send;

    /// Puts `file` at `path`: new content beside it, synced, renamed over it, directory synced. Missing
    /// parents are made with mode 0755.
    fn write_file(
        &self,
        path: &str,
        file: &File,
    ) -> impl Future<Output = Result<(), HostError>> + Send;

    /// Removes the file at `path`; `Ok` where nothing is there. Directories that thereby become
    /// empty stay.
    fn remove_file(&self, path: &str) -> impl Future<Output = Result<(), HostError>> + Send;

    /// The target of the symbolic link at `path`, `None` where something else or nothing is.
    fn link(&self, _path: &str) -> impl Future<Output = Result<Option<String>, HostError>> + Send {
        std::future::ready(Ok(None))
    }

    /// Puts a symbolic link at `path`, as [`Host::write_file`] puts files.
    fn write_link(
        &self,
        path: &str,
        _target: &str,
    ) -> impl Future<Output = Result<(), HostError>> + Send {
        std::future::ready(Err(lacking("link", path)))
    }

    /// The directory at `path`, `None` where something else (a link to one, too) or nothing is.
    fn directory(
        &self,
        _path: &str,
    ) -> impl Future<Output = Result<Option<Directory>, HostError>> + Send {
        std::future::ready(Ok(None))
    }

    /// Makes a directory at `path`, or gives the one that is there these permissions.
    fn write_directory(
        &self,
        path: &str,
        _directory: &Directory,
    ) -> impl Future<Output = Result<(), HostError>> + Send {
        std::future::ready(Err(lacking("make directory", path)))
    }

    /// Takes the directory at `path` away if nothing is in it; `Ok` where it stays.
    fn remove_directory(&self, path: &str) -> impl Future<Output = Result<(), HostError>> + Send {
        std::future::ready(Err(lacking("remove directory", path)))
    }

    /// How the service manager would start unit `name` at the next boot. A unit that it does not
    /// know is neither enabled nor masked.
    fn unit(&self, name: &str) -> impl Future<Output = Result<UnitState, HostError>> + Send;

    /// Makes unit `name` masked, enabled or disabled, from whatever it is now. One that is static stays so. A mask replaces a unit file
    /// under `/etc/systemd/system`, and is taken away first where the unit shall not be masked.
    /// Does not start or stop anything. Enabling a unit that has no file is an error.
    fn set_unit(
        &self,
        name: &str,
        state: UnitState,
    ) -> impl Future<Output = Result<(), HostError>> + Send;

    /// What the machine's own preset rules say of unit `name`, for units that name no `enabled`.
    fn unit_preset(&self, name: &str) -> impl Future<Output = Result<bool, HostError>> + Send;

    /// Makes the service manager read all unit files again.
    fn daemon_reload(&self) -> impl Future<Output = Result<(), HostError>> + Send;

    /// Asks unit `name` to read its configuration again; `Ok` once it has.
    fn reload_unit(&self, name: &str) -> impl Future<Output = Result<(), HostError>> + Send;

    /// Stops and starts unit `name`; `Ok` once it runs, an error where it does not come up.
    fn restart_unit(&self, name: &str) -> impl Future<Output = Result<(), HostError>> + Send;

    /// The login data of user `name`, `None` where the machine has no such user.
    fn user(&self, name: &str) -> impl Future<Output = Result<Option<User>, HostError>> + Send;

    /// Sets the login data that we manage of user `name`, who must exist.
    fn set_user(
        &self,
        name: &str,
        user: &User,
    ) -> impl Future<Output = Result<(), HostError>> + Send;

    /// The operating system that runs now.
    fn running_system(&self) -> impl Future<Output = Result<System, HostError>> + Send;

    /// The operating system that the next boot takes: what [`Host::stage_system`] was last given, or
    /// the running one.
    fn next_system(&self) -> impl Future<Output = Result<System, HostError>> + Send;

    /// Makes the next boot take `system`, whole. Where parts of it are beyond this machine
    /// ([`HostFacts`] says so beforehand), an error, and nothing is changed.
    fn stage_system(&self, system: &System) -> impl Future<Output = Result<(), HostError>> + Send;

    /// What lies at `url`, over https; compared with its hash by whoever asks. Bounded in size and in time, tries and
    /// waits included.
    fn fetch(&self, url: &str) -> impl Future<Output = Result<Vec<u8>, HostError>> + Send {
        let hint = "this machine's backend fetches nothing; give the contents inline";
        std::future::ready(Err(HostError::new("fetch", url, hint)))
    }

    /// The version of the kubelet that is installed, such as `1.33.4`, without a leading `v`.
    fn kubelet_version(&self) -> impl Future<Output = Result<Option<String>, HostError>> + Send;

    /// Installs the kubelet of `version` from the machine's packages, as one transaction. The running
    /// kubelet goes on until its unit is restarted.
    fn install_kubelet(&self, version: &str) -> impl Future<Output = Result<(), HostError>> + Send;

    /// Runs the package manager's own recovery of a transaction that was cut off; `Ok` where there is
    /// nothing to recover.
    fn recover_packages(&self) -> impl Future<Output = Result<(), HostError>> + Send;

    /// Reads blob `key` of the daemon's own state directory.
    ///
    /// Keys are made of `a-z A-Z 0-9 . _ % -`, at most 255 of them, so that they can be file names.
    /// The directory is readable by root alone and lies on a disk that outlives the boot.
    fn load(&self, key: &str) -> impl Future<Output = Result<Option<Vec<u8>>, HostError>> + Send;

    /// Writes blob `key` of the daemon's own state, whole.
    fn store(&self, key: &str, blob: &[u8]) -> impl Future<Output = Result<(), HostError>> + Send;

    /// Removes blob `key`; `Ok` where there is none.
    fn discard(&self, key: &str) -> impl Future<Output = Result<(), HostError>> + Send;

    /// All keys that start with `prefix`, in order.
    fn keys(&self, prefix: &str) -> impl Future<Output = Result<Vec<String>, HostError>> + Send;
}

/// What a machine says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostFacts {
    /// `ID` of os-release, such as `rhel`, `debian`, `fedora`.
    pub os_id: String,
    /// Whether the kubelet is a package of this machine, and not part of its image (design.md 5).
    pub package_mode: bool,
    /// Versions of the machine's own API packages, by package name, for the gate of kubelet parts.
    /// Empty where none is installed.
    pub package_versions: BTreeMap<String, String>,
    /// What this backend can apply in place; what is missing is refused before anything is touched.
    pub capabilities: Capabilities,
}

/// A regular file: what is in it and who may do what with it.
#[derive(Clone, PartialEq, Eq)]
pub struct File {
    /// The content.
    pub content: Vec<u8>,
    /// Permission bits, with setuid, setgid and sticky: at most 0o7777.
    pub mode: u32,
    /// The owning user.
    pub user: Owner,
    /// The owning group.
    pub group: Owner,
}

impl File {
    /// A file of root's with `content` and `mode`.
    pub fn of_root(content: impl Into<Vec<u8>>, mode: u32) -> Self {
        Self {
            content: content.into(),
            mode,
            user: Owner::Id(0),
            group: Owner::Id(0),
        }
    }
}

/// What a machine without [`Capability::Links`](rendering::reconcile::Capability::Links) and `Directories` answers.
fn lacking(operation: &'static str, path: &str) -> HostError {
    let hint = "this machine's backend brings neither links nor directories";
    HostError::new(operation, path, hint)
}

/// What can be at a path.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Entry {
    /// A regular file.
    File(File),
    /// A symbolic link, with its target.
    Link(String),
    /// A directory.
    Directory(Directory),
}

/// A directory: who may do what with it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Directory {
    /// Permission bits, as in [`File`].
    pub mode: u32,
    /// The owning user.
    pub user: Owner,
    /// The owning group.
    pub group: Owner,
}

/// Content stays out: a file may hold a secret, and logs are read by many.
impl fmt::Debug for File {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("File")
            .field("content_bytes", &self.content.len())
            .field("mode", &format_args!("{:04o}", self.mode))
            .field("user", &self.user)
            .field("group", &self.group)
            .finish()
    }
}

/// A user or a group of the machine. [`Host::read_file`] answers with ids; a name is looked up in
/// the machine's own database when the file is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Owner {
    /// By number.
    Id(u32),
    /// By name.
    Name(String),
}

/// How a unit starts at boot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UnitState {
    /// Wanted by some target.
    Enabled,
    /// Not wanted, but may be started.
    Disabled,
    /// Cannot be started at all.
    Masked,
    /// Started by others alone: it says of itself nothing that could enable it. As good as enabled and as disabled.
    Static,
    /// Some of what enables it is there, and some is not: a change was cut off. Neither enabled nor disabled.
    Partly,
}

impl UnitState {
    /// Whether a unit in this state starts as `wish` says.
    pub fn fulfils(self, wish: Self) -> bool {
        self == wish || (self == Self::Static && matches!(wish, Self::Enabled | Self::Disabled))
    }

    /// The word that `systemctl is-enabled` says.
    pub fn word(self) -> &'static str {
        match self {
            Self::Enabled => "enabled",
            Self::Disabled => "disabled",
            Self::Masked => "masked",
            Self::Static => "static",
            Self::Partly => "enabled in part",
        }
    }
}

/// The login data of one user that a configuration may set.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct User {
    /// The keys of the file that is ours alone (`authorized_keys.d/ignition`), in order.
    pub ssh_keys: Vec<String>,
    /// The hash in the shadow database; `None`: no login by password.
    pub password_hash: Option<String>,
}

/// Keys and hashes stay out of logs.
impl fmt::Debug for User {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("User")
            .field("ssh_keys", &self.ssh_keys.len())
            .field("password_hash", &self.password_hash.is_some())
            .finish()
    }
}

/// The operating system of one boot.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct System {
    /// The image by its pull specification; `None` where the machine is not made from one.
    pub image: Option<String>,
    /// The kernel's flavour; `None` for the default one.
    pub kernel_type: Option<String>,
    /// Extensions, sorted, each once.
    pub extensions: Vec<String>,
    /// The whole kernel command line, one argument an entry, in order.
    pub kernel_arguments: Vec<String>,
}

/// An operation that the machine did not carry out.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {subject}: {hint}")]
pub struct HostError {
    /// What was attempted, as a verb: `write`, `restart`.
    pub operation: &'static str,
    /// On what: a path, a unit, a package.
    pub subject: String,
    /// What is wrong or what to look at.
    pub hint: String,
    /// The machine's own words.
    #[source]
    pub source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl HostError {
    /// An error without a cause underneath.
    pub fn new(
        operation: &'static str,
        subject: impl Into<String>,
        hint: impl Into<String>,
    ) -> Self {
        Self {
            operation,
            subject: subject.into(),
            hint: hint.into(),
            source: None,
        }
    }

    /// The same error with its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn std::error::Error + Send + Sync>>) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The error and all its causes in one line, for people.
    pub fn in_full(&self) -> String {
        let mut text = self.to_string();
        let mut cause: Option<&(dyn std::error::Error + 'static)> =
            self.source.as_deref().map(|source| source as _);
        while let Some(error) = cause {
            text.push_str(": ");
            text.push_str(&error.to_string());
            cause = error.source();
        }
        text
    }
}
