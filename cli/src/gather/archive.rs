//! The archive: a gzipped tar, written once and read without being unpacked.
//!
//! | path under the archive's own folder | what |
//! | --- | --- |
//! | `about.json` | which format, when, by which version; first |
//! | `decisions/nodes/NAME.txt`, `.json` | what `windlass explain node NAME` says; `pools` likewise |
//! | `objects/KIND.json` | a list of each kind |
//! | `logs/POD/CONTAINER.log` | logs of Windlass's own pods; a daemon's is its service's journal |
//! | `manifest.json` | how many of what, what was left out, and why; last |
//!
//! # Guarantees
//! An archive is readable by its owner alone, and never overwrites a file. A reader takes no more memory than one answer
//! needs, whatever the archive holds.

use std::fs::{File, OpenOptions};
use std::io::{BufWriter, Read, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::output::Output;

/// The layout above. A reader that does not know an archive's format says so.
const FORMAT: u32 = 1;
/// What says which format it is.
const ABOUT: &str = "about.json";
/// So much of an archive is looked through at most: several times what the bounds of [`super::collect`] let one hold.
const UNPACKED_MAX: u64 = 8 << 30;
/// The largest answer that is read: that of a pool of thousands of nodes has some hundred KiB.
const ANSWER_MAX: u64 = 16 << 20;

/// What an archive is.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct About {
    format: u32,
    /// When it was gathered.
    pub(crate) at: Timestamp,
    /// By which version of Windlass.
    version: String,
}

/// Of which kind a thing is that was explained.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Decided {
    /// Nodes.
    Nodes,
    /// Pools.
    Pools,
}

/// An answer of `windlass explain`.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) of: Decided,
    pub(crate) name: String,
    /// The lines for people.
    pub(crate) text: String,
    /// The object for programs.
    pub(crate) json: serde_json::Value,
}

/// An answer that an archive gives again.
#[derive(Debug)]
pub(crate) struct Again {
    /// When it was given.
    pub(crate) at: Timestamp,
    /// What is printed.
    pub(crate) words: String,
}

/// An archive that is being written.
pub(crate) struct Archive {
    path: PathBuf,
    folder: String,
    at: Timestamp,
    tar: tar::Builder<GzEncoder<BufWriter<File>>>,
}

impl Decided {
    fn folder(self) -> &'static str {
        match self {
            Self::Nodes => "decisions/nodes",
            Self::Pools => "decisions/pools",
        }
    }

    fn one(self) -> &'static str {
        match self {
            Self::Nodes => "Node",
            Self::Pools => "MachineConfigPool",
        }
    }

    fn path(self, name: &str, output: Output) -> String {
        let ending = match output {
            Output::Text => "txt",
            Output::Json => "json",
        };
        format!("{}/{name}.{ending}", self.folder())
    }
}

impl Told {
    /// An answer in both forms.
    pub(crate) fn of(of: Decided, name: &str, text: String, all: &impl Serialize) -> Result<Self> {
        let json = serde_json::to_value(all)
            .with_context(|| format!("writing the answer on {name} as JSON"))?;
        Ok(Self {
            of,
            name: name.to_owned(),
            text,
            json,
        })
    }
}

impl Archive {
    /// A new one; it must not be there yet.
    pub(crate) fn create(path: &Path, at: Timestamp) -> Result<Self> {
        let file = OpenOptions::new()
            .write(true)
            .create_new(true)
            // It is the plan of a whole cluster, secrets or not.
            .mode(0o600)
            .open(path)
            .with_context(|| format!("making the archive {}", path.display()))?;
        let gzip = GzEncoder::new(BufWriter::new(file), Compression::default());
        let mut archive = Self {
            path: path.to_owned(),
            folder: folder(at),
            at,
            tar: tar::Builder::new(gzip),
        };
        let about = About {
            format: FORMAT,
            at,
            version: env!("CARGO_PKG_VERSION").to_owned(),
        };
        archive.add_json(ABOUT, &about)?;
        Ok(archive)
    }

    /// Puts a file into it.
    pub(crate) fn add(&mut self, name: &str, contents: &[u8]) -> Result<()> {
        let mut header = tar::Header::new_gnu();
        header.set_size(contents.len() as u64);
        header.set_mode(0o600);
        header.set_mtime(u64::try_from(self.at.as_second()).unwrap_or_default());
        let path = format!("{}/{name}", self.folder);
        self.tar
            .append_data(&mut header, path, contents)
            .with_context(|| format!("writing {name} to the archive {}", self.path.display()))
    }

    /// Puts an object into it.
    pub(crate) fn add_json(&mut self, name: &str, value: &impl Serialize) -> Result<()> {
        let mut text =
            serde_json::to_vec_pretty(value).with_context(|| format!("writing {name} as JSON"))?;
        text.push(b'\n');
        self.add(name, &text)
    }

    /// Puts an answer into it.
    pub(crate) fn add_told(&mut self, told: &Told) -> Result<()> {
        let Told {
            of,
            name,
            text,
            json,
        } = told;
        self.add(&of.path(name, Output::Text), text.as_bytes())?;
        self.add_json(&of.path(name, Output::Json), json)
    }

    /// Ends it, on the disk.
    pub(crate) fn finish(self) -> Result<()> {
        let said = || format!("ending the archive {}", self.path.display());
        let gzip = self.tar.into_inner().with_context(said)?;
        let mut file = gzip.finish().with_context(said)?;
        file.flush().with_context(said)?;
        file.get_ref().sync_all().with_context(said)
    }
}

/// The folder in an archive, and its name by default.
pub(crate) fn folder(at: Timestamp) -> String {
    format!("windlass-gather-{}", at.strftime("%Y%m%dT%H%M%SZ"))
}

/// The answer about `name` that the archive holds.
pub(crate) fn told(archive: &Path, of: Decided, name: &str, output: Output) -> Result<Again> {
    let said = || format!("reading the archive {}", archive.display());
    let file = File::open(archive).with_context(said)?;
    let mut tar = tar::Archive::new(GzDecoder::new(file).take(UNPACKED_MAX));
    let wanted = of.path(name, output);
    let mut about: Option<About> = None;
    for entry in tar.entries().with_context(said)? {
        let mut entry = entry.with_context(said)?;
        let path = entry.path().with_context(said)?.into_owned();
        // The archive's own folder, of whatever name.
        let path: PathBuf = path.components().skip(1).collect();
        match &about {
            None if path == Path::new(ABOUT) => about = Some(known(entry, archive)?),
            None => break,
            Some(about) if path == Path::new(&wanted) => {
                let mut words = String::new();
                entry
                    .by_ref()
                    .take(ANSWER_MAX)
                    .read_to_string(&mut words)
                    .with_context(said)?;
                return Ok(Again {
                    at: about.at,
                    words,
                });
            }
            Some(_) => {}
        }
    }
    let archive = archive.display();
    match about {
        None => {
            bail!("{archive} is no archive of `windlass gather`: it does not begin with {ABOUT}")
        }
        Some(_) => bail!(
            "the archive {archive} has no answer about a {} {name}; it has those that `tar -tzf {archive}` lists \
             under {}",
            of.one(),
            of.folder()
        ),
    }
}

fn known(entry: impl Read, archive: &Path) -> Result<About> {
    let archive = archive.display();
    let about: About = serde_json::from_reader(entry.take(ANSWER_MAX))
        .with_context(|| format!("reading {ABOUT} of the archive {archive}"))?;
    if about.format != FORMAT {
        bail!(
            "the archive {archive} has format {}, and this windlass reads format {FORMAT}: use windlass {}, which made it",
            about.format,
            about.version
        );
    }
    Ok(about)
}
