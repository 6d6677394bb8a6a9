//! Why a change cannot be applied in place, and whose fault it is.

use std::fmt;

use thiserror::Error;

use super::{Capability, FORCE_FILE};
use crate::configuration::Configuration;
use crate::ignition::config::Config;

/// Most entries named in the sentence of a refusal; the value holds them all.
const MAX_NAMED: usize = 3;

/// A change that cannot be applied in place.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{}", self.sentence())]
pub struct Refusal {
    /// The config that the node runs; `None` if it has none yet.
    pub old: Option<String>,
    /// The config that it was to be brought to.
    pub new: String,
    /// Why not.
    pub cause: Cause,
}

/// Why a change cannot be applied in place. Lists hold the names of the entries that differ.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Cause {
    /// A file with setuid, setgid or sticky bit.
    FileMode {
        /// Path of the file.
        path: String,
        /// The mode.
        mode: i64,
    },
    /// Groups differ.
    Groups {
        /// Their names.
        names: Vec<String>,
    },
    /// Users differ, and there is one that is not `core`.
    OtherUser {
        /// Its name.
        name: String,
    },
    /// Users differ, and `core` has neither key nor password.
    CoreWithoutCredentials,
    /// Users differ, and `core` has more than keys and password.
    CoreFields {
        /// The other fields.
        fields: Vec<String>,
    },
    /// Kernel arguments of the Ignition config differ; those of the MachineConfig are the way.
    IgnitionKernelArguments,
    /// Partition tables differ.
    Disks {
        /// The devices.
        devices: Vec<String>,
    },
    /// Filesystems differ.
    Filesystems {
        /// The devices.
        devices: Vec<String>,
    },
    /// RAID arrays differ.
    Raid {
        /// Their names.
        names: Vec<String>,
    },
    /// Directories differ.
    Directories {
        /// Their paths.
        paths: Vec<String>,
    },
    /// Links differ.
    Links {
        /// Their paths.
        paths: Vec<String>,
    },
    /// A file is appended to.
    Append {
        /// Path of the file.
        path: String,
    },
    /// The config brings the file that asks for everything to be written anew.
    ForceFile,
    /// FIPS mode differs.
    Fips,
    /// The host's backend has no way to apply this kind of change.
    Backend {
        /// What it lacks.
        capability: Capability,
    },
}

impl Refusal {
    fn sentence(&self) -> String {
        let against = self
            .old
            .as_deref()
            .map_or_else(|| "a node without one".to_owned(), |old| format!("{old:?}"));
        format!(
            "new machineconfig {:?} is not reconcilable against {against}: {} ({})",
            self.new,
            self.cause,
            self.cause.field()
        )
    }

    /// The MachineConfig that brings what is refused: the last one, in the order of merging, that has it. `None` if
    /// none has it, because the refused change takes something away.
    pub fn guilty<'a>(&self, sources: &'a [Configuration]) -> Option<&'a str> {
        sources
            .iter()
            .rev()
            .find(|source| self.cause.is_brought_by(source))
            .map(|source| source.name.as_str())
    }
}

impl Cause {
    /// The stable identifier, CamelCase.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::FileMode { .. } => "FileMode",
            Self::Groups { .. } => "Groups",
            Self::OtherUser { .. } => "OtherUser",
            Self::CoreWithoutCredentials => "CoreWithoutCredentials",
            Self::CoreFields { .. } => "CoreFields",
            Self::IgnitionKernelArguments => "IgnitionKernelArguments",
            Self::Disks { .. } => "Disks",
            Self::Filesystems { .. } => "Filesystems",
            Self::Raid { .. } => "Raid",
            Self::Directories { .. } => "Directories",
            Self::Links { .. } => "Links",
            Self::Append { .. } => "Append",
            Self::ForceFile => "ForceFile",
            Self::Fips => "FIPS",
            Self::Backend { .. } => "Backend",
        }
    }

    /// The field of a MachineConfig that has to be changed.
    pub fn field(&self) -> &'static str {
        match self {
            Self::FileMode { .. } | Self::ForceFile => "spec.config.storage.files",
            Self::Append { .. } => "spec.config.storage.files.append",
            Self::Groups { .. } => "spec.config.passwd.groups",
            Self::OtherUser { .. } | Self::CoreWithoutCredentials | Self::CoreFields { .. } => {
                "spec.config.passwd.users"
            }
            Self::IgnitionKernelArguments => "spec.config.kernelArguments",
            Self::Disks { .. } => "spec.config.storage.disks",
            Self::Filesystems { .. } => "spec.config.storage.filesystems",
            Self::Raid { .. } => "spec.config.storage.raid",
            Self::Directories { .. } => "spec.config.storage.directories",
            Self::Links { .. } => "spec.config.storage.links",
            Self::Fips => "spec.fips",
            Self::Backend { capability } => capability_field(*capability),
        }
    }

    fn is_brought_by(&self, source: &Configuration) -> bool {
        let Config {
            kernel_arguments,
            passwd,
            storage,
            ..
        } = &source.ignition;
        let any = |names: &[String], has: &dyn Fn(&str) -> bool| names.iter().any(|name| has(name));
        match self {
            Self::FileMode { path, mode } => storage
                .files
                .iter()
                .any(|file| file.path == *path && file.mode == Some(*mode)),
            Self::Groups { names } => any(names, &|name| {
                passwd.groups.iter().any(|group| group.name == name)
            }),
            Self::OtherUser { name } => passwd.users.iter().any(|user| user.name == *name),
            Self::CoreWithoutCredentials | Self::CoreFields { .. } => passwd
                .users
                .iter()
                .any(|user| user.name == super::CORE_USER),
            Self::IgnitionKernelArguments => *kernel_arguments != <_>::default(),
            Self::Disks { devices } => any(devices, &|device| {
                storage.disks.iter().any(|disk| disk.device == device)
            }),
            Self::Filesystems { devices } => any(devices, &|device| {
                storage.filesystems.iter().any(|made| made.device == device)
            }),
            Self::Raid { names } => any(names, &|name| {
                storage.raid.iter().any(|raid| raid.name == name)
            }),
            Self::Directories { paths } => any(paths, &|path| {
                storage
                    .directories
                    .iter()
                    .any(|directory| directory.path == path)
            }),
            Self::Links { paths } => any(paths, &|path| {
                storage.links.iter().any(|link| link.path == path)
            }),
            Self::Append { path } => storage
                .files
                .iter()
                .any(|file| file.path == *path && !file.append.is_empty()),
            Self::ForceFile => storage.files.iter().any(|file| file.path == FORCE_FILE),
            Self::Fips => source.fips,
            Self::Backend { capability } => brings(source, *capability),
        }
    }
}

/// Whether a MachineConfig asks for what only a backend with this capability applies.
fn brings(source: &Configuration, capability: Capability) -> bool {
    match capability {
        Capability::OsImage => !source.os_image.is_empty(),
        Capability::KernelArguments => !source.kernel_arguments.is_empty(),
        Capability::KernelType => !source.kernel_type.is_empty(),
        Capability::Extensions => !source.extensions.is_empty(),
        Capability::Files => !source.ignition.storage.files.is_empty(),
        Capability::Units => !source.ignition.systemd.units.is_empty(),
        Capability::CoreUser => !source.ignition.passwd.users.is_empty(),
        _ => false,
    }
}

fn capability_field(capability: Capability) -> &'static str {
    match capability {
        Capability::OsImage => "spec.osImageURL",
        Capability::KernelArguments => "spec.kernelArguments",
        Capability::KernelType => "spec.kernelType",
        Capability::Extensions => "spec.extensions",
        Capability::Units => "spec.config.systemd.units",
        Capability::CoreUser => "spec.config.passwd.users",
        _ => "spec.config.storage.files",
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::FileMode { path, mode } => {
                write!(f, "invalid mode {mode:#o} for {path}, cannot exceed 0777")
            }
            Self::Groups { names } => section(f, "Passwd Groups", names),
            Self::OtherUser { name } => {
                write!(
                    f,
                    "ignition passwd user section contains unsupported changes: non-core user {name}"
                )
            }
            Self::CoreWithoutCredentials => f.write_str(
                "ignition passwd user section contains unsupported changes: \
                 user core must have 1 or more sshAuthorizedKeys or a passwordHash",
            ),
            Self::CoreFields { fields } => write!(
                f,
                "only sshAuthorizedKeys and passwordHash of user core are reconcilable, not {}",
                fields.join(", ")
            ),
            Self::IgnitionKernelArguments => f.write_str(
                "ignition kargs section contains changes; spec.kernelArguments can be changed",
            ),
            Self::Disks { devices } => section(f, "disks", devices),
            Self::Filesystems { devices } => section(f, "filesystems", devices),
            Self::Raid { names } => section(f, "raid", names),
            Self::Directories { paths } => section(f, "directories", paths),
            Self::Links { paths } => section(f, "links", paths),
            Self::Append { path } => write!(f, "ignition file {path} includes append"),
            Self::ForceFile => write!(f, "cannot create {FORCE_FILE} via Ignition"),
            Self::Fips => f.write_str(
                "detected change to FIPS flag; refusing to modify FIPS on a running cluster",
            ),
            Self::Backend { capability } => {
                write!(
                    f,
                    "the node's host backend cannot change {}",
                    capability.name()
                )
            }
        }
    }
}

fn section(f: &mut fmt::Formatter<'_>, name: &str, entries: &[String]) -> fmt::Result {
    write!(f, "ignition {name} section contains changes")?;
    let named: Vec<&str> = entries.iter().take(MAX_NAMED).map(String::as_str).collect();
    if !named.is_empty() {
        write!(f, ": {}", named.join(", "))?;
    }
    match entries.len().saturating_sub(MAX_NAMED) {
        0 => Ok(()),
        more => write!(f, " and {more} more"),
    }
}
