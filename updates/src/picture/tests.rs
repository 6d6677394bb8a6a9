//! What a picture shows, and what it leaves out.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use std::collections::BTreeSet;

use proptest::prelude::*;

use super::*;
use crate::data::{Risk, Rule};
use crate::wire::{Received, ReceivedGroup, ReceivedPair, ReceivedRelease};

/// Edges between versions; those with a name bring that known issue.
fn answer(versions: &[&str], edges: &[(&str, &str, Option<&str>)]) -> Received {
    let place = |version: &str| versions.iter().position(|one| *one == version).unwrap();
    let safe = edges.iter().filter(|(_, _, risk)| risk.is_none());
    let group = |(from, to, risk): &(&str, &str, Option<&str>)| ReceivedGroup {
        edges: vec![ReceivedPair {
            from: (*from).to_owned(),
            to: (*to).to_owned(),
        }],
        risks: vec![Risk {
            name: risk.unwrap().to_owned(),
            matching_rules: vec![Rule {
                kind: "Always".to_owned(),
                promql: None,
            }],
            ..Risk::default()
        }],
    };
    Received {
        nodes: versions
            .iter()
            .map(|version| ReceivedRelease {
                version: (*version).to_owned(),
                ..ReceivedRelease::default()
            })
            .collect(),
        edges: safe.map(|(from, to, _)| (place(from), place(to))).collect(),
        conditional: Some(
            edges
                .iter()
                .filter(|(_, _, risk)| risk.is_some())
                .map(group)
                .collect(),
        ),
    }
}

fn picture(answer: &Received, sight: Sight<'_>) -> Picture {
    Picture::new("stable-4.2", "amd64", &Offers::new(answer), sight).unwrap()
}

/// Two minor versions; 4.1.2 is reached directly and over 4.1.1, 4.2.0 from 4.1.1, 4.2.1 only with a known issue.
fn two_minors() -> Received {
    answer(
        &["4.1.0", "4.1.1", "4.1.2", "4.2.0", "4.2.1", "4.2.2"],
        &[
            ("4.1.0", "4.1.1", None),
            ("4.1.0", "4.1.2", None),
            ("4.1.1", "4.1.2", None),
            ("4.1.1", "4.2.0", None),
            ("4.2.0", "4.2.1", Some("Slow<&\">")),
        ],
    )
}

const FROM: Sight<'static> = Sight {
    from: Some("4.1.1"),
    to: None,
    all_edges: false,
};

fn between(picture: &Picture) -> Vec<(&str, &str)> {
    let edges = picture.edges.iter();
    edges
        .map(|edge| (picture.version(edge.from), picture.version(edge.to)))
        .collect()
}

#[test]
fn a_release_is_above_the_older_ones_of_its_lane_and_newer_minors_are_further_right() {
    let shown = picture(&two_minors(), Sight::default());

    let places: Vec<(&str, usize, usize)> = shown
        .releases
        .iter()
        .map(|one| (one.version.as_str(), one.lane, one.row))
        .collect();
    assert_eq!(shown.lanes, ["4.1", "4.2"]);
    assert_eq!(
        places,
        [
            ("4.1.0", 0, 2),
            ("4.1.1", 0, 1),
            ("4.1.2", 0, 0),
            ("4.2.0", 1, 2),
            ("4.2.1", 1, 1),
            ("4.2.2", 1, 0),
        ]
    );
}

#[test]
fn an_edge_that_only_shortens_a_way_is_counted_and_not_drawn_unless_all_are_asked_for() {
    let answer = two_minors();

    let fewest = picture(&answer, Sight::default());
    let all = picture(
        &answer,
        Sight {
            all_edges: true,
            ..Sight::default()
        },
    );

    assert!(!between(&fewest).contains(&("4.1.0", "4.1.2")));
    assert_eq!((fewest.edges.len(), fewest.left_out), (4, 1));
    assert_eq!((all.edges.len(), all.left_out), (5, 0));
}

#[test]
fn a_way_without_known_issues_is_drawn_beside_a_longer_one_with_them() {
    let answer = answer(
        &["4.1.0", "4.1.1", "4.1.2"],
        &[
            ("4.1.0", "4.1.1", Some("Slow")),
            ("4.1.1", "4.1.2", None),
            ("4.1.0", "4.1.2", None),
        ],
    );

    let shown = picture(&answer, Sight::default());

    assert_eq!(shown.edges.len(), 3);
}

#[test]
fn releases_are_marked_by_how_the_cluster_reaches_them() {
    let shown = picture(&two_minors(), FROM);

    let marks: Vec<(Mark, bool)> = shown
        .releases
        .iter()
        .map(|one| (one.mark, one.is_next))
        .collect();
    assert_eq!(
        marks,
        [
            (Mark::Older, false),
            (Mark::Here, false),
            (Mark::Recommended, true),
            (Mark::Recommended, true),
            (Mark::WithRisks, false),
            (Mark::No, false),
        ]
    );
}

#[test]
fn the_ways_to_a_release_are_marked_also_where_they_take_an_edge_that_is_not_drawn_otherwise() {
    let sight = Sight {
        from: Some("4.1.0"),
        to: Some("4.1.2"),
        all_edges: false,
    };

    let shown = picture(&two_minors(), sight);

    let first: Vec<&Drawn> = shown
        .edges
        .iter()
        .filter(|edge| edge.way == Way::First)
        .collect();
    assert_eq!(first.len(), 1);
    assert_eq!(shown.version(first[0].to), "4.1.2");
    let on_way = shown.releases.iter().filter(|one| one.on_way);
    assert_eq!(on_way.count(), 2);
}

#[test]
fn what_the_channel_does_not_hold_and_what_is_no_version_is_refused_by_name() {
    let answer = two_minors();
    let reason = |from| {
        let sight = Sight {
            from: Some(from),
            ..Sight::default()
        };
        Picture::new("c", "amd64", &Offers::new(&answer), sight)
            .unwrap_err()
            .reason()
    };

    assert_eq!(reason("4.9.9"), "version_not_found");
    assert_eq!(reason("latest"), "invalid_params");
}

#[test]
fn a_picture_that_would_show_nothing_is_refused_by_name() {
    let release = |number: usize| ReceivedRelease {
        version: format!("4.1.{number}"),
        ..ReceivedRelease::default()
    };
    let answer = |releases, edges| Received {
        nodes: (0..releases).map(release).collect(),
        edges,
        conditional: None,
    };
    let all_edges = Sight {
        all_edges: true,
        ..Sight::default()
    };
    let pairs = (0..200).flat_map(|from| (from + 1..200).map(move |to| (from, to)));
    let crowded = answer(200, pairs.collect());

    let releases = Picture::new(
        "c",
        "amd64",
        &Offers::new(&answer(RELEASES_MAX + 1, Vec::new())),
        Sight::default(),
    );
    let edges = Picture::new("c", "amd64", &Offers::new(&crowded), all_edges);

    assert_eq!(releases.unwrap_err().reason(), "picture_too_large");
    let edges = edges.unwrap_err().to_string();
    assert!(
        edges.contains("19900 edges") && edges.contains("edges=all"),
        "{edges}"
    );
    assert_eq!(picture(&crowded, Sight::default()).edges.len(), 199);
}

#[test]
fn what_graph_data_calls_things_cannot_break_out_of_the_text() {
    let shown = picture(&two_minors(), FROM);

    let (svg, dot) = (shown.svg(), shown.dot());

    assert!(svg.contains("known issue Slow&lt;&amp;&quot;&gt;"));
    assert!(!svg.contains("Slow<"));
    assert!(dot.contains(r#"tooltip="Slow<&\">""#), "{dot}");
}

#[test]
fn a_release_of_the_svg_asks_for_the_picture_with_itself_chosen() {
    let shown = picture(&two_minors(), FROM);

    let svg = shown.svg();

    assert!(svg.contains(r#"href="?channel=stable-4.2&amp;arch=amd64&amp;from=4.1.0""#));
    assert!(
        svg.contains(r#"href="?channel=stable-4.2&amp;arch=amd64&amp;from=4.1.1&amp;to=4.2.0""#)
    );
}

/// What can be reached from each place, by way of these edges.
fn reached(edges: &[(usize, usize)], releases: usize) -> BTreeSet<(usize, usize)> {
    let mut all = BTreeSet::new();
    for start in 0..releases {
        let mut open = vec![start];
        while let Some(at) = open.pop() {
            for (_, to) in edges.iter().filter(|(from, _)| *from == at) {
                if all.insert((start, *to)) {
                    open.push(*to);
                }
            }
        }
    }
    all
}

fn some_answer() -> impl Strategy<Value = Received> {
    let edge = (0_usize..70, 0_usize..70, any::<bool>());
    proptest::collection::vec(edge, 0..300).prop_map(|edges| {
        let versions: Vec<String> = (0..70)
            .map(|n| format!("4.{}.{}", n / 30, n % 30))
            .collect();
        let names: Vec<&str> = versions.iter().map(String::as_str).collect();
        let edges: Vec<(&str, &str, Option<&str>)> = edges
            .iter()
            .filter(|(from, to, _)| from < to)
            .map(|(from, to, risk)| (names[*from], names[*to], risk.then_some("Slow")))
            .collect();
        answer(&names, &edges)
    })
}

proptest! {
    #[test]
    fn what_can_be_reached_in_the_answer_can_be_reached_so_in_the_picture(answer in some_answer()) {
        let all_edges = Sight { all_edges: true, ..Sight::default() };
        let (fewest, all) = (picture(&answer, Sight::default()), picture(&answer, all_edges));

        let edges = |picture: &Picture, risks: bool| -> Vec<(usize, usize)> {
            let edges = picture.edges.iter().filter(|edge| risks || edge.risks.is_empty());
            edges.map(|edge| (edge.from, edge.to)).collect()
        };
        let count = all.releases.len();
        for risks in [false, true] {
            prop_assert_eq!(reached(&edges(&fewest, risks), count), reached(&edges(&all, risks), count));
        }
        for edge in &fewest.edges {
            let (from, to) = (&fewest.releases[edge.from], &fewest.releases[edge.to]);
            prop_assert!((to.lane, from.row) > (from.lane, to.row));
        }
        let places: BTreeSet<(usize, usize)> =
            fewest.releases.iter().map(|one| (one.lane, one.row)).collect();
        prop_assert_eq!(places.len(), count);
    }
}
