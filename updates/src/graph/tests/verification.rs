//! Where signatures are required, a release that nobody has verified is set aside and named.

use super::*;
use crate::data::{RAW_METADATA, Tree, VERIFICATION};

/// What graph data says of the images of 4.1.0, 4.1.1 and so on, with signatures required.
fn requiring(verification: Option<&str>) -> GraphData {
    let mut tree = Tree::default();
    let mut add = |file: &str, text: &str| {
        tree.files.insert(file.to_owned(), text.as_bytes().to_vec());
    };
    add("version", "1.1.0");
    add(RAW_METADATA, "{}");
    if let Some(text) = verification {
        add(VERIFICATION, text);
    }
    for folder in ["blocked-edges", "channels", "raw"] {
        tree.folders.insert(folder.to_owned());
    }
    let mut data = GraphData::read(&tree).unwrap();
    data.require_signatures();
    data
}

fn built(verification: Option<&str>) -> Graph {
    let mut raw = raw(&["4.1.0", "4.1.1", "4.1.2"], &[(0, 1), (0, 2), (1, 2)]);
    for (number, release) in raw.releases.iter_mut().enumerate() {
        release.payload = Some(format!("registry.example.com/releases@sha256:{number}"));
    }
    Graph::build(raw, requiring(verification))
}

fn offered(graph: &Graph) -> Vec<(String, String)> {
    let name = |id: ReleaseId| graph.releases()[id].version_on("amd64");
    (0..graph.releases().len())
        .flat_map(|to| {
            let from = graph.offered_into(to).map(move |(from, _)| (from, to));
            from.collect::<Vec<_>>()
        })
        .map(|(from, to)| (name(from), name(to)))
        .collect()
}

#[test]
fn a_release_that_is_not_verified_is_set_aside_with_its_edges_and_named() {
    let graph = built(Some(
        r#"{"sha256:0": {"verified": true, "says": "by the release key"},
            "sha256:1": {"verified": false, "says": "no trusted key has signed it"},
            "sha256:2": {"verified": true}}"#,
    ));

    assert_eq!(offered(&graph), [("4.1.0".to_owned(), "4.1.2".to_owned())]);
    let named: Vec<String> = graph.aside().iter().map(ToString::to_string).collect();
    assert_eq!(
        named,
        [
            "release 4.1.1+amd64 is not verified: raw/verification.json says: no trusted key has signed it"
        ]
    );
    assert!(graph.is_whole());
}

#[test]
fn who_has_no_result_is_not_verified_and_neither_is_an_entry_with_a_slip() {
    let graph = built(Some(
        r#"{"sha256:0": {"verified": true},
            "sha256:1": {"verifed": true}}"#,
    ));

    let reasons: Vec<&str> = graph.aside().iter().map(Aside::reason).collect();
    assert_eq!(reasons, ["NotVerified", "NotVerified"]);
    let problems: Vec<String> = graph.problems().iter().map(ToString::to_string).collect();
    assert_eq!(problems.len(), 1);
    assert!(
        problems[0].starts_with("raw/verification.json, line 2, field `sha256:1`: "),
        "{problems:?}"
    );
}

#[test]
fn without_results_that_can_be_read_the_graph_takes_nobodys_place() {
    let good = built(Some(
        r#"{"sha256:0": {"verified": true}, "sha256:1": {"verified": true}, "sha256:2": {"verified": true}}"#,
    ));

    for verification in [None, Some("{"), Some("[]")] {
        let graph = built(verification);
        assert!(!may_take_over(&graph, &good), "{verification:?}");
        assert_eq!(offered(&graph), []);
    }
}

#[test]
fn where_signatures_are_not_required_results_change_nothing() {
    let raw = raw(&["4.1.0", "4.1.1"], &[(0, 1)]);

    let graph = Graph::build(raw, GraphData::default());

    assert_eq!(graph.aside(), []);
    assert_eq!(offered(&graph).len(), 1);
}
