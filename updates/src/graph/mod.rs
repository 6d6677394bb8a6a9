//! One graph from raw releases and graph data: every release, every edge, and why an edge is not safe.
//!
//! # Guarantees
//! * An edge is [safe, conditional or blocked](Standing), and every edge that is not safe says why, file by file.
//!   Nothing is dropped without a trace: what cannot be part of the graph is an [`Aside`].
//! * Edges that are safe or conditional form no circle and lead from no release to itself.
//! * Data that cannot be read lets no edge go by: see [`Graph::is_whole`] and [`may_take_over`].
//! * The same input gives the same graph, whatever the order of files, releases and edges.
//!
//! # Assumptions
//! Fewer than 2^32 releases and edges.
//!
//! # Not here
//! What a channel's clients see of it: [`crate::answer`].

mod blocks;
mod build;
mod circles;
mod edges;
mod instructions;
mod releases;
mod sets;

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;

use crate::aside::Aside;
use crate::data::{Block, Problem, Risk};
use crate::keys;

pub use sets::RiskList;

/// A release's place in the graph: releases are in the order of their versions.
pub type ReleaseId = usize;

/// A release.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Release {
    /// Its version, the architecture as build metadata.
    pub version: Version,
    /// The same as it is written.
    pub text: String,
    /// The image, by digest; none if it is known by name alone.
    pub payload: Option<String>,
    /// What is said of it, by its image and by graph data.
    pub metadata: BTreeMap<String, String>,
}

impl Release {
    /// The channels that hold it, in the order of the metadata.
    pub fn channels(&self) -> impl Iterator<Item = &str> {
        self.listed(keys::CHANNELS)
    }

    /// The architectures that it is for.
    pub fn architectures(&self) -> impl Iterator<Item = &str> {
        self.listed(keys::ARCHITECTURE)
    }

    /// Whether its metadata takes it out of the graph.
    pub fn is_removed(&self) -> bool {
        self.metadata
            .get(keys::REMOVE)
            .is_some_and(|value| value.trim() == "true")
    }

    /// Its version as a client on this architecture knows it.
    pub fn version_on(&self, architecture: &str) -> String {
        let build = self.version.build.as_str();
        let left: Vec<&str> = build
            .split('.')
            .filter(|part| *part != architecture)
            .collect();
        let core = self
            .text
            .split_once('+')
            .map_or(self.text.as_str(), |(core, _)| core);
        if build.is_empty() || left.is_empty() {
            core.to_owned()
        } else {
            format!("{core}+{}", left.join("."))
        }
    }

    fn listed(&self, key: &str) -> impl Iterator<Item = &str> {
        self.metadata
            .get(key)
            .into_iter()
            .flat_map(|value| keys::list(value))
    }
}

/// An edge, with the numbers of what is said against it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Edge {
    from: u32,
    to: u32,
    /// Which files of graph data are about it: a number of [`sets::Sets`].
    blocks: u32,
    /// What else takes it away: a number of [`sets::Sets`].
    taken: u32,
}

/// What takes an edge away, other than a file of blocked edges.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Taken {
    /// `previous.remove` of the release that it leads to.
    PreviousRemove,
    /// `previous.remove_regex` of the release that it leads to, as its own metadata has it.
    OwnPattern,
    /// `next.remove` of the release that it starts from.
    NextRemove,
    /// It goes backwards and closes a circle.
    Circle,
    /// A part of graph data cannot be read: its place among the problems.
    HeldBack(u32),
    /// An instruction of metadata cannot be read: its place among what is set aside.
    Instruction(u32),
}

/// What holds for an edge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Standing<'g> {
    /// Recommended to everybody.
    Safe,
    /// Recommended to whom none of these issues concerns.
    Conditional {
        /// The known issues, each with the file that names it.
        risks: Vec<Known<'g>>,
        /// What blocks the same edge besides. The reference offers such an edge with its risks, so it stays offered.
        besides: Vec<Why<'g>>,
    },
    /// Offered to nobody.
    Blocked(Vec<Why<'g>>),
}

/// A known issue and where it is named.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known<'g> {
    /// The issue.
    pub risk: &'g Risk,
    /// The file that names it.
    pub file: &'g str,
}

/// Why an edge is offered to nobody.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why<'g> {
    /// A file of blocked edges says so.
    Blocked(&'g Block),
    /// Metadata of a release says so.
    Metadata {
        /// The release whose metadata it is.
        release: &'g Release,
        /// The key.
        key: &'static str,
    },
    /// It goes backwards and closes a circle.
    Circle,
    /// A part of graph data that is about it cannot be read.
    HeldBack(&'g Problem),
    /// An instruction of metadata that is about it cannot be read.
    Unread(&'g Aside),
}

impl Why<'_> {
    /// The reason as a word.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::Blocked(_) => "Blocked",
            Self::Metadata { .. } => "RemovedByMetadata",
            Self::Circle => "ClosesCircle",
            Self::HeldBack(_) => "HeldBack",
            Self::Unread(_) => "UnreadableInstruction",
        }
    }
}

impl std::fmt::Display for Why<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Blocked(block) => write!(
                f,
                "blocked for everybody by {} (from `{}`)",
                block.file, block.from
            ),
            Self::Metadata { release, key } => {
                write!(f, "removed by the metadata `{key}` of {}", release.text)
            }
            Self::Circle => f.write_str("it goes backwards and closes a circle"),
            Self::HeldBack(problem) => write!(
                f,
                "held back, because graph data that is about it cannot be read: {problem}"
            ),
            Self::Unread(aside) => write!(
                f,
                "held back, because an instruction that is about it cannot be read: {aside}"
            ),
        }
    }
}

/// The graph.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Graph {
    releases: Vec<Release>,
    by_text: BTreeMap<String, ReleaseId>,
    /// By `to`, then `from`.
    edges: Vec<Edge>,
    /// Where the edges into a release start among [`Self::edges`]; one more than there are releases.
    into: Vec<usize>,
    /// Places among [`Self::edges`], by `from`.
    outward: Vec<u32>,
    /// Where a release's part of [`Self::outward`] starts.
    out: Vec<usize>,
    blocks: Vec<Block>,
    sets: sets::Sets,
    /// Channel, architecture, releases.
    index: BTreeMap<String, BTreeMap<String, Vec<ReleaseId>>>,
    aside: Vec<Aside>,
    problems: Vec<Problem>,
    whole: bool,
}

/// How many there are of what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Releases with a payload.
    pub releases: usize,
    /// Edges recommended to everybody.
    pub safe: usize,
    /// Edges with a known issue.
    pub conditional: usize,
    /// Edges offered to nobody.
    pub blocked: usize,
}

impl Graph {
    /// All releases, those that are known by name alone or removed included.
    pub fn releases(&self) -> &[Release] {
        &self.releases
    }

    /// The release with this version, the architecture as build metadata.
    pub fn find(&self, text: &str) -> Option<ReleaseId> {
        self.by_text.get(text).copied()
    }

    /// What could not be part of the graph.
    pub fn aside(&self) -> &[Aside] {
        &self.aside
    }

    /// What is wrong with graph data.
    pub fn problems(&self) -> &[Problem] {
        &self.problems
    }

    /// The known issues, by name.
    pub fn risks(&self) -> &[Risk] {
        self.sets.risks()
    }

    /// Whether all graph data that could block an edge was read; if not, the edges that it is about are held back.
    pub fn is_whole(&self) -> bool {
        self.whole
    }

    /// The names of all channels: those that have a file, and those of releases' metadata.
    pub fn channels(&self) -> impl Iterator<Item = &str> {
        self.index.keys().map(String::as_str)
    }

    /// Every channel with every architecture that it holds releases for.
    pub(crate) fn indexed(&self) -> impl Iterator<Item = (&str, &str)> {
        self.index.iter().flat_map(|(channel, architectures)| {
            let of_channel = architectures.keys();
            of_channel.map(move |architecture| (channel.as_str(), architecture.as_str()))
        })
    }

    /// The architectures that releases are for.
    pub fn architectures(&self) -> BTreeSet<&str> {
        self.releases
            .iter()
            .flat_map(Release::architectures)
            .collect()
    }

    /// The releases of a channel for an architecture.
    pub(crate) fn held(&self, channel: &str, architecture: &str) -> &[ReleaseId] {
        self.index
            .get(channel)
            .and_then(|channel| channel.get(architecture))
            .map_or(&[], Vec::as_slice)
    }

    /// What holds for the edge between two releases; none if there is no edge.
    pub fn edge(&self, from: ReleaseId, to: ReleaseId) -> Option<Standing<'_>> {
        let from = u32::try_from(from).ok()?;
        let edges = self.edges_into(to);
        let at = edges.binary_search_by_key(&from, |edge| edge.from).ok()?;
        Some(self.standing(edges.get(at)?))
    }

    /// The edges from a release: where each leads, and what holds for it.
    pub fn edges_from(&self, from: ReleaseId) -> impl Iterator<Item = (ReleaseId, Standing<'_>)> {
        let range = self.out.get(from).copied().unwrap_or_default()
            ..self.out.get(from + 1).copied().unwrap_or_default();
        self.outward
            .get(range)
            .unwrap_or_default()
            .iter()
            .filter_map(|at| self.edges.get(*at as usize))
            .map(|edge| (edge.to as usize, self.standing(edge)))
    }

    /// How many releases and edges of each kind there are.
    pub fn counts(&self) -> Counts {
        let mut counts = Counts {
            releases: self
                .releases
                .iter()
                .filter(|release| release.payload.is_some())
                .count(),
            ..Counts::default()
        };
        for edge in &self.edges {
            match self.short(edge) {
                Short::Safe => counts.safe += 1,
                Short::Conditional(_) => counts.conditional += 1,
                Short::Blocked => counts.blocked += 1,
            }
        }
        counts
    }

    fn edges_into(&self, to: ReleaseId) -> &[Edge] {
        let start = self.into.get(to).copied().unwrap_or_default();
        let end = self.into.get(to + 1).copied().unwrap_or_default();
        self.edges.get(start..end).unwrap_or_default()
    }

    /// The edges into a release that are offered, without their reasons: what an answer is made of.
    pub(crate) fn offered_into(
        &self,
        to: ReleaseId,
    ) -> impl Iterator<Item = (ReleaseId, Option<RiskList>)> {
        self.edges_into(to)
            .iter()
            .filter_map(|edge| match self.short(edge) {
                Short::Safe => Some((edge.from as usize, None)),
                Short::Conditional(risks) => Some((edge.from as usize, Some(risks))),
                Short::Blocked => None,
            })
    }

    /// The risks of a list, as numbers of [`Self::risks`].
    pub(crate) fn risk_list(&self, list: RiskList) -> &[u32] {
        self.sets.risk_list(list)
    }

    fn short(&self, edge: &Edge) -> Short {
        if self.sets.holds_back(edge.taken) {
            return Short::Blocked;
        }
        match self.sets.risks_of(edge.blocks) {
            Some(risks) => Short::Conditional(risks),
            None if edge.taken == sets::NONE && edge.blocks == sets::NONE => Short::Safe,
            None => Short::Blocked,
        }
    }

    fn standing(&self, edge: &Edge) -> Standing<'_> {
        let files = self.sets.blocks(edge.blocks);
        let files = || files.iter().filter_map(|at| self.blocks.get(*at as usize));
        let mut why: Vec<Why<'_>> = files()
            .filter(|block| block.risk.is_none())
            .map(Why::Blocked)
            .collect();
        why.extend(
            self.sets
                .taken(edge.taken)
                .iter()
                .filter_map(|taken| self.why(*taken, edge)),
        );
        match self.short(edge) {
            Short::Safe => Standing::Safe,
            Short::Blocked => Standing::Blocked(why),
            Short::Conditional(_) => Standing::Conditional {
                risks: files()
                    .filter_map(|block| {
                        let file = block.file.as_str();
                        block.risk.as_ref().map(|risk| Known { risk, file })
                    })
                    .collect(),
                besides: why,
            },
        }
    }

    fn why(&self, taken: Taken, edge: &Edge) -> Option<Why<'_>> {
        let metadata = |release: u32, key| {
            let release = self.releases.get(release as usize)?;
            Some(Why::Metadata { release, key })
        };
        match taken {
            Taken::PreviousRemove => metadata(edge.to, keys::PREVIOUS_REMOVE),
            Taken::OwnPattern => metadata(edge.to, keys::PREVIOUS_REMOVE_REGEX),
            Taken::NextRemove => metadata(edge.from, keys::NEXT_REMOVE),
            Taken::Circle => Some(Why::Circle),
            Taken::HeldBack(at) => self.problems.get(at as usize).map(Why::HeldBack),
            Taken::Instruction(at) => self.aside.get(at as usize).map(Why::Unread),
        }
    }
}

/// [`Standing`] without its reasons.
enum Short {
    Safe,
    Conditional(RiskList),
    Blocked,
}

/// Whether a new graph may take over from an older one: not if it holds edges back for graph data that cannot be read,
/// where the older one need not.
pub fn may_take_over(new: &Graph, last: &Graph) -> bool {
    new.is_whole() || !last.is_whole()
}

#[cfg(test)]
mod tests;
