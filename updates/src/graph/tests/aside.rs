//! What cannot be part of the graph is set aside by name, and the rest is served.

use super::*;

#[test]
fn a_bad_release_is_set_aside_with_its_edges_and_the_rest_is_served() {
    let mut raw = line();
    raw.releases[1].version = "four".to_owned();

    let graph = Graph::build(raw, GraphData::default());

    assert_eq!(
        graph.counts(),
        Counts {
            releases: 3,
            safe: 2,
            conditional: 0,
            blocked: 0
        }
    );
    assert_eq!(graph.aside()[0].reason(), "VersionNotSemantic");
}

#[test]
fn of_two_images_of_one_version_the_first_is_served_and_the_other_named() {
    let mut raw = line();
    raw.releases.push(RawRelease {
        payload: Some("image@sha256:other".to_owned()),
        ..release("4.1.1", "amd64")
    });
    raw.edges.push((4, 3));

    let graph = Graph::build(raw, GraphData::default());

    assert_eq!(
        graph.releases()[1].payload.as_deref(),
        Some("image@sha256:4.1.1-amd64")
    );
    assert_eq!(edge(&graph, "4.1.1", "4.2.0"), "no edge");
    assert_eq!(
        graph.aside().iter().map(Aside::reason).collect::<Vec<_>>(),
        ["Duplicate"]
    );
}

#[test]
fn a_release_that_is_known_by_name_becomes_the_one_that_is_made_of_it() {
    let mut raw = line();
    raw.releases.insert(
        0,
        RawRelease {
            version: "4.2.0+amd64".to_owned(),
            ..RawRelease::default()
        },
    );
    raw.edges = vec![(1, 0), (3, 4)];

    let graph = Graph::build(raw, GraphData::default());

    assert_eq!(edge(&graph, "4.1.0", "4.2.0"), "safe");
    assert_eq!(edge(&graph, "4.1.2", "4.2.0"), "safe");
    assert_eq!(graph.aside(), []);
}

#[test]
fn of_a_circle_the_edges_backwards_are_set_aside_and_named() {
    let mut raw = line();
    raw.edges.extend([(2, 0), (1, 1)]);

    let graph = Graph::build(raw, GraphData::default());

    assert_eq!(edge(&graph, "4.1.2", "4.1.0"), "blocked ClosesCircle");
    assert_eq!(edge(&graph, "4.1.0", "4.1.2"), "safe");
    let named: Vec<String> = graph.aside().iter().map(ToString::to_string).collect();
    assert_eq!(
        named,
        [
            "the edge of 4.1.1+amd64 to itself",
            "the edge from 4.1.2+amd64 to 4.1.0+amd64 goes backwards and closes a circle",
        ]
    );
}

#[test]
fn an_edge_backwards_that_closes_no_circle_is_left_alone() {
    let graph = Graph::build(raw(&["4.1.0", "4.1.1"], &[(1, 0)]), GraphData::default());

    assert_eq!(edge(&graph, "4.1.1", "4.1.0"), "safe");
}
