//! Waiting for changes in directories, by the kernel's notifications.
//!
//! Nothing is missed between two waits: what happened stays noted until [`Watch::clear`].

use rustix::fs::inotify::{self, CreateFlags, WatchFlags};
use rustix::io::Errno;
use std::io;
use std::mem::MaybeUninit;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use tokio::io::unix::AsyncFd;

/// Room for the notifications of one read; a name has at most 255 bytes.
const BUFFER_BYTES: usize = 4096;

/// Notifications of changes in some directories.
#[derive(Debug)]
pub struct Watch(AsyncFd<OwnedFd>);

impl Watch {
    /// Watches those of `directories` that are there: names that come and go in them, and files that are written.
    ///
    /// # Errors
    ///
    /// The kernel gives no more watches.
    pub fn of(directories: impl IntoIterator<Item = PathBuf>) -> io::Result<Self> {
        let notes = inotify::init(CreateFlags::NONBLOCK | CreateFlags::CLOEXEC)?;
        for directory in directories {
            match add(&notes, &directory) {
                Ok(()) | Err(Errno::NOENT | Errno::NOTDIR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        #[expect(
            deprecated,
            reason = "its successor is unsafe, which this house denies; an OwnedFd is the case in which both are sound"
        )]
        let notes = AsyncFd::new(notes)?;
        Ok(Self(notes))
    }

    /// Forgets what has been noted.
    ///
    /// # Errors
    ///
    /// The kernel does not give its notes.
    pub fn clear(&self) -> io::Result<()> {
        let mut buffer = [const { MaybeUninit::uninit() }; BUFFER_BYTES];
        let mut reader = inotify::Reader::new(self.0.get_ref(), &mut buffer);
        loop {
            match reader.next() {
                Ok(_) => {}
                Err(Errno::AGAIN) => return Ok(()),
                Err(error) => return Err(error.into()),
            }
        }
    }

    /// Completes when something is noted, at once where it is already.
    ///
    /// # Errors
    ///
    /// The kernel does not tell.
    pub async fn changed(&self) -> io::Result<()> {
        loop {
            let mut guard = self.0.readable().await?;
            // Readiness is remembered from before the notes were cleared: ask whether there are any now.
            if has_notes(self.0.get_ref())? {
                return Ok(());
            }
            guard.clear_ready();
        }
    }
}

fn add(notes: &OwnedFd, directory: &Path) -> Result<(), Errno> {
    let flags = WatchFlags::CLOSE_WRITE
        | WatchFlags::CREATE
        | WatchFlags::DELETE
        | WatchFlags::MOVED_FROM
        | WatchFlags::MOVED_TO
        | WatchFlags::ONLYDIR;
    inotify::add_watch(notes, directory, flags).map(|_| ())
}

fn has_notes(notes: &OwnedFd) -> io::Result<bool> {
    Ok(rustix::io::ioctl_fionread(notes)? > 0)
}
