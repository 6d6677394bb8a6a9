//! Single files below a root, for those who put the daemon itself there and keep its credential: as durable as the
//! daemon's own changes, and as unable to leave the root.

use super::disk::{Access, Disk};
use super::files::failed;
use super::units;
use crate::host::{HostError, UnitState};
use std::io::ErrorKind;
use std::path::Path;

/// Whose label a program gets, where the system gives labels: one that every system has, and may start.
const PROGRAM: &str = "/usr/bin/systemctl";

/// What is there while systemd runs (sd_booted(3)).
const SYSTEMD_RUNS: &str = "/run/systemd/system";

/// A file system below a root. It waits for the disk: call it from where that is no matter.
#[derive(Debug)]
pub struct Root(Disk);

impl Root {
    /// The one at `path`.
    ///
    /// # Errors
    ///
    /// There is no such directory.
    pub fn open(path: &Path) -> Result<Self, HostError> {
        let disk = Disk::open(path);
        let disk = disk.map_err(|error| failed("open", path.display().to_string(), error))?;
        Ok(Self(disk))
    }

    /// The content of the file at `path`, if there is one.
    ///
    /// # Errors
    ///
    /// What the file system refused.
    pub fn read(&self, path: &str) -> Result<Option<Vec<u8>>, HostError> {
        let read = self.0.tidy(path).and_then(|()| self.0.read(path));
        let read = read.map_err(|error| failed("read", path, error))?;
        Ok(read.map(|(content, _)| content))
    }

    /// Whether there is a file of the process's own user at `path`, with this content and mode.
    ///
    /// # Errors
    ///
    /// What the file system refused.
    pub fn has(&self, path: &str, content: &[u8], mode: u32) -> Result<bool, HostError> {
        // A longer file is another one.
        let most = u64::try_from(content.len()).unwrap_or(u64::MAX);
        match self.0.read_at_most(path, most) {
            Ok(Some((there, access))) => Ok(there == content && access == own(mode)),
            Ok(None) => Ok(false),
            Err(error) if error.kind() == ErrorKind::FileTooLarge => Ok(false),
            Err(error) => Err(failed("read", path, error)),
        }
    }

    /// Puts a file of the process's own user there, whole.
    ///
    /// # Errors
    ///
    /// What the file system refused.
    pub fn put(&self, path: &str, content: &[u8], mode: u32) -> Result<(), HostError> {
        let label = (mode & 0o111 != 0).then_some(PROGRAM);
        let put = self.0.make_place(path);
        let put = put.and_then(|place| self.0.write_labelled(&place, content, own(mode), label));
        put.map_err(|error| failed("write", path, error))
    }

    /// Leaves no file at `path`.
    ///
    /// # Errors
    ///
    /// What the file system refused.
    pub fn remove(&self, path: &str) -> Result<(), HostError> {
        super::files::remove(&self.0, path)
    }

    /// The names in directory `path`.
    ///
    /// # Errors
    ///
    /// What the file system refused.
    pub fn list(&self, path: &str) -> Result<Vec<String>, HostError> {
        let names = self.0.list(path);
        names.map_err(|error| failed("list", path, error))
    }

    /// Takes directory `path` away if nothing is in it.
    ///
    /// # Errors
    ///
    /// What the file system refused.
    pub fn remove_directory(&self, path: &str) -> Result<(), HostError> {
        super::files::remove_directory(&self.0, path)
    }

    /// Lets unit `name` start so at boot.
    ///
    /// # Errors
    ///
    /// Why it cannot.
    pub fn set_unit(&self, name: &str, state: UnitState) -> Result<(), HostError> {
        if units::state(&self.0, name)?.fulfils(state) {
            return Ok(());
        }
        units::set(&self.0, name, state)
    }

    /// Whether systemd runs the machine of this root.
    pub fn has_systemd(&self) -> bool {
        let found = self.0.lookup(SYSTEMD_RUNS, rustix::fs::OFlags::PATH);
        matches!(found, Ok(Some(_)))
    }
}

/// Access of the process's own user.
fn own(mode: u32) -> Access {
    Access {
        mode,
        user: rustix::process::geteuid().as_raw(),
        group: rustix::process::getegid().as_raw(),
    }
}
