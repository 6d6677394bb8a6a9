//! The file tree of a simulated machine: in memory for tests, in a real directory for somebody who wants to look.
//!
//! # Guarantees
//! A write is atomic: readers see the old contents or the new, never a part. What was written is durable when the
//! call returns, as after an fsync of file and directory.
//! # Assumptions
//! Paths are absolute and without `..`; anything else is refused with an error that names it.
//! # Not here
//! Ownership on the real disk: the demonstration runs without root, so owner and mode are kept beside the files.

use daemon::host::{File, Owner};
use std::collections::BTreeMap;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::sync::{Mutex, MutexGuard, PoisonError};

/// A machine's files.
#[derive(Debug)]
pub struct FileTree {
    storage: Storage,
}

#[derive(Debug)]
enum Storage {
    Memory(Mutex<BTreeMap<String, File>>),
    Directory {
        root: PathBuf,
        attributes: Mutex<BTreeMap<String, Attributes>>,
    },
}

/// What a directory of an unprivileged user cannot hold.
#[derive(Clone, Debug)]
struct Attributes {
    mode: u32,
    user: Owner,
    group: Owner,
}

/// Mode of a file of which nothing else is known.
const DEFAULT_MODE: u32 = 0o644;

impl FileTree {
    /// An empty tree in memory.
    pub fn in_memory() -> Self {
        Self {
            storage: Storage::Memory(Mutex::default()),
        }
    }

    /// The tree below `root`, which is created.
    pub fn in_directory(root: PathBuf) -> io::Result<Self> {
        std::fs::create_dir_all(&root)?;
        Ok(Self {
            storage: Storage::Directory {
                root,
                attributes: Mutex::default(),
            },
        })
    }

    /// The real directory, if there is one.
    pub fn directory(&self) -> Option<&Path> {
        match &self.storage {
            Storage::Memory(_) => None,
            Storage::Directory { root, .. } => Some(root),
        }
    }

    /// The file at `path`; nothing where none is (a directory counts as nothing).
    pub fn get(&self, path: &str) -> io::Result<Option<File>> {
        let path = checked(path)?;
        match &self.storage {
            Storage::Memory(files) => Ok(lock(files).get(path).cloned()),
            Storage::Directory { root, attributes } => {
                let place = root.join(relative(path));
                if place.is_dir() {
                    return Ok(None);
                }
                let content = match std::fs::read(&place) {
                    Ok(content) => content,
                    Err(error) if is_absence(&error) => return Ok(None),
                    Err(error) => return Err(error),
                };
                let Attributes { mode, user, group } = lock(attributes)
                    .get(path)
                    .cloned()
                    .unwrap_or_else(Attributes::unknown);
                Ok(Some(File {
                    content,
                    mode,
                    user,
                    group,
                }))
            }
        }
    }

    /// The file at `path` as text; nothing where no file is or it cannot be read.
    pub fn text(&self, path: &str) -> Option<String> {
        let file = self.get(path).ok().flatten()?;
        Some(String::from_utf8_lossy(&file.content).into_owned())
    }

    /// Puts `file` at `path`, over whatever stood there; parent directories are made.
    pub fn put(&self, path: &str, file: File) -> io::Result<()> {
        let path = checked(path)?;
        match &self.storage {
            Storage::Memory(files) => {
                lock(files).insert(path.to_owned(), file);
                Ok(())
            }
            Storage::Directory { root, attributes } => {
                let place = root.join(relative(path));
                if let Some(parent) = place.parent() {
                    std::fs::create_dir_all(parent)?;
                }
                let File {
                    content,
                    mode,
                    user,
                    group,
                } = file;
                let fresh = beside(&place);
                std::fs::write(&fresh, content)?;
                lock(attributes).insert(path.to_owned(), Attributes { mode, user, group });
                std::fs::rename(&fresh, &place)
            }
        }
    }

    /// Writes a plain file of root's, as the makers of an image or a package do.
    pub fn write(&self, path: &str, content: &str) -> io::Result<()> {
        self.put(path, File::of_root(content, DEFAULT_MODE))
    }

    /// Removes what stands at `path`; nothing there is no error.
    pub fn remove(&self, path: &str) -> io::Result<()> {
        let path = checked(path)?;
        match &self.storage {
            Storage::Memory(files) => {
                lock(files).remove(path);
                Ok(())
            }
            Storage::Directory { root, attributes } => {
                lock(attributes).remove(path);
                remove_if_there(&root.join(relative(path)))
            }
        }
    }

    /// The paths of all files below the directory `path`, in order, at any depth.
    pub fn below(&self, path: &str) -> io::Result<Vec<String>> {
        let path = checked(path)?;
        let prefix = format!("{}/", path.trim_end_matches('/'));
        match &self.storage {
            Storage::Memory(files) => Ok(lock(files)
                .keys()
                .filter(|at| at.starts_with(&prefix))
                .cloned()
                .collect()),
            Storage::Directory { root, .. } => {
                let mut found = Vec::new();
                walk(&root.join(relative(path)), &mut found)?;
                let mut paths: Vec<String> = found
                    .iter()
                    .filter_map(|place| place.strip_prefix(root).ok())
                    .map(|place| format!("/{}", place.display()))
                    .collect();
                paths.sort();
                Ok(paths)
            }
        }
    }
}

impl Attributes {
    fn unknown() -> Self {
        Self {
            mode: DEFAULT_MODE,
            user: Owner::Id(0),
            group: Owner::Id(0),
        }
    }
}

/// `path`, if it names a place below the root and nothing else.
fn checked(path: &str) -> io::Result<&str> {
    let plain = Path::new(path)
        .components()
        .all(|part| matches!(part, Component::RootDir | Component::Normal(_)));
    if path.starts_with('/') && plain {
        return Ok(path);
    }
    Err(io::Error::new(
        io::ErrorKind::InvalidInput,
        format!("`{path}` is not an absolute path without `..`"),
    ))
}

fn relative(path: &str) -> &str {
    path.trim_start_matches('/')
}

/// A name in the same directory, so that the rename stays on one file system.
fn beside(place: &Path) -> PathBuf {
    let mut name = place.file_name().unwrap_or_default().to_os_string();
    name.push(".new");
    place.with_file_name(name)
}

fn remove_if_there(place: &Path) -> io::Result<()> {
    match std::fs::remove_file(place) {
        Err(error) if !is_absence(&error) => Err(error),
        _ => Ok(()),
    }
}

/// True where the path, or a directory on the way to it, does not exist.
fn is_absence(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn walk(directory: &Path, found: &mut Vec<PathBuf>) -> io::Result<()> {
    let entries = match std::fs::read_dir(directory) {
        Ok(entries) => entries,
        Err(error) if is_absence(&error) => return Ok(()),
        Err(error) => return Err(error),
    };
    for entry in entries {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            walk(&entry.path(), found)?;
        } else {
            found.push(entry.path());
        }
    }
    Ok(())
}

/// Locks, and goes on after a panic elsewhere: the data behind these locks is never left half changed.
pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back_with_mode_and_owner() {
        let files = FileTree::in_memory();
        let file = File {
            content: b"pool ntp.example".to_vec(),
            mode: 0o600,
            user: Owner::Id(994),
            group: Owner::Id(991),
        };

        files.put("/etc/chrony.conf", file.clone()).unwrap();

        assert_eq!(files.get("/etc/chrony.conf").unwrap(), Some(file));
    }

    #[test]
    fn a_removed_file_is_gone_and_may_be_removed_again() {
        let files = FileTree::in_memory();
        files.write("/etc/motd", "hello").unwrap();

        files.remove("/etc/motd").unwrap();
        files.remove("/etc/motd").unwrap();

        assert_eq!(files.get("/etc/motd").unwrap(), None);
    }

    #[test]
    fn a_path_that_climbs_out_of_the_tree_is_refused_by_name() {
        let refused = FileTree::in_memory()
            .write("/etc/../../home", "")
            .unwrap_err();

        assert!(refused.to_string().contains("/etc/../../home"), "{refused}");
    }

    #[test]
    fn below_lists_a_directory_at_any_depth_and_not_its_neighbours() {
        let files = FileTree::in_memory();
        for path in ["/etc/a/1", "/etc/a/b/2", "/etc/ab/3"] {
            files.write(path, "").unwrap();
        }

        assert_eq!(files.below("/etc/a").unwrap(), ["/etc/a/1", "/etc/a/b/2"]);
    }
}
