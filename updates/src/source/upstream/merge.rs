//! Answers for channels and architectures become the raw graph that they were made from, as far as they tell it.
//!
//! # Guarantees
//! Values in, a value out. A release, edge or known issue that several answers tell is there once. The same answers give
//! the same graph, in whichever order they came.

use std::collections::{BTreeMap, BTreeSet};

use crate::aside::Aside;
use crate::data::Risk;
use crate::keys;
use crate::raw::{RawConditional, RawGraph, RawPair, RawRelease};
use crate::source::scan::version_for;

/// What answers told so far.
#[derive(Debug, Default)]
pub(super) struct Merged {
    places: BTreeMap<String, usize>,
    releases: Vec<RawRelease>,
    edges: BTreeSet<(usize, usize)>,
    risks: BTreeMap<(usize, usize), BTreeSet<Risk>>,
    aside: BTreeSet<Aside>,
}

impl Merged {
    /// Takes an answer for an architecture, which answers leave out of versions and metadata.
    pub(super) fn take(&mut self, answer: RawGraph, architecture: &str) {
        let places: Vec<usize> = answer
            .releases
            .into_iter()
            .map(|release| self.release(release, architecture))
            .collect();
        for (from, to) in answer.edges {
            // An edge to nowhere is of an answer that was damaged on its way; the release that it means is unknown.
            if let (Some(from), Some(to)) = (places.get(from), places.get(to)) {
                self.edges.insert((*from, *to));
            }
        }
        for group in answer.conditional {
            for RawPair { from, to } in group.edges {
                let place = |version: &str| {
                    let version = version_for(version, architecture);
                    self.places.get(&version).copied()
                };
                if let (Some(from), Some(to)) = (place(&from), place(&to)) {
                    let risks = self.risks.entry((from, to)).or_default();
                    risks.extend(group.risks.iter().cloned());
                } else {
                    self.aside.insert(Aside::ConditionalToNowhere { from, to });
                }
            }
        }
        self.aside.extend(answer.aside);
    }

    fn release(&mut self, mut release: RawRelease, architecture: &str) -> usize {
        release.version = version_for(&release.version, architecture);
        if release.payload.is_some() {
            release
                .metadata
                .insert(keys::ARCHITECTURE.to_owned(), architecture.to_owned());
        }
        if let Some(place) = self.places.get(&release.version) {
            return *place;
        }
        let place = self.releases.len();
        self.places.insert(release.version.clone(), place);
        self.releases.push(release);
        place
    }

    /// The channels that the releases name.
    pub(super) fn channels(&self) -> BTreeSet<String> {
        let named = self
            .releases
            .iter()
            .filter_map(|release| release.metadata.get(keys::CHANNELS));
        named
            .flat_map(|channels| keys::list(channels))
            .filter(|channel| !channel.is_empty())
            .map(str::to_owned)
            .collect()
    }

    /// All of it, in the order of versions.
    pub(super) fn finish(mut self) -> RawGraph {
        let mut order: Vec<usize> = vec![0; self.releases.len()];
        for (position, place) in self.places.values().enumerate() {
            if let Some(slot) = order.get_mut(*place) {
                *slot = position;
            }
        }
        let position = |place: usize| order.get(place).copied().unwrap_or_default();
        let mut edges: Vec<(usize, usize)> = self
            .edges
            .into_iter()
            .map(|(from, to)| (position(from), position(to)))
            .collect();
        edges.sort_unstable();
        let mut groups: BTreeMap<Vec<Risk>, Vec<RawPair>> = BTreeMap::new();
        for ((from, to), risks) in self.risks {
            let version = |place: usize| {
                let release = self.releases.get(place);
                release.map_or_else(String::new, |release| release.version.clone())
            };
            let pair = RawPair {
                from: version(from),
                to: version(to),
            };
            groups
                .entry(risks.into_iter().collect())
                .or_default()
                .push(pair);
        }
        self.releases
            .sort_by(|one, other| one.version.cmp(&other.version));
        RawGraph {
            releases: self.releases,
            edges,
            conditional: groups
                .into_iter()
                .map(|(risks, edges)| RawConditional { edges, risks })
                .collect(),
            aside: self.aside.into_iter().collect(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn answer(json: &str) -> RawGraph {
        RawGraph::read(json.as_bytes()).unwrap()
    }

    const ONE: &str = r#"{"version":1,"nodes":[
        {"version":"4.16.2","payload":"a","metadata":{"io.openshift.upgrades.graph.release.channels":"fast-4.16,stable-4.16"}},
        {"version":"4.16.1","payload":"b","metadata":{}}],
        "edges":[[1,0]],"conditionalEdges":[]}"#;
    const OTHER: &str = r#"{"version":1,"nodes":[
        {"version":"4.16.1","payload":"b","metadata":{}},
        {"version":"4.16.2","payload":"a","metadata":{}},
        {"version":"4.16.3","payload":"c","metadata":{}}],
        "edges":[[0,1]],"conditionalEdges":[
        {"edges":[{"from":"4.16.1","to":"4.16.3"}],"risks":[{"name":"Slip","url":"https://a","message":"b","matchingRules":[{"type":"Always"}]}]}]}"#;

    #[test]
    fn what_several_channels_tell_is_there_once() {
        let mut merged = Merged::default();
        for json in [ONE, OTHER, OTHER] {
            merged.take(answer(json), "amd64");
        }
        assert_eq!(
            merged.channels().into_iter().collect::<Vec<_>>(),
            ["fast-4.16", "stable-4.16"]
        );

        let graph = merged.finish();

        let versions: Vec<&str> = graph.releases.iter().map(|r| r.version.as_str()).collect();
        assert_eq!(versions, ["4.16.1+amd64", "4.16.2+amd64", "4.16.3+amd64"]);
        assert_eq!(graph.edges, [(0, 1)]);
        assert_eq!(graph.conditional.len(), 1);
        assert_eq!(graph.conditional[0].edges[0].to, "4.16.3+amd64");
        assert_eq!(graph.conditional[0].risks.len(), 1);
    }

    #[test]
    fn the_order_of_answers_says_nothing() {
        let in_order = |answers: [&str; 2]| {
            let mut merged = Merged::default();
            for json in answers {
                merged.take(answer(json), "amd64");
            }
            let mut graph = merged.finish();
            graph.releases.iter_mut().for_each(|r| r.metadata.clear());
            graph
        };

        assert_eq!(in_order([ONE, OTHER]), in_order([OTHER, ONE]));
    }

    #[test]
    fn architectures_stay_apart() {
        let mut merged = Merged::default();
        merged.take(answer(ONE), "amd64");
        merged.take(answer(ONE), "arm64");

        let graph = merged.finish();

        assert_eq!((graph.releases.len(), graph.edges.len()), (4, 2));
        assert_eq!(
            graph.releases[1].metadata.get(keys::ARCHITECTURE).unwrap(),
            "arm64"
        );
    }
}
