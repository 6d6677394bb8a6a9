//! What could not be part of the graph: set aside, named, while the rest is served.
//!
//! # Guarantees
//! One value for one thing that is set aside; [`Aside::reason`] is its metric label, `Display` the only place of its
//! sentence.
//!
//! # Not here
//! Files of graph data that cannot be read: they hold edges back, and are [`crate::data::Problem`]s.

use std::fmt;

/// One release, edge or instruction that is not in the graph.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Aside {
    /// The entry is not a release at all.
    UnreadableRelease {
        /// Its place among the releases, from 0.
        position: usize,
        /// What the reader says.
        says: String,
    },
    /// The version is not a semantic version.
    VersionNotSemantic {
        /// The version as it is written.
        version: String,
    },
    /// There is a release of this version already.
    Duplicate {
        /// The version that came twice.
        version: String,
        /// The payload that is kept.
        kept: String,
        /// The payload that is set aside.
        payload: String,
    },
    /// The entry is not an edge, or leads from or to a release that is not there.
    UnreadableEdge {
        /// Its place among the edges, from 0.
        position: usize,
        /// What is wrong with it.
        says: String,
    },
    /// The edge leads from a release to itself.
    ToItself {
        /// The release.
        version: String,
    },
    /// The edge goes backwards and closes a circle.
    ClosesCircle {
        /// Where it starts.
        from: String,
        /// Where it leads.
        to: String,
    },
    /// An instruction in a release's metadata names something that cannot be.
    Instruction {
        /// The release.
        version: String,
        /// The metadata key.
        key: &'static str,
        /// What is wrong with its value.
        says: String,
    },
    /// Signatures are required, and nobody has verified those of the release's image.
    NotVerified {
        /// The release.
        version: String,
        /// Its image.
        payload: String,
        /// How it is known.
        says: String,
    },
    /// An image of a registry cannot be read.
    Image {
        /// The image, by its tag.
        image: String,
        /// Why, as a word.
        reason: &'static str,
        /// Why.
        says: String,
    },
    /// A conditional edge that came with the raw graph leads from or to a release that is not there.
    ConditionalToNowhere {
        /// Where it starts.
        from: String,
        /// Where it leads.
        to: String,
    },
}

impl Aside {
    /// The reason as a word: the metric label.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::UnreadableRelease { .. } => "UnreadableRelease",
            Self::VersionNotSemantic { .. } => "VersionNotSemantic",
            Self::Duplicate { .. } => "Duplicate",
            Self::UnreadableEdge { .. } => "UnreadableEdge",
            Self::ToItself { .. } => "ToItself",
            Self::ClosesCircle { .. } => "ClosesCircle",
            Self::Instruction { .. } => "Instruction",
            Self::NotVerified { .. } => "NotVerified",
            Self::ConditionalToNowhere { .. } => "ConditionalToNowhere",
            Self::Image { reason, .. } => reason,
        }
    }

    /// The version that this is about, where there is one.
    pub fn version(&self) -> Option<&str> {
        match self {
            Self::VersionNotSemantic { version }
            | Self::Duplicate { version, .. }
            | Self::ToItself { version }
            | Self::NotVerified { version, .. }
            | Self::Instruction { version, .. } => Some(version),
            Self::ClosesCircle { to, .. } | Self::ConditionalToNowhere { to, .. } => Some(to),
            Self::UnreadableRelease { .. } | Self::UnreadableEdge { .. } | Self::Image { .. } => {
                None
            }
        }
    }
}

impl fmt::Display for Aside {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::UnreadableRelease { position, says } => {
                write!(
                    f,
                    "the release at position {position} cannot be read: {says}"
                )
            }
            Self::VersionNotSemantic { version } => {
                write!(
                    f,
                    "release `{version}`: the version is not a semantic version"
                )
            }
            Self::Duplicate {
                version,
                kept,
                payload,
            } => write!(
                f,
                "release {version} is there twice: payload {kept} is served, {payload} is not"
            ),
            Self::UnreadableEdge { position, says } => {
                write!(f, "the edge at position {position}: {says}")
            }
            Self::ToItself { version } => write!(f, "the edge of {version} to itself"),
            Self::ClosesCircle { from, to } => write!(
                f,
                "the edge from {from} to {to} goes backwards and closes a circle"
            ),
            Self::Instruction { version, key, says } => {
                write!(f, "release {version}, metadata `{key}`: {says}")
            }
            Self::NotVerified { version, says, .. } => {
                write!(f, "release {version} is not verified: {says}")
            }
            Self::Image { image, says, .. } => write!(f, "the image {image}: {says}"),
            Self::ConditionalToNowhere { from, to } => write!(
                f,
                "the conditional edge from {from} to {to}: one of them is not in the graph"
            ),
        }
    }
}
