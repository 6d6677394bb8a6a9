//! The update graph against recorded answers of the reference's policy-engine, and at today's size.
//!
//! The recordings are not part of the repository; where they are missing this fails, and names what is missing.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use std::collections::BTreeSet;
use std::io::Read as _;

use e2e::update_graph::{ARCHITECTURES, graph, hex, line, recorded};
use flate2::read::GzDecoder;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use updates::Graph;
use updates::normal::Normal;

fn graph_of(year: &str) -> Graph {
    graph(
        &recorded(&format!("raw-{year}.json.gz")).unwrap(),
        &recorded(&format!("graph-data-{year}.tar.gz")).unwrap(),
    )
    .unwrap()
}

fn answers() -> Vec<Value> {
    let file = std::fs::File::open(recorded("answers-2021.jsonl.gz").unwrap()).unwrap();
    let mut text = String::new();
    GzDecoder::new(file).read_to_string(&mut text).unwrap();
    text.lines()
        .map(|line| serde_json::from_str(line).unwrap())
        .collect()
}

fn normalised(graph: &Graph, channel: &str, arch: &str) -> Value {
    let mut bytes = Vec::new();
    let normal = Normal::new(graph).unwrap();
    normal
        .write(&graph.answer(channel, arch), &mut bytes)
        .unwrap();
    serde_json::from_slice(&bytes).unwrap()
}

#[test]
fn every_recorded_answer_of_2021_is_given_again() {
    let graph = graph_of("2021");
    let answers = answers();

    let different: Vec<String> = answers
        .iter()
        .filter(|answer| {
            let (channel, arch) = (
                answer["channel"].as_str().unwrap(),
                answer["arch"].as_str().unwrap(),
            );
            normalised(&graph, channel, arch) != answer["graph"]
        })
        .map(|answer| format!("{} {}", answer["channel"], answer["arch"]))
        .collect();

    assert_eq!(answers.len(), 116, "the recordings are not whole");
    assert_eq!(different, Vec::<String>::new());
}

#[test]
fn each_line_hashes_the_answer_as_another_program_writes_it() {
    let graph = graph_of("2021");
    let normal = Normal::new(&graph).unwrap();

    // `serde_json::Value` sorts keys by itself, and these answers are printable ASCII.
    for answer in answers() {
        let (channel, arch) = (
            answer["channel"].as_str().unwrap(),
            answer["arch"].as_str().unwrap(),
        );
        let line = line(&normal, &graph, channel, arch).unwrap();
        let text = serde_json::to_string(&answer["graph"]).unwrap();
        assert!(text.bytes().all(|byte| (b' '..=b'~').contains(&byte)));
        assert_eq!(line.sha256, hex(&Sha256::digest(text)), "{channel} {arch}");
        assert_eq!(
            line.nodes,
            answer["graph"]["nodes"].as_array().unwrap().len()
        );
    }
}

#[test]
fn every_channel_of_graph_data_has_a_line_for_every_architecture() {
    let graph = graph_of("2021");

    let recorded: BTreeSet<String> = answers()
        .iter()
        .map(|answer| answer["channel"].as_str().unwrap().to_owned())
        .collect();
    let ours: BTreeSet<String> = graph.channels().map(str::to_owned).collect();

    assert_eq!(ours, recorded);
    assert_eq!(ARCHITECTURES.len(), 5);
}

#[test]
fn a_graph_of_todays_size_has_the_edges_that_the_reference_serves() {
    let graph = graph_of("2026");

    let counts = graph.counts();

    assert_eq!((counts.releases, counts.safe), (5_743, 222_520));
    assert_eq!(graph.aside(), []);
    assert_eq!(graph.problems(), []);
}
