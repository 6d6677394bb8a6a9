//! Graph data: what people say of releases after they were made. Channels, blocked edges, known issues, more metadata.
//!
//! # Guarantees
//! [`GraphData::read`] takes the files as bytes. A file that cannot be read, or says what nobody knows, is a
//! [`Problem`] that names file, line and field, and which releases it is [about](About): the graph lets no edge go by
//! that such a file might have blocked. Data of which nothing can be trusted is [`Unusable`].
//!
//! # Not here
//! Folders and archives: [`crate::files`]. What follows from the data: [`crate::graph`].

mod block;
mod channel;
mod metadata;
mod place;
mod problem;
mod risk;
mod verification;

use std::collections::{BTreeMap, BTreeSet};

pub use block::Block;
pub(crate) use block::pattern;
pub use channel::Channel;
pub use metadata::Metadata;
pub use problem::{About, Problem, Unusable};
pub use risk::{Query, Risk, Rule};
pub use verification::Verification;

/// The folder of blocked edges, conditional or not.
pub const BLOCKED_EDGES: &str = "blocked-edges";
/// The folder of channels.
pub const CHANNELS: &str = "channels";
/// More metadata of releases.
pub const RAW_METADATA: &str = "raw/metadata.json";
/// Results of verifying releases' signatures.
pub const VERIFICATION: &str = "raw/verification.json";
/// The file that names the format's version.
pub const VERSION: &str = "version";

/// The newest version of the format that is known to the letter; a newer minor one is read, and told.
pub const NEWEST_VERSION: semver::Version = semver::Version::new(1, 2, 0);

/// The files of a graph-data folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Tree {
    /// Paths below the folder, with `/`, to contents.
    pub files: BTreeMap<String, Vec<u8>>,
    /// Paths of folders: an empty folder says that there is nothing, a missing one that something went wrong.
    pub folders: BTreeSet<String>,
}

/// What graph data says, as far as it could be read.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct GraphData {
    /// Blocked edges, in the order of their files' names.
    pub blocks: Vec<Block>,
    /// Channels, in the order of their files' names.
    pub channels: Vec<Channel>,
    /// More metadata.
    pub metadata: Metadata,
    /// Which release images are verified.
    pub verification: Verification,
    /// What could not be read, and what is odd.
    pub problems: Vec<Problem>,
}

impl GraphData {
    /// Reads the files.
    pub fn read(tree: &Tree) -> Result<Self, Unusable> {
        let mut data = Self::default();
        data.version(tree)?;
        data.metadata = metadata::read(tree, &mut data.problems)?;
        data.verification = verification::read(tree, &mut data.problems);
        for (file, contents) in yaml_files(tree, BLOCKED_EDGES, &mut data.problems)? {
            match block::read(file, contents) {
                Ok(block) => data.blocks.push(block),
                Err(problem) => data.problems.push(problem),
            }
        }
        for (file, contents) in yaml_files(tree, CHANNELS, &mut data.problems)? {
            match channel::read(file, contents, &mut data.problems) {
                Ok(channel) => data.channels.push(channel),
                Err(problem) => data.problems.push(problem),
            }
        }
        Ok(data)
    }

    /// From now on a release whose image is not verified is set aside.
    pub fn require_signatures(&mut self) {
        self.verification.require(&mut self.problems);
    }

    /// Whether a problem might have let an edge go by.
    pub fn is_whole(&self) -> bool {
        self.problems
            .iter()
            .all(|problem| problem.about == About::NoEdge)
    }

    fn version(&mut self, tree: &Tree) -> Result<(), Unusable> {
        let contents = tree
            .files
            .get(VERSION)
            .ok_or(Unusable::Missing { what: VERSION })?;
        let text = String::from_utf8_lossy(contents);
        let text = text.trim();
        match semver::Version::parse(text) {
            Ok(version) if version.major == NEWEST_VERSION.major => {
                if version > NEWEST_VERSION {
                    self.problems.push(Problem {
                        file: VERSION.to_owned(),
                        line: Some(1),
                        field: None,
                        says: format!(
                            "version {version} is newer than {NEWEST_VERSION}: what is new in it is not known here"
                        ),
                        about: About::NoEdge,
                    });
                }
                Ok(())
            }
            _ => Err(Unusable::Version {
                version: text.chars().take(VERSION_SHOWN).collect(),
            }),
        }
    }
}

/// So much of a version that is none is shown.
const VERSION_SHOWN: usize = 40;

/// The YAML files directly in a folder. Files of other kinds (`OWNERS`, a README) are passed over, and told if their
/// name looks like a slip.
fn yaml_files<'a>(
    tree: &'a Tree,
    folder: &'static str,
    problems: &mut Vec<Problem>,
) -> Result<Vec<(&'a str, &'a [u8])>, Unusable> {
    if !tree.folders.contains(folder) {
        return Err(Unusable::Missing { what: folder });
    }
    let mut found = Vec::new();
    for (path, contents) in &tree.files {
        let Some(name) = path
            .strip_prefix(folder)
            .and_then(|rest| rest.strip_prefix('/'))
            .filter(|name| !name.contains('/'))
        else {
            continue;
        };
        match name.rsplit_once('.') {
            // `yml` too: a file that its author wrote in vain would let edges go by.
            Some((_, "yaml" | "yml")) => found.push((path.as_str(), contents.as_slice())),
            Some((_, extension)) if extension.contains('y') => problems.push(Problem {
                file: path.clone(),
                line: None,
                field: None,
                says: format!("`.{extension}` is not `.yaml` or `.yml`, so the file is not read"),
                about: if folder == BLOCKED_EDGES && extension.contains("ml") {
                    About::of_name(name)
                } else {
                    About::NoEdge
                },
            }),
            _ => {}
        }
    }
    Ok(found)
}

#[cfg(test)]
mod tests;
