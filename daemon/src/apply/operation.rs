//! One change of the machine.

use super::originals::SystemOriginal;
use crate::host::{Directory, Entry, File, System, UnitState, User};

/// One change of the machine, absolute: it names the state that shall be.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Operation {
    /// Store what is at a path, before it is changed for the first time.
    KeepFile {
        /// The path.
        path: String,
        /// What is there.
        was: Option<Entry>,
    },
    /// Put a file there.
    WriteFile {
        /// The path.
        path: String,
        /// What shall be there.
        file: File,
    },
    /// Put a symbolic link there.
    WriteLink {
        /// The path.
        path: String,
        /// Where it leads.
        target: String,
    },
    /// Make a directory, or give the one that is there these permissions.
    WriteDirectory {
        /// The path.
        path: String,
        /// Its permissions.
        directory: Directory,
    },
    /// Take a directory away, unless something else is in it.
    RemoveDirectory {
        /// The path.
        path: String,
    },
    /// Leave nothing there.
    RemoveFile {
        /// The path.
        path: String,
    },
    /// The file is its original again: it is no longer ours.
    ForgetFile {
        /// The path.
        path: String,
    },
    /// Store how a unit starts, before it is changed for the first time.
    KeepUnit {
        /// The unit.
        name: String,
        /// How it starts.
        was: UnitState,
    },
    /// Let a unit start so.
    SetUnit {
        /// The unit.
        name: String,
        /// How it shall start.
        state: UnitState,
    },
    /// The unit is as it was: it is no longer ours.
    ForgetUnit {
        /// The unit.
        name: String,
    },
    /// Store a user's login data, before they are changed for the first time.
    KeepUser {
        /// The user.
        name: String,
        /// The data.
        was: User,
    },
    /// Set a user's login data.
    SetUser {
        /// The user.
        name: String,
        /// The data.
        user: User,
    },
    /// The user is as before: no longer ours.
    ForgetUser {
        /// The user.
        name: String,
    },
    /// Install a kubelet.
    InstallKubelet {
        /// Of this version.
        version: String,
    },
    /// Store what the system is without us, and what we are about to add.
    KeepSystem {
        /// The record.
        was: SystemOriginal,
    },
    /// Let the next boot take a system.
    StageSystem {
        /// The whole system.
        system: System,
    },
}

impl Operation {
    /// What differs while this is left to do; `None` for the keeping of records, which is no difference.
    pub(super) fn difference(&self) -> Option<String> {
        match self {
            Self::WriteFile { path, .. } => Some(format!("content or mode of file {path}")),
            Self::WriteLink { path, target } => Some(format!("link {path} to {target}")),
            Self::WriteDirectory { path, .. } => {
                Some(format!("directory {path} or its permissions"))
            }
            Self::RemoveDirectory { path } => Some(format!("directory {path} should be gone")),
            Self::RemoveFile { path } => Some(format!("file {path} should be gone")),
            Self::SetUnit { name, state } => {
                Some(format!("unit {name} should be {}", state.word()))
            }
            Self::SetUser { name, .. } => Some(format!("keys or password of user {name}")),
            Self::InstallKubelet { version } => Some(format!("kubelet {version} is not installed")),
            Self::StageSystem { .. } => {
                Some("the next boot would not take the configured system".into())
            }
            Self::KeepFile { .. }
            | Self::ForgetFile { .. }
            | Self::KeepUnit { .. }
            | Self::ForgetUnit { .. }
            | Self::KeepUser { .. }
            | Self::ForgetUser { .. }
            | Self::KeepSystem { .. } => None,
        }
    }
}
