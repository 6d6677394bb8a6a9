//! Files, links and directories of the machine, in the words of [`Host`](crate::host::Host).

use super::accounts;
use super::disk::{Access, Disk, access_of, give};
use crate::host::{Directory, File, HostError, Owner};
use rustix::fs::{FileType, Mode, OFlags};
use rustix::io::Errno;
use std::io;

pub(super) fn read(disk: &Disk, path: &str) -> Result<Option<File>, HostError> {
    let read = disk.tidy(path).and_then(|()| disk.read(path));
    let read = read.map_err(|error| failed("read", path, error))?;
    Ok(read.map(|(content, access)| File {
        content,
        mode: access.mode,
        user: Owner::Id(access.user),
        group: Owner::Id(access.group),
    }))
}

pub(super) fn write(disk: &Disk, path: &str, file: &File) -> Result<(), HostError> {
    let access = access(disk, path, file.mode, &file.user, &file.group)?;
    let written = disk
        .make_place(path)
        .and_then(|place| disk.write(&place, &file.content, access));
    written.map_err(|error| failed("write", path, error))
}

pub(super) fn remove(disk: &Disk, path: &str) -> Result<(), HostError> {
    let removed = match disk.place(path) {
        Ok(Some(place)) => disk.remove(&place),
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    removed.map_err(|error| failed("remove", path, error))
}

pub(super) fn read_link(disk: &Disk, path: &str) -> Result<Option<String>, HostError> {
    let read = disk.read_link(path);
    read.map_err(|error| failed("read", path, error))
}

pub(super) fn write_link(disk: &Disk, path: &str, target: &str) -> Result<(), HostError> {
    let written = disk
        .make_place(path)
        .and_then(|place| disk.write_link(&place, target));
    written.map_err(|error| failed("link", path, error))
}

pub(super) fn read_directory(disk: &Disk, path: &str) -> Result<Option<Directory>, HostError> {
    let look = || {
        let Some(place) = disk.place(path)? else {
            return Ok(None);
        };
        let is_directory = Disk::stat(&place)?
            .is_some_and(|stat| FileType::from_raw_mode(stat.st_mode) == FileType::Directory);
        if !is_directory {
            return Ok(None);
        }
        let opened = disk.lookup(path, OFlags::RDONLY | OFlags::DIRECTORY)?;
        opened.map(|directory| access_of(&directory)).transpose()
    };
    let access: io::Result<Option<Access>> = look();
    let access = access.map_err(|error| failed("read", path, error))?;
    Ok(access.map(|access| Directory {
        mode: access.mode,
        user: Owner::Id(access.user),
        group: Owner::Id(access.group),
    }))
}

pub(super) fn write_directory(
    disk: &Disk,
    path: &str,
    directory: &Directory,
) -> Result<(), HostError> {
    let access = access(
        disk,
        path,
        directory.mode,
        &directory.user,
        &directory.group,
    )?;
    let make = || {
        let place = disk.make_place(path)?;
        // Until it has its owner nobody but root looks into it.
        disk.make_directory_if_absent(&place, Mode::RWXU)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let opened = disk.lookup(path, flags)?;
        let opened = opened.ok_or_else(|| io::Error::from(io::ErrorKind::NotADirectory))?;
        disk.steps.take("give")?;
        give(&opened, access)?;
        disk.sync_directory(&opened)
    };
    make().map_err(|error| failed("make directory", path, error))
}

pub(super) fn remove_directory(disk: &Disk, path: &str) -> Result<(), HostError> {
    let removed = match disk.place(path) {
        Ok(Some(place)) => disk.remove_directory(&place).map(|_gone| ()),
        Ok(None) => Ok(()),
        Err(error) => Err(error),
    };
    removed.map_err(|error| failed("remove directory", path, error))
}

fn access(
    disk: &Disk,
    path: &str,
    mode: u32,
    user: &Owner,
    group: &Owner,
) -> Result<Access, HostError> {
    let id = |owner: &Owner, database| match owner {
        Owner::Id(id) => Ok(*id),
        Owner::Name(name) => accounts::id_of(disk, database, name)
            .map_err(|error| failed("look up", name, error))?
            .ok_or_else(|| {
                let hint = format!("this machine has no {} {name}", database.word());
                HostError::new("write", path, hint)
            }),
    };
    Ok(Access {
        mode,
        user: id(user, accounts::Database::Users)?,
        group: id(group, accounts::Database::Groups)?,
    })
}

/// An error of the file system, with what to do about it.
pub(super) fn failed(
    operation: &'static str,
    subject: impl Into<String>,
    error: io::Error,
) -> HostError {
    let loops = error.raw_os_error() == Some(Errno::LOOP.raw_os_error());
    let hint = match error.kind() {
        _ if loops => "its links go round in a circle; remove one",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            "the disk is full; make room on it"
        }
        io::ErrorKind::ReadOnlyFilesystem => {
            "it lies on a read-only file system; configure another path"
        }
        io::ErrorKind::PermissionDenied => {
            "it is not permitted; the daemon has to run as root, and the file must not be immutable"
        }
        io::ErrorKind::IsADirectory => "a directory is there; move it away",
        io::ErrorKind::NotADirectory => "something in its path is no directory; move it away",
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidFilename => {
            "no machine has such a path; correct the configuration"
        }
        _ => "the disk refused it; look at the machine's kernel log",
    };
    HostError::new(operation, subject, hint).because(error)
}
