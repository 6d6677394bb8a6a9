//! Where a control plane lives: a folder and addresses that nobody else has meanwhile.
//!
//! # Guarantees
//! A place is taken by a lock on a file, which the system gives back when its holder ends, however it ends. Who takes a place
//! clears away what a holder that was killed has left in it.
//!
//! # Assumes
//! Nobody else listens on the addresses 127.64.0.0 to 127.191.255.255.

use std::fs::{self, File, TryLockError};
use std::io;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};

use super::error::{ControlPlaneError, Result, file};

/// Control planes at once on one machine. Each takes 300 MiB, so memory ends first.
const PLACES_MAX: u8 = 200;
/// How often a port is drawn until it is free on all addresses: only a program that listens on every address takes one away.
const DRAWS: usize = 20;

/// A place that is taken until it is dropped.
#[derive(Debug)]
pub(super) struct Place {
    folder: PathBuf,
    user: u32,
    number: u8,
    /// Held, not read.
    _lock: File,
}

impl Place {
    /// Takes the first free one.
    pub(super) fn take() -> Result<Self> {
        let user = rustix::process::getuid().as_raw();
        let root = std::env::temp_dir().join(format!("windlass-control-planes-{user}"));
        fs::DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&root)
            .map_err(|source| file("making", &root, source))?;
        for number in 1..=PLACES_MAX {
            let path = root.join(format!("{number}.lock"));
            let lock = File::options()
                .create(true)
                .truncate(false)
                .write(true)
                .open(&path)
                .map_err(|source| file("opening", &path, source))?;
            match lock.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => continue,
                Err(TryLockError::Error(source)) => return Err(file("locking", &path, source)),
            }
            let place = Self {
                folder: root.join(number.to_string()),
                user,
                number,
                _lock: lock,
            };
            place.clear()?;
            fs::create_dir(&place.folder)
                .map_err(|source| file("making", &place.folder, source))?;
            return Ok(place);
        }
        Err(ControlPlaneError::NoPlace {
            root,
            places: PLACES_MAX,
        })
    }

    /// The folder, empty when the place is taken and gone when it is given back.
    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// The n-th loopback address of this place.
    pub(super) fn address(&self, n: u8) -> Ipv4Addr {
        // Users do not see each other's locks, so they have different addresses, as far as a byte goes.
        let user = u8::try_from(self.user % 128).unwrap_or_default();
        Ipv4Addr::new(127, 64 + user, n, self.number)
    }

    fn clear(&self) -> Result<()> {
        match fs::remove_dir_all(&self.folder) {
            Err(source) if source.kind() != io::ErrorKind::NotFound => {
                Err(file("removing", &self.folder, source))
            }
            _ => Ok(()),
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        // What cannot be removed now is removed by whoever takes the place next.
        self.clear().unwrap_or_default();
    }
}

/// A port that is free on all of these addresses.
pub(super) fn port(addresses: &[Ipv4Addr]) -> Result<u16> {
    let mut last = None;
    for _ in 0..DRAWS {
        match free_on_all(addresses) {
            Ok(port) => return Ok(port),
            Err(error) => last = Some(error),
        }
    }
    Err(ControlPlaneError::NoPort {
        addresses: format!("{addresses:?}"),
        source: last.unwrap_or_else(|| io::ErrorKind::AddrNotAvailable.into()),
    })
}

fn free_on_all(addresses: &[Ipv4Addr]) -> io::Result<u16> {
    let mut port = 0;
    // All at once, so that no address gives a port that another one has not.
    let mut held = Vec::new();
    for address in addresses {
        let listener = TcpListener::bind((*address, port))?;
        port = listener.local_addr()?.port();
        held.push(listener);
    }
    Ok(port)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_places_share_neither_folder_nor_address() {
        let first = Place::take().unwrap();
        let second = Place::take().unwrap();

        assert_ne!(first.folder(), second.folder());
        assert_ne!(first.address(0), second.address(0));
        assert!(first.address(0).is_loopback());
    }

    #[test]
    fn a_place_that_is_given_back_leaves_no_folder() {
        let place = Place::take().unwrap();
        let folder = place.folder().to_owned();
        fs::write(folder.join("left"), "over").unwrap();

        drop(place);

        assert!(!folder.exists());
    }

    #[test]
    fn a_port_is_free_on_every_address() {
        let place = Place::take().unwrap();
        let addresses = [place.address(0), place.address(1)];

        let port = port(&addresses).unwrap();

        for address in addresses {
            TcpListener::bind((address, port)).unwrap();
        }
    }
}
