//! For each release that a cluster may not go to, the whole reason.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use std::collections::BTreeMap;

use super::*;
use crate::data::{Block, Channel, GraphData, Rule};
use crate::keys;
use crate::raw::{RawGraph, RawRelease};

const VERSIONS: [&str; 7] = [
    "4.1.0", "4.1.1", "4.1.2", "4.1.3", "4.1.4", "4.2.0", "4.1.5",
];

/// 4.1.0 leads to all others but 4.1.4; 4.1.1 leads to 4.1.2; 4.2.0 is in another channel; 4.1.5 is removed.
fn graph() -> Graph {
    graph_of(
        vec![(0, 1), (0, 2), (0, 3), (0, 5), (0, 6), (1, 2)],
        "Always",
    )
}

/// With other edges, and another rule by which a cluster finds out whether it is slow.
fn graph_of(edges: Vec<(usize, usize)>, rule: &str) -> Graph {
    let release = |version: &&str| RawRelease {
        version: format!("{version}+amd64"),
        payload: Some(format!("image:{version}")),
        metadata: BTreeMap::from([(keys::ARCHITECTURE.to_owned(), "amd64".to_owned())]),
    };
    let mut raw = RawGraph {
        releases: VERSIONS.iter().map(release).collect(),
        edges,
        ..RawGraph::default()
    };
    raw.releases[6]
        .metadata
        .insert(keys::REMOVE.to_owned(), "true".to_owned());
    let block = |file: &str, to: &str, from: &str| Block {
        file: format!("blocked-edges/{file}"),
        to: Version::parse(to).unwrap(),
        from: from.to_owned(),
        risk: None,
    };
    let slow = Risk {
        name: "Slow".to_owned(),
        url: "https://example.com/slow".to_owned(),
        message: "It is slow.".to_owned(),
        matching_rules: vec![Rule {
            kind: rule.to_owned(),
            promql: None,
        }],
    };
    let channel = |name: &str, versions: &[&str]| Channel {
        file: format!("channels/{name}.yaml"),
        name: name.to_owned(),
        versions: versions
            .iter()
            .map(|version| Version::parse(version).unwrap())
            .collect(),
    };
    Graph::build(
        raw,
        GraphData {
            blocks: vec![
                block("4.1.2.yaml", "4.1.2", "4[.]1[.]0"),
                Block {
                    risk: Some(slow),
                    ..block("4.1.3-Slow.yaml", "4.1.3", ".*")
                },
            ],
            channels: vec![
                channel(
                    "stable-4.1",
                    &["4.1.0", "4.1.1", "4.1.2", "4.1.3", "4.1.4", "4.1.5"],
                ),
                channel("stable-4.2", &["4.2.0"]),
            ],
            ..GraphData::default()
        },
    )
}

fn question<'q>(from: &'q str, to: Option<&'q str>) -> Question<'q> {
    Question {
        channel: "stable-4.1",
        architecture: "amd64",
        from,
        to,
    }
}

fn one(to: &str) -> Explained {
    graph()
        .explain(question("4.1.0", Some(to)))
        .unwrap()
        .releases
        .remove(0)
}

#[test]
fn a_release_that_is_blocked_directly_is_recommended_over_another_and_says_both() {
    let explained = one("4.1.2");

    assert_eq!(explained.verdict, Verdict::Recommended);
    let hops: Vec<&str> = explained.recommended[0]
        .iter()
        .map(|hop| hop.to.as_str())
        .collect();
    assert_eq!(hops, ["4.1.1", "4.1.2"]);
    assert_eq!(
        explained.reasons[0].message,
        "blocked for everybody by blocked-edges/4.1.2.yaml (from `4[.]1[.]0`)"
    );
}

#[test]
fn a_known_issue_is_told_with_its_file_link_and_message() {
    let explained = one("4.1.3");

    assert_eq!(explained.verdict, Verdict::WithRisks);
    assert_eq!(explained.risks[0].file, "blocked-edges/4.1.3-Slow.yaml");
    assert_eq!(explained.risks[0].risk.url, "https://example.com/slow");
    assert_eq!(explained.with_risks.unwrap()[0].risks, ["Slow"]);
}

#[test]
fn the_known_issues_of_a_way_over_several_hops_are_told_whole() {
    let graph = graph_of(vec![(0, 1), (1, 3), (3, 4)], "Always");

    let explained = graph.explain(question("4.1.0", Some("4.1.4"))).unwrap();

    let explained = &explained.releases[0];
    assert_eq!(explained.verdict, Verdict::WithRisks);
    assert_eq!(explained.with_risks.as_ref().unwrap().len(), 3);
    assert_eq!(explained.risks[0].risk.message, "It is slow.");
}

#[test]
fn a_known_issue_that_no_cluster_can_evaluate_is_the_reason_for_no_way() {
    let graph = graph_of(vec![(0, 3)], "Future");

    let explained = graph.explain(question("4.1.0", Some("4.1.3"))).unwrap();

    let explained = &explained.releases[0];
    assert_eq!(explained.verdict, Verdict::No);
    assert_eq!(explained.reasons[0].reason, "NoKnownRule");
    assert!(explained.reasons[0].message.contains("Slow"));
}

#[test]
fn each_release_that_cannot_be_reached_says_why() {
    // Release, reason, part of the sentence.
    let cases = [
        ("4.1.4", "NoWay", "no edge"),
        (
            "4.2.0",
            "NotInChannel",
            "not in stable-4.1; it is in stable-4.2",
        ),
        ("4.1.5", "Removed", "metadata"),
        ("4.0.9", "Older", "only forward"),
        ("4.1.0", "Same", "has it"),
        ("4.9.9", "Unknown", "no release 4.9.9 for amd64"),
    ];
    for (to, reason, part) in cases {
        let explained = one(to);

        assert_eq!(explained.verdict, Verdict::No, "{to}");
        let found = explained
            .reasons
            .iter()
            .find(|found| found.reason == reason);
        let found = found.unwrap_or_else(|| panic!("{to}: {:?}", explained.reasons));
        assert!(found.message.contains(part), "{to}: {}", found.message);
    }
}

#[test]
fn without_a_target_every_newer_release_of_the_channel_is_explained_newest_first() {
    let explanation = graph().explain(question("4.1.1", None)).unwrap();

    let versions: Vec<&str> = explanation
        .releases
        .iter()
        .map(|one| one.version.as_str())
        .collect();
    assert_eq!(versions, ["4.1.4", "4.1.3", "4.1.2"]);
}

#[test]
fn a_version_that_the_channel_lacks_is_told_with_the_channels_that_have_it() {
    let error = graph().explain(question("4.2.0", None)).unwrap_err();

    assert_eq!(
        error.to_string(),
        "stable-4.1 has no release 4.2.0 for amd64; it is in stable-4.2"
    );
}
