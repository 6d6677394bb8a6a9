//! Bad input of every kind, from seeds: nothing panics, nothing grows without bound, nothing leads out of its folder.
//!
//! This is fuzzing without coverage, on the toolchain that builds everything else, and the same in every run. A longer run:
//! `WINDLASS_MUTATIONS=1000000 cargo test --release -p updates --test mutations`.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

mod mutate;

use std::fs;
use std::path::Path;
use std::sync::Arc;

use api::clock::Clock;
use updates::client::Offers;
use updates::data::Tree;
use updates::files;
use updates::registry::manifest::LAYERS_MAX;
use updates::registry::{Credentials, Manifest, Reference};
use updates::serve::{Door, House, Metrics, Served};
use updates::wire::Received;
use updates::{Graph, GraphData, RawGraph};

/// Words that mean something to a reader of the update graph.
const WORDS: [&str; 28] = [
    "4.1.0",
    "4.1.1+amd64",
    "99999999999999999999.0.0",
    "4.1.0-rc.1",
    "+",
    ".*",
    "(",
    "[a",
    "a{1000}{1000}",
    "to: ",
    "from: ",
    "name: ",
    "versions:",
    "url: ",
    "matchingRules:",
    "- type: PromQL",
    "{}",
    "[]",
    "null",
    "&a [*a]",
    "*a",
    "<<: ",
    "!!binary ",
    "\"io.openshift.upgrades.graph.previous.remove_regex\":",
    "\"*\"",
    "-1",
    "1e999",
    "\u{0}",
];

/// A graph is made of two releases whatever else there is: whatever graph data says is tried on it.
fn raw() -> RawGraph {
    let text = fs::read(Path::new(env!("CARGO_MANIFEST_DIR")).join("seeds/raw-graph/two.json"));
    RawGraph::read(&text.unwrap()).unwrap()
}

fn served(graph: Graph) -> House {
    let at = jiff::Timestamp::UNIX_EPOCH;
    let house = House {
        served: Arc::new(Served::waiting("not loaded yet")),
        metrics: Arc::new(Metrics::new(Clock::fixed(at))),
    };
    house.served.swap(graph, at);
    house
}

fn ask(house: &House, query: &str) -> Option<u16> {
    let door = Door::Main {
        prefix: String::new(),
        signatures: None,
    };
    // What is no URI never comes as far.
    let request = http::Request::builder().uri(query).body(()).ok()?;
    let reply = door.respond(&request, &house.served, &house.metrics);
    Some(reply.status().as_u16())
}

/// All that is done with a graph.
fn use_of(graph: Graph) {
    let counts = graph.counts();
    assert!(counts.safe + counts.conditional + counts.blocked <= 10_000);
    let house = served(graph);
    for query in [
        "/graph?channel=stable-4.1",
        "/v1/explain?channel=stable-4.1&from=4.1.0",
        "/v1/feed?channel=stable-4.1",
    ] {
        let status = ask(&house, query).unwrap();
        assert!(matches!(status, 200 | 404), "{query}: {status}");
    }
}

#[test]
fn a_raw_graph_is_read_or_refused() {
    mutate::all("raw-graph", &WORDS, |input| {
        if let Ok(raw) = RawGraph::read(input) {
            use_of(Graph::build(raw, GraphData::default()));
        }
    });
}

/// The input is every file of the graph data in turn.
#[test]
fn graph_data_is_read_or_named() {
    let files = [
        "version",
        "raw/metadata.json",
        "raw/verification.json",
        "channels/stable-4.1.yaml",
        "blocked-edges/4.1.1-a.yaml",
    ];
    mutate::all("graph-data", &WORDS, |input| {
        for file in files {
            let mut tree = Tree::default();
            for folder in ["raw", "channels", "blocked-edges"] {
                tree.folders.insert(folder.to_owned());
            }
            tree.files.insert("version".to_owned(), b"1.1.0".to_vec());
            tree.files
                .insert("raw/metadata.json".to_owned(), b"{}".to_vec());
            tree.files.insert(file.to_owned(), input.to_vec());
            if let Ok(data) = GraphData::read(&tree) {
                use_of(Graph::build(raw(), data));
            }
        }
    });
}

#[test]
fn an_archive_is_read_or_refused_and_names_nothing_outside() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("graph-data.tar");
    mutate::all("archive", &WORDS, |input| {
        fs::write(&path, input).unwrap();
        let Ok(tree) = files::graph_data(&path) else {
            return;
        };
        for name in tree.files.keys() {
            let outside = name.starts_with('/') || name.split('/').any(|part| part == "..");
            assert!(!outside, "{name}");
        }
        if let Ok(data) = GraphData::read(&tree) {
            use_of(Graph::build(raw(), data));
        }
    });
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 1);
}

#[test]
fn a_question_is_answered_or_refused() {
    let house = served(Graph::build(raw(), GraphData::default()));
    mutate::all("query", &WORDS, |input| {
        if let Some(status) = ask(&house, &String::from_utf8_lossy(input)) {
            assert!(matches!(status, 200 | 304 | 400 | 404), "{status}");
        }
    });
}

#[test]
fn another_services_answer_is_understood_or_refused() {
    mutate::all("answer", &WORDS, |input| {
        if let Ok(received) = serde_json::from_slice::<Received>(input) {
            let offers = Offers::new(&received);
            for node in &received.nodes {
                drop(offers.advise(&node.version));
            }
        }
        if let Ok(raw) = RawGraph::read(input) {
            use_of(Graph::build(raw, GraphData::default()));
        }
    });
}

#[test]
fn a_manifest_is_read_or_refused() {
    mutate::all("manifest", &WORDS, |input| {
        if let Ok(Manifest::Image { layers, .. }) = Manifest::read(input) {
            assert!(layers.len() <= LAYERS_MAX);
        }
    });
}

#[test]
fn credentials_are_read_or_refused_and_never_told() {
    mutate::all("credentials", &WORDS, |input| {
        match Credentials::read(input) {
            Ok(credentials) => {
                let told = format!("{credentials:?}");
                assert!(!told.contains("open sesame"), "{told}");
            }
            Err(refused) => drop(refused.to_string()),
        }
    });
}

#[test]
fn the_name_of_an_image_is_read_as_it_is_written_or_refused() {
    mutate::all("reference", &WORDS, |input| {
        let text = String::from_utf8_lossy(input);
        if let Ok(reference) = text.parse::<Reference>() {
            let again: Reference = reference.to_string().parse().unwrap();
            assert_eq!(again, reference, "{text}");
        }
    });
}

/// Zeros, packed a thousandfold.
#[test]
fn a_bomb_is_refused_before_it_goes_off() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("bomb.gz");
    let mut packed = flate2::write::GzEncoder::new(
        fs::File::create(&path).unwrap(),
        flate2::Compression::fast(),
    );
    let zeros = vec![0; 1 << 20];
    for _ in 0..=(files::RAW_GRAPH_BYTES_MAX >> 20) {
        std::io::Write::write_all(&mut packed, &zeros).unwrap();
    }
    packed.finish().unwrap();

    let refused = files::raw_graph(&path).unwrap_err();

    assert!(refused.to_string().contains("more than"), "{refused}");
}
