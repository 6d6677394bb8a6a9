//! A picture of what an answer offers: a lane for each minor version, newer ones to the right, newer releases higher; and
//! the edges that hold them together.
//!
//! # Guarantees
//! * Every release of the answer has a place, and no two have the same. An edge leads upwards in its lane, or to a lane
//!   that is further right. Lanes begin at the top, because minor versions are maintained side by side.
//! * What can be reached in the answer, with known issues or without, can be reached so in the picture: an edge is left
//!   out only where a longer way of the same kind leads there, and the edges that are left out are counted.
//! * Bounded by [`RELEASES_MAX`] and [`EDGES_MAX`]; what is larger is refused by name.
//!
//! # Assumptions
//! An answer is for one architecture, so versions differ without their build metadata.
//!
//! # Not here
//! Why a release cannot be reached: [`crate::explain`].

mod dot;
mod fewest;
mod svg;

use std::collections::BTreeMap;

use semver::Version;

use crate::client::{NoAdvice, Offers};
use fewest::Reach;

pub(crate) use svg::escaped;

/// The style of the picture, for a page that shows it among its own.
pub const STYLE: &str = include_str!("style.css");
/// A picture of more releases is none: seven times those of the largest channel of today.
pub const RELEASES_MAX: usize = 2_000;
/// A picture of more edges is none: with fewer of them nobody sees a line any more, and a browser slows down.
pub const EDGES_MAX: usize = 10_000;

/// What shall be seen.
#[derive(Debug, Clone, Copy, Default)]
pub struct Sight<'q> {
    /// The version that the cluster has: the others are marked by how they can be reached.
    pub from: Option<&'q str>,
    /// The release to go to: the ways there are marked.
    pub to: Option<&'q str>,
    /// Whether all edges are drawn, not only those that hold the picture together.
    pub all_edges: bool,
}

/// Why there is no picture.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoPicture {
    /// A version is none, or is not in the answer.
    #[error(transparent)]
    NoAdvice(#[from] NoAdvice),
    /// The answer is larger than a picture can be.
    #[error("a picture of {count} {what} would show nothing: at most {limit} are drawn{hint}")]
    TooLarge {
        /// Releases or edges.
        what: &'static str,
        /// How many there are.
        count: usize,
        /// How many may be.
        limit: usize,
        /// What to do.
        hint: &'static str,
    },
}

impl NoPicture {
    /// The reason as a word.
    pub fn reason(&self) -> &'static str {
        match self {
            Self::NoAdvice(NoAdvice::InvalidVersion { .. }) => "invalid_params",
            Self::NoAdvice(NoAdvice::VersionNotFound { .. }) => "version_not_found",
            Self::TooLarge { .. } => "picture_too_large",
        }
    }
}

/// The picture, without colours and points.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Picture {
    /// The channel that it shows.
    pub channel: String,
    /// For which architecture.
    pub architecture: String,
    /// The names of the lanes, oldest first: a major and a minor number each.
    pub lanes: Vec<String>,
    /// How many releases the longest lane has.
    pub rows: usize,
    /// The releases, oldest first.
    pub releases: Vec<Placed>,
    /// The edges, by where they start.
    pub edges: Vec<Drawn>,
    /// How many edges of the answer are not drawn.
    pub left_out: usize,
    /// The place of the version that the cluster has.
    pub from: Option<usize>,
}

/// A release at its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// Its version, as the answer writes it.
    pub version: String,
    /// Its lane.
    pub lane: usize,
    /// How many newer ones are above it in its lane.
    pub row: usize,
    /// What it is to the cluster.
    pub mark: Mark,
    /// Whether one step leads there.
    pub is_next: bool,
    /// Whether it lies on the way that is told first.
    pub on_way: bool,
}

/// What a release is to the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mark {
    /// Nobody said what the cluster has.
    Plain,
    /// The cluster has it.
    Here,
    /// There is a recommended way.
    Recommended,
    /// There is a way only with known issues.
    WithRisks,
    /// There is no way.
    No,
    /// It is older than what the cluster has.
    Older,
}

/// An edge that is drawn.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Drawn {
    /// The release that it starts from, by its place.
    pub from: usize,
    /// The release that it leads to.
    pub to: usize,
    /// The names of its known issues.
    pub risks: Vec<String>,
    /// Whether the way that is told first takes it, or another one.
    pub way: Way,
}

/// Which way takes an edge.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Way {
    /// None that was asked for.
    #[default]
    None,
    /// One of the ways that are as good.
    Other,
    /// The way that is told first.
    First,
}

impl Picture {
    /// Draws what an answer offers.
    pub fn new(
        channel: &str,
        architecture: &str,
        offers: &Offers<'_>,
        sight: Sight<'_>,
    ) -> Result<Self, NoPicture> {
        let versions: Vec<&Version> = offers.releases().map(|(version, _)| version).collect();
        if versions.len() > RELEASES_MAX {
            return Err(NoPicture::TooLarge {
                what: "releases",
                count: versions.len(),
                limit: RELEASES_MAX,
                hint: "",
            });
        }
        let places: BTreeMap<&Version, usize> = versions.iter().copied().zip(0..).collect();
        let place = |version: &str| -> Result<Option<usize>, NoAdvice> {
            let (version, _) = offers.find(version)?;
            Ok(places.get(&version).copied())
        };
        let from = sight.from.map(place).transpose()?.flatten();
        let all = edges(offers, &places);
        let reach = Reach::new(versions.len(), &all);
        let mut ways = BTreeMap::new();
        if let (Some(from), Some(to)) = (sight.from, sight.to) {
            ways = taken(offers, from, to, &place)?;
        }
        let drawn = drawn(&all, &reach, &ways, sight.all_edges);
        if drawn.len() > EDGES_MAX {
            return Err(NoPicture::TooLarge {
                what: "edges",
                count: drawn.len(),
                limit: EDGES_MAX,
                hint: "; ask without edges=all",
            });
        }
        let (lanes, of_lane) = lanes(&versions);
        let of_row = rows(&of_lane, lanes.len());
        let mut picture = Self {
            channel: channel.to_owned(),
            architecture: architecture.to_owned(),
            rows: of_row.iter().max().map_or(0, |lowest| lowest + 1),
            lanes,
            releases: placed(offers, &of_lane, &of_row),
            left_out: all.len() - drawn.len(),
            edges: drawn,
            from,
        };
        picture.mark(&all, &reach);
        Ok(picture)
    }

    /// The name of the release at a place.
    pub fn version(&self, place: usize) -> &str {
        self.releases
            .get(place)
            .map_or("", |placed| placed.version.as_str())
    }

    fn mark(&mut self, all: &[Offered<'_>], reach: &Reach) {
        let Some(here) = self.from else {
            return;
        };
        for (place, release) in self.releases.iter_mut().enumerate() {
            release.mark = if place == here {
                Mark::Here
            } else if place < here {
                Mark::Older
            } else if reach.is_recommended(here, place) {
                Mark::Recommended
            } else if reach.is_reached(here, place) {
                Mark::WithRisks
            } else {
                Mark::No
            };
        }
        for edge in all.iter().filter(|edge| edge.from == here) {
            if let Some(release) = self.releases.get_mut(edge.to) {
                // One step with a known issue is not the recommended way, if there is another one.
                release.is_next = edge.risks.is_empty() || release.mark == Mark::WithRisks;
            }
        }
        for edge in &self.edges {
            if edge.way == Way::First {
                for place in [edge.from, edge.to] {
                    if let Some(release) = self.releases.get_mut(place) {
                        release.on_way = true;
                    }
                }
            }
        }
    }
}

/// An edge of the answer, between places.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Offered<'a> {
    from: usize,
    to: usize,
    risks: Vec<&'a str>,
}

/// The edges that the answer offers, by where they start and then by where they lead.
fn edges<'a>(offers: &Offers<'a>, places: &BTreeMap<&Version, usize>) -> Vec<Offered<'a>> {
    offers
        .edges()
        .filter_map(|(from, to, risks)| {
            Some(Offered {
                from: *places.get(from)?,
                to: *places.get(to)?,
                risks,
            })
        })
        .collect()
}

/// The hops of the ways between two versions.
fn taken(
    offers: &Offers<'_>,
    from: &str,
    to: &str,
    place: &impl Fn(&str) -> Result<Option<usize>, NoAdvice>,
) -> Result<BTreeMap<(usize, usize), Way>, NoAdvice> {
    let ways = offers.ways(from, to)?;
    let mut taken = BTreeMap::new();
    for (number, way) in ways.recommended.iter().chain(&ways.with_risks).enumerate() {
        let kind = if number == 0 { Way::First } else { Way::Other };
        let mut last = place(from)?;
        for hop in way {
            let next = place(&hop.to)?;
            if let (Some(last), Some(next)) = (last, next) {
                let present: &mut Way = taken.entry((last, next)).or_default();
                *present = kind.max(*present);
            }
            last = next;
        }
    }
    Ok(taken)
}

fn drawn(
    all: &[Offered<'_>],
    reach: &Reach,
    ways: &BTreeMap<(usize, usize), Way>,
    all_edges: bool,
) -> Vec<Drawn> {
    let edges = all.iter().enumerate().filter_map(|(number, edge)| {
        let way = ways.get(&(edge.from, edge.to)).copied().unwrap_or_default();
        let shown = all_edges || way != Way::None || reach.needs(number);
        shown.then(|| Drawn {
            from: edge.from,
            to: edge.to,
            risks: edge.risks.iter().map(|risk| (*risk).to_owned()).collect(),
            way,
        })
    });
    edges.collect()
}

/// The lanes, and the lane of each version.
fn lanes(versions: &[&Version]) -> (Vec<String>, Vec<usize>) {
    let mut lanes: Vec<(u64, u64)> = versions.iter().map(|v| (v.major, v.minor)).collect();
    lanes.dedup();
    let of_lane = versions
        .iter()
        .map(|v| lanes.binary_search(&(v.major, v.minor)).unwrap_or_default())
        .collect();
    let names = lanes
        .iter()
        .map(|(major, minor)| format!("{major}.{minor}"))
        .collect();
    (names, of_lane)
}

/// The row of each release.
fn rows(of_lane: &[usize], lanes: usize) -> Vec<usize> {
    let mut above = vec![0; lanes];
    let mut rows: Vec<usize> = Vec::with_capacity(of_lane.len());
    for lane in of_lane.iter().rev() {
        let Some(above) = above.get_mut(*lane) else {
            continue;
        };
        rows.push(*above);
        *above += 1;
    }
    rows.reverse();
    rows
}

fn placed(offers: &Offers<'_>, of_lane: &[usize], of_row: &[usize]) -> Vec<Placed> {
    offers
        .releases()
        .zip(of_lane.iter().zip(of_row))
        .map(|((_, release), (lane, row))| Placed {
            version: release.version.clone(),
            lane: *lane,
            row: *row,
            mark: Mark::Plain,
            is_next: false,
            on_way: false,
        })
        .collect()
}

#[cfg(test)]
mod tests;
