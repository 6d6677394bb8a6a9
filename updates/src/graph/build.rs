//! The order in which a graph is made: releases, their metadata, edges, what is said against edges, channels.

use std::collections::BTreeMap;

use super::edges::{Edges, number, running_sum};
use super::releases::Releases;
use super::sets::Sets;
use super::{Edge, Graph, Taken, blocks, circles, instructions};
use crate::aside::Aside;
use crate::data::{About, Block, GraphData, Problem};
use crate::raw::{RawConditional, RawGraph};

/// Where a conditional edge comes from that no file of graph data names.
const FROM_RAW: &str = "the raw graph";

impl Graph {
    /// Makes the graph.
    pub fn build(raw: RawGraph, data: GraphData) -> Self {
        let mut aside = raw.aside;
        let mut releases = Releases::new(raw.releases, &data.verification, &mut aside);
        releases.add_metadata(&data);

        let mut pairs = raw_pairs(raw.edges, &releases, &mut aside);
        pairs.extend(instructions::added(&releases, &mut aside));
        let given = Given::read(raw.conditional, &releases, data.blocks.len(), &mut aside);
        pairs.extend(given.edges.keys().copied());
        let pairs = not_to_themselves(pairs, &releases, &mut aside);
        let mut edges = Edges::new(pairs, releases.all.len());

        take_circles(&releases, &mut edges, &mut aside);
        blocks::apply(&data.blocks, &releases, &mut edges);
        given.apply(&mut edges);
        blocks::apply_own(&releases, &mut edges, &mut aside);
        instructions::remove(&releases, &mut edges, &mut aside);
        hold_back(&data.problems, &releases, &mut edges);

        blocks::tell(&data.blocks, &mut releases);
        releases.add_channels(&data);
        let whole = data.is_whole();
        let index = index(&releases, &data);
        let mut files = data.blocks;
        files.extend(given.blocks);
        let (edges, into, block_lists, taken_lists) = edges.finish();
        let (outward, out) = outward(&edges, releases.all.len());
        Self {
            sets: Sets::new(block_lists, taken_lists, &files),
            releases: releases.all,
            by_text: releases.by_text,
            edges,
            into,
            outward,
            out,
            blocks: files,
            index,
            aside,
            problems: data.problems,
            whole,
        }
    }
}

fn raw_pairs(
    edges: Vec<(usize, usize)>,
    releases: &Releases,
    aside: &mut Vec<Aside>,
) -> Vec<(u32, u32)> {
    let mut pairs = Vec::with_capacity(edges.len());
    for (position, (from, to)) in edges.into_iter().enumerate() {
        match (releases.places.get(from), releases.places.get(to)) {
            (Some(Some(from)), Some(Some(to))) => pairs.push((number(*from), number(*to))),
            // The edge of a release that is set aside goes with it.
            (Some(_), Some(_)) => {}
            _ => aside.push(Aside::UnreadableEdge {
                position,
                says: format!(
                    "[{from}, {to}]: there are {} releases",
                    releases.places.len()
                ),
            }),
        }
    }
    pairs
}

fn not_to_themselves(
    mut pairs: Vec<(u32, u32)>,
    releases: &Releases,
    aside: &mut Vec<Aside>,
) -> Vec<(u32, u32)> {
    let mut named: Vec<u32> = Vec::new();
    pairs.retain(|(from, to)| {
        if from == to {
            named.push(*from);
        }
        from != to
    });
    named.sort_unstable();
    named.dedup();
    aside.extend(named.into_iter().map(|release| Aside::ToItself {
        version: text(releases, release),
    }));
    pairs
}

fn take_circles(releases: &Releases, edges: &mut Edges, aside: &mut Vec<Aside>) {
    for edge in circles::backwards(edges, releases.all.len()) {
        if let Some((from, to)) = edges.all.get(edge) {
            aside.push(Aside::ClosesCircle {
                from: text(releases, *from),
                to: text(releases, *to),
            });
        }
        edges.take(edge, Taken::Circle);
    }
}

fn text(releases: &Releases, release: u32) -> String {
    releases
        .all
        .get(release as usize)
        .map_or_else(String::new, |release| release.text.clone())
}

/// Holds back every edge that unreadable graph data might have blocked.
fn hold_back(problems: &[Problem], releases: &Releases, edges: &mut Edges) {
    for (at, problem) in problems.iter().enumerate() {
        let taken = Taken::HeldBack(number(at));
        match &problem.about {
            About::NoEdge => {}
            About::Into(versions) => {
                for version in versions {
                    for to in releases.blocked(version) {
                        edges.take_into(to, taken);
                    }
                }
            }
            About::EveryEdge => {
                for edge in 0..edges.all.len() {
                    edges.take(edge, taken);
                }
            }
        }
    }
}

/// Channel, architecture, releases that are served.
fn index(releases: &Releases, data: &GraphData) -> BTreeMap<String, BTreeMap<String, Vec<usize>>> {
    let mut index: BTreeMap<String, BTreeMap<String, Vec<usize>>> = data
        .channels
        .iter()
        .map(|channel| (channel.name.clone(), BTreeMap::new()))
        .collect();
    for (place, release) in releases.all.iter().enumerate() {
        if release.payload.is_none() || release.is_removed() {
            continue;
        }
        for channel in release.channels() {
            let architectures = index.entry(channel.to_owned()).or_default();
            for architecture in release.architectures() {
                let held = architectures.entry(architecture.to_owned()).or_default();
                // A channel that is named twice holds its releases once.
                if held.last() != Some(&place) {
                    held.push(place);
                }
            }
        }
    }
    index
}

/// Edges by where they start: their places, and where each release's begin.
fn outward(edges: &[Edge], releases: usize) -> (Vec<u32>, Vec<usize>) {
    let mut places: Vec<u32> = (0..number(edges.len())).collect();
    places.sort_by_key(|place| edges.get(*place as usize).map(|edge| edge.from));
    let mut out = vec![0; releases + 1];
    for edge in edges {
        if let Some(count) = out.get_mut(edge.from as usize + 1) {
            *count += 1;
        }
    }
    running_sum(&mut out);
    (places, out)
}

/// Conditional edges that came with the raw graph: another update service's answer has them.
struct Given {
    /// One for each risk of a group, named after the first release of the group; their numbers follow those of graph
    /// data's files.
    blocks: Vec<Block>,
    /// Edge, numbers of its blocks.
    edges: BTreeMap<(u32, u32), Vec<u32>>,
}

impl Given {
    fn read(
        groups: Vec<RawConditional>,
        releases: &Releases,
        files: usize,
        aside: &mut Vec<Aside>,
    ) -> Self {
        let mut given = Self {
            blocks: Vec::new(),
            edges: BTreeMap::new(),
        };
        for group in groups {
            let mut ends = Vec::new();
            for pair in &group.edges {
                match (releases.find(&pair.from), releases.find(&pair.to)) {
                    (Some(from), Some(to)) => ends.push((from, to)),
                    _ => aside.push(Aside::ConditionalToNowhere {
                        from: pair.from.clone(),
                        to: pair.to.clone(),
                    }),
                }
            }
            let Some(first) = ends.first().and_then(|(_, to)| releases.all.get(*to)) else {
                continue;
            };
            for risk in group.risks {
                let block = number(files + given.blocks.len());
                for (from, to) in &ends {
                    let edge = (number(*from), number(*to));
                    given.edges.entry(edge).or_default().push(block);
                }
                given.blocks.push(Block {
                    file: FROM_RAW.to_owned(),
                    to: first.version.clone(),
                    from: String::new(),
                    risk: Some(risk),
                });
            }
        }
        given
    }

    fn apply(&self, edges: &mut Edges) {
        for ((from, to), blocks) in &self.edges {
            if let Some(edge) = edges.find(*from as usize, *to as usize) {
                edges
                    .blocks
                    .extend(blocks.iter().map(|block| (number(edge), *block)));
            }
        }
    }
}
