//! The service's responses: story by story, and against recorded ones of the reference.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

use std::collections::BTreeMap;
use std::io::Read as _;
use std::path::{Path, PathBuf};

use api::clock::Clock;
use http::{Method, Request};
use serde_json::Value;

use super::respond::{Door, House, Reply};
use super::source::{Files, load_into};
use super::*;
use crate::data::{Channel, GraphData};
use crate::keys;
use crate::raw::{RawGraph, RawRelease};

fn house() -> House {
    House {
        served: Arc::new(Served::waiting("the sources have not been loaded yet")),
        metrics: Arc::new(Metrics::new(Clock::fixed(jiff::Timestamp::UNIX_EPOCH))),
    }
}

/// A graph of one channel with these releases.
fn graph(versions: &[&str]) -> Graph {
    let release = |version: &&str| RawRelease {
        version: format!("{version}+amd64"),
        payload: Some(format!("image:{version}")),
        metadata: BTreeMap::from([(keys::ARCHITECTURE.to_owned(), "amd64".to_owned())]),
    };
    let raw = RawGraph {
        releases: versions.iter().map(release).collect(),
        ..RawGraph::default()
    };
    let channel = Channel {
        file: "channels/stable-4.1.yaml".to_owned(),
        name: "stable-4.1".to_owned(),
        versions: versions
            .iter()
            .map(|version| semver::Version::parse(version).unwrap())
            .collect(),
    };
    Graph::build(
        raw,
        GraphData {
            channels: vec![channel],
            ..GraphData::default()
        },
    )
}

fn serving() -> House {
    let house = house();
    house.served.swap(graph(&["4.1.0", "4.1.1"]));
    house
}

fn main_door() -> Door {
    Door::Main {
        prefix: "/api".to_owned(),
    }
}

fn ask(house: &House, method: Method, path: &str, headers: &[(&str, &str)]) -> Reply {
    let door = if path.starts_with("/api") {
        main_door()
    } else {
        Door::Status
    };
    let mut request = Request::builder().method(method).uri(path);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    door.respond(&request.body(()).unwrap(), &house.served, &house.metrics)
}

fn get(house: &House, path: &str) -> Reply {
    ask(house, Method::GET, path, &[])
}

fn text(reply: &Reply) -> String {
    String::from_utf8(reply.body().to_vec()).unwrap()
}

fn header<'r>(reply: &'r Reply, name: &str) -> &'r str {
    reply
        .headers()
        .get(name)
        .map_or("", |value| value.to_str().unwrap())
}

const GRAPH: &str = "/api/v1/graph?channel=stable-4.1";

#[test]
fn before_the_first_graph_both_ports_answer_and_readiness_says_why() {
    let house = house();

    let ready = get(&house, "/readyz");

    assert_eq!(ready.status(), 503);
    assert!(text(&ready).contains("have not been loaded yet"));
    assert_eq!(get(&house, "/livez").status(), 200);
    assert_eq!(get(&house, GRAPH).status(), 503);
    assert_eq!(
        get(&house, "/api/graph").status(),
        400,
        "a bad question is bad without a graph"
    );
}

#[test]
fn with_a_graph_it_is_ready_and_answers() {
    let house = serving();

    assert_eq!(get(&house, "/readyz").status(), 200);
    assert!(text(&get(&house, GRAPH)).contains(r#""version":"4.1.1""#));
}

#[test]
fn a_client_that_has_the_answer_is_told_so_and_gets_a_new_one_after_a_swap() {
    let house = serving();
    let tag = header(&get(&house, GRAPH), "etag").to_owned();

    let again = ask(
        &house,
        Method::GET,
        GRAPH,
        &[("if-none-match", &format!("\"other\", W/{tag}"))],
    );
    assert_eq!(again.status(), 304);
    assert!(again.body().is_empty());
    assert_eq!(header(&again, "etag"), tag);

    house.served.swap(graph(&["4.1.0", "4.1.1", "4.1.2"]));
    let new = ask(&house, Method::GET, GRAPH, &[("if-none-match", &tag)]);
    assert_eq!(new.status(), 200);
    assert!(text(&new).contains("4.1.2"));
}

#[test]
fn replicas_agree_on_the_tag() {
    let tag = |house: &House| header(&get(house, GRAPH), "etag").to_owned();

    assert_eq!(tag(&serving()), tag(&serving()));
}

#[test]
fn gzip_unpacks_to_the_plain_answer() {
    let house = serving();

    let packed = ask(&house, Method::GET, GRAPH, &[("accept-encoding", "gzip")]);

    let mut unpacked = String::new();
    flate2::read::GzDecoder::new(packed.body().as_ref())
        .read_to_string(&mut unpacked)
        .unwrap();
    assert_eq!(header(&packed, "content-encoding"), "gzip");
    assert_eq!(unpacked, text(&get(&house, GRAPH)));
}

#[test]
fn head_is_get_without_its_body() {
    let house = serving();
    let got = get(&house, GRAPH);

    let head = ask(&house, Method::HEAD, GRAPH, &[]);

    assert!(head.body().is_empty());
    assert_eq!(
        header(&head, "content-length"),
        got.body().len().to_string()
    );
    assert_eq!(header(&head, "etag"), header(&got, "etag"));
}

#[test]
fn a_page_of_any_origin_may_read_answers() {
    let house = serving();

    let got = ask(
        &house,
        Method::GET,
        GRAPH,
        &[("origin", "https://console.example.com")],
    );
    assert_eq!(
        header(&got, "access-control-allow-origin"),
        "https://console.example.com"
    );

    let asked = [
        ("origin", "https://a.example.com"),
        ("access-control-request-method", "GET"),
    ];
    let preflight = ask(&house, Method::OPTIONS, "/api/graph", &asked);
    assert_eq!(preflight.status(), 200);
    assert_eq!(
        header(&preflight, "access-control-allow-methods"),
        "HEAD, GET"
    );
}

#[test]
fn why_is_answered_for_one_version_and_refused_by_name() {
    let house = serving();

    let why: Value = serde_json::from_str(&text(&get(
        &house,
        "/api/v1/explain?channel=stable-4.1&from=4.1.0&to=4.1.1",
    )))
    .unwrap();
    assert_eq!(why["releases"][0]["verdict"], "No");
    assert_eq!(why["releases"][0]["reasons"][0]["reason"], "NoWay");

    let status = |query: &str| {
        get(&house, &format!("/api/v1/explain?{query}"))
            .status()
            .as_u16()
    };
    assert_eq!(status("channel=stable-4.1"), 400);
    assert_eq!(status("channel=stable-4.1&from=four"), 400);
    assert_eq!(status("channel=stable-4.1&from=4.0.0"), 404);
}

#[test]
fn an_endless_query_is_refused() {
    let house = serving();

    let reply = get(
        &house,
        &format!("{GRAPH}&id={}", "x".repeat(query::QUERY_BYTES_MAX)),
    );

    assert_eq!(reply.status(), 400);
}

#[test]
fn questions_are_counted_under_the_references_names() {
    let house = serving();
    get(&house, GRAPH);
    get(&house, "/api/graph");
    get(&house, "/api/nowhere");

    let metrics = text(&get(&house, "/metrics"));

    for line in [
        r#"cincinnati_pe_graph_incoming_requests_total{uri_path="/v1/graph"} 1"#,
        r#"cincinnati_pe_graph_incoming_requests_total{uri_path="/graph"} 1"#,
        r#"cincinnati_pe_graph_response_errors_total{code="400",kind="missing_params"} 1"#,
        "cincinnati_gb_graph_final_releases 2",
    ] {
        assert!(
            metrics.lines().any(|found| found == line),
            "{line} is not in\n{metrics}"
        );
    }
}

mod files {
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
}

mod recorded {
    use super::*;

    /// Where the recordings lie beside a checkout; the variable names another folder.
    const BESIDE: &str = "../../shared/data/update-graph/http-exchanges.txt";

    /// Label, method, path and query, headers.
    type Asked = (
        &'static str,
        &'static str,
        &'static str,
        &'static [(&'static str, &'static str)],
    );

    /// The recordings hold the responses alone.
    const REQUESTS: [Asked; 34] = [
        ("GET /graph no Accept", "GET", "/api/graph?channel=a", &[]),
        (
            "GET /v1/graph",
            "GET",
            "/api/v1/graph?channel=a",
            &[("accept", "application/json")],
        ),
        (
            "Accept vnd v1",
            "GET",
            "/api/graph?channel=a",
            &[("accept", "application/vnd.redhat.cincinnati.v1+json")],
        ),
        (
            "Accept vnd v2",
            "GET",
            "/api/graph?channel=a",
            &[("accept", "application/vnd.redhat.cincinnati.v2+json")],
        ),
        (
            "Accept */*",
            "GET",
            "/api/graph?channel=a",
            &[("accept", "*/*")],
        ),
        (
            "Accept application/*",
            "GET",
            "/api/graph?channel=a",
            &[("accept", "application/*")],
        ),
        (
            "Accept text/html",
            "GET",
            "/api/graph?channel=a",
            &[("accept", "text/html")],
        ),
        (
            "Accept list json,text",
            "GET",
            "/api/graph?channel=a",
            &[("accept", "application/json, text/plain")],
        ),
        (
            "Accept json;q=1",
            "GET",
            "/api/graph?channel=a",
            &[("accept", "application/json;q=1")],
        ),
        (
            "Accept upper-case",
            "GET",
            "/api/graph?channel=a",
            &[("accept", "Application/JSON")],
        ),
        ("missing channel", "GET", "/api/graph", JSON),
        ("empty channel", "GET", "/api/graph?channel=", JSON),
        (
            "bad channel",
            "GET",
            "/api/graph?channel=invalid:channel",
            JSON,
        ),
        (
            "upper channel",
            "GET",
            "/api/graph?channel=Stable-4.1",
            JSON,
        ),
        ("underscore channel", "GET", "/api/graph?channel=a_b", JSON),
        ("bad arch", "GET", "/api/graph?channel=a&arch=AMD64", JSON),
        ("empty arch", "GET", "/api/graph?channel=a&arch=", JSON),
        (
            "unknown arch",
            "GET",
            "/api/graph?channel=a&arch=riscv",
            JSON,
        ),
        (
            "dup channel",
            "GET",
            "/api/graph?channel=a&channel=stable-4.1",
            JSON,
        ),
        ("unknown param", "GET", "/api/graph?channel=a&foo=bar", JSON),
        (
            "bad version param",
            "GET",
            "/api/graph?channel=a&version=garbage&id=notauuid",
            JSON,
        ),
        ("bad percent", "GET", "/api/graph?channel=%zz", JSON),
        ("nul in channel", "GET", "/api/graph?channel=%00", JSON),
        ("HEAD", "HEAD", "/api/graph?channel=a", JSON),
        ("POST", "POST", "/api/graph?channel=a", JSON),
        (
            "OPTIONS preflight",
            "OPTIONS",
            "/api/graph?channel=a",
            &[
                ("origin", "https://a.example.com"),
                ("access-control-request-method", "GET"),
            ],
        ),
        (
            "GET w Origin",
            "GET",
            "/api/graph?channel=a",
            &[
                ("origin", "https://a.example.com"),
                ("accept", "application/json"),
            ],
        ),
        ("404 path", "GET", "/api/nope", &[]),
        ("404 root", "GET", "/api/", &[]),
        ("trailing slash", "GET", "/api/graph/?channel=a", &[]),
        (
            "gzip",
            "GET",
            "/api/graph?channel=stable-4.1",
            &[("accept", "application/json"), ("accept-encoding", "gzip")],
        ),
        ("openapi", "GET", "/api/openapi", &[]),
        ("status readyz", "GET", "/readyz", &[]),
        ("status livez", "GET", "/livez", &[]),
    ];
    const JSON: &[(&str, &str)] = &[("accept", "application/json")];

    /// Label, and the section of `docs/deviations.md` that says why the answer is another.
    const DEVIATIONS: [(&str, &str); 7] = [
        ("Accept list json,text", "Content is negotiated"),
        ("Accept json;q=1", "Content is negotiated"),
        ("Accept upper-case", "Content is negotiated"),
        ("HEAD", "HEAD is answered"),
        ("POST", "HEAD is answered"),
        ("gzip", "Answers are compressed"),
        ("openapi", "The OpenAPI document is JSON"),
    ];

    struct Recorded {
        status: u16,
        content_type: String,
        allow: String,
        body: String,
    }

    fn recorded() -> BTreeMap<String, Recorded> {
        let path = std::env::var_os("WINDLASS_UPDATE_GRAPH").map_or_else(
            || Path::new(env!("CARGO_MANIFEST_DIR")).join(BESIDE),
            |folder| PathBuf::from(folder).join("http-exchanges.txt"),
        );
        let text = std::fs::read_to_string(&path).unwrap_or_else(|error| {
            panic!(
                "{}: {error}; set WINDLASS_UPDATE_GRAPH to the folder of the recordings",
                path.display()
            )
        });
        text.split("### ").skip(1).map(exchange).collect()
    }

    fn exchange(text: &str) -> (String, Recorded) {
        let mut lines = text.lines();
        let label = lines.next().unwrap().to_owned();
        let status = lines
            .next()
            .unwrap()
            .split(' ')
            .nth(1)
            .unwrap()
            .parse()
            .unwrap();
        let mut recorded = Recorded {
            status,
            content_type: String::new(),
            allow: String::new(),
            body: String::new(),
        };
        for line in lines {
            if let Some(value) = line.strip_prefix("content-type: ") {
                value.clone_into(&mut recorded.content_type);
            } else if let Some(value) = line.strip_prefix("allow: ") {
                value.clone_into(&mut recorded.allow);
            } else if line.starts_with('{') {
                line.clone_into(&mut recorded.body);
            }
        }
        (label, recorded)
    }

    /// Where a reply differs from the recorded one. Of a graph with releases only the start was recorded.
    fn differences(reply: &Reply, recorded: &Recorded) -> Vec<String> {
        let mut found = Vec::new();
        let mut compare = |what: &str, ours: &str, theirs: &str| {
            if ours != theirs {
                found.push(format!("{what}: {ours:?}, recorded {theirs:?}"));
            }
        };
        compare(
            "status",
            &reply.status().as_u16().to_string(),
            &recorded.status.to_string(),
        );
        compare(
            "content-type",
            header(reply, "content-type"),
            &recorded.content_type,
        );
        compare("content-encoding", header(reply, "content-encoding"), "");
        if !recorded.allow.is_empty() {
            compare("allow", header(reply, "allow"), &recorded.allow);
        }
        let releases = r#"{"version":1,"nodes":[{"version":"#;
        if recorded.body.starts_with(releases) {
            if header(reply, "content-encoding").is_empty() {
                compare("body", &text(reply)[..releases.len()], releases);
            }
        } else if !recorded.body.contains("openapi") {
            compare("body", &text(reply), &recorded.body);
        }
        found
    }

    #[test]
    fn every_recorded_exchange_is_equal_or_a_named_deviation() {
        let recorded = recorded();
        let labels: Vec<&str> = REQUESTS.iter().map(|(label, ..)| *label).collect();
        assert_eq!(recorded.len(), 34);
        assert!(
            recorded
                .keys()
                .all(|label| labels.contains(&label.as_str()))
        );
        let deviations = include_str!("../../../docs/deviations.md");
        let house = serving();

        for (label, method, path, headers) in REQUESTS {
            let reply = ask(&house, method.parse().unwrap(), path, headers);

            let found = differences(&reply, &recorded[label]);
            match DEVIATIONS.iter().find(|(deviating, _)| *deviating == label) {
                None => assert_eq!(found, Vec::<String>::new(), "{label}"),
                Some((_, section)) => {
                    assert!(!found.is_empty(), "{label} is no deviation any more");
                    assert!(
                        deviations.contains(&format!("## {section}\n")),
                        "`{section}` is not described"
                    );
                }
            }
        }
    }

    #[test]
    fn vary_names_all_that_the_recorded_one_names() {
        let reply = get(&serving(), GRAPH);

        for name in [
            "Origin",
            "Access-Control-Request-Method",
            "Access-Control-Request-Headers",
        ] {
            assert!(header(&reply, "vary").contains(name));
        }
    }
}
