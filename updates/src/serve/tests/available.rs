//! Whether there is an update for a cluster that somebody named.

use super::super::available::Cluster;
use super::*;
use crate::raw::RawGraph;

fn cluster(text: &str) -> Cluster {
    text.parse().unwrap()
}

fn house_of(clusters: &[&str]) -> House {
    let clusters = clusters.iter().map(|text| cluster(text)).collect();
    let metrics = Metrics::new(Clock::fixed(jiff::Timestamp::UNIX_EPOCH)).telling_of(clusters);
    House {
        metrics: Arc::new(metrics),
        ..house()
    }
}

/// 4.1.0 and 4.1.1 with an edge between them.
fn with_an_edge() -> Graph {
    let release = |version: &str| RawRelease {
        version: format!("{version}+amd64"),
        payload: Some(format!("image:{version}")),
        metadata: BTreeMap::from([
            (keys::ARCHITECTURE.to_owned(), "amd64".to_owned()),
            (keys::CHANNELS.to_owned(), "stable-4.1".to_owned()),
        ]),
    };
    let raw = RawGraph {
        releases: vec![release("4.1.0"), release("4.1.1")],
        edges: vec![(0, 1)],
        ..RawGraph::default()
    };
    Graph::build(raw, GraphData::default())
}

fn gauge(house: &House, name: &str, version: &str) -> String {
    let metrics = text(&get(house, "/metrics"));
    let start = format!(
        "windlass_update_{name}{{channel=\"stable-4.1\",arch=\"amd64\",version=\"{version}\"}} "
    );
    let line = metrics.lines().find_map(|line| line.strip_prefix(&start));
    line.unwrap_or_else(|| panic!("{start} is not in\n{metrics}"))
        .to_owned()
}

#[test]
fn a_release_that_a_named_cluster_may_go_to_is_counted_when_it_comes_and_when_it_goes() {
    let house = house_of(&["stable-4.1=4.1.0"]);
    let at = house.metrics.clock().now();
    house.served.swap(graph(&["4.1.0"]), at);
    assert_eq!(gauge(&house, "available", "4.1.0"), "0");

    house.served.swap(with_an_edge(), at);
    assert_eq!(gauge(&house, "available", "4.1.0"), "1");
    assert_eq!(gauge(&house, "version_not_found", "4.1.0"), "0");

    house.served.swap(graph(&["4.1.0"]), at);
    assert_eq!(gauge(&house, "available", "4.1.0"), "0");
}

#[test]
fn a_cluster_whose_version_the_channel_lacks_is_told_apart() {
    let house = house_of(&["stable-4.1=4.0.9"]);
    let at = house.metrics.clock().now();

    house.served.swap(with_an_edge(), at);

    assert_eq!(gauge(&house, "available", "4.0.9"), "0");
    assert_eq!(gauge(&house, "version_not_found", "4.0.9"), "1");
}

#[test]
fn a_cluster_is_named_by_channel_architecture_and_version() {
    assert_eq!(
        cluster("fast-4.16/arm64=4.16.3").to_string(),
        "fast-4.16/arm64=4.16.3"
    );
    assert_eq!(cluster("fast-4.16=4.16.3").arch, "amd64");
    for (text, says) in [
        ("fast-4.16", "no `=`"),
        ("Fast=4.16.3", "channel 'Fast'"),
        ("fast/ARM=4.16.3", "arch 'ARM'"),
        ("fast=4.16", "no version"),
    ] {
        let error = text.parse::<Cluster>().unwrap_err().to_string();
        assert!(error.contains(says), "{text}: {error}");
    }
}
