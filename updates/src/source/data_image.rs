//! Graph data from an image, followed by its digest.
//!
//! # Guarantees
//! * The image is asked for by one small request as long as it has not changed. All its layers are read, to their ends, so
//!   that what is used is what the digests name; a layer that was read before is not read again.
//! * Layers lie on one another as in a container: an upper file hides a lower one, and a file that a layer removes is gone.
//! * What is kept is graph data alone, and bounded as [`crate::files`] bounds it.
//!
//! # Not here
//! What it says: [`crate::data`]. When it is asked for: [`crate::source`].

use std::collections::BTreeMap;
use std::io::{self, BufRead, Read};
use std::sync::{Arc, Mutex, PoisonError};

use flate2::bufread::MultiGzDecoder;

use super::pieces;
use crate::data::{Tree, VERSION};
use crate::files::{GRAPH_DATA_BYTES_MAX, GRAPH_DATA_FILES_MAX, inner_name};
use crate::registry::{
    At, Descriptor, Digest, Fetched, Manifest, Reference, Registry, RegistryError, Why,
};

/// A layer of such an image is no larger, packed: an operating system may lie below the data.
const LAYER_BYTES_MAX: u64 = 2 << 30;
/// And unpacked.
const LAYER_UNPACKED_BYTES_MAX: u64 = 8 << 30;
/// Where the data lies in an image, as the common tools put it there; the first that is there counts.
const FOLDERS: [&str; 4] = [
    "",
    "graph-data/",
    "var/lib/cincinnati-graph-data/",
    "var/lib/cincinnati/graph-data/",
];
const GZIP: [u8; 2] = [0x1f, 0x8b];
const REMOVED: &str = ".wh.";
const ALL_REMOVED: &str = ".wh..wh..opq";
/// Stands for a folder among the files: an empty one says that there is nothing.
const FOLDER: &str = ".folder";

/// Follows an image.
#[derive(Debug)]
pub struct DataImage {
    registry: Registry,
    image: Reference,
    known: Mutex<Known>,
}

#[derive(Debug, Clone, Default)]
struct Known {
    digest: Option<Digest>,
    tree: Option<Arc<Tree>>,
    layers: BTreeMap<Digest, Arc<Files>>,
}

/// Paths of a layer that matter: files with their contents, and what is removed, without contents.
type Files = BTreeMap<String, Option<Vec<u8>>>;

impl DataImage {
    /// Nothing was read yet.
    pub fn new(registry: Registry, image: Reference) -> Self {
        Self {
            registry,
            image,
            known: Mutex::default(),
        }
    }

    /// Which image it is.
    pub fn image(&self) -> &Reference {
        &self.image
    }

    /// The client that it asks with.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// The digest of what was read last.
    pub fn digest(&self) -> Option<Digest> {
        self.with_known(|known| known.digest.clone())
    }

    /// The data as the image has it now. The same `Arc` as before if the image is the same.
    pub async fn ask(&self) -> Result<Arc<Tree>, RegistryError> {
        let known = self.with_known(|known| known.clone());
        let asked = self
            .registry
            .manifest_unless(&self.image, known.digest.as_ref())
            .await?;
        let fetched = match (asked, known.tree) {
            (Some(fetched), _) => fetched,
            (None, Some(tree)) => return Ok(tree),
            (None, None) => self.registry.manifest(&self.image).await?,
        };
        let digest = fetched.digest.clone();
        let (tree, layers) = self.read(fetched, &known.layers).await?;
        let tree = Arc::new(tree);
        self.with_known(|known| {
            *known = Known {
                digest: Some(digest),
                tree: Some(tree.clone()),
                layers,
            };
        });
        Ok(tree)
    }

    fn with_known<T>(&self, work: impl FnOnce(&mut Known) -> T) -> T {
        work(&mut self.known.lock().unwrap_or_else(PoisonError::into_inner))
    }

    async fn read(
        &self,
        fetched: Fetched,
        known: &BTreeMap<Digest, Arc<Files>>,
    ) -> Result<(Tree, BTreeMap<Digest, Arc<Files>>), RegistryError> {
        let mut read = BTreeMap::new();
        let mut all = Files::new();
        for layer in self.layers(fetched).await? {
            let files = match known.get(&layer.digest).or(read.get(&layer.digest)) {
                Some(files) => files.clone(),
                None => Arc::new(self.layer(&layer).await?),
            };
            lay(&mut all, &files);
            read.insert(layer.digest, files);
        }
        let tree = tree(&all).ok_or_else(|| {
            self.error(Why::NotUnderstood(format!(
                "no layer has a file `{VERSION}` where graph data lies: at the top, or in {}",
                FOLDERS.get(1..).unwrap_or_default().join(", ")
            )))
        })?;
        Ok((tree, read))
    }

    /// The layers that can hold files, the lowest first; of a list those of its first image, as data is for all machines.
    async fn layers(&self, fetched: Fetched) -> Result<Vec<Descriptor>, RegistryError> {
        let manifest = match fetched.manifest {
            Manifest::List(images) => {
                let first = images.into_iter().next().ok_or_else(|| {
                    self.error(Why::NotUnderstood("a list without an image".to_owned()))
                })?;
                let at = self.image.repository.at(At::Digest(first.digest));
                self.registry.manifest(&at).await?.manifest
            }
            image @ Manifest::Image { .. } => image,
        };
        match manifest {
            Manifest::Image { layers, .. } => Ok(layers
                .into_iter()
                .filter(|layer| layer.media_type.contains("tar"))
                .collect()),
            Manifest::List(_) => Err(self.error(Why::NotUnderstood("a list of lists".to_owned()))),
        }
    }

    async fn layer(&self, layer: &Descriptor) -> Result<Files, RegistryError> {
        let mut stream = self
            .registry
            .blob(&self.image.repository, layer, LAYER_BYTES_MAX)
            .await?;
        let files = pieces::read(&mut stream, unpack).await?;
        while stream.next().await?.is_some() {}
        files.map_err(|error| RegistryError {
            attempt: "unpacking",
            on: stream.name(),
            why: Why::NotUnderstood(error.to_string()),
        })
    }

    fn error(&self, why: Why) -> RegistryError {
        RegistryError {
            attempt: "reading graph data from",
            on: self.image.to_string(),
            why,
        }
    }
}

/// The files of a layer that matter.
fn unpack(mut reader: impl BufRead) -> io::Result<Files> {
    let packed = reader.fill_buf()?.starts_with(&GZIP);
    let bounded: Box<dyn Read> = if packed {
        Box::new(MultiGzDecoder::new(reader).take(LAYER_UNPACKED_BYTES_MAX))
    } else {
        Box::new(reader.take(LAYER_UNPACKED_BYTES_MAX))
    };
    let mut archive = tar::Archive::new(bounded);
    let mut files = Files::new();
    let mut left = GRAPH_DATA_BYTES_MAX;
    // Raw entries: long names would be read into memory, and graph data has short ones.
    for entry in archive.entries()?.raw(true) {
        let mut entry = entry?;
        let path = entry.path_bytes();
        let Ok(path) = std::str::from_utf8(&path) else {
            continue;
        };
        let path = path.trim_start_matches("./").trim_start_matches('/');
        let path = path.trim_end_matches('/').to_owned();
        let kind = entry.header().entry_type();
        let mark = format!("{path}/{FOLDER}");
        if is_removal(&path) {
            files.insert(path, None);
        } else if kind.is_dir() && place(&mark).is_some() {
            files.insert(mark, Some(Vec::new()));
        } else if kind.is_file() && place(&path).is_some() {
            let mut contents = Vec::new();
            entry.by_ref().take(left + 1).read_to_end(&mut contents)?;
            let too_much = contents.len() as u64 > left;
            if too_much || files.len() >= GRAPH_DATA_FILES_MAX {
                return Err(io::Error::other(format!(
                    "more than {GRAPH_DATA_BYTES_MAX} bytes or {GRAPH_DATA_FILES_MAX} files of graph data"
                )));
            }
            left -= contents.len() as u64;
            files.insert(path, Some(contents));
        }
    }
    Ok(files)
}

/// Whether it removes something where graph data lies, or a folder above that.
fn is_removal(path: &str) -> bool {
    let (folder, name) = split(path);
    let leads_there =
        |place: &&str| place.starts_with(folder) || folder.starts_with(*place) || folder.is_empty();
    name.starts_with(REMOVED) && FOLDERS.iter().any(leads_there)
}

/// The folder, with its `/`, and the name.
fn split(path: &str) -> (&str, &str) {
    path.rsplit_once('/').map_or(("", path), |(folder, name)| {
        (path.get(..=folder.len()).unwrap_or_default(), name)
    })
}

/// In which folder of graph data a file lies, and its name there.
fn place(path: &str) -> Option<(&'static str, String)> {
    FOLDERS.iter().rev().find_map(|folder| {
        let name = path.strip_prefix(folder)?;
        // One more folder, as archives of a repository have it, is no folder of an image.
        let inner = inner_name(std::path::Path::new(name))?;
        (inner == name).then_some((*folder, inner))
    })
}

/// Lays a layer on those below.
fn lay(all: &mut Files, layer: &Files) {
    for path in layer
        .iter()
        .filter(|(_, file)| file.is_none())
        .map(|(path, _)| path)
    {
        let (folder, name) = split(path);
        if name == ALL_REMOVED {
            all.retain(|path, _| !path.starts_with(folder));
        } else {
            let gone = format!("{folder}{}", name.strip_prefix(REMOVED).unwrap_or(name));
            let below = format!("{gone}/");
            all.retain(|path, _| *path != gone && !path.starts_with(&below));
        }
    }
    let added = layer.iter().filter(|(_, file)| file.is_some());
    all.extend(added.map(|(path, file)| (path.clone(), file.clone())));
}

/// The graph data among the files, from the first folder that has a version.
fn tree(all: &Files) -> Option<Tree> {
    let folder = FOLDERS
        .iter()
        .find(|folder| all.contains_key(&format!("{folder}{VERSION}")))?;
    let mut tree = Tree::default();
    for (path, file) in all {
        let Some((place, name)) = place(path) else {
            continue;
        };
        if place != *folder {
            continue;
        }
        if let Some((folder, _)) = name.split_once('/') {
            tree.folders.insert(folder.to_owned());
        }
        if let Some(contents) = file.as_ref().filter(|_| !name.ends_with(FOLDER)) {
            tree.files.insert(name, contents.clone());
        }
    }
    Some(tree)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn layer(files: &[(&str, &str)]) -> Files {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, content) in files {
            let mut header = tar::Header::new_ustar();
            header.set_size(content.len() as u64);
            header.set_mode(0o644);
            archive
                .append_data(&mut header, name, content.as_bytes())
                .unwrap();
        }
        unpack(archive.into_inner().unwrap().as_slice()).unwrap()
    }

    fn laid(layers: &[Files]) -> Option<Tree> {
        let mut all = Files::new();
        for layer in layers {
            lay(&mut all, layer);
        }
        tree(&all)
    }

    fn names(tree: &Tree) -> Vec<&str> {
        tree.files.keys().map(String::as_str).collect()
    }

    const BASE: &str = "var/lib/cincinnati-graph-data/";

    #[test]
    fn data_is_found_where_the_common_tools_put_it() {
        for folder in FOLDERS {
            let files = layer(&[
                ("etc/version", "no"),
                (&format!("{folder}version"), "1.1.0"),
                (&format!("{folder}channels/a.yaml"), "name: a"),
                (&format!("{folder}README.md"), "no"),
            ]);

            let tree = laid(&[files]).unwrap();

            assert_eq!(names(&tree), ["channels/a.yaml", "version"], "{folder}");
        }
        assert_eq!(laid(&[layer(&[("etc/version", "no")])]), None);
    }

    #[test]
    fn an_upper_layer_hides_and_removes_what_lies_below() {
        let lower = layer(&[
            (&format!("{BASE}version"), "1.1.0"),
            (&format!("{BASE}channels/a.yaml"), "old"),
            (&format!("{BASE}channels/b.yaml"), "old"),
            (&format!("{BASE}blocked-edges/c.yaml"), "old"),
        ]);
        let upper = layer(&[
            (&format!("{BASE}channels/a.yaml"), "new"),
            (&format!("{BASE}channels/.wh.b.yaml"), ""),
            (&format!("{BASE}blocked-edges/.wh..wh..opq"), ""),
            (&format!("{BASE}blocked-edges/d.yaml"), "new"),
        ]);

        let tree = laid(&[lower, upper]).unwrap();

        assert_eq!(
            names(&tree),
            ["blocked-edges/d.yaml", "channels/a.yaml", "version"]
        );
        assert_eq!(tree.files["channels/a.yaml"], b"new");
    }

    #[test]
    fn a_folder_that_is_removed_takes_the_data_along() {
        let lower = layer(&[(&format!("{BASE}version"), "1.1.0")]);

        for gone in [
            "var/.wh.lib",
            "var/lib/.wh.cincinnati-graph-data",
            ".wh.var",
        ] {
            assert_eq!(laid(&[lower.clone(), layer(&[(gone, "")])]), None, "{gone}");
        }
    }
}
