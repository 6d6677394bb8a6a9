//! What is wrong with graph data, and which edges must not be offered for it.

use std::collections::BTreeSet;
use std::fmt;

use semver::Version;

/// A file of graph data, or a part of it, that cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// The file, below the graph-data folder.
    pub file: String,
    /// The line, from 1, where one can be named.
    pub line: Option<u64>,
    /// The field, where one can be named.
    pub field: Option<String>,
    /// What is wrong.
    pub says: String,
    /// Which edges it might have blocked.
    pub about: About,
}

/// Which edges an unreadable part might have blocked.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum About {
    /// None: nothing in it could block an edge.
    NoEdge,
    /// Those into the releases of these versions; a version without build metadata is every architecture's.
    Into(BTreeSet<Version>),
    /// Nobody knows: every edge.
    EveryEdge,
}

impl About {
    /// By a file's name: blocked-edges files are called `<to>-<...>.yaml` by the rules of the repository, so every
    /// version that can be read off the name is meant. None to be read off: every edge.
    pub(crate) fn of_name(name: &str) -> Self {
        let mut versions = BTreeSet::new();
        let boundaries = |c: char| !c.is_ascii_alphanumeric();
        let starts = std::iter::once(0).chain(name.match_indices('-').map(|(at, _)| at + 1));
        for start in starts.take(NAME_PARTS_MAX) {
            let rest = &name[start..];
            let ends = rest
                .match_indices(boundaries)
                .map(|(at, _)| at)
                .chain(std::iter::once(rest.len()));
            for end in ends.take(NAME_PARTS_MAX) {
                if let Ok(version) = Version::parse(&rest[..end]) {
                    versions.insert(version);
                }
            }
        }
        if versions.is_empty() {
            Self::EveryEdge
        } else {
            Self::Into(versions)
        }
    }
}

/// No file name of the repository has as many parts; a longer one is looked at so far.
const NAME_PARTS_MAX: usize = 64;

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.file)?;
        if let Some(line) = self.line {
            write!(f, ", line {line}")?;
        }
        if let Some(field) = &self.field {
            write!(f, ", field `{field}`")?;
        }
        write!(f, ": {}", self.says)
    }
}

/// Nothing of the data can be trusted: what is missing or unreadable might say anything of any edge.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unusable {
    /// A file or folder is missing.
    #[error(
        "graph data without `{what}`: the folder is not (or not wholly) a graph-data repository"
    )]
    Missing {
        /// The file or folder.
        what: &'static str,
    },
    /// The format's version is none that is known.
    #[error("graph data, file `version`: `{version}` is not a version 1.x.y of the format")]
    Version {
        /// What the file says.
        version: String,
    },
    /// More metadata may remove edges and releases anywhere, and cannot be read.
    #[error("graph data, file `{file}`, line {line}: {says}")]
    Metadata {
        /// The file.
        file: &'static str,
        /// The line, from 1.
        line: usize,
        /// What the reader says.
        says: String,
    },
}

impl Unusable {
    /// The reason as a word: metric label and readiness reason.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Missing { .. } => "GraphDataMissing",
            Self::Version { .. } => "GraphDataVersion",
            Self::Metadata { .. } => "GraphDataMetadata",
        }
    }
}
