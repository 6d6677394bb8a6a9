//! An update service behind an update service.

use std::sync::Arc;

use e2e::registry::clock;
use http::Uri;
use tokio::net::TcpListener;
use tokio::sync::watch;
use updates::data::Tree;
use updates::normal::Normal;
use updates::registry::Patience;
use updates::serve::{Door, House, Metrics, Served, serve};
use updates::source::Upstream;
use updates::source::upstream::Settings;
use updates::{Graph, GraphData, RawGraph};

const ARCHITECTURES: [&str; 2] = ["amd64", "arm64"];

/// A graph with everything in it: safe, conditional and blocked edges, two channels, two architectures.
fn graph() -> Graph {
    let nodes: Vec<String> = ARCHITECTURES
        .iter()
        .flat_map(|arch| {
            (0..4).map(move |patch| {
                format!(
                    r#"{{"version":"4.16.{patch}+{arch}","payload":"{arch}{patch}","metadata":{{"io.openshift.upgrades.graph.release.arch":"{arch}","url":"https://a"}}}}"#
                )
            })
        })
        .collect();
    let raw = format!(
        r#"{{"nodes":[{}],"edges":[[0,1],[0,2],[1,2],[2,3],[4,5],[5,6]]}}"#,
        nodes.join(",")
    );
    let files = [
        ("version", "1.1.0"),
        ("raw/metadata.json", "{}"),
        (
            "channels/fast-4.16.yaml",
            "name: fast-4.16\nversions: [4.16.0, 4.16.1, 4.16.2, 4.16.3]\n",
        ),
        (
            "channels/stable-4.16.yaml",
            "name: stable-4.16\nversions: [4.16.0, 4.16.1, 4.16.2]\n",
        ),
        ("blocked-edges/4.16.3.yaml", "to: 4.16.3\nfrom: .*\n"),
        (
            "blocked-edges/4.16.2-slip.yaml",
            "to: 4.16.2\nfrom: 4[.]16[.]0[+].*\nurl: https://a\nname: Slip\nmessage: It slips.\nmatchingRules: [{type: Always}]\n",
        ),
    ];
    let tree = Tree {
        files: files
            .map(|(name, text)| (name.to_owned(), text.as_bytes().to_vec()))
            .into(),
        folders: ["raw", "channels", "blocked-edges"]
            .map(str::to_owned)
            .into(),
    };
    let data = GraphData::read(&tree).unwrap();
    assert_eq!(data.problems, []);
    Graph::build(RawGraph::read(raw.as_bytes()).unwrap(), data)
}

/// A service with this graph, and the address of its answers.
async fn service(graph: Graph) -> (House, Uri, watch::Sender<bool>) {
    let house = House {
        served: Arc::new(Served::waiting("not yet")),
        metrics: Arc::new(Metrics::new(clock())),
    };
    house.served.swap(graph, house.metrics.clock().now());
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("http://{}/v1/graph", listener.local_addr().unwrap());
    let (ending, end) = watch::channel(false);
    let door = Door::Main {
        prefix: String::new(),
        signatures: None,
    };
    tokio::spawn(serve(listener, door, house.clone(), end));
    (house, url.parse().unwrap(), ending)
}

fn upstream(url: Uri, channels: &[&str]) -> Upstream {
    let settings = Settings {
        url,
        channels: channels.iter().map(|name| (*name).to_owned()).collect(),
        architectures: ARCHITECTURES.map(str::to_owned).to_vec(),
        authorities: Vec::new(),
        plain_http: Vec::new(),
        patience: Patience::default(),
    };
    Upstream::new(settings, clock()).unwrap()
}

fn answers(graph: &Graph) -> Vec<String> {
    let normal = Normal::new(graph).unwrap();
    let mut answers = Vec::new();
    for channel in ["fast-4.16", "stable-4.16"] {
        for architecture in ARCHITECTURES {
            let mut bytes = Vec::new();
            let answer = graph.answer(channel, architecture);
            normal.write(&answer, &mut bytes).unwrap();
            answers.push(String::from_utf8(bytes).unwrap());
        }
    }
    answers
}

#[tokio::test(flavor = "multi_thread")]
async fn a_service_behind_a_service_gives_the_same_answers_for_every_channel() {
    let (house, url, _ending) = service(graph()).await;

    let raw = upstream(url, &["stable-4.16"]).ask().await.unwrap();

    let behind = Graph::build((*raw).clone(), GraphData::default());
    assert_eq!(behind.aside(), []);
    let first = house.served.current().unwrap();
    assert_eq!(answers(&behind), answers(first.graph()));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_has_not_changed_is_not_sent_again() {
    let (house, url, _ending) = service(graph()).await;
    let upstream = upstream(url, &["stable-4.16"]);
    let first = upstream.ask().await.unwrap();

    let same = upstream.ask().await.unwrap();
    let now = house.metrics.clock().now();
    house.served.swap(Graph::default(), now);
    let other = upstream.ask().await.unwrap();

    assert!(Arc::ptr_eq(&first, &same));
    assert_eq!(other.releases, []);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_names_no_channel_to_a_service_that_wants_one_is_told_how() {
    let (_house, url, _ending) = service(graph()).await;

    let refused = upstream(url, &[]).ask().await.unwrap_err();

    assert!(
        refused.to_string().contains("--upstream-channel"),
        "{refused}"
    );
}
