//! Reading what a graph is made from: raw graph files, graph-data folders and archives.
//!
//! # Guarantees
//! An archive is never unpacked to a disk, so no path in it leads anywhere; what it unpacks to is bounded. Links and
//! devices in it are passed over. Errors name the file and what was attempted.

use std::ffi::OsStr;
use std::fs::{self, File};
use std::io::{self, BufReader, Read};
use std::path::{Path, PathBuf};

use flate2::read::MultiGzDecoder;

use crate::data::{BLOCKED_EDGES, CHANNELS, Tree, VERSION};

/// A raw graph is no larger: ten times that of all releases of today.
pub const RAW_GRAPH_BYTES_MAX: u64 = 128 << 20;
/// All files of graph data together are no larger: thirty times those of today.
pub const GRAPH_DATA_BYTES_MAX: u64 = 64 << 20;
/// Graph data has no more files: thirty times those of today.
pub const GRAPH_DATA_FILES_MAX: usize = 65_536;
/// Folders below the graph-data folder that hold what is read.
const FOLDERS: [&str; 3] = [BLOCKED_EDGES, CHANNELS, "raw"];

/// A source that could not be read.
#[derive(Debug, thiserror::Error)]
pub enum Unreadable {
    /// The system would not give it.
    #[error("reading {}", path.display())]
    System {
        /// The file or folder.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// It is larger than anything that is meant here.
    #[error("reading {}: more than {limit} {what}; this is not what it should be", path.display())]
    TooMuch {
        /// The file or folder.
        path: PathBuf,
        /// The bound.
        limit: u64,
        /// Bytes or files.
        what: &'static str,
    },
}

/// The bytes of a raw graph file, unpacked if it is gzip.
pub fn raw_graph(path: &Path) -> Result<Vec<u8>, Unreadable> {
    let system = |source| Unreadable::System {
        path: path.to_owned(),
        source,
    };
    let file = File::open(path).map_err(system)?;
    let mut bytes = Vec::new();
    unpacked(file)
        .and_then(|reader| reader.take(RAW_GRAPH_BYTES_MAX + 1).read_to_end(&mut bytes))
        .map_err(system)?;
    if bytes.len() as u64 > RAW_GRAPH_BYTES_MAX {
        return Err(too_much(path, RAW_GRAPH_BYTES_MAX, "bytes"));
    }
    Ok(bytes)
}

/// The files of graph data: a folder, or a tar archive, packed with gzip or not.
pub fn graph_data(path: &Path) -> Result<Tree, Unreadable> {
    let system = |source| Unreadable::System {
        path: path.to_owned(),
        source,
    };
    let metadata = fs::metadata(path).map_err(system)?;
    let mut gathered = Gathered {
        path,
        tree: Tree::default(),
        bytes: 0,
    };
    if metadata.is_dir() {
        gathered.folder()?;
    } else {
        let reader = File::open(path).and_then(unpacked).map_err(system)?;
        gathered.archive(reader)?;
    }
    Ok(gathered.tree)
}

fn too_much(path: &Path, limit: u64, what: &'static str) -> Unreadable {
    Unreadable::TooMuch {
        path: path.to_owned(),
        limit,
        what,
    }
}

/// The first two bytes of every gzip file.
const GZIP: [u8; 2] = [0x1f, 0x8b];

fn unpacked(file: File) -> io::Result<Box<dyn Read>> {
    let mut file = BufReader::new(file);
    let starts = io::BufRead::fill_buf(&mut file)?;
    Ok(if starts.starts_with(&GZIP) {
        Box::new(MultiGzDecoder::new(file))
    } else {
        Box::new(file)
    })
}

struct Gathered<'p> {
    path: &'p Path,
    tree: Tree,
    bytes: u64,
}

impl Gathered<'_> {
    fn folder(&mut self) -> Result<(), Unreadable> {
        let root = self.path.to_owned();
        self.file_of_folder(&root.join(VERSION), VERSION)?;
        for folder in FOLDERS {
            let path = root.join(folder);
            let entries = match fs::read_dir(&path) {
                Ok(entries) => entries,
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(source) => return Err(Unreadable::System { path, source }),
            };
            self.tree.folders.insert(folder.to_owned());
            for entry in entries {
                let entry = entry.map_err(|source| Unreadable::System {
                    path: path.clone(),
                    source,
                })?;
                if let Some(name) = entry.file_name().to_str() {
                    self.file_of_folder(&entry.path(), &format!("{folder}/{name}"))?;
                }
            }
        }
        Ok(())
    }

    /// A file that may be missing; links are followed, because mounted volumes are made of them.
    fn file_of_folder(&mut self, path: &Path, name: &str) -> Result<(), Unreadable> {
        let system = |source| Unreadable::System {
            path: path.to_owned(),
            source,
        };
        match fs::metadata(path) {
            Ok(metadata) if metadata.is_file() => {
                let file = File::open(path).map_err(system)?;
                self.add(name, file)
            }
            Ok(_) => Ok(()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(system(source)),
        }
    }

    fn archive(&mut self, reader: impl Read) -> Result<(), Unreadable> {
        // Headers and padding count too: an archive of nothing but those is no less a burden.
        let bounded = reader.take(2 * GRAPH_DATA_BYTES_MAX);
        let mut archive = tar::Archive::new(bounded);
        let path = self.path.to_owned();
        let system = |source| Unreadable::System {
            path: path.clone(),
            source,
        };
        for entry in archive.entries().map_err(system)? {
            let entry = entry.map_err(system)?;
            let kind = entry.header().entry_type();
            let Some(name) = inner_name(&entry.path().map_err(system)?) else {
                continue;
            };
            if let Some((folder, _)) = name.split_once('/') {
                self.tree.folders.insert(folder.to_owned());
            }
            if kind.is_dir() {
                self.tree.folders.insert(name);
            } else if kind.is_file() {
                self.add(&name, entry)?;
            }
        }
        Ok(())
    }

    fn add(&mut self, name: &str, reader: impl Read) -> Result<(), Unreadable> {
        if self.tree.files.len() >= GRAPH_DATA_FILES_MAX {
            return Err(too_much(self.path, GRAPH_DATA_FILES_MAX as u64, "files"));
        }
        let left = GRAPH_DATA_BYTES_MAX - self.bytes;
        let mut contents = Vec::new();
        let read = reader
            .take(left + 1)
            .read_to_end(&mut contents)
            .map_err(|source| Unreadable::System {
                path: self.path.join(name),
                source,
            })?;
        if read as u64 > left {
            return Err(too_much(self.path, GRAPH_DATA_BYTES_MAX, "bytes"));
        }
        self.bytes += read as u64;
        self.tree.files.insert(name.to_owned(), contents);
        Ok(())
    }
}

/// The name within graph data: archives of a whole repository put everything into one more folder.
pub(crate) fn inner_name(path: &Path) -> Option<String> {
    let parts: Vec<&str> = path
        .components()
        .filter_map(|part| match part {
            std::path::Component::Normal(part) => Some(part),
            _ => None,
        })
        .map(OsStr::to_str)
        .collect::<Option<_>>()?;
    let known = |part: &&str| FOLDERS.contains(part);
    match parts.as_slice() {
        [VERSION] | [_, VERSION] => Some(VERSION.to_owned()),
        [folder, rest @ ..] if known(folder) => Some(joined(folder, rest)),
        [_, folder, rest @ ..] if known(folder) => Some(joined(folder, rest)),
        _ => None,
    }
}

fn joined(folder: &str, rest: &[&str]) -> String {
    let mut name = folder.to_owned();
    for part in rest {
        name.push('/');
        name.push_str(part);
    }
    name
}
