//! Which channels two graphs can differ in at all, so that the others are not compared edge by edge.

use std::cmp::Ordering;
use std::collections::BTreeMap;

use crate::data::Risk;
use crate::graph::{Graph, ReleaseId, RiskList};

/// With more edges that differ, every channel is compared: looking for each edge in each channel would take longer.
const EDGES_MAX: usize = 1000;

/// The releases of two graphs in one order.
pub(super) struct Ranks {
    last: Vec<usize>,
    next: Vec<usize>,
}

/// What differs, by rank.
pub(super) struct Dirty {
    /// Releases whose image differs.
    releases: Vec<usize>,
    /// From, to.
    edges: Vec<(usize, usize)>,
}

impl Ranks {
    pub(super) fn new(last: &Graph, next: &Graph) -> Self {
        let mut ranks = Self {
            last: Vec::with_capacity(last.releases().len()),
            next: Vec::with_capacity(next.releases().len()),
        };
        let (mut old, mut new) = (
            last.releases().iter().peekable(),
            next.releases().iter().peekable(),
        );
        let mut rank = 0;
        loop {
            let order = match (old.peek(), new.peek()) {
                (None, None) => break,
                (Some(o), Some(n)) => o.version.cmp(&n.version),
                (Some(_), None) => Ordering::Less,
                (None, Some(_)) => Ordering::Greater,
            };
            if order != Ordering::Greater {
                old.next();
                ranks.last.push(rank);
            }
            if order != Ordering::Less {
                new.next();
                ranks.next.push(rank);
            }
            rank += 1;
        }
        ranks
    }

    pub(super) fn of_last(&self, held: &[ReleaseId]) -> Vec<usize> {
        of(&self.last, held)
    }

    pub(super) fn of_next(&self, held: &[ReleaseId]) -> Vec<usize> {
        of(&self.next, held)
    }

    pub(super) fn dirty(&self, last: &Graph, next: &Graph) -> Dirty {
        let mut compared = Compared {
            ranks: self,
            last,
            next,
            same: BTreeMap::new(),
            dirty: Dirty {
                releases: Vec::new(),
                edges: Vec::new(),
            },
        };
        let (mut old, mut new) = (
            self.last.iter().enumerate().peekable(),
            self.next.iter().enumerate().peekable(),
        );
        while old.peek().is_some() || new.peek().is_some() {
            let rank = [old.peek(), new.peek()]
                .into_iter()
                .flatten()
                .map(|(_, rank)| **rank)
                .min()
                .unwrap_or_default();
            let of_rank = |place: &(usize, &usize)| *place.1 == rank;
            let o = old.next_if(of_rank).map(|(id, _)| id);
            let n = new.next_if(of_rank).map(|(id, _)| id);
            compared.release(o, n, rank);
        }
        compared.dirty
    }
}

/// Two graphs while they are compared.
struct Compared<'g> {
    ranks: &'g Ranks,
    last: &'g Graph,
    next: &'g Graph,
    /// Lists of known issues that were compared: thousands of edges share each of them.
    same: BTreeMap<(RiskList, RiskList), bool>,
    dirty: Dirty,
}

impl Compared<'_> {
    /// Compares a release, and what leads to it.
    fn release(&mut self, old: Option<ReleaseId>, new: Option<ReleaseId>, rank: usize) {
        if payload(self.last, old) != payload(self.next, new) {
            self.dirty.releases.push(rank);
        }
        let (ranks, last, next) = (self.ranks, self.last, self.next);
        let mut old = offered(last, &ranks.last, old).peekable();
        let mut new = offered(next, &ranks.next, new).peekable();
        loop {
            let (from, same) = match (old.peek(), new.peek()) {
                (None, None) => break,
                (Some(o), Some(n)) if o.0 == n.0 => {
                    let (from, risks) = (o.0, (o.1, n.1));
                    old.next();
                    new.next();
                    (from, self.are_same(risks))
                }
                (Some(o), Some(n)) if n.0 < o.0 => {
                    let from = n.0;
                    new.next();
                    (from, false)
                }
                (Some(o), _) => {
                    let from = o.0;
                    old.next();
                    (from, false)
                }
                (None, Some(n)) => {
                    let from = n.0;
                    new.next();
                    (from, false)
                }
            };
            if !same && self.dirty.edges.len() <= EDGES_MAX {
                self.dirty.edges.push((from, rank));
            }
        }
    }

    fn are_same(&mut self, lists: (Option<RiskList>, Option<RiskList>)) -> bool {
        let (old, new) = match lists {
            (None, None) => return true,
            (Some(old), Some(new)) => (old, new),
            _ => return false,
        };
        let (last, next) = (self.last, self.next);
        *self
            .same
            .entry((old, new))
            .or_insert_with(|| risks(last, old).eq(risks(next, new)))
    }
}

fn payload(graph: &Graph, id: Option<ReleaseId>) -> Option<&str> {
    let release = id.and_then(|id| graph.releases().get(id))?;
    release.payload.as_deref()
}

/// From where one may go to a release, by rank, and with which known issues.
fn offered<'g>(
    graph: &'g Graph,
    ranks: &'g [usize],
    to: Option<ReleaseId>,
) -> impl Iterator<Item = (usize, Option<RiskList>)> + 'g {
    to.into_iter()
        .flat_map(move |to| graph.offered_into(to))
        .filter_map(move |(from, risks)| Some((*ranks.get(from)?, risks)))
}

fn risks(graph: &Graph, list: RiskList) -> impl Iterator<Item = &Risk> {
    let list = graph.risk_list(list).iter();
    list.filter_map(|risk| graph.risks().get(*risk as usize))
}

fn of(ranks: &[usize], held: &[ReleaseId]) -> Vec<usize> {
    held.iter()
        .filter_map(|id| ranks.get(*id).copied())
        .collect()
}

impl Dirty {
    /// Whether a channel that held these releases and holds those can look different.
    pub(super) fn touches(&self, last: &[usize], next: &[usize]) -> bool {
        let holds = |rank: &usize| next.binary_search(rank).is_ok();
        last != next
            || self.edges.len() > EDGES_MAX
            || self.releases.iter().any(holds)
            || self.edges.iter().any(|(from, to)| holds(from) && holds(to))
    }
}
