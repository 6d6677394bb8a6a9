//! The edges of a graph while it is made: each once, with all that is said against it.

use super::sets::Lists;
use super::{Edge, ReleaseId, Taken};

/// Edges by `to`, then `from`, and what stands against them.
pub(super) struct Edges {
    /// From, to.
    pub(super) all: Vec<(u32, u32)>,
    /// Where the edges into a release start; one more than there are releases.
    pub(super) into: Vec<usize>,
    /// Edge, file.
    pub(super) blocks: Vec<(u32, u32)>,
    /// Edge, what takes it away.
    pub(super) taken: Vec<(u32, Taken)>,
}

impl Edges {
    /// Each edge once.
    pub(super) fn new(mut pairs: Vec<(u32, u32)>, releases: usize) -> Self {
        pairs.sort_unstable_by_key(|(from, to)| (*to, *from));
        pairs.dedup();
        let mut into = vec![0; releases + 1];
        for (_, to) in &pairs {
            if let Some(count) = into.get_mut(*to as usize + 1) {
                *count += 1;
            }
        }
        running_sum(&mut into);
        Self {
            all: pairs,
            into,
            blocks: Vec::new(),
            taken: Vec::new(),
        }
    }

    /// The places of the edges into a release.
    pub(super) fn towards(&self, to: ReleaseId) -> std::ops::Range<usize> {
        let at = |place: usize| self.into.get(place).copied().unwrap_or_default();
        at(to)..at(to + 1)
    }

    /// Where the edge at a place starts.
    pub(super) fn from(&self, edge: usize) -> usize {
        self.all
            .get(edge)
            .map_or(usize::MAX, |(from, _)| *from as usize)
    }

    /// The place of an edge.
    pub(super) fn find(&self, from: ReleaseId, to: ReleaseId) -> Option<usize> {
        let range = self.towards(to);
        let start = range.start;
        let edges = self.all.get(range)?;
        let from = u32::try_from(from).ok()?;
        let at = edges.binary_search_by_key(&from, |(from, _)| *from).ok()?;
        Some(start + at)
    }

    /// Notes that an edge is taken away.
    pub(super) fn take(&mut self, edge: usize, taken: Taken) {
        self.taken.push((number(edge), taken));
    }

    /// Notes that every edge into a release is taken away.
    pub(super) fn take_into(&mut self, to: ReleaseId, taken: Taken) {
        for edge in self.towards(to) {
            self.take(edge, taken);
        }
    }

    /// Notes that every edge from a release is taken away.
    pub(super) fn take_from(&mut self, from: ReleaseId, taken: Taken) {
        for edge in 0..self.all.len() {
            if self.from(edge) == from {
                self.take(edge, taken);
            }
        }
    }

    /// The finished edges, and the lists that they share.
    pub(super) fn finish(mut self) -> (Vec<Edge>, Vec<usize>, Lists<u32>, Lists<Taken>) {
        let mut edges: Vec<Edge> = self
            .all
            .iter()
            .map(|(from, to)| Edge {
                from: *from,
                to: *to,
                blocks: super::sets::NONE,
                taken: super::sets::NONE,
            })
            .collect();
        let blocks = share(&mut self.blocks, |edge, list| {
            if let Some(edge) = edges.get_mut(edge) {
                edge.blocks = list;
            }
        });
        let taken = share(&mut self.taken, |edge, list| {
            if let Some(edge) = edges.get_mut(edge) {
                edge.taken = list;
            }
        });
        (edges, self.into, blocks, taken)
    }
}

/// Gathers what is said of each edge into lists that edges share.
fn share<T: Ord + Copy>(pairs: &mut Vec<(u32, T)>, mut set: impl FnMut(usize, u32)) -> Lists<T> {
    pairs.sort_unstable();
    pairs.dedup();
    let mut lists = Lists::default();
    let mut list = Vec::new();
    for of_edge in pairs.chunk_by(|(one, _), (other, _)| one == other) {
        list.clear();
        list.extend(of_edge.iter().map(|(_, said)| *said));
        if let Some((edge, _)) = of_edge.first() {
            set(*edge as usize, lists.number(&list));
        }
    }
    lists
}

/// Turns counts, each at the place after its own, into where each begins.
pub(super) fn running_sum(counts: &mut [usize]) {
    let mut sum = 0;
    for count in counts {
        sum += *count;
        *count = sum;
    }
}

/// A place as a number: graphs have fewer than 2^32 releases and edges.
pub(super) fn number(place: usize) -> u32 {
    u32::try_from(place).unwrap_or(u32::MAX)
}
