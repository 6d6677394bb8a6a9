//! Releases and edges before graph data: what a scan of release images, or another update service, tells.
//!
//! # Guarantees
//! An entry that is not what it should be is set aside by its position, and the others are read. Keys that are not
//! known are ignored, so that an answer of any update service can be read, its `version` and what comes later included.
//!
//! # Not here
//! Whether versions are versions, duplicates and circles: [`crate::graph`].

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::Value;

use crate::aside::Aside;
use crate::data::Risk;

/// Releases and edges as they came.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RawGraph {
    /// The releases; edges name them by position.
    pub releases: Vec<RawRelease>,
    /// From, to: positions among [`Self::releases`].
    pub edges: Vec<(usize, usize)>,
    /// Edges that came with risks.
    pub conditional: Vec<RawConditional>,
    /// What could not be read.
    pub aside: Vec<Aside>,
}

/// One release as it came.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
pub struct RawRelease {
    /// The version, its architecture as build metadata.
    pub version: String,
    /// The image, by digest. None for a release that is known by name alone, because another one was made after it.
    #[serde(default)]
    pub payload: Option<String>,
    /// What its image says of it.
    #[serde(default)]
    pub metadata: BTreeMap<String, String>,
}

/// Edges that share their risks.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RawConditional {
    /// The edges, by version.
    pub edges: Vec<RawPair>,
    /// Their risks.
    pub risks: Vec<Risk>,
}

/// One edge by version.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct RawPair {
    /// Where it starts.
    pub from: String,
    /// Where it leads.
    pub to: String,
}

/// The document is not a graph, so there is no part of it that could be served.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("reading a raw graph: {says}; it is one JSON object with `nodes` and `edges`")]
pub struct NotAGraph {
    /// What the reader says.
    pub says: String,
}

#[derive(Deserialize)]
struct Strict {
    nodes: Vec<RawRelease>,
    edges: Vec<(usize, usize)>,
    #[serde(default, rename = "conditionalEdges")]
    conditional: Option<Vec<RawConditional>>,
}

#[derive(Deserialize)]
struct Lenient {
    nodes: Vec<Value>,
    edges: Vec<Value>,
    #[serde(default, rename = "conditionalEdges")]
    conditional: Option<Vec<Value>>,
}

impl RawGraph {
    /// Reads a raw graph.
    pub fn read(json: &[u8]) -> Result<Self, NotAGraph> {
        // Nearly every graph is whole, and is read without a detour; only a damaged one is read entry by entry.
        if let Ok(strict) = serde_json::from_slice::<Strict>(json) {
            return Ok(Self {
                releases: strict.nodes,
                edges: strict.edges,
                conditional: strict.conditional.unwrap_or_default(),
                aside: Vec::new(),
            });
        }
        let lenient: Lenient = serde_json::from_slice(json).map_err(|error| NotAGraph {
            says: error.to_string(),
        })?;
        Ok(lenient.read())
    }
}

impl Lenient {
    fn read(self) -> RawGraph {
        let mut graph = RawGraph::default();
        // A position that held no release keeps its number, because edges count it.
        let mut positions = Vec::with_capacity(self.nodes.len());
        for (position, node) in self.nodes.into_iter().enumerate() {
            match serde_json::from_value::<RawRelease>(node) {
                Ok(release) => {
                    positions.push(Some(graph.releases.len()));
                    graph.releases.push(release);
                }
                Err(error) => {
                    positions.push(None);
                    graph.aside.push(Aside::UnreadableRelease {
                        position,
                        says: error.to_string(),
                    });
                }
            }
        }
        for (position, edge) in self.edges.into_iter().enumerate() {
            let read = serde_json::from_value::<(usize, usize)>(edge)
                .map_err(|error| error.to_string())
                .and_then(|(from, to)| {
                    let at = |end: usize| {
                        positions.get(end).copied().flatten().ok_or_else(|| {
                            format!("there is no readable release at position {end}")
                        })
                    };
                    Ok((at(from)?, at(to)?))
                });
            match read {
                Ok(edge) => graph.edges.push(edge),
                Err(says) => graph.aside.push(Aside::UnreadableEdge { position, says }),
            }
        }
        for (position, group) in self.conditional.into_iter().flatten().enumerate() {
            match serde_json::from_value::<RawConditional>(group) {
                Ok(group) => graph.conditional.push(group),
                Err(error) => graph.aside.push(Aside::UnreadableEdge {
                    position,
                    says: format!("among the conditional edges: {error}"),
                }),
            }
        }
        graph
    }
}
