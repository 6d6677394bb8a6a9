//! What is different between two graphs, as a client of one channel and architecture would see it.
//!
//! # Guarantees
//! * Who knows one answer and is told the changes knows the other: releases, payloads, edges, known issues. The edges of a
//!   withdrawn release go with it, and are not told one by one.
//! * What is the same in both is not told; a channel in which all is the same is not named.
//! * Graphs with different answers have different [`fingerprint`]s; the same input gives the same one, whoever made it.
//!
//! # Not here
//! Who is told, and how: [`crate::serve`].

mod fingerprint;
mod ranks;

use std::collections::BTreeMap;

use serde::Serialize;

use crate::answer::Answer;
use crate::data::Risk;
use crate::graph::{Graph, RiskList};

pub use fingerprint::fingerprint;

use ranks::Ranks;

/// More changes of one channel are not told one by one: who follows it reads the graph again. A release brings some hundred
/// edges.
pub const CHANGES_MAX: usize = 2000;

/// One change. Versions are as clients of the architecture know them.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(tag = "change")]
pub enum Change {
    /// The channel has a release that it had not.
    ReleaseAdded {
        /// Its version.
        version: String,
        /// Its image.
        payload: String,
    },
    /// The channel has no longer this release, and no edge from or to it.
    ReleaseWithdrawn {
        /// Its version.
        version: String,
    },
    /// The release is another image now.
    PayloadChanged {
        /// Its version.
        version: String,
        /// The image that it is now.
        payload: String,
    },
    /// There is an edge that was not offered.
    EdgeAdded {
        /// Where it starts.
        from: String,
        /// Where it leads.
        to: String,
        /// Its known issues; none for an edge that is recommended to everybody.
        #[serde(skip_serializing_if = "Vec::is_empty")]
        risks: Vec<Risk>,
    },
    /// The edge is no longer offered.
    EdgeWithdrawn {
        /// Where it starts.
        from: String,
        /// Where it leads.
        to: String,
    },
    /// An edge that is offered brings a known issue that it did not.
    RiskAdded {
        /// Where the edge starts.
        from: String,
        /// Where it leads.
        to: String,
        /// The known issue.
        risk: Risk,
    },
    /// An edge that is offered no longer brings this known issue.
    RiskWithdrawn {
        /// Where the edge starts.
        from: String,
        /// Where it leads.
        to: String,
        /// The known issue.
        risk: Risk,
    },
}

impl Change {
    /// The kind of change as a word: the name of its event.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::ReleaseAdded { .. } => "ReleaseAdded",
            Self::ReleaseWithdrawn { .. } => "ReleaseWithdrawn",
            Self::PayloadChanged { .. } => "PayloadChanged",
            Self::EdgeAdded { .. } => "EdgeAdded",
            Self::EdgeWithdrawn { .. } => "EdgeWithdrawn",
            Self::RiskAdded { .. } => "RiskAdded",
            Self::RiskWithdrawn { .. } => "RiskWithdrawn",
        }
    }
}

impl std::fmt::Display for Change {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::ReleaseAdded { version, .. } => write!(f, "release {version} is new"),
            Self::ReleaseWithdrawn { version } => write!(f, "release {version} is withdrawn"),
            Self::PayloadChanged { version, payload } => {
                write!(f, "release {version} is another image now: {payload}")
            }
            Self::EdgeAdded { from, to, risks } if risks.is_empty() => {
                write!(f, "{from} to {to} is recommended")
            }
            Self::EdgeAdded { from, to, risks } => {
                let names: Vec<&str> = risks.iter().map(|risk| risk.name.as_str()).collect();
                write!(
                    f,
                    "{from} to {to} is offered, with known issues: {}",
                    names.join(", ")
                )
            }
            Self::EdgeWithdrawn { from, to } => write!(f, "{from} to {to} is no longer offered"),
            Self::RiskAdded { from, to, risk } => write!(
                f,
                "{from} to {to} has a known issue: {} ({}) {}",
                risk.name, risk.url, risk.message
            ),
            Self::RiskWithdrawn { from, to, risk } => {
                write!(
                    f,
                    "{from} to {to} no longer has the known issue {}",
                    risk.name
                )
            }
        }
    }
}

/// What is different in one channel for one architecture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Changes {
    /// These.
    These(Vec<Change>),
    /// More than [`CHANGES_MAX`].
    TooMany,
}

/// Channel, architecture, what is different; nothing where nothing is.
pub type Difference = BTreeMap<String, BTreeMap<String, Changes>>;

/// The difference of two graphs.
pub fn difference(last: &Graph, next: &Graph) -> Difference {
    let ranks = Ranks::new(last, next);
    let dirty = ranks.dirty(last, next);
    let mut difference = Difference::new();
    for (channel, architecture) in places(last, next) {
        let held = (
            ranks.of_last(last.held(channel, architecture)),
            ranks.of_next(next.held(channel, architecture)),
        );
        if !dirty.touches(&held.0, &held.1) {
            continue;
        }
        let changes = of_answers(
            &last.answer(channel, architecture),
            &next.answer(channel, architecture),
        );
        if changes != Changes::These(Vec::new()) {
            difference
                .entry(channel.to_owned())
                .or_default()
                .insert(architecture.to_owned(), changes);
        }
    }
    difference
}

/// Every channel with every architecture that one of the graphs knows.
fn places<'g>(last: &'g Graph, next: &'g Graph) -> Vec<(&'g str, &'g str)> {
    let mut places: Vec<(&str, &str)> = [last, next]
        .iter()
        .flat_map(|graph| graph.indexed())
        .collect();
    places.sort_unstable();
    places.dedup();
    places
}

/// The difference of two answers for one channel and architecture.
pub fn of_answers(last: &Answer<'_>, next: &Answer<'_>) -> Changes {
    let mut found = Found(Vec::new());
    let (releases, last_places, next_places) = merged(last, next);
    for release in &releases {
        found.release(*release);
    }
    let edges = (
        Edges::new(last, &last_places),
        Edges::new(next, &next_places),
    );
    let (mut old, mut new) = (edges.0.0.iter().peekable(), edges.1.0.iter().peekable());
    loop {
        let (edge, pair) = match (old.peek(), new.peek()) {
            (None, None) => break,
            (Some(o), Some(n)) if o.0 == n.0 => (o.0, (old.next(), new.next())),
            (Some(o), Some(n)) if o.0 < n.0 => (o.0, (old.next(), None)),
            (Some(o), None) => (o.0, (old.next(), None)),
            (_, Some(n)) => (n.0, (None, new.next())),
        };
        let at = |rank: usize| releases.get(rank).copied().unwrap_or_default();
        let risks = (
            pair.0.map(|(_, list)| listed(last, *list)),
            pair.1.map(|(_, list)| listed(next, *list)),
        );
        found.edge(at(edge.1), at(edge.0), risks);
        if found.0.len() > CHANGES_MAX {
            return Changes::TooMany;
        }
    }
    if found.0.len() > CHANGES_MAX {
        return Changes::TooMany;
    }
    Changes::These(found.0)
}

/// The place of a release in both answers, none where it is not.
#[derive(Clone, Copy, Default)]
struct Pair<'a> {
    last: Option<(&'a str, &'a str)>,
    next: Option<(&'a str, &'a str)>,
}

impl<'a> Pair<'a> {
    fn version(&self) -> &'a str {
        self.next.or(self.last).map_or("", |(version, _)| version)
    }
}

/// Releases of both in one order, and where each answer's are in it.
fn merged<'a>(
    last: &'a Answer<'_>,
    next: &'a Answer<'_>,
) -> (Vec<Pair<'a>>, Vec<usize>, Vec<usize>) {
    let (mut pairs, mut last_places, mut next_places) = (Vec::new(), Vec::new(), Vec::new());
    let (mut old, mut new) = (
        last.releases.iter().peekable(),
        next.releases.iter().peekable(),
    );
    loop {
        let (o, n) = match (old.peek(), new.peek()) {
            (None, None) => break,
            (Some(o), Some(n)) => match o.release.version.cmp(&n.release.version) {
                std::cmp::Ordering::Equal => (old.next(), new.next()),
                std::cmp::Ordering::Less => (old.next(), None),
                std::cmp::Ordering::Greater => (None, new.next()),
            },
            (Some(_), None) => (old.next(), None),
            (None, Some(_)) => (None, new.next()),
        };
        if o.is_some() {
            last_places.push(pairs.len());
        }
        if n.is_some() {
            next_places.push(pairs.len());
        }
        let told = |shown: &'a crate::answer::Shown<'_>| {
            let payload = shown.release.payload.as_deref().unwrap_or_default();
            (shown.version.as_str(), payload)
        };
        pairs.push(Pair {
            last: o.map(told),
            next: n.map(told),
        });
    }
    (pairs, last_places, next_places)
}

/// To, from, by rank; and the known issues.
struct Edges(Vec<((usize, usize), Option<RiskList>)>);

impl Edges {
    fn new(answer: &Answer<'_>, places: &[usize]) -> Self {
        let rank = |place: usize| places.get(place).copied().unwrap_or(usize::MAX);
        let safe = answer
            .edges
            .iter()
            .map(|(from, to)| ((rank(*to), rank(*from)), None));
        let conditional = answer
            .conditional
            .iter()
            .map(|(from, to, list)| ((rank(*to), rank(*from)), Some(*list)));
        let mut edges: Vec<_> = safe.chain(conditional).collect();
        edges.sort_unstable();
        Self(edges)
    }
}

fn listed<'g>(answer: &Answer<'g>, list: Option<RiskList>) -> Vec<&'g Risk> {
    list.into_iter()
        .flat_map(|list| answer.graph.risk_list(list))
        .filter_map(|risk| answer.graph.risks().get(*risk as usize))
        .collect()
}

struct Found(Vec<Change>);

/// The known issues of an edge in both answers, none where it is not offered.
type Risks<'g> = (Option<Vec<&'g Risk>>, Option<Vec<&'g Risk>>);

impl Found {
    fn release(&mut self, release: Pair<'_>) {
        let version = release.version().to_owned();
        match (release.last, release.next) {
            (None, Some((_, payload))) => self.0.push(Change::ReleaseAdded {
                version,
                payload: payload.to_owned(),
            }),
            (Some(_), None) => self.0.push(Change::ReleaseWithdrawn { version }),
            (Some((_, old)), Some((_, new))) if old != new => self.0.push(Change::PayloadChanged {
                version,
                payload: new.to_owned(),
            }),
            _ => {}
        }
    }

    fn edge(&mut self, from: Pair<'_>, to: Pair<'_>, risks: Risks<'_>) {
        let (start, end) = (from.version(), to.version());
        let ends = || (start.to_owned(), end.to_owned());
        match risks {
            (None, Some(risks)) => {
                let (from, to) = ends();
                let risks = risks.into_iter().cloned().collect();
                self.0.push(Change::EdgeAdded { from, to, risks });
            }
            // With a withdrawn release go its edges.
            (Some(_), None) if from.next.is_some() && to.next.is_some() => {
                let (from, to) = ends();
                self.0.push(Change::EdgeWithdrawn { from, to });
            }
            (Some(old), Some(new)) if old != new => {
                for risk in old.iter().filter(|risk| !new.contains(risk)) {
                    let ((from, to), risk) = (ends(), (*risk).clone());
                    self.0.push(Change::RiskWithdrawn { from, to, risk });
                }
                for risk in new.iter().filter(|risk| !old.contains(risk)) {
                    let ((from, to), risk) = (ends(), (*risk).clone());
                    self.0.push(Change::RiskAdded { from, to, risk });
                }
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests;
