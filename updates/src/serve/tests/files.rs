//! Files that change, and files with a slip in them.

use std::fs;

use super::*;

/// A raw graph file and a graph-data folder with one block.
fn files(folder: &Path, block: &str) -> Files {
    let data = folder.join("data");
    for part in ["raw", "channels", "blocked-edges"] {
        fs::create_dir_all(data.join(part)).unwrap();
    }
    let raw = r#"{"nodes":[
        {"version":"4.1.0+amd64","payload":"a","metadata":{"io.openshift.upgrades.graph.release.arch":"amd64"}},
        {"version":"4.1.1+amd64","payload":"b","metadata":{"io.openshift.upgrades.graph.release.arch":"amd64"}}],
        "edges":[[0,1]]}"#;
    fs::write(folder.join("raw.json"), raw).unwrap();
    fs::write(data.join("version"), "1.1.0\n").unwrap();
    fs::write(data.join("raw/metadata.json"), "{}").unwrap();
    fs::write(
        data.join("channels/stable-4.1.yaml"),
        "name: stable-4.1\nversions: [4.1.0, 4.1.1]\n",
    )
    .unwrap();
    fs::write(data.join("blocked-edges/4.1.1.yaml"), block).unwrap();
    Files {
        raw: folder.join("raw.json"),
        graph_data: data,
    }
}

fn edges(house: &House) -> String {
    let answer: Value = serde_json::from_str(&text(&get(house, GRAPH))).unwrap();
    answer["edges"].to_string()
}

const NOBODY: &str = "to: 4.1.1\nfrom: nobody\n";
const EVERYBODY: &str = "to: 4.1.1\nfrom: .*\n";
const A_SLIP: &str = "to: 4.1.1\nform: .*\n";

#[test]
fn changed_files_are_served_without_a_restart() {
    let folder = tempfile::tempdir().unwrap();
    let house = super::house();
    load_into(&files(folder.path(), NOBODY), &house);
    assert_eq!(edges(&house), "[[0,1]]");

    load_into(&files(folder.path(), EVERYBODY), &house);

    assert_eq!(edges(&house), "[]");
}

#[test]
fn a_slip_in_graph_data_leaves_the_last_good_graph_in_its_place() {
    let folder = tempfile::tempdir().unwrap();
    let house = super::house();
    load_into(&files(folder.path(), EVERYBODY), &house);

    load_into(&files(folder.path(), A_SLIP), &house);

    assert_eq!(edges(&house), "[]");
    let metrics = text(&get(&house, "/metrics"));
    assert!(
        metrics.contains("cincinnati_gb_graph_upstream_errors_total 1"),
        "{metrics}"
    );
}

#[test]
fn a_slip_at_the_first_start_holds_the_edge_back_and_is_mended_by_the_next_load() {
    let folder = tempfile::tempdir().unwrap();
    let house = super::house();
    load_into(&files(folder.path(), A_SLIP), &house);
    assert_eq!(edges(&house), "[]");

    load_into(&files(folder.path(), NOBODY), &house);

    assert_eq!(edges(&house), "[[0,1]]");
}

#[test]
fn missing_graph_data_is_told_by_readiness_and_does_not_take_a_graph_away() {
    let folder = tempfile::tempdir().unwrap();
    let house = super::house();
    let files = files(folder.path(), NOBODY);
    fs::remove_file(files.graph_data.join("version")).unwrap();
    load_into(&files, &house);
    assert!(text(&get(&house, "/readyz")).contains("graph data without `version`"));

    fs::write(files.graph_data.join("version"), "1.1.0").unwrap();
    load_into(&files, &house);
    fs::remove_file(files.graph_data.join("version")).unwrap();
    load_into(&files, &house);

    assert_eq!(get(&house, "/readyz").status(), 200);
    assert_eq!(edges(&house), "[[0,1]]");
}
