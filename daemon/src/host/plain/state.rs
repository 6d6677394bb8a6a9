//! The daemon's own directory on the machine: journal, configs and originals.

use super::disk::{Access, Disk, give};
use super::files::failed;
use crate::host::HostError;
use rustix::fs::{self, FlockOperation, Mode, OFlags};
use rustix::io::Errno;
use std::io;
use std::os::fd::OwnedFd;

/// The file whose lock says that a daemon is at work here; no key has a name of this form.
const LOCK: &str = "+lock";

/// Longest key, as [`Host::load`](crate::host::Host::load) has it.
const KEY_BYTES_MAX: usize = 255;

/// The directory, and the lock on it for as long as this lives.
#[derive(Debug)]
pub(super) struct State {
    path: String,
    lock: OwnedFd,
}

impl State {
    /// Makes the directory where it is missing, and takes it for this process alone.
    pub(super) fn open(disk: &Disk, path: &str) -> Result<Self, HostError> {
        let lock = prepare(disk, path).map_err(|error| failed("open", path, error))?;
        match fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {
                disk.tidy_all(path)
                    .map_err(|error| failed("tidy", path, error))?;
                Ok(Self {
                    path: path.trim_end_matches('/').to_owned(),
                    lock,
                })
            }
            Err(Errno::WOULDBLOCK) => {
                let hint = "another daemon works with it; end that one first";
                Err(HostError::new("take", path, hint))
            }
            Err(error) => Err(failed("take", path, error.into())),
        }
    }

    fn blob(&self, key: &str) -> Result<String, HostError> {
        let known = |byte: u8| byte.is_ascii_alphanumeric() || b"._%-".contains(&byte);
        let good = !key.is_empty() && key.len() <= KEY_BYTES_MAX && key.bytes().all(known);
        if good && !key.starts_with('.') {
            return Ok(format!("{}/{key}", self.path));
        }
        let hint = "no blob of the daemon's state is named so";
        Err(HostError::new("reach", format!("blob {key:?}"), hint))
    }

    pub(super) fn load(&self, disk: &Disk, key: &str) -> Result<Option<Vec<u8>>, HostError> {
        let path = self.blob(key)?;
        let read = disk
            .read(&path)
            .map_err(|error| failed("read", &path, error))?;
        Ok(read.map(|(content, _)| content))
    }

    pub(super) fn store(&self, disk: &Disk, key: &str, blob: &[u8]) -> Result<(), HostError> {
        let path = self.blob(key)?;
        let private = Access {
            mode: 0o600,
            ..own()
        };
        let stored = disk
            .make_place(&path)
            .and_then(|place| disk.write(&place, blob, private));
        stored.map_err(|error| failed("write", path, error))
    }

    pub(super) fn discard(&self, disk: &Disk, key: &str) -> Result<(), HostError> {
        super::files::remove(disk, &self.blob(key)?)
    }

    pub(super) fn keys(&self, disk: &Disk, prefix: &str) -> Result<Vec<String>, HostError> {
        let names = disk
            .list(&self.path)
            .map_err(|error| failed("list", &self.path, error))?;
        let keys = names.into_iter().filter(|name| name != LOCK);
        Ok(keys.filter(|key| key.starts_with(prefix)).collect())
    }
}

/// A child that is just being started has the descriptor too: closing ours would leave the lock with it.
impl Drop for State {
    fn drop(&mut self) {
        // An error leaves it to the closing of the descriptor.
        let _unlocked = fs::flock(&self.lock, FlockOperation::Unlock);
    }
}

/// Whoever runs the daemon: root, but for tests.
fn own() -> Access {
    Access {
        mode: 0o700,
        user: rustix::process::geteuid().as_raw(),
        group: rustix::process::getegid().as_raw(),
    }
}

fn prepare(disk: &Disk, path: &str) -> io::Result<OwnedFd> {
    let place = disk.make_place(path)?;
    disk.make_directory_if_absent(&place, Mode::RWXU)?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY;
    let directory = disk.lookup(path, flags)?;
    let directory = directory.ok_or_else(|| io::Error::from(io::ErrorKind::NotADirectory))?;
    give(&directory, own())?;
    let flags = OFlags::CREATE | OFlags::RDWR | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let private = Mode::RUSR | Mode::WUSR;
    Ok(fs::openat(&directory, LOCK, flags, private)?)
}
