//! Who is told the changes knows the new answer; what is the same is not told.

use std::collections::{BTreeMap, BTreeSet};

use proptest::prelude::*;
use semver::Version;

use super::*;
use crate::data::{Block, Channel, GraphData, Rule};
use crate::keys;
use crate::raw::{RawGraph, RawRelease};

const CHANNEL: &str = "stable-4.1";

/// What a graph is made of here: releases by their patch number, each with an image and whether the channel holds it.
#[derive(Debug, Clone, Default)]
struct Made {
    releases: BTreeMap<u64, (u8, bool)>,
    edges: BTreeSet<(u64, u64)>,
    /// Blocks edges for everybody, or names a known issue.
    blocks: BTreeSet<(u64, u64, Option<u8>)>,
}

impl Made {
    fn graph(&self) -> Graph {
        let place: BTreeMap<u64, usize> = self.releases.keys().copied().zip(0..).collect();
        let releases = self.releases.iter().map(|(patch, (image, _))| RawRelease {
            version: format!("4.1.{patch}+amd64"),
            payload: Some(format!("image:{image}")),
            metadata: BTreeMap::from([(keys::ARCHITECTURE.to_owned(), "amd64".to_owned())]),
        });
        let edges = self
            .edges
            .iter()
            .filter(|(from, to)| from < to)
            .filter_map(|(from, to)| Some((*place.get(from)?, *place.get(to)?)));
        let raw = RawGraph {
            releases: releases.collect(),
            edges: edges.collect(),
            ..RawGraph::default()
        };
        let held = self.releases.iter().filter(|(_, (_, held))| *held);
        let channel = Channel {
            file: "channels/stable-4.1.yaml".to_owned(),
            name: CHANNEL.to_owned(),
            versions: held.map(|(patch, _)| Version::new(4, 1, *patch)).collect(),
        };
        let blocks = self.blocks.iter().map(|(from, to, issue)| Block {
            file: format!("blocked-edges/4.1.{to}-{from}-{issue:?}.yaml"),
            to: Version::new(4, 1, *to),
            from: format!("^4[.]1[.]{from}[+]"),
            risk: issue.map(risk),
        });
        let data = GraphData {
            blocks: blocks.collect(),
            channels: vec![channel],
            ..GraphData::default()
        };
        Graph::build(raw, data)
    }
}

fn risk(number: u8) -> Risk {
    Risk {
        name: format!("Issue{number}"),
        url: "https://example.com".to_owned(),
        message: "It breaks.".to_owned(),
        matching_rules: vec![Rule {
            kind: "Always".to_owned(),
            promql: None,
        }],
    }
}

/// What a client knows: releases with their images, edges with their known issues.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Known {
    releases: BTreeMap<String, String>,
    edges: BTreeMap<(String, String), BTreeSet<Risk>>,
}

impl Known {
    fn of(graph: &Graph) -> Self {
        let answer = graph.answer(CHANNEL, "amd64");
        let version = |place: usize| answer.version(place).to_owned();
        let mut known = Self::default();
        for shown in &answer.releases {
            let payload = shown.release.payload.clone().unwrap_or_default();
            known.releases.insert(shown.version.clone(), payload);
        }
        for (from, to) in &answer.edges {
            let edge = (version(*from), version(*to));
            known.edges.insert(edge, BTreeSet::new());
        }
        for (from, to, list) in &answer.conditional {
            let risks = listed(&answer, Some(*list)).into_iter().cloned().collect();
            known.edges.insert((version(*from), version(*to)), risks);
        }
        known
    }

    fn told(mut self, changes: &[Change]) -> Self {
        for change in changes.iter().cloned() {
            match change {
                Change::ReleaseAdded { version, payload }
                | Change::PayloadChanged { version, payload } => {
                    self.releases.insert(version, payload);
                }
                Change::ReleaseWithdrawn { version } => {
                    self.releases.remove(&version);
                    self.edges
                        .retain(|(from, to), _| *from != version && *to != version);
                }
                Change::EdgeAdded { from, to, risks } => {
                    self.edges.insert((from, to), risks.into_iter().collect());
                }
                Change::EdgeWithdrawn { from, to } => {
                    self.edges.remove(&(from, to));
                }
                Change::RiskAdded { from, to, risk } => {
                    self.edges.get_mut(&(from, to)).unwrap().insert(risk);
                }
                Change::RiskWithdrawn { from, to, risk } => {
                    self.edges.get_mut(&(from, to)).unwrap().remove(&risk);
                }
            }
        }
        self
    }
}

fn changes(last: &Made, next: &Made) -> Vec<Change> {
    let mut difference = difference(&last.graph(), &next.graph());
    let of_channel = difference.remove(CHANNEL).unwrap_or_default();
    match of_channel.get("amd64") {
        Some(Changes::These(changes)) => changes.clone(),
        Some(Changes::TooMany) => unreachable!("graphs are small here"),
        None => Vec::new(),
    }
}

/// 4.1.0 and 4.1.1, and the edge between them.
fn two() -> Made {
    Made {
        releases: BTreeMap::from([(0, (0, true)), (1, (1, true))]),
        edges: BTreeSet::from([(0, 1)]),
        blocks: BTreeSet::new(),
    }
}

fn words(changes: &[Change]) -> Vec<String> {
    changes.iter().map(ToString::to_string).collect()
}

#[test]
fn each_kind_of_change_is_told_by_name() {
    type Story = (fn(&mut Made), &'static [&'static str]);
    let stories: [Story; 6] = [
        (|_| {}, &[]),
        (
            |made| {
                made.releases.insert(2, (2, true));
                made.edges.insert((1, 2));
            },
            &["release 4.1.2 is new", "4.1.1 to 4.1.2 is recommended"],
        ),
        (
            |made| {
                made.releases.insert(1, (1, false));
            },
            &["release 4.1.1 is withdrawn"],
        ),
        (
            |made| {
                made.releases.insert(1, (9, true));
            },
            &["release 4.1.1 is another image now: image:9"],
        ),
        (
            |made| {
                made.blocks.insert((0, 1, None));
            },
            &["4.1.0 to 4.1.1 is no longer offered"],
        ),
        (
            |made| {
                made.blocks.insert((0, 1, Some(7)));
            },
            &["4.1.0 to 4.1.1 has a known issue: Issue7 (https://example.com) It breaks."],
        ),
    ];
    for (edit, told) in stories {
        let mut next = two();
        edit(&mut next);
        assert_eq!(words(&changes(&two(), &next)), told);
    }
}

#[test]
fn a_known_issue_that_is_taken_back_is_told() {
    let mut last = two();
    last.blocks.insert((0, 1, Some(7)));

    assert_eq!(
        words(&changes(&last, &two())),
        ["4.1.0 to 4.1.1 no longer has the known issue Issue7"]
    );
}

#[test]
fn a_channel_that_is_another_altogether_is_not_told_edge_by_edge() {
    let mut next = Made::default();
    for patch in 0..100 {
        next.releases.insert(patch, (0, true));
        next.edges.extend((0..patch).map(|from| (from, patch)));
    }

    let mut difference = difference(&Made::default().graph(), &next.graph());

    let of_channel = difference.remove(CHANNEL).unwrap_or_default();
    assert_eq!(of_channel.get("amd64"), Some(&Changes::TooMany));
}

fn any_made() -> impl Strategy<Value = Made> {
    let releases = proptest::collection::btree_map(0_u64..6, (0_u8..2, any::<bool>()), 0..6);
    let edges = proptest::collection::btree_set((0_u64..6, 0_u64..6), 0..20);
    let block = (0_u64..6, 0_u64..6, proptest::option::of(0_u8..3));
    let blocks = proptest::collection::btree_set(block, 0..6);
    (releases, edges, blocks).prop_map(|(releases, edges, blocks)| Made {
        releases,
        edges,
        blocks,
    })
}

proptest! {
    #[test]
    fn who_is_told_the_changes_knows_the_new_answer(last in any_made(), next in any_made()) {
        let known = Known::of(&last.graph()).told(&changes(&last, &next));
        prop_assert_eq!(known, Known::of(&next.graph()));
    }

    #[test]
    fn nothing_is_told_if_and_only_if_answers_are_the_same(last in any_made(), next in any_made()) {
        let same = Known::of(&last.graph()) == Known::of(&next.graph());
        prop_assert_eq!(changes(&last, &next).is_empty(), same);
    }

    #[test]
    fn a_graph_has_one_fingerprint_and_another_answer_has_another(last in any_made(), next in any_made()) {
        let (one, other) = (last.graph(), next.graph());
        prop_assert_eq!(fingerprint(&one), fingerprint(&last.graph()));
        if Known::of(&one) != Known::of(&other) {
            prop_assert_ne!(fingerprint(&one), fingerprint(&other));
        }
    }
}
