//! The file system under one root: paths that cannot leave it, and the few ways in which this backend changes it.
//!
//! Guarantees:
//! - A path is looked up as a process would that has the root as its `/`: links, also absolute ones and those with `..`,
//!   end inside.
//! - What replaces something is made beside it, synced, renamed over it, and the directory synced. Each of these steps may
//!   be the last one before a power cut; what it leaves beside the file has a name that the next change of the same
//!   path takes again.
//! - A file that is replaced keeps its security label.
//!
//! Not here: who owns what by name (`accounts`), and what the changes are for.

use super::steps::Steps;
use rustix::fs::{self, AtFlags, FileType, Mode, OFlags, ResolveFlags, Stat, XattrFlags};
use rustix::io::Errno;
use sha2::{Digest as _, Sha256};
use std::fs::File as StdFile;
use std::io::{self, Read as _, Write as _};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

/// What parents are made with; the daemon's unit sets the mask that lets it pass.
const DIRECTORY_MODE: u32 = 0o755;

/// Longest file that is read: its original has to be kept in memory and in the state directory. Configurations bring at
/// most half of it.
pub(super) const FILE_BYTES_MAX: u64 = 64 * 1024 * 1024;

/// Everything that is made beside something starts so.
const BESIDE: &str = ".windlass-";

/// The attribute in which SELinux keeps a file's label.
const LABEL: &str = "security.selinux";

/// Longest label that is carried over; real ones have some dozens of bytes.
const LABEL_BYTES_MAX: usize = 4096;

/// Permissions and owners by number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Access {
    pub(super) mode: u32,
    pub(super) user: u32,
    pub(super) group: u32,
}

impl Access {
    fn of(stat: &Stat) -> Self {
        Self {
            mode: stat.st_mode & 0o7777,
            user: stat.st_uid,
            group: stat.st_gid,
        }
    }
}

/// The file system under one root.
#[derive(Debug)]
pub(super) struct Disk {
    root: OwnedFd,
    /// Whether the root is the process's own: then nothing can leave it, and old kernels do.
    is_own: bool,
    pub(super) steps: Steps,
}

/// The directory that holds a path's last name, and that name.
pub(super) struct Place {
    pub(super) directory: OwnedFd,
    pub(super) name: String,
}

impl Disk {
    pub(super) fn open(root: &Path) -> io::Result<Self> {
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let root_fd = fs::open(root, flags, Mode::empty())?;
        Ok(Self {
            root: root_fd,
            is_own: root == Path::new("/"),
            steps: Steps::default(),
        })
    }

    /// Opens `path`, following links inside the root. `None` where nothing is.
    pub(super) fn lookup(&self, path: &str, flags: OFlags) -> io::Result<Option<OwnedFd>> {
        check(path)?;
        let below = below(path);
        let flags = flags | OFlags::CLOEXEC;
        let within = ResolveFlags::IN_ROOT | ResolveFlags::NO_MAGICLINKS;
        let opened = match fs::openat2(&self.root, below, flags, Mode::empty(), within) {
            Err(Errno::NOSYS | Errno::PERM) if self.is_own => fs::open(path, flags, Mode::empty()),
            opened => opened,
        };
        match opened {
            Ok(fd) => Ok(Some(fd)),
            Err(Errno::NOENT | Errno::NOTDIR) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The place of `path`; `None` where its directory is not there.
    pub(super) fn place(&self, path: &str) -> io::Result<Option<Place>> {
        let (parent, name) = split(path)?;
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let directory = self.lookup(parent, flags)?;
        Ok(directory.map(|directory| Place {
            directory,
            name: name.to_owned(),
        }))
    }

    /// The place of `path`; makes the directories that are missing.
    pub(super) fn make_place(&self, path: &str) -> io::Result<Place> {
        if let Some(place) = self.place(path)? {
            return Ok(place);
        }
        let (parent, _) = split(path)?;
        let above = self.make_place(parent)?;
        let mode = Mode::from_raw_mode(DIRECTORY_MODE);
        self.make_directory(&above.directory, &above.name, mode)?;
        self.place(path)?.ok_or_else(|| {
            let words = format!("{parent} is no directory, or a link that leads nowhere");
            io::Error::new(io::ErrorKind::NotADirectory, words)
        })
    }

    /// Makes a directory in `above`, unless there is something of its name.
    pub(super) fn make_directory(&self, above: &OwnedFd, name: &str, mode: Mode) -> io::Result<()> {
        self.steps.take("make directory")?;
        match fs::mkdirat(above, name, mode) {
            Ok(()) | Err(Errno::EXIST) => {}
            Err(error) => return Err(error.into()),
        }
        self.sync_directory(above)
    }

    /// Makes a directory at `place`, unless there is something.
    pub(super) fn make_directory_if_absent(&self, place: &Place, mode: Mode) -> io::Result<()> {
        match Self::stat(place)? {
            Some(_) => Ok(()),
            None => self.make_directory(&place.directory, &place.name, mode),
        }
    }

    /// What is at a name, without following it.
    pub(super) fn stat(place: &Place) -> io::Result<Option<Stat>> {
        match fs::statat(&place.directory, &*place.name, AtFlags::SYMLINK_NOFOLLOW) {
            Ok(stat) => Ok(Some(stat)),
            Err(Errno::NOENT) => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// The regular file at `path`, at most [`FILE_BYTES_MAX`].
    pub(super) fn read(&self, path: &str) -> io::Result<Option<(Vec<u8>, Access)>> {
        self.read_at_most(path, FILE_BYTES_MAX)
    }

    /// The regular file at `path`, at most `most` bytes.
    pub(super) fn read_at_most(
        &self,
        path: &str,
        most: u64,
    ) -> io::Result<Option<(Vec<u8>, Access)>> {
        // A device or a pipe must not be waited for.
        let flags = OFlags::RDONLY | OFlags::NONBLOCK | OFlags::NOCTTY;
        let opened = self.lookup(path, flags)?;
        opened.map(|fd| read_open(fd, most)).transpose()
    }

    /// The text at `path`; what is no UTF-8 in it is replaced.
    pub(super) fn read_text(&self, path: &str) -> io::Result<Option<String>> {
        let read = self.read(path)?;
        Ok(read.map(|(content, _)| String::from_utf8_lossy(&content).into_owned()))
    }

    /// The target of the link at `path`; `None` where there is none.
    pub(super) fn read_link(&self, path: &str) -> io::Result<Option<String>> {
        match self.place(path)? {
            Some(place) => link_at(&place),
            None => Ok(None),
        }
    }

    /// The names in directory `path`, in order; none where there is no directory.
    pub(super) fn list(&self, path: &str) -> io::Result<Vec<String>> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let Some(directory) = self.lookup(path, flags)? else {
            return Ok(Vec::new());
        };
        let mut names = names(&directory)?;
        names.retain(|name| !name.starts_with(BESIDE));
        names.sort();
        Ok(names)
    }

    /// Puts a file there, whole.
    pub(super) fn write(&self, place: &Place, content: &[u8], access: Access) -> io::Result<()> {
        self.write_labelled(place, content, access, None)
    }

    /// The same with the security label of the file at `like`.
    pub(super) fn write_labelled(
        &self,
        place: &Place,
        content: &[u8],
        access: Access,
        like: Option<&str>,
    ) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::NONBLOCK;
        let like = match like {
            Some(path) => self.lookup(path, flags)?,
            None => None,
        };
        let beside = beside(&place.name);
        let made = self.write_beside(place, &beside, content, access, like);
        self.put(place, &beside, made)
    }

    fn write_beside(
        &self,
        place: &Place,
        beside: &str,
        content: &[u8],
        access: Access,
        like: Option<OwnedFd>,
    ) -> io::Result<()> {
        self.drop_beside(place, beside)?;
        self.steps.take("create")?;
        let flags = OFlags::CREATE | OFlags::EXCL | OFlags::WRONLY | OFlags::CLOEXEC;
        let private = Mode::RUSR | Mode::WUSR;
        let fd = fs::openat(&place.directory, beside, flags | OFlags::NOFOLLOW, private)?;
        let mut file = StdFile::from(fd);
        self.steps.take("write")?;
        file.write_all(content)?;
        give(&file, access)?;
        label(place, like, &file)?;
        self.steps.take("sync file")?;
        file.sync_all()
    }

    /// Puts a link there.
    pub(super) fn write_link(&self, place: &Place, target: &str) -> io::Result<()> {
        let beside = beside(&place.name);
        let made = self.link_beside(place, &beside, target);
        self.put(place, &beside, made)
    }

    fn link_beside(&self, place: &Place, beside: &str, target: &str) -> io::Result<()> {
        self.drop_beside(place, beside)?;
        self.steps.take("link")?;
        Ok(fs::symlinkat(target, &place.directory, beside)?)
    }

    /// Takes away what an earlier change of `path`, cut off, left beside it. Whoever looks at a path does this, so that
    /// also a change that is never asked for again leaves nothing behind.
    pub(super) fn tidy(&self, path: &str) -> io::Result<()> {
        match self.place(path)? {
            Some(place) => self.tidy_place(&place),
            None => Ok(()),
        }
    }

    /// The same where the place is known.
    pub(super) fn tidy_place(&self, place: &Place) -> io::Result<()> {
        self.drop_beside(place, &beside(&place.name))
    }

    /// Takes away all that changes, cut off, left in directory `path`.
    pub(super) fn tidy_all(&self, path: &str) -> io::Result<()> {
        let flags = OFlags::RDONLY | OFlags::DIRECTORY;
        let Some(directory) = self.lookup(path, flags)? else {
            return Ok(());
        };
        for name in names(&directory)? {
            if name.starts_with(BESIDE) {
                self.unlink(&directory, &name)?;
            }
        }
        Ok(())
    }

    /// What an earlier change, cut off, left beside the name.
    fn drop_beside(&self, place: &Place, beside: &str) -> io::Result<()> {
        match fs::statat(&place.directory, beside, AtFlags::SYMLINK_NOFOLLOW) {
            Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
            Ok(_) => self.unlink(&place.directory, beside),
        }
    }

    fn put(&self, place: &Place, beside: &str, made: io::Result<()>) -> io::Result<()> {
        let renamed = made.and_then(|()| {
            self.steps.take("rename")?;
            let directory = &place.directory;
            Ok(fs::renameat(directory, beside, directory, &*place.name)?)
        });
        if let Err(error) = renamed {
            // Whatever refused that may refuse this as well; the first reason is the one that is told.
            let _left = self.drop_beside(place, beside);
            return Err(error);
        }
        self.sync_directory(&place.directory)
    }

    /// Leaves nothing there but a directory.
    pub(super) fn remove(&self, place: &Place) -> io::Result<()> {
        self.drop_beside(place, &beside(&place.name))?;
        match Self::stat(place)? {
            None => return Ok(()),
            Some(stat) if FileType::from_raw_mode(stat.st_mode) == FileType::Directory => {
                return Err(Errno::ISDIR.into());
            }
            Some(_) => self.unlink(&place.directory, &place.name)?,
        }
        self.sync_directory(&place.directory)
    }

    /// Takes an empty directory away; whether it is gone.
    pub(super) fn remove_directory(&self, place: &Place) -> io::Result<bool> {
        self.steps.take("remove directory")?;
        match fs::unlinkat(&place.directory, &*place.name, AtFlags::REMOVEDIR) {
            Ok(()) => self.sync_directory(&place.directory).map(|()| true),
            Err(Errno::NOENT) => Ok(true),
            Err(Errno::NOTEMPTY | Errno::EXIST | Errno::NOTDIR | Errno::BUSY) => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    fn unlink(&self, directory: &OwnedFd, name: &str) -> io::Result<()> {
        self.steps.take("unlink")?;
        match fs::unlinkat(directory, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(error.into()),
        }
    }

    pub(super) fn sync_directory(&self, directory: &OwnedFd) -> io::Result<()> {
        self.steps.take("sync directory")?;
        Ok(fs::fsync(directory)?)
    }
}

/// Access to an open directory.
pub(super) fn access_of(directory: &OwnedFd) -> io::Result<Access> {
    Ok(Access::of(&fs::fstat(directory)?))
}

/// The names in an open directory.
pub(super) fn names(directory: &OwnedFd) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::Dir::read_from(directory)? {
        let name = entry?.file_name().to_string_lossy().into_owned();
        if name != "." && name != ".." {
            names.push(name);
        }
    }
    Ok(names)
}

/// Gives an open file to its owner. The owner comes first: changing it takes setuid away.
pub(super) fn give(file: &impl AsFd, access: Access) -> io::Result<()> {
    let user = fs::Uid::from_raw(access.user);
    let group = fs::Gid::from_raw(access.group);
    fs::fchown(file, Some(user), Some(group))?;
    Ok(fs::fchmod(file, Mode::from_raw_mode(access.mode))?)
}

fn read_open(fd: OwnedFd, most: u64) -> io::Result<(Vec<u8>, Access)> {
    let stat = fs::fstat(&fd)?;
    match FileType::from_raw_mode(stat.st_mode) {
        FileType::RegularFile => {}
        FileType::Directory => return Err(Errno::ISDIR.into()),
        _ => return Err(io::Error::other("it is neither a file nor a link to one")),
    }
    let mut content = Vec::new();
    StdFile::from(fd)
        .take(most.saturating_add(1))
        .read_to_end(&mut content)?;
    if u64::try_from(content.len()).unwrap_or(u64::MAX) > most {
        let words = format!("it has more than {most} bytes");
        return Err(io::Error::new(io::ErrorKind::FileTooLarge, words));
    }
    Ok((content, Access::of(&stat)))
}

pub(super) fn link_at(place: &Place) -> io::Result<Option<String>> {
    match fs::readlinkat(&place.directory, &*place.name, Vec::new()) {
        Ok(target) => Ok(Some(target.to_string_lossy().into_owned())),
        Err(Errno::NOENT | Errno::INVAL) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Carries a label over to a new file: of `like`, else of the file that is replaced.
fn label(place: &Place, like: Option<OwnedFd>, file: &StdFile) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    let old = || fs::openat(&place.directory, &*place.name, flags, Mode::empty()).ok();
    let Some(old) = like.or_else(old) else {
        return Ok(());
    };
    let mut label = vec![0; LABEL_BYTES_MAX];
    match fs::fgetxattr(&old, LABEL, &mut label[..]) {
        Ok(length) => {
            let label = &label[..length.min(LABEL_BYTES_MAX)];
            Ok(fs::fsetxattr(file, LABEL, label, XattrFlags::empty())?)
        }
        Err(_) => Ok(()),
    }
}

/// The name under which something for `name` is made: the same at each try, and never too long.
fn beside(name: &str) -> String {
    let digest = Sha256::digest(name.as_bytes());
    let digits = digest.iter().take(12).map(|byte| format!("{byte:02x}"));
    BESIDE.to_owned() + &digits.collect::<String>()
}

/// A path that says itself where it leads: absolute, without `..`.
fn check(path: &str) -> io::Result<()> {
    let plain = path.starts_with('/')
        && !path.contains('\0')
        && path.split('/').all(|name| name != ".." && name != ".");
    if plain {
        return Ok(());
    }
    let words = "it is no absolute path without . and ..";
    Err(io::Error::new(io::ErrorKind::InvalidInput, words))
}

fn below(path: &str) -> &str {
    match path.trim_matches('/') {
        "" => ".",
        below => below,
    }
}

fn split(path: &str) -> io::Result<(&str, &str)> {
    check(path)?;
    match path.trim_end_matches('/').rsplit_once('/') {
        Some((parent, name)) if !name.is_empty() => {
            Ok((if parent.is_empty() { "/" } else { parent }, name))
        }
        _ => Err(io::Error::new(
            io::ErrorKind::InvalidInput,
            "it is the root itself",
        )),
    }
}

/// A directory below `above` by its own names alone: no link is followed, so that whoever owns `above` cannot lead us
/// elsewhere.
pub(super) fn below_without_links(
    above: BorrowedFd<'_>,
    names: &[&str],
) -> io::Result<Option<OwnedFd>> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut directory: Option<OwnedFd> = None;
    for name in names {
        let from = directory.as_ref().map_or(above, AsFd::as_fd);
        match fs::openat(from, *name, flags, Mode::empty()) {
            Ok(next) => directory = Some(next),
            Err(Errno::NOENT) => return Ok(None),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(directory)
}
