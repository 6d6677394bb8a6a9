//! Every rule of the graph with its story.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use std::collections::BTreeMap;

use super::*;
use crate::data::{About, Channel, GraphData, Metadata, Rule};
use crate::raw::{RawConditional, RawGraph, RawPair, RawRelease};

/// A raw graph of releases for amd64, each with an image of its own.
fn raw(versions: &[&str], edges: &[(usize, usize)]) -> RawGraph {
    RawGraph {
        releases: versions
            .iter()
            .map(|version| release(version, "amd64"))
            .collect(),
        edges: edges.to_vec(),
        ..RawGraph::default()
    }
}

fn release(version: &str, architecture: &str) -> RawRelease {
    RawRelease {
        version: format!("{version}+{architecture}"),
        payload: Some(format!("image@sha256:{version}-{architecture}")),
        metadata: BTreeMap::from([(keys::ARCHITECTURE.to_owned(), architecture.to_owned())]),
    }
}

fn with_metadata(mut raw: RawGraph, place: usize, key: &str, value: &str) -> RawGraph {
    raw.releases[place]
        .metadata
        .insert(key.to_owned(), value.to_owned());
    raw
}

fn block(file: &str, to: &str, from: &str) -> Block {
    Block {
        file: format!("blocked-edges/{file}"),
        to: Version::parse(to).unwrap(),
        from: from.to_owned(),
        risk: None,
    }
}

fn issue(name: &str, to: &str, from: &str) -> Block {
    Block {
        risk: Some(Risk {
            name: name.to_owned(),
            url: format!("https://example.com/{name}"),
            message: format!("{name} happens."),
            matching_rules: vec![Rule {
                kind: "Always".to_owned(),
                promql: None,
            }],
        }),
        ..block(&format!("{to}-{name}.yaml"), to, from)
    }
}

fn blocks(blocks: &[Block]) -> GraphData {
    GraphData {
        blocks: blocks.to_vec(),
        ..GraphData::default()
    }
}

/// The edge as a word: with its known issues, or with the reasons against it.
fn edge(graph: &Graph, from: &str, to: &str) -> String {
    let at = |version: &str| {
        let text = if version.contains('+') {
            version.to_owned()
        } else {
            format!("{version}+amd64")
        };
        graph
            .find(&text)
            .unwrap_or_else(|| panic!("no release {text}"))
    };
    match graph.edge(at(from), at(to)) {
        None => "no edge".to_owned(),
        Some(Standing::Safe) => "safe".to_owned(),
        Some(Standing::Conditional { risks, .. }) => {
            let names: Vec<&str> = risks.iter().map(|known| known.risk.name.as_str()).collect();
            format!("conditional {}", names.join(" "))
        }
        Some(Standing::Blocked(why)) => {
            let reasons: Vec<&str> = why.iter().map(Why::reason).collect();
            format!("blocked {}", reasons.join(" "))
        }
    }
}

const LINE: [&str; 4] = ["4.1.0", "4.1.1", "4.1.2", "4.2.0"];

fn line() -> RawGraph {
    raw(&LINE, &[(0, 1), (0, 2), (1, 2), (2, 3)])
}

#[test]
fn an_edge_that_nobody_speaks_against_is_safe() {
    let graph = Graph::build(line(), GraphData::default());

    assert_eq!(edge(&graph, "4.1.0", "4.1.2"), "safe");
    assert_eq!(edge(&graph, "4.1.0", "4.2.0"), "no edge");
}

#[test]
fn a_block_takes_the_edges_away_whose_start_matches_anywhere() {
    let graph = Graph::build(
        line(),
        blocks(&[block("4.1.2.yaml", "4.1.2", "1[.]0[+]amd")]),
    );

    assert_eq!(edge(&graph, "4.1.0", "4.1.2"), "blocked Blocked");
    assert_eq!(edge(&graph, "4.1.1", "4.1.2"), "safe");
    assert_eq!(edge(&graph, "4.1.0", "4.1.1"), "safe");
}

#[test]
fn a_block_without_architecture_is_every_architectures_and_with_one_that_ones() {
    let mut raw = line();
    raw.releases
        .extend([release("4.1.1", "s390x"), release("4.1.2", "s390x")]);
    raw.edges.push((4, 5));

    let all = Graph::build(raw.clone(), blocks(&[block("a.yaml", "4.1.2", ".*")]));
    let one = Graph::build(raw, blocks(&[block("a.yaml", "4.1.2+s390x", ".*")]));

    assert_eq!(edge(&all, "4.1.1", "4.1.2"), "blocked Blocked");
    assert_eq!(edge(&all, "4.1.1+s390x", "4.1.2+s390x"), "blocked Blocked");
    assert_eq!(edge(&one, "4.1.1", "4.1.2"), "safe");
    assert_eq!(edge(&one, "4.1.1+s390x", "4.1.2+s390x"), "blocked Blocked");
}

#[test]
fn a_block_of_a_version_that_ends_in_s390x_is_for_s390x() {
    let mut raw = raw(&["4.2.0", "4.2.11-s390x"], &[(0, 1)]);
    raw.releases
        .extend([release("4.2.0", "s390x"), release("4.2.11-s390x", "s390x")]);
    raw.edges.push((2, 3));

    let graph = Graph::build(
        raw,
        blocks(&[block("4.2.11-s390x.yaml", "4.2.11-s390x", ".*")]),
    );

    assert_eq!(edge(&graph, "4.2.0", "4.2.11-s390x"), "safe");
    assert_eq!(
        edge(&graph, "4.2.0+s390x", "4.2.11-s390x+s390x"),
        "blocked Blocked"
    );
}

#[test]
fn an_edge_with_known_issues_is_conditional_on_all_of_them() {
    let data = blocks(&[
        issue("Slow", "4.1.2", ".*"),
        issue("Loud", "4.1.2", "4[.]1[.]0"),
    ]);

    let graph = Graph::build(line(), data);

    assert_eq!(edge(&graph, "4.1.0", "4.1.2"), "conditional Slow Loud");
    assert_eq!(edge(&graph, "4.1.1", "4.1.2"), "conditional Slow");
    assert_eq!(
        graph.counts(),
        Counts {
            releases: 4,
            safe: 2,
            conditional: 2,
            blocked: 0
        }
    );
}

#[test]
fn a_blocked_edge_with_a_known_issue_is_offered_with_it_and_says_what_blocks_it() {
    let data = blocks(&[
        block("4.1.2.yaml", "4.1.2", ".*"),
        issue("Slow", "4.1.2", "4[.]1[.]0"),
    ]);

    let graph = Graph::build(line(), data);

    let standing = graph.edge(0, 2).unwrap();
    let Standing::Conditional { risks, besides } = standing else {
        panic!("{standing:?}")
    };
    assert_eq!(risks[0].file, "blocked-edges/4.1.2-Slow.yaml");
    assert_eq!(
        besides[0].to_string(),
        "blocked for everybody by blocked-edges/4.1.2.yaml (from `.*`)"
    );
    assert_eq!(edge(&graph, "4.1.1", "4.1.2"), "blocked Blocked");
}

#[test]
fn two_blocks_of_one_release_both_hold() {
    let data = blocks(&[
        block("a.yaml", "4.1.2", "4[.]1[.]0"),
        block("b.yaml", "4.1.2", "4[.]1[.]1"),
    ]);

    let graph = Graph::build(line(), data);

    assert_eq!(edge(&graph, "4.1.0", "4.1.2"), "blocked Blocked");
    assert_eq!(edge(&graph, "4.1.1", "4.1.2"), "blocked Blocked");
    assert_eq!(
        graph.releases()[2].metadata[keys::PREVIOUS_REMOVE_REGEX],
        "4[.]1[.]0|4[.]1[.]1"
    );
}

#[test]
fn metadata_adds_edges_from_and_to_releases_of_its_architecture() {
    let raw = with_metadata(line(), 3, keys::PREVIOUS_ADD, "4.1.0, 9.9.9");
    let raw = with_metadata(raw, 1, keys::NEXT_ADD, "4.2.0");

    let graph = Graph::build(raw, GraphData::default());

    assert_eq!(edge(&graph, "4.1.0", "4.2.0"), "safe");
    assert_eq!(edge(&graph, "4.1.1", "4.2.0"), "safe");
    assert_eq!(graph.aside(), []);
}

#[test]
fn metadata_removes_edges_by_version_by_pattern_and_all_of_them() {
    // Release, key, value, edge, what becomes of it.
    let cases = [
        (
            2,
            keys::PREVIOUS_REMOVE,
            "4.1.0",
            ("4.1.0", "4.1.2"),
            "blocked RemovedByMetadata",
        ),
        (
            2,
            keys::PREVIOUS_REMOVE,
            "4.1.0",
            ("4.1.1", "4.1.2"),
            "safe",
        ),
        (
            2,
            keys::PREVIOUS_REMOVE,
            "*",
            ("4.1.1", "4.1.2"),
            "blocked RemovedByMetadata",
        ),
        (
            2,
            keys::PREVIOUS_REMOVE_REGEX,
            "1[.]1",
            ("4.1.1", "4.1.2"),
            "blocked RemovedByMetadata",
        ),
        (
            0,
            keys::NEXT_REMOVE,
            "4.1.1",
            ("4.1.0", "4.1.1"),
            "blocked RemovedByMetadata",
        ),
        (0, keys::NEXT_REMOVE, "4.1.1", ("4.1.0", "4.1.2"), "safe"),
        (
            0,
            keys::NEXT_REMOVE,
            "*",
            ("4.1.0", "4.1.2"),
            "blocked RemovedByMetadata",
        ),
        (0, keys::NEXT_REMOVE, "*", ("4.1.1", "4.1.2"), "safe"),
    ];
    for (place, key, value, (from, to), becomes) in cases {
        let graph = Graph::build(
            with_metadata(line(), place, key, value),
            GraphData::default(),
        );

        assert_eq!(
            edge(&graph, from, to),
            becomes,
            "{key}={value}, {from} to {to}"
        );
    }
}

#[test]
fn removing_wins_over_adding() {
    let raw = with_metadata(line(), 3, keys::PREVIOUS_ADD, "4.1.0");
    let raw = with_metadata(raw, 3, keys::PREVIOUS_REMOVE, "4.1.0");

    assert_eq!(
        edge(&Graph::build(raw, GraphData::default()), "4.1.0", "4.2.0"),
        "blocked RemovedByMetadata"
    );
}

#[test]
fn an_unreadable_instruction_to_remove_holds_back_all_that_it_might_mean() {
    let cases = [
        (
            2,
            keys::PREVIOUS_REMOVE,
            "4.1",
            ("4.1.1", "4.1.2"),
            ("4.1.0", "4.1.1"),
        ),
        (
            2,
            keys::PREVIOUS_REMOVE_REGEX,
            "4[",
            ("4.1.1", "4.1.2"),
            ("4.1.0", "4.1.1"),
        ),
        (
            0,
            keys::NEXT_REMOVE,
            "next",
            ("4.1.0", "4.1.1"),
            ("4.1.1", "4.1.2"),
        ),
    ];
    for (place, key, value, held, free) in cases {
        let graph = Graph::build(
            with_metadata(line(), place, key, value),
            GraphData::default(),
        );

        assert_eq!(
            edge(&graph, held.0, held.1),
            "blocked UnreadableInstruction",
            "{key}"
        );
        assert_eq!(edge(&graph, free.0, free.1), "safe", "{key}");
        assert_eq!(graph.aside()[0].reason(), "Instruction");
    }
}

#[test]
fn an_unreadable_instruction_to_add_is_told_and_holds_nothing_back() {
    let graph = Graph::build(
        with_metadata(line(), 3, keys::PREVIOUS_ADD, "4.1"),
        GraphData::default(),
    );

    assert_eq!(edge(&graph, "4.1.2", "4.2.0"), "safe");
    assert_eq!(graph.aside()[0].version(), Some("4.2.0+amd64"));
}

#[test]
fn unreadable_graph_data_holds_back_the_edges_that_it_is_about_even_those_with_known_issues() {
    let mut data = blocks(&[issue("Slow", "4.1.2", ".*")]);
    data.problems.push(Problem {
        file: "blocked-edges/4.1.2-Loud.yaml".to_owned(),
        line: Some(3),
        field: Some("url".to_owned()),
        says: "`url` is missing".to_owned(),
        about: About::Into([Version::new(4, 1, 2)].into()),
    });

    let graph = Graph::build(line(), data);

    assert_eq!(edge(&graph, "4.1.0", "4.1.2"), "blocked HeldBack");
    assert_eq!(edge(&graph, "4.1.0", "4.1.1"), "safe");
    assert!(!graph.is_whole());
}

#[test]
fn a_problem_that_may_be_about_any_release_holds_back_every_edge() {
    let mut data = GraphData::default();
    data.problems.push(Problem {
        file: "blocked-edges/x.yaml".to_owned(),
        line: None,
        field: None,
        says: "it is not UTF-8 text".to_owned(),
        about: About::EveryEdge,
    });

    assert_eq!(Graph::build(line(), data).counts().blocked, 4);
}

#[test]
fn the_last_good_graph_goes_on_while_graph_data_cannot_be_read() {
    let good = Graph::build(line(), GraphData::default());
    let mut data = GraphData::default();
    data.problems.push(Problem {
        file: "blocked-edges/4.1.2.yaml".to_owned(),
        line: None,
        field: None,
        says: "it is not UTF-8 text".to_owned(),
        about: About::Into([Version::new(4, 1, 2)].into()),
    });
    let partial = Graph::build(line(), data);

    assert!(!may_take_over(&partial, &good));
    assert!(may_take_over(&partial, &partial), "there is nothing better");
    assert!(may_take_over(&good, &partial));
    assert!(may_take_over(&good, &good));
}

#[test]
fn metadata_of_graph_data_is_appended_to_what_a_release_says_of_itself() {
    let raw = with_metadata(line(), 0, "note", "a");
    let data = GraphData {
        metadata: Metadata(vec![(
            Version::new(4, 1, 0),
            BTreeMap::from([("note".to_owned(), "b".to_owned())]),
        )]),
        ..GraphData::default()
    };

    assert_eq!(
        Graph::build(raw, data).releases()[0].metadata["note"],
        "a,b"
    );
}

#[test]
fn channels_are_told_by_family_then_name() {
    let channel = |name: &str, version: &str| Channel {
        file: format!("channels/{name}.yaml"),
        name: name.to_owned(),
        versions: vec![Version::parse(version).unwrap()],
    };
    let data = GraphData {
        channels: vec![
            channel("stable-4.2", "4.1.0"),
            channel("fast-4.1", "4.1.0"),
            channel("candidate-4.2", "4.1.0+amd64"),
            channel("candidate-4.1", "4.1.0+s390x"),
            channel("alone", "4.1.0"),
        ],
        ..GraphData::default()
    };

    let graph = Graph::build(line(), data);

    assert_eq!(
        graph.releases()[0].metadata[keys::CHANNELS],
        "alone,fast-4.1,candidate-4.2,stable-4.2"
    );
    assert_eq!(graph.answer("fast-4.1", "amd64").version(0), "4.1.0");
    assert!(graph.answer("candidate-4.1", "amd64").releases.is_empty());
}

#[test]
fn an_answer_holds_the_channels_releases_of_the_architecture_that_are_not_removed() {
    let raw = with_metadata(line(), 1, keys::REMOVE, "true");
    let data = GraphData {
        channels: vec![Channel {
            file: "channels/stable-4.1.yaml".to_owned(),
            name: "stable-4.1".to_owned(),
            versions: vec![
                Version::new(4, 1, 0),
                Version::new(4, 1, 1),
                Version::new(4, 1, 2),
            ],
        }],
        blocks: vec![issue("Slow", "4.1.2", ".*")],
        ..GraphData::default()
    };
    let graph = Graph::build(raw, data);

    let answer =
        String::from_utf8(crate::wire::write(&graph.answer("stable-4.1", "amd64")).unwrap())
            .unwrap();

    assert!(answer.starts_with(r#"{"version":1,"nodes":[{"version":"4.1.0","payload":"image@sha256:4.1.0-amd64","metadata":{"#), "{answer}");
    assert!(
        answer.contains(
            r#""edges":[],"conditionalEdges":[{"edges":[{"from":"4.1.0","to":"4.1.2"}],"risks":[{"#
        ),
        "{answer}"
    );
    assert!(!answer.contains("4.1.1"), "{answer}");
    assert!(!answer.contains(keys::ARCHITECTURE), "{answer}");
}

#[test]
fn what_nobody_knows_has_an_empty_answer() {
    let graph = Graph::build(line(), GraphData::default());

    let answer = crate::wire::write(&graph.answer("nope", "amd64")).unwrap();

    assert_eq!(
        answer,
        br#"{"version":1,"nodes":[],"edges":[],"conditionalEdges":[]}"#
    );
}

#[test]
fn conditional_edges_of_another_services_answer_stay_conditional() {
    let mut raw = line();
    let pair = |from: &str, to: &str| RawPair {
        from: from.to_owned(),
        to: to.to_owned(),
    };
    raw.conditional = vec![RawConditional {
        edges: vec![
            pair("4.1.1+amd64", "4.2.0+amd64"),
            pair("4.1.1+amd64", "9.9.9"),
        ],
        risks: vec![issue("Slow", "4.2.0", "").risk.unwrap()],
    }];

    let graph = Graph::build(raw, GraphData::default());

    assert_eq!(edge(&graph, "4.1.1", "4.2.0"), "conditional Slow");
    assert_eq!(graph.aside()[0].reason(), "ConditionalToNowhere");
}

mod aside;
mod properties;
mod verification;
