//! What a client sees of the graph: the releases of one channel for one architecture, and the edges between them.
//!
//! # Guarantees
//! Releases are in the order of their versions, edges by where they lead; the same graph gives the same answer.
//!
//! # Not here
//! Its bytes: [`crate::wire`] and [`crate::normal`].

use std::collections::BTreeMap;

use crate::Graph;
use crate::graph::{Release, ReleaseId, RiskList};

/// The answer for one channel and architecture.
#[derive(Debug, Clone)]
pub struct Answer<'g> {
    /// The graph that it is part of.
    pub graph: &'g Graph,
    /// The releases.
    pub releases: Vec<Shown<'g>>,
    /// From, to: places among [`Self::releases`].
    pub edges: Vec<(usize, usize)>,
    /// From, to, known issues.
    pub conditional: Vec<(usize, usize, RiskList)>,
}

/// A release as clients of one architecture see it.
#[derive(Debug, Clone)]
pub struct Shown<'g> {
    /// Its version without the architecture.
    pub version: String,
    /// The rest of it.
    pub release: &'g Release,
}

impl Graph {
    /// The answer for a channel and an architecture; empty if nobody knows them.
    pub fn answer(&self, channel: &str, architecture: &str) -> Answer<'_> {
        let held = self.held(channel, architecture);
        let places: BTreeMap<ReleaseId, usize> = held
            .iter()
            .enumerate()
            .map(|(place, id)| (*id, place))
            .collect();
        let mut answer = Answer {
            graph: self,
            releases: Vec::with_capacity(held.len()),
            edges: Vec::new(),
            conditional: Vec::new(),
        };
        for (to, id) in held.iter().enumerate() {
            let Some(release) = self.releases().get(*id) else {
                continue;
            };
            answer.releases.push(Shown {
                version: release.version_on(architecture),
                release,
            });
            for (from, risks) in self.offered_into(*id) {
                match (places.get(&from), risks) {
                    (None, _) => {}
                    (Some(from), None) => answer.edges.push((*from, to)),
                    (Some(from), Some(risks)) => answer.conditional.push((*from, to, risks)),
                }
            }
        }
        answer
    }
}

impl Answer<'_> {
    /// The version at a place, as clients see it.
    pub fn version(&self, place: usize) -> &str {
        self.releases.get(place).map_or("", |shown| &shown.version)
    }
}
