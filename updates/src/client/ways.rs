//! Ways over several hops.
//!
//! # Guarantees
//! A recommended way has the fewest hops that are possible without a known issue. A way with known issues has the fewest
//! hops that bring some, and of those ways the fewest hops. Of equals the one with the newest releases comes first.

use std::collections::BTreeSet;

use semver::Version;
use serde::{Deserialize, Serialize};

use super::{NoAdvice, Offer, Offers};

/// So many recommended ways are told: an operator chooses among a few.
pub const WAYS_MAX: usize = 5;

/// The ways from one version to another.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Ways {
    /// Where they start.
    pub from: String,
    /// Where they lead.
    pub to: String,
    /// The shortest ways without a known issue, at most [`WAYS_MAX`].
    pub recommended: Vec<Way>,
    /// If there are none: the way with the fewest hops that bring known issues.
    pub with_risks: Option<Way>,
}

/// One way: its hops in order.
pub type Way = Vec<Hop>;

/// One hop.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hop {
    /// Where it leads.
    pub to: String,
    /// The names of the known issues that it brings.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub risks: Vec<String>,
}

/// Hops with known issues, hops.
type Cost = (usize, usize);

/// The edges that can be taken, ready for many questions about ways.
#[derive(Debug)]
pub struct Roads<'o, 'a> {
    offers: &'o Offers<'a>,
    /// Oldest first: a release's place is its number.
    versions: Vec<&'o Version>,
    /// By where they start: where they lead, oldest first.
    out: Vec<Vec<(usize, Cost, &'o Offer<'a>)>>,
    /// By where they lead: where they start.
    back: Vec<Vec<(usize, Cost)>>,
}

impl<'a> Offers<'a> {
    /// The ways from one version to another.
    pub fn ways(&self, from: &str, to: &str) -> Result<Ways, NoAdvice> {
        self.roads().ways(from, to)
    }

    /// The edges that can be taken.
    pub fn roads(&self) -> Roads<'_, 'a> {
        let versions: Vec<&Version> = self.releases.keys().collect();
        let mut roads = Roads {
            offers: self,
            out: vec![Vec::new(); versions.len()],
            back: vec![Vec::new(); versions.len()],
            versions,
        };
        for (from, offers) in &self.out {
            for (to, offer) in offers {
                let step = match offer {
                    Offer::Recommended => (0, 1),
                    Offer::WithRisks(_) => (1, 1),
                    Offer::Refused(_) => continue,
                };
                let (Some(from), Some(to)) = (roads.place(from), roads.place(to)) else {
                    continue;
                };
                if let (Some(out), Some(back)) = (roads.out.get_mut(from), roads.back.get_mut(to)) {
                    out.push((to, step, offer));
                    back.push((from, step));
                }
            }
        }
        roads
    }
}

impl<'a> Roads<'_, 'a> {
    /// What the edges are of.
    pub fn offers(&self) -> &Offers<'a> {
        self.offers
    }

    /// The ways from one version to another.
    pub fn ways(&self, from: &str, to: &str) -> Result<Ways, NoAdvice> {
        let (start, from) = self.offers.find(from)?;
        let (end, to) = self.offers.find(to)?;
        let mut ways = Ways {
            from: from.version.clone(),
            to: to.version.clone(),
            recommended: Vec::new(),
            with_risks: None,
        };
        let (Some(start), Some(end)) = (self.place(&start), self.place(&end)) else {
            return Ok(ways);
        };
        let certain = self.costs(end, false);
        if cost(&certain, start).is_some() {
            ways.recommended = self.shortest(start, end, &certain);
        } else {
            let any = self.costs(end, true);
            ways.with_risks = cost(&any, start).map(|_| self.cheapest(start, end, &any));
        }
        Ok(ways)
    }

    fn place(&self, version: &Version) -> Option<usize> {
        self.versions.binary_search(&version).ok()
    }

    /// What it costs from each release to the end, where there is a way.
    fn costs(&self, end: usize, with_risks: bool) -> Vec<Option<Cost>> {
        let mut costs = vec![None; self.versions.len()];
        let mut open: BTreeSet<(Cost, usize)> = BTreeSet::from([((0, 0), end)]);
        while let Some((so_far, place)) = open.pop_first() {
            match costs.get_mut(place) {
                Some(entry @ None) => *entry = Some(so_far),
                _ => continue,
            }
            for (from, step) in self.back.get(place).into_iter().flatten() {
                let may = with_risks || step.0 == 0;
                if may && cost(&costs, *from).is_none() {
                    open.insert((plus(so_far, *step), *from));
                }
            }
        }
        costs
    }

    /// The hops from a release that lose nothing on the way to the end, newest first.
    fn good_hops<'s>(
        &'s self,
        from: usize,
        costs: &'s [Option<Cost>],
    ) -> impl Iterator<Item = (usize, Hop)> {
        let left = cost(costs, from);
        let edges = self.out.get(from).into_iter().flatten().rev();
        edges.filter_map(move |(to, step, offer)| {
            let good = cost(costs, *to).map(|rest| plus(rest, *step)) == left;
            good.then(|| (*to, self.hop(*to, offer)))
        })
    }

    fn hop(&self, to: usize, offer: &Offer<'_>) -> Hop {
        let version = self.versions.get(to);
        let release = version.and_then(|version| self.offers.releases.get(*version));
        Hop {
            to: release.map_or_else(String::new, |release| release.version.clone()),
            risks: match offer {
                Offer::WithRisks(risks) => risks.iter().map(|risk| risk.name.clone()).collect(),
                Offer::Recommended | Offer::Refused(_) => Vec::new(),
            },
        }
    }

    /// At most [`WAYS_MAX`] of the ways that cost least.
    fn shortest(&self, start: usize, end: usize, costs: &[Option<Cost>]) -> Vec<Way> {
        let mut found = Vec::new();
        let mut open: Vec<(usize, Way)> = vec![(start, Vec::new())];
        // Depth first and newest first; each step comes nearer to the end, so this ends.
        while let Some((place, way)) = open.pop() {
            if place == end {
                found.push(way);
                if found.len() == WAYS_MAX {
                    break;
                }
                continue;
            }
            let mut next: Vec<(usize, Way)> = self
                .good_hops(place, costs)
                .take(WAYS_MAX)
                .map(|(to, hop)| (to, [way.as_slice(), &[hop]].concat()))
                .collect();
            next.reverse();
            open.extend(next);
        }
        found
    }

    fn cheapest(&self, start: usize, end: usize, costs: &[Option<Cost>]) -> Way {
        let mut way = Vec::new();
        let mut place = start;
        while place != end {
            let Some((to, hop)) = self.good_hops(place, costs).next() else {
                break;
            };
            way.push(hop);
            place = to;
        }
        way
    }
}

fn cost(costs: &[Option<Cost>], place: usize) -> Option<Cost> {
    costs.get(place).copied().flatten()
}

fn plus(one: Cost, other: Cost) -> Cost {
    (one.0 + other.0, one.1 + other.1)
}
