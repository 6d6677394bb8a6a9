//! Ways over several hops.
//!
//! # Guarantees
//! A recommended way has the fewest hops that are possible without a known issue. A way with known issues has the fewest
//! hops that bring some, and of those ways the fewest hops. Of equals the one with the newest releases comes first.

use std::collections::{BTreeMap, BTreeSet};

use semver::Version;
use serde::Serialize;

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
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Hop {
    /// Where it leads.
    pub to: String,
    /// The names of the known issues that it brings.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub risks: Vec<String>,
}

/// Hops with known issues, hops.
type Cost = (usize, usize);

impl Offers<'_> {
    /// The ways from one version to another.
    pub fn ways(&self, from: &str, to: &str) -> Result<Ways, NoAdvice> {
        let (start, from) = self.find(from)?;
        let (end, to) = self.find(to)?;
        let certain = self.costs(&end, false);
        let recommended = match certain.get(&start) {
            Some(_) => self.shortest(&start, &end, &certain),
            None => Vec::new(),
        };
        let with_risks = if recommended.is_empty() {
            let any = self.costs(&end, true);
            any.contains_key(&start)
                .then(|| self.cheapest(&start, &end, &any))
        } else {
            None
        };
        Ok(Ways {
            from: from.version.clone(),
            to: to.version.clone(),
            recommended,
            with_risks,
        })
    }

    /// What it costs from each version to the end, where there is a way.
    fn costs(&self, end: &Version, with_risks: bool) -> BTreeMap<Version, Cost> {
        let mut back: BTreeMap<&Version, Vec<(&Version, Cost)>> = BTreeMap::new();
        for (from, offers) in &self.out {
            for (to, offer) in offers {
                let cost = match offer {
                    Offer::Recommended => (0, 1),
                    Offer::WithRisks(_) if with_risks => (1, 1),
                    _ => continue,
                };
                back.entry(to).or_default().push((from, cost));
            }
        }
        let mut costs: BTreeMap<Version, Cost> = BTreeMap::new();
        let mut open: BTreeSet<(Cost, &Version)> = BTreeSet::from([((0, 0), end)]);
        while let Some((cost, version)) = open.pop_first() {
            if costs.contains_key(version) {
                continue;
            }
            costs.insert(version.clone(), cost);
            for (from, step) in back.get(version).into_iter().flatten() {
                if !costs.contains_key(*from) {
                    open.insert((plus(cost, *step), *from));
                }
            }
        }
        costs
    }

    /// The hops from a version that lose nothing on the way to the end, newest first.
    fn good_hops<'s>(
        &'s self,
        from: &Version,
        costs: &'s BTreeMap<Version, Cost>,
    ) -> impl Iterator<Item = (&'s Version, Hop)> {
        let cost = costs.get(from).copied();
        let offers = self.out.get(from).into_iter().flatten().rev();
        offers.filter_map(move |(to, offer)| {
            let (step, risks) = match offer {
                Offer::Recommended => ((0, 1), Vec::new()),
                Offer::WithRisks(risks) => {
                    ((1, 1), risks.iter().map(|risk| risk.name.clone()).collect())
                }
                Offer::Refused(_) => return None,
            };
            let good = costs.get(to).map(|rest| plus(*rest, step)) == cost;
            good.then(|| {
                let to_text = self
                    .releases
                    .get(to)
                    .map_or_else(String::new, |r| r.version.clone());
                (to, Hop { to: to_text, risks })
            })
        })
    }

    /// At most [`WAYS_MAX`] of the ways that cost least.
    fn shortest(
        &self,
        start: &Version,
        end: &Version,
        costs: &BTreeMap<Version, Cost>,
    ) -> Vec<Way> {
        let mut found = Vec::new();
        let mut open: Vec<(Version, Way)> = vec![(start.clone(), Vec::new())];
        // Depth first and newest first; each step comes nearer to the end, so this ends.
        while let Some((version, way)) = open.pop() {
            if version == *end {
                found.push(way);
                if found.len() == WAYS_MAX {
                    break;
                }
                continue;
            }
            let mut next: Vec<(Version, Way)> = self
                .good_hops(&version, costs)
                .take(WAYS_MAX)
                .map(|(to, hop)| (to.clone(), [way.as_slice(), &[hop]].concat()))
                .collect();
            next.reverse();
            open.extend(next);
        }
        found
    }

    fn cheapest(&self, start: &Version, end: &Version, costs: &BTreeMap<Version, Cost>) -> Way {
        let mut way = Vec::new();
        let mut version = start.clone();
        while version != *end {
            let Some((to, hop)) = self.good_hops(&version, costs).next() else {
                break;
            };
            way.push(hop);
            version = to.clone();
        }
        way
    }
}

fn plus(one: Cost, other: Cost) -> Cost {
    (one.0 + other.0, one.1 + other.1)
}
